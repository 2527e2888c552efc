/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What subscribers of the control socket are told (api/ctl.h lists the events and their keys).
 *
 * Threads: event_* from any core; they never wait: a full queue counts and drops the event, and
 * subscribers are told "lost". event_json: the control thread.
 */
#ifndef SESSION_EVENTS_H
#define SESSION_EVENTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/reasons.h"

struct auth_request;
struct event;
struct publish;
struct core;
struct session;

/* The publisher of a stream begins; pushes that wait for the stream are told as well. */
void event_publish(const struct publish *p, const char *stream);
void event_unpublish(const struct publish *p, const char *stream, enum reason why, bool internal);
/* push: push.state, else pull.state. detail: what the remote side said, or "". */
void event_relay(bool push, const char *id, const char *state, enum reason why, const char *detail);
/* A publisher of a configured domain's stream (s->about) was refused; at most EVENT_REFUSED_RATE a second
 * and core, the next one says how many were left out. */
#define EVENT_REFUSED_RATE 50
void event_refused(const struct session *s, enum reason why);
void event_auth_ask(uint64_t ask, const struct session *s, const struct auth_request *q);
void event_wanted(const char *stream, const char *domain, const char *params);
void event_unwatched(const char *stream);
/* hls.wanted, else hls.idle. */
void event_hls(bool wanted, const char *stream);
struct event_viewer {
	const char *id, *stream, *domain, *protocol, *address;
	const char *params;	     /* at the start */
	uint64_t duration_ms, bytes; /* at the end */
};
/* viewer.start, else viewer.stop. */
void event_viewer(struct core *c, const struct event_viewer *v, bool start, enum reason why);

/* As it is sent; NULL without memory. */
json_t *event_json(const struct event *e);

#endif
