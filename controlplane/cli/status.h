/* SPDX-License-Identifier: Apache-2.0 */
/* The node's state for people: what `status`, `up` and the lists of streams and tasks print. */
#ifndef CLI_STATUS_H
#define CLI_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Node, totals, streams and tasks, as GET /local/status answers them. */
void status_print(FILE *to, const json_t *status, bool color);
/* The totals in one line. */
void status_print_line(FILE *to, const json_t *status);
/* The streams; those inside a relay task only with all. */
void status_print_streams(FILE *to, const json_t *status, bool color, bool all);
void status_print_tasks(FILE *to, const json_t *status, bool color);
/* How long ago a moment was: a time of the API, or seconds or milliseconds since 1970. */
const char *status_age(char *dst, const json_t *moment);

#endif
