/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/model.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/check.h"
#include "controlplane/retry.h"
#include "controlplane/rules.h"

static const struct {
	const char *name;
	bool text;
	size_t offset;
} fields[TASK_FIELDS] = {
#define TASK_TEXT(member, field, help) {field, true, offsetof(struct task, member)},
#define TASK_INT(member, field, help)  {field, false, offsetof(struct task, member)},
#include "controlplane/model.def"
#undef TASK_TEXT
#undef TASK_INT
};

static char **text_at(const struct task *t, size_t i)
{
	return (char **)((char *)t + fields[i].offset);
}

static int64_t *int_at(const struct task *t, size_t i)
{
	return (int64_t *)((char *)t + fields[i].offset);
}

/* ---- life ---------------------------------------------------------------------------------- */

struct task *task_new(void)
{
	struct task *t = calloc(1, sizeof(*t));

	must(t);
	for (size_t i = 0; i < TASK_FIELDS; i++)
		if (fields[i].text)
			task_text(text_at(t, i), "");
	t->attempt[LEG_PULL] = t->attempt[LEG_PUSH] = 1;
	return t;
}

struct task *task_copy(const struct task *t)
{
	struct task *copy = malloc(sizeof(*copy));

	must(copy);
	*copy = *t;
	for (size_t i = 0; i < TASK_FIELDS; i++)
		if (fields[i].text) {
			*text_at(copy, i) = strdup(*text_at(t, i));
			must(*text_at(copy, i));
		}
	dests_copy(copy, t);
	return copy;
}

void task_free(struct task *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < TASK_FIELDS; i++)
		if (fields[i].text)
			free(*text_at(t, i));
	dests_free(t);
	free(t);
}

void task_text(char **member, const char *text)
{
	char *copy = strdup(text);

	must(copy);
	free(*member);
	*member = copy;
}

/* ---- fields -------------------------------------------------------------------------------- */

void task_fields(const struct task *t, struct task_field out[TASK_FIELDS])
{
	for (size_t i = 0; i < TASK_FIELDS; i++) {
		out[i].name = fields[i].name;
		if (fields[i].text) {
			out[i].value = *text_at(t, i);
			continue;
		}
		snprintf(out[i].number, sizeof(out[i].number), "%" PRId64, *int_at(t, i));
		out[i].value = out[i].number;
	}
}

bool task_set_field(struct task *t, const char *name, const char *value)
{
	int64_t number;

	for (size_t i = 0; i < TASK_FIELDS; i++) {
		if (strcmp(fields[i].name, name))
			continue;
		if (fields[i].text) {
			task_text(text_at(t, i), value);
			return true;
		}
		if (!rule_is_int(value, &number))
			return false;
		*int_at(t, i) = number;
		return true;
	}
	return true;
}

/* Of texts, not empty. */
static bool is_list(const char *text)
{
	json_t *list = json_loads(text, 0, NULL), *one;
	bool fine = json_array_size(list);
	size_t i;

	json_array_foreach (list, i, one)
		fine = fine && json_is_string(one);
	json_decref(list);
	return fine;
}

bool task_loaded(struct task *t, int64_t now_ms, int64_t now_us)
{
	char *url = task_source_url(t);
	int64_t wait_ms;

	free(url);
	if (!url || !*t->id || !*t->dst_url || t->state < 0 || t->state >= TASK_EXIT)
		return false;
	if (!is_list(t->next_urls))
		task_text(&t->next_urls, "");
	dests_build(t);
	dests_load(t, now_ms, now_us);
	if (t->next_try_ms) {
		/* The clock may have jumped while we were away: never wait longer than asked. */
		wait_ms = t->next_try_ms - now_ms;
		wait_ms = max_of(wait_ms, 0);
		wait_ms = min_of(wait_ms, retry_longest_ms(t));
		t->next_try_us = now_us + wait_ms * 1000;
	}
	if (t->state == TASK_RUNNING)
		t->running_us = now_us;
	return true;
}

/* ---- names --------------------------------------------------------------------------------- */

int task_status(enum task_state s)
{
	static const int8_t number[TASK_STATES] = {0, 1, 2, 3, 0, -1};

	return number[s];
}

const char *task_state_name(enum task_state s)
{
	static const char *const names[TASK_STATES] = {"Idle",	  "Running",  "Recovering",
						       "Offline", "Starting", "Exit"};

	return names[s];
}

