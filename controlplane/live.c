/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/live.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/channels.h"
#include "controlplane/history.h"
#include "controlplane/live_notify.h"
#include "controlplane/online.h"
#include "controlplane/pulls.h"
#include "controlplane/shm.h"
#include "controlplane/store_redis_words.h"

#define SAME_MS	  3000	    /* two starts of a stream nearer than this are the same one */
#define LOOK_US	  200000    /* how often it is looked whether media came */
#define MINUTE_US 58000000u /* less than a minute by the pause between two looks */
#define STREAM_PX "10000"

struct live {
	struct cp *cp;
	char key[96]; /* mr:live:<node> */
	void *by_key; /* tsearch tree of struct live_stream */
	TAILQ_HEAD(live_list, live_stream) list;
	size_t n, untold;
	struct event *timer;
	bool loaded;
};

/* ---- the table ----------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct live_stream *)a)->key, ((const struct live_stream *)b)->key);
}

struct live_stream *live_find(const struct live *l, const char *key)
{
	struct live_stream want;
	void *node;

	snprintf(want.key, sizeof(want.key), "%s", key);
	node = tfind(&want, &l->by_key, by_key);
	return node ? *(struct live_stream **)node : NULL;
}

/* The name is what follows the last slash, the app what stands between. */
bool live_split(struct live_stream *s, const char *key)
{
	const char *app = strchr(key, '/'), *name = strrchr(key, '/');

	if (!app || name == app || strlen(key) >= sizeof(s->key))
		return false;
	snprintf(s->key, sizeof(s->key), "%s", key);
	snprintf(s->domain, sizeof(s->domain), "%.*s", (int)(app - key), key);
	snprintf(s->app, sizeof(s->app), "%.*s", (int)(name - app - 1), app + 1);
	snprintf(s->name, sizeof(s->name), "%s", name + 1);
	return true;
}

static struct live_stream *add(struct live *l, const char *key, const json_t *from,
			       int64_t since_ms)
{
	struct live_stream *s = calloc(1, sizeof(*s));
	const char *address = dp_text(from, "address");

	must(s);
	s->params = strdup(dp_text(from, "params"));
	must(s->params);
	if (!live_split(s, key)) {
		free(s->params);
		free(s);
		return NULL;
	}
	snprintf(s->address, sizeof(s->address), "%s",
		 *address ? address : dp_text(from, "publisher"));
	snprintf(s->protocol, sizeof(s->protocol), "%s", dp_text(from, "protocol"));
	snprintf(s->host, sizeof(s->host), "%s", dp_text(from, "host"));
	s->since_ms = since_ms;
	must(tsearch(s, &l->by_key, by_key));
	TAILQ_INSERT_TAIL(&l->list, s, link);
	l->n++;
	return s;
}

static void del(struct live *l, struct live_stream *s)
{
	tdelete(s, &l->by_key, by_key);
	TAILQ_REMOVE(&l->list, s, link);
	l->n--;
	l->untold -= !s->told;
	free(s->params);
	free(s);
}

/* ---- in Redis ------------------------------------------------------------------------------- */

static void save(struct live *l, const struct live_stream *s)
{
	json_t *doc =
		json_pack("{ss ss ss ss sI sb sb}", "address", s->address, "protocol", s->protocol,
			  "params", s->params, "host", s->host, "since", (json_int_t)s->since_ms,
			  "told", (int)s->told, "quiet", (int)s->quiet);
	char *text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;

	if (text)
		store_tell(l->cp->store, STORE_WORDS("HSET", l->key, s->key, text));
	free(text);
	json_decref(doc);
}

/* For other nodes, while it lasts; what is pulled has its origin elsewhere (interop P7). */
static void advertise(struct live *l, const struct live_stream *s)
{
	char key[LIVE_KEY + 16], since[24];

	if (live_is_pull(s))
		return;
	snprintf(key, sizeof(key), "mr:stream:%s", s->key);
	snprintf(since, sizeof(since), "%lld", (long long)s->since_ms);
	store_tell(l->cp->store,
		   STORE_WORDS("HSET", key, "Node", l->cp->node, "Address",
			       l->cp->conf.node_address, "Since", since, "Publisher", s->address));
	store_tell(l->cp->store, STORE_WORDS("PEXPIRE", key, STREAM_PX));
}

