/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "controlplane/api.h"
#include "controlplane/rules.h"
#include "controlplane/store_redis_bus.h"

#define VALUE_MAX 65536 /* bytes of one field */

struct commands {
	struct cp *cp;
	struct bus *bus;
	STAILQ_HEAD(, command) queue; /* the first is being done */
	bool running, handed_over;    /* the whole batch is in the queue */
	bool again;		      /* Redis went away: what is unfinished comes again */
	struct commands_count count;
};

struct command {
	STAILQ_ENTRY(command) link;
	struct commands *owner;
	char *entry;
	bool again;
	char id[65]; /* Correlation; "": it has none */
	char action[32];
	struct params params;
	struct refusal r; /* of its form; code "": it is well formed */
};

static const struct {
	const char *word, *action;
} actions[] = {
	{"create", "CreateLivePullToPush"},   {"update", "UpdateLivePullToPush"},
	{"start", "RestartLivePullToPush"},   {"stop", "StopLivePullToPush"},
	{"restart", "RestartLivePullToPush"}, {"delete", "DeleteLivePullToPush"},
};

/* ---- form ------------------------------------------------------------------------------------- */

static bool is_text(const char *text, size_t n)
{
	json_t *j = strlen(text) == n ? json_stringn(text, n) : NULL;

	json_decref(j);
	return j;
}

static char *copy(const char *text)
{
	char *c = strdup(text);

	must(c);
	return c;
}

static bool take_field(struct command *c, const struct bus_field *f)
{
	struct params *p = &c->params;

	if (f->name_n > 64 || !is_text(f->name, f->name_n))
		return refuse(&c->r, 400, "InvalidParameter",
			      "A field's name must be text of at most 64 bytes.");
	if (f->value_n > VALUE_MAX || !is_text(f->value, f->value_n))
		return refuse(&c->r, 400, "InvalidParameter",
			      "%s must be UTF-8 text of at most %d bytes.", f->name, VALUE_MAX);
	if (!strcmp(f->name, "Action")) {
		snprintf(c->action, sizeof(c->action), "%s", f->value);
		return true;
	}
	if (!strcmp(f->name, "Correlation"))
		return true;
	if (params_value(p, f->name))
		return refuse(&c->r, 400, "InvalidParameter", "%s is given twice.", f->name);
	if (p->n == PARAMS_MAX)
		return refuse(&c->r, 400, "InvalidParameter", "There are more than %d fields.",
			      PARAMS_MAX);
	p->v[p->n++] = (struct param){copy(f->name), copy(f->value)};
	return true;
}

/* First of all: without it nobody can be answered. */
static void take_correlation(struct command *c, const struct bus_field *f, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (f[i].name_n == 11 && !memcmp(f[i].name, "Correlation", 11) &&
		    f[i].value_n < sizeof(c->id) && strlen(f[i].value) == f[i].value_n &&
		    rule_is_word(f[i].value))
			snprintf(c->id, sizeof(c->id), "%s", f[i].value);
}

static const char *action_of(const struct command *c)
{
	for (size_t i = 0; i < array_len(actions); i++)
		if (!strcmp(actions[i].word, c->action))
			return actions[i].action;
	return NULL;
}

static void check_form(struct command *c, const struct bus_field *f, size_t n)
{
	take_correlation(c, f, n);
	for (size_t i = 0; i < n; i++)
		if (!take_field(c, &f[i]))
			return;
	if (!*c->id)
		refuse(&c->r, 400, "MissingParameter",
		       "Correlation is missing: 1 to 64 letters, digits, - _ or .");
	else if (!*c->action)
		refuse(&c->r, 400, "MissingParameter", "Action is missing.");
	else if (!action_of(c))
		refuse(&c->r, 404, "InvalidAction.NotFound",
		       "Action must be one of: create, update, start, stop, restart, delete.");
}

/* A creation that comes again must find what it made: its id follows from its Correlation. */
static void name_task(struct command *c)
{
	char hex[DIGEST_TEXT], id[UUID_TEXT];

	if (strcmp(c->action, "create") || params_value(&c->params, "TaskId") ||
	    c->params.n == PARAMS_MAX)
		return;
	digest_text(hex, c->id);
	snprintf(id, sizeof(id), "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
		 hex + 20);
	c->params.v[c->params.n++] = (struct param){copy("TaskId"), copy(id)};
}

/* ---- doing ------------------------------------------------------------------------------------ */

static void next(struct commands *cs);

static void command_free(struct command *c)
{
	params_fini(&c->params);
	free(c->entry);
	free(c);
}

/* Takes the command out; the next one may come. */
static void command_end(struct command *c)
{
	struct commands *cs = c->owner;

	must(c == STAILQ_FIRST(&cs->queue));
	STAILQ_REMOVE_HEAD(&cs->queue, link);
	command_free(c);
	cs->running = false;
	next(cs);
}

static void tell(struct command *c, int status, const char *code)
{
	struct cp *cp = c->owner->cp;
	char now[24], number[12];
	struct task_field f[] = {{"Event", "command"},	 {"Time", now},		{"Node", cp->node},
				 {"Correlation", c->id}, {"Action", c->action}, {"Status", number},
				 {"Code", code}};

	snprintf(now, sizeof(now), "%llu", (unsigned long long)clock_wall_ms());
	snprintf(number, sizeof(number), "%d", status);
	store_event(cp->store, f, array_len(f));
}

