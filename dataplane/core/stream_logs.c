/* SPDX-License-Identifier: Apache-2.0 */
/* Into the logs: each message as a log's viewers get it, and which kinds of media flow. */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "core/stream_writer.h"

#define FRAME_FLOWS_US	10000000u /* a kind counts as flowing that long after a frame */
#define HEADER_FLOWS_US 1000000u  /* after a header; the first frames are on their way then */
#define CONVERTED_BYTES ((size_t)64 << 20) /* a long message, with what its growth leaves over */

/* ---- logs ---- */

void stream_add_log(struct stream *s, unsigned kind, struct wlog *log)
{
	struct stream_writer *w = s->writer;
	unsigned at = w->open_n;

	while (at > 0 && w->open[at - 1] > kind) {
		w->open[at] = w->open[at - 1];
		at--;
	}
	w->open[at] = (uint8_t)kind;
	w->open_n++;
	atomic_store_explicit(&s->log[kind], log, memory_order_release);
}

void stream_drop_keys(struct stream *s, uint8_t type)
{
	struct stream_writer *w = s->writer;

	for (unsigned i = 0; i < w->open_n; i++)
		if (variant_has(stream_kind_variant(w->open[i]), type))
			wlog_drop_keys(stream_own_log(s, w->open[i]));
}

static bool is_key_of(enum put_key key, unsigned variant)
{
	return key == KEY_EVERYWHERE || (key == KEY_WITHOUT_VIDEO && variant & VARIANT_NO_VIDEO);
}

/* What viewers of a variant get; NULL: nothing. */
static const struct msg *as_seen(struct stream *s, struct core *home, unsigned variant,
				 const struct msg *m, struct msg *room)
{
	struct stream_writer *w = s->writer;

	if (!w->room.mem) {
		w->mem.max = CONVERTED_BYTES;
		buf_init(&w->room, &w->mem);
	}
	w->mem.allocs = &home->allocs;
	switch (convert_msg(variant, m, &w->room, room)) {
	case CONVERT_SAME:
		return m;
	case CONVERT_DONE:
		return room;
	case CONVERT_LEAVE_OUT:
		break;
	}
	if (w->room.bad)
		core_count(home, CTR_MESSAGES_DROPPED, 1);
	return NULL;
}

int stream_write(struct stream *s, struct core *home, const struct msg *m, enum put_key key)
{
	struct stream_writer *w = s->writer;
	unsigned variant = VARIANT_SOURCE;
	const struct msg *out = m;
	struct msg converted;
	int rc = 0;

	for (unsigned i = 0; i < w->open_n; i++) {
		struct wlog *log = stream_own_log(s, w->open[i]);

		if (stream_kind_variant(w->open[i]) != variant) {
			variant = stream_kind_variant(w->open[i]);
			out = as_seen(s, home, variant, m, &converted);
		}
		if (!out)
			continue;
		if (is_key_of(key, variant))
			wlog_begin_key(log, m->ts_ms, home->now_us, w->gen);
		if (wlog_append(log, out, home->now_us) < 0)
			rc = -ENOMEM;
	}
	if (rc) {
		/* What follows a hole cannot be decoded before the next key frame. */
		w->video_gap = true;
		core_count(home, CTR_LOG_FULL, 1);
	}
	return rc;
}

/* ---- what flows ---- */

static _Atomic uint64_t *until_of(struct stream *s, uint8_t type)
{
	return type == MSG_AUDIO ? &s->audio_until_us : &s->video_until_us;
}

bool stream_flows(const struct stream *s, uint8_t type, uint64_t at_us)
{
	return at_us <
	       atomic_load_explicit(until_of((struct stream *)s, type), memory_order_relaxed);
}

static void flows_until(struct stream *s, uint8_t type, uint64_t until_us)
{
	_Atomic uint64_t *at = until_of(s, type);

	if (until_us > atomic_load_explicit(at, memory_order_relaxed))
		atomic_store_explicit(at, until_us, memory_order_relaxed);
}

void stream_flow_header(struct stream *s, struct core *home, uint8_t type)
{
	flows_until(s, type, home->now_us + HEADER_FLOWS_US);
}

/* After a silence: whoever joined in it was told of no such header. */
void stream_flow_frame(struct stream *s, struct core *home, const struct msg *m)
{
	struct stream_writer *w = s->writer;
	bool silent = !stream_flows(s, m->type, home->now_us);

	for (unsigned i = 0; silent && i < w->kept_n; i++) {
		struct header_kept *k = &w->kept[i];
		struct msg header = {
			.type = k->type, .ts_ms = m->ts_ms, .len = k->len, .data = k->data};

		if (k->type == m->type && !k->stale)
			stream_write(s, home, &header, KEY_NOWHERE);
	}
	flows_until(s, m->type, home->now_us + FRAME_FLOWS_US);
}

unsigned stream_variant(const struct stream *s, unsigned wanted)
{
	const struct stream_headers *h = stream_headers(s);

	for (unsigned i = 0; h && i < h->n; i++) {
		struct msg m = {.type = h->msg[i].type,
				.len = h->msg[i].len,
				.data = h->data + h->msg[i].off};
		struct codec_info info;

		if (m.type == MSG_VIDEO && codec_inspect(&m, &info) && info.header)
			return variant_needed(wanted, &info);
	}
	return variant_needed(wanted, NULL);
}
