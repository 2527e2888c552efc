/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole life of a few connections, told by a fuzzer's input.
 *
 * The first byte chooses settings (world.h). Then come steps: one byte, whose low two bits say which
 * peer and the rest what it does, and the step's arguments. Some steps deliver the input's own bytes,
 * some well-formed messages, so that the deep ends are reached by short inputs. A step that does not
 * fit what the peer is does nothing; input that ends early is a script that ends early. At the end
 * all peers leave.
 */
#ifndef TESTS_FUZZ_SCRIPT_H
#define TESTS_FUZZ_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

#define SCRIPT_PEERS 4

/* What a peer is: a client of one of the listeners, or the server of a relay leg. */
enum peer_role { PEER_RTMP, PEER_HTTP, PEER_LEG };

/* 0, as LLVMFuzzerTestOneInput() returns. */
int script_run(const enum peer_role role[SCRIPT_PEERS], const uint8_t *data, size_t size);

#endif
