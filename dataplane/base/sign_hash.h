/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What signed URLs of the live service are made of, for those who check them and those who make them.
 *
 *   type  URL                                       HASH is the MD5 of                 TIME is written
 *   a     PATH?auth_key=TIME-RAND-UID-HASH          PATH-TIME-RAND-UID-KEY             in decimal
 *   b     /TIME/HASH + PATH                         KEY + TIME + PATH                  YYYYMMDDHHMM, UTC+8
 *   c     /HASH/TIME + PATH, or                     KEY + PATH + TIME                  in hexadecimal
 *         PATH?KEY1=HASH&KEY2=TIME
 *
 * Times are seconds of the wall clock, of type b whole minutes; the hash is in lower case.
 * Threads: pure, any.
 */
#ifndef BASE_SIGN_HASH_H
#define BASE_SIGN_HASH_H

#include <stdint.h>

#include "base/digest.h"

#define SIGN_HASH_CHARS 32
#define SIGN_TIME_TEXT	24

enum sign_type { SIGN_NONE, SIGN_A, SIGN_B, SIGN_C };

/* "type_b" and the like, as functions of a domain call it; SIGN_NONE for all else. */
enum sign_type sign_type_of(const char *word);
/* stamp: "TIME-RAND-UID" for type a, TIME for the others. Returns dst. */
char *sign_hash(char dst[DIGEST_TEXT], enum sign_type type, struct slice path, struct slice stamp,
		const char *key);
/* What a TIME says; false: it is not one. */
bool sign_time(uint64_t *time_s, enum sign_type type, struct slice text);
/* TIME as it is written; returns dst. */
char *sign_time_text(char dst[SIGN_TIME_TEXT], enum sign_type type, uint64_t time_s);

#endif
