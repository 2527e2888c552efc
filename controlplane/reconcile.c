/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/reconcile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/job_spec.h"

struct reconcile {
	struct dp *dp;
	struct jobs *jobs;
	const struct assets *assets;
	const struct config *conf;
	const struct reconcile_ops *ops;
	void *arg;
	struct event *tick, *gone;
	bool begun;
	bool known[LEGS];	/* the list of pulls, of pushes came since the data plane is up */
	bool listing[LEGS];	/* asked for, not answered */
	uint64_t asked[LEGS];	/* number of that question */
	char inner_key[65];	/* of the data plane that workers publish to */
	uint64_t push_until_us; /* as the data plane was told */
	uint64_t away_us;	/* since when the data plane is away; 0: it is not */
};

static const char *const list_verb[LEGS] = {"pull.list", "push.list"};
static const char *const list_name[LEGS] = {"pulls", "pushes"};

static enum leg_kind kind_of(unsigned leg)
{
	return leg == LEG_PULL ? LEG_PULL : LEG_PUSH;
}

static const char *create_verb(unsigned leg)
{
	return leg == LEG_PULL ? "pull.create" : "push.create";
}

static const char *remove_verb(unsigned leg)
{
	return leg == LEG_PULL ? "pull.remove" : "push.remove";
}

void legs_init(struct legs *l)
{
	*l = (struct legs){0};
	for (int kind = 0; kind < LEGS; kind++)
		l->leg[kind].slot = -1;
}

void legs_fini(struct legs *l)
{
	free(l->more);
	l->more = NULL;
}

struct leg *legs_at(struct legs *l, unsigned leg)
{
	must(leg < LEGS_MAX);
	if (leg < LEGS)
		return &l->leg[leg];
	if (!l->more) {
		l->more = calloc(LEGS_MAX - LEGS, sizeof(*l->more));
		must(l->more);
		for (unsigned i = 0; i < LEGS_MAX - LEGS; i++)
			l->more[i].slot = -1;
	}
	return &l->more[leg - LEGS];
}

const struct leg *legs_seen(const struct legs *l, unsigned leg)
{
	if (leg < LEGS)
		return &l->leg[leg];
	return l->more && leg < LEGS_MAX ? &l->more[leg - LEGS] : NULL;
}

static void leg_clear(struct leg *g)
{
	g->state = LEG_NONE;
	g->reason = REASON_NONE;
	g->detail[0] = 0;
	g->attempt = 0;
	g->slot = -1;
	g->progress = (struct job_progress){0};
}

static enum leg_state state_of(const char *name)
{
	static const struct {
		const char *name;
		enum leg_state state;
	} names[] = {{"connecting", LEG_CONNECTING},
		     {"waiting", LEG_WAITING},
		     {"running", LEG_RUNNING},
		     {"failed", LEG_FAILED}};

	for (size_t i = 0; i < array_len(names); i++)
		if (!strcmp(names[i].name, name))
			return names[i].state;
	return LEG_CONNECTING;
}

/* From an event or a row of a list. */
static void leg_take(struct leg *g, const json_t *o)
{
	g->state = state_of(dp_text(o, "state"));
	g->reason = reason_of(dp_text(o, "reason"));
	snprintf(g->detail, sizeof(g->detail), "%s", dp_text(o, "detail"));
	if (json_is_integer(json_object_get(o, "slot")))
		g->slot = json_integer_value(json_object_get(o, "slot"));
}

/* ---- commands ------------------------------------------------------------------------------ */

/* A command's answer finds its leg by id: the task may be gone by then. */
struct command {
	struct reconcile *r;
	char task_id[64];
	unsigned leg;
	bool create;
};

static void create_refused(struct leg *g, json_t *error)
{
	const char *code = dp_text(error, "code");

	if (!strcmp(code, "conflict")) {
		/* One with other keys is there: it is removed as one that nobody wants. */
		g->attempt = 0;
		return;
	}
	g->state = LEG_FAILED;
	g->reason = !strcmp(code, "bad_field") ? REASON_BAD_URL
		    : !strcmp(code, "limit")   ? REASON_CAP_RELAYS
					       : REASON_INTERNAL;
	snprintf(g->detail, sizeof(g->detail), "%s", dp_text(error, "message"));
}

