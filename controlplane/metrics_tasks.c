/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/metrics_tasks.h"

#include <stdlib.h>

#include <event2/buffer.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/numbers.h"

struct chosen {
	const struct relay **relay;
	size_t n;
};

/* Those in trouble first, then those that run, then those that wait for their time. */
static struct chosen choose(struct tasks *tasks, size_t most)
{
	static const enum task_state order[] = {TASK_RECOVERING, TASK_STARTING, TASK_RUNNING,
						TASK_OFFLINE, TASK_IDLE};
	struct chosen c = {.relay = calloc(min_of(most, tasks_count(tasks)) + 1, sizeof(*c.relay))};

	must(c.relay);
	for (size_t o = 0; o < array_len(order); o++)
		for (struct relay *r = tasks_first(tasks); r && c.n < most; r = tasks_next(r))
			if (r->task->state == order[o])
				c.relay[c.n++] = r;
	return c;
}

static void put_counts(struct tasks *tasks, size_t chosen, struct evbuffer *out)
{
	size_t n[TASK_STATES] = {0}, all = 0, leases = 0;

	for (struct relay *r = tasks_first(tasks); r; r = tasks_next(r), all++) {
		n[r->task->state]++;
		leases += r->hold.mine;
	}
	metric_head(out, M_TASKS);
	for (int s = 0; s < TASK_EXIT; s++)
		metric_put(out, M_TASKS, (double)n[s], task_state_name(s));
	metric_one(out, M_TASKS_REST, (double)(all - chosen));
	metric_one(out, M_LEASES, (double)leases);
}

static void put_task(enum metric m, const struct task *t, const struct task_numbers *n,
		     struct evbuffer *out)
{
	switch (m) {
	case M_TASK_STATE:
		metric_put(out, m, task_status(t->state), t->id);
		break;
	case M_TASK_ERROR:
		if (*t->reason)
			metric_put(out, m, 1, t->id, t->reason);
		break;
	case M_TASK_RETRIES:
		metric_put(out, m, (double)t->retries, t->id);
		break;
	default:
		if (n->last_media_age_ms >= 0)
			metric_put(out, m, (double)n->last_media_age_ms / 1000, t->id);
		break;
	}
}

static void put_leg(enum metric m, const struct relay *r, unsigned number, const struct shm *shm,
		    struct evbuffer *out)
{
	static const char *const names[LEGS_MAX] = {"pull",   "push",	"push.1",
						    "push.2", "push.3", "push.4",
						    "push.5", "push.6", "push.7"};
	const char *id = r->task->id, *leg = names[number];
	const struct leg *g = legs_seen(&r->legs, number);
	struct shm_relay_view v;

	if (m == M_LEG_STATE) {
		metric_put(out, m, g ? g->state : LEG_NONE, id, leg);
		return;
	}
	if (!numbers_of_leg(shm, r, number, &v))
		return;
	switch (m) {
	case M_LEG_RATE:
		metric_put(out, m, (double)v.bps / 8, id, leg);
		break;
	case M_LEG_BYTES:
		metric_put(out, m, (double)v.bytes, id, leg);
		break;
	case M_LEG_MESSAGES:
		metric_put(out, m, (double)v.messages, id, leg);
		break;
	default:
		metric_put(out, m, (double)v.skips, id, leg);
		break;
	}
}

void metrics_tasks(struct tasks *tasks, const struct shm *shm, size_t most, struct evbuffer *out)
{
	struct chosen c = choose(tasks, most);

	put_counts(tasks, c.n, out);
	for (enum metric m = M_TASK_STATE; m <= M_TASK_AGE; m++) {
		metric_head(out, m);
		for (size_t i = 0; i < c.n; i++) {
			struct task_numbers n;

			numbers_of(shm, c.relay[i], clock_us(), &n);
			put_task(m, c.relay[i]->task, &n, out);
		}
	}
	for (enum metric m = M_LEG_STATE; m <= M_LEG_SKIPS; m++) {
		metric_head(out, m);
		for (size_t i = 0; i < c.n; i++)
			for (unsigned leg = 0; leg < task_legs(c.relay[i]->task); leg++)
				put_leg(m, c.relay[i], leg, shm, out);
	}
	free(c.relay);
}
