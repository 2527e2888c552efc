/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a NIC and a middlebox do to packets, in software: cutting bursts, finishing checksums,
 * taking options away. Threads: any, pure.
 */
#ifndef TESTS_SIM_TCP_WIRE_H
#define TESTS_SIM_TCP_WIRE_H

#include "net/tcp/tcp.h"
#include "net/tcp/tcp_hdr.h"

#define WIRE_BYTES 9100

/* Calls back with each packet of p as it goes over the wire, checksums finished. */
void wire_send(const struct tcp_packet *p, void (*each)(void *arg, uint8_t *packet, size_t n),
	       void *arg);
/* Writes both checksums again. */
void wire_sum(uint8_t *packet, size_t n);
/* Replaces the options of these kinds (a mask of bits) by NOP. */
void wire_strip(uint8_t *packet, size_t n, uint32_t kinds);
/* Sets the window field. */
void wire_window(uint8_t *packet, size_t n, uint16_t wnd);
/* Changes what the segment says by chance: numbers, flags, window, options. */
void wire_lie(uint8_t *packet, size_t n, uint32_t chance);
/* A whole packet from a segment. */
size_t wire_build(uint8_t *packet, const struct tcp_seg *g);
/* "< S. 1:1(0) ack 5 win 100" for people. */
void wire_print(const char *who, double at, const uint8_t *packet, size_t n);

#endif
