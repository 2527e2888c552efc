/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets a name: a new stream, a held one, or one whose publisher makes way (interop C4, H6). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "session/backup.h"
#include "session/blocks.h"
#include "session/domains.h"
#include "session/publish.h"
#include "session/waiting.h"

#define TRIES_MAX 4 /* the stream may end while it is asked for */
/* A stream without a publisher while it changes hands; never seen unless the taker is gone. */
#define HANDS_MS 1000

/* A request on its way to the stream's home core and back. */
struct publish_take {
	struct mail mail;
	struct publish *asker; /* asker's core; NULL: gave up */
	struct stream *stream; /* with a reference */
	struct core *core;     /* the asker's */
	void (*begun)(struct publish *p, enum reason why);
	enum reason why; /* the answer; STREAM_ENDED: ask again */
	bool backup;	 /* of the stream's group */
	char who[];
};

/* ---- on the home core: making way ---- */

static bool makes_way(const struct publish *old, const char *who, const struct config *conf)
{
	switch (domain_publish_of(old->stream->key, conf).policy) {
	case DOMAIN_REPLACE:
		return true;
	case DOMAIN_REPLACE_SAME:
		return old->who && !strcmp(old->who, who);
	default:
		return false;
	}
}

/*
 * NONE: the stream is held, for whoever resumes it next. who is "" for pulls: they replace nobody.
 * backup: the asker is of the stream's group, and a publisher of it then stands by.
 */
static enum reason make_way(struct stream *s, struct core *home, const char *who, bool backup)
{
	struct publish *old = s->publisher;

	if (!stream_is_live(s))
		return REASON_STREAM_ENDED;
	if (!old)
		return REASON_NONE;
	if (backup && old->backup) {
		publish_leave(old, REASON_SWITCHED, HANDS_MS);
		return REASON_NONE;
	}
	if (!old->yields && (!*who || !makes_way(old, who, engine_conf(home->engine))))
		return REASON_STREAM_BUSY;
	publish_leave(old, REASON_REPLACED, HANDS_MS);
	session_close(old->session, REASON_REPLACED);
	return REASON_NONE;
}

/* ---- beginning ---- */

static enum reason reason_of(int err)
{
	switch (err) {
	case 0:
		return REASON_NONE;
	case -EEXIST:
		return REASON_STREAM_BUSY;
	case -EINVAL:
		return REASON_BAD_NAME;
	case -ENOSPC:
		return REASON_CAP_STREAMS;
	default:
		return REASON_NO_MEMORY;
	}
}

static void go_on(struct publish *p, struct stream *s)
{
	stream_resume(s, p->session->core);
	publish_begun(p, s);
}

/* The stream came to this core for an asker that has gone: it waits for another, or ends. */
static void give_back(struct stream *s, struct core *core)
{
	enum reason why = (enum reason)s->hold_why;
	uint64_t hold_ms = publish_hold_ms(core, s->key, why);

	if (hold_ms)
		stream_hold(s, core, why, hold_ms);
	else
		stream_end(s, core, why);
}

static enum reason ask(struct publish *p, const char *key,
		       void (*begun)(struct publish *p, enum reason why));

/* Back at the asker. Of a stream that is not at home here, only where it is may be looked at. */
static void taken(struct mail *m, struct core *core)
{
	struct publish_take *t = container_of(m, struct publish_take, mail);
	struct publish *p = t->asker;
	struct stream *s = t->stream;
	/* While the answer was under way another one of this core may have been faster. */
	bool ours = t->why == REASON_NONE && s->home == core->id && s->claim == t;
	enum reason why = ours || t->why != REASON_NONE ? t->why : REASON_STREAM_BUSY;

	if (p)
		p->take = NULL;
	if (p && ours)
		go_on(p, s);
	else if (ours)
		give_back(s, core);
	if (p && why == REASON_STREAM_ENDED)
		why = ask(p, s->key, t->begun);
	if (p && !p->take)
		t->begun(p, why);
	stream_put(s, core);
	free(t);
}

static void take_at_home(struct mail *m, struct core *home)
{
	struct publish_take *t = container_of(m, struct publish_take, mail);
	unsigned now_at = t->stream->home;

	if (now_at != home->id) { /* it moved meanwhile */
		mail_post(home->engine->cores[now_at], m);
		return;
	}
	t->why = make_way(t->stream, home, t->who, t->backup);
	m->run = taken;
	if (t->why == REASON_NONE)
		stream_hand_over(t->stream, home, t->core, t);
	mail_post(t->core, m);
}

