/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/net/fake_net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/check.h"

#define SLICES_MAX    4
#define INPUT_BYTES   16384u /* most that comes at once */
#define SENT_ONCE_MAX 65536u

enum fake_state { FAKE_ARRIVING, FAKE_CONNECTING, FAKE_OPEN, FAKE_CLOSED };

struct fake_conn {
	struct net_conn pub;
	TAILQ_ENTRY(fake_conn) link;
	struct fake_peer *peer;
	enum fake_state state;
	int tag;
	bool answered, told_shut, told_end, wants_room;
	enum reason answer;
	uint64_t deadline_us;
	bool sending;
	uint64_t mark; /* of the send */
	unsigned slices;
	struct slice slice[SLICES_MAX];
	uint8_t *copy; /* of what is in flight */
	size_t copy_n;
};

struct net {
	const struct net_handlers *on;
	void *owner;
	bool stopped, in_turn;
	uint64_t mark;
	uint64_t now_us;
	unsigned conns_n;
	TAILQ_HEAD(, fake_conn) conns;
};

struct net_tls {
	char unused;
};

static struct fake_conn *of(struct net_conn *pub)
{
	return container_of(pub, struct fake_conn, pub);
}

static struct fake_conn *conn_new(struct net *n, enum fake_state state)
{
	struct fake_conn *c = calloc(1, sizeof(*c));

	must(c);
	c->pub.net = n;
	c->state = state;
	TAILQ_INSERT_TAIL(&n->conns, c, link);
	n->conns_n++;
	return c;
}

static void conn_free(struct fake_conn *c)
{
	struct net *n = c->pub.net;

	TAILQ_REMOVE(&n->conns, c, link);
	n->conns_n--;
	if (c->peer)
		c->peer->conn = NULL;
	free(c->copy);
	free(c);
}

/* ---- the peers' side ---- */

void fake_open(struct net *n, struct fake_peer *p, int tag, const char *from)
{
	struct fake_conn *c = conn_new(n, FAKE_ARRIVING);

	must(!p->conn);
	must(net_addr_parse(&c->pub.peer, from) == 0);
	c->tag = tag;
	c->peer = p;
	p->conn = c;
	p->shut = p->reset = false;
	p->input = (struct slice){NULL, 0};
}

struct fake_conn *fake_dialled(struct net *n)
{
	struct fake_conn *c;

	TAILQ_FOREACH (c, &n->conns, link)
		if (c->state == FAKE_CONNECTING && !c->answered)
			return c;
	return NULL;
}

void fake_answer(struct fake_conn *c, struct fake_peer *p, enum reason why)
{
	must(c->state == FAKE_CONNECTING && !c->answered);
	c->answered = true;
	c->answer = why;
	if (why != REASON_NONE)
		return;
	must(!p->conn);
	c->peer = p;
	p->conn = c;
	p->shut = p->reset = false;
	p->input = (struct slice){NULL, 0};
}

void fake_leave(struct fake_peer *p)
{
	if (p->conn)
		p->conn->peer = NULL;
	p->conn = NULL;
}

unsigned fake_conns(const struct net *n)
{
	return n->conns_n;
}

void fake_clock(struct net *n, uint64_t now_us)
{
	n->now_us = now_us;
}

/* ---- one turn ---- */

/* Aborts where the engine has touched bytes that it has handed over. */
static void check_flight(const struct fake_conn *c)
{
	size_t at = 0;

	for (unsigned i = 0; i < c->slices; i++) {
		must(memcmp(c->copy + at, c->slice[i].p, c->slice[i].n) == 0);
		at += c->slice[i].n;
	}
}

static void flight_over(struct fake_conn *c)
{
	check_flight(c);
	free(c->copy);
	c->copy = NULL;
	c->slices = 0;
	c->sending = false;
}

static int turn_arriving(struct fake_conn *c)
{
	struct net *n = c->pub.net;

	if (n->stopped)
		return 0;
	c->state = FAKE_OPEN;
	if (!n->on->accepted(n->owner, &c->pub, c->tag))
		conn_free(c);
	return 1;
}

