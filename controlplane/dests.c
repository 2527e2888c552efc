/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/dests.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/check.h"
#include "controlplane/machine.h"
#include "controlplane/retry.h"

#define NO (-1)

const char *dest_state_name(enum dest_state s)
{
	static const char *const names[DEST_STATES] = {"Trying", "Running", "Retrying", "Failed"};

	return names[s];
}

int dest_after_event(enum dest_state s, enum dest_event e)
{
	enum { T = DEST_TRYING, R = DEST_RUNNING, W = DEST_RETRYING, F = DEST_FAILED };
	/* RUNS FAILS GIVES_UP RETRY_DUE LOST STABLE */
	static const int8_t after[DEST_STATES][DEST_EVENTS] = {
		[DEST_TRYING] = {R, W, F, NO, NO, NO},
		[DEST_RUNNING] = {NO, W, F, NO, T, R},
		[DEST_RETRYING] = {NO, NO, NO, T, NO, NO},
		[DEST_FAILED] = {NO, NO, NO, NO, NO, NO},
	};

	return after[s][e];
}

/* ---- the list --------------------------------------------------------------------------------- */

unsigned dests_count(const struct task *t)
{
	return t->dests ? t->dests : 1;
}

const char *dests_url(const struct task *t, unsigned n)
{
	return t->dests ? t->dest[n].url : t->dst_url;
}

static char *copy(const char *text)
{
	char *c = strdup(text);

	must(c);
	return c;
}

static struct dest dest_of(const char *url, unsigned attempt)
{
	return (struct dest){
		.url = copy(url), .reason = copy(""), .detail = copy(""), .attempt = attempt};
}

static void dest_fini(struct dest *d)
{
	free(d->url);
	free(d->reason);
	free(d->detail);
}

static struct dest dest_again(const struct dest *d)
{
	struct dest again = *d;

	again.url = copy(d->url);
	again.reason = copy(d->reason);
	again.detail = copy(d->detail);
	return again;
}

static struct dest take_over(const struct dest *old, unsigned n, const char *url, unsigned attempt)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(old[i].url, url))
			return dest_again(&old[i]);
	return dest_of(url, attempt);
}

static void list_free(struct dest *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		dest_fini(&list[i]);
	free(list);
}

void dests_free(struct task *t)
{
	list_free(t->dest, t->dests);
	t->dest = NULL;
	t->dests = 0;
}

void dests_build(struct task *t)
{
	json_t *urls = json_loads(*t->dst_urls ? t->dst_urls : "[]", 0, NULL), *url;
	struct dest *old = t->dest;
	unsigned old_n = t->dests, attempt = t->attempt[LEG_PUSH];
	size_t i;

	/* No attempt of what was there may be taken for one of what is. */
	for (i = 0; i < old_n; i++)
		attempt = max_of(attempt, old[i].attempt);
	attempt++;
	t->attempt[LEG_PUSH] = attempt;

	t->dest = NULL;
	t->dests = 0;
	if (json_array_size(urls)) {
		t->dest = calloc(DESTS_MAX, sizeof(*t->dest));
		must(t->dest);
		t->dest[t->dests++] = take_over(old, old_n, t->dst_url, attempt);
	}
	json_array_foreach (urls, i, url)
		if (t->dests < DESTS_MAX && json_is_string(url)) {
			t->dest[t->dests] = take_over(old, old_n, json_string_value(url), attempt);
			t->dests++;
		}
	list_free(old, old_n);
	json_decref(urls);
}

void dests_copy(struct task *to, const struct task *from)
{
	to->dest = NULL;
	to->dests = from->dests;
	if (!from->dests)
		return;
	to->dest = calloc(DESTS_MAX, sizeof(*to->dest));
	must(to->dest);
	for (unsigned i = 0; i < from->dests; i++)
		to->dest[i] = dest_again(&from->dest[i]);
}

/* ---- stored states ------------------------------------------------------------------------------ */

/* Into the field that goes to Redis with the task. */
static void note(struct task *t)
{
	json_t *list = json_array();
	char *text;

	for (unsigned i = 0; i < t->dests; i++) {
		const struct dest *d = &t->dest[i];

		json_array_append_new(list,
				      json_pack("{ss si ss ss sI sI sI}", "Url", d->url, "State",
						(int)d->state, "Reason", d->reason, "Detail",
						d->detail, "Retries", (json_int_t)d->retries,
						"NextTry", (json_int_t)d->next_try_ms,
						"RunningSince", (json_int_t)d->running_ms));
	}
	text = json_dumps(list, JSON_COMPACT);
	must(text);
	task_text(&t->dst_states, text);
	free(text);
	json_decref(list);
}