static void on_answer(void *arg, json_t *answer)
{
	struct command *c = arg;
	struct reconcile *r = c->r;
	const struct task *t;
	struct legs *l;
	struct leg *g;

	if (!r->ops->find(r->arg, c->task_id, &t, &l))
		goto out;
	g = legs_at(l, c->leg);
	g->busy = g->removing = false;
	if (!c->create || !answer)
		leg_clear(g);
	else if (dp_error(answer))
		create_refused(g, dp_error(answer));
	r->ops->changed(r->arg, c->task_id);
out:
	free(c);
}

static uint64_t command(struct reconcile *r, const char *task_id, unsigned leg, bool create,
			json_t *keys)
{
	struct command *c = calloc(1, sizeof(*c));
	char id[128];

	must(c);
	c->r = r;
	snprintf(c->task_id, sizeof(c->task_id), "%s", task_id);
	c->leg = leg;
	c->create = create;
	json_object_set_new(keys, "leg", json_string(leg_id(id, task_id, leg)));
	return dp_request(r->dp, create ? create_verb(leg) : remove_verb(leg), keys, on_answer, c);
}

static void on_forgotten(void *arg, json_t *answer)
{
}

/* The pull's worker goes by the task's id, that of a push by its leg's. */
static const char *job_id(char dst[128], const struct task *t, unsigned leg)
{
	if (leg != LEG_PULL)
		return leg_id(dst, t->id, leg);
	snprintf(dst, 128, "%s", t->id);
	return dst;
}

static void leg_remove(struct reconcile *r, const char *task_id, unsigned leg, struct leg *g)
{
	g->busy = g->removing = true;
	g->command = command(r, task_id, leg, false, json_object());
}

static void worker_start(struct reconcile *r, const struct task *t, unsigned leg, struct leg *g,
			 unsigned attempt)
{
	char id[128];

	leg_clear(g);
	g->state = LEG_CONNECTING;
	g->attempt = attempt;
	jobs_start(r->jobs, job_id(id, t, leg),
		   leg == LEG_PULL
			   ? job_spec(t, r->conf, r->assets, r->inner_key)
			   : job_spec_push(t, dests_url(t, leg - LEG_PUSH), r->conf, r->inner_key));
}

static void worker_stop(struct reconcile *r, const struct task *t, unsigned leg, struct leg *g)
{
	char id[128];

	jobs_stop(r->jobs, job_id(id, t, leg));
	leg_clear(g);
}

/* Where the leg connects to; the caller frees it. */
static char *leg_url(const struct task *t, unsigned leg)
{
	char *url = leg == LEG_PULL ? task_source_url(t) : strdup(dests_url(t, leg - LEG_PUSH));

	must(url);
	return url;
}

static void leg_create(struct reconcile *r, const struct task *t, unsigned leg, struct leg *g,
		       unsigned attempt)
{
	char stream[128], *url = leg_url(t, leg);
	json_t *keys = json_pack("{ss ss}", "stream", leg_stream(stream, t->id), "url", url);

	if (leg == LEG_PULL)
		json_object_set_new(keys, "internal", json_true());
	leg_clear(g);
	g->state = LEG_CONNECTING;
	g->attempt = attempt;
	g->busy = true;
	g->command = command(r, t->id, leg, true, keys);
	free(url);
}

/* ---- lists --------------------------------------------------------------------------------- */

static bool wanted_row(const struct task *t, unsigned leg, const json_t *row)
{
	char stream[128], digest[DIGEST_TEXT], *url;
	bool same;

	if (leg >= task_legs(t))
		return false;
	url = leg_url(t, leg);
	same = !strcmp(dp_text(row, "url_digest"), digest_text(digest, url)) &&
	       !strcmp(dp_text(row, "stream"), leg_stream(stream, t->id));
	free(url);
	return same;
}

