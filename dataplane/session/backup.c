/* SPDX-License-Identifier: Apache-2.0 */
#include "session/backup.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "media/codec.h"
#include "session/ctl_request.h"
#include "session/domains.h"

enum kept { KEPT_DATA, KEPT_VIDEO, KEPT_AUDIO, KEPT_MAX };

struct backup;

struct group {
	char key[STREAM_KEY_MAX];
	unsigned n, next; /* members; the next one's sequence number */
	_Atomic(struct backup *) master, wanted;
	_Atomic uint64_t media_us; /* of the master */
	LIST_HEAD(, backup) members;
	LIST_ENTRY(group) link;
};

struct backup {
	struct group *group;
	unsigned sequence;
	char address[NET_ADDR_TEXT];
	int64_t since_ms;
	_Atomic uint32_t over; /* enum reason */
	LIST_ENTRY(backup) link;
	/* its core's */
	bool asking;
	struct backup *was; /* while asking: the master before, perhaps gone */
	const char *change;
	struct buf kept[KEPT_MAX]; /* payloads: metadata and sequence headers */
	struct buf queue;	   /* while asking: messages from the key frame on */
	int64_t queued_ms;	   /* the last one's time */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, group) groups = LIST_HEAD_INITIALIZER(groups);

/* ---- groups, under the lock ---- */

static struct group *find(const char *key)
{
	struct group *g;

	LIST_FOREACH (g, &groups, link)
		if (!strcmp(g->key, key))
			return g;
	return NULL;
}

static struct group *find_or_make(const char *key)
{
	struct group *g = find(key);

	if (g)
		return g;
	g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	snprintf(g->key, sizeof(g->key), "%s", key);
	LIST_INIT(&g->members);
	LIST_INSERT_HEAD(&groups, g, link);
	return g;
}

static struct backup *member(struct group *g, const struct backup *b)
{
	struct backup *m;

	LIST_FOREACH (m, &g->members, link)
		if (m == b)
			return m;
	return NULL;
}

static void drop_empty(struct group *g)
{
	if (g->n)
		return;
	LIST_REMOVE(g, link);
	free(g);
}

/* ---- joining and leaving ---- */

static enum reason add(struct backup *b, const char *key, bool *first)
{
	struct group *g = find_or_make(key);
	struct backup *last = NULL, *m;

	if (!g)
		return REASON_NO_MEMORY;
	if (g->n >= BACKUPS_MAX)
		return REASON_CAP_STREAMS;
	b->group = g;
	b->sequence = ++g->next;
	LIST_FOREACH (m, &g->members, link)
		last = m;
	if (last)
		LIST_INSERT_AFTER(last, b, link);
	else
		LIST_INSERT_HEAD(&g->members, b, link);
	g->n++;
	*first = !atomic_load(&g->master);
	if (*first)
		atomic_store(&g->master, b);
	return REASON_NONE;
}

enum reason backup_join(struct publish *p, const char *key, bool *first)
{
	struct session *s = p->session;
	struct backup *b = calloc(1, sizeof(*b));
	char name[600];
	enum reason why;

	if (!b)
		return REASON_NO_MEMORY;
	s->core->allocs++;
	net_addr_text(b->address, &s->conn->peer);
	b->since_ms = (int64_t)clock_wall_ms();
	b->change = "";
	for (unsigned i = 0; i < KEPT_MAX; i++)
		buf_init(&b->kept[i], &s->mem);
	buf_init(&b->queue, &s->mem);
	pthread_mutex_lock(&lock);
	why = add(b, key, first);
	pthread_mutex_unlock(&lock);
	if (why != REASON_NONE) {
		free(b);
		return why;
	}
	p->backup = b;
	if (!*first)
		log_info("stands_by", "stream=%s peer=%s sequence=%u",
			 log_q(name, sizeof(name), key), b->address, b->sequence);
	return REASON_NONE;
}

/* Ends that an operator means for the name, not for one encoder. */
static bool ends_all(enum reason why)
{
	return why == REASON_KICKED || why == REASON_FORBIDDEN || why == REASON_REMOVED;
}

