/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "controlplane/pulls_in.h"
#include "controlplane/store_redis_words.h"

#define KEEP_PX	 "60000"
#define KEY_TEXT 96

static const char *key_of(char dst[KEY_TEXT], const struct pulls *p)
{
	snprintf(dst, KEY_TEXT, "mr:pulling:%s", p->cp->node);
	return dst;
}

/* ---- to Redis --------------------------------------------------------------------------------------- */

void pull_save(struct pulls *p, const struct pull *q)
{
	json_t *sources = json_array(), *doc;
	char key[KEY_TEXT], *text;

	for (unsigned i = 0; i < q->n; i++)
		json_array_append_new(sources, json_string(q->source[i]));
	doc = json_pack("{sb ss ss so}", "edge", (int)q->edge, "domain", q->domain, "params",
			q->params ? q->params : "", "sources", sources);
	text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
	if (text) {
		key_of(key, p);
		store_tell(p->cp->store, STORE_WORDS("HSET", key, q->key, text));
		store_tell(p->cp->store, STORE_WORDS("PEXPIRE", key, KEEP_PX));
	}
	free(text);
	json_decref(doc);
}

void pull_unsave(struct pulls *p, const struct pull *q)
{
	char key[KEY_TEXT];

	store_tell(p->cp->store, STORE_WORDS("HDEL", key_of(key, p), q->key));
}

void pulls_save_renew(struct pulls *p)
{
	char key[KEY_TEXT];

	if (p->loaded && !TAILQ_EMPTY(&p->list))
		store_tell(p->cp->store, STORE_WORDS("PEXPIRE", key_of(key, p), KEEP_PX));
}

/* Redis may have missed something: it gets all. */
static void save_all(struct pulls *p)
{
	char key[KEY_TEXT];
	struct pull *q;

	store_tell(p->cp->store, STORE_WORDS("DEL", key_of(key, p)));
	TAILQ_FOREACH (q, &p->list, link)
		if (!q->regular && q->n)
			pull_save(p, q);
}

/* ---- back from Redis --------------------------------------------------------------------------------- */

static void take_sources(struct pull *q, const json_t *doc)
{
	json_t *url;
	size_t i;

	q->edge = json_is_true(json_object_get(doc, "edge"));
	snprintf(q->domain, sizeof(q->domain), "%s", dp_text(doc, "domain"));
	q->params = strdup(dp_text(doc, "params"));
	must(q->params);
	json_array_foreach (json_object_get(doc, "sources"), i, url)
		if (json_is_string(url))
			pull_add_source(q, strdup(json_string_value(url)));
}

/* One that is running goes on; one that is not is brought back to the viewers that the hold keeps. */
static void take(struct pulls *p, const char *key, const json_t *doc)
{
	struct pull *q = pulls_find(p, key);

	if (q && (q->regular || q->n))
		return;
	if (!q)
		q = pull_new(p, key);
	take_sources(q, doc);
	pull_again(q);
	if (*q->found)
		pull_take_found(q);
	q->sought = q->edge && !q->on;
	log_info("pull_taken_over", "stream=%s running=%d", q->key, (int)q->on);
	pull_step(p, q);
}

static void on_saved(void *arg, const struct store_reply *r)
{
	struct pulls *p = arg;

	if (r->error || p->loaded)
		return;
	p->loaded = true;
	for (size_t i = 0; i + 1 < r->n; i += 2) {
		json_t *doc = r->text[i + 1] ? json_loads(r->text[i + 1], 0, NULL) : NULL;

		if (doc && r->text[i] && strlen(r->text[i]) < LIVE_KEY)
			take(p, r->text[i], doc);
		json_decref(doc);
	}
	save_all(p);
}

void pulls_save_ready(void *arg)
{
	struct pulls *p = arg;
	char key[KEY_TEXT];

	if (p->loaded)
		save_all(p);
	else
		store_ask(p->cp->store, STORE_WORDS("HGETALL", key_of(key, p)), on_saved, p);
}
