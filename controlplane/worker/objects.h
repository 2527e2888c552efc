/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a segment that is being made, and of its part: into memory files, encrypted on the
 * way where that is wished (AES-128-CBC over the whole segment, RFC 8216 4.3.2.4; interop L9).
 *
 * Threads: one owner.
 */
#ifndef WORKER_OBJECTS_H
#define WORKER_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OBJECT_KEY_BYTES 16

struct objects {
	int segment, part; /* -1: nothing was written yet */
	uint64_t segment_bytes, part_bytes;
	bool parts;  /* what is written goes into a part as well; not together with encryption */
	bool failed; /* there was no memory: the segment is incomplete */
	void *cipher;
	bool encrypted;
};

void objects_init(struct objects *o, bool parts);
void objects_fini(struct objects *o);
/* What comes next is encrypted; before the first byte of a segment. */
void objects_encrypt(struct objects *o, const uint8_t key[OBJECT_KEY_BYTES],
		     const uint8_t iv[OBJECT_KEY_BYTES]);
/* arg: struct objects. The shape of segmenter_sink. */
void objects_write(void *arg, const uint8_t *p, size_t n);
/* The sealed file, the caller's; -1: there is nothing, or it failed. */
int objects_take_part(struct objects *o);
int objects_take_segment(struct objects *o);

#endif