static void take_row(struct reconcile *r, enum leg_kind kind, const json_t *row)
{
	const struct task *t;
	char task_id[64], stream[128];
	struct legs *l;
	struct leg *g;
	unsigned leg;

	if (!leg_parse(dp_text(row, "id"), task_id, &leg) || kind_of(leg) != kind ||
	    strcmp(dp_text(row, "stream"), leg_stream(stream, task_id)))
		return;
	if (!r->ops->find(r->arg, task_id, &t, &l)) {
		log_info("stranger_removed", "leg=%s", dp_text(row, "id"));
		dp_request(r->dp, remove_verb(leg), json_pack("{ss}", "leg", dp_text(row, "id")),
			   on_forgotten, NULL);
		return;
	}
	if (leg_uses_worker(t, leg)) {
		/* Of an earlier source of the task. */
		dp_request(r->dp, remove_verb(leg), json_pack("{ss}", "leg", dp_text(row, "id")),
			   on_forgotten, NULL);
		return;
	}
	g = legs_at(l, leg);
	g->listed = true;
	if (g->busy || g->command > r->asked[kind])
		return;
	/* Found running after a restart of this process: it is taken over if it is the right one. */
	if (g->state == LEG_NONE)
		g->attempt = wanted_row(t, leg, row) ? machine_wants(t, leg) : 0;
	leg_take(g, row);
}

static void unlist(void *arg, const struct task *t, struct legs *l)
{
	const enum leg_kind *kind = arg;

	for (unsigned leg = 0; leg < LEGS_MAX; leg++)
		if (kind_of(leg) == *kind && legs_seen(l, leg))
			legs_at(l, leg)->listed = false;
}

struct sweep {
	struct reconcile *r;
	enum leg_kind kind;
};

static void sweep(void *arg, const struct task *t, struct legs *l)
{
	struct sweep *s = arg;

	for (unsigned leg = 0; leg < LEGS_MAX; leg++) {
		struct leg *g;

		if (kind_of(leg) != s->kind || leg_uses_worker(t, leg) || !legs_seen(l, leg))
			continue;
		g = legs_at(l, leg);
		if (!g->listed && !g->busy && g->command < s->r->asked[s->kind])
			leg_clear(g);
	}
}

static void on_list(struct reconcile *r, enum leg_kind kind, json_t *answer)
{
	struct sweep s = {r, kind};
	json_t *row;
	size_t i;

	r->listing[kind] = false;
	if (!answer || dp_error(answer))
		return;
	r->ops->each(r->arg, unlist, &kind);
	json_array_foreach (json_object_get(answer, list_name[kind]), i, row)
		take_row(r, kind, row);
	r->ops->each(r->arg, sweep, &s);
	r->known[kind] = true;
	if (r->known[LEG_PULL] && r->known[LEG_PUSH])
		r->ops->changed(r->arg, NULL);
}

static void on_pulls(void *arg, json_t *answer)
{
	on_list(arg, LEG_PULL, answer);
}

static void on_pushes(void *arg, json_t *answer)
{
	on_list(arg, LEG_PUSH, answer);
}

static void ask_lists(struct reconcile *r)
{
	static dp_answer *const on[LEGS] = {on_pulls, on_pushes};

	if (!r->begun || !dp_up(r->dp))
		return;
	for (int kind = 0; kind < LEGS; kind++) {
		if (r->listing[kind])
			continue;
		r->listing[kind] = true;
		r->asked[kind] = dp_request(r->dp, list_verb[kind], NULL, on[kind], r);
	}
}

/* ---- from the data plane -------------------------------------------------------------------- */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct reconcile *r = arg;

	ask_lists(r);
	/* A wall clock that was set wakes nobody: every task is looked at again (interop P11). */
	r->ops->changed(r->arg, NULL);
}

static void on_gone(evutil_socket_t fd, short what, void *arg)
{
	struct reconcile *r = arg;

	r->ops->changed(r->arg, NULL);
}

static void note_away(struct reconcile *r)
{
	struct timeval tv = {DP_GONE_US / 1000000, 10000};

	r->away_us = clock_us();
	evtimer_add(r->gone, &tv);
}

/* Workers that published to the data plane that is gone, or played from it. */
static void drop_worker(void *arg, const struct task *t, struct legs *l)
{
	for (unsigned leg = 0; leg < task_legs(t); leg++)
		if (leg_uses_worker(t, leg))
			worker_stop(arg, t, leg, legs_at(l, leg));
}

