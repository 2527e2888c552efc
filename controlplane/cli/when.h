/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moments and durations on the command line.
 *
 * Threads: pure, any; the present is an argument.
 */
#ifndef CLI_WHEN_H
#define CLI_WHEN_H

#include <stdbool.h>
#include <stdint.h>

#define WHEN_TEXT 24

/*
 * "now", "+2h", "+1h30m" or "2026-01-31T12:00:00Z", as the API writes moments: the last form.
 * False for anything else, and for days that do not exist.
 */
bool when_parse(const char *text, int64_t now_s, char dst[WHEN_TEXT]);
/* "90", "90s", "2m", "1h30m", "1d" in seconds; false for anything else. */
bool span_parse(const char *text, int64_t *seconds);
/* Seconds since 1970 to "2026-01-31T12:00:00Z". */
void when_text(int64_t s, char dst[WHEN_TEXT]);
/* The other way round; -1 for anything but this form. */
int64_t when_seconds(const char *text);

#endif
