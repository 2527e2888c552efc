/* SPDX-License-Identifier: Apache-2.0 */
/* The actions on pulled-stream relay tasks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "controlplane/api.h"
#include "controlplane/assets.h"
#include "controlplane/numbers.h"
#include "controlplane/post.h"
#include "controlplane/retry.h"
#include "controlplane/rules.h"
#include "controlplane/sources.h"

#define PASSES 3 /* nodes are asked, one after the other */

/* ---- what several actions need --------------------------------------------------------------- */

static bool is_unavailable(struct api_call *c, struct refusal *r)
{
	const char *why = store_trouble(c->cp->store);

	if (tasks_loaded(c->cp->tasks) && store_ready(c->cp->store))
		return false;
	refuse(r, 503, "ServiceUnavailable",
	       "Redis is not available (%.200s); nothing was changed. Try again later.",
	       *why ? why : "connecting");
	return true;
}

static void again(void *arg)
{
	struct api_call *c = arg;

	c->action->handle(c);
}

/* NULL: answered already, or c comes again: another node may have made the task just now. */
static struct relay *find(struct api_call *c)
{
	const char *id = api_arg(c, "TaskId")->text;
	struct relay *relay = NULL;
	struct refusal r;

	if (!tasks_loaded(c->cp->tasks)) {
		is_unavailable(c, &r);
	} else if ((relay = tasks_find(c->cp->tasks, id))) {
		return relay;
	} else if (c->cp->conf.cluster_enabled && !c->reread && store_ready(c->cp->store)) {
		c->reread = true;
		tasks_reread(c->cp->tasks, id, again, c);
		return NULL;
	} else {
		refuse(&r, 404, "InvalidTaskId.NotFound", "TaskId \"%s\" is not a task here.", id);
	}
	api_refuse(c, &r);
	return NULL;
}

/* ---- what another node has to do -------------------------------------------------------------- */

static void other_node(struct api_call *c, const struct relay *relay)
{
	struct refusal r;

	refuse(&r, 409, "OperationDenied.OtherNode",
	       "TaskId %s runs on node %s, which alone can change it now.", relay->task->id,
	       *relay->hold.holder ? relay->hold.holder : "(unknown)");
	api_refuse(c, &r);
}

/* For the audit log; NULL: it is not there. */
static void note(struct api_call *c, const char *id, const struct task *before,
		 const struct task *after)
{
	json_decref(c->before);
	json_decref(c->after);
	c->before = json_pack("{so}", id, before ? view_audit(before) : json_null());
	c->after = json_pack("{so}", id, after ? view_audit(after) : json_null());
}

/* An answer of another node, until the task here is as it is there. */
struct passed {
	struct api_call *call;
	int status;
	json_t *body;
};

static void on_reread(void *arg)
{
	struct passed *p = arg;
	struct api_call *c = p->call;
	const char *id = api_arg(c, "TaskId")->text;
	struct relay *relay = tasks_find(c->cp->tasks, id);

	json_object_set_new(c->after, id, relay ? view_audit(relay->task) : json_null());
	api_relay_answer(p->call, p->status, p->body);
	json_decref(p->body);
	free(p);
}

static void on_passed(void *arg, int status, json_t *body)
{
	struct api_call *c = arg;
	struct passed *p;

	/* It lost the task, or does not answer and will lose it. */
	if (!status || !strcmp(dp_text(body, "Code"), "OperationDenied.OtherNode")) {
		c->claimed = false;
		again(c);
		return;
	}
	p = calloc(1, sizeof(*p));
	must(p);
	*p = (struct passed){c, status, json_incref(body)};
	tasks_reread(c->cp->tasks, api_arg(c, "TaskId")->text, on_reread, p);
}

static void pass_on(struct api_call *c, const struct relay *relay)
{
	c->passes++;
	note(c, relay->task->id, relay->task, NULL);
	post_ask(c->cp->post, relay->hold.holder, c->action->name, api_given(c), on_passed, c);
}

/* As find(), for a change. NULL too while another change is being written: then c comes again. */
static struct relay *find_to_change(struct api_call *c)
{
	struct relay *relay;
	struct refusal r;

	if (is_unavailable(c, &r)) {
		api_refuse(c, &r);
		return NULL;
	}
	relay = find(c);
	if (!relay || (!relay->wish && tasks_is_mine(c->cp->tasks, relay)))
		return relay;
	if (!relay->wish && c->claimed && !relay->hold.taking) {
		if (!c->here && c->cp->post && *relay->hold.holder && c->passes < PASSES)
			pass_on(c, relay);
		else
			other_node(c, relay);
		return NULL;
	}
	relay_wait(relay, again, c);
	if (!relay->wish) {
		c->claimed = true;
		tasks_claim(c->cp->tasks, relay);
	}
	return NULL;
}

