/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a relay task: two tables, state x event and state x verb.
 *
 *   Idle --start time--> Starting --both legs run--> Running
 *   Running --a leg failed--> Recovering --both legs run--> Running
 *   Running --of several destinations (dests.h) none runs--> Recovering
 *   Starting, Running, Recovering --failed and no retry left, or Stop--> Offline
 *   Starting, Running, Recovering --the list of files has ended--> Offline
 *   Offline --Restart--> Starting;  any --end time or Delete--> Exit (the task is gone)
 *
 * Starting is shown as Idle until media flows (interop P3: Running means media). In Recovering a try
 * is either waiting (next_try_us) or being made. A lost data plane costs no retry; retries are
 * counted anew only after MACHINE_STABLE_US of running without a break (interop P1).
 *
 * Level-triggered: machine_step() looks at what is and does everything that follows from it, so
 * running it again, or after a crash, changes nothing. No clock, no I/O. Threads: pure, any.
 */
#ifndef CONTROLPLANE_MACHINE_H
#define CONTROLPLANE_MACHINE_H

#include "controlplane/model.h"

#define MACHINE_STABLE_US 30000000

enum task_event {
	EVENT_START_DUE,
	EVENT_LEGS_RUNNING,
	EVENT_LEG_FAILED,   /* and a retry is left */
	EVENT_RETRIES_USED, /* a leg failed and none is left */
	EVENT_RETRY_DUE,
	EVENT_LEGS_LOST, /* the data plane has no such legs any more */
	EVENT_STABLE,
	EVENT_END_DUE,
	EVENT_FINISHED,	  /* the source has given all it had */
	EVENT_DESTS_AWAY, /* several destinations, and none runs now */
	TASK_EVENTS,
};

enum task_verb { VERB_STOP, VERB_RESTART, VERB_DELETE, TASK_VERBS };

enum leg_state { LEG_NONE, LEG_CONNECTING, LEG_WAITING, LEG_RUNNING, LEG_FAILED, LEG_FINISHED };

struct leg_view {
	enum leg_state state; /* NONE: the data plane has none, or one of an earlier attempt */
	enum reason reason;   /* of FAILED */
	const char *detail;   /* what the remote side said, or "" */
};

enum dp_view {
	DP_UNKNOWN, /* not asked yet, or away for a moment: conclude nothing */
	DP_KNOWN,   /* the legs are as the view says */
	DP_GONE,    /* away for longer */
};

struct task_view {
	int64_t now_ms; /* wall clock: schedules (interop P11) */
	int64_t now_us; /* monotonic clock: intervals */
	enum dp_view dp;
	struct leg_view leg[LEGS_MAX]; /* task_legs() of them */
};

/* What has to follow: to be saved, to be told. */
struct effects {
	bool changed;		 /* a stored field changed */
	bool state_event;	 /* Running, Recovering or Offline was entered: a callback */
	unsigned dest;		 /* of several destinations number dest - 1 has news; 0: none has */
	const char *exit_reason; /* not NULL: the task is over; TaskExitReason of the callback */
};

/* Where the tables lead; -1: the event means nothing in this state, the verb is refused. */
int machine_after_event(enum task_state s, enum task_event e);
int machine_after_verb(enum task_state s, enum task_verb v);

/*
 * Does the next thing that follows from the view; false: nothing follows. Called again until then,
 * each step being one transition to save and tell.
 */
bool machine_step(struct task *t, const struct task_view *v, struct effects *fx);
/* An operator's wish. NULL, or the rule that refuses it (the task is unchanged). */
const char *machine_verb(struct task *t, enum task_verb verb, const struct task_view *v,
			 struct effects *fx);
/* The attempt number of the leg that should be there now; 0: none should. */
unsigned machine_wants(const struct task *t, unsigned leg);
/* When to step again if nothing else happens, on the monotonic clock; INT64_MAX: never. */
int64_t machine_wake_us(const struct task *t, const struct task_view *v);

#endif
