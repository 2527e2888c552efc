/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/pulls.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "controlplane/domain.h"
#include "controlplane/domains.h"
#include "controlplane/live.h"
#include "controlplane/pull_origin.h"
#include "controlplane/store_redis_words.h"

#define LEG_PREFIX     "live:"
#define LEG_TEXT       64
#define SOURCES	       16
#define PAUSE_US       2000000u /* between a failure and the next source of a regular pull */
#define AGAIN_PAUSE_US 500000u
#define AGAIN_US       30000000u /* a triggered one that ran is tried again for so long */
#define LEASE_MS       "10000"
#define LEASE_US       8000000u /* as this side counts it */

struct pull {
	char key[LIVE_KEY], leg[LEG_TEXT];
	char *source[SOURCES];	 /* URLs */
	unsigned n, at;		 /* at: the one in use */
	char found[DIGEST_TEXT]; /* of the URL that was found running; "": none was */
	char *text;		 /* regular: the sources as they were configured */
	bool regular, on, busy, running, wanted;
	bool edge;   /* from another node of this Redis, found by domain and params */
	bool sought; /* edge: its present source failed, Redis is asked for another */
	char domain[129], *params;
	bool stale;	     /* its source was edited since it began */
	unsigned failures;   /* since it ran */
	uint64_t after_us;   /* not begun again before */
	uint64_t again_us;   /* triggered: failures until then do not end it */
	uint64_t mine_until; /* several nodes: this one holds it until then */
	TAILQ_ENTRY(pull) link;
};

struct pulls {
	struct cp *cp;
	struct book *book;
	TAILQ_HEAD(, pull) list;
	void *by_key, *by_leg; /* tsearch trees of struct pull */
	bool listed;	       /* pull.list of the present data plane came */
};

/* ---- the table ----------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct pull *)a)->key, ((const struct pull *)b)->key);
}

static int by_leg(const void *a, const void *b)
{
	return strcmp(((const struct pull *)a)->leg, ((const struct pull *)b)->leg);
}

static struct pull *find(const struct pulls *p, const char *key)
{
	struct pull want;
	void *node;

	snprintf(want.key, sizeof(want.key), "%s", key);
	node = tfind(&want, &p->by_key, by_key);
	return node ? *(struct pull **)node : NULL;
}

static struct pull *find_leg(const struct pulls *p, const char *leg)
{
	struct pull want;
	void *node;

	snprintf(want.leg, sizeof(want.leg), "%s", leg);
	node = tfind(&want, &p->by_leg, by_leg);
	return node ? *(struct pull **)node : NULL;
}

static struct pull *pull_new(struct pulls *p, const char *key)
{
	struct pull *q = calloc(1, sizeof(*q));
	char digest[DIGEST_TEXT];

	must(q);
	snprintf(q->key, sizeof(q->key), "%s", key);
	snprintf(q->leg, sizeof(q->leg), LEG_PREFIX "%s", digest_text(digest, key));
	q->wanted = true;
	must(tsearch(q, &p->by_key, by_key) && tsearch(q, &p->by_leg, by_leg));
	TAILQ_INSERT_TAIL(&p->list, q, link);
	return q;
}

static void drop_sources(struct pull *q)
{
	for (unsigned i = 0; i < q->n; i++)
		free(q->source[i]);
	q->n = q->at = 0;
}

static void pull_free(struct pulls *p, struct pull *q)
{
	tdelete(q, &p->by_key, by_key);
	tdelete(q, &p->by_leg, by_leg);
	TAILQ_REMOVE(&p->list, q, link);
	drop_sources(q);
	free(q->text);
	free(q->params);
	free(q);
}

static void add_source(struct pull *q, char *url)
{
	if (url && q->n < SOURCES)
		q->source[q->n++] = url;
	else
		free(url);
}

/* ---- the data plane ------------------------------------------------------------------------------- */

static void step(struct pulls *p, struct pull *q);
static void seek_again(struct pulls *p, struct pull *q);

/* An answer finds its pull by leg: it may be gone. */
struct asked {
	struct pulls *pulls;
	char leg[LEG_TEXT];
	bool create;
};

static void failed(struct pulls *p, struct pull *q)
{
	uint64_t now = clock_us();

	/* Viewers stay for publish.hold: one that ran is brought back to them. */
	if (q->running && q->n)
		q->again_us = now + AGAIN_US;
	q->running = false;
	q->failures++;
	if (q->n)
		q->at = (q->at + 1) % q->n;
	q->after_us = now + (q->regular ? PAUSE_US : now < q->again_us ? AGAIN_PAUSE_US : 0);
	q->sought = q->edge;
	/* What somebody asked for, and what never came, is tried from each source once. */
	if (!q->regular && q->failures >= q->n && now >= q->again_us)
		q->wanted = false;
}

