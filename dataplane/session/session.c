/* SPDX-License-Identifier: Apache-2.0 */
#include "session/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "session/access_log.h"
#include "session/caps.h"
#include "session/client.h"
#include "session/feed.h"
#include "session/session_in.h"

#define BODY_SEND_MAX 262144u /* of a body at once: large ones cost less, this one some 50 us */
#define KEEP_BYTES    256u    /* of private output: acknowledgements allocate nothing */

/* ---- making and freeing ---- */

/* The pool for this kind of session; made when the first one comes. */
static struct pool *pool_for(struct sessions *all, const struct session_ops *ops)
{
	unsigned i;

	for (i = 0; i < all->kinds; i++) {
		if (all->kind[i].ops == ops)
			return &all->kind[i].pool;
	}
	must(i < SESSION_KINDS_MAX);
	all->kind[i].ops = ops;
	pool_init(&all->kind[i].pool, ops->protocol, ops->bytes, SESSIONS_MAX);
	all->kind[i].pool.allocs = &all->core->allocs;
	all->kinds++;
	return &all->kind[i].pool;
}

static void flight_free(struct session *s)
{
	if (!s->flight)
		return;
	buf_fini(s->flight);
	mem_free(&s->mem, s->flight, sizeof(*s->flight));
	s->flight = NULL;
}

void session_free(struct session *s)
{
	struct sessions *all = sessions_of(s->core);

	wheel_cancel(&s->core->wheel, &s->timer);
	if (s->ops->gone)
		s->ops->gone(s);
	client_free(s);
	buf_fini(&s->out);
	flight_free(s);
	if (s->about)
		mem_free(&s->mem, s->about, strlen(s->about) + 1);
	expensive(s->mem.used == 0);
	all->alive--;
	all->refusing -= s->refused != REASON_NONE;
	pool_put(pool_for(all, s->ops), s);
}

static void timer_fired(struct timer *t, uint64_t now_us)
{
	struct session *s = container_of(t, struct session, timer);
	enum reason why;

	if (s->closing) { /* it never had a connection: nobody else releases it */
		session_free(s);
		return;
	}
	if (s->close_when_sent)
		why = s->close_why;
	else if (s->ops->deadline)
		why = s->ops->deadline(s);
	else
		why = s->deadline_why;
	if (why != REASON_NONE)
		session_close(s, why);
}

struct session *session_new(struct core *c, const struct session_ops *ops)
{
	struct sessions *all = sessions_of(c);
	struct session *s;

	must(ops->bytes >= sizeof(*s));
	s = pool_get(pool_for(all, ops));
	if (!s)
		return NULL;
	s->ops = ops;
	s->protocol = ops->protocol;
	s->core = c;
	s->mem.max = (size_t)engine_conf(c->engine)->limit_connection_bytes;
	s->mem.allocs = &c->allocs;
	buf_init(&s->out, &s->mem);
	s->timer.fire = timer_fired;
	s->id = ++all->serial << 8 | c->id;
	s->since_us = c->now_us;
	s->path.since_us = c->now_us;
	LIST_INSERT_HEAD(&all->open, s, link);
	all->alive++;
	return s;
}

enum reason session_connect(struct session *s, const struct net_dial *to)
{
	struct net_dial dial = *to;
	enum reason why;

	dial.user = s;
	s->conn = net_connect(sessions_of(s->core)->net, &dial, &why);
	if (!s->conn)
		return why;
	s->connecting = true;
	s->proxy_head_over = true;
	return REASON_NONE;
}

void session_deadline(struct session *s, uint64_t timeout_ms, enum reason why)
{
	s->deadline_why = (uint8_t)why;
	if (timeout_ms)
		wheel_arm(&s->core->wheel, &s->timer, s->core->now_us + timeout_ms * 1000);
	else
		wheel_cancel(&s->core->wheel, &s->timer);
}

void session_describe(struct session *s, const char *stream_key)
{
	size_t n = strlen(stream_key) + 1;
	char *about;

	if (s->about && !strcmp(s->about, stream_key))
		return;
	about = mem_resize(&s->mem, s->about, s->about ? strlen(s->about) + 1 : 0, n);
	if (about)
		s->about = memcpy(about, stream_key, n);
}

char *session_id_text(char *dst, const struct session *s)
{
	snprintf(dst, 20, "%" PRIx64, s->id);
	return dst;
}

/* ---- private output ---- */

struct buf *session_flight(struct session *s)
{
	if (s->flight)
		return s->flight;
	s->flight = mem_resize(&s->mem, NULL, 0, sizeof(*s->flight));
	if (s->flight)
		buf_init(s->flight, &s->mem);
	return s->flight;
}

static size_t flight_left(const struct session *s)
{
	return s->flight ? s->flight->n - s->flight_off : 0;
}

static void flight_send(struct session *s)
{
	struct slice part[2] = {{s->flight->p + s->flight_off, flight_left(s)}, s->body};
	unsigned first = part[0].n ? 0 : 1;

	part[1].n = min_of(part[1].n, BODY_SEND_MAX);
	s->sending = true;
	net_send(s->conn, part + first, part[1].n ? 2 - first : 1);
}

