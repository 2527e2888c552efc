/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of pulls.h share: one pull, and the table of them.
 *
 *   pulls.c       the table; regular pulls, their windows and leases
 *   pulls_leg.c   what runs them: a leg of the data plane, or a worker where it cannot read the source
 *   pulls_wish.c  triggered pulls, from a viewer's question to the origin's URLs
 *   pulls_save.c  triggered pulls in Redis, for the next control plane of this node
 *
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_PULLS_IN_H
#define CONTROLPLANE_PULLS_IN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/digest.h"
#include "controlplane/jobs.h"
#include "controlplane/live.h"
#include "controlplane/pulls.h"

#define PULL_LEG_TEXT	64
#define PULL_LEG_PREFIX "live:"
#define PULL_SOURCES	16

struct pull {
	char key[LIVE_KEY], leg[PULL_LEG_TEXT];
	char *source[PULL_SOURCES]; /* URLs */
	unsigned n, at;		    /* at: the one in use */
	char found[DIGEST_TEXT];    /* of the URL that was found running; "": none was */
	char *text;		    /* regular: the sources as they were configured */
	bool regular, on, busy, running, wanted;
	bool worker; /* on: a worker brings it */
	bool edge;   /* from another node of this Redis, found by domain and params */
	bool sought; /* edge: its present source failed, Redis is asked for another */
	char domain[129], *params;
	bool stale;	     /* its source was edited since it began */
	unsigned failures;   /* since it ran */
	uint64_t after_us;   /* not begun again before */
	uint64_t again_us;   /* triggered: failures until then do not end it */
	uint64_t mine_until; /* several nodes: this one holds it until then */
	TAILQ_ENTRY(pull) link;
};

struct pulls {
	struct cp *cp;
	struct book *book;
	struct jobs *jobs;
	TAILQ_HEAD(, pull) list;
	void *by_key, *by_leg; /* tsearch trees of struct pull */
	bool listed;	       /* pull.list of the present data plane came */
	bool loaded;	       /* what an earlier process left was read */
	bool ending;	       /* this process ends: the next one takes what is saved */
	char inner_key[65];    /* of the data plane that workers publish to */
};

/* ---- pulls.c ---- */
struct pull *pulls_find(const struct pulls *p, const char *key);
struct pull *pulls_find_leg(const struct pulls *p, const char *leg);
struct pull *pull_new(struct pulls *p, const char *key);
void pull_free(struct pulls *p, struct pull *q);
void pull_drop_sources(struct pull *q);
/* Takes url, which may be NULL. */
void pull_add_source(struct pull *q, char *url);
/* Whether this node is the one that pulls it. */
bool pull_is_mine(const struct pulls *p, const struct pull *q);

/* ---- pulls_leg.c ---- */
extern const struct jobs_ops pulls_jobs_ops;
/* One step towards what is wanted; the answer brings the next. It may free q. */
void pull_step(struct pulls *p, struct pull *q);
void pulls_step_all(struct pulls *p);
/* Goes on with the source that was found running; false: it is none of them. */
bool pull_take_found(struct pull *q);
/* It ran and was interrupted: for half a minute from now failures do not end it. */
void pull_again(struct pull *q);
/* The event pull.state. */
void pulls_on_state(struct pulls *p, const json_t *event);

/* ---- pulls_wish.c ---- */
/* The event stream.wanted. */
void pulls_on_wanted(struct pulls *p, const json_t *event);
/* Asks Redis which node has the stream of an edge's pull now. */
void pull_seek_again(struct pulls *p, struct pull *q);

/* ---- pulls_save.c ---- */
/* A triggered pull begins, has other sources, or is gone. */
void pull_save(struct pulls *p, const struct pull *q);
void pull_unsave(struct pulls *p, const struct pull *q);
/* Every ten seconds or so: what is saved lasts. */
void pulls_save_renew(struct pulls *p);
/* Redis is there (again). */
void pulls_save_ready(void *arg);

#endif
