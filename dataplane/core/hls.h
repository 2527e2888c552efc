/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packaged streams: the segments that workers hand over, and the playlists that follow from them.
 *
 *   absent --open--> open --close, or its worker is gone--> orphaned --open--> open
 *                    open --end--> ended --open--> open
 *                    orphaned, ended --nothing happened for a while--> absent
 *
 * The control thread is the only writer. Each change makes a new view of the stream, immutable, which
 * replaces the one before it; cores read views and what is in them between quiet points, and hold the
 * segments that they send.
 *
 * Rules for playlists (RFC 8216, interop L1-L5)
 *   1. Numbers of segments and of discontinuities never go back while the stream is known.
 *   2. Segments are consecutive; one that does not come, or finds no room, is a gap.
 *   3. No EXTINF rounds to more than EXT-X-TARGETDURATION, which never gets shorter, and longer only
 *      by an open that says so.
 *   4. A segment leaves the playlist only when three target durations remain; it stays available for
 *      the length of the longest playlist that it was in and two target durations, and as long as it
 *      is one of the last hls.keep.
 *   5. What follows an interruption begins with a discontinuity.
 *
 * Threads: hls_find and hls_view_* on cores; all else on the control thread; hls_new and hls_free on
 * main, without cores.
 */
#ifndef CORE_HLS_H
#define CORE_HLS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/core.h"
#include "core/segments.h"
#include "media/m3u8.h"
#include "media/stream_name.h"

#define HLS_CODECS_MAX 200

/* Something that segments name by its number: an initialisation section or a key. */
struct hls_named {
	uint32_t number; /* in playlists */
	uint32_t theirs; /* what the worker calls it; 0: it was another worker */
	struct segment *object;
};

struct hls_view {
	struct m3u8 list;
	struct m3u8_variant variant;
	bool open;	     /* a worker packages it */
	uint64_t updated_us; /* when the last segment, part or gap came; 0: none yet */
	uint64_t first_seq;  /* of seg[0] */
	unsigned segs_n, parts_n, inits_n, keys_n;
	struct m3u8_segment *seg; /* list.seg points into it: those before are kept, not listed */
	struct m3u8_part *part;
	struct segment **seg_object, **part_object; /* NULL: a gap */
	struct hls_named *init, *key;
	char codecs[HLS_CODECS_MAX];
	struct hls_view *next; /* retired */
	uint64_t stamp;
};

struct hls_writer;

struct hls_stream {
	char key[STREAM_KEY_MAX];
	_Atomic(struct hls_view *) view; /* never NULL */
	_Atomic uint64_t asked_us;	 /* when it was last asked for */
	_Atomic uint64_t requests;
	_Atomic(struct hls_stream *) next; /* in its bucket */
	/* control thread */
	struct hls_writer *writer;
	const void *owner; /* its channel; NULL: orphaned or ended */
	uint64_t told_us;  /* when hls.idle was said */
	TAILQ_ENTRY(hls_stream) all;
	uint64_t stamp; /* dead */
};

struct hls {
	struct engine *engine;
	struct segments store;
	/* After each change, on the control thread: those who wait for it may look again. */
	void (*changed)(struct engine *e, const char *key);
	/* control thread */
	TAILQ_HEAD(hls_streams, hls_stream) streams, dead;
	struct hls_view *retired;
	uint64_t settled_us;
	_Atomic(struct hls_stream *) bucket[4096];
};

/* NULL without memory. */
struct hls *hls_new(struct engine *e);
void hls_free(struct hls *h); /* NULL is fine */

/* ---- readers ---- */
/* Valid until the core's next quiet point; NULL: not packaged. Any core, and the control thread. */
struct hls_stream *hls_find(struct hls *h, const char *key);
static inline const struct hls_view *hls_view(const struct hls_stream *s)
{
	return atomic_load_explicit(&((struct hls_stream *)s)->view, memory_order_acquire);
}
/* There is something to play. */
static inline bool hls_view_has_media(const struct hls_view *v)
{
	return v->list.segs_n || v->list.parts_n;
}
/* A segment that is still kept, or NULL. */
const struct m3u8_segment *hls_view_segment(const struct hls_view *v, uint64_t seq,
					    struct segment **object);
struct segment *hls_view_part(const struct hls_view *v, uint64_t seq, uint32_t part);
struct segment *hls_view_init(const struct hls_view *v, uint32_t number);
struct segment *hls_view_key(const struct hls_view *v, uint32_t number);
/* Parts there are of the next segment. */
uint32_t hls_view_next_parts(const struct hls_view *v);

/* ---- the writer ---- */
/* Why something was refused: a code of api/hls.h, the packet's key, and the rule. */
struct hls_fault {
	const char *code, *field;
	char message[160];
	int64_t media_seq; /* the number to go on with; -1: that is not the question */
};

struct hls_open {
	const char *key, *codecs;
	bool fmp4;
	uint32_t target_ms, part_ms;
	uint64_t media_seq, disc_seq;
	uint32_t bandwidth, width, height, fps_milli;
};

enum hls_kind { HLS_INIT, HLS_KEY, HLS_PART, HLS_SEGMENT, HLS_GAP };

struct hls_put {
	enum hls_kind kind;
	uint32_t number; /* the worker's, of the init or key itself */
	uint32_t part;
	struct m3u8_segment m; /* a part's fields too */
	struct segment *object;
};

/* All: 0, or -EINVAL with *f. `now_us`: CLOCK_MONOTONIC. */
int hls_open(struct hls *h, const struct hls_open *o, const void *owner, uint64_t now_us,
	     struct hls_fault *f);
/* Takes the reference of p->object in any case. `full` (a segment): there was no room for it, it becomes a
 * gap. */
int hls_put(struct hls *h, struct hls_stream *s, struct hls_put *p, bool full, uint64_t now_us,
	    struct hls_fault *f);
void hls_close(struct hls *h, struct hls_stream *s, uint64_t now_us);
void hls_end(struct hls *h, struct hls_stream *s, uint64_t now_us);
/* Every stream of that owner is closed. */
void hls_disown(struct hls *h, const void *owner, uint64_t now_us);
/* Discontinuities before the next segment. */
uint64_t hls_discontinuities(const struct hls_view *v);
/* Frees what nobody reads any more, and streams of which nothing was heard for long; often. */
void hls_settle(struct hls *h, uint64_t now_us);

#endif
