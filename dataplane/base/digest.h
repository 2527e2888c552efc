/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short names for texts that must not be shown: equal for equal texts, and of no use otherwise.
 *
 * Threads: any.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#define DIGEST_TEXT 33

/* 32 hexadecimal digits, the beginning of the text's SHA-256; returns dst. */
char *digest_text(char dst[DIGEST_TEXT], const char *text);

#endif