/* Asks the core that has the stream; owns the reference. */
static enum reason take(struct publish *p, struct stream *s,
			void (*begun)(struct publish *p, enum reason why))
{
	struct core *c = p->session->core;
	size_t n = p->who ? strlen(p->who) + 1 : 1;
	struct publish_take *t = calloc(1, sizeof(*t) + n);

	if (!t) {
		stream_put(s, c);
		return REASON_NO_MEMORY;
	}
	c->allocs++;
	*t = (struct publish_take){
		.asker = p, .stream = s, .core = c, .begun = begun, .backup = p->backup != NULL};
	memcpy(t->who, p->who ? p->who : "", n);
	t->mail.run = take_at_home;
	p->take = t;
	mail_post(stream_home(s), &t->mail);
	return REASON_NONE;
}

/* The stream has that name already. */
static enum reason ask_existing(struct publish *p, struct stream *s,
				void (*begun)(struct publish *p, enum reason why))
{
	struct core *c = p->session->core;
	enum reason why = REASON_STREAM_BUSY;

	if (s->internal != p->internal)
		goto out;
	if (s->home == c->id) {
		why = make_way(s, c, p->who ? p->who : "", p->backup != NULL);
		if (why == REASON_NONE)
			go_on(p, s);
		goto out;
	}
	/* Its home core alone knows whether it has a publisher at this moment. */
	if (begun)
		return take(p, s, begun);
out:
	stream_put(s, c);
	return why;
}

static enum reason ask(struct publish *p, const char *key,
		       void (*begun)(struct publish *p, enum reason why))
{
	struct core *c = p->session->core;
	struct registry *r = c->engine->registry;
	enum reason why = REASON_STREAM_ENDED;
	struct stream *s;

	for (unsigned i = 0; why == REASON_STREAM_ENDED && i < TRIES_MAX; i++) {
		int err = stream_publish(r, c, key, p->internal, &s);

		if (!err) {
			publish_begun(p, s);
			waiting_notify(c->engine, WAITING_FOR_STREAM, key);
			waiting_notify(c->engine, WAITING_FOR_SEGMENT, key);
			return REASON_NONE;
		}
		if (err != -EEXIST)
			return reason_of(err);
		s = stream_find(r, key);
		if (s)
			why = ask_existing(p, s, begun);
	}
	return why == REASON_STREAM_ENDED ? REASON_STREAM_BUSY : why;
}

enum reason publish_begin(struct publish *p, struct session *s, const char *key, bool internal,
			  bool pull)
{
	*p = (struct publish){.session = s, .internal = internal, .pull = pull};
	session_describe(s, key);
	if (!internal && blocks_has(key))
		return REASON_FORBIDDEN;
	return ask(p, key, NULL);
}

/* The address without its port, and the parameters: an encoder that comes again has the same. */
static char *who_is(struct session *s, const char *params)
{
	char address[NET_ADDR_TEXT];
	size_t n, address_n;
	char *who;

	net_addr_text(address, &s->conn->peer);
	address_n = (size_t)(strrchr(address, ':') ? strrchr(address, ':') - address : 0);
	n = address_n + strlen(params) + 2;
	who = mem_resize(&s->mem, NULL, 0, n);
	if (who)
		snprintf(who, n, "%.*s %s", (int)address_n, address, params);
	return who;
}

static enum reason ask_or_stand_by(struct publish *p, const char *key,
				   void (*begun)(struct publish *p, enum reason why))
{
	bool first = true;
	enum reason why = REASON_NONE;

	if (!p->internal && !p->pull && domain_has_backups(key))
		why = backup_join(p, key, &first);
	return why == REASON_NONE && first ? ask(p, key, begun) : why;
}

enum reason publish_take_over(struct publish *p, const char *key,
			      void (*begun)(struct publish *p, enum reason why))
{
	return ask(p, key, begun);
}

enum reason publish_ask(struct publish *p, struct session *s, const char *key, const char *params,
			bool inner, void (*begun)(struct publish *p, enum reason why))
{
	bool internal = key[0] == '_';
	enum reason why;

	*p = (struct publish){.session = s,
			      .internal = internal,
			      .pull = inner && !internal,
			      .begun_us = s->core->now_us};
	if (p->pull)
		s->protocol = "worker-pull";
	else
		p->who = who_is(s, params);
	if (!p->pull && !p->who)
		return REASON_NO_MEMORY;
	session_describe(s, key);
	why = p->pull && blocks_has(key) ? REASON_FORBIDDEN : ask_or_stand_by(p, key, begun);
	if (why != REASON_NONE)
		publish_end(p, why);
	return why;
}

void publish_take_drop(struct publish *p)
{
	if (p->take)
		p->take->asker = NULL;
	p->take = NULL;
}