static void on_answer(void *arg, json_t *answer)
{
	struct asked *a = arg;
	struct pulls *p = a->pulls;
	struct pull *q = find_leg(p, a->leg);
	char text[300];

	if (q) {
		q->busy = false;
		if (!a->create || !answer)
			q->on = false;
		if (a->create && answer && dp_error(answer)) {
			log_warn("pull_refused", "stream=%s why=%s", q->key,
				 log_q(text, sizeof(text), dp_text(dp_error(answer), "message")));
			q->on = false;
			failed(p, q);
		}
		step(p, q);
	}
	free(a);
}

static void ask(struct pulls *p, struct pull *q, bool create, json_t *keys)
{
	struct asked *a = calloc(1, sizeof(*a));

	must(a);
	*a = (struct asked){.pulls = p, .create = create};
	snprintf(a->leg, sizeof(a->leg), "%s", q->leg);
	json_object_set_new(keys, "leg", json_string(q->leg));
	q->busy = true;
	dp_request(p->cp->dp, create ? "pull.create" : "pull.remove", keys, on_answer, a);
}

static bool is_mine(const struct pulls *p, const struct pull *q)
{
	return !q->regular || !p->cp->conf.cluster_enabled || clock_us() < q->mine_until;
}

/* One step towards what is wanted; the answer brings the next. */
static void step(struct pulls *p, struct pull *q)
{
	bool wanted = q->wanted && is_mine(p, q);

	if (!dp_up(p->cp->dp) || !p->listed || q->busy)
		return;
	if (q->sought && clock_us() >= q->again_us)
		wanted = q->wanted = false;
	if (q->on && (!wanted || q->stale)) {
		q->stale = false;
		ask(p, q, false, json_object());
	} else if (!q->on && !q->wanted) {
		pull_free(p, q);
	} else if (!q->on && wanted && q->sought && clock_us() >= q->after_us) {
		q->after_us = clock_us() + PAUSE_US;
		seek_again(p, q);
	} else if (!q->on && wanted && q->n && !q->sought && clock_us() >= q->after_us) {
		q->on = true;
		ask(p, q, true, json_pack("{ss ss}", "url", q->source[q->at], "stream", q->key));
	}
}

/* Goes on with the source that was found running; false: it is none of them. */
static bool take_found(struct pull *q)
{
	char digest[DIGEST_TEXT];

	for (unsigned i = 0; i < q->n; i++) {
		if (strcmp(digest_text(digest, q->source[i]), q->found))
			continue;
		q->at = i;
		return true;
	}
	return false;
}

static void on_list(void *arg, json_t *answer)
{
	struct pulls *p = arg;
	struct pull *q, *next;
	json_t *row;
	size_t i;

	if (!answer || dp_error(answer))
		return;
	TAILQ_FOREACH (q, &p->list, link)
		q->on = q->busy = q->running = false;
	json_array_foreach (json_object_get(answer, "pulls"), i, row) {
		if (strncmp(dp_text(row, "id"), LEG_PREFIX, strlen(LEG_PREFIX)))
			continue;
		q = find_leg(p, dp_text(row, "id"));
		/* One of an earlier process: triggered, unless a window wants it. */
		if (!q)
			q = pull_new(p, dp_text(row, "stream"));
		q->on = true;
		q->running = !strcmp(dp_text(row, "state"), "running");
		snprintf(q->found, sizeof(q->found), "%s", dp_text(row, "url_digest"));
		if (q->n)
			q->stale = !take_found(q);
	}
	p->listed = true;
	for (q = TAILQ_FIRST(&p->list); q; q = next) {
		next = TAILQ_NEXT(q, link);
		step(p, q);
	}
}

void pulls_up(struct pulls *p)
{
	p->listed = false;
	dp_request(p->cp->dp, "pull.list", NULL, on_list, p);
}

/* ---- regular ---------------------------------------------------------------------------------------- */

