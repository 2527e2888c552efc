/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an HTTP redirect leads: a reference resolved against the URL that answered with it
 * (RFC 3986, 5.2), with its dot segments removed, so that the same place is always the same text.
 *
 * Threads: pure, any.
 */
#ifndef SESSION_REDIRECT_H
#define SESSION_REDIRECT_H

#include "media/url.h"

#define REDIRECT_TEXT_MAX 2048

/* The URL as text, without a default port. 0 or -ENAMETOOLONG. */
int redirect_text(const struct url *u, char dst[REDIRECT_TEXT_MAX]);
/*
 * Absolute, "//host/path", "/path", "?query" and relative references; user and password stay where
 * the host stays by itself. 0, or -EINVAL with *rule: no http or https URL comes out of it.
 */
int redirect_join(const struct url *from, const char *to, struct url *out, const char **rule);

#endif
