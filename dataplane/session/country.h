/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which country an address is in, by a file in MaxMind's format (domain.country_database).
 *
 * The file is mapped, found wrong or right once, and replaced as a whole: cores go on with the old one
 * until they pass a quiet point. A country is its two capital letters, and a place from 0 on in sets.
 *
 * Threads: country_find() on cores, between quiet points, without memory or locks; the others but for
 * the pure ones on one thread at a time.
 */
#ifndef SESSION_COUNTRY_H
#define SESSION_COUNTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cidr.h"
#include "base/conf.h"

#define COUNTRY_PLACES (26u * 26u)

struct engine;

struct country_set {
	uint64_t word[(COUNTRY_PLACES + 63) / 64];
};

static inline void country_set_add(struct country_set *s, unsigned place)
{
	s->word[place / 64] |= 1ull << (place % 64);
}

static inline bool country_set_has(const struct country_set *s, unsigned place)
{
	return s->word[place / 64] >> (place % 64) & 1;
}

/* Where "CN" stands in sets; false: not two capital letters. */
bool country_place(const char *text, unsigned *place);
/* false: nothing is known of the address. */
bool country_find(const struct ip *from, unsigned *place);

/* Opens the file of c, which is used from country_use() on; 0, or -EINVAL with err->text. */
int country_load(const struct config *c, struct conf_error *err);
/* The file that was loaded last is the one now. */
void country_use(struct engine *e);
/* After the cores have stopped. */
void country_fini(void);

#endif
