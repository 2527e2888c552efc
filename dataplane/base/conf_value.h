/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One configuration value between text and number: the types of config.def and their rules.
 *
 * The inside of base/conf.h; other rooms use that. Threads: any, pure.
 */
#ifndef BASE_CONF_VALUE_H
#define BASE_CONF_VALUE_H

#include <stdbool.h>

#include "base/conf.h"

/* Parses and checks; stores into c and returns true, or writes the rule that was broken. */
bool conf_value_set(struct config *c, const struct conf_key *k, const char *text, char *rule,
		    size_t n);
/* "host:port", "[v6]:port" or ":port", several separated by blanks. */
bool conf_addresses_ok(const char *s);
/* The i-th word of an ENUM key's {a|b|c} into word; false after the last. */
bool conf_enum_word(const struct conf_key *k, unsigned i, char *word, size_t n);
/* What may stand there, for people: "a duration from 1s to 10m". */
void conf_rule_text(const struct conf_key *k, char *dst, size_t n);
/* Why a key or section of this name is not known, with the nearest one that is. */
void conf_unknown_text(const char *name, char *dst, size_t n);

#endif
