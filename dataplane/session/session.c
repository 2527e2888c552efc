/* SPDX-License-Identifier: Apache-2.0 */
#include "session/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/pool.h"
#include "session/access_log.h"
#include "session/caps.h"
#include "session/client.h"
#include "session/feed.h"
#include "session/hls_viewers.h"

#define KINDS_MAX	   8
#define SESSIONS_MAX	   (1u << 24) /* of one kind on one core; caps refuse long before */
#define END_US		   1500000u
#define LAST_WORDS_MS	   2000u /* for session_close_after_flush() */
#define REFUSING_MAX	   256u	 /* on a core, at a time */
#define LISTEN_NOTSENT	   131072u
#define DEAD_PEER_EXTRA_MS 10000u
#define BODY_SEND_MAX \
	262144u /* of a body at once: large sends cost less, and this one some 50 us */
#define LISTENERS_MAX (SESSION_LISTENERS_MAX + 1) /* one comes while the core runs */
#define KEEP_BYTES    256u /* of private output: an encoder's acknowledgements allocate nothing */

/* One core's sessions. */
struct sessions {
	struct core *core;
	struct net *net;
	LIST_HEAD(, session) open;
	uint32_t alive; /* open ones, and closing ones that the network has not released */
	uint64_t serial;
	unsigned refusing; /* sessions that are only told why they cannot stay */
	bool draining, leaving, ending;
	unsigned kinds;
	struct {
		const struct session_ops *ops;
		struct pool pool;
	} kind[KINDS_MAX];
	unsigned listeners, first_listeners; /* first: those of sessions_init() */
	const struct session_ops *listener[LISTENERS_MAX];
	bool listener_tls[LISTENERS_MAX];
	bool listener_local[LISTENERS_MAX];
};

static struct sessions *of_core(const struct core *c)
{
	return c->session;
}

/* ---- making and freeing ---- */

/* The pool for this kind of session; made when the first one comes. */
static struct pool *pool_for(struct sessions *all, const struct session_ops *ops)
{
	unsigned i;

	for (i = 0; i < all->kinds; i++) {
		if (all->kind[i].ops == ops)
			return &all->kind[i].pool;
	}
	must(i < KINDS_MAX);
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

static void session_free(struct session *s)
{
	struct sessions *all = of_core(s->core);

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
	struct sessions *all = of_core(c);
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
	s->conn = net_connect(of_core(s->core)->net, &dial, &why);
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

static void flight_sent(struct session *s, size_t n, bool blocked)
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
	session_deadline(s, LAST_WORDS_MS, why);
	session_flush(s);
}

/* ---- the network's handlers ---- */

/* NONE, or which cap refuses a connection from there. A proxy's address stands for many clients. */
static enum reason admit(struct sessions *all, const struct net_conn *conn, bool proxy)
{
	const struct config *conf = engine_conf(all->core->engine);

