/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of one command, from a table that is also its help.
 *
 * "--name VALUE", "--name=VALUE" and flags, in any order among the other words; "--" ends them.
 * Threads: pure, any.
 */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <stddef.h>
#include <stdio.h>

#define ARGS_OPTS 32
#define ARGS_REST 256

struct opt {
	const char *name;  /* without the dashes */
	const char *value; /* what its value is called in the help; NULL: a flag */
	const char *help;
};

struct args {
	const char
		*value[ARGS_OPTS]; /* by the option's place in its table; "" for a flag; or NULL */
	const char *rest[ARGS_REST];
	unsigned n_rest;
	/* Every option given more than once keeps its last value; all of them are here in order. */
	struct {
		unsigned opt;
		const char *value;
	} given[ARGS_REST];
	unsigned n_given;
};

/* 0, or -EINVAL with one line in err. Values point into argv. */
int args_parse(struct args *a, const struct opt *opts, int argc, char *const *argv, char *err,
	       size_t n);
/* The table as aligned lines of help. */
void args_help(const struct opt *opts, FILE *to);
/* The candidate nearest to a mistyped word, or NULL when none is near. */
const char *args_nearest(const char *word, const char *const *candidates, size_t n);

#endif
