/* SPDX-License-Identifier: Apache-2.0 */
/* The sessions of one core: what the network says to them, listeners, draining, the end. */
#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "session/caps.h"
#include "session/client.h"
#include "session/feed.h"
#include "session/hls_viewers.h"
#include "session/session_in.h"

#define END_US		   1500000u
#define REFUSING_MAX	   256u /* on a core, at a time */
#define LISTEN_NOTSENT	   131072u
#define DEAD_PEER_EXTRA_MS 10000u

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
	sessions_of(s->core)->refusing++;
	s->refused = (uint8_t)why;
	s->capped = false;
	session_deadline(s, SESSION_LAST_WORDS_MS, why);
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
		session_sent(s, n, blocked);
}

static void on_writable(struct net_conn *conn)
{
	struct session *s = conn->user;

	if (s->feed && s->feed->log_sending)
		feed_writable(s->feed);
	else
		session_room(s);
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
	struct sessions *all = sessions_of(c);
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
	net_listen_resume(sessions_of(c)->net);
}

void sessions_look(struct core *c)
{
	net_listen_look(sessions_of(c)->net);
}

void sessions_end(struct core *c, enum reason why)
{
	struct sessions *all = sessions_of(c);
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
	struct sessions *all = sessions_of(c);

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
	struct sessions *all = sessions_of(c);
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
	struct sessions *all = sessions_of(c);

	if (all->leaving)
		return;
	all->leaving = true;
	for (unsigned i = 0; i < all->first_listeners; i++)
		net_listen_leave(all->net, (int)i);
	sessions_each(c, ask_to_leave, NULL);
}

bool sessions_stay(const struct core *c)
{
	return !sessions_of(c)->leaving;
}

bool sessions_send_on(const struct core *c)
{
	return sessions_of(c)->draining && *engine_conf(c->engine)->drain_redirect;
}

void sessions_each(struct core *c, void (*each)(void *arg, struct session *s), void *arg)
{
	struct session *s, *next;

	for (s = LIST_FIRST(&sessions_of(c)->open); s; s = next) {
		next = LIST_NEXT(s, link);
		each(arg, s);
	}
}
