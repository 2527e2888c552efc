/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/sign.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/check.h"
#include "controlplane/rules.h"

/* ---- text to sign -------------------------------------------------------------------------- */

struct text {
	char *p;
	size_t n, cap;
};

static void text_add(struct text *t, char c)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 1024;
		t->p = realloc(t->p, t->cap);
		must(t->p);
	}
	t->p[t->n++] = c;
}

static void text_encoded(struct text *t, const char *s, size_t n)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if ((c < 0x80 && isalnum(c)) || c == '-' || c == '_' || c == '.' || c == '~') {
			text_add(t, (char)c);
			continue;
		}
		text_add(t, '%');
		text_add(t, digits[c >> 4]);
		text_add(t, digits[c & 15]);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct param *)a)->name, ((const struct param *)b)->name);
}

static struct text canonical_query(const struct params *p)
{
	struct param sorted[PARAMS_MAX];
	struct text q = {0};

	memcpy(sorted, p->v, p->n * sizeof(sorted[0]));
	qsort(sorted, p->n, sizeof(sorted[0]), by_name);
	for (unsigned i = 0; i < p->n; i++) {
		if (!strcmp(sorted[i].name, "Signature"))
			continue;
		if (q.n)
			text_add(&q, '&');
		text_encoded(&q, sorted[i].name, strlen(sorted[i].name));
		text_add(&q, '=');
		text_encoded(&q, sorted[i].value, strlen(sorted[i].value));
	}
	return q;
}

void sign_v1(char dst[SIGN_TEXT], const char *method, const struct params *p, const char *secret)
{
	struct text query = canonical_query(p), all = {0};
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned mac_n = 0;
	char key[256];
	int key_n = snprintf(key, sizeof(key), "%s&", secret);

	must(key_n > 0 && (size_t)key_n < sizeof(key));
	for (const char *m = method; *m; m++)
		text_add(&all, *m);
	for (const char *m = "&%2F&"; *m; m++)
		text_add(&all, *m);
	text_encoded(&all, query.p, query.n);
	must(HMAC(EVP_sha1(), key, key_n, (unsigned char *)all.p, all.n, mac, &mac_n) &&
	     mac_n == 20);
	EVP_EncodeBlock((unsigned char *)dst, mac, (int)mac_n);
	OPENSSL_cleanse(key, sizeof(key));
	free(query.p);
	free(all.p);
}

/* ---- nonces -------------------------------------------------------------------------------- */

/*
 * A ring in order of arrival, and chains through it by hash. All nonces are kept for the same time, so
 * the oldest is the first to go; a change of that time only lets some stay longer.
 */
struct nonce {
	unsigned char digest[16];
	uint64_t until_ms;
	uint32_t next; /* in its chain: index + 1 */
};

struct nonces {
	uint32_t max, first, used, chains;
	uint32_t *chain; /* index + 1 */
	struct nonce ring[];
};

struct nonces *nonces_new(unsigned max)
{
	struct nonces *n = calloc(1, sizeof(*n) + max * sizeof(n->ring[0]));

	must(n && max);
	n->max = max;
	n->chains = max;
	n->chain = calloc(n->chains, sizeof(n->chain[0]));
	must(n->chain);
	return n;
}

void nonces_free(struct nonces *n)
{
	if (!n)
		return;
	free(n->chain);
	free(n);
}

static uint32_t *chain_of(struct nonces *n, const unsigned char digest[16])
{
	uint32_t h;

	memcpy(&h, digest, sizeof(h));
	return &n->chain[h % n->chains];
}

static void forget_oldest(struct nonces *n)
{
	uint32_t *at = chain_of(n, n->ring[n->first].digest);

	while (*at != n->first + 1)
		at = &n->ring[*at - 1].next;
	*at = n->ring[n->first].next;
	n->first = (n->first + 1) % n->max;
	n->used--;
}

