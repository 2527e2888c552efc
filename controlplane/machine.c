/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/machine.h"

#include <stddef.h>

#include "base/check.h"
#include "controlplane/retry.h"

#define NO (-1)

int machine_after_event(enum task_state s, enum task_event e)
{
	enum { I = TASK_IDLE, R = TASK_RUNNING, C = TASK_RECOVERING };
	enum { O = TASK_OFFLINE, S = TASK_STARTING, X = TASK_EXIT };
	/* START_DUE LEGS_RUNNING LEG_FAILED RETRIES_USED RETRY_DUE LEGS_LOST STABLE END_DUE
	 * FINISHED DESTS_AWAY */
	static const int8_t after[TASK_STATES][TASK_EVENTS] = {
		[TASK_IDLE] = {S, NO, NO, NO, NO, NO, NO, X, NO, NO},
		[TASK_RUNNING] = {NO, NO, C, O, NO, C, R, X, O, C},
		[TASK_RECOVERING] = {NO, R, C, O, C, NO, NO, X, O, NO},
		[TASK_OFFLINE] = {NO, NO, NO, NO, NO, NO, NO, X, NO, NO},
		[TASK_STARTING] = {NO, R, C, O, NO, NO, NO, X, O, NO},
		[TASK_EXIT] = {NO, NO, NO, NO, NO, NO, NO, NO, NO, NO},
	};

	return after[s][e];
}

int machine_after_verb(enum task_state s, enum task_verb v)
{
	enum { O = TASK_OFFLINE, S = TASK_STARTING, X = TASK_EXIT };
	/* STOP RESTART DELETE */
	static const int8_t after[TASK_STATES][TASK_VERBS] = {
		[TASK_IDLE] = {NO, NO, X},     [TASK_RUNNING] = {O, S, X},
		[TASK_RECOVERING] = {O, S, X}, [TASK_OFFLINE] = {NO, S, X},
		[TASK_STARTING] = {O, S, X},   [TASK_EXIT] = {NO, NO, NO},
	};

	return after[s][v];
}

static bool trying(const struct task *t)
{
	return t->state == TASK_STARTING || t->state == TASK_RUNNING ||
	       (t->state == TASK_RECOVERING && !t->next_try_us);
}

/* The push, or all pushes of several destinations as one. */
static struct leg_view push_of(const struct task *t, const struct task_view *v)
{
	return t->dests ? dests_view(t) : v->leg[LEG_PUSH];
}

static bool failed_leg(const struct task *t, const struct task_view *v, enum leg_kind *kind)
{
	/* The pull first: a push without its source fails too, and that is no news. */
	*kind = v->leg[LEG_PULL].state == LEG_FAILED ? LEG_PULL : LEG_PUSH;
	return *kind == LEG_PULL || push_of(t, v).state == LEG_FAILED;
}

/* Several destinations have used up their retries by themselves. */
static bool may_retry(const struct task *t, enum leg_kind failed)
{
	return retry_left(t, t->retries) && !(t->dests && failed == LEG_PUSH);
}

/* What the legs say about a task that is trying; TASK_EVENTS: nothing. */
static enum task_event leg_event(const struct task *t, const struct task_view *v)
{
	struct leg_view pull = v->leg[LEG_PULL], push = push_of(t, v);
	enum leg_kind kind;

	if (v->dp == DP_GONE)
		return EVENT_LEGS_LOST;
	if (v->dp != DP_KNOWN)
		return TASK_EVENTS;
	if (pull.state == LEG_FINISHED)
		return EVENT_FINISHED;
	if (failed_leg(t, v, &kind))
		return may_retry(t, kind) ? EVENT_LEG_FAILED : EVENT_RETRIES_USED;
	if (pull.state == LEG_RUNNING && push.state == LEG_RUNNING)
		return EVENT_LEGS_RUNNING;
	if (pull.state == LEG_NONE || push.state == LEG_NONE)
		return EVENT_LEGS_LOST;
	return t->dests && push.state != LEG_RUNNING ? EVENT_DESTS_AWAY : TASK_EVENTS;
}

