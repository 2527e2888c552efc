/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of the store: the catalogue of assets, the hash mr:assets of id and JSON text.
 *
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_STORE_REDIS_ASSETS_H
#define CONTROLPLANE_STORE_REDIS_ASSETS_H

#include "controlplane/store_redis.h"

/* 2n texts: id, JSON, id, JSON ...; error: NULL, or why there are none. */
typedef void store_assets(void *arg, const char *const *texts, size_t n, const char *error);

/* fn is called once; from within where Redis is away. */
void store_assets_read(struct store *s, store_assets *fn, void *arg);
/* Adds what is not there yet; done gets an error that begins with EXISTS where it is. */
void store_asset_add(struct store *s, const char *id, const char *text, store_done *done,
		     void *arg);
void store_asset_remove(struct store *s, const char *id, store_done *done, void *arg);

#endif
