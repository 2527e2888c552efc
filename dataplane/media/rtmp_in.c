/* SPDX-License-Identifier: Apache-2.0 */
#include "media/rtmp_in.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

#define CHUNK_SIZE_START 128
#define CHUNK_SIZE_MAX	 0xffffffu
#define EXTENDED	 0xffffff /* in the 24-bit field: the real timestamp follows */
#define PARTIAL_START	 512
#define PARTIAL_KEEP	 65536 /* memory of a chunk stream that is never worth giving back */
#define REPEATS_SURE	 2

/* The memory of a partial message; a player's chunk streams seldom have one. */
struct rtmp_in_partial {
	uint32_t cap;
	uint32_t peak; /* largest recent one, decaying */
	uint8_t data[];
};

/* A chunk header as it was read, not yet applied. */
struct header {
	uint32_t csid, ts_field, len, stream_id;
	uint8_t fmt, type;
	bool extended;
	int8_t repeats; /* of the peer, after this header */
};

void rtmp_in_init(struct rtmp_in *in, struct mem *mem, uint32_t message_max, uint32_t cs_max)
{
	*in = (struct rtmp_in){
		.mem = mem,
		.chunk_size = CHUNK_SIZE_START,
		.message_max = message_max,
		.cs_max = cs_max,
		.cs_cap = RTMP_IN_FEW,
	};
	in->cs = in->few;
}

static void free_partial(struct rtmp_in *in, struct rtmp_in_cs *cs)
{
	if (cs->partial)
		mem_free(in->mem, cs->partial, sizeof(*cs->partial) + cs->partial->cap);
	cs->partial = NULL;
}

static void free_table(struct rtmp_in *in)
{
	if (in->cs != in->few)
		mem_free(in->mem, in->cs, in->cs_cap * sizeof(*in->cs));
}

void rtmp_in_fini(struct rtmp_in *in)
{
	for (uint32_t i = 0; i < in->cs_cap; i++)
		free_partial(in, &in->cs[i]);
	free_table(in);
	rtmp_in_init(in, in->mem, in->message_max, in->cs_max);
}

/* ---- the table of chunk streams: open addressing, nothing is ever removed ---- */

/* The slot of csid, or the free slot where it belongs. */
static struct rtmp_in_cs *slot_of(struct rtmp_in_cs *table, uint32_t cap, uint32_t csid)
{
	uint32_t i = csid & (cap - 1);

	while (table[i].csid && table[i].csid != csid)
		i = (i + 1) & (cap - 1);
	return &table[i];
}

static struct rtmp_in_cs *cs_find(const struct rtmp_in *in, uint32_t csid)
{
	struct rtmp_in_cs *cs = slot_of(in->cs, in->cs_cap, csid);

	return cs->csid ? cs : NULL;
}

static bool grow_table(struct rtmp_in *in)
{
	uint32_t cap = in->cs_cap * 2;
	struct rtmp_in_cs *table = mem_resize(in->mem, NULL, 0, cap * sizeof(*table));

	if (!table)
		return false;
	memset(table, 0, cap * sizeof(*table));
	for (uint32_t i = 0; i < in->cs_cap; i++) {
		if (in->cs[i].csid)
			*slot_of(table, cap, in->cs[i].csid) = in->cs[i];
	}
	free_table(in);
	in->cs = table;
	in->cs_cap = cap;
	return true;
}

static struct rtmp_in_cs *cs_add(struct rtmp_in *in, uint32_t csid)
{
	struct rtmp_in_cs *cs;

	if ((in->cs_n + 1) * 4 > in->cs_cap * 3 && !grow_table(in))
		return NULL;
	cs = slot_of(in->cs, in->cs_cap, csid);
	cs->csid = csid;
	in->cs_n++;
	return cs;
}

/* ---- the memory of a partial message ---- */

static uint32_t room_of(const struct rtmp_in_cs *cs)
{
	return cs->partial ? cs->partial->cap : 0;
}

static bool resize_partial(struct rtmp_in *in, struct rtmp_in_cs *cs, uint32_t cap)
{
	const size_t head = sizeof(struct rtmp_in_partial);
	size_t before = cs->partial ? head + cs->partial->cap : 0;
	struct rtmp_in_partial *p = mem_resize(in->mem, cs->partial, before, head + cap);

	if (!p)
		return false;
	if (!before)
		p->peak = 0;
	p->cap = cap;
	cs->partial = p;
	return true;
}

