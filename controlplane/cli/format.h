/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers and text as people read them. Each writes into dst and returns it.
 *
 * Threads: pure, any.
 */
#ifndef CLI_FORMAT_H
#define CLI_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define FORMAT_TEXT 32

/* "2.1 Mb/s" from bits per second, "1.2 GB" from bytes: powers of 1000, two to four digits. */
const char *format_rate(char dst[FORMAT_TEXT], double bits_per_s);
const char *format_bytes(char dst[FORMAT_TEXT], double bytes);
/* "42s", "3m12s", "2h05m", "4d03h" */
const char *format_span(char dst[FORMAT_TEXT], int64_t seconds);
/* Text from elsewhere as a terminal may show it: bytes that could steer it become '?'. */
const char *format_safe(char *dst, size_t n, const char *text);
/* Columns that UTF-8 text takes, one per character. */
unsigned format_columns(const char *text);

#endif
