/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp/tcp_tw.h"

#include <string.h>

#include "base/check.h"

static_assert(sizeof(struct tcp_tw) == 32, "the whole point");

void tcp_tws_init(struct tcp_tws *t, struct tcp_tw *mem, uint32_t n, uint16_t hold_s)
{
	must(n >= TCP_TW_BUCKET && !(n & (n - 1)));
	memset(mem, 0, n * sizeof(*mem));
	*t = (struct tcp_tws){mem, n / TCP_TW_BUCKET, hold_s};
}

/* Seconds that it still has; more than the whole time is an entry from an earlier turn: none. */
static unsigned left(const struct tcp_tws *t, const struct tcp_tw *w, uint32_t now_s)
{
	unsigned s = (uint16_t)(w->until_s - (uint16_t)now_s);

	return w->rport && s <= t->hold_s ? s : 0;
}

static struct tcp_tw *bucket(struct tcp_tws *t, uint32_t hash)
{
	return t->entry + (size_t)(hash & (t->buckets - 1)) * TCP_TW_BUCKET;
}

bool tcp_tws_add(struct tcp_tws *t, uint32_t hash, const struct tcp_tw *w, uint32_t now_s)
{
	struct tcp_tw *b = bucket(t, hash), *victim = b;
	bool lost;

	for (unsigned i = 0; i < TCP_TW_BUCKET; i++) {
		if (!left(t, &b[i], now_s)) {
			victim = &b[i];
			break;
		}
		if (left(t, &b[i], now_s) < left(t, victim, now_s))
			victim = &b[i];
	}
	lost = left(t, victim, now_s);
	*victim = *w;
	tcp_tw_renew(t, victim, now_s);
	return lost;
}

struct tcp_tw *tcp_tws_find(struct tcp_tws *t, uint32_t hash, const struct tcp_tw *key,
			    uint32_t now_s)
{
	struct tcp_tw *b = bucket(t, hash);

	for (unsigned i = 0; i < TCP_TW_BUCKET; i++) {
		if (b[i].rport != key->rport || b[i].lport != key->lport ||
		    b[i].local != key->local || memcmp(&b[i].remote, &key->remote, 16))
			continue;
		if (left(t, &b[i], now_s))
			return &b[i];
		tcp_tw_del(&b[i]);
	}
	return NULL;
}

void tcp_tw_renew(const struct tcp_tws *t, struct tcp_tw *w, uint32_t now_s)
{
	w->until_s = (uint16_t)(now_s + t->hold_s);
}

void tcp_tw_del(struct tcp_tw *w)
{
	w->rport = 0;
}
