/* SPDX-License-Identifier: Apache-2.0 */
#include "net/link.h"

#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "net/link_frame.h"

static uint32_t slot_of(const struct ip *a)
{
	uint64_t h = get_be64(a->b) ^ get_be64(a->b + 8);

	return (uint32_t)((h * 0x9e3779b97f4a7c15u) >> 40);
}

/*
 * The neighbour's place: by its address and at most LINK_REACH further. Strangers on an own network
 * cannot push out whoever is there: when all places are taken, the one that was asked for longest ago
 * without an answer goes, and where all have answered, nobody.
 */
#define LINK_REACH 16u

static struct link_neighbour *find(struct link *l, const struct ip *a)
{
	uint32_t at = slot_of(a);

	for (unsigned i = 0; i < LINK_REACH; i++) {
		struct link_neighbour *e = &l->neighbour[(at + i) % LINK_NEIGHBOURS];

		if (e->state != LINK_FREE && !memcmp(&e->ip, a, sizeof(*a)))
			return e;
	}
	return NULL;
}

static struct link_neighbour *find_or_make(struct link *l, const struct ip *a)
{
	struct link_neighbour *e = find(l, a), *best = NULL;
	uint32_t at = slot_of(a);

	if (e)
		return e;
	for (unsigned i = 0; i < LINK_REACH; i++) {
		e = &l->neighbour[(at + i) % LINK_NEIGHBOURS];
		if (e->state == LINK_FREE) {
			best = e;
			break;
		}
		if (!e->has_mac && (!best || (int32_t)(e->asked_ms - best->asked_ms) < 0))
			best = e;
	}
	if (!best)
		return NULL;
	*best = (struct link_neighbour){.ip = *a};
	return best;
}

void link_init(struct link *l, const struct link_conf *c,
	       void (*emit)(void *owner, const uint8_t *frame, size_t n), void *owner)
{
	memset(l, 0, sizeof(*l));
	l->conf = c;
	l->emit = emit;
	l->owner = owner;
	for (unsigned i = 0; i < c->fixed; i++) {
		struct link_neighbour *e = find_or_make(l, &c->neighbour[i].ip);

		if (!e)
			continue;
		memcpy(e->mac, c->neighbour[i].mac, sizeof(e->mac));
		e->has_mac = true;
		e->state = LINK_FIX;
	}
}

/* Asks; who is known is asked alone first. */
static void ask(struct link *l, struct link_neighbour *e, uint32_t now_ms)
{
	const struct ip *from = link_source(l->conf, &e->ip);
	uint8_t frame[LINK_FRAME_MAX];
	bool alone = e->has_mac && e->tries < LINK_TRIES;

	if (e->state != LINK_ASKED && l->asking < LINK_ASKING)
		l->asked[l->asking++] = (uint16_t)(e - l->neighbour);
	e->state = LINK_ASKED;
	e->asked_ms = now_ms;
	e->tries++;
	if (from)
		l->emit(l->owner, frame,
			link_question(l->conf, frame, from, &e->ip, alone ? e->mac : NULL));
}

/* Alone, then everybody; nobody answers: what we knew is wrong. */
static void ask_again(struct link *l, struct link_neighbour *e, uint32_t now_ms)
{
	if (e->tries >= 2 * LINK_TRIES)
		e->has_mac = false;
	ask(l, e, now_ms);
}

const uint8_t *link_lookup(struct link *l, const struct ip *dst, uint32_t now_ms)
{
	struct link_neighbour *e;
	struct ip via;

	if (!link_next_hop(l->conf, dst, &via))
		return NULL;
	e = find_or_make(l, &via);
	if (!e)
		return NULL;
	if (e->state == LINK_FIX ||
	    (e->state == LINK_KNOWN && now_ms - e->answered_ms < LINK_FRESH_MS))
		return e->mac;
	if (e->state != LINK_ASKED || now_ms - e->asked_ms >= LINK_TRY_MS)
		ask_again(l, e, now_ms);
	return e->has_mac ? e->mac : NULL;
}

void link_poll(struct link *l, uint32_t now_ms)
{
	for (unsigned i = l->asking; i-- > 0;) {
		struct link_neighbour *e = &l->neighbour[l->asked[i]];

		if (e->state != LINK_ASKED || e->tries > 2 * LINK_TRIES)
			l->asked[i] = l->asked[--l->asking];
		else if (now_ms - e->asked_ms >= LINK_TRY_MS)
			ask_again(l, e, now_ms);
	}
}