static bool happens(const struct task *t, enum task_event e)
{
	return e != TASK_EVENTS && machine_after_event(t->state, e) >= 0;
}

/* The event that comes next, TASK_EVENTS if none does. */
static enum task_event next_event(const struct task *t, const struct task_view *v)
{
	enum task_event e;

	if (v->now_ms >= t->end_s * 1000 && happens(t, EVENT_END_DUE))
		return EVENT_END_DUE;
	if (v->now_ms >= t->start_s * 1000 && happens(t, EVENT_START_DUE))
		return EVENT_START_DUE;
	if (t->next_try_us) {
		/* Without a data plane a try could only fail: it is not spent. */
		bool due = v->now_us >= t->next_try_us && v->dp == DP_KNOWN;

		return due && happens(t, EVENT_RETRY_DUE) ? EVENT_RETRY_DUE : TASK_EVENTS;
	}
	e = trying(t) ? leg_event(t, v) : TASK_EVENTS;
	if (happens(t, e))
		return e;
	if (t->retries && t->running_us && v->now_us - t->running_us >= MACHINE_STABLE_US &&
	    happens(t, EVENT_STABLE))
		return EVENT_STABLE;
	return TASK_EVENTS;
}

/* ---- entering states ----------------------------------------------------------------------- */

static void blame(struct task *t, enum task_fault fault, enum reason reason, const char *detail)
{
	t->fault = fault;
	task_text(&t->reason, reason == REASON_NONE ? "" : reason_name(reason));
	if (reason != REASON_NONE)
		task_text(&t->last_reason, t->reason);
	task_text(&t->detail, detail);
}

static void halt(struct task *t)
{
	t->next_try_us = t->next_try_ms = 0;
	t->running_us = t->running_ms = 0;
}

static void start(struct task *t)
{
	halt(t);
	t->retries = t->reconnects = 0;
	t->offline_by = OFFLINE_NOT;
	for (int kind = 0; kind < LEGS; kind++)
		t->attempt[kind]++;
	dests_start(t);
	blame(t, FAULT_NONE, REASON_NONE, "");
	task_take_list(t);
	t->current_file = t->file_index;
	t->current_offset_s = t->offset_s;
	t->current_round = 0;
	task_text(&t->skipped, "");
	t->active_source = 0;
	task_text(&t->source_reason, "");
}

static void leg_failed(struct task *t, const struct task_view *v, bool last)
{
	enum leg_kind kind = LEG_PULL;
	struct leg_view leg;
	int64_t wait_ms;

	must(failed_leg(t, v, &kind));
	leg = kind == LEG_PULL ? v->leg[LEG_PULL] : push_of(t, v);
	halt(t);
	blame(t, kind == LEG_PULL ? FAULT_PULL : FAULT_PUSH, leg.reason, leg.detail);
	if (last) {
		dests_halt(t);
		t->offline_by = OFFLINE_BY_RETRIES;
		return;
	}
	wait_ms = retry_wait_ms(t, t->retries, leg.reason);
	t->next_try_us = v->now_us + wait_ms * 1000;
	t->next_try_ms = v->now_ms + wait_ms;
}

static void retry(struct task *t, const struct task_view *v)
{
	halt(t);
	t->retries++;
	/* The leg that went on while only the other one failed stays as it is. */
	for (int kind = 0; kind < LEGS; kind++)
		if (v->leg[kind].state == LEG_FAILED || v->leg[kind].state == LEG_NONE)
			t->attempt[kind]++;
}

static void run(struct task *t, const struct task_view *v)
{
	halt(t);
	t->reconnects += t->state == TASK_RECOVERING;
	t->running_us = v->now_us;
	t->running_ms = v->now_ms;
	blame(t, FAULT_NONE, REASON_NONE, "");
}

