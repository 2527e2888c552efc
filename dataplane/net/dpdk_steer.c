/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device that spreads packets by RSS uses this key and its table, which we read back: so we know
 * the core of a connection before there is one, and choose the port of a connection that we open
 * accordingly. For all other devices the same core is found by a hash of ours, and packets that come
 * to another one are handed over.
 */
#include "net/dpdk.h"

#include "base/bytes.h"

uint8_t dpdk_rss_key[DPDK_RSS_KEY_BYTES] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static uint32_t toeplitz(const struct ip *remote, uint16_t rport, const struct ip *local,
			 uint16_t lport)
{
	uint32_t w[9], n = 0;
	unsigned skip = ip_is_v4(remote) ? 12 : 0;

	for (unsigned i = skip; i < 16; i += 4)
		w[n++] = get_be32(remote->b + i);
	for (unsigned i = skip; i < 16; i += 4)
		w[n++] = get_be32(local->b + i);
	w[n++] = (uint32_t)rport << 16 | lport;
	return rte_softrss(w, n, dpdk_rss_key);
}

static uint32_t mixed(const struct ip *remote, uint16_t rport, const struct ip *local,
		      uint16_t lport)
{
	uint64_t h = get_be64(remote->b) ^ get_be64(remote->b + 8);

	h = (h ^ get_be64(local->b + 8)) * 0x9e3779b97f4a7c15u;
	h = (h ^ h >> 29 ^ ((uint64_t)rport << 16 | lport)) * 0xbf58476d1ce4e5b9u;
	return (uint32_t)(h >> 33);
}

unsigned dpdk_core_of(const struct dpdk_host *h, const struct ip *remote, uint16_t rport,
		      const struct ip *local, uint16_t lport)
{
	if (h->cores == 1)
		return 0;
	if (h->steered)
		return h->reta[toeplitz(remote, rport, local, lport) % h->reta_n];
	return mixed(remote, rport, local, lport) % h->cores;
}

unsigned dpdk_core_of_packet(const struct dpdk_host *h, const uint8_t *p, size_t n)
{
	bool v6 = p[0] >> 4 == 6;
	size_t head = v6 ? 40 : (p[0] & 15u) * 4;
	struct ip remote, local;

	if (n < head + 4)
		return 0;
	if (v6) {
		memcpy(remote.b, p + 8, 16);
		memcpy(local.b, p + 24, 16);
	} else {
		remote = ip_of_v4(p + 12);
		local = ip_of_v4(p + 16);
	}
	return dpdk_core_of(h, &remote, get_be16(p + head), &local, get_be16(p + head + 2));
}
