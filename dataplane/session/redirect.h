/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a redirect leads: a reference resolved against the URL that answered with it (RFC 3986,
 * 5.2), with its dot segments removed, so that the same place is always the same text. HTTP and RTMP
 * (interop C15) lead to their own kind only.
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
 * the host stays by itself. 0, or -EINVAL with *rule: no URL of from's kind comes out of it.
 */
int redirect_join(const struct url *from, const char *to, struct url *out, const char **rule);
/*
 * Where Connect.Rejected with another server's tcUrl leads: the stream there. What does not fit is
 * cut, and so too long for redirect_join().
 */
void redirect_rtmp(char dst[REDIRECT_TEXT_MAX], struct slice tc_url, const char *stream);
/* https, rtmps */
bool redirect_by_tls(const struct url *u);

#endif
