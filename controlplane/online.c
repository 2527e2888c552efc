/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/online.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controlplane/store_redis_words.h"
#include "controlplane/streams.h"

#define KEEP_PX	 "10000"
#define KEY_TEXT 300

/* ---- this node's ---------------------------------------------------------------------------------- */

static const char *key_of(char dst[KEY_TEXT], const char *domain, const char *node)
{
	snprintf(dst, KEY_TEXT, "mr:online:{%.128s}:%.64s", domain, node);
	return dst;
}

/* "app/name" */
static const char *field_of(const char *key)
{
	return key + strcspn(key, "/") + 1;
}

static json_t *row_of(struct cp *cp, const struct live_stream *s)
{
	const char *video = "", *audio = "";
	struct shm_stream_view v = {0};
	uint32_t slot;
	json_t *row;

	if (cp->shm && shm_stream_find(cp->shm, s->key, &v, &slot))
		streams_codecs(cp->streams, slot, v.gen, &video, &audio);
	row = json_pack("{ss ss ss ss ss sI sb sb}", "app", s->app, "name", s->name, "node",
			cp->node, "address", s->address, "protocol", s->protocol, "since",
			(json_int_t)s->since_ms, "pull", (int)live_is_pull(s), "edge",
			(int)s->quiet);
	if (row)
		json_object_update_new(row, json_pack("{sI sI ss ss sf sf sI sI}", "width",
						      (json_int_t)v.width, "height",
						      (json_int_t)v.height, "video", video, "audio",
						      audio, "vfps", s->minute.video_fps, "afps",
						      s->minute.audio_fps, "in_bps",
						      (json_int_t)v.in_bps, "viewers",
						      (json_int_t)(v.viewers_rtmp + v.viewers_flv +
								   v.viewers_ws + v.viewers_hls)));
	return row;
}

void online_tell(struct cp *cp, const struct live_stream *s)
{
	json_t *row = row_of(cp, s);
	char *text = row ? json_dumps(row, JSON_COMPACT) : NULL, key[KEY_TEXT];

	if (text) {
		key_of(key, s->domain, cp->node);
		store_tell(cp->store, STORE_WORDS("HSET", key, field_of(s->key), text));
		store_tell(cp->store, STORE_WORDS("PEXPIRE", key, KEEP_PX));
	}
	free(text);
	json_decref(row);
}

void online_forget(struct cp *cp, const struct live_stream *s)
{
	char key[KEY_TEXT];

	store_tell(cp->store,
		   STORE_WORDS("HDEL", key_of(key, s->domain, cp->node), field_of(s->key)));
}

void online_drop(struct cp *cp, const struct live_stream *s)
{
	char key[KEY_TEXT];

	store_tell(cp->store, STORE_WORDS("DEL", key_of(key, s->domain, cp->node)));
}

/* ---- of all nodes ----------------------------------------------------------------------------------- */

static json_int_t number(const json_t *row, const char *name)
{
	return json_integer_value(json_object_get(row, name));
}

static bool is_edge(const json_t *row)
{
	return json_is_true(json_object_get(row, "edge"));
}

/* Whether a tells more of the stream than b. */
static bool is_better(const json_t *a, const json_t *b)
{
	if (is_edge(a) != is_edge(b))
		return is_edge(b);
	return number(a, "since") < number(b, "since");
}

static int by_age(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	json_int_t since_x = number(x, "since"), since_y = number(y, "since");
	int names = strcmp(dp_text(x, "name"), dp_text(y, "name"));

	if (since_x != since_y)
		return since_x < since_y ? -1 : 1;
	return names ? names : strcmp(dp_text(x, "app"), dp_text(y, "app"));
}

/* The values of an object, oldest first. */
static json_t *sorted(json_t *by_name)
{
	json_t **list = calloc(json_object_size(by_name) + 1, sizeof(*list)), *out = json_array();
	const char *name;
	json_t *row;
	size_t n = 0;

	must(list);
	json_object_foreach (by_name, name, row)
		list[n++] = row;
	qsort(list, n, sizeof(*list), by_age);
	for (size_t i = 0; i < n; i++)
		json_array_append(out, list[i]);
	free(list);
	return out;
}