/* Grows with the bytes that came, never with the length that was declared (interop T14). */
static bool append(struct rtmp_in *in, struct rtmp_in_cs *cs, const uint8_t *p, uint32_t n)
{
	uint32_t want = cs->got + n, cap = max_of(room_of(cs), (uint32_t)PARTIAL_START);

	while (cap < want)
		cap *= 2;
	/* Near the end of the budget only what is needed may still fit. */
	if (cap > room_of(cs) && !resize_partial(in, cs, cap) && !resize_partial(in, cs, want))
		return false;
	memcpy(cs->partial->data + cs->got, p, n);
	cs->got = want;
	return true;
}

/*
 * Before a new message: forgets the last one, and gives memory back when for long no message needed
 * a quarter of it. The slow decay keeps what a key frame needs from one to the next.
 */
static void reset_partial(struct rtmp_in *in, struct rtmp_in_cs *cs)
{
	struct rtmp_in_partial *p = cs->partial;
	uint32_t cap = room_of(cs);

	if (p)
		p->peak = max_of(cs->got, p->peak - p->peak / 1024);
	cs->got = 0;
	while (cap > PARTIAL_KEEP && cap / 4 > p->peak)
		cap /= 2;
	if (cap < room_of(cs))
		resize_partial(in, cs, cap); /* a failure keeps the larger block, which is fine */
}

/* ---- headers ---- */

/*
 * The extended timestamp that may or may not stand behind a type-3 header (interop T8). Compares as
 * many of the n bytes at p as there are, so that it never waits for bytes of a later message
 * without need. Returns the bytes that belong to the header: 0 or 4, or -1 for need more.
 */
static int repeated_timestamp(const struct rtmp_in *in, const struct rtmp_in_cs *cs,
			      const uint8_t *p, size_t n, struct header *h)
{
	uint8_t expected[4];

	put_be32(expected, cs->ts_field);
	if (memcmp(p, expected, min_of(n, sizeof(expected)))) {
		h->repeats = (int8_t)max_of(in->repeats - 1, -REPEATS_SURE);
		return 0;
	}
	if (n < sizeof(expected))
		return -1;
	h->repeats = (int8_t)min_of(in->repeats + 1, REPEATS_SURE);
	/* Of a peer that surely does not repeat, one match is chance, a second one is not. */
	return in->repeats > -REPEATS_SURE ? (int)sizeof(expected) : 0;
}

/* Bytes of the basic header: the chunk stream id is in it; 0: need more. */
static int parse_basic(const uint8_t *p, size_t n, struct header *h)
{
	static const uint8_t bytes[] = {2, 3};
	uint32_t id = p[0] & 0x3f;

	h->fmt = p[0] >> 6;
	h->csid = id;
	if (id > 1)
		return 1;
	if (n < bytes[id])
		return 0;
	h->csid = 64u + p[1] + (id ? (uint32_t)p[2] << 8 : 0);
	return bytes[id];
}

/* May this chunk stream carry a header of this type now? 0 or -(enum reason). */
static int admit(const struct rtmp_in *in, const struct rtmp_in_cs *cs, const struct header *h)
{
	if (cs)
		return 0;
	if (h->fmt > 1)
		return -REASON_BAD_CHUNK;
	return in->cs_n < in->cs_max ? 0 : -REASON_TOO_MANY_CHUNK_STREAMS;
}

/* A chunk header from the n bytes at p: its length, 0 for need more, or -(enum reason). */
static int parse_header(const struct rtmp_in *in, const uint8_t *p, size_t n, struct header *h)
{
	static const uint8_t bytes[] = {11, 7, 3, 0};
	const struct rtmp_in_cs *cs;
	int at, more;

	*h = (struct header){.repeats = in->repeats};
	at = n ? parse_basic(p, n, h) : 0;
	if (!at)
		return 0;
	cs = cs_find(in, h->csid);
	more = admit(in, cs, h);
	if (more < 0)
		return more;
	if (h->fmt == 3) {
		if (!cs->extended)
			return at;
		more = repeated_timestamp(in, cs, p + at, n - (size_t)at, h);
		return more < 0 ? 0 : at + more;
	}
	if (n < (size_t)at + bytes[h->fmt])
		return 0;
	p += at;
	at += bytes[h->fmt];
	h->ts_field = get_be24(p);
	if (h->fmt < 2) {
		h->len = get_be24(p + 3);
		h->type = p[6];
	}
	if (h->fmt == 0)
		h->stream_id = get_le32(p + 7);
	if (h->ts_field != EXTENDED)
		return at;
	if (n < (size_t)at + 4)
		return 0;
	h->extended = true;
	h->ts_field = get_be32(p + bytes[h->fmt]);
	return at + 4;
}

