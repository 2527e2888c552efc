/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker may put into a stream, and what it becomes there. */
#include "core/hls_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"

#define NAMED_MAX    2048u /* inits, and keys, of a stream */
#define PARTS_MAX    512u  /* of a segment */
#define KEY_BYTES    16u
#define LEFT_OUT_MAX 1000u /* numbers */

__attribute__((format(printf, 4, 5))) static int refuse(struct hls_fault *f, const char *code,
							const char *field, const char *fmt, ...)
{
	va_list args;

	f->code = code;
	f->field = field;
	f->media_seq = -1;
	va_start(args, fmt);
	vsnprintf(f->message, sizeof(f->message), fmt, args);
	va_end(args);
	return -EINVAL;
}

static int no_memory(struct hls_fault *f)
{
	return refuse(f, "limit", "", "no memory");
}

/* ---- open ---- */

/* Numbers up to the one that the new worker begins with are gaps where players may wait for them. */
static void bridge(struct hls_writer *w, const struct hls_open *o, const struct config *conf,
		   uint64_t now_us)
{
	uint64_t missing = o->media_seq - w->next_seq;
	struct m3u8_segment gap = {.gap = true, .duration_us = w->target_s * 1000000ull};

	if (missing > (uint64_t)conf->hls_window) {
		hls_writer_unlist_all(w, now_us);
		/* What is kept stays consecutive; where that would take too much, it goes at once. */
		if (missing <= LEFT_OUT_MAX && !hls_writer_leave_out(w, o->media_seq, now_us))
			return;
		hls_writer_forget(w);
		w->next_seq = o->media_seq;
		return;
	}
	while (w->next_seq < o->media_seq) {
		gap.seq = w->next_seq;
		if (hls_writer_append(w, &gap, NULL, conf, now_us))
			return;
	}
}

/* The next worker counts its initialisation sections and keys from the start again. */
static void forget_theirs(struct hls_list *l)
{
	struct hls_named *named = l->at;

	for (unsigned i = 0; i < l->n; i++)
		named[i].theirs = 0;
}

int hls_rules_open(struct hls_writer *w, bool fresh, const struct hls_open *o,
		   const struct config *conf, uint64_t now_us, struct hls_fault *f)
{
	uint32_t target_s = max_of((o->target_ms + 500) / 1000, 1u);

	if (!o->target_ms || o->target_ms > 3600000)
		return refuse(f, "bad_field", "target_ms", "must be 1 to 3600000");
	if (o->part_ms > o->target_ms)
		return refuse(f, "bad_field", "part_ms", "must be at most target_ms");
	if (fresh) {
		w->next_seq = o->media_seq;
		w->disc_seq = o->disc_seq;
		w->interrupted = o->media_seq > 0;
	} else if (o->media_seq < w->next_seq) {
		refuse(f, "conflict", "media_seq", "must be at least %" PRIu64, w->next_seq);
		f->media_seq = (int64_t)w->next_seq;
		return -EINVAL;
	} else {
		/* One initialisation section in the playlist and none are two formats: players need a
		 * playlist that begins anew. */
		if (w->fmp4 != o->fmp4)
			hls_writer_unlist_all(w, now_us);
		w->interrupted = true;
		bridge(w, o, conf, now_us);
	}
	forget_theirs(&w->inits);
	forget_theirs(&w->keys);
	w->fmp4 = o->fmp4;
	w->ended = false;
	w->target_s = max_of(w->target_s, target_s);
	w->part_us = o->part_ms * 1000;
	w->variant = (struct m3u8_variant){NULL, o->bandwidth, o->width, o->height, o->fps_milli};
	snprintf(w->codecs, sizeof(w->codecs), "%s", o->codecs);
	return 0;
}

/* ---- what may be put ---- */

/* Our number for what the worker calls so, the newest one; 0: it was not sent. */
static uint32_t number_of(const struct hls_list *l, uint32_t theirs)
{
	const struct hls_named *named = l->at;

	for (unsigned i = l->n; theirs && i-- > 0;)
		if (named[i].theirs == theirs)
			return named[i].number;
	return 0;
}

/*
 * Its URI may be cached for ever, so no number is used twice: it follows that of the next segment, which
 * never goes back, not even when this process is started again.
 */
static uint32_t next_number(const struct hls_writer *w, const struct hls_list *l)
{
	const struct hls_named *named = l->at;
	uint32_t last = l->n ? named[l->n - 1].number : 0;

	return max_of((uint32_t)(w->next_seq + 1), last + 1);
}