static json_t *ok(void)
{
	return json_pack("{si ss}", "RetCode", 0, "Description", "OK");
}

static bool dst_taken(struct refusal *r, unsigned n, const char *owner)
{
	return refuse(r, 400, "InvalidDstUrl.Duplicate",
		      "%s is used by another task (%s); it must be used by one only.",
		      n ? "One of DstUrls" : "DstUrl", owner);
}

static void not_saved(struct api_call *c, const char *error)
{
	struct refusal r;

	if (!strncmp(error, TASKS_DST_TAKEN, strlen(TASKS_DST_TAKEN))) {
		const char *n = error + strlen(TASKS_DST_TAKEN);

		dst_taken(&r, (unsigned)atoi(n), strchr(n, ' ') + 1);
		api_refuse(c, &r);
		return;
	}
	refuse(&r, 503, "ServiceUnavailable",
	       "Redis did not confirm the change (%.200s); it does not count. Try again later.",
	       error);
	api_refuse(c, &r);
}

/* For changes that answer RetCode and Description. */
static void on_done(void *arg, const char *error)
{
	if (error)
		not_saved(arg, error);
	else
		api_answer(arg, ok());
}

/* For Stop and Restart. */
static void on_done_with_id(void *arg, const char *error)
{
	struct api_call *c = arg;

	if (error)
		not_saved(c, error);
	else
		api_answer(c, json_pack("{ss}", "TaskId", api_arg(c, "TaskId")->text));
}

/* ---- rules across parameters ----------------------------------------------------------------- */

static bool check_times(const struct task *t, bool end_changed, struct refusal *r)
{
	char start[TIME_TEXT], end[TIME_TEXT];

	time_text(start, t->start_s);
	time_text(end, t->end_s);
	if (t->end_s <= t->start_s)
		return refuse(r, 400, "InvalidParameter",
			      "EndTime must be after StartTime; they are %s and %s.", end, start);
	if (end_changed && (uint64_t)t->end_s * 1000 <= clock_wall_ms())
		return refuse(
			r, 400, "InvalidParameter",
			"EndTime must be in the future (and after StartTime); the value is %s.",
			end);
	return true;
}

static bool check_dst(struct api_call *c, const struct task *t, struct refusal *r)
{
	for (unsigned i = 0; i < dests_count(t); i++) {
		struct relay *owner = tasks_by_dst(c->cp->tasks, dests_url(t, i));

		/* Of several nodes: Redis is asked with the change. */
		if (!c->cp->conf.cluster_enabled && owner && strcmp(owner->task->id, t->id))
			return dst_taken(r, i, owner->task->id);
	}
	return true;
}

/* ---- create ---------------------------------------------------------------------------------- */

static void set_text(struct api_call *c, const char *name, char **member)
{
	const struct api_arg *a = api_arg(c, name);

	if (a->text)
		task_text(member, a->text);
}

static void set_int(struct api_call *c, const char *name, int64_t *member)
{
	const struct api_arg *a = api_arg(c, name);

	if (a->text)
		*member = a->number;
}

/* Which parameters were given and what they are: two creations with the same digest are the same. */
static void digest_creation(struct api_call *c, char **digest)
{
	const struct api_param *p = c->action->params;
	json_t *given = json_object();
	char text[DIGEST_TEXT], *all;

	for (size_t i = 0; p[i].name; i++)
		if (c->args[i].text)
			json_object_set_new(given, p[i].name, json_string(c->args[i].text));
	all = json_dumps(given, JSON_COMPACT);
	must(all);
	task_text(digest, digest_text(text, all));
	free(all);
	json_decref(given);
}

static struct task *task_of(struct api_call *c)
{
	struct task *t = task_new();
	char id[UUID_TEXT];