/* The header of a chunk while the message of its chunk stream is not complete. */
static int continue_message(struct rtmp_in *in, struct rtmp_in_cs *cs, const struct header *h)
{
	if (h->fmt == 3)
		return 0;
	if (h->fmt == 1 && (h->len != cs->len || h->type != cs->type))
		return -REASON_BAD_CHUNK;
	in->odd++;
	return 0;
}

static int begin_message(struct rtmp_in *in, struct rtmp_in_cs *cs, const struct header *h)
{
	if (h->fmt != 3) {
		cs->ts_field = h->ts_field;
		cs->extended = h->extended;
	}
	/* All but type 0 are deltas, extended ones too (interop T9). */
	cs->ts = h->fmt == 0 ? h->ts_field : cs->ts + cs->ts_field;
	if (h->fmt < 2) {
		cs->len = h->len;
		cs->type = h->type;
	}
	if (h->fmt == 0)
		cs->stream_id = h->stream_id;
	if (cs->len > in->message_max)
		return -REASON_MESSAGE_TOO_BIG;
	reset_partial(in, cs);
	cs->open = true;
	return 0;
}

static int apply_header(struct rtmp_in *in, const struct header *h)
{
	struct rtmp_in_cs *cs = cs_find(in, h->csid);
	int r;

	if (!cs) {
		cs = cs_add(in, h->csid);
		if (!cs)
			return -REASON_MEMORY_BUDGET;
		if (h->fmt)
			in->odd++;
	}
	in->repeats = h->repeats;
	if (cs->open && h->fmt == 0) {
		in->odd++;
		if (++in->torn > RTMP_IN_TORN_MAX)
			return -REASON_BAD_CHUNK;
		cs->open = false;
	}
	r = cs->open ? continue_message(in, cs, h) : begin_message(in, cs, h);
	if (r < 0)
		return r;
	in->cur = (uint32_t)(cs - in->cs);
	in->chunk_left = min_of(in->chunk_size, cs->len - cs->got);
	in->in_chunk = true;
	return 0;
}

/* ---- messages ---- */

static int set_chunk_size(struct rtmp_in *in, const struct msg *m)
{
	uint32_t size;

	if (m->len < 4)
		return -REASON_BAD_CONTROL;
	size = get_be32(m->data) & 0x7fffffff;
	if (size)
		in->chunk_size = min_of(size, CHUNK_SIZE_MAX);
	else
		in->odd++;
	return 0;
}

static int abort_message(struct rtmp_in *in, const struct msg *m)
{
	struct rtmp_in_cs *cs;

	if (m->len < 4)
		return -REASON_BAD_CONTROL;
	cs = cs_find(in, get_be32(m->data));
	if (cs && cs->open)
		cs->open = false;
	else
		in->odd++;
	return 0;
}

static bool has_media_time(uint8_t type)
{
	return type == MSG_AUDIO || type == MSG_VIDEO || type == MSG_DATA ||
	       type == MSG_DATA_AMF3 || type == MSG_AGGREGATE;
}

/* Hands out a message whose payload is at data. 0 or -(enum reason). */
static int complete(struct rtmp_in *in, struct rtmp_in_cs *cs, const uint8_t *data, struct msg *out)
{
	cs->open = false;
	in->in_chunk = false;
	if (cs->type == MSG_NONE) { /* cannot be told from no message, and means nothing */
		in->odd++;
		return 0;
	}
	*out = (struct msg){
		.type = cs->type,
		.stream_id = cs->stream_id,
		.csid = cs->csid,
		.ts_ms = has_media_time(cs->type) ? ts64_unwrap(&in->clock, cs->ts) : cs->ts,
		.len = cs->len,
		.data = data,
	};
	if (cs->type == MSG_SET_CHUNK_SIZE)
		return set_chunk_size(in, out);
	if (cs->type == MSG_ABORT)
		return abort_message(in, out);
	return 0;
}

/* ---- the stream of bytes ---- */

/* What a feed has: bytes cut off at the last one, then the input. */
struct input {
	const uint8_t *p;
	size_t n, off;
};

/* Collects a header over several inputs. */
static int gather_header(struct rtmp_in *in, struct input *i, struct header *h)
{
	int taken;

	while (!(taken = parse_header(in, in->head, in->head_n, h))) {
		if (i->off == i->n)
			return 0;
		must(in->head_n < sizeof(in->head));
		in->head[in->head_n++] = i->p[i->off++];
	}
	if (taken < 0)
		return taken;
	/* Bytes compared with an extended timestamp that was none are payload: they stay. */
	in->head_n -= (uint8_t)taken;
	memmove(in->head, in->head + taken, in->head_n);
	return taken;
}

