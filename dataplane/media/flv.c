/* SPDX-License-Identifier: Apache-2.0 */
#include "media/flv.h"

#include <limits.h>

#include "base/bytes.h"
#include "base/check.h"

#define FLV_FILE_HEAD	  9
#define FLV_FILE_HEAD_MAX 65536 /* DataOffset beyond this is no file header that anybody writes */
#define FLV_HAS_AUDIO	  0x04
#define FLV_HAS_VIDEO	  0x01
#define FLV_BODY_FIRST	  4096 /* first allocation for a body that came in pieces */

enum flv_state {
	FLV_IN_FILE,
	FLV_IN_FILE_REST,
	FLV_IN_PREVIOUS,
	FLV_IN_TAG,
	FLV_IN_BODY,
	FLV_IN_SKIP
};

static bool is_tag_type(uint8_t type)
{
	return type == MSG_AUDIO || type == MSG_VIDEO || type == MSG_DATA || type == MSG_DATA_AMF3;
}

void flv_header(uint8_t dst[FLV_HEADER_BYTES], bool audio, bool video)
{
	memcpy(dst, "FLV\x01", 4);
	dst[4] = (uint8_t)((audio ? FLV_HAS_AUDIO : 0) | (video ? FLV_HAS_VIDEO : 0));
	put_be32(dst + 5, FLV_FILE_HEAD);
	put_be32(dst + 9, 0);
}

void flv_tag(struct sink *to, const struct msg *m)
{
	uint8_t head[FLV_TAG_HEAD], previous[4];
	uint32_t ts = (uint32_t)m->ts_ms;

	must(m->len <= 0xffffff);
	head[0] = m->type;
	put_be24(head + 1, m->len);
	put_be24(head + 4, ts & 0xffffff);
	head[7] = (uint8_t)(ts >> 24);
	put_be24(head + 8, 0);
	put_be32(previous, FLV_TAG_HEAD + m->len);
	to->write(to, head, sizeof(head));
	to->write(to, m->data, m->len);
	to->write(to, previous, sizeof(previous));
}

size_t flv_span(const uint8_t *head)
{
	return is_tag_type(head[0]) ? FLV_TAG_EXTRA + get_be24(head + 1) : 0;
}

void flv_in_init(struct flv_in *in, struct mem *mem, uint32_t message_max)
{
	*in = (struct flv_in){.mem = mem, .message_max = message_max, .state = FLV_IN_FILE};
}

void flv_in_fini(struct flv_in *in)
{
	mem_free(in->mem, in->body, in->body_cap);
	in->body = NULL;
	in->body_cap = 0;
}

/* Collects `need` bytes in in->head; true when they are complete. */
static bool gather(struct flv_in *in, size_t need, const uint8_t *p, size_t n, size_t *took)
{
	*took = min_of(need - in->head_n, n);
	memcpy(in->head + in->head_n, p, *took);
	in->head_n = (uint8_t)(in->head_n + *took);
	if (in->head_n < need)
		return false;
	in->head_n = 0;
	return true;
}

static enum reason file_head(struct flv_in *in)
{
	uint32_t head_bytes = get_be32(in->head + 5);

	if (memcmp(in->head, "FLV", 3) || head_bytes < FLV_FILE_HEAD ||
	    head_bytes > FLV_FILE_HEAD_MAX)
		return REASON_BAD_FLV;
	in->has_audio = in->head[4] & FLV_HAS_AUDIO;
	in->has_video = in->head[4] & FLV_HAS_VIDEO;
	in->left = head_bytes - FLV_FILE_HEAD;
	in->state = in->left ? FLV_IN_FILE_REST : FLV_IN_PREVIOUS;
	return REASON_NONE;
}

static void hand_out(struct flv_in *in, const uint8_t *body, struct msg *out)
{
	in->cur.data = body;
	*out = in->cur;
	in->body_n = 0;
	in->state = FLV_IN_PREVIOUS;
}