	task_text(&t->id, api_arg(c, "TaskId")->text ?: uuid_make(id));
	if (api_arg(c, "TaskId")->text)
		digest_creation(c, &t->create_digest);
	set_text(c, "Region", &t->region);
	set_text(c, "TaskName", &t->name);
	set_text(c, "SourceType", &t->source_type);
	set_text(c, "SourceProtocol", &t->source_protocol);
	set_text(c, "SourceUrls", &t->source_urls);
	t->backup_after_s = 3;
	t->backup_return_s = 30;
	set_text(c, "BackupSourceUrls", &t->backup_urls);
	set_int(c, "BackupAfter", &t->backup_after_s);
	set_int(c, "BackupReturn", &t->backup_return_s);
	set_text(c, "SlateUrl", &t->slate_url);
	set_text(c, "DstUrl", &t->dst_url);
	set_text(c, "DstUrls", &t->dst_urls);
	dests_build(t);
	set_text(c, "CallbackUrl", &t->callback_url);
	set_int(c, "StartTime", &t->start_s);
	set_int(c, "EndTime", &t->end_s);
	set_int(c, "RepeatNumber", &t->repeat);
	set_int(c, "FileIndex", &t->file_index);
	set_int(c, "Offset", &t->offset_s);
	t->retry_count = 3;
	t->retry_interval_s = 60;
	set_int(c, "RetryCount", &t->retry_count);
	set_int(c, "RetryInterval", &t->retry_interval_s);
	t->retry_max_s = max_of(RETRY_MAX_S_DEFAULT, t->retry_interval_s);
	set_text(c, "RetryPolicy", &t->retry_policy);
	set_int(c, "RetryMaxInterval", &t->retry_max_s);
	t->created_ms = (int64_t)clock_wall_ms();
	return t;
}

static bool check_retries(const struct task *t, struct refusal *r)
{
	if (t->retry_max_s >= t->retry_interval_s)
		return true;
	return refuse(r, 400, "InvalidParameter",
		      "RetryMaxInterval must be at least RetryInterval (%lld); the value is %lld.",
		      (long long)t->retry_interval_s, (long long)t->retry_max_s);
}

static bool check_new(struct api_call *c, const struct task *t, struct refusal *r)
{
	if (!sources_check(t, r) || !destinations_check(t, r) || !check_times(t, true, r))
		return false;
	if (!check_retries(t, r))
		return false;
	if (is_unavailable(c, r) || !assets_check(c->cp->assets, t, r) || !check_dst(c, t, r))
		return false;
	if (tasks_is_leaving(c->cp->tasks, t->id))
		return refuse(r, 503, "ServiceUnavailable",
			      "TaskId %s is being deleted. Try again later.", t->id);
	if (tasks_count(c->cp->tasks) >= tasks_room(c->cp->tasks, &c->cp->conf))
		return refuse(r, 403, "QuotaExceeded.Task",
			      "There are %zu tasks and tasks.running%s allows %llu.",
			      tasks_count(c->cp->tasks),
			      c->cp->conf.cluster_enabled ? " of all nodes together" : "",
			      (unsigned long long)tasks_room(c->cp->tasks, &c->cp->conf));
	return true;
}

/* The caller's id is taken already: the same creation again is answered as the first time was. */
static void create_again(struct api_call *c, struct relay *relay, const struct task *t)
{
	struct refusal r;
	json_t *body;

	if (relay->unborn) {
		relay_wait(relay, again, c);
	} else if (!strcmp(relay->task->create_digest, t->create_digest)) {
		body = ok();
		json_object_set_new(body, "TaskId", json_string(t->id));
		api_answer(c, body);
	} else {
		refuse(&r, 400, "InvalidTaskId.Duplicate",
		       "TaskId %s is a task already, made with other parameters.", t->id);
		api_refuse(c, &r);
	}
}

/* A creation on its way: the answer names the task. */
struct birth {
	struct api_call *call;
	char id[TASK_ID_MAX + 1];
};

static void on_born(void *arg, const char *error)
{
	struct birth *b = arg;
	json_t *body;

	if (error && !b->call->reread && !strncmp(error, TASKS_ID_TAKEN, strlen(TASKS_ID_TAKEN))) {
		b->call->reread = true;
		tasks_reread(b->call->cp->tasks, b->id, again, b->call);
	} else if (error) {
		not_saved(b->call, error);
	} else {
		body = ok();
		json_object_set_new(body, "TaskId", json_string(b->id));
		api_answer(b->call, body);
	}
	free(b);
}

void relay_create(struct api_call *c)
{
	struct task *t = task_of(c);
	struct birth *b;
	struct relay *same = tasks_claimed(c->cp->tasks, t->id);
	struct refusal r;

	if (same) {
		create_again(c, same, t);
		task_free(t);
		return;
	}
	if (!check_new(c, t, &r)) {
		task_free(t);
		api_refuse(c, &r);
		return;
	}
	b = calloc(1, sizeof(*b));
	must(b);
	b->call = c;
	snprintf(b->id, sizeof(b->id), "%s", t->id);
	note(c, t->id, NULL, t);
	tasks_create(c->cp->tasks, t, on_born, b);
}

/* ---- update ---------------------------------------------------------------------------------- */

