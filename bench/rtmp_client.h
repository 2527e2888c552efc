/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's side of RTMP as the benchmark needs it: bytes to say, nothing to hear.
 *
 * Written apart from the data plane on purpose: what measures and checks a program should not share
 * its mistakes. Threads: pure.
 */
#ifndef BENCH_RTMP_CLIENT_H
#define BENCH_RTMP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RTMP_HELLO_BYTES  1537 /* C0 C1, and S0 S1 */
#define RTMP_ECHO_BYTES	  1536 /* C2, and S2 */
#define RTMP_CHUNK_BYTES  60000
#define RTMP_HEADER_BYTES 12
#define RTMP_COMMANDS_MAX 2048

void rtmp_hello(uint8_t *dst);
/*
 * Chunk size, connect, createStream and play or publish in one go: servers number the first message
 * stream 1. dst[RTMP_COMMANDS_MAX]; returns the length.
 */
size_t rtmp_commands(uint8_t *dst, const char *app, const char *host, const char *stream,
		     bool publish);
/* A type-0 chunk header, with message stream 1. */
void rtmp_header(uint8_t *dst, uint8_t type, uint32_t ts_ms, uint32_t bytes);
/* The byte before each further chunk of such a message. */
uint8_t rtmp_continuation(uint8_t type);
/* An onMetaData message, header included; returns the length. dst[RTMP_COMMANDS_MAX]. */
size_t rtmp_metadata(uint8_t *dst, unsigned width, unsigned height, unsigned fps);

#endif
