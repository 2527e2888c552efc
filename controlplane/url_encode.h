/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Percent-encoding (RFC 3986): everything but unreserved characters becomes %XX.
 *
 * Threads: pure, any.
 */
#ifndef CONTROLPLANE_URL_ENCODE_H
#define CONTROLPLANE_URL_ENCODE_H

#include <stddef.h>
#include <stdio.h>

/* The characters of `plain` stay as they are too. */
void url_encode(FILE *to, const char *text, const char *plain);
/* A path, in which '/' stays; NULL where it does not fit. */
char *url_encode_path(char *dst, size_t n, const char *path);

#endif
