/* SPDX-License-Identifier: Apache-2.0 */
/* How far apart two words are: for "did you mean". Threads: any, pure. */
#ifndef BASE_WORD_H
#define BASE_WORD_H

#define WORD_MAX 128 /* bytes of b */

/* Letters to change, add or drop to get from a to b; UINT_MAX when b is longer than WORD_MAX - 1. */
unsigned word_distance(const char *a, const char *b);

#endif
