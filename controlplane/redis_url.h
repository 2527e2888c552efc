/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What redis.url says: redis://[[user]:password@]host[:port][/db], unix:///path, or
 * redis+sentinel://[[user]:password@]host[:port][,host[:port]...]/master[/db].
 *
 * User and password may hold percent escapes; they are those of the Redis, not of the Sentinels.
 * Threads: pure, any.
 */
#ifndef CONTROLPLANE_REDIS_URL_H
#define CONTROLPLANE_REDIS_URL_H

#define REDIS_HOSTS 8

struct redis_host {
	char host[256], port[6];
};

struct redis_url {
	char path[108];	  /* of a unix socket; empty: hosts count */
	char master[128]; /* as Sentinels name it; empty: hosts has one, the Redis itself */
	struct redis_host hosts[REDIS_HOSTS];
	unsigned hosts_n;
	char user[128], password[256], db[12]; /* empty: not given */
};

/* NULL, or the rule that the text breaks. */
const char *redis_url_parse(struct redis_url *u, const char *url);

#endif
