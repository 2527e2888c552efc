/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Basic authentication of a client (RFC 7617), from the user and password of a URL.
 *
 * Threads: pure, any.
 */
#ifndef MEDIA_HTTP_BASIC_H
#define MEDIA_HTTP_BASIC_H

#include "media/url.h"

#define HTTP_BASIC_MAX 192

/* The value of the Authorization header. 0, or -EINVAL for a bad percent-escape. */
int http_basic(char dst[HTTP_BASIC_MAX], const struct url *u);

#endif
