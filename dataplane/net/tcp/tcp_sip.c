/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp/tcp_sip.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

static_assert(sizeof(struct tcp_tuple) == 40, "hashed as bytes: no padding");

static inline uint64_t le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline uint64_t rotl(uint64_t x, unsigned b)
{
	return x << b | x >> (64 - b);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

struct sip_key sip_key_of(const uint8_t bytes[SIP_KEY_BYTES])
{
	return (struct sip_key){{le64(bytes), le64(bytes + 8)}};
}

uint64_t sip_hash(const struct sip_key *k, const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t v[4] = {k->k[0] ^ 0x736f6d6570736575ull, k->k[1] ^ 0x646f72616e646f6dull,
			 k->k[0] ^ 0x6c7967656e657261ull, k->k[1] ^ 0x7465646279746573ull};
	uint64_t last = (uint64_t)(n & 0xff) << 56, word;

	for (; n >= 8; n -= 8, b += 8) {
		word = le64(b);
		v[3] ^= word;
		sip_round(v);
		sip_round(v);
		v[0] ^= word;
	}
	for (size_t i = 0; i < n; i++)
		last |= (uint64_t)b[i] << 8 * i;
	v[3] ^= last;
	sip_round(v);
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
