/* SPDX-License-Identifier: Apache-2.0 */
#include "core/hls_writer.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"

#define SECOND_US     1000000ull
#define TARGETS_LEFT  3u /* target durations that remain when a segment leaves the playlist */
#define PARTS_KEPT    5u /* target durations from the end in which parts are available */
#define TARGETS_MORE  1u /* target durations that what left stays beyond what RFC 8216 asks for */
#define LISTED_FACTOR 8u /* of hls.window: no playlist is longer, however short its segments */

void *hls_list_add(struct hls_list *l, size_t bytes)
{
	if (l->n == l->room) {
		unsigned room = l->room ? 2 * l->room : 8;
		void *at = reallocarray(l->at, room, bytes);

		if (!at)
			return NULL;
		l->at = at;
		l->room = room;
	}
	return memset((char *)l->at + bytes * l->n++, 0, bytes);
}

void hls_list_drop(struct hls_list *l, size_t bytes, unsigned n)
{
	l->n -= n;
	if (n)
		memmove(l->at, (char *)l->at + bytes * n, bytes * l->n);
}

struct hls_writer *hls_writer_new(void)
{
	return calloc(1, sizeof(struct hls_writer));
}

/* Nobody gets it from the stream any more; who is sending it goes on. */
static void drop(struct segment *object)
{
	if (object)
		atomic_store_explicit(&object->dropped, true, memory_order_relaxed);
	segment_put(object);
}

static void drop_named(struct hls_list *l, unsigned n)
{
	struct hls_named *named = l->at;

	for (unsigned i = 0; i < n; i++)
		drop(named[i].object);
	hls_list_drop(l, sizeof(*named), n);
}

static void drop_parts(struct hls_writer *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		drop(hls_parts(w)[i].object);
	hls_list_drop(&w->parts, sizeof(struct hls_kept_part), n);
}

static void drop_segs(struct hls_writer *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		drop(hls_segs(w)[i].object);
	hls_list_drop(&w->segs, sizeof(struct hls_kept), n);
	w->listed -= n;
}

void hls_writer_free(struct hls_writer *w)
{
	if (!w)
		return;
	w->listed = w->segs.n;
	drop_segs(w, w->segs.n);
	drop_parts(w, w->parts.n);
	drop_named(&w->inits, w->inits.n);
	drop_named(&w->keys, w->keys.n);
	free(w->segs.at);
	free(w->parts.at);
	free(w->inits.at);
	free(w->keys.at);
	free(w);
}

unsigned hls_next_parts(const struct hls_writer *w)
{
	unsigned n = 0;

	while (n < w->parts.n && hls_parts(w)[w->parts.n - 1 - n].m.seq == w->next_seq)
		n++;
	return n;
}

uint64_t hls_writer_length_us(const struct hls_writer *w)
{
	uint64_t us = 0;

	for (unsigned i = w->listed; i < w->segs.n; i++)
		us += hls_segs(w)[i].m.duration_us;
	return us;
}

/* ---- what leaves ---- */

static void unlist_first(struct hls_writer *w, uint64_t now_us)
{
	struct hls_kept *s = &hls_segs(w)[w->listed++];

	s->left_us = now_us;
	if (s->m.discontinuity)
		w->disc_seq++;
}

void hls_writer_unlist_all(struct hls_writer *w, uint64_t now_us)
{
	while (w->listed < w->segs.n)
		unlist_first(w, now_us);
	drop_parts(w, w->parts.n);
}

void hls_writer_forget(struct hls_writer *w)
{
	drop_segs(w, w->listed);
}

int hls_writer_leave_out(struct hls_writer *w, uint64_t seq, uint64_t now_us)
{
	while (w->next_seq < seq) {
		struct hls_kept *s = hls_list_add(&w->segs, sizeof(*s));

		if (!s)
			return -ENOMEM;
		s->m = (struct m3u8_segment){.seq = w->next_seq++, .gap = true};
		s->left_us = now_us;
		w->listed++;
	}
	return 0;
}

static void trim_playlist(struct hls_writer *w, unsigned window, uint64_t now_us)
{
	uint64_t left_us = hls_writer_length_us(w),
		 least_us = TARGETS_LEFT * SECOND_US * w->target_s;

	while (w->segs.n - w->listed > window) {
		left_us -= hls_segs(w)[w->listed].m.duration_us;
		if (left_us < least_us && w->segs.n - w->listed <= LISTED_FACTOR * window)
			break;
		unlist_first(w, now_us);
	}
}

