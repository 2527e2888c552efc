/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/hooks.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/hook_sign.h"
#include "controlplane/schedule.h"
#include "controlplane/view.h"
#include "controlplane/web.h"

/* The callbacks of one task and the request that is in flight. */
struct sender {
	char task_id[64];
	struct hooks *hooks;
	struct hookq q;
	struct wake wake;
	CURL *easy;
	struct curl_slist *headers;
	char error[CURL_ERROR_SIZE];
	TAILQ_ENTRY(sender) link;
};

struct hooks {
	const struct config *conf;
	struct store *store;
	const struct hooks_live_ops *live;
	void *live_arg;
	struct web *web;
	struct event *due_timer;
	struct schedule due;
	void *by_task; /* tsearch tree of struct sender */
	TAILQ_HEAD(, sender) senders;
	struct hooks_count count;
};

/* ---- queues -------------------------------------------------------------------------------- */

static int by_task(const void *a, const void *b)
{
	return strcmp(((const struct sender *)a)->task_id, ((const struct sender *)b)->task_id);
}

static struct sender *sender_find(struct hooks *h, const char *task_id)
{
	struct sender key;
	void *node;

	snprintf(key.task_id, sizeof(key.task_id), "%s", task_id);
	node = tfind(&key, &h->by_task, by_task);
	return node ? *(struct sender **)node : NULL;
}

static struct sender *sender_get(struct hooks *h, const char *task_id)
{
	struct sender *s = sender_find(h, task_id);

	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	must(s);
	s->hooks = h;
	snprintf(s->task_id, sizeof(s->task_id), "%s", task_id);
	hookq_init(&s->q);
	must(tsearch(s, &h->by_task, by_task));
	TAILQ_INSERT_TAIL(&h->senders, s, link);
	return s;
}

static void sender_release(struct sender *s)
{
	curl_easy_cleanup(s->easy);
	curl_slist_free_all(s->headers);
	s->easy = NULL;
	s->headers = NULL;
}

/* Ends a try before its answer. */
static void sender_stop(struct sender *s)
{
	if (s->easy)
		web_del(s->hooks->web, s->easy);
	sender_release(s);
}

static void sender_free(struct sender *s)
{
	struct hooks *h = s->hooks;

	sender_stop(s);
	schedule_del(&h->due, &s->wake);
	tdelete(s, &h->by_task, by_task);
	TAILQ_REMOVE(&h->senders, s, link);
	h->count.pending -= s->q.n;
	hookq_fini(&s->q);
	free(s);
}

static void arm_due(struct hooks *h)
{
	uint64_t next = schedule_next(&h->due), now = clock_us();
	uint64_t wait = next > now ? next - now : 0;
	struct timeval tv = {(time_t)(wait / 1000000), (suseconds_t)(wait % 1000000)};

	if (next == UINT64_MAX)
		evtimer_del(h->due_timer);
	else
		evtimer_add(h->due_timer, &tv);
}

static void sender_plan(struct sender *s)
{
	uint64_t next = hookq_next_us(&s->q);

	if (next == UINT64_MAX)
		schedule_del(&s->hooks->due, &s->wake);
	else
		schedule_set(&s->hooks->due, &s->wake, next);
	arm_due(s->hooks);
}

static void try_ended(void *arg, CURL *easy, CURLcode code);

/* ---- one try ------------------------------------------------------------------------------- */

static size_t ignore_body(char *p, size_t size, size_t n, void *arg)
{
	return size * n;
}

static void add_header(struct sender *s, const char *name, const char *value)
{
	char line[256];
	struct curl_slist *more;

	snprintf(line, sizeof(line), "%s: %s", name, value);
	more = curl_slist_append(s->headers, line);
	must(more);
	s->headers = more;
}

static bool find_key(const struct hooks *h, const struct hook *hook, const char **domain,
		     const char **key)
{
	if (hook->about)
		return h->live && h->live->key(h->live_arg, hook->about, domain, key);
	*key = h->conf->callback_key;
	return **key;
}

