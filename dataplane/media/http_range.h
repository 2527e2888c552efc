/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Range requests for one range of bytes (RFC 9110, 14).
 *
 * Several ranges, and units other than bytes, are answered with the whole, which is allowed. Threads:
 * pure, any.
 */
#ifndef MEDIA_HTTP_RANGE_H
#define MEDIA_HTTP_RANGE_H

#include <stdint.h>

#include "base/bytes.h"

enum http_range { HTTP_RANGE_WHOLE, HTTP_RANGE_PART, HTTP_RANGE_UNSATISFIABLE };

/* value: of the Range header, p NULL where there is none; n: bytes of the whole, 1..INT64_MAX. PART sets
 * *first and *last, both included. */
enum http_range http_range_parse(struct slice value, uint64_t n, uint64_t *first, uint64_t *last);

#endif
