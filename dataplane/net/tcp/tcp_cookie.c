/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp/tcp_cookie.h"

#include "base/check.h"
#include "net/tcp/tcp_hdr.h"

/* The smallest is also for peers that say less; the others are what paths have. */
static const uint16_t sizes[8] = {216, 536, 1220, 1320, 1400, 1440, 1460, 8940};

#define SIZE_BITS  7u
#define HIGH	   0xff000000u
#define STAMP_SACK 16u
#define STAMP_MASK 63u
#define STAMP_NONE 15u /* no window scale: 15 is more than any may be */

/*
 * Who and when in the high bits, enough that most of what is nobody's is answered with RST; for what,
 * too, in the others, enough that a later segment of a client does not pass for its first one.
 */
static uint32_t mac(const struct sip_key *k, const struct tcp_tuple *t, uint32_t irs,
		    uint64_t period, uint32_t size)
{
	struct {
		struct tcp_tuple tuple;
		uint64_t period;
		uint32_t irs, size;
	} in = {*t, period, 0, 0};
	uint32_t high = (uint32_t)sip_hash(k, &in, sizeof(in)) & HIGH;

	in.irs = irs;
	in.size = size + 1;
	return high | ((uint32_t)sip_hash(k, &in, sizeof(in)) & ~HIGH & ~SIZE_BITS);
}

uint32_t tcp_cookie_make(const struct sip_key *k, const struct tcp_tuple *t, uint32_t irs,
			 uint16_t mss, uint64_t now_us)
{
	uint32_t size = array_len(sizes) - 1;

	while (size && sizes[size] > mss)
		size--;
	return mac(k, t, irs, now_us / COOKIE_PERIOD_US, size) | size;
}

enum tcp_cookie_verdict tcp_cookie_check(struct tcp_cookie *c, const struct sip_key *k,
					 const struct tcp_tuple *t, uint32_t irs, uint32_t cookie,
					 uint64_t now_us)
{
	uint64_t period = now_us / COOKIE_PERIOD_US;
	uint32_t size = cookie & SIZE_BITS;
	enum tcp_cookie_verdict v = COOKIE_BAD;

	c->mss = sizes[size];
	for (unsigned age = 0; age <= min_of(period, 1); age++) {
		uint32_t m = mac(k, t, irs, period - age, size) | size;

		if (m == cookie)
			return COOKIE_GOOD;
		if (!((m ^ cookie) & HIGH))
			v = COOKIE_EARLY;
	}
	return v;
}

uint32_t tcp_cookie_stamp(const struct tcp_cookie *c, uint32_t clock)
{
	uint32_t low = c->wscale == TCP_NO_WSCALE ? STAMP_NONE : c->wscale;
	uint32_t stamp;

	if (c->sack_ok)
		low |= STAMP_SACK;
	stamp = (clock & ~STAMP_MASK) | low;
	/* Never ahead of the clock: later timestamps of the connection must not be older. */
	return (int32_t)(stamp - clock) > 0 ? stamp - STAMP_MASK - 1 : stamp;
}

void tcp_cookie_unstamp(struct tcp_cookie *c, uint32_t tsecr)
{
	uint32_t scale = tsecr & STAMP_NONE;

	c->wscale = scale == STAMP_NONE ? TCP_NO_WSCALE : (uint8_t)scale;
	c->sack_ok = tsecr & STAMP_SACK;
}
