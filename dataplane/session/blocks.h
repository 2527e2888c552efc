/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams that nobody may publish, each until a time of the wall clock or until it is removed.
 *
 * Looked at when a publisher that may otherwise publish begins, never per message. At most BLOCKS_MAX;
 * one whose time is over is forgotten when somebody looks.
 *
 * Threads: any; a short mutex.
 */
#ifndef SESSION_BLOCKS_H
#define SESSION_BLOCKS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "session/ctl_request.h"

#define BLOCKS_MAX 10000

/* key: normal form of a stream's name; until_ms 0: no end. 0, or -EINVAL with *e (limit). */
int blocks_set(const char *key, int64_t until_ms, const char *reason, struct ctl_error *e);
void blocks_remove(const char *key);
bool blocks_has(const char *key);
/* [{"stream":s,"until_ms":i,"reason":s?}] */
json_t *blocks_list(void);
/* The list of the snapshot (NULL: none). 0, or -EINVAL with *e. */
int blocks_load(const json_t *list, struct ctl_error *e);
void blocks_fini(void);

#endif