const char *task_invalid_reason(const struct task *t)
{
	static const char *const names[] = {"", "PullStreamFailed", "PushStreamFailed",
					    "UnknownError"};

	return t->fault >= 0 && t->fault <= FAULT_UNKNOWN ? names[t->fault] : "UnknownError";
}

const char *task_offline_reason(const struct task *t)
{
	switch (t->offline_by) {
	case OFFLINE_BY_USER:
		return "TriggerByUser";
	case OFFLINE_BY_FINISH: /* ours: the documentation has no word for it */
		return "ListFinished";
	default:
		return "RetryTimesOffline";
	}
}

enum reason reason_of(const char *name)
{
	for (unsigned r = 0; r < REASON_MAX; r++)
		if (!strcmp(reason_name(r), name))
			return (enum reason)r;
	return REASON_INTERNAL;
}

unsigned task_legs(const struct task *t)
{
	return LEG_PUSH + dests_count(t);
}

const char *leg_id(char *dst, const char *task_id, unsigned leg)
{
	if (leg <= LEG_PUSH)
		snprintf(dst, 128, "%s:%s", task_id, leg == LEG_PULL ? "in" : "out");
	else
		snprintf(dst, 128, "%s:out%u", task_id, leg - LEG_PUSH);
	return dst;
}

const char *leg_stream(char *dst, const char *task_id)
{
	snprintf(dst, 128, "_relay/task/%s", task_id);
	return dst;
}

bool leg_parse(const char *id, char *task_id, unsigned *leg)
{
	size_t n = strcspn(id, ":");
	char back[128];

	if (n > TASK_ID_MAX)
		return false;
	memcpy(task_id, id, n);
	task_id[n] = 0;
	for (*leg = 0; *leg < LEGS_MAX; ++*leg)
		if (!strcmp(leg_id(back, task_id, *leg), id))
			return rule_is_word(task_id);
	return false;
}

bool task_is_list(const struct task *t)
{
	return strcmp(t->source_type, "live");
}

bool task_switches(const struct task *t)
{
	return *t->backup_urls || *t->slate_url;
}

bool task_uses_worker(const struct task *t)
{
	static const char *const native[] = {"rtmp", "http-flv", "flv"};

	if (task_switches(t))
		return true;
	for (size_t i = 0; i < array_len(native); i++)
		if (!task_is_list(t) && !strcmp(t->source_protocol, native[i]))
			return false;
	return true;
}

bool leg_uses_worker(const struct task *t, unsigned leg)
{
	if (leg == LEG_PULL)
		return task_uses_worker(t);
	return leg - LEG_PUSH < dests_count(t) &&
	       !strncasecmp(dests_url(t, leg - LEG_PUSH), "srt:", 4);
}

void task_take_list(struct task *t)
{
	if (!*t->next_urls)
		return;
	task_text(&t->source_urls, t->next_urls);
	task_text(&t->next_urls, "");
	task_text(&t->next_at, "");
	t->file_index = t->offset_s = 0;
}

char *task_source_url(const struct task *t)
{
	json_t *list = json_loads(t->source_urls, 0, NULL);
	const char *first = json_string_value(json_array_get(list, 0));
	char *url = first ? strdup(first) : NULL;

	json_decref(list);
	return url;
}

/* ---- what may change when (apsara-live.md 1.2) ----------------------------------------------- */

enum task_leave task_may_change(enum task_state s, enum task_change c)
{
	enum { Y = LEAVE_OK, I = LEAVE_IGNORED, N = LEAVE_REFUSED };
	/* CALLBACK REPEAT RETRY START END SOURCES PROTOCOL BACKUP FILE_INDEX OFFSET SOURCE_TYPE DST DST_LIST REGION */
	static const uint8_t may[TASK_STATES][TASK_CHANGES] = {
		[TASK_IDLE] = {Y, Y, Y, Y, Y, Y, Y, Y, Y, Y, Y, Y, Y, Y},
		[TASK_RUNNING] = {Y, Y, Y, I, N, N, N, N, N, N, N, N, N, I},
		[TASK_RECOVERING] = {Y, Y, Y, I, N, N, N, N, N, N, N, N, N, I},
		[TASK_OFFLINE] = {Y, Y, Y, I, Y, Y, Y, Y, Y, Y, N, N, Y, I},
		[TASK_STARTING] = {Y, Y, Y, I, N, N, N, N, N, N, N, N, N, I},
		[TASK_EXIT] = {N, N, N, N, N, N, N, N, N, N, N, N, N, N},
	};

	return may[s][c];
}
