/* SPDX-License-Identifier: Apache-2.0 */
#include "core/stream_writer.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* Published versions that may wait for a quiet point; beyond it the next version waits instead. */
#define RETIRED_MAX 64u

/* ---- keeping ---- */

static struct header_kept *find(struct stream_writer *w, enum header_kind kind, uint8_t track)
{
	for (unsigned i = 0; i < w->kept_n; i++)
		if (w->kept[i].kind == kind && w->kept[i].track == track)
			return &w->kept[i];
	return NULL;
}

/* Room for one more, behind those of its kind. */
static struct header_kept *insert(struct stream_writer *w, enum header_kind kind, uint8_t track)
{
	unsigned at = w->kept_n;

	if (w->kept_n == STREAM_HEADERS_MAX)
		return NULL;
	while (at > 0 && w->kept[at - 1].kind > kind) {
		w->kept[at] = w->kept[at - 1];
		at--;
	}
	w->kept_n++;
	w->kept[at] = (struct header_kept){.kind = (uint8_t)kind, .track = track};
	return &w->kept[at];
}

enum header_change headers_keep(struct stream_writer *w, struct core *home, enum header_kind kind,
				uint8_t track, const struct msg *m)
{
	struct header_kept *k = find(w, kind, track);
	enum header_change change = k ? HEADER_CHANGED : HEADER_NEW;
	uint8_t *copy;

	if (k && k->type == m->type && k->len == m->len && !memcmp(k->data, m->data, m->len)) {
		k->stale = false;
		return HEADER_SAME;
	}
	if (!m->len || m->len > STREAM_HEADER_BYTES_MAX)
		return HEADER_REFUSED;
	copy = malloc(m->len);
	if (!copy)
		return HEADER_REFUSED;
	home->allocs++;
	if (!k)
		k = insert(w, kind, track);
	if (!k) {
		free(copy);
		return HEADER_REFUSED;
	}
	free(k->data);
	k->stale = false;
	k->type = m->type;
	k->len = m->len;
	memcpy(copy, m->data, m->len);
	k->data = copy;
	w->gen++;
	w->dirty = true;
	return change;
}

enum header_change headers_keep_tracks(struct stream_writer *w, struct core *home,
				       enum header_kind kind, uint8_t track, const struct msg *m)
{
	enum header_change worst = HEADER_SAME;
	uint8_t room[STREAM_HEADER_BYTES_MAX];
	struct codec_tracks tracks;
	struct codec_track one;

	if (!codec_tracks_begin(&tracks, m))
		return headers_keep(w, home, kind, track, m);
	while (codec_tracks_next(&tracks, &one)) {
		struct wr to = wr_of(room, sizeof(room));
		struct msg alone = *m;
		enum header_change change;

		wr_bytes(&to, one.head, sizeof(one.head));
		wr_bytes(&to, one.body.p, one.body.n);
		alone.data = room;
		alone.len = (uint32_t)wr_len(&to);
		change = to.bad ? HEADER_REFUSED : headers_keep(w, home, kind, one.track, &alone);
		worst = max_of(worst, change);
	}
	return worst;
}

bool headers_have(const struct stream_writer *w, enum header_kind kind)
{
	for (unsigned i = 0; i < w->kept_n; i++)
		if (w->kept[i].kind == kind && !w->kept[i].stale)
			return true;
	return false;
}

void headers_doubt(struct stream_writer *w)
{
	for (unsigned i = 0; i < w->kept_n; i++)
		w->kept[i].stale = true;
	w->resuming = true;
}

bool headers_settle(struct stream_writer *w)
{
	bool video = false;
	unsigned n = 0;

	for (unsigned i = 0; i < w->kept_n; i++) {
		if (!w->kept[i].stale) {
			w->kept[n++] = w->kept[i];
			continue;
		}
		video |= w->kept[i].kind == HEADER_VIDEO;
		free(w->kept[i].data);
	}
	if (n < w->kept_n) {
		w->kept_n = n;
		w->gen++;
		w->dirty = true;
	}
	w->resuming = false;
	return video;
}

/* ---- publishing ---- */

static struct stream_headers *make(const struct stream_writer *w)
{
	struct stream_headers *h;
	uint32_t bytes = 0;

	for (unsigned i = 0; i < w->kept_n; i++)
		bytes += w->kept[i].len;
	h = malloc(sizeof(*h) + bytes);
	if (!h)
		return NULL;
	h->gen = w->gen;
	h->n = w->kept_n;
	bytes = 0;
	for (unsigned i = 0; i < w->kept_n; i++) {
		h->msg[i].type = w->kept[i].type;
		h->msg[i].off = bytes;
		h->msg[i].len = w->kept[i].len;
		memcpy(h->data + bytes, w->kept[i].data, w->kept[i].len);
		bytes += w->kept[i].len;
	}
	return h;
}

/* Newest first, so stamps fall along the list: from the first that has passed on, all have. */
static void reclaim(struct stream *s)
{
	struct stream_headers **at = &s->writer->retired, *h;

	while (*at && !quiet_passed(s->engine->quiet, (*at)->stamp))
		at = &(*at)->next_free;
	while ((h = *at)) {
		*at = h->next_free;
		s->writer->retired_n--;
		free(h);
	}
}

void headers_publish(struct stream *s, struct core *home)
{
	struct stream_writer *w = s->writer;
	struct stream_headers *old, *h;

	if (w->retired)
		reclaim(s);
	if (!w->dirty || w->retired_n == RETIRED_MAX)
		return;
	h = make(w);
	if (!h)
		return;
	home->allocs++;
	w->dirty = false;
	old = atomic_exchange_explicit(&s->headers, h, memory_order_acq_rel);
	if (!old)
		return;
	old->stamp = quiet_stamp(s->engine->quiet);
	old->next_free = w->retired;
	w->retired = old;
	w->retired_n++;
}

void headers_free(struct stream *s)
{
	struct stream_writer *w = s->writer;
	struct stream_headers *h;

	while ((h = w->retired)) {
		w->retired = h->next_free;
		free(h);
	}
	free(atomic_load_explicit(&s->headers, memory_order_relaxed));
	for (unsigned i = 0; i < w->kept_n; i++)
		free(w->kept[i].data);
	w->kept_n = 0;
}

const struct stream_headers *stream_headers(const struct stream *s)
{
	return atomic_load_explicit(&((struct stream *)s)->headers, memory_order_acquire);
}