static int check_named(const struct hls_writer *w, const struct hls_put *p, struct hls_fault *f)
{
	bool key = p->kind == HLS_KEY;
	const struct hls_list *l = key ? &w->keys : &w->inits;
	const char *field = key ? "key" : "init";

	if (!key && !w->fmp4)
		return refuse(f, "bad_field", "init", "format ts has none");
	if (!p->number)
		return refuse(f, "bad_field", field, "must be more than 0");
	if (l->n >= NAMED_MAX)
		return refuse(f, "limit", field, "%u are held and not in use", NAMED_MAX);
	if (key && p->object->n != KEY_BYTES)
		return refuse(f, "bad_field", "key", "must be %u bytes", KEY_BYTES);
	return 0;
}

/* The next one, and what it names is there. */
static int check_place(const struct hls_writer *w, const struct hls_put *p, struct hls_fault *f)
{
	if (p->m.seq != w->next_seq) {
		refuse(f, "bad_field", "seq", "must be %" PRIu64, w->next_seq);
		f->media_seq = (int64_t)w->next_seq;
		return -EINVAL;
	}
	if (p->kind == HLS_GAP)
		return 0;
	if (w->fmp4 ? !number_of(&w->inits, p->m.init) : p->m.init)
		return refuse(f, "bad_field", "init", "%s",
			      w->fmp4 ? "was not sent" : "format ts has none");
	if (p->m.key && !number_of(&w->keys, p->m.key))
		return refuse(f, "bad_field", "key", "was not sent");
	return 0;
}

static int check_part(const struct hls_writer *w, const struct hls_put *p, struct hls_fault *f)
{
	unsigned next = hls_next_parts(w);

	if (!w->part_us)
		return refuse(f, "bad_field", "part", "the stream was opened without part_ms");
	if (p->part != next || next >= PARTS_MAX)
		return refuse(f, "bad_field", "part", "must be %u, and at most %u", next,
			      PARTS_MAX - 1);
	if (!p->m.duration_us || p->m.duration_us > w->part_us)
		return refuse(f, "bad_field", "duration_us", "must be 1 to %" PRIu32, w->part_us);
	return 0;
}

static int check_segment(const struct hls_writer *w, const struct hls_put *p, struct hls_fault *f)
{
	if (!p->m.duration_us || p->m.duration_us > 3600000000ull ||
	    (p->m.duration_us + 500000) / 1000000 > w->target_s)
		return refuse(f, "bad_field", "duration_us",
			      "must round to at most %" PRIu32 " s, as target_ms said",
			      w->target_s);
	return 0;
}

int hls_rules_check(const struct hls_writer *w, const struct hls_put *p, struct hls_fault *f)
{
	if (p->kind == HLS_INIT || p->kind == HLS_KEY)
		return check_named(w, p, f);
	if (check_place(w, p, f))
		return -EINVAL;
	return p->kind == HLS_PART ? check_part(w, p, f) : check_segment(w, p, f);
}

/* ---- what it becomes ---- */

static int put_named(struct hls_writer *w, const struct hls_put *p, struct hls_fault *f)
{
	struct hls_list *l = p->kind == HLS_KEY ? &w->keys : &w->inits;
	uint32_t number = next_number(w, l);
	struct hls_named *named = hls_list_add(l, sizeof(*named));

	if (!named)
		return no_memory(f);
	*named = (struct hls_named){number, p->number, p->object};
	return 0;
}

static int put_part(struct hls_writer *w, const struct hls_put *p, const struct m3u8_segment *m,
		    uint64_t now_us, struct hls_fault *f)
{
	struct hls_kept_part *part = hls_list_add(&w->parts, sizeof(*part));

	if (!part)
		return no_memory(f);
	part->object = p->object;
	part->m = (struct m3u8_part){
		.seq = m->seq,
		.part = p->part,
		.init = m->init,
		.key = m->key,
		.duration_us = (uint32_t)m->duration_us,
		.iv_given = m->iv_given,
		.independent = m->independent,
		.discontinuity = !p->part && (m->discontinuity || w->interrupted),
	};
	memcpy(part->m.iv, m->iv, sizeof(part->m.iv));
	w->updated_us = now_us;
	return 0;
}

int hls_rules_put(struct hls_writer *w, const struct hls_put *p, const struct config *conf,
		  uint64_t now_us, struct hls_fault *f)
{
	struct m3u8_segment m = p->m;

	m.init = number_of(&w->inits, m.init);
	m.key = number_of(&w->keys, m.key);
	switch (p->kind) {
	case HLS_INIT:
	case HLS_KEY:
		return put_named(w, p, f);
	case HLS_PART:
		return put_part(w, p, &m, now_us, f);
	case HLS_SEGMENT:
	case HLS_GAP:
		break;
	}
	return hls_writer_append(w, &m, p->object, conf, now_us) ? no_memory(f) : 0;
}
