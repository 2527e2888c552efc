/* SPDX-License-Identifier: Apache-2.0 */
#include "core/hls_writer.h"

#include <stdlib.h>

#define SECOND_US     1000000ull
#define PARTS_TARGETS 3u /* target durations from the end in which parts are listed */

/* ---- making one ---- */

/* n things of that size from the end of v's memory. */
static void *room(char **at, unsigned n, size_t bytes)
{
	void *p = *at;

	*at += n * bytes;
	return p;
}

static struct hls_view *make(const struct hls_writer *w)
{
	size_t bytes = w->segs.n * (sizeof(struct m3u8_segment) + sizeof(struct segment *)) +
		       w->parts.n * (sizeof(struct m3u8_part) + sizeof(struct segment *)) +
		       (w->inits.n + w->keys.n) * sizeof(struct hls_named);
	struct hls_view *v = calloc(1, sizeof(*v) + bytes);
	char *at = (char *)(v + 1);

	if (!v)
		return NULL;
	v->segs_n = w->segs.n;
	v->parts_n = w->parts.n;
	v->inits_n = w->inits.n;
	v->keys_n = w->keys.n;
	v->seg = room(&at, v->segs_n, sizeof(*v->seg));
	v->part = room(&at, v->parts_n, sizeof(*v->part));
	v->seg_object = room(&at, v->segs_n, sizeof(*v->seg_object));
	v->part_object = room(&at, v->parts_n, sizeof(*v->part_object));
	v->init = room(&at, v->inits_n, sizeof(*v->init));
	v->key = room(&at, v->keys_n, sizeof(*v->key));
	return v;
}

static struct segment *held(struct segment *s)
{
	return s ? segment_get(s) : NULL;
}

static void copy_named(struct hls_named *to, const struct hls_list *from)
{
	const struct hls_named *named = from->at;

	for (unsigned i = 0; i < from->n; i++)
		to[i] = (struct hls_named){named[i].number, 0, held(named[i].object)};
}

/* Parts of segments that begin within three target durations of the end are listed. */
static void list_parts(struct hls_view *v, const struct hls_writer *w)
{
	uint64_t until_us = PARTS_TARGETS * SECOND_US * w->target_s, us = 0, seq = w->next_seq;
	unsigned first = 0;

	for (unsigned i = w->segs.n; i > w->listed && us < until_us; i--, seq--)
		us += hls_segs(w)[i - 1].m.duration_us;
	while (first < v->parts_n && v->part[first].seq < seq)
		first++;
	v->list.part = v->part + first;
	v->list.parts_n = v->parts_n - first;
}

struct hls_view *hls_view_new(const struct hls_writer *w, bool open)
{
	struct hls_view *v = make(w);

	if (!v)
		return NULL;
	v->open = open;
	v->updated_us = w->updated_us;
	v->first_seq = w->next_seq - w->segs.n;
	for (unsigned i = 0; i < w->segs.n; i++) {
		v->seg[i] = hls_segs(w)[i].m;
		v->seg_object[i] = held(hls_segs(w)[i].object);
	}
	for (unsigned i = 0; i < w->parts.n; i++) {
		v->part[i] = hls_parts(w)[i].m;
		v->part_object[i] = held(hls_parts(w)[i].object);
	}
	copy_named(v->init, &w->inits);
	copy_named(v->key, &w->keys);
	memcpy(v->codecs, w->codecs, sizeof(v->codecs));
	v->variant = w->variant;
	v->variant.codecs = v->codecs;
	v->list = (struct m3u8){
		.fmp4 = w->fmp4,
		.ended = w->ended,
		.target_s = w->target_s,
		.part_us = w->part_us,
		.media_seq = w->next_seq - (w->segs.n - w->listed),
		.disc_seq = w->disc_seq,
		.segs_n = w->segs.n - w->listed,
		.seg = v->seg + w->listed,
	};
	list_parts(v, w);
	return v;
}

void hls_view_free(struct hls_view *v)
{
	if (!v)
		return;
	for (unsigned i = 0; i < v->segs_n; i++)
		segment_put(v->seg_object[i]);
	for (unsigned i = 0; i < v->parts_n; i++)
		segment_put(v->part_object[i]);
	for (unsigned i = 0; i < v->inits_n; i++)
		segment_put(v->init[i].object);
	for (unsigned i = 0; i < v->keys_n; i++)
		segment_put(v->key[i].object);
	free(v);
}

/* ---- reading it ---- */

const struct m3u8_segment *hls_view_segment(const struct hls_view *v, uint64_t seq,
					    struct segment **object)
{
	if (seq < v->first_seq || seq - v->first_seq >= v->segs_n)
		return NULL;
	*object = v->seg_object[seq - v->first_seq];
	return &v->seg[seq - v->first_seq];
}

struct segment *hls_view_part(const struct hls_view *v, uint64_t seq, uint32_t part)
{
	for (unsigned i = v->parts_n; i-- > 0;)
		if (v->part[i].seq == seq && v->part[i].part == part)
			return v->part_object[i];
	return NULL;
}

static struct segment *find_named(const struct hls_named *named, unsigned n, uint32_t number)
{
	for (unsigned i = 0; i < n; i++)
		if (named[i].number == number)
			return named[i].object;
	return NULL;
}

struct segment *hls_view_init(const struct hls_view *v, uint32_t number)
{
	return find_named(v->init, v->inits_n, number);
}

struct segment *hls_view_key(const struct hls_view *v, uint32_t number)
{
	return find_named(v->key, v->keys_n, number);
}

uint32_t hls_view_next_parts(const struct hls_view *v)
{
	uint64_t next = v->list.media_seq + v->list.segs_n;
	uint32_t n = 0;

	while (n < v->parts_n && v->part[v->parts_n - 1 - n].seq == next)
		n++;
	return n;
}

uint64_t hls_discontinuities(const struct hls_view *v)
{
	uint64_t n = v->list.disc_seq;

	for (unsigned i = 0; i < v->list.segs_n; i++)
		n += v->list.seg[i].discontinuity;
	return n;
}