/* "url;url" */
static void set_sources(struct pull *q, const char *text)
{
	drop_sources(q);
	for (const char *s = text; *s; s += *s == ';') {
		size_t n = strcspn(s, ";");

		if (n)
			add_source(q, strndup(s, n));
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
	q = find(p, key);
	if (!q)
		q = pull_new(p, key);
	else if (q->regular && q->wanted)
		return; /* a sub-streaming domain's entry for the same stream: the first one counts */
	q->wanted = q->regular = true;
	if (q->text && !strcmp(q->text, source))
		return;
	/* An edit pulls again at once. */
	q->stale = q->on && q->text;
	set_sources(q, source);
	if (q->on && !q->stale && *q->found)
		q->stale = !take_found(q);
	q->found[0] = 0;
	q->failures = 0;
	q->after_us = 0;
}

/* KEYS: the lease; ARGV: owner, ms. 1: it is the owner's for that time. */
static const char lease_lua[] = "local o = redis.call('GET', KEYS[1])\n"
				"if o and o ~= ARGV[1] then return 0 end\n"
				"redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])\n"
				"return 1\n";

struct lease {
	struct pulls *pulls;
	char leg[LEG_TEXT];
	uint64_t asked_us;
};

static void on_lease(void *arg, const struct store_reply *r)
{
	struct lease *l = arg;
	struct pull *q = find_leg(l->pulls, l->leg);

	if (q && !r->error && r->number == 1) {
		q->mine_until = l->asked_us + LEASE_US;
		step(l->pulls, q);
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

void pulls_tick(struct pulls *p)
{
	static unsigned turn;
	struct pull *q, *next;

	refresh(p);
	turn++;
	for (q = TAILQ_FIRST(&p->list); q; q = next) {
		next = TAILQ_NEXT(q, link);
		if (p->cp->conf.cluster_enabled && q->regular && q->wanted && turn % 2 == 0)
			take_lease(p, q);
		step(p, q);
	}
	if (turn % 2 == 0)
		book_poll(p->book);
}

static void on_book(void *arg)
{
	struct pulls *p = arg;
	struct pull *q, *next;

	refresh(p);
	for (q = TAILQ_FIRST(&p->list); q; q = next) {
		next = TAILQ_NEXT(q, link);
		step(p, q);
	}
}

/* ---- triggered --------------------------------------------------------------------------------------- */

/* What somebody wants, on the way to its origins. */
struct wish {
	struct pulls *pulls;
	char key[LIVE_KEY], domain[129], *params;
};

static struct wish *wish_new(struct pulls *p, const char *key, const char *domain,
			     const char *params)
{
	struct wish *w = calloc(1, sizeof(*w));

	must(w);
	w->pulls = p;
	snprintf(w->key, sizeof(w->key), "%s", key);
	snprintf(w->domain, sizeof(w->domain), "%s", domain);
	w->params = strdup(params);
	must(w->params);
	return w;
}

static void wish_free(struct wish *w)
{
	free(w->params);
	free(w);
}

static void begin(struct pulls *p, const char *key, char *const urls[], unsigned n)
{
	struct pull *q;

	if (!n)
		return;
	q = pull_new(p, key);
	for (unsigned i = 0; i < n; i++)
		add_source(q, urls[i]);
	log_info("pull_triggered", "stream=%s sources=%u", key, q->n);
	step(p, q);
}

/* From another node: who it is may change until the pull ends. */
static void begin_edge(const struct wish *w, char *url)
{
	struct pulls *p = w->pulls;
	struct pull *q = find(p, w->key);

	if (!q) {
		q = pull_new(p, w->key);
		q->edge = true;
		q->params = strdup(w->params);
		must(q->params);
		snprintf(q->domain, sizeof(q->domain), "%s", w->domain);
		log_info("pull_triggered", "stream=%s sources=cluster", w->key);
	} else if (!q->edge || q->on || q->busy || !q->wanted) {
		free(url);
		return;
	}
	drop_sources(q);
	add_source(q, url);
	q->sought = false;
	step(p, q);
}

/* The domain signs what it asks other nodes, unless the viewer's own parameters are to do. */
static char *url_of(struct pulls *p, const struct wish *w, const char *scheme, const char *host,
		    bool edge)
{
	const json_t *domain = domains_get(p->cp->domains, w->domain), *row;
	const char *auth, *pull_app;
	struct live_stream s;

	if (!live_split(&s, w->key))
		return NULL;
	row = pull_lazy_row(domain, s.app);
	auth = dp_text(row, "auth");
	pull_app = edge ? "" : dp_text(row, "pull_app");
	if (edge && strcmp(auth, "pass"))
		auth = "sign";
	return pull_origin_url(&(struct pull_question){
		.scheme = scheme,
		.host = host,
		.vhost = edge ? w->domain : NULL,
		.app = *pull_app ? pull_app : s.app,
		.name = s.name,
		.params = w->params,
		.node = p->cp->node,
		.auth = auth,
		.key = strcmp(domain_arg(domain, "aliauth", "auth_type"), "type_a")
			       ? ""
			       : domain_arg(domain, "aliauth", "auth_key1"),
		.now_s = (int64_t)(clock_wall_ms() / 1000)});
}

/* The node that has the stream, as it says in Redis. */
static void on_where(void *arg, const struct store_reply *r)
{
	struct wish *w = arg;
	struct pulls *p = w->pulls;
	const char *node = r->n == 2 ? r->text[0] : NULL, *address = r->n == 2 ? r->text[1] : NULL;

	if (!r->error && node && address && *address && strcmp(node, p->cp->node)) {
		char *url = url_of(p, w, "rtmp", address, true);

		if (url)
			begin_edge(w, url);
	}
	wish_free(w);
}

static void ask_where(struct pulls *p, struct wish *w)
{
	char where[LIVE_KEY + 16];

	snprintf(where, sizeof(where), "mr:stream:%s", w->key);
	store_ask(p->cp->store, STORE_WORDS("HMGET", where, "Node", "Address"), on_where, w);
}

static void seek_again(struct pulls *p, struct pull *q)
{
	ask_where(p, wish_new(p, q->key, q->domain, q->params));
}

static void ask_hosts(struct pulls *p, const struct wish *w, const json_t *row)
{
	const char *scheme = strcmp(dp_text(row, "protocol"), "httpflv") ? "rtmp" : "http";
	char *urls[SOURCES];
	unsigned n = 0;

	for (const char *h = dp_text(row, "hosts"); *h; h += *h == ';') {
		size_t len = strcspn(h, ";");
		char host[300];

		snprintf(host, sizeof(host), "%.*s", (int)len, h);
		if (len && n < SOURCES)
			urls[n] = url_of(p, w, scheme, host, false);
		n += len && n < SOURCES && urls[n];
		h += len;
	}
	begin(p, w->key, urls, n);
}

static void wanted(struct pulls *p, const json_t *event)
{
	const char *key = dp_text(event, "stream"), *domain = dp_text(event, "domain");
	struct live_stream s;
	const json_t *row;
	struct wish *w;

	if (find(p, key) || !live_split(&s, key))
		return;
	row = pull_lazy_row(domains_get(p->cp->domains, domain), s.app);
	if (!row)
		return;
	w = wish_new(p, key, domain, dp_text(event, "params"));
	if (!strcmp(dp_text(row, "hosts"), PULL_CLUSTER)) {
		ask_where(p, w);
		return;
	}
	ask_hosts(p, w, row);
	wish_free(w);
}

/* ---- events ------------------------------------------------------------------------------------------- */

static void on_state(struct pulls *p, const json_t *event)
{
	struct pull *q = find_leg(p, dp_text(event, "id"));
	const char *state = dp_text(event, "state");

	if (!q || !q->on || q->busy)
		return;
	if (!strcmp(state, "running")) {
		q->running = true;
		q->failures = 0;
	} else if (!strcmp(state, "failed")) {
		log_warn("pull_failed", "stream=%s source=%u reason=%s", q->key, q->at,
			 dp_text(event, "reason"));
		failed(p, q);
		ask(p, q, false, json_object());
	}
}

void pulls_event(struct pulls *p, const char *name, const json_t *event)
{
	struct pull *q;

	if (!strcmp(name, "stream.wanted")) {
		wanted(p, event);
	} else if (!strcmp(name, "stream.unwatched")) {
		q = find(p, dp_text(event, "stream"));
		if (q && !q->regular) {
			q->wanted = false;
			step(p, q);
		}
	} else if (!strcmp(name, "pull.state")) {
		on_state(p, event);
	} else if (!strcmp(name, "lost")) {
		pulls_up(p);
	}
}

const char *pulls_using(const struct pulls *p, const char *key)
{
	const struct pull *q = find(p, key);

	return q && q->on && q->n ? q->source[q->at] : "";
}

bool pulls_is_edge(const struct pulls *p, const char *key)
{
	const struct pull *q = find(p, key);

	return q && q->edge;
}

/* ---- life --------------------------------------------------------------------------------------------- */

struct pulls *pulls_new(struct cp *cp)
{
	struct pulls *p = calloc(1, sizeof(*p));

	must(p);
	p->cp = cp;
	TAILQ_INIT(&p->list);
	p->book = book_new(cp->store, "pulls", on_book, p);
	return p;
}

void pulls_free(struct pulls *p)
{
	struct pull *q;

	if (!p)
		return;
	while ((q = TAILQ_FIRST(&p->list)))
		pull_free(p, q);
	book_free(p->book);
	free(p);
}

struct book *pulls_book(const struct pulls *p)
{
	return p->book;
}
