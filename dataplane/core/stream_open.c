/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a further wire format of a live stream, filled from the log that there is. */
#include "core/stream.h"

#include <string.h>

#include "base/check.h"
#include "core/stream_writer.h"
#include "media/rtmp_in.h"

#define FILL_STEP   65536u
#define MESSAGE_MAX 0xffffffu
#define CSIDS	    8u /* as many as rtmp_out.h has */
/* One partial message with what its growth leaves over, and the table of chunk streams. */
#define FILL_MEMORY ((size_t)64 << 20)

struct wlog *stream_new_log(struct stream *s, enum wire_format f)
{
	const struct config *conf = engine_conf(s->engine);

	return wlog_new(f, s->engine->arena, s->engine->quiet, (uint64_t)conf->stream_retain * 1000,
			(uint64_t)conf->stream_retain_bytes);
}

/* A reader of our own chunks: it knows from the first byte what others must find out. */
static void reader_init(struct rtmp_in *in, struct mem *mem, int64_t first_ts_ms)
{
	rtmp_in_init(in, mem, MESSAGE_MAX, CSIDS);
	in->chunk_size = wire_rtmp_chunk_size();
	in->repeats = 2;
	in->clock = (struct ts64){.last_ms = first_ts_ms, .begun = true};
}

/* Reads [off, off + n) of `from`; the message that ends there, if any, goes to `to`. Bytes or <0. */
static int fill_step(struct rtmp_in *in, struct wlog *from, struct wlog *to, uint64_t off,
		     struct slice bytes, uint64_t *start)
{
	struct msg m = {.type = MSG_NONE};
	int n = rtmp_in_feed(in, bytes.p, bytes.n, &m);

	if (n < 0 || m.type == MSG_NONE)
		return n;
	if (wlog_append(to, &m, wlog_time_of(from, *start)) < 0)
		return -1;
	*start = off + (uint64_t)n;
	return n;
}

/* What viewers of the RTMP log would get from the newest key frame on, with its times. */
static bool fill(struct wlog *from, struct wlog *to)
{
	struct mem mem = {.max = FILL_MEMORY};
	struct wlog_key key;
	struct rtmp_in in;
	uint64_t off, start, head = wlog_head(from);
	int n = 0;

	if (!wlog_newest_key(from, &key))
		return true;
	reader_init(&in, &mem, key.ts_ms);
	wlog_begin_key(to, key.ts_ms, key.at_us, key.headers);
	for (off = start = key.off; off < head && n >= 0; off += (uint64_t)n) {
		struct slice part[2];

		wlog_slices(from, off, (uint32_t)min_of(head - off, (uint64_t)FILL_STEP), part);
		n = fill_step(&in, from, to, off, part[0], &start);
		if (n < 0)
			break;
	}
	rtmp_in_fini(&in);
	return n >= 0 && start == head;
}

struct wlog *stream_open_log(struct stream *s, struct core *home, enum wire_format f)
{
	struct wlog *log = stream_own_log(s, f);

	if (log || !stream_is_live(s))
		return log;
	log = stream_new_log(s, f);
	if (!log)
		return NULL;
	home->allocs++;
	stream_flush(s, home);
	if (!fill(stream_own_log(s, WIRE_RTMP), log)) {
		wlog_free(log);
		return NULL;
	}
	wlog_publish(log);
	atomic_store_explicit(&s->log[f], log, memory_order_release);
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

	stream_open_log(done->stream, home, done->format);
	m->run = answer;
	mail_post(done->core, m);
}

struct wlog *stream_log(struct stream *s, struct core *core, enum wire_format f,
			struct stream_open *done)
{
	struct wlog *log = atomic_load_explicit(&s->log[f], memory_order_acquire);
	bool home = core->id == s->home;

	if (!log && home)
		log = stream_open_log(s, core, f);
	if (log)
		return log;
	done->run = done->mail.run;
	done->stream = stream_get(s);
	done->core = core;
	done->format = f;
	done->mail.run = home ? answer : open_at_home;
	mail_post(home ? core : s->engine->cores[s->home], &done->mail);
	return NULL;
}
