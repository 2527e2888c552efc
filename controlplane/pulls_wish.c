/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/domain.h"
#include "controlplane/domains.h"
#include "controlplane/pull_origin.h"
#include "controlplane/pulls_in.h"
#include "controlplane/store_redis_words.h"

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

static void begin(struct pulls *p, const struct wish *w, char *const urls[], unsigned n)
{
	struct pull *q;

	if (!n)
		return;
	q = pull_new(p, w->key);
	for (unsigned i = 0; i < n; i++)
		pull_add_source(q, urls[i]);
	log_info("pull_triggered", "stream=%s sources=%u", w->key, q->n);
	pull_save(p, q);
	pull_step(p, q);
}

/* From another node: who it is may change until the pull ends. */
static void begin_edge(const struct wish *w, char *url)
{
	struct pulls *p = w->pulls;
	struct pull *q = pulls_find(p, w->key);

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
	pull_drop_sources(q);
	pull_add_source(q, url);
	q->sought = false;
	pull_save(p, q);
	pull_step(p, q);
}

/* The domain signs what it asks other nodes, unless the viewer's own parameters are to do. */
static char *url_of(struct pulls *p, const struct wish *w, const char *protocol, const char *host,
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
	return pull_origin_url(
		&(struct pull_question){.protocol = protocol,
					.host = host,
					.vhost = edge ? w->domain : NULL,
					.app = *pull_app ? pull_app : s.app,
					.name = s.name,
					.params = w->params,
					.node = p->cp->node,
					.auth = auth,
					.sign = domain_sign_type(domain),
					.key = domain_arg(domain, "aliauth", "auth_key1"),
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

void pull_seek_again(struct pulls *p, struct pull *q)
{
	ask_where(p, wish_new(p, q->key, q->domain, q->params));
}

static void ask_hosts(struct pulls *p, const struct wish *w, const json_t *row)
{
	char *urls[PULL_SOURCES];
	unsigned n = 0;

	for (const char *h = dp_text(row, "hosts"); *h; h += *h == ';') {
		size_t len = strcspn(h, ";");
		char host[300];

		snprintf(host, sizeof(host), "%.*s", (int)len, h);
		if (len && n < PULL_SOURCES)
			urls[n] = url_of(p, w, dp_text(row, "protocol"), host, false);
		n += len && n < PULL_SOURCES && urls[n];
		h += len;
	}
	begin(p, w, urls, n);
}

void pulls_on_wanted(struct pulls *p, const json_t *event)
{
	const char *key = dp_text(event, "stream"), *domain = dp_text(event, "domain");
	struct live_stream s;
	const json_t *row;
	struct wish *w;

	if (pulls_find(p, key) || !live_split(&s, key))
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
