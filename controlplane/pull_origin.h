/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a triggered pull gets its stream: the origin's URL, with what proves that we may, and the nodes
 * that it has passed (interop P7).
 *
 * Each node that pulls adds its name to the parameter mr_hop of the URL that it asks its origin with:
 * "mr_hop=edge,middle". A node that finds itself there does not pull, and its data plane refuses to play
 * (pull_loop). SRT has no URL that arguments travel in.
 *
 * Threads: pure, any.
 */
#ifndef CONTROLPLANE_PULL_ORIGIN_H
#define CONTROLPLANE_PULL_ORIGIN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/sign_hash.h"

#define PULL_ANY_APP  "ali_all_app"
#define PULL_CLUSTER  "cluster" /* as an origin: whichever node has the stream */
#define PULL_HOPS_MAX 4

struct pull_question {
	const char *protocol;		 /* a word of PullProtocol (api_live.def) */
	const char *host;		 /* with its port, if any; IPv6 in brackets */
	const char *vhost;		 /* the domain to ask for; NULL: the host's own */
	const char *app, *name, *params; /* params: of the viewer's URL */
	const char *node;		 /* our own */
	const char *auth; /* "pass": the viewer's parameters; "sign": by key; else nothing */
	enum sign_type sign;
	const char *key; /* "": nothing is signed */
	int64_t now_s;
};

/* The caller frees it; NULL: `node` was passed already, or too many were, or it is too long. */
char *pull_origin_url(const struct pull_question *q);
/* The row of the domain's "lazy" list for an application, its own before that of all; NULL: none. */
const json_t *pull_lazy_row(const json_t *domain, const char *app);

/*
 * What a source is read as, by its URL: "rtmp", "http-flv", "hls", "http-ts", "srt" or "rtsp"; NULL:
 * none of them.
 */
const char *pull_protocol(const char *url);
/* Whether the data plane reads it itself. */
bool pull_is_native(const char *url);

#endif
