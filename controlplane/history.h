/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened on a domain or with a stream, in Redis: bounded lists of JSON rows, newest first.
 *
 * Key `mr:history:{subject}:kind`, the subject being a domain, or of MINUTES a stream. A list keeps
 * a bounded number of rows and ends when nothing is added for as long as its kind is kept. Rows have
 * "t", milliseconds since 1970. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_HISTORY_H
#define CONTROLPLANE_HISTORY_H

#include <jansson.h>

#include "controlplane/store_redis.h"

/* Kept for 30, 7, 7, 2, 365 and 7 days, and 7;
 * 10000 rows each, 2880 of MINUTES, 1000 of SWITCH, 20000 of CODES. */
enum history_kind {
	HISTORY_PUBLISH,
	HISTORY_CONTROL,
	HISTORY_NOTIFY,
	HISTORY_MINUTES,
	HISTORY_AUDIT,
	HISTORY_SWITCH,
	HISTORY_CODES,
	HISTORY_KINDS
};

/* Takes the row; left out while Redis is away. */
void history_add(struct store *s, enum history_kind kind, const char *subject, json_t *row);

/* rows: newest first, from_ms <= t < to_ms, borrowed; NULL with error. Called once. */
typedef void history_fn(void *arg, json_t *rows, const char *error);
/* fn may be called from within. */
void history_ask(struct store *s, enum history_kind kind, const char *subject, int64_t from_ms,
		 int64_t to_ms, history_fn *fn, void *arg);

#endif
