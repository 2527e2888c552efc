/* SPDX-License-Identifier: Apache-2.0 */
#include "media/rtmp_hs.h"

#include <string.h>
#include <openssl/evp.h>

#include "base/bytes.h"
#include "base/check.h"

#define VERSION	      3
#define DIGEST_BYTES  32
#define SIGNED_BYTES  (RTMP_HS_HALF - DIGEST_BYTES)
#define DIGEST_WITHIN 728 /* the digest starts this many bytes at most behind its offset field */

/* The first part of a key signs one's own half, the whole key the answer to the peer's half. */
#define PLAYER_KEY_PART 30
#define SERVER_KEY_PART 36
#define KEY_TAIL                                                           \
	"\xf0\xee\xc2\x4a\x80\x68\xbe\xe8\x2e\x00\xd0\xd1\x02\x9e\x7e\x57" \
	"\x6e\xec\x5d\x2d\x29\x80\x6f\xab\x93\xb8\xe6\x36\xcf\xeb\x31\xae"

static const uint8_t player_key[PLAYER_KEY_PART + 32] = "Genuine Adobe Flash Player 001" KEY_TAIL;
static const uint8_t server_key[SERVER_KEY_PART + 32] =
	"Genuine Adobe Flash Media Server 001" KEY_TAIL;

/* Version fields that make peers look for a digest. */
static const uint8_t player_version[4] = {9, 0, 124, 2};
static const uint8_t server_version[4] = {4, 5, 0, 1};

static bool hmac(const uint8_t *key, size_t key_n, const uint8_t *p, size_t n,
		 uint8_t out[DIGEST_BYTES])
{
	size_t out_n = 0;

	return EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, key_n, p, n, out, DIGEST_BYTES,
			 &out_n) &&
	       out_n == DIGEST_BYTES;
}

/* Where the digest of a half lies: scheme 1 has the digest block first, scheme 2 the key block. */
static size_t digest_at(const uint8_t *half, uint8_t scheme)
{
	size_t field = scheme == 1 ? 8 : 772;
	uint32_t sum = (uint32_t)half[field] + half[field + 1] + half[field + 2] + half[field + 3];

	return field + 4 + sum % DIGEST_WITHIN;
}

/* The digest of a half: all its bytes but the digest itself. */
static bool half_digest(const uint8_t *half, size_t at, const uint8_t *key, size_t key_n,
			uint8_t out[DIGEST_BYTES])
{
	uint8_t rest[SIGNED_BYTES];

	memcpy(rest, half, at);
	memcpy(rest + at, half + at + DIGEST_BYTES, SIGNED_BYTES - at);
	return hmac(key, key_n, rest, sizeof(rest), out);
}

/* Which scheme a peer's half was signed by; 0: none. */
static uint8_t find_scheme(const uint8_t *half, const uint8_t *key, size_t key_n)
{
	uint8_t digest[DIGEST_BYTES];

	if (!get_be32(half + 4))
		return 0;
	for (uint8_t scheme = 1; scheme <= 2; scheme++) {
		size_t at = digest_at(half, scheme);

		if (half_digest(half, at, key, key_n, digest) &&
		    !memcmp(digest, half + at, DIGEST_BYTES))
			return scheme;
	}
	return 0;
}

/* Signs our own half in place. */
static bool sign_half(uint8_t *half, uint8_t scheme, const uint8_t *key, size_t key_n)
{
	size_t at = digest_at(half, scheme);
	uint8_t digest[DIGEST_BYTES];

	if (!half_digest(half, at, key, key_n, digest))
		return false;
	memcpy(half + at, digest, DIGEST_BYTES);
	return true;
}

/*
 * S2 or C2: the peer's half again, and with a digest scheme a signature over it at its end, made
 * with a key that only who saw the peer's digest can have.
 */
static void answer(uint8_t *out, const uint8_t *half, uint8_t scheme, const uint8_t *key,
		   size_t key_n)
{
	uint8_t derived[DIGEST_BYTES];

	memcpy(out, half, RTMP_HS_HALF);
	if (scheme && hmac(key, key_n, half + digest_at(half, scheme), DIGEST_BYTES, derived))
		hmac(derived, DIGEST_BYTES, out, SIGNED_BYTES, out + SIGNED_BYTES);
}

