/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control plane as a whole: what its modules share, made and ended by main.c.
 */
#ifndef CONTROLPLANE_CP_H
#define CONTROLPLANE_CP_H

#include <stdint.h>

#include "api/config.h"
#include "controlplane/creds.h"
#include "controlplane/dp.h"
#include "controlplane/hooks.h"
#include "controlplane/http.h"
#include "controlplane/shm.h"
#include "controlplane/sign.h"
#include "controlplane/store_redis.h"
#include "controlplane/tasks.h"

struct assets;
struct access;
struct audit;
struct channels;
struct commands;
struct packages;
struct domain_sums;
struct domains;
struct guard;
struct live;
struct pulls;
struct post;
struct publish_codes;
struct remote_auth;
struct streams;
struct tls;
struct event_base;

struct cp {
	struct event_base *base;
	struct config conf;
	const char *conf_path; /* NULL: none */
	char **sets;	       /* --set texts, ends with NULL; a reload applies them again */
	char state_dir[1025], node[65];
	uint64_t start_us;
	struct creds creds;
	struct nonces *nonces;
	struct http *http;
	struct tls *tls; /* of api.tls_listen */
	struct hooks *hooks;
	struct store *store;
	struct dp *dp;
	struct shm *shm; /* NULL while the data plane is away */
	struct streams *streams;
	struct domain_sums *domain_sums;
	struct reconcile *reconcile;
	struct jobs *jobs;
	struct assets *assets;
	struct packages *packages;
	struct channels *channels;
	struct tasks *tasks;
	bool tasks_told; /* that the store is loaded */
	struct commands *commands;
	struct domains *domains;
	struct guard *guard;
	struct live *live;
	struct audit *audit;
	struct access *access;
	struct pulls *pulls;
	struct publish_codes *publish_codes;
	struct post *post; /* NULL: one node */
	struct remote_auth *remote_auth;
	uint64_t dp_connects;		 /* times the data plane was (re)connected */
	uint64_t api_calls, api_refused; /* answered; of them with an error */
};

#endif
