/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relay legs: pulls (a remote stream becomes a local one) and pushes (a local stream goes out).
 *
 *   pull:  connecting --open, play accepted--> (no media yet) --media--> running --end--> failed
 *   push:  waiting --local stream live--> connecting --publish accepted, media sent--> running
 *          running --local stream ended--> waiting;  any --remote trouble--> failed
 *
 * A failed leg stays in the list with its reason until it is removed: the control plane decides when
 * to try again (remove, create). A leg lives on one core from creation to removal; both legs of a
 * task are placed together (same id up to the first ':'). Each has a slot in shared memory; state
 * changes are events.
 *
 * Clients: RTMP (handshake with digest, connect, createStream, play or publish) and HTTP-FLV (GET,
 * up to 5 redirects, chunked or not), both over TLS too. Names are resolved off the cores. Where legs
 * may connect to and whom they trust is session/dial.h's.
 *
 * Threads: relay_create and friends run on the control thread and mail the owning core.
 */
#ifndef SESSION_RELAY_H
#define SESSION_RELAY_H

#include <jansson.h>

#include "core/core.h"
#include "media/url.h"
#include "net/net.h"

struct relay_spec {
	char id[64];	  /* [A-Za-z0-9._:-]+ */
	char url[2048];	  /* shown with its secrets masked only (interop U5) */
	char stream[512]; /* domain/app/name */
	bool push, internal;
	/* A pull from the data plane that this one takes over from (session/takeover.h): in no list,
	 * past relay.deny, and making way for whoever publishes the stream here. */
	bool bridge;
};

/* Whether it may be the id of a leg. */
bool relay_id_ok(const char *id);
/* 0, or -EINVAL: tls.ca cannot be used, which the log has said. */
int relays_init(struct engine *e);
void relays_fini(struct engine *e); /* after the cores have stopped */
/* Whether that stream is what u means at this address, which is a listener of ours (interop P7). */
bool relay_meets_itself(const struct config *conf, const struct url *u, const union net_addr *to,
			const char *stream);
/* NONE, or BAD_URL, BAD_NAME, CAP_RELAYS, NO_MEMORY with *rule; *conflict: the id exists with other
 * keys; the same keys again: NONE. */
enum reason relay_create(struct engine *e, const struct relay_spec *spec, bool *conflict,
			 const char **rule);
bool relay_remove(struct engine *e, const char *id, bool push);
/* Every push, as if each was removed. */
void relay_remove_pushes(struct engine *e);
/* Removes bridges that have failed; how many are left, and how many of them do not run yet. */
unsigned relay_bridges(struct engine *e, unsigned *not_yet);
/* [{...}] as ctl.def says; a new reference. */
json_t *relay_list(struct engine *e, bool push);
/*
 * Pushes end with LEASE_LOST at until_us of the monotonic clock unless it is moved before; 0: they do
 * not. It is absolute, so that a command read late, by a process that was stopped, says nothing new.
 */
void relay_push_until(uint64_t until_us);
/* Any core: what is left of it, rounded up; 0: it has passed; UINT64_MAX: pushes do not end. */
uint64_t relay_push_left_ms(uint64_t now_us);
/* Any core, after a stream got into the registry: pushes that wait for it connect. */
void relays_stream_live(const char *key);

#endif