	if (all->ending || (all->draining && !sessions_send_on(all->core)))
		return REASON_DRAIN;
	return caps_take(&conn->peer, conf->limit_connections, proxy ? 0 : conf->limit_per_address);
}

/*
 * Who comes where a cap is reached gets an answer in his own protocol rather than a reset, as long
 * as few do: a flood is not worth the memory, nor TLS the handshake.
 */
static bool is_told(const struct sessions *all, enum reason why, int tag)
{
	return (why == REASON_CAP_CONNECTIONS || why == REASON_CAP_ADDRESS) &&
	       all->refusing < REFUSING_MAX && !all->listener_tls[tag];
}

static void tell_refused(struct session *s, enum reason why)
{
	of_core(s->core)->refusing++;
	s->refused = (uint8_t)why;
	s->capped = false;
	session_deadline(s, LAST_WORDS_MS, why);
}

static bool on_accepted(void *owner, struct net_conn *conn, int tag)
{
	struct sessions *all = owner;
	bool proxy = client_is_trusted(all->core, &conn->peer);
	enum reason why = admit(all, conn, proxy);
	char peer[NET_ADDR_TEXT];
	struct session *s = NULL;

	if (why == REASON_NONE || is_told(all, why, tag))
		s = session_new(all->core, all->listener[tag]);
	if (!s && why == REASON_NONE) {
		caps_give(&conn->peer);
		why = REASON_NO_MEMORY;
	}
	if (why != REASON_NONE) {
		core_count(all->core, CTR_REFUSED, 1);
		log_warn("refused", "peer=%s reason=%s", net_addr_text(peer, &conn->peer),
			 reason_name(why));
	}
	if (!s) {
		shm_add(&all->core->ctr->closes[why], 1);
		return false;
	}
	s->tls = all->listener_tls[tag];
	s->local = all->listener_local[tag];
	s->capped = true;
	s->behind_proxy = proxy;
	s->proxy_head_over = !proxy;
	s->conn = conn;
	conn->user = s;
	conn->clear = s->tls && proxy;
	if (s->ops->opened)
		s->ops->opened(s);
	if (why != REASON_NONE)
		tell_refused(s, why);
	return true;
}

static void on_connected(struct net_conn *conn, enum reason why)
{
	struct session *s = conn->user;

	s->connecting = false;
	if (why == REASON_NONE) {
		s->ops->connected(s, why);
		return;
	}
	s->ops->connected(s, why);
	s->conn = NULL; /* gone already */
	session_close(s, why);
}

static void on_received(struct net_conn *conn, const uint8_t *p, size_t n)
{
	struct session *s = conn->user;
	enum reason why;

	if (s->close_when_sent)
		return; /* nothing that the peer says now changes anything */
	why = likely(s->proxy_head_over) ? s->ops->received(s, p, n) : client_head(s, p, n);
	if (why != REASON_NONE)
		session_close(s, why);
}

static void on_sent(struct net_conn *conn, size_t n, bool blocked)
{
	struct session *s = conn->user;

	if (s->feed && s->feed->log_sending)
		feed_sent(s->feed, n, blocked);
	else
		flight_sent(s, n, blocked);
}

static void on_writable(struct net_conn *conn)
{
	struct session *s = conn->user;

	if (s->feed && s->feed->log_sending)
		feed_writable(s->feed);
	else if (flight_left(s) || s->body.n)
		flight_send(s);
}

static void on_closed(struct net_conn *conn, enum reason why)
{
	struct session *s = conn->user;

	if (why == REASON_PEER_CLOSED) {
		if (s->close_when_sent)
			return; /* it may still be reading the last words */
		if (s->ops->peer_closed)
			why = s->ops->peer_closed(s);
		else if (s->capped && !conn->bytes_in)
			why = REASON_PROBE;
	}
	if (why != REASON_NONE)
		session_close(s, why);
}

static void on_released(struct net_conn *conn)
{
	session_free(conn->user);
}

static const struct net_handlers handlers = {
	.accepted = on_accepted,
	.connected = on_connected,
	.received = on_received,
	.sent = on_sent,
	.writable = on_writable,
	.closed = on_closed,
	.released = on_released,
};

/* ---- per core ---- */

static int io_turn(void *net)
{
	return net_turn(net);
}

static void io_wait(void *net, uint64_t until_us)
{
	net_wait(net, until_us);
}

static void io_wake(void *net)
{
	net_wake(net);
}

static void io_mark(void *net, uint64_t mark)
{
	net_mark(net, mark);
}

static uint64_t io_held(void *net)
{
	return net_held(net);
}

static bool is_local(const union net_addr *at)
{
	struct ip ip = net_addr_ip(at);

	return ip_is_loopback(&ip);
}

int sessions_listen(struct core *c, const struct session_listener *at)
{
	struct sessions *all = of_core(c);
	int tag = (int)all->listeners;

	if (tag == LISTENERS_MAX)
		return -ENOSPC;
	all->listener[tag] = at->ops;
	all->listener_tls[tag] = at->tls;
	all->listener_local[tag] = is_local(&at->at) && !at->anywhere;
	all->listeners++;
	if (at->fd < 0)
		return net_listen_at(all->net, &at->at, tag);
	return at->tls ? net_listen_tls(all->net, at->fd, tag, at->tls)
		       : net_listen(all->net, at->fd, tag);
}

int sessions_init(struct core *c, const struct session_listener *at, unsigned n)
{
	const struct config *conf = engine_conf(c->engine);
	struct net_options options = {
		.core = c->id,
		.conns_max = SESSIONS_MAX,
		/* A closed window is the feed's to judge, with its own reason; this is for silence. */
		.dead_peer_ms = (uint32_t)conf->play_stall_timeout + DEAD_PEER_EXTRA_MS,
		.notsent_lowat = LISTEN_NOTSENT,
		.no_ktls = !conf->tls_kernel,
		.allocs = &c->allocs,
		.shared = {c->engine->arena->base, c->engine->arena->bytes},
		.ctr = c->ctr,
	};
	struct sessions *all = calloc(1, sizeof(*all));
	int r;

	must(n <= SESSION_LISTENERS_MAX);
	if (!all)
		return -ENOMEM;
	all->core = c;
	LIST_INIT(&all->open);
	all->net = net_new(&options, &handlers, all);
	if (!all->net) {
		r = errno ? -errno : -ENOMEM;
		free(all);
		return r;
	}
	c->session = all;
	c->io = (struct core_io){all->net, io_turn, io_wait, io_wake, io_mark, io_held};
	if (n && at[0].waits)
		net_listen_stop(all->net);
	for (unsigned i = 0; i < n; i++) {
		r = sessions_listen(c, &at[i]);
		if (r) {
			sessions_fini(c);
			return r;
		}
	}
	all->first_listeners = n;
	return 0;
}

void sessions_resume(struct core *c)
{
	net_listen_resume(of_core(c)->net);
}

void sessions_look(struct core *c)
{
	net_listen_look(of_core(c)->net);
}

void sessions_end(struct core *c, enum reason why)
{
	struct sessions *all = of_core(c);
	uint64_t until_us = clock_us() + END_US;

	all->ending = true;
	net_listen_stop(all->net);
	while (!LIST_EMPTY(&all->open))
		session_close(LIST_FIRST(&all->open), why);
	hls_viewers_end(c, why);
	for (;;) {
		uint64_t now_us = clock_us();

		core_turn(c, now_us);
		if (!all->alive || now_us >= until_us)
			return;
		c->io.wait(c->io.net, min_of(until_us, now_us + 10000));
	}
}

void sessions_fini(struct core *c)
{
	struct sessions *all = of_core(c);

	if (!all)
		return;
	net_free(all->net);
	for (unsigned i = 0; i < all->kinds; i++)
		pool_fini(&all->kind[i].pool);
	free(all);
	c->session = NULL;
	c->io = (struct core_io){NULL};
}

static void ask_to_leave(void *arg, struct session *s)
{
	if (s->ops->draining && !s->close_when_sent)
		s->ops->draining(s);
}

void sessions_drain(struct core *c, bool on)
{
	struct sessions *all = of_core(c);
	bool begins = on && !all->draining;

	all->draining = on;
	if (on && !sessions_send_on(c))
		net_listen_stop(all->net);
	else
		net_listen_resume(all->net);
	if (begins)
		sessions_each(c, ask_to_leave, NULL);
}

void sessions_leave(struct core *c)
{
	struct sessions *all = of_core(c);

	if (all->leaving)
		return;
	all->leaving = true;
	for (unsigned i = 0; i < all->first_listeners; i++)
		net_listen_leave(all->net, (int)i);
	sessions_each(c, ask_to_leave, NULL);
}

bool sessions_stay(const struct core *c)
{
	return !of_core(c)->leaving;
}

bool sessions_send_on(const struct core *c)
{
	return of_core(c)->draining && *engine_conf(c->engine)->drain_redirect;
}

void sessions_each(struct core *c, void (*each)(void *arg, struct session *s), void *arg)
{
	struct session *s, *next;

	for (s = LIST_FIRST(&of_core(c)->open); s; s = next) {
		next = LIST_NEXT(s, link);
		each(arg, s);
	}
}
