/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HLS viewers who have an identity (hls.viewer; interop L7), so that they can be counted.
 *
 * The first playlist that a viewer gets names a second one with an identity in its query; who asks with it
 * is one viewer, on whatever connection and core, until three target durations passed without a
 * playlist. A viewer is counted by the core on which it came first. Identities are random, and an
 * unknown one is taken as it is, so that a restart counts those who go on; limits.connections bounds
 * how many are known. Where a domain wants viewer events, its viewers' coming and leaving is told by their
 * identity; what they fetched is not known.
 *
 * Threads: the core that is given; the table of identities has locks.
 */
#ifndef SESSION_HLS_VIEWERS_H
#define SESSION_HLS_VIEWERS_H

#include "api/reasons.h"
#include "core/core.h"

#define HLS_VIEWER_PARAM "hls_viewer"
#define HLS_VIEWER_TEXT	 17

struct hls_viewer_ask {
	const char *key, *params; /* the stream; of the request */
	uint64_t life_us;
	const char *domain; /* that wants viewer.start and viewer.stop; NULL: none does */
	const char *address;
};

/*
 * Somebody with these parameters asks for a playlist of the stream; it is a viewer for life_us from now
 * on. id is the one in params, or a new one (*made). NONE, or CAP_VIEWERS.
 */
enum reason hls_viewer_seen(struct core *c, const struct hls_viewer_ask *asked,
			    char id[HLS_VIEWER_TEXT], bool *made);
/* Forgets those that this core counts; their stop is told with that reason. */
void hls_viewers_end(struct core *c, enum reason why);

#endif