/* Our own version byte and half, at out. */
static void begin(struct rtmp_hs *h, bool server, const uint8_t *random, uint32_t uptime_ms)
{
	*h = (struct rtmp_hs){.server = server, .state = RTMP_HS_FIRST};
	h->out[0] = VERSION;
	memcpy(h->out + 1, random, RTMP_HS_HALF);
	put_be32(h->out + 1, uptime_ms);
	put_be32(h->out + 5, 0);
}

void rtmp_hs_server(struct rtmp_hs *h, const uint8_t *random, uint32_t uptime_ms)
{
	begin(h, true, random, uptime_ms);
}

void rtmp_hs_client(struct rtmp_hs *h, const uint8_t *random, uint32_t uptime_ms, bool digest)
{
	uint8_t *half = h->out + 1;

	begin(h, false, random, uptime_ms);
	if (digest) {
		memcpy(half + 4, player_version, 4);
		if (!sign_half(half, 1, player_key, PLAYER_KEY_PART))
			put_be32(half + 4, 0);
	}
	h->out_len = 1 + RTMP_HS_HALF;
}

static void answer_client(struct rtmp_hs *h)
{
	const uint8_t *c1 = h->in + 1;
	uint8_t *s1 = h->out + 1;

	h->scheme = find_scheme(c1, player_key, PLAYER_KEY_PART);
	if (h->scheme) {
		memcpy(s1 + 4, server_version, 4);
		if (!sign_half(s1, h->scheme, server_key, SERVER_KEY_PART))
			h->scheme = 0;
	}
	if (!h->scheme)
		put_be32(s1 + 4, 0);
	answer(s1 + RTMP_HS_HALF, c1, h->scheme, server_key, sizeof(server_key));
	h->out_len = RTMP_HS_OUT;
}

static void answer_server(struct rtmp_hs *h)
{
	const uint8_t *s1 = h->in + 1;

	h->scheme = find_scheme(s1, server_key, SERVER_KEY_PART);
	answer(h->out, s1, h->scheme, player_key, sizeof(player_key));
	h->out_len = RTMP_HS_HALF;
}

int rtmp_hs_feed(struct rtmp_hs *h, const uint8_t *p, size_t n)
{
	size_t taken = 0, take;

	if (h->state == RTMP_HS_FIRST && n) {
		if (!h->have && p[0] != VERSION)
			return -REASON_NOT_RTMP;
		taken = min_of(n, sizeof(h->in) - h->have);
		memcpy(h->in + h->have, p, taken);
		h->have += (uint16_t)taken;
		if (h->have < sizeof(h->in))
			return (int)taken;
		if (h->server)
			answer_client(h);
		else
			answer_server(h);
		h->state = RTMP_HS_SECOND;
		h->have = 0;
	}
	if (h->state == RTMP_HS_SECOND) {
		/* What the peer's C2 or S2 says changes nothing (interop T3): it is only counted. */
		take = min_of(n - taken, (size_t)(RTMP_HS_HALF - h->have));
		h->have += (uint16_t)take;
		taken += take;
		if (h->have == RTMP_HS_HALF)
			h->state = RTMP_HS_DONE;
	}
	return (int)taken;
}

static bool starts_with(const uint8_t *p, size_t n, const char *text)
{
	return n && !memcmp(p, text, min_of(n, strlen(text)));
}

const char *rtmp_hs_guess(const uint8_t *p, size_t n)
{
	static const struct {
		const char *start, *name;
	} guesses[] = {
		{"\x16\x03", "tls"},	  {"\r\n\r\n", "proxy-v2"}, {"GET ", "http"},
		{"HEAD ", "http"},	  {"POST ", "http"},	    {"PUT ", "http"},
		{"PATCH ", "http"},	  {"OPTIONS ", "http"},	    {"CONNECT ", "http"},
		{"DELETE ", "http"},	  {"TRACE ", "http"},	    {"PROXY ", "proxy-v1"},
		{"PRI * HTTP/2", "http"}, {"\x06", "rtmpe"},	    {"\x08", "rtmpe"},
		{"\x09", "rtmpe"},
	};

	for (size_t i = 0; i < array_len(guesses); i++) {
		if (starts_with(p, n, guesses[i].start))
			return guesses[i].name;
	}
	return "unknown";
}
