/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One peer of a script: what it sends, well-formed, and a reader of what it gets.
 *
 * As a client of Millrace it opens connections; as a leg's server it answers those that the leg
 * makes, RTMP or HTTP as the leg's URL says.
 */
#ifndef TESTS_FUZZ_PEER_H
#define TESTS_FUZZ_PEER_H

#include "fuzz/net/reader.h"
#include "fuzz/net/script.h"
#include "fuzz/net/world.h"

struct peer {
	struct fake_peer net; /* first */
	struct world *world;
	enum peer_role role;
	unsigned core; /* that accepts what it opens */
	struct reader reader;
	uint32_t chunk_size; /* of what is sent */
	uint32_t ts_ms;
	bool framed; /* HTTP bodies are sent in chunks */
};

void peer_init(struct peer *p, struct world *w, enum peer_role role, unsigned core);
void peer_fini(struct peer *p);
/* Opens a connection to the listener of its role, if it has none; which: its address. */
void peer_open(struct peer *p, unsigned which);
/* Takes the oldest connection that no one has answered, or refuses it. */
void peer_accept(struct peer *p, enum reason why);
/* Bytes as they are, and a turn. */
void peer_bytes(struct peer *p, const uint8_t *bytes, size_t n);
/* Its side of the RTMP handshake, as much of it as can be said now. */
void peer_shake(struct peer *p);
/* A message: in chunks, or as an FLV tag. */
void peer_message(struct peer *p, uint8_t type, const uint8_t *payload, size_t n);
/* The command of that number from a fixed list, for the stream of that number. */
void peer_command(struct peer *p, uint8_t which, uint8_t stream);
/* The audio, video or data message of that number from a fixed list. */
void peer_media(struct peer *p, uint8_t which);
/* A picture of n bytes. */
void peer_picture(struct peer *p, bool key, size_t n);
/* The HTTP text of that number from a fixed list, request or answer, for the stream of that number. */
void peer_http(struct peer *p, uint8_t which, uint8_t stream);
/* A masked WebSocket frame. */
void peer_frame(struct peer *p, uint8_t first, const uint8_t *payload, size_t n);
/* FLV's file header. */
void peer_file(struct peer *p, uint8_t flags);

#endif