void session_body(struct session *s, struct slice body)
{
	must(!s->feed && !s->body.n);
	s->body = body;
}

void session_flush_now(struct session *s)
{
	struct buf empty;

	if (s->sending || (!s->out.n && !s->body.n))
		return;
	if (!session_flight(s)) {
		session_close_soon(s, REASON_NO_MEMORY);
		return;
	}
	empty = *s->flight;
	*s->flight = s->out;
	s->flight_off = 0;
	s->out = empty;
	flight_send(s);
}

void session_flush(struct session *s)
{
	if (s->closing || s->connecting || !s->conn)
		return;
	if (s->out.bad) {
		session_close(s, REASON_MEMORY_BUDGET);
		return;
	}
	if (s->feed)
		feed_flush(s->feed);
	else
		session_flush_now(s);
}

void session_sent(struct session *s, size_t n, bool blocked)
{
	size_t private = min_of(n, flight_left(s));

	s->flight_off += private;
	s->body = (struct slice){s->body.p + (n - private), s->body.n - (n - private)};
	if (flight_left(s) || s->body.n) {
		if (!blocked)
			flight_send(s);
		return;
	}
	s->sending = false;
	/* Who plays has nothing more to say for hours: it keeps no buffer. */
	if (s->feed)
		flight_free(s);
	else
		buf_reset(s->flight, KEEP_BYTES);
	if (!s->out.n) {
		buf_reset(&s->out, s->feed ? 0 : KEEP_BYTES);
		if (s->close_when_sent) {
			session_close(s, s->close_why);
			return;
		}
	}
	session_flush(s);
	if (!s->closing && !s->sending && s->ops->drained)
		s->ops->drained(s);
}

void session_room(struct session *s)
{
	if (flight_left(s) || s->body.n)
		flight_send(s);
}

/* ---- the end ---- */

/* " detail=..." where TLS ended it. */
static const char *tls_detail(const struct session *s, enum reason why, char *dst, size_t n)
{
	char text[200];

	if (!s->conn || (why != REASON_TLS_HANDSHAKE && why != REASON_TLS_RECORD))
		return "";
	snprintf(dst, n, " detail=%s", log_q(text, sizeof(text), net_tls_text(s->conn)));
	return dst;
}

static void say_end(const struct session *s, enum reason why, const struct path_end *path)
{
	char detail[256];
	char id[20], peer[NET_ADDR_TEXT] = "-", stream[600] = "-";
	uint64_t ms = (s->core->now_us - s->since_us) / 1000;
	uint64_t in = s->conn ? s->conn->bytes_in : 0, out = s->conn ? s->conn->bytes_out : 0;

	session_id_text(id, s);
	if (s->conn)
		net_addr_text(peer, &s->conn->peer);
	if (s->about)
		log_q(stream, sizeof(stream), s->about);
	if (why == REASON_PROBE)
		log_debug("session_end", "id=%s protocol=%s peer=%s reason=%s core=%u", id,
			  s->protocol, peer, reason_name(why), s->core->id);
	else
		access_log(
			"session_end",
			"id=%s protocol=%s peer=%s stream=%s reason=%s in=%" PRIu64 " out=%" PRIu64
			" duration_ms=%" PRIu64 " skips=%u lag_ms=%u rtt_us=%u segments=%u"
			" retransmits=%u core=%u%s",
			id, s->protocol, peer, stream, reason_name(why), in, out, ms, path->skips,
			path->lag_ms, path->tcp.srtt_us, path->tcp.sent, path->tcp.retransmitted,
			s->core->id, tls_detail(s, why, detail, sizeof(detail)));
}

/* Everything of the end but the network's part. */
static void session_finish(struct session *s, enum reason why)
{
	struct path_end path;

	path_end(s, &path);
	s->closing = true;
	s->close_why = (uint8_t)why;
	wheel_cancel(&s->core->wheel, &s->timer);
	LIST_REMOVE(s, link);
	s->ops->ending(s, why);
	s->feed = NULL;
	shm_add(&s->core->ctr->closes[why], 1);
	say_end(s, why, &path);
	if (s->capped)
		caps_give(&s->conn->peer);
}

void session_close(struct session *s, enum reason why)
{
	bool graceful;

	if (s->closing)
		return;
	session_finish(s, why);
	if (!s->conn) {
		wheel_arm(&s->core->wheel, &s->timer, 0);
		return;
	}
	/* A peer that does not read would keep its bytes in the kernel: those get a reset. */
	graceful = why != REASON_SEND_STALLED && why != REASON_TOO_SLOW && why != REASON_PEER_RESET;
	net_close(s->conn, graceful);
}

void session_close_soon(struct session *s, enum reason why)
{
	s->close_when_sent = true;
	s->close_why = (uint8_t)why;
	session_deadline(s, 1, why);
}

void session_close_after_flush(struct session *s, enum reason why)
{
	if (s->closing || s->close_when_sent)
		return;
	if (s->out.bad || !s->conn || s->connecting || (!s->sending && !s->out.n)) {
		session_close(s, why);
		return;
	}
	s->close_when_sent = true;
	s->close_why = (uint8_t)why;
	session_deadline(s, SESSION_LAST_WORDS_MS, why);
	session_flush(s);
}
