/* SPDX-License-Identifier: Apache-2.0 */
#include "session/auth_remote.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/digest.h"
#include "session/events.h"
#include "session/inner.h"

#define WAYS	   8u
#define SETS	   8192u /* with WAYS: 65536 answers, and questions, at a time */
#define BUCKETS	   256u	 /* of those who wait on a core */
#define INDEX_BITS 16	 /* of an ask's number: its place in the table */
#define TTL_MAX_MS 86400000

static_assert(SETS * WAYS == 1u << INDEX_BITS, "a place fits");

enum state { UNKNOWN, ASKING, ALLOWED, REFUSED };

struct answer {
	char digest[DIGEST_TEXT]; /* of what was asked */
	uint8_t state;
	uint16_t why; /* refused */
	uint32_t ttl_ms;
	uint64_t ask, until_us;
};

struct auth_wait {
	LIST_ENTRY(auth_wait) link;
	struct auth *auth;
	struct session *session;
	uint64_t ask;
	struct timer timer;
	bool fail_open;
	void (*answered)(struct auth *a, const struct stream_name *name, enum reason why);
	struct stream_name name;
};

LIST_HEAD(wait_list, auth_wait);

/* waits[] and their lists: each core's own, but for n. */
static struct {
	pthread_mutex_t lock;
	struct answer *table; /* SETS * WAYS; made when first asked */
	uint64_t serial;
	_Atomic uint32_t waiting;
	struct {
		_Atomic uint32_t n;
		struct wait_list bucket[BUCKETS];
	} core[QUIET_CORES_MAX];
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- the table; with the lock ---- */

/* With the process's own secret, so that nobody can aim at a place. */
static void digest_of(char dst[DIGEST_TEXT], const struct domain *d, const struct session *s,
		      const struct auth_request *q)
{
	char text[3072], address[NET_ADDR_TEXT] = "";
	struct ip ip = net_addr_ip(&s->conn->peer);

	if (d->remote.by_address)
		for (size_t i = 0; i < sizeof(ip.b); i++)
			sprintf(address + 2 * i, "%02x", ip.b[i]);
	snprintf(text, sizeof(text), "%s\n%d\n%s\n%s\n%s\n%s\n%s", inner_key(), q->kind, d->name,
		 address, q->name->app, q->name->name, q->name->params);
	digest_text(dst, text);
}

static struct answer *set_of(const char *digest)
{
	unsigned long set = 0;
	char head[9];

	snprintf(head, sizeof(head), "%.8s", digest);
	set = strtoul(head, NULL, 16) % SETS;
	return &all.table[set * WAYS];
}

/* What is known of it, or a place for it: the one whose answer is no good for the longest time. */
static struct answer *find(const char *digest, uint64_t now_us)
{
	struct answer *set = set_of(digest), *place = NULL;