/*
 * RFC 8216, 6.2.2: available for its own and the longest playlist's length after it has left, and a
 * target duration more: playlists that are cached (interop L6) or on their way name it still.
 */
static bool may_go(const struct hls_writer *w, const struct hls_kept *s, uint64_t now_us)
{
	uint64_t stay_us = s->longest_us + (1 + TARGETS_MORE) * SECOND_US * w->target_s;

	return s->left_us + stay_us <= now_us;
}

static void trim_kept(struct hls_writer *w, unsigned keep, uint64_t now_us)
{
	unsigned n = 0;

	while (w->listed - n > keep && may_go(w, &hls_segs(w)[n], now_us))
		n++;
	drop_segs(w, n);
}

static void note_length(struct hls_writer *w)
{
	uint64_t us = hls_writer_length_us(w);

	for (unsigned i = w->listed; i < w->segs.n; i++)
		hls_segs(w)[i].longest_us = max_of(hls_segs(w)[i].longest_us, us);
}

static void trim_parts(struct hls_writer *w)
{
	uint64_t until_us = PARTS_KEPT * SECOND_US * w->target_s, us = 0;
	uint64_t seq = w->next_seq;
	unsigned n = 0;

	for (unsigned i = w->segs.n; i > 0 && us < until_us; i--, seq--)
		us += hls_segs(w)[i - 1].m.duration_us;
	while (n < w->parts.n && hls_parts(w)[n].m.seq < seq)
		n++;
	drop_parts(w, n);
}

/* Those of segments that are gone go; numbers only grow. */
static void trim_named(struct hls_list *l, uint32_t oldest)
{
	const struct hls_named *named = l->at;
	unsigned n = 0;

	while (n + 1 < l->n && named[n + 1].number <= oldest)
		n++;
	drop_named(l, n);
}

static void trim(struct hls_writer *w, const struct config *conf, uint64_t now_us)
{
	uint32_t init = UINT32_MAX, key = UINT32_MAX;

	trim_playlist(w, (unsigned)conf->hls_window, now_us);
	note_length(w);
	trim_kept(w, (unsigned)conf->hls_keep, now_us);
	trim_parts(w);
	for (unsigned i = 0; i < w->segs.n; i++) {
		const struct m3u8_segment *m = &hls_segs(w)[i].m;

		init = m->init ? min_of(init, m->init) : init;
		key = m->key ? min_of(key, m->key) : key;
	}
	if (init != UINT32_MAX)
		trim_named(&w->inits, init);
	if (key != UINT32_MAX)
		trim_named(&w->keys, key);
}

/* ---- what comes ---- */

int hls_writer_append(struct hls_writer *w, const struct m3u8_segment *m, struct segment *object,
		      const struct config *conf, uint64_t now_us)
{
	unsigned parts = hls_next_parts(w);
	struct hls_kept *s = hls_list_add(&w->segs, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->m = *m;
	s->object = object;
	/* What is not there has what is before it: nothing in the playlist changes for its sake. */
	if (m->gap && w->segs.n - 1 > w->listed)
		s->m.init = hls_segs(w)[w->segs.n - 2].m.init;
	s->m.parts = parts;
	if (parts)
		s->m.discontinuity |= hls_parts(w)[w->parts.n - parts].m.discontinuity;
	else if (!m->gap)
		s->m.discontinuity |= w->interrupted;
	if (!m->gap)
		w->interrupted = false;
	w->next_seq++;
	w->updated_us = now_us;
	trim(w, conf, now_us);
	return 0;
}

void hls_writer_interrupt(struct hls_writer *w, const struct config *conf, uint64_t now_us)
{
	unsigned parts = hls_next_parts(w);
	struct m3u8_segment gap = {.seq = w->next_seq, .gap = true};

	w->interrupted = w->interrupted || w->segs.n || parts;
	if (!parts)
		return;
	for (unsigned i = 0; i < parts; i++)
		gap.duration_us += hls_parts(w)[w->parts.n - 1 - i].m.duration_us;
	gap.duration_us = min_of(gap.duration_us, w->target_s * SECOND_US);
	hls_writer_append(w, &gap, NULL, conf, now_us);
}
