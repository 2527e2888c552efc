/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An action of the API that another node has to do, because it has the task.
 *
 * The question goes through Redis as a letter (store_redis_letters.h), and so does the answer:
 *
 *   {"id","from","action","params":{}}  ->  {"id","status","body":{}}
 *
 * A node that does not answer in time has the task no longer, or soon not: then nobody knows whether
 * the action was done. Parameters are checked by both sides. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_POST_H
#define CONTROLPLANE_POST_H

#include <jansson.h>

#include "controlplane/cp.h"

struct evdns_base;
struct post;

/* NULL with one line in err where url cannot be read. */
struct post *post_new(struct cp *cp, struct evdns_base *dns, const char *url, char *err,
		      size_t err_n);
/* Questions that are open end without an answer. */
void post_free(struct post *p);

/* status 0: there was no answer, body is NULL. body is borrowed. Called once, from the loop. */
typedef void post_done(void *arg, int status, json_t *body);

/* params: names and texts; it is taken. */
void post_ask(struct post *p, const char *node, const char *action, json_t *params, post_done *done,
	      void *arg);

#endif
