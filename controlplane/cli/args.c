/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/cli/args.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/word.h"

const char *args_nearest(const char *word, const char *const *candidates, size_t n)
{
	unsigned best = 3;
	const char *nearest = NULL;

	for (size_t i = 0; i < n; i++) {
		unsigned d = word_distance(word, candidates[i]);

		if (d < best && d < strlen(word)) {
			best = d;
			nearest = candidates[i];
		}
	}
	return nearest;
}

/* Place of the option in its table, or -1. *eq: its "=VALUE", or NULL. */
static int find(const struct opt *opts, const char *word, const char **eq)
{
	size_t n = strcspn(word, "=");

	*eq = word[n] ? word + n + 1 : NULL;
	for (int i = 0; opts[i].name; i++)
		if (strlen(opts[i].name) == n && !strncmp(opts[i].name, word, n))
			return i;
	return -1;
}

static int unknown(const struct opt *opts, const char *word, char *err, size_t n)
{
	const char *names[ARGS_OPTS], *near;
	char bare[64];
	size_t count = 0;

	for (; opts[count].name; count++)
		names[count] = opts[count].name;
	snprintf(bare, sizeof(bare), "%.*s", (int)min_of(strcspn(word, "="), sizeof(bare) - 1),
		 word);
	near = args_nearest(bare, names, count);
	snprintf(err, n, near ? "unknown option --%s; did you mean --%s?" : "unknown option --%s",
		 bare, near);
	return -EINVAL;
}

static int take_option(struct args *a, const struct opt *opts, const char *word, const char *next,
		       bool *used_next, char *err, size_t n)
{
	const char *value;
	int i = find(opts, word, &value);

	*used_next = false;
	if (i < 0)
		return unknown(opts, word, err, n);
	if (!opts[i].value && value) {
		snprintf(err, n, "--%s takes no value", opts[i].name);
		return -EINVAL;
	}
	if (opts[i].value && !value) {
		value = next;
		*used_next = true;
	}
	if (opts[i].value && !value) {
		snprintf(err, n, "--%s needs a value: %s", opts[i].name, opts[i].value);
		return -EINVAL;
	}
	if (a->n_given == ARGS_REST) {
		snprintf(err, n, "too many options");
		return -EINVAL;
	}
	a->value[i] = value ? value : "";
	a->given[a->n_given].opt = (unsigned)i;
	a->given[a->n_given++].value = a->value[i];
	return 0;
}

int args_parse(struct args *a, const struct opt *opts, int argc, char *const *argv, char *err,
	       size_t n)
{
	bool options = true, used_next;

	memset(a, 0, sizeof(*a));
	for (int i = 0; i < argc; i++) {
		const char *word = argv[i];

		if (options && !strcmp(word, "--")) {
			options = false;
		} else if (options && word[0] == '-' && word[1] == '-') {
			if (take_option(a, opts, word + 2, i + 1 < argc ? argv[i + 1] : NULL,
					&used_next, err, n))
				return -EINVAL;
			i += used_next;
		} else if (options && word[0] == '-' && word[1]) {
			snprintf(err, n, "unknown option %.60s; options begin with two dashes",
				 word);
			return -EINVAL;
		} else if (a->n_rest == ARGS_REST) {
			snprintf(err, n, "too many arguments");
			return -EINVAL;
		} else {
			a->rest[a->n_rest++] = word;
		}
	}
	return 0;
}

void args_help(const struct opt *opts, FILE *to)
{
	char left[64];

	for (; opts->name; opts++) {
		snprintf(left, sizeof(left), "--%s%s%s", opts->name, opts->value ? " " : "",
			 opts->value ? opts->value : "");
		fprintf(to, "  %-24s %s\n", left, opts->help);
	}
}