/* Takes nothing; body is the API's answer. */
static void answer(struct command *c, int status, json_t *body)
{
	struct commands *cs = c->owner;
	const char *code = dp_text(body, "Code");
	char *text;

	cs->count.done++;
	cs->count.refused += status != 200;
	json_object_set_new(body, "Correlation", json_string(c->id));
	json_object_set_new(body, "Status", json_integer(status));
	text = json_dumps(body, JSON_COMPACT);
	must(text);
	store_command_done(cs->cp->store, c->entry, c->id, text);
	tell(c, status, code);
	if (status != 200)
		log_warn("command_refused", "entry=%s correlation=%s code=%s", c->entry, c->id,
			 code);
	free(text);
	command_end(c);
}

static void answer_refusal(struct command *c, const struct refusal *r)
{
	json_t *body = json_pack("{ss ss*}", "Code", r->code, "Message", r->message);

	must(body);
	answer(c, r->status, body);
	json_decref(body);
}

/* It was handed out before, and how things are says that it was done then. */
static bool was_done(const struct command *c, const struct relay *r)
{
	if (!c->again)
		return false;
	if (!strcmp(c->action, "delete"))
		return !r;
	if (!strcmp(c->action, "stop"))
		return r && r->task->state == TASK_OFFLINE;
	return !strcmp(c->action, "start") && r && r->task->state != TASK_OFFLINE;
}

/* Another node has the task: the command goes back to the stream, with all that it says. */
static void pass_on(struct command *c)
{
	const struct params *p = &c->params;
	struct task_field f[PARAMS_MAX + 2] = {{"Action", c->action}, {"Correlation", c->id}};

	for (unsigned i = 0; i < p->n; i++) {
		f[i + 2].name = p->v[i].name;
		f[i + 2].value = p->v[i].value;
	}
	store_command_back(c->owner->cp->store, c->entry, f, p->n + 2);
	command_end(c);
}

static void on_answer(void *arg, int status, json_t *body)
{
	struct command *c = arg;

	/* It comes again with the connection. */
	if (status == 503 && !store_ready(c->owner->cp->store)) {
		c->owner->again = true;
		command_end(c);
		return;
	}
	/* Whoever waits longest gets it next: with a few nodes soon the one that can. */
	if (!strcmp(dp_text(body, "Code"), "OperationDenied.OtherNode")) {
		pass_on(c);
		return;
	}
	answer(c, status, body);
}

static void perform(struct command *c)
{
	const char *id = params_value(&c->params, "TaskId");
	struct relay *r = id ? tasks_find(c->owner->cp->tasks, id) : NULL;
	struct refusal refusal;

	if (id && was_done(c, r)) {
		json_t *body = json_pack("{ss}", "TaskId", id);

		answer(c, 200, body);
		json_decref(body);
	} else if (!strcmp(c->action, "start") && r && r->task->state != TASK_OFFLINE) {
		refuse(&refusal, 403, "OperationDenied.TaskStatus",
		       "TaskId %s is %s: only a stopped task can be started.", id,
		       task_state_name(r->task->state));
		answer_refusal(c, &refusal);
	} else {
		api_run(c->owner->cp, action_of(c), &c->params, on_answer, c);
	}
}

static void on_seen(void *arg, const char *text, const char *error)
{
	struct command *c = arg;

	if (error) {
		c->owner->again = true;
		command_end(c);
	} else if (text) {
		store_command_done(c->owner->cp->store, c->entry, c->id, text);
		command_end(c);
	} else {
		perform(c);
	}
}

/* Begins the first command of the queue; when there is none, the next batch is read. */
static void next(struct commands *cs)
{
	struct command *c = STAILQ_FIRST(&cs->queue);

	if (cs->running || !cs->handed_over)
		return;
	if (!c) {
		commands_tick(cs);
		return;
	}
	cs->running = true;
	if (*c->r.code)
		answer_refusal(c, &c->r);
	else
		store_command_seen(cs->cp->store, c->id, on_seen, c);
}

/* ---- from the bus ------------------------------------------------------------------------------- */

static void on_entry(void *arg, const char *id, const struct bus_field *f, size_t n, bool again)
{
	struct commands *cs = arg;
	struct command *c = calloc(1, sizeof(*c));

	must(c);
	c->owner = cs;
	c->entry = copy(id);
	c->again = again;
	check_form(c, f, n);
	name_task(c);
	STAILQ_INSERT_TAIL(&cs->queue, c, link);
}

static void on_batch(void *arg)
{
	struct commands *cs = arg;

	cs->handed_over = true;
	next(cs);
}

static const struct bus_ops bus_ops = {on_entry, on_batch};

void commands_tick(struct commands *cs)
{
	if (cs->running || !STAILQ_EMPTY(&cs->queue) || !tasks_loaded(cs->cp->tasks) ||
	    !store_ready(cs->cp->store))
		return;
	if (cs->again)
		bus_restart(cs->bus);
	cs->again = cs->handed_over = false;
	bus_more(cs->bus);
}

/* ---- life ---------------------------------------------------------------------------------- */

struct commands *commands_new(struct cp *cp, struct evdns_base *dns, const char *url, char *err,
			      size_t err_n)
{
	struct commands *cs = calloc(1, sizeof(*cs));

	must(cs);
	cs->cp = cp;
	STAILQ_INIT(&cs->queue);
	cs->bus = bus_new(cp->base, dns, url, cp->node, &bus_ops, cs, err, err_n);
	if (cs->bus)
		return cs;
	free(cs);
	return NULL;
}

void commands_free(struct commands *cs)
{
	struct command *c;

	if (!cs)
		return;
	bus_free(cs->bus);
	while ((c = STAILQ_FIRST(&cs->queue))) {
		STAILQ_REMOVE_HEAD(&cs->queue, link);
		command_free(c);
	}
	free(cs);
}

struct commands_count commands_count(const struct commands *cs)
{
	return cs->count;
}
