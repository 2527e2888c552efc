/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What redis.url says: redis://[[user]:password@]host[:port][/db] or unix:///path.
 *
 * User and password may hold percent escapes. Threads: pure, any.
 */
#ifndef CONTROLPLANE_REDIS_URL_H
#define CONTROLPLANE_REDIS_URL_H

struct redis_url {
	char path[108]; /* of a unix socket; empty: host and port count */
	char host[256], port[6];
	char user[128], password[256], db[12]; /* empty: not given */
};

/* NULL, or the rule that the text breaks. */
const char *redis_url_parse(struct redis_url *u, const char *url);

#endif