/* The time of the try is signed, so that a receiver may refuse what is old. */
static void add_signature(struct sender *s, const struct hook *hook)
{
	const char *key = "", *domain = NULL;
	struct hook_signature sign;
	char host[256];

	if (!find_key(s->hooks, hook, &domain, &key))
		return;
	hook_sign_domain(&sign, domain ? domain : hook_domain(host, hook->url), hook->body, key,
			 clock_wall_ms() / 1000);
	add_header(s, "ALI-LIVE-TIMESTAMP", sign.timestamp);
	add_header(s, "ALI-LIVE-SIGNATURE", sign.live);
	if (*hook->body)
		add_header(s, "X-Millrace-Signature", sign.body);
}

static void try_now(struct sender *s, const struct hook *hook)
{
	char attempt[16];
	CURL *e = curl_easy_init();

	must(e);
	s->easy = e;
	s->error[0] = 0;
	snprintf(attempt, sizeof(attempt), "%d", hook->tries);
	if (*hook->body)
		add_header(s, "Content-Type", "application/json; charset=utf-8");
	add_header(s, "X-Millrace-Event-Id", hook->id);
	add_header(s, "X-Millrace-Attempt", attempt);
	add_header(s, "Expect", "");
	add_signature(s, hook);
	curl_easy_setopt(e, CURLOPT_URL, hook->url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	if (*hook->body)
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, hook->body);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, s->headers);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "millrace/" MILLRACE_VERSION);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)s->hooks->conf->callback_timeout);
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, ignore_body);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, s->error);
	web_add(s->hooks->web, e, try_ended, s);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
	struct hooks *h = arg;
	struct wake *w;

	while ((w = schedule_pop(&h->due, clock_us()))) {
		struct sender *s = container_of(w, struct sender, wake);
		struct hook *hook = hookq_due(&s->q, clock_us());

		if (hook)
			try_now(s, hook);
		sender_plan(s);
	}
	arm_due(h);
}

/* What an operator finds in mr:hooks:dead: hook_parse() still reads it. */
static char *dead_text(const struct sender *s, const struct hook *hook, const char *why)
{
	json_t *all = json_loads(hook->text, 0, NULL);
	char *text;

	json_object_set_new(all, "task", json_string(s->task_id));
	json_object_set_new(all, "tries", json_integer(hook->tries));
	json_object_set_new(all, "why", json_string(why));
	json_object_set_new(all, "time", json_integer((json_int_t)clock_wall_ms()));
	text = json_dumps(all, JSON_COMPACT);
	must(text);
	json_decref(all);
	return text;
}

static void tell_event(struct hooks *h, const char *task_id, const struct hook *hook,
		       enum hook_end end, const char *why)
{
	static const char *const names[] = {[HOOK_DELIVERED] = "callback.delivered",
					    [HOOK_DEAD] = "callback.dead",
					    [HOOK_DROPPED] = "callback.dropped"};
	char now[24], tries[16];
	struct task_field f[] = {{"Event", names[end]}, {"Time", now},	  {"TaskId", task_id},
				 {"EventId", hook->id}, {"Tries", tries}, {"Why", why}};

	snprintf(now, sizeof(now), "%llu", (unsigned long long)clock_wall_ms());
	snprintf(tries, sizeof(tries), "%d", hook->tries);
	store_event(h->store, f, array_len(f));
}

/* A hook has left its queue. */
static void hook_ended(struct sender *s, struct hook *hook, enum hook_end end, const char *why)
{
	struct hooks *h = s->hooks;
	char *text = end == HOOK_DEAD ? dead_text(s, hook, why) : NULL;

	h->count.pending--;
	h->count.dead += end == HOOK_DEAD;
	h->count.delivered += end == HOOK_DELIVERED;
	if (h->store) {
		store_hook_gone(h->store, s->task_id, hook->text, text, !s->q.n);
		tell_event(h, s->task_id, hook, end, why);
	}
	if (hook->about && h->live)
		h->live->ended(h->live_arg, hook, why);
	free(text);
	hook_free(hook);
}

static void try_ended(void *arg, CURL *easy, CURLcode code)
{
	struct sender *s = arg;
	struct hooks *h = s->hooks;
	char why[CURL_ERROR_SIZE + 32] = "", quoted[CURL_ERROR_SIZE + 64];
	struct hook *gone;
	enum hook_end end;
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	if (code)
		snprintf(why, sizeof(why), "%s", s->error[0] ? s->error : curl_easy_strerror(code));
	else if (status < 200 || status > 299)
		snprintf(why, sizeof(why), "HTTP status %ld", status);
	sender_release(s);
	end = hookq_done(&s->q, !why[0], (int)h->conf->callback_tries,
			 (uint64_t)h->conf->callback_interval * 1000, clock_us(), &gone);
	if (why[0]) {
		h->count.failed++;
		log_warn("callback_failed", "task=%s final=%d why=%s", s->task_id, end == HOOK_DEAD,
			 log_q(quoted, sizeof(quoted), why));
	}
	if (gone)
		hook_ended(s, gone, end, why);
	if (s->q.n)
		sender_plan(s);
	else
		sender_free(s);
}

