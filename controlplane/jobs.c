/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/jobs.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/wait.h>

#include <event2/event.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/process.h"

#define AGAIN_MS     200
#define DEATHS_MAX   5
#define STEADY_US    30000000 /* having run so long, its deaths are forgotten */
#define KILL_SECONDS 4	      /* from SIGTERM to SIGKILL */

struct job {
	LIST_ENTRY(job) link;
	struct jobs *owner;
	char id[64];
	json_t *description; /* with the newest position; NULL: to be stopped */
	struct process *process;
	struct event *timer; /* the next start, or the kill */
	uint64_t started_us, sample_us, sample_bytes;
	unsigned deaths;
	int64_t repeat;
	json_t *next;	     /* the list that waits; NULL: none */
	int64_t next_number; /* of the lists that waited */
	struct job_progress progress;
	bool over;   /* its last word was said and told */
	bool doomed; /* being stopped */
	bool stuck;  /* its program cannot be started */
};

struct jobs {
	struct event_base *base;
	const struct jobs_ops *ops;
	void *arg;
	char program[1100];
	LIST_HEAD(, job) all;
	size_t n;
	uint64_t crashes;
};

static struct job *find(const struct jobs *js, const char *task_id)
{
	struct job *j;

	LIST_FOREACH (j, &js->all, link)
		if (!strcmp(j->id, task_id))
			return j;
	return NULL;
}

static void after_ms(struct job *j, int64_t ms)
{
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	evtimer_add(j->timer, &tv);
}

static void job_free(struct job *j)
{
	LIST_REMOVE(j, link);
	j->owner->n--;
	event_free(j->timer);
	json_decref(j->description);
	json_decref(j->next);
	free(j);
}

/* ---- what a worker says ---------------------------------------------------------------------- */

static void tell(struct job *j, enum leg_state state, enum reason reason, const char *detail)
{
	if (state == LEG_FAILED || state == LEG_FINISHED)
		j->over = true;
	j->owner->ops->state(j->owner->arg, j->id, state, reason, detail);
}

static const char *text_of(const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	return text ? text : "";
}

static void take_position(struct job *j, const json_t *o)
{
	static const char *const kept[] = {"file", "offset_ms", "round"};
	uint64_t bytes = (uint64_t)json_integer_value(json_object_get(o, "bytes"));
	struct job_progress *p = &j->progress;
	uint64_t now = clock_us();

	for (size_t i = 0; i < array_len(kept); i++)
		json_object_set(j->description, kept[i], json_object_get(o, kept[i]));
	if (j->sample_us && now > j->sample_us && bytes >= j->sample_bytes)
		p->bps = (bytes - j->sample_bytes) * 8000000 / (now - j->sample_us);
	j->sample_us = p->last_media_us = now;
	j->sample_bytes = bytes;
	p->file = json_integer_value(json_object_get(o, "file"));
	p->offset_s = json_integer_value(json_object_get(o, "offset_ms")) / 1000;
	p->round = json_integer_value(json_object_get(o, "round"));
	j->owner->ops->progress(j->owner->arg, j->id, p);
}

/* The list that waited is played; an answer about one before that says nothing. */
static void take_list(struct job *j, const json_t *o)
{
	if (!j->next || json_integer_value(json_object_get(o, "number")) != j->next_number)
		return;
	json_object_set(j->description, "urls", json_object_get(j->next, "next"));
	json_object_set_new(j->description, "file", json_integer(0));
	json_object_set_new(j->description, "offset_ms", json_integer(0));
	json_decref(j->next);
	j->next = NULL;
	j->owner->ops->told(j->owner->arg, j->id, o);
}

static void take_event(struct job *j, const json_t *o)
{
	const char *event = text_of(o, "event"), *reason = text_of(o, "reason");

	if (j->doomed || j->over)
		return;
	if (!strcmp(event, "connecting")) {
		tell(j, LEG_CONNECTING, REASON_NONE, "");
	} else if (!strcmp(event, "running")) {
		if (!j->progress.first_media_ms)
			j->progress.first_media_ms = (int64_t)clock_wall_ms();
		tell(j, LEG_RUNNING, REASON_NONE, "");
	} else if (!strcmp(event, "position")) {
		take_position(j, o);
	} else if (!strcmp(event, "list")) {
		take_list(j, o);
	} else if (!strcmp(event, "skipped")) {
		j->owner->ops->skipped(j->owner->arg, j->id,
				       json_integer_value(json_object_get(o, "file")), reason,
				       text_of(o, "detail"));
	} else if (!strcmp(event, "finished")) {
		tell(j, LEG_FINISHED, REASON_LIST_FINISHED, "");
	} else if (!strcmp(event, "failed") && !json_is_true(json_object_get(o, "output"))) {
		tell(j, LEG_FAILED, reason_of(reason), text_of(o, "detail"));
	} else if (strcmp(event, "failed")) {
		j->owner->ops->told(j->owner->arg, j->id, o);
	}
	/* Where the data plane hung up, the process ends without a last word that counts. */
}

static void on_said(void *arg, const json_t *packet)
{
	take_event(arg, packet);
}

/* ---- processes ------------------------------------------------------------------------------- */

static void launch(struct job *j);

