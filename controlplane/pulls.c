/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/pulls.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/domains.h"
#include "controlplane/pulls_in.h"
#include "controlplane/store_redis_words.h"

#define LEASE_MS    "10000"
#define LEASE_US    8000000u /* as this side counts it */
#define RENEW_TURNS 10	     /* seconds */

/* ---- the table ----------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct pull *)a)->key, ((const struct pull *)b)->key);
}

static int by_leg(const void *a, const void *b)
{
	return strcmp(((const struct pull *)a)->leg, ((const struct pull *)b)->leg);
}

struct pull *pulls_find(const struct pulls *p, const char *key)
{
	struct pull want;
	void *node;

	snprintf(want.key, sizeof(want.key), "%s", key);
	node = tfind(&want, &p->by_key, by_key);
	return node ? *(struct pull **)node : NULL;
}

struct pull *pulls_find_leg(const struct pulls *p, const char *leg)
{
	struct pull want;
	void *node;

	snprintf(want.leg, sizeof(want.leg), "%s", leg);
	node = tfind(&want, &p->by_leg, by_leg);
	return node ? *(struct pull **)node : NULL;
}

struct pull *pull_new(struct pulls *p, const char *key)
{
	struct pull *q = calloc(1, sizeof(*q));
	char digest[DIGEST_TEXT];

	must(q);
	snprintf(q->key, sizeof(q->key), "%s", key);
	snprintf(q->leg, sizeof(q->leg), PULL_LEG_PREFIX "%s", digest_text(digest, key));
	q->wanted = true;
	must(tsearch(q, &p->by_key, by_key) && tsearch(q, &p->by_leg, by_leg));
	TAILQ_INSERT_TAIL(&p->list, q, link);
	return q;
}

void pull_drop_sources(struct pull *q)
{
	for (unsigned i = 0; i < q->n; i++)
		free(q->source[i]);
	q->n = q->at = 0;
}

void pull_free(struct pulls *p, struct pull *q)
{
	tdelete(q, &p->by_key, by_key);
	tdelete(q, &p->by_leg, by_leg);
	TAILQ_REMOVE(&p->list, q, link);
	if (!q->regular && !p->ending)
		pull_unsave(p, q);
	pull_drop_sources(q);
	free(q->text);
	free(q->params);
	free(q);
}

void pull_add_source(struct pull *q, char *url)
{
	if (url && q->n < PULL_SOURCES)
		q->source[q->n++] = url;
	else
		free(url);
}

/* ---- regular ---------------------------------------------------------------------------------------- */

/* "url;url" */
static void set_sources(struct pull *q, const char *text)
{
	pull_drop_sources(q);
	for (const char *s = text; *s; s += *s == ';') {
		size_t n = strcspn(s, ";");

		if (n)
			pull_add_source(q, strndup(s, n));
		s += n;
	}
	free(q->text);
	q->text = strdup(text);
	must(q->text);
}

static void want(struct pulls *p, const char *name, const json_t *doc, int64_t now_s)
{
	const char *source = dp_text(doc, "source");
	struct live_stream s;
	char key[LIVE_KEY];
	struct pull *q;

	if (!live_split(&s, name) || now_s < json_integer_value(json_object_get(doc, "start")) ||
	    now_s >= json_integer_value(json_object_get(doc, "end")) ||
	    !domains_get(p->cp->domains, s.domain))
		return;
	domains_stream(p->cp->domains, key, sizeof(key), s.domain, s.app, s.name);
	q = pulls_find(p, key);
	if (!q)
		q = pull_new(p, key);
	else if (q->regular && q->wanted)
		return; /* a sub-streaming domain's entry for the same stream: the first one counts */
	if (!q->regular)
		pull_unsave(p, q);
	q->wanted = q->regular = true;
	if (q->text && !strcmp(q->text, source))
		return;
	/* An edit pulls again at once. */
	q->stale = q->on && q->text;
	set_sources(q, source);
	if (q->on && !q->stale && *q->found)
		q->stale = !pull_take_found(q);
	q->found[0] = 0;
	q->failures = 0;
	q->after_us = 0;
}

bool pull_is_mine(const struct pulls *p, const struct pull *q)
{
	return !q->regular || !p->cp->conf.cluster_enabled || clock_us() < q->mine_until;
}

/* KEYS: the lease; ARGV: owner, ms. 1: it is the owner's for that time. */
static const char lease_lua[] = "local o = redis.call('GET', KEYS[1])\n"
				"if o and o ~= ARGV[1] then return 0 end\n"
				"redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])\n"
				"return 1\n";

