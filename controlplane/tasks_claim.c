/* SPDX-License-Identifier: Apache-2.0 */
/* Several nodes: the destinations of tasks, claimed in Redis before a wish is written, kept, given up. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controlplane/store_redis_claim.h"
#include "controlplane/tasks_in.h"

/* One wish's claims, one after the other; next and was stay until done() is called. */
struct claiming {
	struct tasks *ts;
	const struct task *next, *was;
	unsigned n; /* the one that is asked for */
	tasks_done *done;
	void *arg;
};

static bool has(const struct task *t, const char *url)
{
	for (unsigned i = 0; t && i < dests_count(t); i++)
		if (!strcmp(dests_url(t, i), url))
			return true;
	return false;
}

/* The first n destinations of t that keeper does not have are free. */
static void give_up(struct tasks *ts, const struct task *t, unsigned n, const struct task *keeper)
{
	for (unsigned i = 0; i < n; i++)
		if (!has(keeper, dests_url(t, i)))
			store_claim_end(ts->store, dests_url(t, i), t->id);
}

static void on_claimed(void *arg, const char *error, const char *owner)
{
	struct claiming *c = arg;
	char taken[96];

	if (!error && !owner && ++c->n < dests_count(c->next)) {
		store_claim(c->ts->store, dests_url(c->next, c->n), c->next->id, on_claimed, c);
		return;
	}
	if (owner) {
		snprintf(taken, sizeof(taken), TASKS_DST_TAKEN "%u %s", c->n, owner);
		give_up(c->ts, c->next, c->n, c->was);
		error = taken;
	}
	c->done(c->arg, error);
	free(c);
}

void tasks_claim_wish(struct tasks *ts, const struct task *was, const struct task *next,
		      tasks_done *done, void *arg)
{
	struct claiming *c = calloc(1, sizeof(*c));

	must(c);
	*c = (struct claiming){.ts = ts, .next = next, .was = was, .done = done, .arg = arg};
	store_claim(ts->store, dests_url(next, 0), next->id, on_claimed, c);
}

void tasks_claim_keep(struct tasks *ts, const struct task *t)
{
	for (unsigned i = 0; i < dests_count(t); i++)
		store_claim_keep(ts->store, dests_url(t, i), t->id);
}

void tasks_claim_end(struct tasks *ts, const struct task *was, const struct task *next)
{
	give_up(ts, was, dests_count(was), next);
}
