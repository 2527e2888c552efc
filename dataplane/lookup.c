/* SPDX-License-Identifier: Apache-2.0 */
#include "lookup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "bpf/lookup.h"

#define SLOTS (PLACE_KINDS * 2) /* each kind for IPv6 and for IPv4 */

static struct {
	struct bpf_lookup *bpf;
	struct place places[PLACES_MAX];
	unsigned n;
	unsigned at[SLOTS]; /* which of the listeners, and one more; 0: none */
	int fd[SLOTS];	    /* copies of the first core's sockets */
} lookup;

static unsigned slot_of(const struct place *p)
{
	return (unsigned)p->kind * 2 + ip_is_v4(&p->range.net);
}

/* ---- listeners ---- */

static int listen_one(struct listeners *l, const struct place *p, const struct lookup_serves *how,
		      char *err, size_t err_n)
{
	const char *own = ip_is_v4(&p->range.net) ? "127.0.0.1:0" : "[::1]:0";
	unsigned i = l->n;
	int r = listeners_add_tls(l, "bpf.lookup", own, how->ops, how->tls, err, err_n);

	if (r)
		return r;
	l->one[i].anywhere = true;
	lookup.at[slot_of(p)] = i + 1;
	return 0;
}

int lookup_listen(struct listeners *l, const char *places,
		  const struct lookup_serves serves[PLACE_KINDS], char *err, size_t err_n)
{
	char bad[64];
	int n = places_parse(lookup.places, places, bad, sizeof(bad)), r = 0;

	must(n >= 0);
	lookup.n = (unsigned)n;
	for (unsigned i = 0; i < lookup.n && !r; i++) {
		const struct place *p = &lookup.places[i];

		if (!lookup.at[slot_of(p)])
			r = listen_one(l, p, &serves[p->kind], err, err_n);
	}
	return r;
}

/* ---- the program ---- */

static int give_listeners(void)
{
	int r = 0;

	for (unsigned slot = 0; slot < SLOTS && !r; slot++)
		if (lookup.at[slot] && !bpf_lookup_has(lookup.bpf, slot))
			r = bpf_lookup_listener(lookup.bpf, slot, lookup.fd[slot]);
	return r;
}

/* The program counts the bits of an IPv4 address from its own first. */
static int give_place(const struct place *p)
{
	bool v4 = ip_is_v4(&p->range.net);

	return bpf_lookup_add(lookup.bpf, v4 ? AF_INET : AF_INET6, p->range.net.b + (v4 ? 12 : 0),
			      p->range.bits - (v4 ? 96u : 0u), p->port, slot_of(p));
}

int lookup_open(const struct listeners *l, char *err, size_t err_n)
{
	int r;

	if (!lookup.n)
		return 0;
	r = bpf_lookup_open(&lookup.bpf, err, err_n);
	if (r)
		return r;
	for (unsigned slot = 0; slot < SLOTS; slot++)
		lookup.fd[slot] = lookup.at[slot] ? dup(l->one[lookup.at[slot] - 1].fd[0]) : -1;
	r = give_listeners();
	for (unsigned i = 0; i < lookup.n && !r; i++)
		r = give_place(&lookup.places[i]);
	if (r) {
		snprintf(err, err_n, "bpf.lookup: %s", strerror(-r));
		lookup_close();
	}
	return r;
}

unsigned lookup_places(void)
{
	return lookup.bpf ? lookup.n : 0;
}

void lookup_poll(void)
{
	if (lookup.bpf)
		give_listeners();
}

void lookup_close(void)
{
	if (!lookup.bpf)
		return;
	bpf_lookup_close(lookup.bpf);
	lookup.bpf = NULL;
	for (unsigned slot = 0; slot < SLOTS; slot++)
		if (lookup.fd[slot] >= 0)
			close(lookup.fd[slot]);
}
