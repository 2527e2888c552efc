/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RPC-style API: an action with checked parameters in, a JSON answer out.
 *
 *   request -> form (Action, Version, Format) -> signature (not on the owner's socket)
 *           -> parameters against api.def -> handler -> answer, now or after Redis confirmed
 *
 * Every answer has a RequestId; an error is {RequestId, HostId, Code, Message} and has changed
 * nothing. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_API_H
#define CONTROLPLANE_API_H

#include <stdint.h>

#include "controlplane/cp.h"
#include "controlplane/http.h"
#include "controlplane/refusal.h"
#include "controlplane/view.h"

#define API_VERSION    "2016-11-01"
#define API_PARAMS_MAX 40

enum api_type {
	API_TEXT,
	API_WORD,
	API_INT,
	API_TIME,
	API_ONEOF,
	API_URLS,
	API_RTMP,
	API_HTTP,
	API_LINES,
	API_DOMAIN,
	API_NAME
};

struct api_param {
	const char *name;
	enum api_type type;
	bool needed;
	int64_t min, max;
	const char *words, *help;
};

/* One checked value; text stays NULL where it was not given. */
struct api_arg {
	const char *text; /* of an empty list: "" */
	int64_t number;	  /* INT; TIME: seconds since 1970 */
};

struct api_call;

struct api_action {
	const char *name;
	void (*handle)(struct api_call *c);
	const char *help;
	const struct api_param *params; /* ends with a name of NULL */
};

struct api_call {
	struct cp *cp;
	struct http_call *http; /* NULL: done() gets the answer */
	void (*done)(void *arg, int status, json_t *body);
	void *done_arg;
	bool claimed;	 /* the task's lease was asked for */
	bool authentic;	 /* who calls is known: what becomes of it is noted (audit.h) */
	bool here;	 /* asked for by another node: it is not passed on again */
	bool reread;	 /* Redis was asked for what other nodes did just now */
	unsigned passes; /* how often another node was asked */
	const struct api_action *action;
	struct api_arg args[API_PARAMS_MAX];
	char request_id[UUID_TEXT];
	json_t *before, *after; /* of documents that it changes; NULL: none so far */
};

/* Every action, in the order of api.def. */
const struct api_action *api_actions(size_t *n);
/*
 * Checks the parameters against the action's table and fills args[] in its order. retry_min: the
 * least RetryInterval. true, or false with *r. Pure.
 */
bool api_check(const struct api_action *a, const struct params *p, int64_t retry_min,
	       struct api_arg args[API_PARAMS_MAX], struct refusal *r);

/* What a value breaks, as the end of a sentence; a->text is the value, its number is filled in. */
struct api_broken {
	char rule[256];
};
bool api_value_broken(const struct api_param *p, struct api_arg *a, struct api_broken *b);

/* Answers one request to "/". */
void api_handle(struct cp *cp, struct http_call *http);

/*
 * The same for a caller inside: one action with its parameters, which must stay until done(), called
 * once, now or later; body is borrowed.
 */
void api_run(struct cp *cp, const char *action, const struct params *p,
	     void (*done)(void *arg, int status, json_t *body), void *arg);
/* The same for what another node asks for; false: there is no such action, done() is not called. */
bool api_run_here(struct cp *cp, const char *action, const struct params *p,
		  void (*done)(void *arg, int status, json_t *body), void *arg);

/* For handlers. A value by its name; must be in the action's table. */
const struct api_arg *api_arg(const struct api_call *c, const char *name);
/* What was given, as names and texts; a new reference. */
json_t *api_given(const struct api_call *c);
/* Both end the call. body gets the RequestId; it is taken. */
void api_answer(struct api_call *c, json_t *body);
void api_refuse(struct api_call *c, const struct refusal *r);
/* Ends the call too: with another node's answer, which is borrowed. */
void api_relay_answer(struct api_call *c, int status, json_t *body);

/* The handlers, in api_relay.c, api_domain.c, api_live.c. */
#define ACTION(sym, name, handler, help, ...) void handler(struct api_call *c);
#include "controlplane/api.def"
#undef ACTION

#endif
