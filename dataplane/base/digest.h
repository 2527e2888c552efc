/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests: short names for texts that must not be shown (equal for equal texts, and of no use
 * otherwise), and what signatures are made of.
 *
 * Threads: any.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

#define DIGEST_TEXT 33

/* 32 hexadecimal digits, the beginning of the text's SHA-256; returns dst. */
char *digest_text(char dst[DIGEST_TEXT], const char *text);
/* 32 hexadecimal digits in lower case, the MD5 of n pieces one after the other; allocates nothing.
 * For formats that ask for it: where we choose, it is digest_text(). Returns dst. */
char *digest_md5(char dst[DIGEST_TEXT], const struct slice *pieces, size_t n);
/* Whether n bytes are equal; takes as long for a wrong one as for the right one. */
bool digest_same(const void *a, const void *b, size_t n);

#endif
