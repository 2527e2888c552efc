/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pulled-stream relay task: what was asked for, and where it stands.
 *
 * The fields that are kept in Redis come from model.def. What happens to a task is decided by
 * machine.h; this file is only its shape. Threads: pure, any.
 */
#ifndef CONTROLPLANE_MODEL_H
#define CONTROLPLANE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "api/reasons.h"
#include "controlplane/dests.h"

/* The values are stored; the API's numbers come from task_status(). */
enum task_state {
	TASK_IDLE = 0,
	TASK_RUNNING = 1,
	TASK_RECOVERING = 2,
	TASK_OFFLINE = 3,
	TASK_STARTING = 4,
	TASK_EXIT = 5, /* never stored: the task is deleted */
	TASK_STATES,
};

#define TASK_ID_MAX 55 /* bytes; letters, digits, - _ . */

enum task_fault { FAULT_NONE, FAULT_PULL, FAULT_PUSH, FAULT_UNKNOWN };
enum task_offline_by { OFFLINE_NOT, OFFLINE_BY_USER, OFFLINE_BY_RETRIES, OFFLINE_BY_FINISH };

/* A leg by its number: the pull, the push to DstUrl, and one push more for each of DstUrls. */
enum leg_kind { LEG_PULL, LEG_PUSH, LEGS, LEGS_MAX = LEG_PUSH + DESTS_MAX };

struct task {
#define TASK_TEXT(member, field, help) char *member;
#define TASK_INT(member, field, help)  int64_t member;
#include "controlplane/model.def"
#undef TASK_TEXT
#undef TASK_INT
	/* Of this process only; microseconds of the monotonic clock. */
	int64_t next_try_us;	/* 0: no retry is waiting */
	int64_t running_us;	/* since when it runs without a break; 0: it does not */
	unsigned attempt[LEGS]; /* number of the present try of each leg, from 1 */
	struct dest *dest;	/* with DstUrls: one for each destination; else NULL */
	unsigned dests;
};

enum {
#define TASK_TEXT(member, field, help) TASK_FIELD_##member,
#define TASK_INT(member, field, help)  TASK_FIELD_##member,
#include "controlplane/model.def"
#undef TASK_TEXT
#undef TASK_INT
	TASK_FIELDS,
};

/* A task with every text empty and every number 0. */
struct task *task_new(void);
struct task *task_copy(const struct task *t);
void task_free(struct task *t);
/* Sets a text member: task_text(&t->name, "x"). */
void task_text(char **member, const char *text);

/* One stored field as text. */
struct task_field {
	const char *name, *value;
	char number[24];
};

/* Every field, in the order of model.def; values point into t and into out. */
void task_fields(const struct task *t, struct task_field out[TASK_FIELDS]);
/* false: the value is not one (the task is unchanged). Unknown names are fine: a newer version. */
bool task_set_field(struct task *t, const char *name, const char *value);
/* After all fields are set: is this a task that can live? now: both clocks, for what is relative. */
bool task_loaded(struct task *t, int64_t now_ms, int64_t now_us);

/* 0..3 and -1 as the API numbers them; a task that is starting is still 0. */
int task_status(enum task_state s);
const char *task_state_name(enum task_state s);
/* TaskInvalidReason of a Describe answer; empty where there is none. */
const char *task_invalid_reason(const struct task *t);
/* TaskInvalidReason of a callback: why a task is offline. */
const char *task_offline_reason(const struct task *t);
enum reason reason_of(const char *name);

/* How many legs the task has. */
unsigned task_legs(const struct task *t);
/* "<id>:in", "<id>:out", "<id>:out1" ...; the stream between them. dst holds at least 128 bytes. */
const char *leg_id(char *dst, const char *task_id, unsigned leg);
const char *leg_stream(char *dst, const char *task_id);
/*
 * The other way round: false where the id is not a task's. task_id holds TASK_ID_MAX + 1 bytes. Such
 * an id may still be another's: the stream of a task's leg is leg_stream().
 */
bool leg_parse(const char *id, char *task_id, unsigned *leg);
/* Its source is a list of files. */
bool task_is_list(const struct task *t);
/* Its source needs FFmpeg's libraries: a worker brings it, not the data plane's pull. */
bool task_uses_worker(const struct task *t);
/* So for its pull, and for a push to a destination that is not RTMP. */
bool leg_uses_worker(const struct task *t, unsigned leg);
/* It has backup sources or a slate. */
bool task_switches(const struct task *t);
/* The list that waits, if any, is played from its beginning. */
void task_take_list(struct task *t);
/* The first of source_urls; the caller frees it. */
char *task_source_url(const struct task *t);

/* What a change may touch. */
enum task_change {
	CHANGE_CALLBACK,
	CHANGE_REPEAT,
	CHANGE_RETRY,
	CHANGE_START,
	CHANGE_END,
	CHANGE_SOURCES,
	CHANGE_PROTOCOL,
	CHANGE_BACKUP,
	CHANGE_FILE_INDEX,
	CHANGE_OFFSET,
	CHANGE_SOURCE_TYPE,
	CHANGE_DST,
	CHANGE_DST_LIST,
	CHANGE_REGION,
	TASK_CHANGES,
};

enum task_leave { LEAVE_OK, LEAVE_IGNORED, LEAVE_REFUSED };

/* May a task in this state be changed so? IGNORED: the new value is quietly left out. */
enum task_leave task_may_change(enum task_state s, enum task_change c);

#endif
