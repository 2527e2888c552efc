/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire formats that a stream can be serialised in: one table.
 *
 * A format turns one message into bytes that are the same for every viewer, and can tell where a
 * message ends from its first bytes. Threads: pure, any.
 */
#ifndef MEDIA_WIRE_H
#define MEDIA_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "media/msg.h"

#define WIRE_HEAD_MAX 16 /* bytes that wire_span() needs, or the whole message if it is shorter */

enum wire_format { WIRE_RTMP, WIRE_FLV, WIRE_WS, WIRE_MAX };

struct wire {
	const char *name;
	/* Serialises a message that viewers get: audio, video or data. */
	void (*put)(struct sink *to, const struct msg *m);
	/* Wire length of the message that starts with these bytes; 0: not a start. */
	size_t (*span)(const uint8_t *head);
	/* Bytes that put() writes for m. */
	size_t (*size)(const struct msg *m);
};

/* Set once at start, before any thread runs: chunk size of the RTMP format, 128..65536. */
void wire_init(uint32_t rtmp_chunk_size);
uint32_t wire_rtmp_chunk_size(void);
const struct wire *wire_of(enum wire_format f);

#endif