static void enter(struct task *t, enum task_event e, const struct task_view *v)
{
	switch (e) {
	case EVENT_START_DUE:
		start(t);
		break;
	case EVENT_LEGS_RUNNING:
		run(t, v);
		break;
	case EVENT_LEG_FAILED:
	case EVENT_RETRIES_USED:
		leg_failed(t, v, e == EVENT_RETRIES_USED);
		break;
	case EVENT_RETRY_DUE:
		retry(t, v);
		break;
	case EVENT_LEGS_LOST:
		halt(t);
		blame(t, FAULT_UNKNOWN, REASON_DATAPLANE_LOST, "");
		break;
	case EVENT_STABLE:
		t->retries = 0;
		break;
	case EVENT_DESTS_AWAY:
		halt(t);
		blame(t, FAULT_PUSH, reason_of(dests_culprit(t)->reason), dests_culprit(t)->detail);
		break;
	case EVENT_FINISHED:
		halt(t);
		dests_halt(t);
		blame(t, FAULT_NONE, REASON_LIST_FINISHED, "");
		t->offline_by = OFFLINE_BY_FINISH;
		break;
	case EVENT_END_DUE:
	case TASK_EVENTS:
		halt(t);
		break;
	}
}

/* The only writer of a task's state. */
static void set_state(struct task *t, enum task_state s, const struct task_view *v,
		      struct effects *fx)
{
	bool told = s == TASK_RUNNING || s == TASK_RECOVERING || s == TASK_OFFLINE;

	fx->changed = true;
	fx->state_event = told && s != (enum task_state)t->state;
	if (s != (enum task_state)t->state)
		t->since_ms = v->now_ms;
	t->state = s;
}

bool machine_step(struct task *t, const struct task_view *v, struct effects *fx)
{
	enum task_event e;

	if (dests_step(t, v, fx))
		return true;
	e = next_event(t, v);
	if (e == TASK_EVENTS)
		return false;
	enter(t, e, v);
	set_state(t, (enum task_state)machine_after_event(t->state, e), v, fx);
	if (t->state == TASK_EXIT)
		fx->exit_reason = "OverEndTime";
	return true;
}

const char *machine_verb(struct task *t, enum task_verb verb, const struct task_view *v,
			 struct effects *fx)
{
	int after = machine_after_verb(t->state, verb);

	*fx = (struct effects){0};
	if (after < 0) {
		if (verb == VERB_STOP)
			return "only a task that is running or retrying can be stopped";
		if (verb == VERB_RESTART)
			return "a task can not be restarted before its StartTime";
		return "the task is over";
	}
	switch (verb) {
	case VERB_STOP:
		halt(t);
		dests_halt(t);
		blame(t, FAULT_NONE, REASON_STOPPED, "");
		t->offline_by = OFFLINE_BY_USER;
		break;
	case VERB_RESTART:
		start(t);
		break;
	default:
		halt(t);
		fx->exit_reason = "TriggerByUser";
		break;
	}
	set_state(t, (enum task_state)after, v, fx);
	return NULL;
}

unsigned machine_wants(const struct task *t, unsigned leg)
{
	if (leg != LEG_PULL && t->dests)
		return dests_wants(t, leg - LEG_PUSH);
	if (leg >= LEGS)
		return 0;
	if (trying(t))
		return t->attempt[leg];
	/* Waiting for one end's next try: the other need not be opened again (interop P9). */
	if (t->state == TASK_RECOVERING && t->fault == (leg == LEG_PULL ? FAULT_PUSH : FAULT_PULL))
		return t->attempt[leg];
	return 0;
}

int64_t machine_wake_us(const struct task *t, const struct task_view *v)
{
	int64_t wake = v->now_us + (t->end_s * 1000 - v->now_ms) * 1000;

	if (t->state == TASK_EXIT)
		return INT64_MAX;
	if (t->state == TASK_IDLE)
		wake = min_of(wake, v->now_us + (t->start_s * 1000 - v->now_ms) * 1000);
	if (t->next_try_us && v->dp == DP_KNOWN)
		wake = min_of(wake, t->next_try_us);
	if (t->retries && t->running_us)
		wake = min_of(wake, t->running_us + MACHINE_STABLE_US);
	if (v->dp == DP_KNOWN)
		wake = min_of(wake, dests_wake_us(t));
	return max_of(wake, v->now_us);
}
