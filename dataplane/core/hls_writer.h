/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packaged stream as its writer has it, from which views are made. Inside of core/hls only.
 *
 * Threads: the control thread.
 */
#ifndef CORE_HLS_WRITER_H
#define CORE_HLS_WRITER_H

#include "core/hls.h"

struct hls_kept {
	struct m3u8_segment m;
	struct segment *object; /* NULL: a gap */
	uint64_t longest_us;	/* the longest playlist that it was in */
	uint64_t left_us;	/* when it left it */
};

struct hls_kept_part {
	struct m3u8_part m;
	struct segment *object;
};

/* A growable list of things of one size. */
struct hls_list {
	void *at;
	unsigned n, room;
};

struct hls_writer {
	struct hls_list segs, parts, inits, keys; /* hls_kept, hls_kept_part, hls_named twice */
	unsigned listed;			  /* segments before it are out of the playlist */
	bool fmp4, ended, interrupted;		  /* the next one begins with a discontinuity */
	uint32_t target_s, part_us;
	uint64_t next_seq, disc_seq; /* disc_seq: before the first one in the playlist */
	uint64_t updated_us;
	struct m3u8_variant variant;
	char codecs[HLS_CODECS_MAX];
};

static inline struct hls_kept *hls_segs(const struct hls_writer *w)
{
	return w->segs.at;
}
static inline struct hls_kept_part *hls_parts(const struct hls_writer *w)
{
	return w->parts.at;
}

/* ---- hls_writer.c ---- */
struct hls_writer *hls_writer_new(void);
void hls_writer_free(struct hls_writer *w);
/* Room for one more at the end, zeroed and counted; NULL without memory. */
void *hls_list_add(struct hls_list *l, size_t bytes);
/* Takes the first n out. */
void hls_list_drop(struct hls_list *l, size_t bytes, unsigned n);
/* Parts that there are of the next segment: at the end of parts. */
unsigned hls_next_parts(const struct hls_writer *w);
/* A segment that is complete, or a gap; then what has to leave leaves. 0 or -ENOMEM. */
int hls_writer_append(struct hls_writer *w, const struct m3u8_segment *m, struct segment *object,
		      const struct config *conf, uint64_t now_us);
/* A segment of which only parts came is a gap: its number is known to players. */
void hls_writer_interrupt(struct hls_writer *w, const struct config *conf, uint64_t now_us);
/* Everything leaves the playlist; it stays available for a while. */
void hls_writer_unlist_all(struct hls_writer *w, uint64_t now_us);
/* What is out of the playlist is not available any more either. */
void hls_writer_forget(struct hls_writer *w);
/* Numbers up to `seq` that no playlist has; nothing is in it. 0 or -ENOMEM. */
int hls_writer_leave_out(struct hls_writer *w, uint64_t seq, uint64_t now_us);
/* How long everything in the playlist lasts. */
uint64_t hls_writer_length_us(const struct hls_writer *w);

/* ---- hls_rules.c: 0, or -EINVAL with *f ---- */
/* fresh: nothing is known of the stream. */
int hls_rules_open(struct hls_writer *w, bool fresh, const struct hls_open *o,
		   const struct config *conf, uint64_t now_us, struct hls_fault *f);
/* Whether it may come now; p->object may be NULL where there was no room for a segment. */
int hls_rules_check(const struct hls_writer *w, const struct hls_put *p, struct hls_fault *f);
/* What was checked goes in, with the reference of p->object. Without memory: nothing does. */
int hls_rules_put(struct hls_writer *w, const struct hls_put *p, const struct config *conf,
		  uint64_t now_us, struct hls_fault *f);

/* ---- hls_view.c ---- */
/* A view of the writer's present state; it holds what is in it. NULL without memory. */
struct hls_view *hls_view_new(const struct hls_writer *w, bool open);
void hls_view_free(struct hls_view *v);

#endif