	for (unsigned i = 0; i < WAYS; i++) {
		struct answer *one = &set[i];

		if (one->until_us <= now_us)
			one->state = UNKNOWN;
		if (one->state != UNKNOWN && !strcmp(one->digest, digest))
			return one;
		if (one->state != ASKING && (!place || one->until_us < place->until_us))
			place = one;
	}
	if (place)
		place->state = UNKNOWN;
	return place;
}

static void open_question(struct answer *one, const char *digest, const struct domain *d,
			  uint64_t now_us)
{
	*one = (struct answer){
		.state = ASKING,
		.ttl_ms = d->remote.ttl_ms,
		.ask = ++all.serial << INDEX_BITS | (uint64_t)(one - all.table),
		.until_us = now_us + d->remote.timeout_ms * 1000ull,
	};
	memcpy(one->digest, digest, DIGEST_TEXT);
}

/* ---- those who wait ---- */

static struct wait_list *bucket_of(const struct core *c, uint64_t ask)
{
	return &all.core[c->id].bucket[(ask >> INDEX_BITS) % BUCKETS];
}

static void leave(struct auth_wait *w)
{
	struct core *c = w->session->core;

	LIST_REMOVE(w, link);
	wheel_cancel(&c->wheel, &w->timer);
	atomic_fetch_sub(&all.core[c->id].n, 1);
	atomic_fetch_sub(&all.waiting, 1);
	w->auth->wait = NULL;
}

static void finish(struct auth_wait *w, enum reason why)
{
	leave(w);
	core_count(w->session->core, why == REASON_NONE ? CTR_AUTH_ALLOWED : CTR_AUTH_REFUSED, 1);
	w->answered(w->auth, &w->name, why);
	free(w);
}

static void timed_out(struct timer *t, uint64_t now_us)
{
	struct auth_wait *w = container_of(t, struct auth_wait, timer);

	core_count(w->session->core, CTR_AUTH_LATE, 1);
	finish(w, w->fail_open ? REASON_NONE : REASON_REMOTE_UNANSWERED);
}

/* With the lock: whoever answers after it sees that this core has somebody who waits. */
static void join(struct auth_wait *w, struct auth *a, const struct domain *d, uint64_t ask)
{
	struct core *c = w->session->core;

	w->auth = a;
	w->ask = ask;
	w->fail_open = d->remote.fail_open;
	w->timer.fire = timed_out;
	LIST_INSERT_HEAD(bucket_of(c, ask), w, link);
	atomic_fetch_add(&all.core[c->id].n, 1);
	atomic_fetch_add(&all.waiting, 1);
	wheel_arm(&c->wheel, &w->timer, c->now_us + d->remote.timeout_ms * 1000ull);
	a->wait = w;
}

/* With the lock. *ask: a new question; 0: none is needed. */
static enum reason look(struct auth *a, struct session *s, const struct domain *d,
			const struct auth_request *q, uint64_t *ask)
{
	uint64_t now_us = s->core->now_us;
	char digest[DIGEST_TEXT];
	struct answer *one;
	struct auth_wait *w;

	if (!all.table)
		all.table = calloc(SETS * WAYS, sizeof(*all.table));
	if (!all.table)
		return REASON_NO_MEMORY;
	digest_of(digest, d, s, q);
	one = find(digest, now_us);
	if (one && (one->state == ALLOWED || one->state == REFUSED)) {
		core_count(s->core, CTR_AUTH_CACHED, 1);
		return one->state == ALLOWED ? REASON_NONE : (enum reason)one->why;
	}
	if (!one || atomic_load(&all.waiting) >= engine_conf(s->core->engine)->limit_asking)
		return REASON_CAP_ASKING;
	w = calloc(1, sizeof(*w));
	if (!w)
		return REASON_NO_MEMORY;
	s->core->allocs++;
	if (one->state == UNKNOWN) {
		open_question(one, digest, d, now_us);
		*ask = one->ask;
	}
	w->session = s;
	w->name = *q->name;
	join(w, a, d, one->ask);
	return REASON_NONE;
}

enum reason
auth_remote(struct auth *a, struct session *s, const struct domain *d, const struct auth_request *q,
	    void (*answered)(struct auth *a, const struct stream_name *name, enum reason why))
{
	enum reason why;
	uint64_t ask = 0;

	pthread_mutex_lock(&all.lock);
	why = look(a, s, d, q, &ask);
	pthread_mutex_unlock(&all.lock);
	if (a->wait)
		a->wait->answered = answered;
	if (ask) {
		core_count(s->core, CTR_AUTH_ASKED, 1);
		event_auth_ask(ask, s, q);
	}
	return why;
}

void auth_remote_end(struct auth *a)
{
	struct auth_wait *w = a->wait;

	if (!w)
		return;
	leave(w);
	free(w);
}

/* ---- answers ---- */

struct news {
	struct mail mail;
	uint64_t ask;
	enum reason why;
};

static void heard(struct mail *m, struct core *c)
{
	struct news *news = container_of(m, struct news, mail);
	struct wait_list *all_of = bucket_of(c, news->ask), ready = LIST_HEAD_INITIALIZER(ready);
	struct auth_wait *w, *next;

	/* They leave the list first: what they do may change it. */
	for (w = LIST_FIRST(all_of); w; w = next) {
		next = LIST_NEXT(w, link);
		if (w->ask != news->ask)
			continue;
		LIST_REMOVE(w, link);
		LIST_INSERT_HEAD(&ready, w, link);
	}
	while ((w = LIST_FIRST(&ready)))
		finish(w, news->why);
	free(news);
}

static void tell(struct engine *e, uint64_t ask, enum reason why)
{
	for (unsigned i = 0; i < e->cores_n; i++) {
		struct news *news;

		if (!atomic_load(&all.core[i].n))
			continue;
		/* Without memory they wait until their time is over. */
		news = malloc(sizeof(*news));
		if (!news)
			return;
		*news = (struct news){.mail.run = heard, .ask = ask, .why = why};
		mail_post(e->cores[i], &news->mail);
	}
}

bool auth_remote_answer(struct engine *e, uint64_t ask, enum reason why, int64_t ttl_ms,
			uint64_t now_us)
{
	struct answer *one;
	bool open;

	pthread_mutex_lock(&all.lock);
	one = all.table ? &all.table[ask & ((1u << INDEX_BITS) - 1)] : NULL;
	open = one && one->state == ASKING && one->ask == ask;
	if (open) {
		uint64_t ttl = ttl_ms < 0 ? one->ttl_ms : (uint64_t)min_of(ttl_ms, TTL_MAX_MS);

		one->until_us = now_us + ttl * 1000;
		one->state = why == REASON_NONE ? ALLOWED : REFUSED;
		one->why = (uint16_t)why;
	}
	pthread_mutex_unlock(&all.lock);
	if (open)
		tell(e, ask, why);
	return open;
}

void auth_remote_fini(void)
{
	pthread_mutex_lock(&all.lock);
	free(all.table);
	all.table = NULL;
	pthread_mutex_unlock(&all.lock);
}
