/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue of media that tasks play by id (SourceType vod): a file below asset.folder, or a URL.
 *
 * What is added is opened by a worker first: an asset has codecs that can be relayed and a duration. The
 * table here is a copy of Redis's (mr:assets), read at every connect and, with several nodes, every few
 * seconds. An asset never changes: it is removed and added.
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_ASSETS_H
#define CONTROLPLANE_ASSETS_H

#include "controlplane/jobs.h"
#include "controlplane/model.h"
#include "controlplane/refusal.h"
#include "controlplane/store_redis.h"

#define ASSET_ID_MAX 64 /* bytes; letters, digits, - _ . */

struct assets;
struct config;
struct event_base;

struct asset {
	char id[ASSET_ID_MAX + 1];
	bool local;    /* place is a path below asset.folder, not a URL */
	char *place;   /* never NULL */
	json_t *shown; /* what was found in it: duration_ms, video, audio, width, height, rate, ... */
};

struct assets *assets_new(struct event_base *base, const struct config *conf,
			  const char *worker_program);
void assets_free(struct assets *as);
void assets_connect(struct assets *as, struct store *store);
/* Redis is (again) connected; then(arg) when the table is as Redis has it. */
void assets_load(struct assets *as, void (*then)(void *arg), void *arg);

const struct asset *assets_find(const struct assets *as, const char *id);
/* What a worker opens: "local:PATH", a URL, or "missing:ID"; at most n bytes. */
const char *assets_url(const struct assets *as, const char *id, char *dst, size_t n);
/* Every media id of a vod task is there; false, with the rule that is broken. */
bool assets_check(const struct assets *as, const struct task *t, struct refusal *r);
/* A new object; secrets in URLs are masked. */
json_t *assets_row(const struct asset *a);
/* Rows by id. */
json_t *assets_rows(const struct assets *as);

/* row: of the new asset, borrowed, or NULL with the refusal. Called once, from the loop or at once. */
typedef void assets_done(void *arg, json_t *row, const struct refusal *r);
void assets_add(struct assets *as, const char *id, const char *place, bool local, assets_done *done,
		void *arg);
/* Whether a task uses it is the caller's to know. row is NULL and r too when it is gone. */
void assets_remove(struct assets *as, const char *id, assets_done *done, void *arg);

/* NULL, or the rule that a path below asset.folder breaks. */
const char *asset_path_rule(const char *path);

#endif