/* One parameter of Update and the member that it changes; text or number is NULL. */
struct change {
	const char *name;
	enum task_change kind;
	char **text;
	int64_t *number;
};

static bool is_same(const struct change *ch, const struct api_arg *a)
{
	return ch->text ? !strcmp(*ch->text, a->text) : *ch->number == a->number;
}

static bool apply(struct api_call *c, const struct change *ch, enum task_state s, struct refusal *r)
{
	const struct api_arg *a = api_arg(c, ch->name);

	/* Clients that send everything they know change nothing with what is as it was. */
	if (!a->text || is_same(ch, a))
		return true;
	switch (task_may_change(s, ch->kind)) {
	case LEAVE_OK:
		if (ch->text)
			task_text(ch->text, a->text);
		else
			*ch->number = a->number;
		return true;
	case LEAVE_IGNORED:
		return true;
	case LEAVE_REFUSED:
		break;
	}
	return refuse(r, 403, "OperationDenied.TaskStatus",
		      "%s can not be changed while the task is %s; the value is \"%.100s\".",
		      ch->name, task_state_name(s), a->text);
}

/* A list of files for a task that plays one: it waits until the worker takes it. */
static bool is_next_list(struct api_call *c, const struct task *t)
{
	return api_arg(c, "SourceUrlsAt")->text && task_is_list(t) && t->state != TASK_IDLE &&
	       t->state != TASK_OFFLINE;
}

/* What follows for a stopped task from another list: it is played from its beginning. */
static void begin_anew(struct api_call *c, struct task *t)
{
	task_text(&t->next_urls, "");
	task_text(&t->next_at, "");
	if (!api_arg(c, "FileIndex")->text)
		t->file_index = 0;
	if (!api_arg(c, "Offset")->text)
		t->offset_s = 0;
}

static bool apply_sources(struct api_call *c, struct task *t, struct refusal *r)
{
	const struct change ch = {"SourceUrls", CHANGE_SOURCES, &t->source_urls, NULL};
	const struct api_arg *a = api_arg(c, "SourceUrls"), *at = api_arg(c, "SourceUrlsAt");

	if (at->text && !a->text)
		return refuse(r, 400, "MissingParameter",
			      "SourceUrls is missing: SourceUrlsAt says when it counts.");
	if (a->text && is_next_list(c, t)) {
		task_text(&t->next_urls, a->text);
		task_text(&t->next_at, at->text);
		return true;
	}
	if (a->text && t->state == TASK_OFFLINE && !is_same(&ch, a))
		begin_anew(c, t);
	return apply(c, &ch, t->state, r);
}

static bool apply_all(struct api_call *c, struct task *t, struct refusal *r)
{
	const struct change changes[] = {
		{"Region", CHANGE_REGION, &t->region, NULL},
		{"CallbackUrl", CHANGE_CALLBACK, &t->callback_url, NULL},
		{"StartTime", CHANGE_START, NULL, &t->start_s},
		{"EndTime", CHANGE_END, NULL, &t->end_s},
		{"SourceType", CHANGE_SOURCE_TYPE, &t->source_type, NULL},
		{"SourceProtocol", CHANGE_PROTOCOL, &t->source_protocol, NULL},
		{"BackupSourceUrls", CHANGE_BACKUP, &t->backup_urls, NULL},
		{"BackupAfter", CHANGE_BACKUP, NULL, &t->backup_after_s},
		{"BackupReturn", CHANGE_BACKUP, NULL, &t->backup_return_s},
		{"SlateUrl", CHANGE_BACKUP, &t->slate_url, NULL},
		{"DstUrl", CHANGE_DST, &t->dst_url, NULL},
		{"DstUrls", CHANGE_DST_LIST, &t->dst_urls, NULL},
		{"RepeatNumber", CHANGE_REPEAT, NULL, &t->repeat},
		{"FileIndex", CHANGE_FILE_INDEX, NULL, &t->file_index},
		{"Offset", CHANGE_OFFSET, NULL, &t->offset_s},
		{"RetryCount", CHANGE_RETRY, NULL, &t->retry_count},
		{"RetryInterval", CHANGE_RETRY, NULL, &t->retry_interval_s},
		{"RetryPolicy", CHANGE_RETRY, &t->retry_policy, NULL},
		{"RetryMaxInterval", CHANGE_RETRY, NULL, &t->retry_max_s},
	};

	if (!apply_sources(c, t, r))
		return false;
	for (size_t i = 0; i < array_len(changes); i++)
		if (!apply(c, &changes[i], t->state, r))
			return false;
	if (api_arg(c, "DstUrl")->text || api_arg(c, "DstUrls")->text)
		dests_build(t);
	return true;
}