/* It ended without a last word: a crash, or the data plane hung up. */
static void died(struct job *j, int status)
{
	j->owner->crashes++;
	log_warn("worker_lost", "task=%s signal=%d status=%d", j->id,
		 WIFSIGNALED(status) ? WTERMSIG(status) : 0,
		 WIFEXITED(status) ? WEXITSTATUS(status) : 0);
	if (clock_us() - j->started_us >= STEADY_US)
		j->deaths = 0;
	if (++j->deaths <= DEATHS_MAX) {
		after_ms(j, AGAIN_MS << (j->deaths - 1));
		return;
	}
	tell(j, LEG_FAILED, REASON_WORKER_LOST, "");
}

static void on_gone(void *arg, int status)
{
	struct job *j = arg;

	j->process = NULL;
	evtimer_del(j->timer);
	if (!j->description)
		job_free(j);
	else if (j->doomed)
		launch(j);
	else if (!j->over)
		died(j, status);
}

static const struct process_ops process_ops = {on_said, on_gone};

static void tell_next(struct job *j)
{
	json_t *o = json_copy(j->next);

	json_object_set_new(o, "number", json_integer(j->next_number));
	process_tell(j->process, o, -1);
	json_decref(o);
}

static void launch(struct job *j)
{
	int error;

	j->doomed = j->over = j->stuck = false;
	j->started_us = clock_us();
	j->sample_us = j->sample_bytes = 0;
	j->process = process_start(j->owner->base, j->owner->program, &process_ops, j, &error);
	if (!j->process) {
		log_error("worker_start", "task=%s program=%s why=\"%s\"", j->id, j->owner->program,
			  strerror(-error));
		j->stuck = true;
		after_ms(j, AGAIN_MS); /* told from the loop */
		return;
	}
	json_object_set_new(j->description, "repeat", json_integer(j->repeat));
	process_tell(j->process, j->description, -1);
	if (j->next)
		tell_next(j);
	log_debug("worker", "task=%s pid=%d", j->id, (int)process_pid(j->process));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct job *j = arg;

	if (j->process)
		process_signal(j->process, SIGKILL);
	else if (j->stuck)
		tell(j, LEG_FAILED, REASON_WORKER_LOST, "the worker cannot be started");
	else
		launch(j);
}

/* ---- what the control plane wants ------------------------------------------------------------ */

static void doom(struct job *j)
{
	if (j->doomed)
		return;
	j->doomed = true;
	process_signal(j->process, SIGTERM);
	after_ms(j, KILL_SECONDS * 1000);
}

void jobs_start(struct jobs *js, const char *task_id, json_t *description)
{
	struct job *j = find(js, task_id);

	if (!j) {
		j = calloc(1, sizeof(*j));
		must(j);
		j->owner = js;
		snprintf(j->id, sizeof(j->id), "%s", task_id);
		j->timer = evtimer_new(js->base, on_timer, j);
		must(j->timer);
		LIST_INSERT_HEAD(&js->all, j, link);
		js->n++;
	}
	json_decref(j->description);
	j->description = description;
	j->repeat = json_integer_value(json_object_get(description, "repeat"));
	json_decref(j->next);
	j->next = NULL;
	j->deaths = 0;
	j->progress = (struct job_progress){0};
	if (j->process) {
		doom(j);
		return;
	}
	evtimer_del(j->timer);
	launch(j);
}

void jobs_stop(struct jobs *js, const char *task_id)
{
	struct job *j = find(js, task_id);

	if (!j)
		return;
	json_decref(j->description);
	j->description = NULL;
	if (j->process)
		doom(j);
	else
		job_free(j);
}

void jobs_set_repeat(struct jobs *js, const char *task_id, int64_t repeat)
{
	struct job *j = find(js, task_id);
	json_t *o;

	if (!j || !j->description || j->repeat == repeat)
		return;
	j->repeat = repeat;
	if (!j->process || j->doomed)
		return;
	o = json_pack("{sI}", "repeat", (json_int_t)repeat);
	process_tell(j->process, o, -1);
	json_decref(o);
}

void jobs_set_next(struct jobs *js, const char *task_id, json_t *next)
{
	struct job *j = find(js, task_id);

	if (!j || !j->description || json_equal(j->next, next) || (!j->next && !next)) {
		json_decref(next);
		return;
	}
	json_decref(j->next);
	j->next = next;
	j->next_number++;
	if (next && j->process && !j->doomed)
		tell_next(j);
}

uint64_t jobs_crashes(const struct jobs *js)
{
	return js->crashes;
}

size_t jobs_count(const struct jobs *js)
{
	return js->n;
}

/* ---- life ------------------------------------------------------------------------------------ */

struct jobs *jobs_new(struct event_base *base, const char *program, const struct jobs_ops *ops,
		      void *arg)
{
	struct jobs *js = calloc(1, sizeof(*js));

	must(js);
	js->base = base;
	js->ops = ops;
	js->arg = arg;
	snprintf(js->program, sizeof(js->program), "%s", program);
	LIST_INIT(&js->all);
	return js;
}

void jobs_free(struct jobs *js)
{
	struct job *j;

	if (!js)
		return;
	while ((j = LIST_FIRST(&js->all))) {
		if (j->process)
			process_free(j->process);
		job_free(j);
	}
	free(js);
}
