/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed URLs: who knows a domain's key may publish or play until a time.
 *
 * Type A: auth_key=TIME-RAND-UID-HASH, HASH = md5("PATH-TIME-RAND-UID-KEY") in lower case, TIME in
 * seconds of the wall clock; the URL is good until TIME plus the domain's window. PATH begins with '/'
 * and ends before '?': as the client wrote it, with .flv or .m3u8 where it plays by HTTP, without
 * where it comes by RTMP. Two keys are equally good, so that they can be changed one after the other.
 *
 * Hashes are compared in a time that does not tell how much of them was right, and a hash that could
 * not be right (too long, not hexadecimal) costs none. Threads: pure, any.
 */
#ifndef MEDIA_SIGN_URL_H
#define MEDIA_SIGN_URL_H

#include <stdbool.h>
#include <stdint.h>

#define SIGN_KEY_MAX   128
#define SIGN_TEXT_MAX  192 /* of an auth_key */
#define SIGN_PATHS_MAX 4

enum sign_type { SIGN_NONE, SIGN_A };

struct sign_rule {
	uint8_t type; /* enum sign_type */
	uint32_t window_s;
	char key[2][SIGN_KEY_MAX + 1]; /* "": there is none */
};

enum sign_result {
	SIGN_OK,
	SIGN_MISSING,	/* there is no auth_key */
	SIGN_MALFORMED, /* it has another form */
	SIGN_EXPIRED,
	SIGN_MISMATCH,
};

/*
 * Whether params ("k=v&..", as the client wrote them) hold a signature for one of the n paths (at
 * most SIGN_PATHS_MAX; NULL ones are passed over). *until_s: when a good one ends.
 */
enum sign_result sign_check(const struct sign_rule *r, const char *const *paths, unsigned n,
			    const char *params, uint64_t now_s, uint64_t *until_s);
/* What a check of a URL says to people: "INVALID AUTH_KEY" and so on, "" where it is good. */
const char *sign_diagnosis(enum sign_result result);
/* "TIME-RAND-UID-HASH" into dst[SIGN_TEXT_MAX]; rand and uid at most 32 bytes each. Returns dst. */
char *sign_make(char *dst, const char *key, const char *path, uint64_t time_s, const char *rand,
		const char *uid);

#endif
