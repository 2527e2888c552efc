/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One relay leg on its core: from a URL to a session with the remote server, and back.
 *
 *   begin --pull--> resolving --addresses--> opening --open--> open --media--> running
 *   begin --push--> waiting --stream live--> resolving ...
 *   open, running --local stream ended--> waiting;  --redirect--> resolving
 *   any --trouble--> failed;  any --removed--> freed once session, resolver and mail let go
 *
 * A leg has one client session at a time; concrete clients embed struct leg_session first and tell
 * the leg what happens to them. An address that refuses is followed by the next one, all within
 * relay.connect_timeout. Addresses that relay.deny holds, and this node's own listeners where the same
 * stream would meet itself, are never connected to (interop U7, P7).
 *
 * Threads: the leg's core, except where a prototype says otherwise. `detail` is also read by the
 * control thread, under relay.c's lock.
 */
#ifndef SESSION_LEG_H
#define SESSION_LEG_H

#include "media/url.h"
#include "session/relay.h"
#include "session/session.h"

#define LEG_REDIRECTS_MAX 5

struct leg;

/* What every client session of a leg begins with. */
struct leg_session {
	struct session session;
	struct leg *leg; /* NULL: the leg has turned to another address */
	/* The leg is removed: says goodbye and closes with REMOVED, soon (optional). */
	void (*leave)(struct leg_session *ls);
};

struct leg {
	/* set once, by relay.c */
	char *id, *url, *stream;
	bool push, internal, bridge;
	struct core *core;
	unsigned slot;
	struct shm_relay *shm;
	/* relay.c's, under its lock */
	LIST_ENTRY(leg) link, waiting_link;
	bool listed, waiting, waking;
	char detail[192];
	/* the core's */
	struct mail begin, remove, wake, resolved;
	struct net_resolve resolve;
	struct timer timer; /* the connect deadline */
	struct leg_session *client;
	char *location; /* where a redirect led; NULL: url */
	char said[192]; /* what the remote side said, for the state that follows */
	uint64_t visited[LEG_REDIRECTS_MAX + 1];
	uint8_t visited_n, next_addr, last_why, state;
	bool resolving, redirected, removed;
};

/* ---- relay.c to the leg ---- */
/* "running" and so on, as events and lists have it. */
const char *leg_state_name(unsigned state);
void leg_begin(struct mail *m, struct core *core);
void leg_remove(struct mail *m, struct core *core);
void leg_wake(struct mail *m, struct core *core);

/* ---- the leg to relay.c ---- */
/* Waits until leg->stream is live (leg_wake is then mailed), or stops waiting. */
void relay_await(struct leg *leg, bool on);
/* The detail that lists show. */
void relay_note(struct leg *leg, const char *detail);
/* The wake mail has arrived: the leg may be freed from now on. */
void relay_woken(struct leg *leg);
/* Frees a removed leg that nothing on its core refers to any more. */
void relay_free(struct leg *leg);

/* ---- clients to the leg ---- */
/* Where to go now. 0, or -EINVAL with *rule. */
int leg_url(const struct leg *leg, struct url *out, const char **rule);
/* From ops->connected: true when the session is to start talking. */
bool leg_connected(struct leg_session *ls, enum reason why);
/* Media flows (interop P3); more than once is fine. */
void leg_running(struct leg *leg);
/* What the remote side said, shown with the state that follows; text of a peer, cleaned here. */
void leg_say(struct leg *leg, const char *prefix, struct slice text);
/* REMOTE_REDIRECT: end the session with it and the leg goes there; else why not. */
enum reason leg_redirect(struct leg *leg, struct slice location);
/* From ops->ending and ops->gone, last thing. */
void leg_ended(struct leg_session *ls, enum reason why);
void leg_gone(struct leg_session *ls);

/* ---- the clients: a new session that is not connected yet, or NULL ---- */
struct leg_session *pull_rtmp_new(struct leg *leg);
struct leg_session *pull_flv_new(struct leg *leg);
struct leg_session *push_rtmp_new(struct leg *leg);

#endif
