/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renditions: packaged streams of one app whose names differ by an ending of hls.renditions only.
 *
 * With "_720,_360", a, a_720 and a_360 are renditions of each other. The master playlist of each lists all
 * that are packaged, and low-latency playlists report on each other (RFC 8216bis, 4.4.5.4).
 *
 * Threads: the core that is given; views as of hls_find().
 */
#ifndef SESSION_HLS_RENDITIONS_H
#define SESSION_HLS_RENDITIONS_H

#include "core/hls.h"
#include "media/stream_name.h"

#define HLS_RENDITIONS_MAX 9 /* the one without an ending, too */

struct hls_rendition {
	char key[STREAM_KEY_MAX];
	const char *name; /* in key */
	const struct hls_view *view;
	bool asked; /* the one whose key was given */
};

/* Those that there is something to play of; the one without an ending first, then as configured. */
unsigned hls_renditions(const struct core *c, const char *key,
			struct hls_rendition out[HLS_RENDITIONS_MAX]);

#endif
