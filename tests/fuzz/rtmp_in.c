/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RTMP chunk reader: cuts change nothing, memory stays within the budget, and every message it
 * hands out comes back through the chunk writer. The first two bytes of the input seed the cuts.
 */
#include "media/rtmp_in.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "fuzz/fuzz.h"
#include "media/rtmp_out.h"

#define ROOM	    (64u << 20)
#define TIGHT	    3000
#define MESSAGE_MAX 100000

/* What came out: the messages as one digest, and how it ended. */
struct outcome {
	uint64_t digest, messages, odd;
	bool more; /* the last call handed out a message */
	int error;
};

static uint64_t mix(uint64_t digest, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		digest = (digest ^ b[i]) * 0x100000001b3;
	return digest;
}

static void note(struct outcome *o, const struct msg *m)
{
	o->messages++;
	o->digest = mix(o->digest, &m->type, sizeof(m->type));
	o->digest = mix(o->digest, &m->stream_id, sizeof(m->stream_id));
	o->digest = mix(o->digest, &m->csid, sizeof(m->csid));
	o->digest = mix(o->digest, &m->ts_ms, sizeof(m->ts_ms));
	o->digest = mix(o->digest, &m->len, sizeof(m->len));
	o->digest = mix(o->digest, m->data, m->len);
}

/* Written with one chunk size and read again, the message is the same. */
static void check_round_trip(const struct msg *m, uint32_t chunk_size)
{
	size_t n = rtmp_out_size(m->len, m->ts_ms, chunk_size), off = 0;
	uint8_t *bytes = malloc(n + RTMP_OUT_HEAD_MAX);
	struct wr w = wr_of(bytes, n);
	struct mem mem = {.max = ROOM};
	struct msg again = {.type = MSG_NONE};
	struct rtmp_in in;

	must(bytes);
	rtmp_out_msg(&w.sink, m, chunk_size);
	must(!w.bad && wr_len(&w) == n && rtmp_out_span(bytes, chunk_size) == n);
	rtmp_in_init(&in, &mem, MESSAGE_MAX, 1);
	in.chunk_size = chunk_size;
	while (off < n) {
		int taken = rtmp_in_feed(&in, bytes + off, n - off, &again);

		must(taken > 0 && (size_t)taken <= n - off);
		off += (size_t)taken;
	}
	must(again.type == m->type && again.stream_id == m->stream_id && again.len == m->len);
	must((uint32_t)again.ts_ms == (uint32_t)m->ts_ms);
	must(!m->len || !memcmp(again.data, m->data, m->len));
	rtmp_in_fini(&in);
	free(bytes);
}

static void check_aggregate(const struct msg *m)
{
	uint32_t off = 0, before = 0;
	struct msg sub;
	int r;

	while ((r = rtmp_aggregate_next(m, &off, &sub)) > 0) {
		must(off > before && off <= m->len);
		must(sub.data >= m->data && sub.data + sub.len <= m->data + off);
		must(sub.type == MSG_AUDIO || sub.type == MSG_VIDEO || sub.type == MSG_DATA);
		before = off;
	}
	must(r == 0 || r == -EINVAL);
}

static void check_message(const struct msg *m, uint32_t chunk_size)
{
	if (m->type != MSG_SET_CHUNK_SIZE && m->type != MSG_ABORT)
		check_round_trip(m, chunk_size);
	if (m->type == MSG_AGGREGATE)
		check_aggregate(m);
}

/* One call; *o gets what came out of it. Returns the bytes taken. */
static size_t feed_once(struct rtmp_in *in, const uint8_t *p, size_t n, bool whole,
			struct outcome *o)
{
	struct msg m;
	int taken = rtmp_in_feed(in, p, n, &m);

	must(in->mem->used <= in->mem->max);
	o->more = taken >= 0 && m.type != MSG_NONE;
	if (taken < 0) {
		o->error = taken;
		return 0;
	}
	must((taken > 0 || !n) && (size_t)taken <= n);
	must(o->more || (size_t)taken == n);
	if (o->more) {
		must(m.len <= MESSAGE_MAX && m.data);
		note(o, &m);
		if (whole)
			check_message(&m, 1 + (uint32_t)(o->digest % 300));
	}
	return (size_t)taken;
}

/* cuts 0: in one piece; budget: bytes of memory. */
static struct outcome feed(const uint8_t *p, size_t n, unsigned cuts, size_t budget)
{
	struct outcome o = {.digest = 0xcbf29ce484222325};
	struct mem mem = {.max = budget};
	bool whole = !cuts;
	struct rtmp_in in;
	size_t off = 0;

	rtmp_in_init(&in, &mem, MESSAGE_MAX, 8);
	while (off < n && !o.error) {
		size_t piece = whole ? n - off : 1 + (size_t)rand_r(&cuts) % 40;
		size_t end = off + min_of(piece, n - off);

		while (off < end && !o.error)
			off += feed_once(&in, p + off, end - off, whole, &o);
	}
	while (o.more)
		feed_once(&in, p + off, 0, whole, &o);
	o.odd = in.odd;
	rtmp_in_fini(&in);
	must(!mem.used);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, cut;
	unsigned cuts;

	if (size < 2)
		return 0;
	cuts = 1u + data[0] + 256u * data[1];
	data += 2;
	size -= 2;
	whole = feed(data, size, 0, ROOM);
	must(whole.error != -REASON_MEMORY_BUDGET);
	cut = feed(data, size, cuts, ROOM);
	must(whole.error == cut.error && whole.messages == cut.messages);
	must(whole.digest == cut.digest && whole.odd == cut.odd);
	feed(data, size, cuts, TIGHT);
	return 0;
}