/* The pull of an edge is no viewer, but the origin counts it as one. */
static json_int_t audience(json_t *row)
{
	json_int_t viewers = number(row, "viewers") - number(row, "edges");

	json_object_del(row, "edges");
	return is_edge(row) ? number(row, "viewers") : viewers > 0 ? viewers : 0;
}

json_t *online_merge(const json_t *rows)
{
	json_t *streams = json_object(), *row, *merged, *out;
	char name[LIVE_KEY];
	size_t i;

	json_array_foreach ((json_t *)rows, i, row) {
		json_int_t viewers = number(row, "viewers"), edges = is_edge(row);

		snprintf(name, sizeof(name), "%s/%s", dp_text(row, "app"), dp_text(row, "name"));
		merged = json_object_get(streams, name);
		viewers += number(merged, "viewers");
		edges += number(merged, "edges");
		if (!merged || is_better(row, merged)) {
			merged = json_copy(row);
			json_object_set_new(streams, name, merged);
		}
		json_object_set_new(merged, "viewers", json_integer(viewers));
		json_object_set_new(merged, "edges", json_integer(edges));
	}
	out = sorted(streams);
	json_array_foreach (out, i, row)
		json_object_set_new(row, "viewers", json_integer(audience(row)));
	json_decref(streams);
	return out;
}

/* ---- questions -------------------------------------------------------------------------------------- */

struct question {
	struct cp *cp;
	online_fn *fn;
	void *arg;
	char domain[129];
	char key[LIVE_KEY]; /* "": all of the domain */
	json_t *rows;
	size_t missing; /* answers */
	const char *error;
};

static void answer(struct question *q)
{
	json_t *rows;

	if (--q->missing)
		return;
	rows = q->error ? NULL : online_merge(q->rows);
	q->fn(q->arg, rows, q->error);
	json_decref(rows);
	json_decref(q->rows);
	free(q);
}

static void on_rows(void *arg, const struct store_reply *r)
{
	struct question *q = arg;

	if (r->error)
		q->error = "the connection was lost";
	for (size_t i = 0; !r->error && i < r->n; i++) {
		json_t *row = r->text[i] ? json_loads(r->text[i], 0, NULL) : NULL;

		if (json_is_object(row))
			json_array_append(q->rows, row);
		json_decref(row);
	}
	answer(q);
}

static void ask_node(struct question *q, const char *node)
{
	char key[KEY_TEXT];

	key_of(key, q->domain, node);
	q->missing++;
	if (*q->key)
		store_ask(q->cp->store, STORE_WORDS("HGET", key, field_of(q->key)), on_rows, q);
	else
		store_ask(q->cp->store, STORE_WORDS("HVALS", key), on_rows, q);
}

static void on_nodes(void *arg, const struct store_reply *r)
{
	struct question *q = arg;

	if (r->error)
		q->error = "the connection was lost";
	for (size_t i = 0; !r->error && i < r->n; i++)
		if (r->text[i] && strcmp(r->text[i], q->cp->node) != 0)
			ask_node(q, r->text[i]);
	answer(q);
}

static void add_own(struct question *q)
{
	struct live *l = q->cp->live;

	for (struct live_stream *s = live_first(l); s; s = live_next(s)) {
		json_t *row;

		if (*q->key ? strcmp(s->key, q->key) : strcmp(s->domain, q->domain))
			continue;
		row = row_of(q->cp, s);
		if (row)
			json_array_append_new(q->rows, row);
	}
}

static void ask(struct cp *cp, const char *domain, const char *key, online_fn *fn, void *arg)
{
	struct question *q = calloc(1, sizeof(*q));

	must(q);
	*q = (struct question){.cp = cp, .fn = fn, .arg = arg, .rows = json_array(), .missing = 1};
	snprintf(q->domain, sizeof(q->domain), "%s", domain);
	snprintf(q->key, sizeof(q->key), "%s", key);
	add_own(q);
	store_ask(cp->store, STORE_WORDS("ZRANGE", "mr:nodes", "0", "-1"), on_nodes, q);
}

void online_ask(struct cp *cp, const char *domain, online_fn *fn, void *arg)
{
	ask(cp, domain, "", fn, arg);
}

void online_find(struct cp *cp, const char *key, online_fn *fn, void *arg)
{
	char domain[129];

	snprintf(domain, sizeof(domain), "%.*s", (int)strcspn(key, "/"), key);
	ask(cp, domain, key, fn, arg);
}