static int turn_connecting(struct fake_conn *c)
{
	enum reason why = c->answer;

	if (!c->answered && c->pub.net->now_us < c->deadline_us)
		return 0;
	if (!c->answered)
		why = REASON_CONNECT_TIMEOUT;
	c->state = why == REASON_NONE ? FAKE_OPEN : FAKE_CLOSED;
	c->pub.net->on->connected(&c->pub, why);
	if (why != REASON_NONE)
		conn_free(c);
	return 1;
}

static int turn_send(struct fake_conn *c)
{
	struct fake_peer *p = c->peer;
	size_t room = p ? p->window : FAKE_WINDOW_OPEN;
	size_t n = min_of(min_of(c->copy_n, room), SENT_ONCE_MAX);

	if (p && p->took && n)
		p->took(p, c->copy, n);
	if (p && p->window != FAKE_WINDOW_OPEN)
		p->window -= n;
	flight_over(c);
	c->pub.bytes_out += n;
	c->wants_room = n == 0;
	c->pub.net->on->sent(&c->pub, n, n == 0);
	return 1;
}

/* Each piece in memory of its own, so that nothing can be kept of it. */
static int turn_input(struct fake_conn *c)
{
	struct fake_peer *p = c->peer;
	size_t most = p->cut ? min_of(p->cut, INPUT_BYTES) : INPUT_BYTES;
	int pieces = 0;

	while (p->conn == c && p->input.n && c->state == FAKE_OPEN) {
		size_t n = min_of(p->input.n, most);
		uint8_t *bytes = malloc(n);

		must(bytes);
		memcpy(bytes, p->input.p, n);
		p->input.p += n;
		p->input.n -= n;
		c->pub.bytes_in += n;
		c->pub.net->on->received(&c->pub, bytes, n);
		free(bytes);
		pieces++;
	}
	p->input = (struct slice){NULL, 0};
	return pieces;
}

static int turn_end(struct fake_conn *c)
{
	struct fake_peer *p = c->peer;

	if (!p || p->reset) {
		c->told_end = true;
		c->pub.net->on->closed(&c->pub, REASON_PEER_RESET);
	} else {
		c->told_shut = true;
		c->pub.net->on->closed(&c->pub, REASON_PEER_CLOSED);
	}
	return 1;
}

static int turn_open(struct fake_conn *c)
{
	struct fake_peer *p = c->peer;
	int work = 0;

	if (p && p->reset && !c->told_end)
		return turn_end(c);
	if (c->sending && !c->told_end)
		work += turn_send(c);
	if (c->state == FAKE_OPEN && c->peer == p && p && p->input.n)
		work += turn_input(c);
	if (c->state == FAKE_OPEN && c->wants_room && !c->told_end && (!p || p->window)) {
		c->wants_room = false;
		c->pub.net->on->writable(&c->pub);
		work++;
	}
	if (c->state == FAKE_OPEN && ((p && p->shut && !c->told_shut) || (!p && !c->told_end)))
		work += turn_end(c);
	return work;
}

static int turn_closed(struct fake_conn *c)
{
	struct net *n = c->pub.net;

	flight_over(c);
	n->on->released(&c->pub);
	conn_free(c);
	return 1;
}

int net_turn(struct net *n)
{
	struct fake_conn *c, *next;
	int work = 0;

	must(!n->in_turn);
	n->in_turn = true;
	for (c = TAILQ_FIRST(&n->conns); c; c = next) {
		next = TAILQ_NEXT(c, link);
		switch (c->state) {
		case FAKE_ARRIVING:
			work += turn_arriving(c);
			break;
		case FAKE_CONNECTING:
			work += turn_connecting(c);
			break;
		case FAKE_OPEN:
			work += turn_open(c);
			break;
		case FAKE_CLOSED:
			work += turn_closed(c);
			break;
		}
	}
	n->in_turn = false;
	return work;
}

/* ---- the engine's side ---- */

struct net *net_new(const struct net_options *o, const struct net_handlers *h, void *owner)
{
	struct net *n = calloc(1, sizeof(*n));

	must(n);
	n->on = h;
	n->owner = owner;
	TAILQ_INIT(&n->conns);
	return n;
}

void net_free(struct net *n)
{
	struct fake_conn *c;

	while ((c = TAILQ_FIRST(&n->conns)))
		conn_free(c);
	free(n);
}

