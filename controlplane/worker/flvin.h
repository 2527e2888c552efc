/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A live source that is FLV by its protocol (RTMP, HTTP-FLV): the bytes come by libavformat's protocols,
 * the tags are read here, because FFmpeg's reader of this system's version does not know Enhanced RTMP.
 *
 *   flvin_open --> flvin_read ... --> flvin_close
 *
 * Packets have milliseconds that never wrap, and a new configuration beside them as side data.
 * Threads: one.
 */
#ifndef WORKER_FLVIN_H
#define WORKER_FLVIN_H

#include <libavcodec/packet.h>
#include <libavformat/avio.h>
#include <libavutil/error.h>

#include "controlplane/worker/flvread.h"
#include "controlplane/worker/job.h"

struct flvin {
	AVIOContext *av;
	uint8_t *bytes; /* not read yet: [at, n) of room */
	size_t at, n, room;
	bool begun; /* the file's head is behind us */
	int64_t now_ms;
	struct flvin_track {
		enum track_codec codec; /* NONE: nothing of it has come */
		int64_t last_ms;
		uint8_t *config; /* goes beside the next packet */
		size_t config_n;
	} track[TRACKS];
	double width, height, rate; /* of onMetaData; 0: not said */
	struct fault why;	    /* of AVERROR_INVALIDDATA */
};

/* NULL with *rc, an AVERROR. */
struct flvin *flvin_open(const char *url, const AVIOInterruptCB *stop, AVDictionary **options,
			 int *rc);
/*
 * Reads one tag. 1: a frame of that track is in p; 0: it was none; < 0: AVERROR, where INVALIDDATA is
 * explained by `why`.
 */
int flvin_read(struct flvin *s, AVPacket *p, enum track_kind *kind);
/* NULL is fine. */
void flvin_close(struct flvin *s);

#endif