void reconcile_up(struct reconcile *r)
{
	const char *key = dp_inner_key(r->dp);

	if (strcmp(r->inner_key, key))
		r->ops->each(r->arg, drop_worker, r);
	snprintf(r->inner_key, sizeof(r->inner_key), "%s", key);
	r->away_us = 0;
	evtimer_del(r->gone);
	ask_lists(r);
}

void reconcile_down(struct reconcile *r)
{
	r->known[LEG_PULL] = r->known[LEG_PUSH] = false;
	r->push_until_us = 0;
	r->listing[LEG_PULL] = r->listing[LEG_PUSH] = false;
	note_away(r);
}

void reconcile_event(struct reconcile *r, const char *name, json_t *event)
{
	bool push = !strcmp(name, "push.state");
	const struct task *t;
	char task_id[64];
	struct legs *l;
	struct leg *g;
	unsigned leg;

	if (!strcmp(name, "lost"))
		ask_lists(r);
	if (!push && strcmp(name, "pull.state"))
		return;
	if (!leg_parse(dp_text(event, "id"), task_id, &leg) || (kind_of(leg) == LEG_PUSH) != push ||
	    !r->ops->find(r->arg, task_id, &t, &l))
		return;
	g = legs_at(l, leg);
	/* The last words of a leg that we removed say nothing about its successor. */
	if (g->state == LEG_NONE || g->removing ||
	    reason_of(dp_text(event, "reason")) == REASON_REMOVED)
		return;
	leg_take(g, event);
	/* Events do not name the slot in shared memory; lists do. */
	if (g->state == LEG_RUNNING && g->slot < 0)
		ask_lists(r);
	r->ops->changed(r->arg, task_id);
}

enum dp_view reconcile_dp_view(const struct reconcile *r)
{
	if (dp_up(r->dp))
		return r->known[LEG_PULL] && r->known[LEG_PUSH] ? DP_KNOWN : DP_UNKNOWN;
	return clock_us() - r->away_us > DP_GONE_US ? DP_GONE : DP_UNKNOWN;
}

void reconcile_view(const struct reconcile *r, const struct task *t, const struct legs *l,
		    struct task_view *v)
{
	v->dp = reconcile_dp_view(r);
	for (unsigned leg = 0; leg < LEGS_MAX && leg < task_legs(t); leg++) {
		const struct leg *g = legs_seen(l, leg);
		bool present =
			g && g->attempt && g->attempt == machine_wants(t, leg) && !g->removing;

		v->leg[leg] = (struct leg_view){LEG_NONE, REASON_NONE, ""};
		if (present)
			v->leg[leg] = (struct leg_view){g->state, g->reason, g->detail};
		/* Workers do not outlive this process: one that is missing is one that comes. */
		else if (leg_uses_worker(t, leg))
			v->leg[leg].state = LEG_CONNECTING;
	}
}

static void reconcile_worker(struct reconcile *r, const struct task *t, unsigned leg, struct leg *g,
			     unsigned want)
{
	if (g->state != LEG_NONE && g->attempt != want)
		worker_stop(r, t, leg, g);
	if (g->state == LEG_NONE && want)
		worker_start(r, t, leg, g, want);
	if (leg != LEG_PULL)
		return;
	jobs_set_repeat(r->jobs, t->id, t->repeat);
	jobs_set_next(r->jobs, t->id, *t->next_urls ? job_spec_next(t, r->assets) : NULL);
}

static void reconcile_leg(struct reconcile *r, const struct task *t, unsigned leg, struct leg *g)
{
	unsigned want = machine_wants(t, leg);

	if (leg_uses_worker(t, leg))
		reconcile_worker(r, t, leg, g, want);
	else if (g->busy)
		return;
	else if (g->state != LEG_NONE && g->attempt != want)
		leg_remove(r, t->id, leg, g);
	else if (g->state == LEG_NONE && want)
		leg_create(r, t, leg, g, want);
}

void reconcile_task(struct reconcile *r, const struct task *t, struct legs *l)
{
	if (reconcile_dp_view(r) != DP_KNOWN)
		return;
	/* The push goes first, so that its destination gets a proper end. */
	for (unsigned leg = LEGS_MAX; leg-- > 0;)
		if (leg < task_legs(t) || legs_seen(l, leg))
			reconcile_leg(r, t, leg, legs_at(l, leg));
}

