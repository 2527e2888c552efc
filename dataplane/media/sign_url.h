/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed URLs: who knows a domain's key may publish or play until a time (base/sign_hash.h has the
 * three types).
 *
 * A URL is good until its TIME plus the domain's window. PATH begins with '/' and ends before '?': as
 * the client wrote it, with .flv or .m3u8 where it plays by HTTP, without where it comes by RTMP. Two
 * keys are equally good, so that they can be changed one after the other. Types b and c put the
 * signature before the path: there it is the beginning of the application, until it is taken away.
 *
 * Hashes are compared in a time that does not tell how much of them was right, and a hash that could
 * not be right (too long, not hexadecimal) costs none. Threads: pure, any.
 */
#ifndef MEDIA_SIGN_URL_H
#define MEDIA_SIGN_URL_H

#include "base/sign_hash.h"

#define SIGN_KEY_MAX	128
#define SIGN_TEXT_MAX	192 /* of an auth_key */
#define SIGN_PREFIX_MAX 48  /* of what stands before a path */
#define SIGN_PATHS_MAX	4

struct sign_rule {
	uint8_t type; /* enum sign_type */
	uint32_t window_s;
	char key[2][SIGN_KEY_MAX + 1]; /* "": there is none */
};

enum sign_result {
	SIGN_OK,
	SIGN_MISSING,	/* there is no signature */
	SIGN_MALFORMED, /* it has another form */
	SIGN_EXPIRED,
	SIGN_MISMATCH,
};

/* What a URL is checked by; NULL paths are passed over. */
struct sign_request {
	const char *const *paths;
	unsigned paths_n;   /* at most SIGN_PATHS_MAX */
	const char *prefix; /* sign_take_prefix() */
	const char *params; /* "k=v&..", as the client wrote them */
};

/* Of a good URL. */
struct sign_good {
	uint64_t until_s;
	unsigned key; /* which of the rule's two */
};

/*
 * Takes a signature away that stands before an application, "TIME/HASH/app" or "HASH/TIME/app"; "" into
 * prefix where there is none, or the type has none there.
 */
void sign_take_prefix(enum sign_type type, char *app, char prefix[SIGN_PREFIX_MAX]);
/* Whether the request is signed for one of its paths; *good is set where it is. */
enum sign_result sign_check(const struct sign_rule *r, const struct sign_request *q, uint64_t now_s,
			    struct sign_good *good);
/* "TIME-RAND-UID-HASH" into dst[SIGN_TEXT_MAX]; rand and uid at most 32 bytes each. Returns dst. */
char *sign_make(char *dst, const char *key, const char *path, uint64_t time_s, const char *rand,
		const char *uid);

#endif
