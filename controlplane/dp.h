/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client of the data plane's control socket (api/ctl.h).
 *
 *   away --connect, hello fine, subscribed--> up --closed or silent--> away, tried again
 *
 * Each request has one answer; long answers are put together first. Events come between answers in
 * the order in which they happened. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_DP_H
#define CONTROLPLANE_DP_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

struct event_base;
struct dp;

struct dp_ops {
	/* shm_fd is the callee's. */
	void (*up)(void *arg, int shm_fd);
	void (*down)(void *arg, const char *why);
	void (*event)(void *arg, const char *name, json_t *event);
};

/* answer: borrowed; NULL: the connection was lost before it came. Called exactly once. */
typedef void dp_answer(void *arg, json_t *answer);

struct dp *dp_new(struct event_base *base, const char *path, const struct dp_ops *ops, void *arg);
/* Open requests end with NULL. */
void dp_free(struct dp *d);
bool dp_up(const struct dp *d);
int dp_pid(const struct dp *d);
int dp_cores(const struct dp *d);
/* With it the passes of internal publishers are made; another one with every data-plane process. */
const char *dp_inner_key(const struct dp *d);
/* Why it is away; "" where nothing is known yet. */
const char *dp_trouble(const struct dp *d);
/*
 * Sends {"verb": verb, keys...}; takes the reference to keys (NULL: none). fn comes from the loop,
 * never from within. The answer's number grows with every request.
 */
uint64_t dp_request(struct dp *d, const char *verb, json_t *keys, dp_answer *fn, void *arg);
/*
 * The descriptor that came with the answer that is being handed over, then the caller's; -1: none.
 * Only from within dp_answer.
 */
int dp_take_fd(struct dp *d);
/* The error object of an answer, or NULL. */
json_t *dp_error(json_t *answer);
/* A text member, "" where there is none. */
const char *dp_text(const json_t *object, const char *name);

#endif
