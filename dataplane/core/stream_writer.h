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
#include "media/timeline.h"

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
	bool stale; /* of a publisher that left; the present one has not sent it yet */
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

	bool resuming; /* the present publisher went on with the stream: no key frame of it yet */
	uint8_t open[STREAM_LOGS_MAX]; /* kinds of the open logs; those of a variant in a row */
	unsigned open_n;
	struct timeline timeline;
	struct mem mem;	 /* of room */
	struct buf room; /* a converted message */

	bool has_video;	   /* decodable video was seen */
	uint8_t key_track; /* the video track whose key frames are joined at */
	bool video_gap;	   /* video waits for a key frame */
	bool audio_keys;   /* the newest key marks are on audio */
	uint64_t last_video_us;
	uint64_t audio_key_us, sound_key_us; /* the last ones, where there is no video in the log */
	int64_t last_key_ms;		     /* timestamp of the last video key frame */
	uint32_t blocks;		     /* as counted in LOG_BLOCKS */
};

enum header_change { HEADER_SAME, HEADER_NEW, HEADER_CHANGED, HEADER_REFUSED };

/* Keeps a copy of a header message. REFUSED: too long, too many tracks, or no memory. */
enum header_change headers_keep(struct stream_writer *w, struct core *home, enum header_kind kind,
				uint8_t track, const struct msg *m);
/* The same for a message of several tracks, each kept on its own; the worst of what happened. */
enum header_change headers_keep_tracks(struct stream_writer *w, struct core *home,
				       enum header_kind kind, uint8_t track, const struct msg *m);
bool headers_have(const struct stream_writer *w, enum header_kind kind);
/* Another publisher goes on: what is kept counts only if it sends the same (interop M9). */
void headers_doubt(struct stream_writer *w);
/* Its first key frame: what it has not sent is gone. True: a video header was among it. */
bool headers_settle(struct stream_writer *w);
/* Makes what is kept visible if it changed, and frees what no core reads any more. */
void headers_publish(struct stream *s, struct core *home);
/* All of it; nobody reads any more. */
void headers_free(struct stream *s);

/* Opens a log and fills it from the newest key frame; NULL: ended or no memory. Home core. */
struct wlog *stream_open_log(struct stream *s, struct core *home, unsigned kind);
/* A log with the retention that the configuration asks for now. */
struct wlog *stream_new_log(struct stream *s, unsigned kind);

/* ---- stream_logs.c ---- */
/* Where a message can be joined at: nowhere, where there is no video, or in every log. */
enum put_key { KEY_NOWHERE, KEY_WITHOUT_VIDEO, KEY_EVERYWHERE };
/* The message into every open log, as its viewers get it. 0 or -ENOMEM. */
int stream_write(struct stream *s, struct core *home, const struct msg *m, enum put_key key);
/* Forgets the key frames of the logs that have such messages. */
void stream_drop_keys(struct stream *s, uint8_t type);
/* From now on the log is written and found. */
void stream_add_log(struct stream *s, unsigned kind, struct wlog *log);
/* A header of that type came, or a frame: to be told before it is put. */
void stream_flow_header(struct stream *s, struct core *home, uint8_t type);
void stream_flow_frame(struct stream *s, struct core *home, const struct msg *m);

static inline struct wlog *stream_own_log(const struct stream *s, unsigned f)
{
	return atomic_load_explicit(&((struct stream *)s)->log[f], memory_order_relaxed);
}

#endif
