/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FLV: tags to bytes, and bytes to tags.
 *
 * The writer makes what every FLV player can share: StreamID 0, exact PreviousTagSize after each
 * tag, the timestamp's 32 bits split as the format wants (interop M1, H7). The reader unwraps them
 * to 64 bits again.
 * Source: Adobe Flash Video File Format Specification 10.1, annex E. Threads: pure, one owner.
 */
#ifndef MEDIA_FLV_H
#define MEDIA_FLV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/reasons.h"
#include "base/mem.h"
#include "media/msg.h"

#define FLV_HEADER_BYTES 13 /* file header and PreviousTagSize0 */
#define FLV_TAG_HEAD	 11
#define FLV_TAG_EXTRA	 15 /* tag header and PreviousTagSize */

void flv_header(uint8_t dst[FLV_HEADER_BYTES], bool audio, bool video);
/* One tag with its PreviousTagSize; m->len at most 0xffffff. */
void flv_tag(struct sink *to, const struct msg *m);
/* Wire length of the tag whose first FLV_TAG_HEAD bytes are at head; 0 where it is no tag type. */
size_t flv_span(const uint8_t *head);

struct flv_in {
	struct mem *mem;
	uint32_t message_max;
	uint8_t state, head_n;
	uint8_t head[16];
	uint32_t left;	    /* bytes left of what is skipped */
	uint32_t tag_bytes; /* of the last tag, what PreviousTagSize should say */
	struct msg cur;
	uint8_t *body; /* a tag body that came in pieces; grows as its bytes arrive */
	size_t body_cap, body_n;
	struct ts64 clock; /* moved by audio and video only: script tags often carry a stray 0 */
	bool has_audio, has_video; /* as the file header says */
	uint64_t odd;		   /* wrong PreviousTagSize and the like, tolerated */
};

void flv_in_init(struct flv_in *in, struct mem *mem, uint32_t message_max);
void flv_in_fini(struct flv_in *in);
/*
 * Takes bytes from p, at most up to the end of one tag's body. Returns how many were taken (1..n),
 * or -(enum reason): BAD_FLV, MESSAGE_TOO_BIG, MEMORY_BUDGET. out->type is MSG_NONE, or the type of
 * the message completed by these bytes; its data is in p or in the reader and valid until the next
 * call. n must be > 0. Unknown and encrypted tags are skipped and counted as odd.
 */
int flv_in_feed(struct flv_in *in, const uint8_t *p, size_t n, struct msg *out);

#endif