/* It did not get the stream: who was master before is so again, if it is still there. */
static void stand_back(struct backup *b)
{
	struct group *g = b->group;

	b->asking = false;
	pthread_mutex_lock(&lock);
	if (atomic_load(&g->master) == b)
		atomic_store(&g->master, member(g, b->was));
	pthread_mutex_unlock(&lock);
	buf_reset(&b->queue, 0);
}

void backup_leave(struct publish *p, enum reason why)
{
	struct backup *b = p->backup, *m;
	struct group *g = b->group;

	if (b->asking)
		stand_back(b);
	p->backup = NULL;
	pthread_mutex_lock(&lock);
	LIST_REMOVE(b, link);
	g->n--;
	if (atomic_load(&g->master) == b)
		atomic_store(&g->master, NULL);
	if (atomic_load(&g->wanted) == b)
		atomic_store(&g->wanted, NULL);
	if (ends_all(why))
		LIST_FOREACH (m, &g->members, link)
			atomic_store(&m->over, (uint32_t)why);
	drop_empty(g);
	pthread_mutex_unlock(&lock);
	for (unsigned i = 0; i < KEPT_MAX; i++)
		buf_fini(&b->kept[i]);
	buf_fini(&b->queue);
	free(b);
}

bool backup_follows(const struct publish *p, enum reason why)
{
	bool follows;

	if (!p->backup || ends_all(why) || why == REASON_SHUTDOWN)
		return false;
	pthread_mutex_lock(&lock);
	follows = p->backup->group->n > 1;
	pthread_mutex_unlock(&lock);
	return follows;
}

void backup_begun(struct publish *p)
{
	atomic_store(&p->backup->group->media_us, p->session->core->now_us);
}

enum reason backup_over(const struct publish *p)
{
	return (enum reason)atomic_load(&p->backup->over);
}

const char *backup_change(const struct publish *p)
{
	return p->backup ? p->backup->change : "";
}

/* ---- messages ---- */

/* Bad, and never replayed, where it does not fit the session's memory. What is replayed is kept already. */
static void keep(struct buf *to, const struct msg *m)
{
	if (m->data == to->p)
		return;
	buf_reset(to, m->len);
	buf_write(to, m->data, m->len);
}

/* Notes headers; true: a decoder can start at m. */
static bool note(struct backup *b, const struct msg *m)
{
	struct codec_info info;
	struct slice payload;

	if (!msg_is_media(m)) {
		if (codec_data(m, &payload) == DATA_METADATA)
			keep(&b->kept[KEPT_DATA], m);
		return false;
	}
	if (!codec_inspect(m, &info))
		return false;
	if (info.header)
		keep(&b->kept[m->type == MSG_VIDEO ? KEPT_VIDEO : KEPT_AUDIO], m);
	if (!info.frame)
		return false;
	return m->type == MSG_VIDEO ? info.keyframe : !b->kept[KEPT_VIDEO].n;
}

/* Why it would be b's turn; NULL: it is not. */
static const char *turn(const struct publish *p)
{
	struct group *g = p->backup->group;
	const struct config *conf = engine_conf(p->session->core->engine);
	uint64_t after_us = (uint64_t)conf->publish_backup_after * 1000;
	struct backup *master = atomic_load(&g->master);

	if (!master || master == p->backup)
		return "lost";
	if (atomic_load(&g->wanted) == p->backup)
		return "manual";
	if (atomic_load(&g->media_us) + after_us < p->session->core->now_us &&
	    domain_switches_by_itself(g->key))
		return "no_data";
	return NULL;
}

/* Makes p the master where it still is its turn. */
static bool elect(const struct publish *p)
{
	struct backup *b = p->backup, *master;
	struct group *g = b->group;
	const char *change;

	pthread_mutex_lock(&lock);
	change = turn(p);
	if (change) {
		master = atomic_load(&g->master);
		b->was = master == b ? NULL : master;
		b->change = change;
		atomic_store(&g->master, b);
		atomic_store(&g->wanted, NULL);
		atomic_store(&g->media_us, p->session->core->now_us);
	}
	pthread_mutex_unlock(&lock);
	return change != NULL;
}