static void forget(struct live *l, const struct live_stream *s)
{
	char key[LIVE_KEY + 16];

	snprintf(key, sizeof(key), "mr:stream:%s", s->key);
	store_tell(l->cp->store, STORE_WORDS("HDEL", l->key, s->key));
	online_forget(l->cp, s);
	if (!live_is_pull(s))
		store_tell(l->cp->store, STORE_WORDS("DEL", key));
}

/* ---- start and end --------------------------------------------------------------------------- */

static void arm(struct live *l, uint64_t wait_us)
{
	struct timeval tv = {(time_t)(wait_us / 1000000), (suseconds_t)(wait_us % 1000000)};

	if (!evtimer_pending(l->timer, NULL))
		evtimer_add(l->timer, &tv);
}

static bool has_media(const struct live *l, const struct live_stream *s)
{
	struct shm_stream_view v;
	uint32_t slot;

	return l->cp->shm && shm_stream_find(l->cp->shm, s->key, &v, &slot) &&
	       v.msgs_video + v.msgs_audio > 0;
}

static void tell(struct live *l, struct live_stream *s)
{
	struct shm_stream_view v = {0};
	uint32_t slot;

	if (l->cp->shm)
		shm_stream_find(l->cp->shm, s->key, &v, &slot);
	live_notify_publish(l->cp, s, v.width, v.height);
	s->told = true;
	l->untold--;
	save(l, s);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
	struct live *l = arg;
	uint64_t now = clock_us(), next = UINT64_MAX;
	bool media = !strcmp(l->cp->conf.callback_publish, "media");
	struct live_stream *s;

	TAILQ_FOREACH (s, &l->list, link) {
		if (s->told || s->quiet)
			continue;
		if (media ? has_media(l, s) : s->due_us <= now)
			tell(l, s);
		else
			next = min_of(next, media ? now + LOOK_US : s->due_us);
	}
	if (next != UINT64_MAX)
		arm(l, next > now ? next - now : 0);
}

static void begin(struct live *l, const char *key, const json_t *from, int64_t since_ms)
{
	uint64_t after_us = (uint64_t)l->cp->conf.callback_publish_after * 1000, gone_us;
	struct live_stream *s = add(l, key, from, since_ms);
	uint64_t now_ms = clock_wall_ms();

	if (!s)
		return;
	gone_us = now_ms > (uint64_t)since_ms ? (now_ms - (uint64_t)since_ms) * 1000 : 0;
	s->due_us = clock_us() + (gone_us < after_us ? after_us - gone_us : 0);
	l->untold++;
	s->quiet = pulls_is_edge(l->cp->pulls, key);
	save(l, s);
	advertise(l, s);
	online_tell(l->cp, s);
	evtimer_del(l->timer);
	arm(l, 0);
}

static void end(struct live *l, struct live_stream *s, const char *reason)
{
	int64_t now_ms = (int64_t)clock_wall_ms();

	if (s->told)
		live_notify_done(l->cp, s, reason);
	if (!s->quiet)
		history_add(l->cp->store, HISTORY_PUBLISH, s->domain,
			    json_pack("{sI sI ss ss ss ss ss ss}", "t", (json_int_t)s->since_ms,
				      "end", (json_int_t)now_ms, "app", s->app, "name", s->name,
				      "address", s->address, "protocol", s->protocol, "reason",
				      reason, "node", l->cp->node));
	channels_ended(l->cp->channels, s);
	forget(l, s);
	del(l, s);
}

/* Another publisher of the same name goes on with the stream. */
static void change(struct live *l, struct live_stream *s, const json_t *event, const char *how)
{
	char *params = strdup(dp_text(event, "params"));

	must(params);
	free(s->params);
	s->params = params;
	snprintf(s->address, sizeof(s->address), "%s", dp_text(event, "publisher"));
	/* As the data plane's list has it from now on. */
	s->since_ms = (int64_t)clock_wall_ms();
	save(l, s);
	live_notify_switch(l->cp, s, how);
	history_add(l->cp->store, HISTORY_SWITCH, s->domain,
		    json_pack("{sI ss ss ss ss}", "t", (json_int_t)s->since_ms, "app", s->app,
			      "name", s->name, "change", how, "address", s->address));
}