struct lease {
	struct pulls *pulls;
	char leg[PULL_LEG_TEXT];
	uint64_t asked_us;
};

static void on_lease(void *arg, const struct store_reply *r)
{
	struct lease *l = arg;
	struct pull *q = pulls_find_leg(l->pulls, l->leg);

	if (q && !r->error && r->number == 1) {
		q->mine_until = l->asked_us + LEASE_US;
		pull_step(l->pulls, q);
	}
	free(l);
}

static void take_lease(struct pulls *p, const struct pull *q)
{
	struct lease *l = calloc(1, sizeof(*l));
	char key[LIVE_KEY + 16];

	must(l);
	*l = (struct lease){.pulls = p, .asked_us = clock_us()};
	snprintf(l->leg, sizeof(l->leg), "%s", q->leg);
	snprintf(key, sizeof(key), "mr:pull:{%s}", q->key);
	store_ask(p->cp->store, STORE_WORDS("EVAL", lease_lua, "1", key, p->cp->node, LEASE_MS),
		  on_lease, l);
}

static void refresh(struct pulls *p)
{
	int64_t now_s = (int64_t)(clock_wall_ms() / 1000);
	struct pull *q;
	const char *name;
	json_t *doc;

	if (!book_known(p->book) || !book_known(domains_book(p->cp->domains)))
		return;
	TAILQ_FOREACH (q, &p->list, link)
		q->wanted = q->wanted && !q->regular;
	json_object_foreach (book_all(p->book), name, doc)
		want(p, name, doc, now_s);
}

void pulls_step_all(struct pulls *p)
{
	struct pull *q, *next;

	for (q = TAILQ_FIRST(&p->list); q; q = next) {
		next = TAILQ_NEXT(q, link);
		pull_step(p, q);
	}
}

void pulls_tick(struct pulls *p)
{
	static unsigned turn;
	struct pull *q;

	refresh(p);
	turn++;
	TAILQ_FOREACH (q, &p->list, link)
		if (p->cp->conf.cluster_enabled && q->regular && q->wanted && turn % 2 == 0)
			take_lease(p, q);
	pulls_step_all(p);
	if (turn % 2 == 0)
		book_poll(p->book);
	if (turn % RENEW_TURNS == 0)
		pulls_save_renew(p);
}

static void on_book(void *arg)
{
	struct pulls *p = arg;

	refresh(p);
	pulls_step_all(p);
}

/* ---- events ------------------------------------------------------------------------------------------- */

void pulls_event(struct pulls *p, const char *name, const json_t *event)
{
	struct pull *q;

	if (!strcmp(name, "stream.wanted")) {
		pulls_on_wanted(p, event);
	} else if (!strcmp(name, "stream.unwatched")) {
		q = pulls_find(p, dp_text(event, "stream"));
		if (q && !q->regular) {
			q->wanted = false;
			pull_step(p, q);
		}
	} else if (!strcmp(name, "pull.state")) {
		pulls_on_state(p, event);
	} else if (!strcmp(name, "lost")) {
		pulls_up(p);
	}
}

const char *pulls_using(const struct pulls *p, const char *key)
{
	const struct pull *q = pulls_find(p, key);

	return q && q->on && q->n ? q->source[q->at] : "";
}

bool pulls_is_edge(const struct pulls *p, const char *key)
{
	const struct pull *q = pulls_find(p, key);

	return q && q->edge;
}

/* ---- life --------------------------------------------------------------------------------------------- */

struct pulls *pulls_new(struct cp *cp, const char *worker)
{
	struct pulls *p = calloc(1, sizeof(*p));

	must(p);
	p->cp = cp;
	TAILQ_INIT(&p->list);
	p->book = book_new(cp->store, "pulls", on_book, p);
	p->jobs = jobs_new(cp->base, worker, &pulls_jobs_ops, p);
	store_watch(cp->store, pulls_save_ready, p);
	return p;
}

void pulls_free(struct pulls *p)
{
	struct pull *q;

	if (!p)
		return;
	p->ending = true;
	while ((q = TAILQ_FIRST(&p->list)))
		pull_free(p, q);
	jobs_free(p->jobs);
	book_free(p->book);
	free(p);
}

const struct jobs *pulls_jobs(const struct pulls *p)
{
	return p->jobs;
}

struct book *pulls_book(const struct pulls *p)
{
	return p->book;
}
