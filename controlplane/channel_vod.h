/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Playlists of what a live channel recorded between two moments, from its index.
 *
 * Threads: any; reads files.
 */
#ifndef CONTROLPLANE_CHANNEL_VOD_H
#define CONTROLPLANE_CHANNEL_VOD_H

#include <stddef.h>
#include <stdint.h>

#include "controlplane/refusal.h"

#define VOD_SPAN_S 86400

/* Seconds since 1970 from a request's texts; false with *r. */
bool vod_range(const char *start, const char *end, int64_t *start_s, int64_t *end_s,
	       struct refusal *r);
/*
 * The playlist of all segments between them that are there, the caller's; NULL with *r. folder: the
 * channel's. A segment that is missing in between leaves a discontinuity.
 */
char *vod_playlist(const char *folder, int64_t start_s, int64_t end_s, size_t *n,
		   struct refusal *r);

#endif