void reconcile_push_until(struct reconcile *r, uint64_t until_us)
{
	if (until_us == r->push_until_us || !dp_up(r->dp))
		return;
	r->push_until_us = until_us;
	dp_request(r->dp, "push.until", json_pack("{sI}", "until_us", (json_int_t)until_us),
		   on_forgotten, NULL);
}

void reconcile_forget(struct reconcile *r, const struct task *t)
{
	char id[128];

	for (unsigned leg = task_legs(t); leg-- > 0;)
		jobs_stop(r->jobs, job_id(id, t, leg));
	for (unsigned leg = task_legs(t); dp_up(r->dp) && leg-- > 0;)
		dp_request(r->dp, remove_verb(leg),
			   json_pack("{ss}", "leg", leg_id(id, t->id, leg)), on_forgotten, NULL);
}

/* ---- from workers --------------------------------------------------------------------------- */

/* The leg of a worker of ours; NULL: its task is gone, or has it no more. */
static struct leg *leg_of_job(struct reconcile *r, const char *id, char task_id[64],
			      unsigned *number)
{
	const struct task *t;
	struct legs *l;

	if (!leg_parse(id, task_id, number)) {
		*number = LEG_PULL;
		snprintf(task_id, 64, "%s", id);
	}
	if (!r->ops->find(r->arg, task_id, &t, &l) || !leg_uses_worker(t, *number))
		return NULL;
	return legs_at(l, *number);
}

static void on_job_state(void *arg, const char *id, enum leg_state state, enum reason reason,
			 const char *detail)
{
	struct reconcile *r = arg;
	char task_id[64];
	unsigned number;
	struct leg *g = leg_of_job(r, id, task_id, &number);

	if (!g || g->state == LEG_NONE)
		return;
	g->state = state;
	g->reason = reason;
	snprintf(g->detail, sizeof(g->detail), "%s", detail);
	r->ops->changed(r->arg, task_id);
}

static void on_job_progress(void *arg, const char *id, const struct job_progress *p)
{
	struct reconcile *r = arg;
	char task_id[64];
	unsigned number;
	struct leg *g = leg_of_job(r, id, task_id, &number);

	if (!g)
		return;
	g->progress = *p;
	if (number == LEG_PULL)
		r->ops->position(r->arg, task_id, p);
}

static void on_job_skipped(void *arg, const char *task_id, int64_t file, const char *reason,
			   const char *detail)
{
	struct reconcile *r = arg;

	r->ops->skipped(r->arg, task_id, file, reason, detail);
}

static void on_job_told(void *arg, const char *task_id, const json_t *event)
{
	struct reconcile *r = arg;

	if (!strcmp(dp_text(event, "event"), "list"))
		r->ops->list(r->arg, task_id);
	else if (!strcmp(dp_text(event, "event"), "source"))
		r->ops->source(r->arg, task_id,
			       json_integer_value(json_object_get(event, "number")),
			       dp_text(event, "reason"));
}

const struct jobs_ops reconcile_jobs_ops = {on_job_state, on_job_progress, on_job_skipped,
					    on_job_told};

/* ---- life ---------------------------------------------------------------------------------- */

struct reconcile *reconcile_new(struct event_base *base, struct dp *dp,
				const struct reconcile_ops *ops, void *arg)
{
	struct reconcile *r = calloc(1, sizeof(*r));
	struct timeval tv = {RECONCILE_MS / 1000, 0};

	must(r);
	r->dp = dp;
	r->ops = ops;
	r->arg = arg;
	r->tick = event_new(base, -1, EV_PERSIST, on_tick, r);
	r->gone = evtimer_new(base, on_gone, r);
	must(r->tick && r->gone);
	event_add(r->tick, &tv);
	note_away(r);
	return r;
}

void reconcile_free(struct reconcile *r)
{
	if (!r)
		return;
	event_free(r->tick);
	event_free(r->gone);
	free(r);
}

void reconcile_begin(struct reconcile *r)
{
	r->begun = true;
	ask_lists(r);
}

void reconcile_connect(struct reconcile *r, struct jobs *jobs, const struct assets *assets,
		       const struct config *conf)
{
	r->assets = assets;
	r->jobs = jobs;
	r->conf = conf;
}
