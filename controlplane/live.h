/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The streams that are published on this node, from one publisher's start to its end.
 *
 *   fresh --callback.publish_after passed, or media came--> told --its end--> gone
 *   fresh --its end--> gone, nobody was told
 *
 * Each is kept in Redis (hash mr:live:<node>), so that a control plane that comes back, and finds
 * by the data plane's list what began and ended meanwhile, tells each start and each end at least
 * once and in order (live_notify.h). Level-triggered: the list is taken after each connect and
 * when events were lost. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_LIVE_H
#define CONTROLPLANE_LIVE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "controlplane/cp.h"

struct live;

#define LIVE_KEY 513

/* What shared memory said a minute ago, and what follows from it. */
struct live_minute {
	uint64_t gen, at_us, video, audio, in, out;
	double video_fps, audio_fps;
};

struct live_stream {
	char key[LIVE_KEY]; /* domain/app/name, domain being the ingest domain */
	char domain[129], app[129], name[257];
	char address[80], protocol[32]; /* of the publisher, with its port */
	char *params;			/* of its URL, secrets masked; "" for none */
	char host[129];			/* as the publisher named us; "" where it did not */
	int64_t since_ms;
	bool told;
	bool quiet; /* pulled from another node, which tells of it */
	/* private */
	uint64_t due_us; /* not told before */
	struct live_minute minute;
	TAILQ_ENTRY(live_stream) link;
};

struct live *live_new(struct cp *cp);
/* After the store and the data plane's client are freed. */
void live_free(struct live *l);
/* The data plane is there (again). */
void live_up(struct live *l);
void live_event(struct live *l, const char *name, const json_t *event);
/*
 * Every two seconds or so: other nodes see where streams are (mr:stream:*, online.h), and once a
 * minute each stream's numbers become a row of its history (HISTORY_MINUTES).
 */
void live_tick(struct live *l);

size_t live_count(const struct live *l);
/* In order of their start. */
struct live_stream *live_first(const struct live *l);
struct live_stream *live_next(const struct live_stream *s);
/* NULL where it is not published here. */
struct live_stream *live_find(const struct live *l, const char *key);
/* Fills in key, domain, app and name from "domain/app/name"; false: that is none. */
bool live_split(struct live_stream *s, const char *key);
/* Whether the publisher is a pull. */
bool live_is_pull(const struct live_stream *s);

#endif