/* What is played, now and then. */
static bool check_sources(struct api_call *c, const struct task *t, struct refusal *r)
{
	struct task *then;
	bool fine = sources_check(t, r) && assets_check(c->cp->assets, t, r);

	if (!fine || !*t->next_urls)
		return fine;
	then = task_copy(t);
	task_take_list(then);
	fine = sources_check(then, r) && assets_check(c->cp->assets, then, r);
	task_free(then);
	return fine;
}

void relay_update(struct api_call *c)
{
	struct relay *relay = find_to_change(c);
	struct task *next;
	struct refusal r;

	if (!relay)
		return;
	next = task_copy(relay->task);
	if (!apply_all(c, next, &r) || !check_sources(c, next, &r) ||
	    !destinations_check(next, &r) || !check_retries(next, &r) ||
	    !check_times(next, next->end_s != relay->task->end_s, &r) || !check_dst(c, next, &r)) {
		task_free(next);
		api_refuse(c, &r);
		return;
	}
	note(c, next->id, relay->task, next);
	tasks_commit(c->cp->tasks, relay, next, &(struct effects){0}, on_done, c);
}

/* ---- describe and list ------------------------------------------------------------------------ */

static json_t *shown(struct api_call *c, struct relay *relay)
{
	struct task_numbers n;
	json_t *v;

	numbers_of(c->cp->shm, relay, clock_us(), &n);
	v = view_task(relay->task, &n);
	json_object_set_new(v, "Node", json_string(tasks_node(c->cp->tasks, relay)));
	return v;
}

void relay_describe(struct api_call *c)
{
	struct relay *relay = find(c);
	json_t *body;

	if (!relay)
		return;
	body = ok();
	json_object_update_new(body, shown(c, relay));
	api_answer(c, body);
}

static bool holds(const char *text, const struct api_arg *part)
{
	return !part->text || strcasestr(text, part->text);
}

static bool any_dest_holds(const struct task *t, const struct api_arg *part)
{
	for (unsigned i = 0; i < dests_count(t); i++)
		if (holds(dests_url(t, i), part))
			return true;
	return false;
}

void relay_list(struct api_call *c)
{
	const struct api_arg *number = api_arg(c, "PageNumber"), *size = api_arg(c, "PageSize");
	int64_t page = number->text ? number->number : 1, rows = size->text ? size->number : 10;
	json_t *list = json_array();
	struct refusal r;
	int64_t total = 0;

	if (!tasks_loaded(c->cp->tasks)) {
		json_decref(list);
		is_unavailable(c, &r);
		api_refuse(c, &r);
		return;
	}
	for (struct relay *relay = tasks_last(c->cp->tasks); relay; relay = tasks_prev(relay)) {
		if (!holds(relay->task->id, api_arg(c, "TaskId")) ||
		    !holds(relay->task->name, api_arg(c, "TaskName")) ||
		    !any_dest_holds(relay->task, api_arg(c, "DstUrl")))
			continue;
		if (total / rows == page - 1)
			json_array_append_new(list, shown(c, relay));
		total++;
	}
	api_answer(c, json_pack("{sI sI sI so}", "PageNumber", (json_int_t)page, "PageSize",
				(json_int_t)rows, "Total", (json_int_t)total, "TaskList", list));
}

/* ---- verbs ------------------------------------------------------------------------------------ */

static void do_verb(struct api_call *c, enum task_verb verb, tasks_done *done)
{
	struct relay *relay = find_to_change(c);
	struct task_view view;
	struct effects fx;
	struct task *next;
	struct refusal r;
	const char *rule;

	if (!relay)
		return;
	next = task_copy(relay->task);
	tasks_view(c->cp->tasks, relay, &view);
	rule = machine_verb(next, verb, &view, &fx);
	if (rule) {
		refuse(&r, 403, "OperationDenied.TaskStatus", "TaskId %s is %s: %s.", next->id,
		       task_state_name(next->state), rule);
		task_free(next);
		api_refuse(c, &r);
		return;
	}
	note(c, next->id, relay->task, fx.exit_reason ? NULL : next);
	tasks_commit(c->cp->tasks, relay, next, &fx, done, c);
}

void relay_delete(struct api_call *c)
{
	do_verb(c, VERB_DELETE, on_done);
}

void relay_stop(struct api_call *c)
{
	do_verb(c, VERB_STOP, on_done_with_id);
}

void relay_restart(struct api_call *c)
{
	do_verb(c, VERB_RESTART, on_done_with_id);
}