static void replay_headers(struct publish *p, int64_t ts_ms)
{
	static const uint8_t types[KEPT_MAX] = {MSG_DATA, MSG_VIDEO, MSG_AUDIO};
	struct backup *b = p->backup;

	for (unsigned i = 0; i < KEPT_MAX; i++) {
		struct msg m = {.type = types[i], .ts_ms = ts_ms};

		m.len = (uint32_t)b->kept[i].n;
		m.data = b->kept[i].p;
		if (m.len && !b->kept[i].bad)
			publish_message(p, &m);
	}
}

static void enqueue(struct backup *b, const struct msg *m)
{
	size_t n = sizeof(*m) + m->len;

	b->queued_ms = m->ts_ms;
	if (b->queue.bad || buf_reserve(&b->queue, n)) {
		b->queue.bad = true; /* viewers go on at its next key frame */
		return;
	}
	buf_write(&b->queue, m, sizeof(*m));
	buf_write(&b->queue, m->data, m->len);
}

static void replay_queue(struct publish *p)
{
	struct backup *b = p->backup;
	struct buf *q = &b->queue;

	for (size_t at = 0; at < q->n && !q->bad;) {
		struct msg m;

		memcpy(&m, q->p + at, sizeof(m));
		m.data = q->p + at + sizeof(m);
		if (!at)
			replay_headers(p, m.ts_ms);
		publish_message(p, &m);
		at += sizeof(m) + m.len;
	}
	if (q->bad)
		replay_headers(p, b->queued_ms);
	publish_flush(p);
	buf_reset(q, 0);
}

/* The answer of the core that has the stream. */
static void answered(struct publish *p, enum reason why)
{
	struct backup *b = p->backup;

	if (why != REASON_NONE) {
		stand_back(b);
		return;
	}
	b->asking = false;
	replay_queue(p);
}

static void take_over(struct publish *p, const struct msg *m)
{
	struct backup *b = p->backup;
	enum reason why;

	if (!elect(p))
		return;
	b->asking = true;
	enqueue(b, m);
	why = publish_take_over(p, b->group->key, answered);
	if (why != REASON_NONE || !publish_is_taking(p))
		answered(p, why);
}

bool backup_message(struct publish *p, const struct msg *m)
{
	struct backup *b = p->backup;
	bool start = note(b, m);

	if (p->stream) {
		if (msg_is_media(m))
			atomic_store_explicit(&b->group->media_us, p->session->core->now_us,
					      memory_order_relaxed);
		return false;
	}
	if (b->asking) {
		enqueue(b, m);
		return true;
	}
	if (start && backup_over(p) == REASON_NONE && turn(p))
		take_over(p, m);
	return true;
}

/* ---- the control thread ---- */

static void list_group(json_t *rows, const struct group *g)
{
	const struct backup *b;

	LIST_FOREACH (b, &g->members, link)
		json_array_append_new(rows, json_pack("{s:o, s:i, s:s, s:I, s:b}", "stream",
						      ctl_text(g->key), "sequence",
						      (int)b->sequence, "address", b->address,
						      "since", (json_int_t)b->since_ms, "master",
						      (int)(atomic_load(&g->master) == b)));
}

json_t *backup_list(const char *key)
{
	json_t *rows = json_array();
	const struct group *g;

	pthread_mutex_lock(&lock);
	LIST_FOREACH (g, &groups, link)
		if (!*key || !strcmp(g->key, key))
			list_group(rows, g);
	pthread_mutex_unlock(&lock);
	return rows;
}

bool backup_switch(const char *key, unsigned sequence)
{
	struct backup *b = NULL;
	struct group *g;

	pthread_mutex_lock(&lock);
	g = find(key);
	if (g)
		LIST_FOREACH (b, &g->members, link)
			if (b->sequence == sequence)
				break;
	if (b)
		atomic_store(&g->wanted, atomic_load(&g->master) == b ? NULL : b);
	pthread_mutex_unlock(&lock);
	return b != NULL;
}