static void published(struct live *l, const char *key, const json_t *event)
{
	const char *how = dp_text(event, "change");
	struct live_stream *s = live_find(l, key);

	if (s && !*how) {
		end(l, s, "replaced");
		s = NULL;
	}
	if (!s)
		begin(l, key, event, (int64_t)clock_wall_ms());
	s = live_find(l, key);
	if (s && *how)
		change(l, s, event, how);
}

void live_event(struct live *l, const char *name, const json_t *event)
{
	const char *key = dp_text(event, "stream");
	struct live_stream *s = live_find(l, key);

	if (!strcmp(name, "lost"))
		live_up(l);
	if (json_is_true(json_object_get(event, "internal")))
		return;
	if (!strcmp(name, "stream.publish")) {
		published(l, key, event);
	} else if (!strcmp(name, "stream.unpublish") && s) {
		/* Switched: who took it over follows. */
		if (strcmp(dp_text(event, "reason"), "switched") != 0)
			end(l, s, dp_text(event, "reason"));
	} else if (!strncmp(name, "viewer.", 7)) {
		live_notify_viewer(l->cp, name, event);
	}
}

/* ---- after a connect ------------------------------------------------------------------------- */

/* The rows that have a publisher, by stream: a held stream has none. */
static json_t *by_stream(json_t *rows)
{
	json_t *index = json_object(), *row;
	size_t i;

	json_array_foreach (rows, i, row)
		if (*dp_text(row, "publisher"))
			json_object_set(index, dp_text(row, "stream"), row);
	return index;
}

static bool is_listed(const json_t *index, const struct live_stream *s)
{
	const json_t *row = json_object_get(index, s->key);

	return row && json_integer_value(json_object_get(row, "since")) < s->since_ms + SAME_MS;
}

static void on_list(void *arg, json_t *answer)
{
	struct live *l = arg;
	json_t *rows = answer && !dp_error(answer) ? json_object_get(answer, "streams") : NULL;
	struct live_stream *s, *next;
	json_t *index, *row;
	const char *key;

	if (!rows)
		return;
	index = by_stream(rows);
	for (s = TAILQ_FIRST(&l->list); s; s = next) {
		next = TAILQ_NEXT(s, link);
		if (!is_listed(index, s))
			end(l, s, "dataplane_lost");
	}
	json_object_foreach (index, key, row)
		if (!live_find(l, key))
			begin(l, key, row, json_integer_value(json_object_get(row, "since")));
	json_decref(index);
}

void live_up(struct live *l)
{
	if (l->loaded && dp_up(l->cp->dp))
		dp_request(l->cp->dp, "stream.list", NULL, on_list, l);
}

/* What an earlier process of this node left; what began since then is newer. */
static void take_saved(struct live *l, const char *key, const json_t *doc)
{
	int64_t since = json_integer_value(json_object_get(doc, "since"));
	bool told = json_is_true(json_object_get(doc, "told"));
	struct live_stream *s = live_find(l, key), *other;

	if (s && s->since_ms < since + SAME_MS) {
		l->untold -= told && !s->told;
		s->told |= told;
		return;
	}
	if (s && !told)
		return;
	if (s) {
		/* Its end is told before the start of the new one. */
		TAILQ_REMOVE(&l->list, s, link);
		tdelete(s, &l->by_key, by_key);
		other = add(l, key, doc, since);
		if (other) {
			other->told = true;
			live_notify_done(l->cp, other, "dataplane_lost");
			del(l, other);
		}
		must(tsearch(s, &l->by_key, by_key));
		TAILQ_INSERT_TAIL(&l->list, s, link);
		return;
	}
	s = add(l, key, doc, since);
	if (!s)
		return;
	s->told = told;
	s->quiet = json_is_true(json_object_get(doc, "quiet"));
	l->untold += !told;
	s->due_us = clock_us() + (uint64_t)l->cp->conf.callback_publish_after * 1000;
}

static void on_saved(void *arg, const struct store_reply *r)
{
	struct live *l = arg;

	if (r->error || l->loaded)
		return;
	for (size_t i = 0; i + 1 < r->n; i += 2) {
		json_t *doc = r->text[i + 1] ? json_loads(r->text[i + 1], 0, NULL) : NULL;

		if (doc && strlen(r->text[i]) < LIVE_KEY)
			take_saved(l, r->text[i], doc);
		json_decref(doc);
	}
	l->loaded = true;
	if (l->untold)
		arm(l, LOOK_US);
	live_up(l);
}

