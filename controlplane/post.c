/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/post.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <event2/event.h>

#include "base/check.h"
#include "base/log.h"
#include "controlplane/api.h"
#include "controlplane/store_redis_letters.h"

struct post {
	struct cp *cp;
	struct letters *letters;
	LIST_HEAD(, question) open;
};

/* Of this node, until it is answered. */
struct question {
	LIST_ENTRY(question) link;
	struct post *post;
	char id[UUID_TEXT];
	struct event *late;
	post_done *done;
	void *arg;
};

/* Of another node, while it is being done. */
struct errand {
	struct cp *cp;
	struct params params;
	char id[UUID_TEXT], from[65];
};

/* ---- our questions ------------------------------------------------------------------------------ */

static void question_end(struct question *q, int status, json_t *body)
{
	LIST_REMOVE(q, link);
	event_free(q->late);
	q->done(q->arg, status, body);
	free(q);
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	question_end(arg, 0, NULL);
}

void post_ask(struct post *p, const char *node, const char *action, json_t *params, post_done *done,
	      void *arg)
{
	struct timeval tv = {LETTER_MS / 1000, LETTER_MS % 1000 * 1000};
	struct question *q = calloc(1, sizeof(*q));
	json_t *letter;
	char *text;

	must(q);
	q->post = p;
	q->done = done;
	q->arg = arg;
	q->late = evtimer_new(p->cp->base, on_late, q);
	must(q->late);
	LIST_INSERT_HEAD(&p->open, q, link);
	letter = json_pack("{ss ss ss so}", "id", uuid_make(q->id), "from", p->cp->node, "action",
			   action, "params", params);
	text = json_dumps(letter, JSON_COMPACT);
	must(text);
	if (store_letter(p->cp->store, node, text))
		evtimer_add(q->late, &tv);
	else
		event_active(q->late, EV_TIMEOUT, 0);
	free(text);
	json_decref(letter);
}

static void take_answer(struct post *p, const json_t *letter)
{
	const char *id = dp_text(letter, "id");
	int status = (int)json_integer_value(json_object_get(letter, "status"));
	json_t *body = json_object_get(letter, "body");
	struct question *q;

	LIST_FOREACH (q, &p->open, link)
		if (!strcmp(q->id, id))
			break;
	if (q && json_is_object(body) && status >= 200 && status < 600)
		question_end(q, status, body);
}

/* ---- questions of others ---------------------------------------------------------------------- */

static void on_done(void *arg, int status, json_t *body)
{
	struct errand *e = arg;
	json_t *letter = json_pack("{ss si sO}", "id", e->id, "status", status, "body", body);
	char *text = json_dumps(letter, JSON_COMPACT);

	must(text);
	store_letter(e->cp->store, e->from, text);
	free(text);
	json_decref(letter);
	params_fini(&e->params);
	free(e);
}

static bool take_params(struct params *p, json_t *from)
{
	const char *name;
	json_t *value;

	json_object_foreach (from, name, value) {
		const char *text = json_string_value(value);

		if (!text || p->n == PARAMS_MAX)
			return false;
		p->v[p->n] = (struct param){strdup(name), strdup(text)};
		must(p->v[p->n].name && p->v[p->n].value);
		p->n++;
	}
	return true;
}

static void take_question(struct post *p, const json_t *letter)
{
	const char *id = dp_text(letter, "id"), *from = dp_text(letter, "from");
	struct errand *e = calloc(1, sizeof(*e));

	must(e);
	e->cp = p->cp;
	snprintf(e->id, sizeof(e->id), "%s", id);
	snprintf(e->from, sizeof(e->from), "%s", from);
	if (strlen(id) == sizeof(e->id) - 1 && *from && strlen(from) < sizeof(e->from) &&
	    take_params(&e->params, json_object_get(letter, "params")) &&
	    api_run_here(p->cp, dp_text(letter, "action"), &e->params, on_done, e))
		return;
	log_warn("letter_unreadable", "what=\"a question of another node\"");
	params_fini(&e->params);
	free(e);
}

static void on_letter(void *arg, const char *text, size_t n)
{
	json_t *letter = json_loadb(text, n, 0, NULL);
	struct post *p = arg;

	if (json_is_object(letter) && json_object_get(letter, "action"))
		take_question(p, letter);
	else if (json_is_object(letter))
		take_answer(p, letter);
	else
		log_warn("letter_unreadable", "what=\"no JSON object\"");
	json_decref(letter);
}

/* ---- life ---------------------------------------------------------------------------------------- */

struct post *post_new(struct cp *cp, struct evdns_base *dns, const char *url, char *err,
		      size_t err_n)
{
	struct post *p = calloc(1, sizeof(*p));

	must(p);
	p->cp = cp;
	LIST_INIT(&p->open);
	p->letters = letters_new(cp->base, dns, url, cp->node, on_letter, p, err, err_n);
	if (p->letters)
		return p;
	free(p);
	return NULL;
}

void post_free(struct post *p)
{
	struct question *q;

	if (!p)
		return;
	letters_free(p->letters);
	while ((q = LIST_FIRST(&p->open)))
		question_end(q, 0, NULL);
	free(p);
}