static int64_t tag_time(struct flv_in *in, uint8_t type, uint32_t ts)
{
	struct ts64 peek = in->clock;

	return type == MSG_AUDIO || type == MSG_VIDEO ? ts64_unwrap(&in->clock, ts)
						      : ts64_unwrap(&peek, ts);
}

static enum reason tag_head(struct flv_in *in, struct msg *out)
{
	const uint8_t *h = in->head;
	uint32_t len = get_be24(h + 1);

	if (len > in->message_max)
		return REASON_MESSAGE_TOO_BIG;
	in->tag_bytes = FLV_TAG_HEAD + len;
	if (!is_tag_type(h[0])) {
		in->odd++;
		in->left = len;
		in->state = len ? FLV_IN_SKIP : FLV_IN_PREVIOUS;
		return REASON_NONE;
	}
	in->cur = (struct msg){.type = h[0], .len = len};
	in->cur.ts_ms = tag_time(in, h[0], get_be24(h + 4) | (uint32_t)h[7] << 24);
	in->state = FLV_IN_BODY;
	if (!len)
		hand_out(in, h, out);
	return REASON_NONE;
}

/* Room for `need` bytes of body: grows with what came, not with what was said (interop T14). */
static bool body_room(struct flv_in *in, size_t need)
{
	size_t want = max_of(need, min_of(2 * in->body_cap, in->cur.len));
	uint8_t *body;

	if (need <= in->body_cap)
		return true;
	want = max_of(want, FLV_BODY_FIRST);
	body = mem_resize(in->mem, in->body, in->body_cap, want);
	if (!body)
		return false;
	in->body = body;
	in->body_cap = want;
	return true;
}

/* A body that lies whole in p is handed out from there, without a copy. */
static enum reason tag_body(struct flv_in *in, const uint8_t *p, size_t n, size_t *took,
			    struct msg *out)
{
	if (!in->body_n && n >= in->cur.len) {
		*took = in->cur.len;
		hand_out(in, p, out);
		return REASON_NONE;
	}
	*took = min_of(in->cur.len - in->body_n, n);
	if (!body_room(in, in->body_n + *took))
		return REASON_MEMORY_BUDGET;
	memcpy(in->body + in->body_n, p, *took);
	in->body_n += *took;
	if (in->body_n == in->cur.len)
		hand_out(in, in->body, out);
	return REASON_NONE;
}

static size_t skip(struct flv_in *in, size_t n)
{
	size_t took = min_of(in->left, n);

	in->left -= (uint32_t)took;
	if (!in->left)
		in->state = FLV_IN_PREVIOUS;
	return took;
}

/* One part of the format, or what there is of it: at least one byte. */
static enum reason part(struct flv_in *in, const uint8_t *p, size_t n, size_t *took,
			struct msg *out)
{
	switch ((enum flv_state)in->state) {
	case FLV_IN_FILE:
		return gather(in, FLV_FILE_HEAD, p, n, took) ? file_head(in) : REASON_NONE;
	case FLV_IN_FILE_REST:
	case FLV_IN_SKIP:
		*took = skip(in, n);
		return REASON_NONE;
	case FLV_IN_PREVIOUS:
		if (gather(in, 4, p, n, took)) {
			in->odd += get_be32(in->head) != in->tag_bytes;
			in->state = FLV_IN_TAG;
		}
		return REASON_NONE;
	case FLV_IN_TAG:
		return gather(in, FLV_TAG_HEAD, p, n, took) ? tag_head(in, out) : REASON_NONE;
	case FLV_IN_BODY:
		return tag_body(in, p, n, took, out);
	}
	return REASON_INTERNAL;
}

int flv_in_feed(struct flv_in *in, const uint8_t *p, size_t n, struct msg *out)
{
	size_t off = 0;

	n = min_of(n, (size_t)INT_MAX);
	*out = (struct msg){.type = MSG_NONE};
	while (off < n && out->type == MSG_NONE) {
		size_t took = 0;
		enum reason why = part(in, p + off, n - off, &took, out);

		if (why != REASON_NONE)
			return -(int)why;
		off += took;
	}
	return (int)off;
}