/* Redis may have missed something: it gets all. */
static void save_all(struct live *l)
{
	struct live_stream *s;

	store_tell(l->cp->store, STORE_WORDS("DEL", l->key));
	TAILQ_FOREACH (s, &l->list, link)
		online_drop(l->cp, s);
	TAILQ_FOREACH (s, &l->list, link) {
		save(l, s);
		online_tell(l->cp, s);
	}
}

static void on_ready(void *arg)
{
	struct live *l = arg;

	if (l->loaded)
		save_all(l);
	else
		store_ask(l->cp->store, STORE_WORDS("HGETALL", l->key), on_saved, l);
}

/* ---- numbers ----------------------------------------------------------------------------------- */

static void add_minute(struct live *l, struct live_stream *s, const struct shm_stream_view *v,
		       double seconds)
{
	const struct live_minute *m = &s->minute;
	double in = (double)(v->bytes_in - m->in), out = (double)(v->bytes_out - m->out);

	history_add(l->cp->store, HISTORY_MINUTES, s->key,
		    json_pack("{sI sf sf sI sI sI sI sI sI}", "t", (json_int_t)clock_wall_ms(),
			      "vfps", m->video_fps, "afps", m->audio_fps, "in_bps",
			      (json_int_t)(in * 8 / seconds), "out_bps",
			      (json_int_t)(out * 8 / seconds), "out", (json_int_t)out, "rtmp",
			      (json_int_t)v->viewers_rtmp, "flv", (json_int_t)v->viewers_flv, "ws",
			      (json_int_t)v->viewers_ws));
}

/* The first look after a start only notes the counts. */
static void look(struct live *l, struct live_stream *s, uint64_t now_us)
{
	struct live_minute *m = &s->minute;
	struct shm_stream_view v;
	uint32_t slot;
	double seconds = (double)(now_us - m->at_us) / 1e6;

	if (m->at_us && now_us - m->at_us < MINUTE_US)
		return;
	if (!l->cp->shm || !shm_stream_find(l->cp->shm, s->key, &v, &slot))
		return;
	if (m->at_us && m->gen == v.gen) {
		m->video_fps = (double)(v.msgs_video - m->video) / seconds;
		m->audio_fps = (double)(v.msgs_audio - m->audio) / seconds;
		add_minute(l, s, &v, seconds);
	}
	m->gen = v.gen;
	m->at_us = now_us;
	m->video = v.msgs_video;
	m->audio = v.msgs_audio;
	m->in = v.bytes_in;
	m->out = v.bytes_out;
}

void live_tick(struct live *l)
{
	static unsigned turn;
	uint64_t now_us = clock_us();
	struct live_stream *s;

	turn++;
	TAILQ_FOREACH (s, &l->list, link) {
		advertise(l, s);
		if (turn % 2 == 0)
			online_tell(l->cp, s);
		look(l, s, now_us);
	}
}

/* ---- life ------------------------------------------------------------------------------------ */

struct live *live_new(struct cp *cp)
{
	struct live *l = calloc(1, sizeof(*l));

	must(l);
	l->cp = cp;
	snprintf(l->key, sizeof(l->key), "mr:live:%s", cp->node);
	TAILQ_INIT(&l->list);
	l->timer = evtimer_new(cp->base, on_due, l);
	must(l->timer);
	store_watch(cp->store, on_ready, l);
	hooks_set_live(cp->hooks, &live_notify_ops, cp);
	return l;
}

void live_free(struct live *l)
{
	struct live_stream *s;

	if (!l)
		return;
	while ((s = TAILQ_FIRST(&l->list)))
		del(l, s);
	event_free(l->timer);
	free(l);
}

size_t live_count(const struct live *l)
{
	return l->n;
}

struct live_stream *live_first(const struct live *l)
{
	return TAILQ_FIRST(&l->list);
}

struct live_stream *live_next(const struct live_stream *s)
{
	return TAILQ_NEXT(s, link);
}

bool live_is_pull(const struct live_stream *s)
{
	return strstr(s->protocol, "pull") != NULL;
}
