/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of logfmt as one JSON object: the same keys in the same order.
 *
 * Whole numbers become numbers, except names that may look like one (id, node, task); all else is
 * text. Bytes that are not UTF-8 are shown as Latin-1, so that the line can always be read. Threads:
 * pure, any.
 */
#ifndef BASE_LOG_JSON_H
#define BASE_LOG_JSON_H

#include <stddef.h>

/* Without a newline; what does not fit is left out by whole pairs. n >= 3. Its length. */
size_t log_json(char *dst, size_t n, const char *logfmt);

#endif