/* >0: at a chunk's payload now; 0: need more; <0: -(enum reason). */
static int read_header(struct rtmp_in *in, struct input *i)
{
	struct header h;
	size_t left = i->n - i->off;
	int taken, r;

	if (in->head_n) {
		taken = gather_header(in, i, &h);
	} else {
		taken = parse_header(in, i->p + i->off, left, &h);
		if (taken > 0) {
			i->off += (size_t)taken;
		} else if (!taken) {
			must(left < sizeof(in->head));
			memcpy(in->head, i->p + i->off, left);
			in->head_n = (uint8_t)left;
			i->off = i->n;
		}
	}
	if (taken <= 0)
		return taken;
	r = apply_header(in, &h);
	return r < 0 ? r : 1;
}

/* Moves payload of the present chunk into the partial. >0: the chunk is complete. */
static int collect(struct rtmp_in *in, struct rtmp_in_cs *cs, struct input *i)
{
	uint32_t take;

	if (in->head_n && in->chunk_left) {
		take = min_of(in->chunk_left, (uint32_t)in->head_n);
		if (!append(in, cs, in->head, take))
			return -REASON_MEMORY_BUDGET;
		in->head_n -= (uint8_t)take;
		memmove(in->head, in->head + take, in->head_n);
		in->chunk_left -= take;
	}
	take = (uint32_t)min_of((size_t)in->chunk_left, i->n - i->off);
	if (take) {
		if (!append(in, cs, i->p + i->off, take))
			return -REASON_MEMORY_BUDGET;
		i->off += take;
		in->chunk_left -= take;
	}
	return !in->chunk_left;
}

/* >0: the chunk is complete, and *out perhaps; 0: need more; <0: -(enum reason). */
static int read_payload(struct rtmp_in *in, struct input *i, struct msg *out)
{
	struct rtmp_in_cs *cs = &in->cs[in->cur];
	const uint8_t *data;
	int r;

	/* Nothing to copy: an empty message, or one that lies whole in this chunk of the input. */
	if (!cs->len ||
	    (!cs->got && !in->head_n && in->chunk_left == cs->len && cs->len <= i->n - i->off)) {
		data = i->p + i->off;
		i->off += cs->len;
	} else {
		r = collect(in, cs, i);
		if (r <= 0)
			return r;
		in->in_chunk = false;
		if (cs->got < cs->len)
			return 1;
		data = cs->partial ? cs->partial->data : NULL;
	}
	r = complete(in, cs, data, out);
	return r < 0 ? r : 1;
}

int rtmp_in_feed(struct rtmp_in *in, const uint8_t *p, size_t n, struct msg *out)
{
	struct input i = {p, min_of(n, (size_t)INT_MAX), 0};
	int r;

	out->type = MSG_NONE;
	/* Kept bytes may complete a message by themselves; each call takes some all the same. */
	if (in->head_n && n)
		in->head[in->head_n++] = i.p[i.off++];
	do {
		r = in->in_chunk ? read_payload(in, &i, out) : read_header(in, &i);
	} while (r > 0 && out->type == MSG_NONE);
	return r < 0 ? r : (int)i.off;
}

void rtmp_in_trim(struct rtmp_in *in)
{
	for (uint32_t i = 0; i < in->cs_cap; i++) {
		struct rtmp_in_cs *cs = &in->cs[i];

		if (!cs->open)
			free_partial(in, cs);
	}
}

/* ---- aggregates ---- */

#define SUB_HEAD_BYTES 11
#define SUB_BACK_BYTES 4

static uint32_t sub_timestamp(const uint8_t *head)
{
	return (uint32_t)head[7] << 24 | get_be24(head + 4);
}

int rtmp_aggregate_next(const struct msg *aggregate, uint32_t *off, struct msg *out)
{
	const uint8_t *head;
	uint32_t left, len;

	for (;;) {
		left = aggregate->len - *off;
		if (!left)
			return 0;
		if (left < SUB_HEAD_BYTES)
			return -EINVAL;
		head = aggregate->data + *off;
		len = get_be24(head + 1);
		if (len > left - SUB_HEAD_BYTES)
			return -EINVAL;
		/* The last back pointer may be missing. */
		*off += min_of(left, SUB_HEAD_BYTES + len + SUB_BACK_BYTES);
		if (head[0] == MSG_AUDIO || head[0] == MSG_VIDEO || head[0] == MSG_DATA)
			break;
	}
	*out = (struct msg){
		.type = head[0],
		.stream_id = aggregate->stream_id,
		.csid = aggregate->csid,
		.ts_ms = aggregate->ts_ms +
			 (int32_t)(sub_timestamp(head) - sub_timestamp(aggregate->data)),
		.len = len,
		.data = head + SUB_HEAD_BYTES,
	};
	return 1;
}
