/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AccessKey pair in STATE/credentials.json, made at the first start.
 *
 * There is no default secret. A file that others may read is refused: whoever read it has the key.
 */
#ifndef CONTROLPLANE_CREDS_H
#define CONTROLPLANE_CREDS_H

#include <stddef.h>

struct creds {
	char id[129], secret[129];
};

/* A new pair that nobody can guess. */
void creds_make(struct creds *c);
/* Reads `path`, or makes it (mode 0600). 0 or -errno with one line in err. */
int creds_load(struct creds *c, const char *path, char *err, size_t err_n);

#endif
