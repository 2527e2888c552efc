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
#include "controlplane/store_redis_words.h"
#include "controlplane/url_sign.h"

#define LEG_PREFIX "live:"
#define LEG_TEXT   64
#define SOURCES	   16
#define PAUSE_US   2000000u /* between a failure and the next source of a regular pull */
#define LEASE_MS   "10000"
#define LEASE_US   8000000u /* as this side counts it */

struct pull {
	char key[LIVE_KEY], leg[LEG_TEXT];
	char *source[SOURCES];	 /* URLs */
	unsigned n, at;		 /* at: the one in use */
	char found[DIGEST_TEXT]; /* of the URL that was found running; "": none was */
	char *text;		 /* regular: the sources as they were configured */
	bool regular, on, busy, running, wanted;
	bool edge;	     /* from another node of this Redis */
	bool stale;	     /* its source was edited since it began */
	unsigned failures;   /* since it ran */
	uint64_t after_us;   /* not begun again before */
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

/* An answer finds its pull by leg: it may be gone. */
struct asked {
	struct pulls *pulls;
	char leg[LEG_TEXT];
	bool create;
};

static void failed(struct pulls *p, struct pull *q)
{
	q->running = false;
	q->failures++;
	if (q->n)
		q->at = (q->at + 1) % q->n;
	q->after_us = clock_us() + (q->regular ? PAUSE_US : 0);
	/* What somebody asked for is tried from each source once. */
	if (!q->regular && q->failures >= q->n)
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
	if (q->on && (!wanted || q->stale)) {
		q->stale = false;
		ask(p, q, false, json_object());
	} else if (!q->on && !q->wanted) {
		pull_free(p, q);
	} else if (!q->on && wanted && q->n && clock_us() >= q->after_us) {
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

const json_t *pulls_lazy_row(const json_t *domain, const char *app)
{
	const json_t *list = json_object_get(domain, "lazy"), *row, *any = NULL;
	size_t i;

	json_array_foreach ((json_t *)list, i, row) {
		if (!strcmp(dp_text(row, "app"), app))
			return row;
		if (!strcmp(dp_text(row, "app"), PULL_ANY_APP))
			any = row;
	}
	return any;
}

/* The value of mr_hop in a query, "a,b", into dst[n]. */
static void hops_of(char *dst, size_t n, const char *params)
{
	dst[0] = 0;
	for (const char *p = params; *p; p += *p == '&') {
		size_t len = strcspn(p, "&");

		if (!strncmp(p, "mr_hop=", 7))
			snprintf(dst, n, "%.*s", (int)(len - 7), p + 7);
		p += len;
	}
}

static bool has_hop(const char *hops, const char *node, unsigned *n)
{
	for (const char *p = hops; *p; p += *p == ',') {
		size_t len = strcspn(p, ",");

		if (len == strlen(node) && !strncmp(p, node, len))
			return true;
		++*n;
		p += len;
	}
	return false;
}

char *pulls_origin_url(const json_t *row, const char *host, const char *app, const char *name,
		       const char *params, const char *node)
{
	bool flv = !strcmp(dp_text(row, "protocol"), "httpflv");
	bool pass = !strcmp(dp_text(row, "auth"), "pass");
	char hops[512], path[1600], raw[600], *url;
	const char *pull_app = dp_text(row, "pull_app");
	unsigned n = 0;

	hops_of(hops, sizeof(hops), params);
	if (has_hop(hops, node, &n) || n >= PULL_HOPS_MAX)
		return NULL;
	snprintf(raw, sizeof(raw), "/%s/%s", *pull_app ? pull_app : app, name);
	if (!url_encode_path(path, sizeof(path), raw))
		return NULL;
	must(asprintf(&url, "%s://%s%s%s?%s%smr_hop=%s%s%s", flv ? "http" : "rtmp", host, path,
		      flv ? ".flv" : "", pass && !*hops ? params : "",
		      pass && !*hops && *params ? "&" : "", hops, *hops ? "," : "", node) > 0);
	return url;
}

/* What somebody wants, on the way to its origins. */
struct wish {
	struct pulls *pulls;
	char key[LIVE_KEY], domain[129], app[129], name[257], *params;
};

static void wish_free(struct wish *w)
{
	free(w->params);
	free(w);
}

static void begin(struct pulls *p, const char *key, bool edge, char *const urls[], unsigned n)
{
	struct pull *q = find(p, key);

	if (q || !n) {
		for (unsigned i = 0; i < n; i++)
			free(urls[i]);
		return;
	}
	q = pull_new(p, key);
	q->edge = edge;
	for (unsigned i = 0; i < n; i++)
		add_source(q, urls[i]);
	log_info("pull_triggered", "stream=%s sources=%u", key, q->n);
	step(p, q);
}

/* The node that has the stream, as it says in Redis: signed by the domain's own key where it signs. */
static void on_where(void *arg, const struct store_reply *r)
{
	struct wish *w = arg;
	struct pulls *p = w->pulls;
	const json_t *domain = domains_get(p->cp->domains, w->domain);
	const char *node = r->n == 2 ? r->text[0] : NULL, *address = r->n == 2 ? r->text[1] : NULL;
	char raw[600], path[1600], auth[URL_AUTH_TEXT] = "", *url;
	unsigned hops = 0;

	if (!r->error && node && address && *address && domain && strcmp(node, p->cp->node) &&
	    !has_hop(w->params, p->cp->node, &hops)) {
		snprintf(raw, sizeof(raw), "/%s/%s", w->app, w->name);
		must(url_encode_path(path, sizeof(path), raw));
		if (!strcmp(domain_arg(domain, "aliauth", "auth_type"), "type_a"))
			url_auth_key(auth, path, (int64_t)(clock_wall_ms() / 1000), "0",
				     domain_arg(domain, "aliauth", "auth_key1"));
		must(asprintf(&url, "rtmp://%s%s?vhost=%s&mr_hop=%s%s%s", address, path, w->domain,
			      p->cp->node, *auth ? "&auth_key=" : "", auth) > 0);
		begin(p, w->key, true, &url, 1);
	}
	wish_free(w);
}

static void ask_where(struct pulls *p, const char *key, const char *domain, const char *params)
{
	struct wish *w = calloc(1, sizeof(*w));
	struct live_stream s;
	char where[LIVE_KEY + 16], hops[512];

	must(w && live_split(&s, key));
	hops_of(hops, sizeof(hops), params);
	w->pulls = p;
	snprintf(w->key, sizeof(w->key), "%s", key);
	snprintf(w->domain, sizeof(w->domain), "%s", domain);
	snprintf(w->app, sizeof(w->app), "%s", s.app);
	snprintf(w->name, sizeof(w->name), "%s", s.name);
	w->params = strdup(hops);
	must(w->params);
	snprintf(where, sizeof(where), "mr:stream:%s", key);
	store_ask(p->cp->store, STORE_WORDS("HMGET", where, "Node", "Address"), on_where, w);
}

static void wanted(struct pulls *p, const json_t *event)
{
	const char *key = dp_text(event, "stream"), *domain = dp_text(event, "domain");
	const char *params = dp_text(event, "params");
	struct live_stream s;
	const json_t *row;
	char *urls[SOURCES];
	unsigned n = 0;

	if (find(p, key) || !live_split(&s, key))
		return;
	row = pulls_lazy_row(domains_get(p->cp->domains, domain), s.app);
	if (!row)
		return;
	if (!strcmp(dp_text(row, "hosts"), PULL_CLUSTER)) {
		ask_where(p, key, domain, params);
		return;
	}
	for (const char *h = dp_text(row, "hosts"); *h; h += *h == ';') {
		size_t len = strcspn(h, ";");
		char host[300];

		snprintf(host, sizeof(host), "%.*s", (int)len, h);
		if (len && n < SOURCES)
			urls[n] = pulls_origin_url(row, host, s.app, s.name, params, p->cp->node);
		n += len && n < SOURCES && urls[n];
		h += len;
	}
	begin(p, key, false, urls, n);
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
