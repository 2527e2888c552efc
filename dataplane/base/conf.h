/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading the configuration: a YAML file checked against api/config.def.
 *
 * Validate everything, then store: on any error the caller's struct is unchanged and the message
 * is one line that names file, line, key and rule; an unknown key gets the nearest known one.
 * Threads: any, no state.
 */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "api/config.h"

struct conf_error {
	char text[512];
};

/* One key as the tables know it. */
struct conf_key {
	const char *path, *help;
	enum conf_type type;
	enum conf_when when;
	int64_t min, max;
	size_t offset;
};

/* Every key, in the order of config.def; *n is set. */
const struct conf_key *conf_keys(size_t *n);

void conf_defaults(struct config *c);
/* path NULL: defaults only. 0, or -EINVAL (content), or -errno of opening; e->text says it. */
int conf_load(struct config *c, const char *path, struct conf_error *e);
/* The same of a file's content that is not there yet; name stands in messages. */
int conf_load_text(struct config *c, const char *name, const char *text, size_t n,
		   struct conf_error *e);
/* Sets one key from text ("rtmp.listen", "0.0.0.0:1935"); rules and messages as in a file. */
int conf_set(struct config *c, const char *key, const char *value, struct conf_error *e);
/* Rules between keys (max_lag against retain, ticks, ...); conf_load ends with it. */
int conf_check(const struct config *c, struct conf_error *e);
/* The value as conf_set() takes it: "10s", "64k", "true". */
void conf_value_text(const struct config *c, const struct conf_key *k, char *dst, size_t n);
/* The same for people's eyes: without passwords and keys. */
void conf_value_shown(const struct config *c, const struct conf_key *k, char *dst, size_t n);
/* When a change of the key counts: "now", "new_sessions" or "restart". */
const char *conf_when_text(enum conf_when when);
/* A commented YAML file with every key and its default: configs/millrace.yaml. */
void conf_write_sample(FILE *to);
/* Calls back with each key whose values differ. */
void conf_diff(const struct config *a, const struct config *b,
	       void (*each)(void *arg, const struct conf_key *k), void *arg);
/* state_dir with its default filled in; 0 or -ENAMETOOLONG. */
int conf_state_dir(const struct config *c, char *dst, size_t n);

#endif
