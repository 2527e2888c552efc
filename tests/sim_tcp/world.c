/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_tcp/world.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "sim_tcp/wire.h"

#define MILLION	    1000000u
#define SERVER_PORT 1935
#define LOG_SOURCE  1
#define PREFIX	    300 /* bytes of the answer that are private */
#define HASH_START  0xcbf29ce484222325ull

struct event {
	uint64_t at_us, serial;
	int to;
	size_t n;
	uint32_t icmp_mtu; /* > 0: the packet is a quote */
	uint8_t packet[];
};

uint32_t world_random(struct world *w, uint32_t below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (uint32_t)((w->random >> 16) % below);
}

static bool chance(struct world *w, uint32_t millionths)
{
	return millionths && world_random(w, MILLION) < millionths;
}

/* ---- events in order of time ---- */

static bool before(const struct event *a, const struct event *b)
{
	return a->at_us < b->at_us || (a->at_us == b->at_us && a->serial < b->serial);
}

static void push(struct world *w, struct event *e)
{
	unsigned i = w->events++;

	if (w->events > w->heap_room) {
		w->heap_room = w->heap_room ? 2 * w->heap_room : 256;
		w->heap = realloc(w->heap, w->heap_room * sizeof(*w->heap));
		must(w->heap);
	}
	e->serial = w->serial++;
	for (; i && before(e, w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = e;
}

static struct event *pop(struct world *w)
{
	struct event *top = w->heap[0], *last = w->heap[--w->events];
	unsigned i = 0, child;

	for (; (child = 2 * i + 1) < w->events; i = child) {
		if (child + 1 < w->events && before(w->heap[child + 1], w->heap[child]))
			child++;
		if (before(last, w->heap[child]))
			break;
		w->heap[i] = w->heap[child];
	}
	w->heap[i] = last;
	return top;
}

/* ---- the path ---- */

static void arrive(struct world *w, int to, const uint8_t *packet, size_t n, uint64_t at_us,
		   uint32_t icmp_mtu)
{
	struct event *e = malloc(sizeof(*e) + n);

	must(e);
	*e = (struct event){.at_us = at_us, .to = to, .n = n, .icmp_mtu = icmp_mtu};
	memcpy(e->packet, packet, n);
	push(w, e);
}

static bool is_lost(struct world *w, struct path *p, const uint8_t *packet, size_t n)
{
	struct tcp_seg g;

	if (w->now_us >= p->dead_from_us && w->now_us < p->dead_to_us)
		return true;
	if (w->now_us < p->burst_to_us)
		return true;
	if (chance(w, p->burst_loss)) {
		p->burst_to_us = w->now_us + 1 + world_random(w, 30000);
		return true;
	}
	if (chance(w, p->loss))
		return true;
	return p->thin_acks && !tcp_seg_parse(&g, packet, n, true) && !tcp_seg_len(&g) &&
	       g.flags == TCP_ACK && chance(w, p->thin_acks);
}

/* When it is through the bottleneck; false: the queue is full. */
static bool queue(struct world *w, struct path *p, size_t n, uint64_t *at_us)
{
	uint64_t start = max_of(w->now_us, p->free_at_us);

	*at_us = w->now_us;
	if (!p->rate)
		return true;
	if (p->queue_bytes && (start - w->now_us) * p->rate / MILLION > p->queue_bytes)
		return false;
	p->free_at_us = start + n * MILLION / p->rate;
	*at_us = p->free_at_us;
	return true;
}

struct way {
	struct world *w;
	int from;
};

static void travel(void *arg, uint8_t *packet, size_t n)
{
	const struct way *way = arg;
	struct world *w = way->w;
	struct path *p = &w->o.path[way->from == SERVER ? DOWN : UP];
	uint64_t at_us;
	unsigned copies = 1;
	bool lost;

	p->packets++;
	if (p->strip) {
		struct tcp_seg g;

		if (!tcp_seg_parse(&g, packet, n, true) && g.flags & TCP_SYN)
			wire_strip(packet, n, p->strip);
	}
	if (w->now_us >= p->full_from_us && w->now_us < p->full_to_us)
		wire_window(packet, n, 0);
	if (chance(w, p->lies))
		wire_lie(packet, n, world_random(w, UINT32_MAX));
	if (p->mtu && n > p->mtu) {
		p->lost++;
		if (w->told)
			wire_print("too big", (double)w->now_us / 1e6, packet, n);
		if (p->tells_mtu)
			arrive(w, way->from, packet, n, w->now_us + p->delay_us, p->mtu);
		return;
	}
	lost = is_lost(w, p, packet, n) || !queue(w, p, n, &at_us);
	if (w->told)
		wire_print(lost ? (way->from ? "client, lost" : "server, lost")
				: (way->from ? "client" : "server"),
			   (double)w->now_us / 1e6, packet, n);
	if (lost) {
		p->lost++;
		return;
	}
	if (chance(w, p->duplicate))
		copies = 2;
	if (chance(w, p->corrupt))
		packet[world_random(w, (uint32_t)n)] ^= (uint8_t)(1 << world_random(w, 8));
	while (copies--)
		arrive(w, !way->from, packet, n,
		       at_us + p->delay_us + (p->jitter_us ? world_random(w, p->jitter_us) : 0), 0);
}

/* ---- both owners ---- */

struct side {
	struct world *w;
	int side;
};

static struct side sides[2];

static void on_emit(void *owner, const struct tcp_packet *p)
{
	const struct side *s = owner;
	struct way way = {s->w, s->side};

	must(s->w->o.tso || !p->seg_bytes);
	wire_send(p, travel, &way);
}

static bool on_resolve(void *owner, uint32_t source, uint64_t at, uint32_t n, struct slice *out)
{
	const struct side *s = owner;
	const struct world *w = s->w;

	must(source == LOG_SOURCE);
	if (w->o.log_keeps && at + w->o.log_keeps < w->log_newest)
		return false;
	out->p = w->log + at % WORLD_LOG;
	/* Blocks end anywhere. */
	out->n = min_of(n, WORLD_LOG / 16 - at % (WORLD_LOG / 16));
	return true;
}

static uint64_t mix(uint64_t hash, const uint8_t *p, size_t n)
{
	while (n--)
		hash = (hash ^ *p++) * 0x100000001b3ull;
	return hash;
}

static void take(struct peer *p, const struct tcp_range *r, uint32_t n)
{
	const struct world *w = p->world;

	if (r->source == LOG_SOURCE)
		for (uint32_t i = 0; i < n; i++)
			p->hash_out = mix(p->hash_out, w->log + (r->at + i) % WORLD_LOG, 1);
	else
		p->hash_out = mix(p->hash_out, (const uint8_t *)(uintptr_t)r->at, n);
	p->taken += n;
}

/* Offers what is left; a server begins with private bytes, and skips in the log now and then. */
void world_offer(struct peer *p)
{
	struct world *w = p->world;

	while (p->taken < p->to_send) {
		uint64_t left = p->to_send - p->taken;
		struct tcp_range r = {p->log_at, (uint32_t)min_of(left, 65536u), LOG_SOURCE};
		uint32_t n;

		if (p->taken < PREFIX) {
			r.n = (uint32_t)min_of(left, PREFIX - p->taken);
			r.at = (uint64_t)(uintptr_t)(w->log + 777 + p->taken);
			r.source = 0;
		} else if (!world_random(w, 8)) {
			p->log_at += world_random(w, 100000);
			r.at = p->log_at;
		}
		n = tcp_send(p->c, &r, 1, w->now_us);
		must(n <= r.n);
		take(p, &r, n);
		if (r.source == LOG_SOURCE) {
			p->log_at += n;
			w->log_newest = max_of(w->log_newest, p->log_at);
		}
		if (n < r.n)
			return;
	}
	if (p->closes && !p->closed) {
		p->closed = true;
		tcp_close(p->c, w->now_us);
	}
}

static bool on_accepted(void *owner, struct tcp_conn *c, int tag)
{
	const struct side *s = owner;
	struct tcp_info info;
	struct peer *p;

	tcp_info(c, &info);
	must(tag == 7 && info.rport >= 10000 && info.rport < 10000 + s->w->peers);
	p = &s->w->peer[SERVER][info.rport - 10000];
	/* A lie may have broken the handshake; then the client tries once more. */
	if (p->opened)
		return false;
	p->c = c;
	p->opened = true;
	tcp_set_user(c, p);
	return true;
}

static void on_connected(void *owner, struct tcp_conn *c)
{
	struct peer *p = tcp_user(c);

	p->opened = true;
	world_offer(p);
}

static void on_received(void *owner, struct tcp_conn *c, const uint8_t *data, size_t n)
{
	struct peer *p = tcp_user(c), *other = &p->world->peer[!p->side][p->port - 10000];

	must(!p->closed);
	p->hash_in = mix(p->hash_in, data, n);
	p->got += n;
	must(p->got <= other->taken || p->world->o.path[DOWN].lies || p->world->o.path[UP].lies);
	if (p->side == SERVER && p->got >= other->to_send)
		world_offer(p);
}

static void on_acked(void *owner, struct tcp_conn *c, uint32_t n)
{
	struct peer *p = tcp_user(c);

	uint64_t at;

	p->acked += n;
	must(p->acked <= p->taken);
	/* What reclaim asks: nothing that is acknowledged is held, nor what was never sent. */
	if (tcp_oldest(c, LOG_SOURCE, &at))
		must(p->acked < p->taken && at <= p->log_at);
}

static void on_writable(void *owner, struct tcp_conn *c)
{
	world_offer(tcp_user(c));
}

static void on_peer_closed(void *owner, struct tcp_conn *c)
{
	struct peer *p = tcp_user(c);

	must(!p->peer_closed);
	p->peer_closed = true;
	if (p->side == CLIENT) {
		p->closed = true;
		tcp_close(c, p->world->now_us);
	}
}

static void on_ended(void *owner, struct tcp_conn *c, enum tcp_end why)
{
	struct peer *p = tcp_user(c);

	must(!p->ended);
	p->ended = true;
	p->end = why;
	p->c = NULL;
	p->ended_us = p->world->now_us;
}

static const struct tcp_ops ops = {
	.emit = on_emit,
	.resolve = on_resolve,
	.accepted = on_accepted,
	.connected = on_connected,
	.received = on_received,
	.acked = on_acked,
	.writable = on_writable,
	.peer_closed = on_peer_closed,
	.ended = on_ended,
};

/* ---- the world ---- */

static struct ip address(const struct world *w, int side)
{
	struct ip ip;

	must(!ip_parse(&ip,
		       w->o.v6 ? (side ? "fd00::2" : "fd00::1")
		       : side  ? "10.0.0.2"
			       : "10.0.0.1",
		       w->o.v6 ? 7 : 8));
	return ip;
}

void world_init(struct world *w, const struct world_options *o)
{
	memset(w, 0, sizeof(*w));
	w->o = *o;
	w->random = o->seed * 0x9e3779b97f4a7c15ull + 0x1234567;
	w->now_us = 1000000 + world_random(w, 1u << 31) * 8ull;
	for (int i = 0; i < 2; i++) {
		w->o.path[i].dead_from_us += w->now_us;
		w->o.path[i].dead_to_us += w->now_us;
		w->o.path[i].full_from_us += w->now_us;
		w->o.path[i].full_to_us += w->now_us;
	}
	w->log = malloc(WORLD_LOG);
	must(w->log);
	for (unsigned i = 0; i < WORLD_LOG; i++)
		w->log[i] = (uint8_t)world_random(w, 256);
	for (int i = 0; i < 2; i++) {
		struct tcp_config cf = {
			.local = {address(w, i)},
			.locals = 1,
			.conns_max = WORLD_PEERS,
			.blocks_max = o->blocks[i],
			.tw_max = 1024,
			.mtu = o->mtu ? o->mtu : 1500,
			.recv_window = o->recv_window[i] ? o->recv_window[i] : 262144,
			.reasm_max = o->reasm_max[i],
			.tso_bytes = o->tso ? 65000 : 0,
			.csum_offload = o->csum_offload,
			.no_rack = o->no_rack[i],
			.user_timeout_ms = o->user_timeout_ms,
			.keep_idle_ms = o->keep_idle_ms,
		};

		for (unsigned k = 0; k < TCP_KEY_BYTES; k++)
			cf.key[k] = (uint8_t)world_random(w, 256);
		sides[i] = (struct side){w, i};
		w->mem[i] = aligned_alloc(64, (tcp_bytes(&cf) + 63) & ~(size_t)63);
		must(w->mem[i]);
		w->stack[i] = tcp_init(w->mem[i], &cf, &ops, &sides[i], w->now_us);
	}
	must(!tcp_listen(w->stack[SERVER], SERVER_PORT, 7));
}

void world_fini(struct world *w)
{
	while (w->events)
		free(pop(w));
	free(w->heap);
	free(w->log);
	free(w->mem[0]);
	free(w->mem[1]);
}

void world_open(struct world *w, uint64_t up, uint64_t down)
{
	struct ip from = address(w, CLIENT), to = address(w, SERVER);
	uint16_t port = (uint16_t)(10000 + w->peers);
	unsigned i = w->peers++;

	must(i < WORLD_PEERS);
	for (int side = 0; side < 2; side++)
		w->peer[side][i] = (struct peer){
			.world = w,
			.side = side,
			.port = port,
			.to_send = side == SERVER ? down : up,
			.log_at = world_random(w, WORLD_LOG),
			.hash_in = HASH_START,
			.hash_out = HASH_START,
			.closes = side == SERVER,
		};
	w->peer[CLIENT][i].c = tcp_connect(w->stack[CLIENT], &from, port, &to, SERVER_PORT,
					   &w->peer[CLIENT][i], w->now_us);
	must(w->peer[CLIENT][i].c);
}

static void settle(struct world *w)
{
	for (int i = 0; i < 2; i++) {
		tcp_turn(w->stack[i], w->now_us);
		tcp_check_all(w->stack[i]);
	}
}

static void deliver(struct world *w)
{
	struct event *e = pop(w);
	struct tcp *t = w->stack[e->to];

	w->now_us = e->at_us;
	if (e->icmp_mtu)
		tcp_icmp(t, e->packet, min_of(e->n, 60u), e->icmp_mtu, false, w->now_us);
	else
		tcp_input(t, e->packet, e->n, false, w->now_us);
	free(e);
}

bool world_run(struct world *w, uint64_t until_us)
{
	for (;;) {
		uint64_t a = tcp_next(w->stack[0], w->now_us), b = tcp_next(w->stack[1], w->now_us);
		uint64_t timer = min_of(a, b), event = w->events ? w->heap[0]->at_us : UINT64_MAX;

		if (timer == UINT64_MAX && event == UINT64_MAX)
			return true;
		if (min_of(timer, event) > until_us)
			return false;
		if (event <= timer)
			deliver(w);
		else
			w->now_us = max_of(w->now_us, timer);
		/* What arrives at the same time is one burst. */
		if (!w->events || w->heap[0]->at_us > w->now_us)
			settle(w);
	}
}

/*
 * Everything was delivered. When the last FIN takes longer than the other side's TIME_WAIT, it is
 * answered with RST.
 */
static bool ended_well(const struct peer *p)
{
	return p->ended &&
	       (p->end == TCP_END_DONE || (p->end == TCP_END_RESET && p->closed && p->peer_closed));
}

/* A handshake that took longer than a cookie holds: the server never knew of it. */
static bool came_too_late(const struct world *w, unsigned i)
{
	return !w->peer[SERVER][i].opened && w->peer[CLIENT][i].end == TCP_END_RESET &&
	       tcp_stats(w->stack[SERVER])->cookies_bad;
}

const char *world_verdict(const struct world *w)
{
	static char text[200];

	for (unsigned i = 0; i < w->peers; i++) {
		if (came_too_late(w, i))
			continue;
		for (int side = 0; side < 2; side++) {
			const struct peer *p = &w->peer[side][i], *q = &w->peer[!side][i];

			if (!ended_well(p) || p->taken != p->to_send || p->acked != p->taken ||
			    q->got != p->taken || q->hash_in != p->hash_out) {
				snprintf(text, sizeof(text),
					 "pair %u %s: ended %d why %d, took %lu of %lu, acked %lu, "
					 "other got %lu%s",
					 i, side ? "client" : "server", p->ended, p->end,
					 (unsigned long)p->taken, (unsigned long)p->to_send,
					 (unsigned long)p->acked, (unsigned long)q->got,
					 q->hash_in != p->hash_out ? ", other bytes" : "");
				return text;
			}
		}
	}
	for (int side = 0; side < 2; side++)
		if (tcp_conns(w->stack[side]) || tcp_blocks_used(w->stack[side]))
			return "connections or blocks are left over";
	return NULL;
}
