/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live channels that are published on this node: who may, and a worker for each that records it.
 *
 *   (none) --the stream is live--> recording --it ended--> (none), a row of history
 *   recording --its worker is gone--> waiting --soon--> recording
 *   recording --it cannot be carried--> failed --another publisher--> recording
 *
 * Level-triggered: what is live (live.h) is compared with what is recorded every second and at every
 * change, so that a control plane that comes back goes on. A publisher of a channel that was disabled
 * is cut CHANNEL_CUT_US later, as documented.
 *
 * History: the newest CHANNEL_HISTORY publishers, in Redis (mr:channel:{bucket/channel}:history).
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_CHANNELS_H
#define CONTROLPLANE_CHANNELS_H

#include <jansson.h>

#include "controlplane/buckets.h"
#include "controlplane/live.h"

#define CHANNEL_CUT_US	10000000
#define CHANNEL_HISTORY 10

struct channels;

/* Since this process began; dropped: frames left out, sound that is not AAC above all. */
struct channels_count {
	size_t recording, failed;
	uint64_t segments, bytes, dropped, not_kept, refused, workers_lost;
};

/* What a live channel's media is like; rates are of the last seconds, 0 where nothing is known yet. */
struct channel_media {
	const struct live_stream *stream;
	uint64_t width, height;
	double video_fps, video_bytes_ps, audio_bytes_ps;
	int audio_rate; /* 0: there is no sound */
};

/* program: path of millrace-worker. */
struct channels *channels_new(struct cp *cp, const char *program);
/* After the data plane's client, the store and live are freed. */
void channels_free(struct channels *cs);
struct buckets *channels_buckets(const struct channels *cs);
/* About once a second, and after stream.publish and stream.unpublish. */
void channels_tick(struct channels *cs);
/* The data plane is away: nothing is live. */
void channels_down(struct channels *cs);
/* An event auth.ask; false: its domain is no bucket's. */
bool channels_ask(struct channels *cs, const json_t *event);
/* A publisher's end. Streams of others are passed over. */
void channels_ended(struct channels *cs, const struct live_stream *s);
struct channels_count channels_count(const struct channels *cs);

/* The channel's publisher; NULL: it is not live here. */
const struct live_stream *channel_live(const struct channels *cs, const char *bucket,
				       const char *channel);
/* false: it is not live here. */
bool channel_media(const struct channels *cs, const char *bucket, const char *channel,
		   struct channel_media *out);
/* Whether who has signed a URL so may publish; NULL: fine, else a code and in *text why. Pure. */
const char *channel_refusal(const char *params, const char *bucket, const char *channel,
			    enum bucket_acl acl, const struct creds *creds, int64_t now_s,
			    const char **text);
/* The playlist's name that a URL asks for, or the channel's, into dst. */
void channel_playlist(char dst[129], const char *params, const char *otherwise);

#endif
