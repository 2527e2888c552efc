/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the home core alone knows of a stream that it writes. Inside of core/stream only.
 *
 * The headers that a late joiner needs are kept as they came (`kept`), one of each kind and track;
 * headers_publish() makes the immutable struct stream_headers of them when they changed. Threads:
 * the home core.
 */
#ifndef CORE_STREAM_WRITER_H
#define CORE_STREAM_WRITER_H

#include "core/stream.h"

/* In the order in which a joiner gets them. */
enum header_kind {
	HEADER_METADATA,
	HEADER_VIDEO,
	HEADER_VIDEO_METADATA, /* Enhanced RTMP: HDR and the like */
	HEADER_AUDIO,
	HEADER_AUDIO_CONFIG, /* Enhanced RTMP: MultichannelConfig */
};

struct header_kept {
	uint8_t kind, track, type; /* type: enum msg_type */
	uint32_t len;
	uint8_t *data;
};

struct stream_writer {
	struct header_kept kept[STREAM_HEADERS_MAX]; /* sorted by kind */
	unsigned kept_n;
	uint64_t gen;
	bool dirty; /* kept is newer than what is published */
	struct stream_headers *retired;
	unsigned retired_n;

	bool has_video;	 /* decodable video was seen */
	bool video_gap;	 /* video waits for a key frame */
	bool audio_keys; /* the newest key marks are on audio */
	uint64_t last_video_us, audio_key_us;
	int64_t last_key_ms; /* timestamp of the last video key frame */
	uint32_t blocks;     /* as counted in LOG_BLOCKS */
};

enum header_change { HEADER_SAME, HEADER_NEW, HEADER_CHANGED, HEADER_REFUSED };

/* Keeps a copy of a header message. REFUSED: too long, too many tracks, or no memory. */
enum header_change headers_keep(struct stream_writer *w, struct core *home, enum header_kind kind,
				uint8_t track, const struct msg *m);
bool headers_have(const struct stream_writer *w, enum header_kind kind);
/* Makes what is kept visible if it changed, and frees what no core reads any more. */
void headers_publish(struct stream *s, struct core *home);
/* All of it; nobody reads any more. */
void headers_free(struct stream *s);

/* Opens a format and fills it from the newest key frame; NULL: ended or no memory. Home core. */
struct wlog *stream_open_log(struct stream *s, struct core *home, enum wire_format f);
/* A log with the retention that the configuration asks for now. */
struct wlog *stream_new_log(struct stream *s, enum wire_format f);

static inline struct wlog *stream_own_log(const struct stream *s, unsigned f)
{
	return atomic_load_explicit(&((struct stream *)s)->log[f], memory_order_relaxed);
}

#endif