/* A neighbour said so. */
static void learn(struct link *l, const struct ip *a, const uint8_t *mac, bool make,
		  uint32_t now_ms)
{
	struct link_neighbour *e;
	struct ip via;

	if (mac[0] & 1 || !link_next_hop(l->conf, a, &via) || memcmp(&via, a, sizeof(via)) ||
	    link_is_local(l->conf, a))
		return;
	e = make ? find_or_make(l, a) : find(l, a);
	if (!e || e->state == LINK_FIX)
		return;
	memcpy(e->mac, mac, sizeof(e->mac));
	e->has_mac = true;
	e->state = LINK_KNOWN;
	e->tries = 0;
	e->answered_ms = now_ms;
}

/* A packet of a neighbour that we know by another link address. */
static void doubt(struct link *l, const struct ip *a, const uint8_t *mac, uint32_t now_ms)
{
	struct link_neighbour *e = find(l, a);

	if (!e || e->state == LINK_FIX || !e->has_mac || !memcmp(e->mac, mac, sizeof(e->mac)) ||
	    now_ms - e->asked_ms < LINK_TRY_MS)
		return;
	e->tries = LINK_TRIES; /* everybody */
	ask(l, e, now_ms);
}

/* ---- frames in ---- */

static enum link_verdict take_arp(struct link *l, const struct link_frame *f, bool answer,
				  uint32_t now_ms)
{
	uint8_t frame[LINK_FRAME_MAX];
	struct link_arp a;

	if (!link_arp_parse(&a, f))
		return LINK_DROP;
	if (!link_is_local(l->conf, &a.target)) {
		learn(l, &a.sender, a.mac, false, now_ms);
		return a.reply ? LINK_ALL : LINK_FOREIGN;
	}
	learn(l, &a.sender, a.mac, true, now_ms);
	if (!a.reply && answer)
		l->emit(l->owner, frame, link_arp_reply(l->conf, frame, &a));
	return LINK_ALL;
}

static enum link_verdict take_icmp(struct link *l, const struct link_frame *f, bool answer,
				   struct link_packet *out)
{
	uint8_t frame[LINK_FRAME_MAX];
	size_t n;

	if (!link_icmp_good(f))
		return LINK_DROP;
	if (link_icmp_error(f, out))
		return LINK_ERROR;
	n = link_echo_reply(l->conf, frame, f);
	if (n && answer)
		l->emit(l->owner, frame, n);
	return LINK_DROP;
}

static enum link_verdict take_nd(struct link *l, const struct link_frame *f, bool answer,
				 uint32_t now_ms)
{
	uint8_t frame[LINK_FRAME_MAX];
	struct link_nd nd;

	if (!link_icmp_good(f) || !link_nd_parse(&nd, f))
		return LINK_DROP;
	if (nd.answer) {
		if (nd.has_mac)
			learn(l, &nd.target, nd.mac, false, now_ms);
		return LINK_ALL;
	}
	if (!link_is_local(l->conf, &nd.target))
		return LINK_FOREIGN;
	if (nd.has_mac)
		learn(l, &f->src, nd.mac, true, now_ms);
	if (answer)
		l->emit(l->owner, frame, link_nd_reply(l->conf, frame, f, &nd));
	return LINK_ALL;
}

enum link_verdict link_input(struct link *l, const uint8_t *frame, size_t n, bool answer,
			     uint32_t now_ms, struct link_packet *out)
{
	struct link_frame f;

	if (!link_frame_parse(&f, l->conf, frame, n))
		return f.foreign ? LINK_FOREIGN : LINK_DROP;
	if (f.kind == LINK_KIND_ARP)
		return take_arp(l, &f, answer, now_ms);
	if (f.kind == LINK_KIND_ND)
		return take_nd(l, &f, answer, now_ms);
	if (!link_is_local(l->conf, &f.dst))
		return LINK_FOREIGN;
	if (f.kind == LINK_KIND_ICMP)
		return take_icmp(l, &f, answer, out);
	if (f.kind != LINK_KIND_TCP)
		return LINK_DROP;
	doubt(l, &f.src, f.from, now_ms);
	out->p = f.l3;
	out->n = f.l3_bytes;
	return LINK_TCP;
}

void link_announce(struct link *l)
{
	uint8_t frame[LINK_FRAME_MAX];

	for (unsigned i = 0; i < l->conf->locals; i++)
		l->emit(l->owner, frame, link_announcement(l->conf, frame, &l->conf->local[i]));
	/* Neighbours may have changed while it was down. */
	for (unsigned i = 0; i < LINK_NEIGHBOURS; i++)
		if (l->neighbour[i].state == LINK_KNOWN)
			l->neighbour[i].answered_ms -= LINK_FRESH_MS;
}
