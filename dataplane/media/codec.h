/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an audio, video or data message is: codec, key frame, sequence header, metadata.
 *
 * Legacy FLV codec ids (HEVC as 12 too) and Enhanced RTMP v1 and v2 headers are understood
 * (interop M14-M18); an unknown codec passes with its kind and key-frame flag only. Parsing never
 * rejects a stream because of what an elementary stream holds (M19). Threads: pure, any.
 */
#ifndef MEDIA_CODEC_H
#define MEDIA_CODEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "media/msg.h"

enum codec_id {
	CODEC_NONE = 0,
	CODEC_H264,
	CODEC_HEVC,
	CODEC_AV1,
	CODEC_VP8,
	CODEC_VP9,
	CODEC_VVC,
	CODEC_H263,
	CODEC_SCREEN,
	CODEC_VP6,
	CODEC_AAC,
	CODEC_MP3,
	CODEC_OPUS,
	CODEC_FLAC,
	CODEC_AC3,
	CODEC_EAC3,
	CODEC_SPEEX,
	CODEC_G711A,
	CODEC_G711U,
	CODEC_PCM,
	CODEC_OTHER,
	CODEC_MAX,
};

/* "h264", "aac", ...; "none" and "other" too. */
const char *codec_name(unsigned id);

struct codec_info {
	enum codec_id codec;
	uint32_t fourcc;   /* Enhanced RTMP; 0 otherwise */
	bool enhanced;	   /* Enhanced RTMP header */
	bool multitrack;   /* all here is said of the message's first track */
	uint8_t track;	   /* its id; 0 where there is one track only */
	bool needs_header; /* a codec that cannot be decoded without its sequence header */
	/* At most one of these; none for commands and packet types that we do not know. */
	bool header;   /* sequence header: cache it, it carries no picture or sound */
	bool frame;    /* coded media */
	bool metadata; /* Enhanced RTMP video metadata (HDR): late joiners need it */
	bool config;   /* Enhanced RTMP audio MultichannelConfig: late joiners need it */
	bool end;      /* end of sequence */
	/* Frames of video. */
	bool keyframe;	/* a decoder can start here, by NAL types where they are known (M14) */
	int32_t cts_ms; /* composition time, signed (M5) */
};

/* m is MSG_AUDIO or MSG_VIDEO. false: too short to be one (an empty message is odd, not bad). */
bool codec_inspect(const struct msg *m, struct codec_info *out);
/* The same, and what follows the tag header of the first track; empty where there is nothing. */
bool codec_body(const struct msg *m, struct codec_info *out, struct slice *body);
/* Picture size from an H.264 or HEVC sequence header; false where it cannot be told. */
bool codec_video_size(const struct msg *header, uint32_t *width, uint32_t *height);
/* Sample rate in Hz and channels from an AAC sequence header (interop M20). */
bool codec_aac_config(const struct msg *header, uint32_t *rate, uint32_t *channels);

/*
 * The tracks of an Enhanced RTMP multitrack message, each with the head that makes a message of it
 * alone: head and body together say the same of this track (interop M16, M17).
 */
#define CODEC_TRACK_HEAD 7
struct codec_track {
	uint8_t track, head[CODEC_TRACK_HEAD];
	struct slice body;
};
struct codec_tracks {
	struct rd r;
	uint8_t first, kind, type;
	uint32_t fourcc;
};
/* false: not such a message. */
bool codec_tracks_begin(struct codec_tracks *t, const struct msg *m);
/* false: no further track, or none that is whole. */
bool codec_tracks_next(struct codec_tracks *t, struct codec_track *out);

enum data_kind { DATA_OTHER, DATA_METADATA };
/*
 * A data message (type 18, or 15 with a leading 0): what it is, and its payload without the
 * @setDataFrame wrapper (interop C9). Malformed data is DATA_OTHER, never an error (C8).
 */
enum data_kind codec_data(const struct msg *m, struct slice *payload);
/*
 * onMetaData for players: duration and filesize removed, `server` set, all else kept (interop C10).
 * Into w; false (and nothing useful in w) where the input is malformed or does not fit.
 */
bool codec_metadata_for_players(struct slice payload, const char *server, struct wr *w);
/* onMetaData without what it says of audio or video; false as above. */
bool codec_metadata_without(struct slice payload, bool audio, bool video, struct wr *w);
/* onMetaData as an encoder sends it: wrapped in @setDataFrame. */
void codec_metadata_for_servers(struct slice payload, struct wr *w);
/* The metadata's "encoder" text; empty if none. */
struct slice codec_metadata_encoder(struct slice payload);

#endif
