/* SPDX-License-Identifier: Apache-2.0 */
#include "session/caps.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

static struct {
	_Atomic uint32_t total;
	_Atomic uint32_t cell[CAPS_ROWS][CAPS_CELLS];
	uint64_t secret[2];
	pthread_once_t once;
} caps = {.once = PTHREAD_ONCE_INIT};

static_assert(CAPS_ROWS * 16 == 64 && CAPS_CELLS == 1u << 16, "a hash is cut into one index a row");

static void secret_make(void)
{
	/* Without entropy the counts are still right; only who shares a cell can be foreseen. */
	if (getrandom(caps.secret, sizeof(caps.secret), 0) != (ssize_t)sizeof(caps.secret))
		memset(caps.secret, 0x5a, sizeof(caps.secret));
}

/* What counts as one address: an IPv4 address, or the first 64 bits of an IPv6 one. */
static uint64_t address_of(const union net_addr *a)
{
	const uint8_t *v6 = a->in6.sin6_addr.s6_addr;

	if (a->sa.sa_family == AF_INET)
		return ntohl(a->in.sin_addr.s_addr);
	if (IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
		return get_be32(v6 + 12);
	return get_be64(v6);
}

static uint64_t hash_of(const union net_addr *a)
{
	uint64_t h = address_of(a) ^ caps.secret[0];

	h = (h ^ h >> 32) * 0x9e3779b97f4a7c15u + caps.secret[1];
	h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9u;
	return h ^ h >> 32;
}

static _Atomic uint32_t *cell_of(uint64_t hash, unsigned row)
{
	return &caps.cell[row][(hash >> (16 * row)) & (CAPS_CELLS - 1)];
}

enum reason caps_take(const union net_addr *peer, int64_t total_max, int64_t address_max)
{
	uint32_t least = UINT32_MAX;
	uint64_t h;

	pthread_once(&caps.once, secret_make);
	h = hash_of(peer);
	for (unsigned row = 0; row < CAPS_ROWS; row++) {
		uint32_t n = atomic_load_explicit(cell_of(h, row), memory_order_relaxed);

		if (n < least)
			least = n;
	}
	if (total_max && caps_total() >= total_max)
		return REASON_CAP_CONNECTIONS;
	if (address_max && least >= address_max)
		return REASON_CAP_ADDRESS;
	atomic_fetch_add_explicit(&caps.total, 1, memory_order_relaxed);
	for (unsigned row = 0; row < CAPS_ROWS; row++)
		atomic_fetch_add_explicit(cell_of(h, row), 1, memory_order_relaxed);
	return REASON_NONE;
}

void caps_give(const union net_addr *peer)
{
	uint64_t h = hash_of(peer);

	atomic_fetch_sub_explicit(&caps.total, 1, memory_order_relaxed);
	for (unsigned row = 0; row < CAPS_ROWS; row++)
		atomic_fetch_sub_explicit(cell_of(h, row), 1, memory_order_relaxed);
}

uint32_t caps_total(void)
{
	return atomic_load_explicit(&caps.total, memory_order_relaxed);
}
