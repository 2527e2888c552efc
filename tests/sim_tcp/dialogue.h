/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scripted dialogues between the stack and a peer that says exactly what the script says.
 *
 * A script is lines; # begins a comment. A time is seconds since the last line (+0.1) or since the
 * beginning (0.1). Sequence numbers of both sides are relative to their SYN.
 *
 *   set NAME VALUE                       configuration, before the first other line
 *   TIME < FLAGS SEQ:END(LEN) [ack N] [win N] [<OPTIONS>]     the peer sends
 *   TIME > FLAGS SEQ:END(LEN) [ack N] [win N] [<OPTIONS>]     the stack has sent, by then
 *   TIME quiet                           the stack sends nothing up to then
 *   TIME listen | connect                to or from port 1935 of the stack
 *   TIME write N [M]                     tcp_send() of N bytes, which takes M (else all)
 *   TIME shutdown | close | abort
 *   TIME tell VERB [N]                   the owner has heard this by then, next in order
 *   TIME icmp mtu N seq N                about what the stack sent
 *   TIME where NAME OP N                 a number of tcp_info: cwnd, ssthresh, flight, mss, rto_ms
 *
 * FLAGS: S F R P and . for ACK. OPTIONS: mss N, sackOK, wscale N, TS VAL ECR, sack A:B ..., nop.
 * An ECR of `last` echoes the newest TS that the stack sent; on lines with > options that are not
 * named are not looked at. What the stack sends must be expected in order and nothing left out;
 * times may differ by 20 ms.
 */
#ifndef TESTS_SIM_TCP_DIALOGUE_H
#define TESTS_SIM_TCP_DIALOGUE_H

#include <stddef.h>

/* Plays a file; 0, or -1 with a sentence in err. */
int dialogue_play(const char *path, char *err, size_t n);

#endif
