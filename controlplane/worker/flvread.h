/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FLV tags read in place: classic and enhanced (Enhanced RTMP v1, v2) audio and video.
 *
 * The giver collects bytes; whole tags are taken from them without a copy. What is no audio or
 * video, other tracks than a message's first, and packet types that carry neither a header nor a
 * frame are passed over. Input is judged, never trusted. Threads: pure, any.
 */
#ifndef WORKER_FLVREAD_H
#define WORKER_FLVREAD_H

#include <sys/types.h>

#include "controlplane/worker/unit.h"

#define FLVREAD_TAG_MAX (0xffffff + 15) /* a whole tag is never longer */

enum flv_what {
	FLV_NOTHING, /* passed over */
	FLV_HEADER,  /* the sequence header of a track */
	FLV_FRAME,
	FLV_DATA, /* a script tag: onMetaData and the like */
};

struct flv_item {
	enum flv_what what;
	enum track_kind kind;
	enum track_codec codec;
	bool key;	  /* as the tag says; the NAL units know better (interop M14) */
	uint32_t time_ms; /* as sent: 32 bits that wrap */
	int32_t delay_ms; /* composition time, signed (interop M5) */
	const uint8_t *data;
	size_t n;
};

/* The file header and what follows it. Bytes taken; 0: more is needed; -1: this is no FLV. */
ssize_t flvread_head(const uint8_t *p, size_t n);
/* One tag with its previous-tag size. Bytes taken; 0: more is needed; -1: this is no tag. */
ssize_t flvread_tag(const uint8_t *p, size_t n, struct flv_item *out);
/* A number of onMetaData by its name, or 0. */
double flvread_number(const uint8_t *p, size_t n, const char *name);

#endif