/* ---- life ---------------------------------------------------------------------------------- */

struct hooks *hooks_new(struct event_base *base, const struct config *conf)
{
	struct hooks *h = calloc(1, sizeof(*h));

	must(h);
	h->conf = conf;
	TAILQ_INIT(&h->senders);
	h->web = web_new(base, 0);
	h->due_timer = evtimer_new(base, on_due, h);
	must(h->due_timer);
	return h;
}

void hooks_free(struct hooks *h)
{
	struct sender *s;

	if (!h)
		return;
	while ((s = TAILQ_FIRST(&h->senders)))
		sender_free(s);
	web_free(h->web);
	schedule_fini(&h->due);
	event_free(h->due_timer);
	free(h);
}

void hooks_set_store(struct hooks *h, struct store *store)
{
	h->store = store;
}

void hooks_set_live(struct hooks *h, const struct hooks_live_ops *ops, void *arg)
{
	h->live = ops;
	h->live_arg = arg;
}

void hooks_add(struct hooks *h, const char *task_id, struct hook *hook)
{
	struct sender *s = sender_get(h, task_id);

	hook->queued_us = clock_us();
	hookq_add(&s->q, hook);
	h->count.pending++;
	sender_plan(s);
}

const char **hooks_texts(struct hooks *h, const char *task_id, size_t *n)
{
	struct sender *s = sender_find(h, task_id);
	const char **texts = calloc(s ? s->q.n + 1 : 1, sizeof(*texts));
	struct hook *hook;

	must(texts);
	*n = 0;
	if (s)
		TAILQ_FOREACH (hook, &s->q.list, link)
			texts[(*n)++] = hook->text;
	return texts;
}

void hooks_each(struct hooks *h, void (*each)(void *arg, const char *task_id, const struct hook *),
		void *arg)
{
	struct sender *s;
	struct hook *hook;

	TAILQ_FOREACH (s, &h->senders, link)
		TAILQ_FOREACH (hook, &s->q.list, link)
			each(arg, s->task_id, hook);
}

struct hook *hooks_find(struct hooks *h, const char *id, const char **task_id)
{
	struct sender *s;
	struct hook *hook;

	TAILQ_FOREACH (s, &h->senders, link)
		TAILQ_FOREACH (hook, &s->q.list, link)
			if (!strcmp(hook->id, id)) {
				*task_id = s->task_id;
				return hook;
			}
	return NULL;
}

bool hooks_drop(struct hooks *h, const char *id)
{
	const char *task_id;
	struct hook *hook = hooks_find(h, id, &task_id);
	struct sender *s = hook ? sender_find(h, task_id) : NULL;
	bool first = s && hook == TAILQ_FIRST(&s->q.list);

	if (!hook)
		return false;
	if (first && s->q.in_flight)
		sender_stop(s);
	hookq_drop(&s->q, hook);
	hook_ended(s, hook, HOOK_DROPPED, "dropped by an operator");
	if (s->q.n)
		sender_plan(s);
	else
		sender_free(s);
	return true;
}

void hooks_forget(struct hooks *h, const char *task_id)
{
	struct sender *s = sender_find(h, task_id);

	if (s)
		sender_free(s);
}

void hooks_each_task(struct hooks *h, void (*each)(void *arg, const char *task_id), void *arg)
{
	struct sender *s;

	TAILQ_FOREACH (s, &h->senders, link)
		each(arg, s->task_id);
}

struct hooks_count hooks_count(const struct hooks *h)
{
	struct hooks_count count = h->count;
	struct sender *s;

	TAILQ_FOREACH (s, &h->senders, link) {
		const struct hook *first = TAILQ_FIRST(&s->q.list);

		if (first && (!count.oldest_us || first->queued_us < count.oldest_us))
			count.oldest_us = first->queued_us;
	}
	return count;
}