static int64_t int_of(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

static void set_text(char **member, const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	task_text(member, text ? text : "");
}

static void load_one(struct dest *d, const struct task *t, const json_t *o, int64_t now_ms,
		     int64_t now_us)
{
	int64_t state = int_of(o, "State"), wait_ms;

	d->state = state > 0 && state < DEST_STATES ? (enum dest_state)state : DEST_TRYING;
	d->retries = int_of(o, "Retries");
	d->next_try_ms = int_of(o, "NextTry");
	d->running_ms = int_of(o, "RunningSince");
	set_text(&d->reason, o, "Reason");
	set_text(&d->detail, o, "Detail");
	if (d->state == DEST_RUNNING)
		d->running_us = now_us;
	/* The clock may have jumped while we were away: never wait longer than asked. */
	wait_ms = max_of(d->next_try_ms - now_ms, 0);
	if (d->state == DEST_RETRYING)
		d->next_try_us = now_us + min_of(wait_ms, retry_longest_ms(t)) * 1000;
}

void dests_load(struct task *t, int64_t now_ms, int64_t now_us)
{
	json_t *list = json_loads(t->dst_states, 0, NULL), *o;
	size_t i;

	json_array_foreach (list, i, o)
		for (unsigned n = 0; n < t->dests; n++) {
			const char *url = json_string_value(json_object_get(o, "Url"));

			if (url && !strcmp(t->dest[n].url, url))
				load_one(&t->dest[n], t, o, now_ms, now_us);
		}
	json_decref(list);
}

/* ---- life --------------------------------------------------------------------------------------- */

static void rest(struct dest *d)
{
	d->next_try_us = d->next_try_ms = 0;
	d->running_us = d->running_ms = 0;
}

static void blame(struct dest *d, enum reason reason, const char *detail)
{
	task_text(&d->reason, reason == REASON_NONE ? "" : reason_name(reason));
	task_text(&d->detail, detail);
}

void dests_start(struct task *t)
{
	for (unsigned i = 0; i < t->dests; i++) {
		struct dest *d = &t->dest[i];

		rest(d);
		d->state = DEST_TRYING;
		d->retries = 0;
		d->attempt++;
		blame(d, REASON_NONE, "");
	}
	if (t->dests)
		note(t);
}

void dests_halt(struct task *t)
{
	for (unsigned i = 0; i < t->dests; i++) {
		rest(&t->dest[i]);
		if (t->dest[i].state != DEST_FAILED)
			t->dest[i].state = DEST_TRYING;
	}
	if (t->dests)
		note(t);
}

static bool is_active(const struct task *t)
{
	return t->state == TASK_STARTING || t->state == TASK_RUNNING || t->state == TASK_RECOVERING;
}

static enum dest_event event_of(const struct task *t, const struct dest *d,
				const struct leg_view *leg, int64_t now_us)
{
	if (d->next_try_us)
		return now_us >= d->next_try_us ? DEST_RETRY_DUE : DEST_EVENTS;
	switch (leg->state) {
	case LEG_RUNNING:
		if (d->state != DEST_RUNNING)
			return DEST_RUNS;
		return d->retries && now_us - d->running_us >= MACHINE_STABLE_US ? DEST_STABLE
										 : DEST_EVENTS;
	case LEG_FAILED:
		return retry_left(t, d->retries) ? DEST_FAILS : DEST_GIVES_UP;
	case LEG_NONE:
		return DEST_LOST;
	default: /* without its source it waits and goes on (interop P9) */
		return DEST_EVENTS;
	}
}

static void enter(struct task *t, struct dest *d, enum dest_event e, const struct leg_view *leg,
		  const struct task_view *v)
{
	int64_t wait_ms;

	if (e == DEST_STABLE) {
		d->retries = 0;
		return;
	}
	rest(d);
	switch (e) {
	case DEST_RUNS:
		d->running_us = v->now_us;
		d->running_ms = v->now_ms;
		blame(d, REASON_NONE, "");
		break;
	case DEST_FAILS:
		wait_ms = retry_wait_ms(t, d->retries, leg->reason);
		d->next_try_us = v->now_us + wait_ms * 1000;
		d->next_try_ms = v->now_ms + wait_ms;
		blame(d, leg->reason, leg->detail);
		break;
	case DEST_GIVES_UP:
		blame(d, leg->reason, leg->detail);
		break;
	case DEST_RETRY_DUE:
		d->retries++;
		d->attempt++;
		break;
	default:
		blame(d, REASON_DATAPLANE_LOST, "");
		break;
	}
}

bool dests_step(struct task *t, const struct task_view *v, struct effects *fx)
{
	*fx = (struct effects){0};
	if (!is_active(t) || v->dp != DP_KNOWN)
		return false;
	for (unsigned i = 0; i < t->dests; i++) {
		struct dest *d = &t->dest[i];
		const struct leg_view *leg = &v->leg[LEG_PUSH + i];
		enum dest_event e = event_of(t, d, leg, v->now_us);
		int after = e == DEST_EVENTS ? NO : dest_after_event(d->state, e);

		if (after < 0)
			continue;
		enter(t, d, e, leg, v);
		fx->changed = true;
		/* A try that begins is no news. */
		if ((enum dest_state)after != d->state && after != DEST_TRYING)
			fx->dest = i + 1;
		d->state = (enum dest_state)after;
		note(t);
		return true;
	}
	return false;
}

const struct dest *dests_culprit(const struct task *t)
{
	for (unsigned i = 0; i < t->dests; i++)
		if (*t->dest[i].reason)
			return &t->dest[i];
	return &t->dest[0];
}

struct leg_view dests_view(const struct task *t)
{
	const struct dest *culprit = dests_culprit(t);
	bool failed = true;

	for (unsigned i = 0; i < t->dests; i++) {
		if (t->dest[i].state == DEST_RUNNING)
			return (struct leg_view){LEG_RUNNING, REASON_NONE, ""};
		failed = failed && t->dest[i].state == DEST_FAILED;
	}
	if (failed)
		return (struct leg_view){LEG_FAILED, reason_of(culprit->reason), culprit->detail};
	return (struct leg_view){LEG_CONNECTING, REASON_NONE, ""};
}

unsigned dests_wants(const struct task *t, unsigned n)
{
	const struct dest *d = &t->dest[n];

	if (n >= t->dests || !is_active(t) || d->state == DEST_RETRYING || d->state == DEST_FAILED)
		return 0;
	return d->attempt;
}

int64_t dests_wake_us(const struct task *t)
{
	int64_t wake = INT64_MAX;

	for (unsigned i = 0; i < t->dests; i++) {
		const struct dest *d = &t->dest[i];

		if (d->next_try_us)
			wake = min_of(wake, d->next_try_us);
		if (d->retries && d->running_us)
			wake = min_of(wake, d->running_us + MACHINE_STABLE_US);
	}
	return wake;
}
