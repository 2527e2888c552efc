/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed URLs, made and checked (base/sign_hash.h has the three types).
 *
 * The path is what stands between host and query, with .flv or .m3u8 where it plays by HTTP. A URL is
 * good until its timestamp + window. Type b signs before the path; type c is made as KEY1 and KEY2 in
 * the query, and taken there or before the path. Threads: pure, any.
 */
#ifndef CONTROLPLANE_URL_SIGN_H
#define CONTROLPLANE_URL_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "base/sign_hash.h"

#define URL_AUTH_TEXT 128

struct url_signer {
	enum sign_type type;	/* SIGN_NONE: nothing is signed */
	const char *key, *rand; /* rand: at most 40 characters, type a only */
	int64_t timestamp_s;
};

/* What signing a path adds to a URL. */
struct url_signature {
	char before[URL_AUTH_TEXT]; /* "" or "/TIME/HASH", before the path */
	char query[URL_AUTH_TEXT];  /* "" or "auth_key=..", a part of the query */
};

void url_sign(struct url_signature *out, const struct url_signer *s, const char *path);
/*
 * What is wrong with a whole URL: NULL (nothing), "INVALID AUTH_KEY", "INVALID TIMESTAMP" or
 * "INVALID MD5HASH". keys: two, "" for none.
 */
const char *url_auth_check(const char *url, enum sign_type type, const char *const keys[2],
			   int64_t window_s, int64_t now_s);

#endif
