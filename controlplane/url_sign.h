/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed URLs, type A: auth_key={timestamp}-{rand}-{uid}-{md5 of "path-timestamp-rand-uid-key"}.
 *
 * The path is what stands between host and query, with .flv or .m3u8 where it plays by HTTP. A URL
 * is good until timestamp + window. Threads: pure, any.
 */
#ifndef CONTROLPLANE_URL_SIGN_H
#define CONTROLPLANE_URL_SIGN_H

#include <stddef.h>
#include <stdint.h>

#define URL_AUTH_TEXT 128

/* "timestamp-rand-uid-hash" into dst; rand has at most 40 characters. */
char *url_auth_key(char dst[URL_AUTH_TEXT], const char *path, int64_t timestamp_s, const char *rand,
		   const char *key);
/*
 * What is wrong with a whole URL: NULL (nothing), "INVALID AUTH_KEY", "INVALID TIMESTAMP" or
 * "INVALID MD5HASH". keys: two, "" for none.
 */
const char *url_auth_check(const char *url, const char *const keys[2], int64_t window_s,
			   int64_t now_s);

#endif