struct net_conn *net_connect(struct net *n, const struct net_dial *d, enum reason *why)
{
	struct ip ip = net_addr_ip(d->to);
	struct fake_conn *c;

	if (d->deny && cidr_set_holds(d->deny, &ip)) {
		*why = REASON_ADDRESS_DENIED;
		return NULL;
	}
	must(d->timeout_ms);
	c = conn_new(n, FAKE_CONNECTING);
	c->deadline_us = n->now_us + (uint64_t)d->timeout_ms * 1000;
	c->pub.user = d->user;
	c->pub.peer = *d->to;
	return &c->pub;
}

void net_send(struct net_conn *pub, const struct slice *s, unsigned n)
{
	struct fake_conn *c = of(pub);
	struct wr w;

	must(c->state == FAKE_OPEN && !c->sending && n >= 1 && n <= SLICES_MAX);
	c->copy_n = 0;
	for (unsigned i = 0; i < n; i++)
		c->copy_n += s[i].n;
	must(c->copy_n);
	c->copy = malloc(c->copy_n);
	must(c->copy);
	w = wr_of(c->copy, c->copy_n);
	for (unsigned i = 0; i < n; i++) {
		c->slice[i] = s[i];
		wr_bytes(&w, s[i].p, s[i].n);
	}
	c->slices = n;
	c->sending = true;
	c->mark = c->pub.net->mark;
}

void net_close(struct net_conn *pub, bool graceful)
{
	struct fake_conn *c = of(pub);

	must(c->state == FAKE_OPEN || c->state == FAKE_CONNECTING);
	c->state = FAKE_CLOSED;
	if (c->peer)
		c->peer->conn = NULL;
	c->peer = NULL;
}

bool net_path(const struct net_conn *c, struct net_path *out)
{
	return false;
}

int net_note(const struct net_conn *c, int map, uint32_t value)
{
	return -EOPNOTSUPP;
}

void net_mark(struct net *n, uint64_t mark)
{
	n->mark = mark;
}

/* Peers take bytes in later turns, as those of the user-space TCP do. */
uint64_t net_held(const struct net *n)
{
	const struct fake_conn *c;
	uint64_t low = UINT64_MAX;

	TAILQ_FOREACH (c, &n->conns, link)
		if (c->sending)
			low = min_of(low, c->mark);
	return low;
}

enum net_place net_place_of(const union net_addr *a)
{
	return NET_KERNEL;
}

int net_listen_at(struct net *n, const union net_addr *at, int tag)
{
	return -EOPNOTSUPP;
}

int net_listen(struct net *n, int fd, int tag)
{
	return 0;
}

int net_listen_tls(struct net *n, int fd, int tag, struct net_tls *tls)
{
	return 0;
}

void net_listen_stop(struct net *n)
{
	n->stopped = true;
}

void net_listen_resume(struct net *n)
{
	n->stopped = false;
}

void net_listen_leave(struct net *n, int tag)
{
}

void net_listen_look(struct net *n)
{
}

void net_wait(struct net *n, uint64_t until_us)
{
}

void net_wake(struct net *n)
{
}

/* ---- names and TLS: addresses only, and no secrets ---- */

void net_resolve(struct net_resolve *r)
{
	char text[sizeof(r->host) + 16];

	snprintf(text, sizeof(text), strchr(r->host, ':') ? "[%s]:%u" : "%s:%u", r->host, r->port);
	r->n = net_addr_parse(&r->addr[0], text) == 0;
	r->why = REASON_DNS_FAILED;
	r->done(r);
}

struct net_tls *net_tls_new(void)
{
	return calloc(1, sizeof(struct net_tls));
}

void net_tls_free(struct net_tls *t)
{
	free(t);
}

int net_tls_serve(struct net_tls *t, const struct net_tls_keys *k, char *err, size_t n)
{
	return 0;
}

int net_tls_trust(struct net_tls *t, const char *ca, char *err, size_t n)
{
	return 0;
}

int net_tls_pin_parse(uint8_t out[NET_TLS_PIN_BYTES], const char *text)
{
	return -EINVAL;
}

/* Nothing listens by TLS here. */
void net_secure(struct net_conn *c, const uint8_t *p, size_t n)
{
	must(!c->clear);
}

const char *net_tls_text(const struct net_conn *c)
{
	return "";
}
