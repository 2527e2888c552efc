/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a further log of a live stream, another format or variant, filled from the log that there is. */
#include "core/stream.h"

#include <string.h>

#include "base/check.h"
#include "core/stream_writer.h"
#include "media/rtmp_in.h"

/* Copied by the home core in one go, once for each format: of 4 Mbit/s that is 10 MB. */
#define FILL_SECONDS_MAX 20u
#define FILL_STEP	 65536u
#define MESSAGE_MAX	 0xffffffu
#define CSIDS		 8u /* as many as rtmp_out.h has */
/* One partial message and a converted one with what their growth leaves over, and the table of
 * chunk streams. */
#define FILL_MEMORY ((size_t)96 << 20)

static struct stream_wish wish_of(const struct stream *s)
{
	return s->engine->wish ? s->engine->wish(s->key) : (struct stream_wish){0};
}

struct wlog *stream_new_log(struct stream *s, unsigned kind)
{
	const struct config *conf = engine_conf(s->engine);
	uint64_t keep_us = wish_of(s).keep_s * 1000000ull;
	int64_t bytes = conf->stream_retain_bytes;

	if (keep_us)
		bytes = max_of(bytes, conf->stream_delay_bytes);
	return wlog_new(stream_kind_format(kind), s->engine->arena, s->engine->quiet,
			(uint64_t)conf->stream_retain * 1000 + keep_us, (uint64_t)bytes);
}

/* A reader of our own chunks: it knows from the first byte what others must find out. */
static void reader_init(struct rtmp_in *in, struct mem *mem, int64_t first_ts_ms)
{
	rtmp_in_init(in, mem, MESSAGE_MAX, CSIDS);
	in->chunk_size = wire_rtmp_chunk_size();
	in->repeats = 2;
	in->clock = (struct ts64){.last_ms = first_ts_ms, .begun = true};
}

/* The way from one log to another. */
struct filler {
	struct rtmp_in in;
	struct wlog *from, *to;
	unsigned variant;
	struct wlog_key key; /* the next one of `from`; off WLOG_NONE: none is left */
	struct buf room;     /* a converted message */
	uint64_t start;	     /* of the present message */
};

/* The message that comes next is a key frame of `from`: it is one of `to`, shown as the others are. */
static void mark_key(struct filler *f)
{
	wlog_publish(f->to);
	wlog_begin_key(f->to, f->key.ts_ms, f->key.at_us, f->key.headers);
	if (!wlog_key_after(f->from, f->key.off, &f->key))
		f->key.off = WLOG_NONE;
}

/* Reads bytes of `from` at off; the message that ends there, if any, goes to `to`. Bytes or <0. */
static int fill_step(struct filler *f, uint64_t off, struct slice bytes)
{
	struct msg m = {.type = MSG_NONE}, converted;
	int n = rtmp_in_feed(&f->in, bytes.p, bytes.n, &m);
	enum convert how;

	if (n < 0 || m.type == MSG_NONE)
		return n;
	if (f->start == f->key.off)
		mark_key(f);
	how = convert_msg(f->variant, &m, &f->room, &converted);
	if (f->room.bad)
		return -1;
	if (how != CONVERT_LEAVE_OUT && wlog_append(f->to, how == CONVERT_DONE ? &converted : &m,
						    wlog_time_of(f->from, f->start)) < 0)
		return -1;
	f->start = off + (uint64_t)n;
	return n;
}

/* What viewers of the RTMP log would get from the newest key frame on, or an older one, with its times. */
static bool fill(struct wlog *from, struct wlog *to, unsigned variant, uint64_t since_us)
{
	struct filler f = {.from = from, .to = to, .variant = variant};
	struct mem mem = {.max = FILL_MEMORY};
	uint64_t off, head = wlog_head(from);
	int n = 0;

	if (!wlog_key_near(from, since_us, &f.key))
		return true;
	reader_init(&f.in, &mem, f.key.ts_ms);
	buf_init(&f.room, &mem);
	/* Without video the first message that stays is where viewers join. */
	f.start = f.key.off;
	for (off = f.start; off < head && n >= 0; off += (uint64_t)n) {
		struct slice part[2];

		wlog_slices(from, off, (uint32_t)min_of(head - off, (uint64_t)FILL_STEP), part);
		n = fill_step(&f, off, part[0]);
		if (n < 0)
			break;
	}
	rtmp_in_fini(&f.in);
	buf_fini(&f.room);
	return n >= 0 && f.start == head;
}

struct wlog *stream_open_log(struct stream *s, struct core *home, unsigned kind)
{
	uint64_t back_us = min_of(wish_of(s).back_s, FILL_SECONDS_MAX) * 1000000ull;
	struct wlog *log = stream_own_log(s, kind);

	if (log || !stream_is_live(s))
		return log;
	log = stream_new_log(s, kind);
	if (!log)
		return NULL;
	home->allocs++;
	stream_flush(s, home);
	if (!fill(stream_own_log(s, WIRE_RTMP), log, stream_kind_variant(kind),
		  back_us && home->now_us > back_us ? home->now_us - back_us : UINT64_MAX)) {
		wlog_free(log);
		return NULL;
	}
	wlog_publish(log);
	stream_add_log(s, kind, log);
	return log;
}

/* ---- asked from another core ---- */

/* Back where it was asked. */
static void answer(struct mail *m, struct core *core)
{
	struct stream_open *done = container_of(m, struct stream_open, mail);
	struct stream *s = done->stream;

	done->run(m, core);
	stream_put(s, core);
}

static void open_at_home(struct mail *m, struct core *home)
{
	struct stream_open *done = container_of(m, struct stream_open, mail);
	unsigned now_at = done->stream->home;

	if (now_at != home->id) { /* it moved meanwhile */
		mail_post(home->engine->cores[now_at], m);
		return;
	}
	stream_open_log(done->stream, home, done->kind);
	m->run = answer;
	mail_post(done->core, m);
}

struct wlog *stream_log(struct stream *s, struct core *core, unsigned kind,
			struct stream_open *done)
{
	struct wlog *log = atomic_load_explicit(&s->log[kind], memory_order_acquire);
	unsigned home_id = s->home;
	bool home = core->id == home_id;

	if (!log && home)
		log = stream_open_log(s, core, kind);
	if (log)
		return log;
	done->run = done->mail.run;
	done->stream = stream_get(s);
	done->core = core;
	done->kind = kind;
	done->mail.run = home ? answer : open_at_home;
	mail_post(s->engine->cores[home_id], &done->mail);
	return NULL;
}