enum nonce_use nonces_take(struct nonces *n, const char *nonce, uint64_t now_ms, uint64_t keep_ms)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct nonce *fresh;
	uint32_t *chain, at;

	while (n->used && n->ring[n->first].until_ms <= now_ms)
		forget_oldest(n);
	must(EVP_Digest(nonce, strlen(nonce), digest, NULL, EVP_sha256(), NULL));
	chain = chain_of(n, digest);
	for (at = *chain; at; at = n->ring[at - 1].next)
		if (!memcmp(n->ring[at - 1].digest, digest, sizeof(n->ring[0].digest)))
			return NONCE_AGAIN;
	if (n->used == n->max)
		return NONCE_FULL;
	at = (n->first + n->used++) % n->max;
	fresh = &n->ring[at];
	memcpy(fresh->digest, digest, sizeof(fresh->digest));
	fresh->until_ms = now_ms + keep_ms;
	fresh->next = *chain;
	*chain = at + 1;
	return NONCE_FIRST;
}

/* ---- the check ----------------------------------------------------------------------------- */

static bool have_all(const struct params *p, struct refusal *r)
{
	static const char *const names[] = {"AccessKeyId",    "Signature", "SignatureMethod",
					    "SignatureNonce", "Timestamp", "SignatureVersion"};

	for (size_t i = 0; i < array_len(names); i++) {
		const char *value = params_value(p, names[i]);

		if (!value || !*value)
			return refuse(r, 400, "MissingParameter",
				      "%s is missing: every request must be signed.", names[i]);
	}
	return true;
}

static bool have_form(const struct params *p, uint64_t now_ms, uint64_t window_ms,
		      struct refusal *r)
{
	const char *method = params_value(p, "SignatureMethod");
	const char *version = params_value(p, "SignatureVersion");
	const char *stamp = params_value(p, "Timestamp");
	const char *nonce = params_value(p, "SignatureNonce");
	int64_t at, off_ms;

	if (strcmp(method, "HMAC-SHA1"))
		return refuse(r, 400, "InvalidParameter",
			      "SignatureMethod must be HMAC-SHA1; it is \"%.64s\".", method);
	if (strcmp(version, "1.0"))
		return refuse(r, 400, "InvalidParameter",
			      "SignatureVersion must be 1.0; it is \"%.64s\".", version);
	if (strlen(nonce) > 128)
		return refuse(r, 400, "InvalidParameter",
			      "SignatureNonce must be at most 128 bytes long.");
	if (!time_parse(stamp, &at))
		return refuse(r, 400, "InvalidTimeStamp.Format",
			      "Timestamp must have the form yyyy-MM-ddTHH:mm:ssZ; it is \"%.64s\".",
			      stamp);
	off_ms = at * 1000 - (int64_t)now_ms;
	if (llabs(off_ms) > (int64_t)window_ms)
		return refuse(
			r, 400, "InvalidTimeStamp.Expired",
			"Timestamp %s is %lld s away from this node's clock; %lld s are allowed.",
			stamp, llabs(off_ms) / 1000, (long long)window_ms / 1000);
	return true;
}

bool sign_check(const struct params *p, const char *method, const struct creds *creds,
		struct nonces *nonces, uint64_t now_ms, uint64_t window_ms, struct refusal *r)
{
	char right[SIGN_TEXT];
	const char *given;

	if (!have_all(p, r))
		return false;
	if (strcmp(params_value(p, "AccessKeyId"), creds->id))
		return refuse(r, 404, "InvalidAccessKeyId.NotFound",
			      "AccessKeyId \"%.64s\" is not known here.",
			      params_value(p, "AccessKeyId"));
	if (!have_form(p, now_ms, window_ms, r))
		return false;
	sign_v1(right, method, p, creds->secret);
	given = params_value(p, "Signature");
	if (strlen(given) != SIGN_TEXT - 1 || CRYPTO_memcmp(given, right, SIGN_TEXT - 1))
		return refuse(r, 403, "SignatureDoesNotMatch",
			      "The Signature does not match: check the AccessKeySecret and how the "
			      "parameters are sorted and encoded.");
	switch (nonces_take(nonces, params_value(p, "SignatureNonce"), now_ms, 2 * window_ms)) {
	case NONCE_FIRST:
		return true;
	case NONCE_AGAIN:
		return refuse(r, 400, "SignatureNonceUsed",
			      "The SignatureNonce was used before; every request needs its own.");
	case NONCE_FULL:
		break;
	}
	return refuse(r, 503, "Throttling",
		      "Too many signed requests within the clock window; try again later.");
}
