/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parameters of a request: name and value pairs from a query string or a form body.
 *
 * Percent-decoded, `+` is a blank. A bad escape, a NUL, text that is not UTF-8, a name given twice
 * and more than PARAMS_MAX parameters are refused, so what is inside may go into JSON and into a
 * signature as it is. Threads: pure, any.
 */
#ifndef CONTROLPLANE_PARAMS_H
#define CONTROLPLANE_PARAMS_H

#include <stddef.h>

#define PARAMS_MAX 128

struct param {
	char *name, *value;
};

struct params {
	struct param v[PARAMS_MAX];
	unsigned n;
};

/*
 * Adds what `text` (n bytes, "a=1&b=2") holds; p begins as all zero. 0, or -EINVAL with *rule;
 * either way params_fini frees what was added.
 */
int params_parse(struct params *p, const char *text, size_t n, const char **rule);
void params_fini(struct params *p);
/* NULL where it was not given. */
const char *params_value(const struct params *p, const char *name);

#endif
