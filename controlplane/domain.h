/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A domain as a document (book.h), and what the data plane is told about it.
 *
 *   {"type":"liveEdge|liveVideo","status":"online|offline","created":s,"modified":s,"region":"",
 *    "push":"..." (of a play domain: its ingest domain), "main":"..." (its main streaming domain),
 *    "next":n, "functions":[{"name","id","args":{}}], "notify":{"domain","url","auth","key",
 *    "exception_url","switch_url"}, "multi":{"on":b,"manual":["app/name"]}, "latency":{"rtmp":s,"flv":s,"hls":s},
 *    "delays":[{"app","stream","s":n}], "lazy":[{"app","hosts","pull_app","protocol","auth","idle_s"}]}
 *
 * Functions go by domain.def; a domain has each of them once at most. Everything is checked before
 * anything changes. Threads: pure, any.
 */
#ifndef CONTROLPLANE_DOMAIN_H
#define CONTROLPLANE_DOMAIN_H

#include <jansson.h>

#include "base/sign_hash.h"
#include "controlplane/api.h"

#define DOMAIN_NAME_MAX	     128
#define DOMAIN_FUNCTIONS_MAX 50
#define DOMAIN_INGEST	     "liveEdge"
#define DOMAIN_PLAY	     "liveVideo"
#define DOMAIN_KEY_CHARS     24
#define DOMAIN_AUTH_DELTA_S  1800

enum domain_kinds { DOMAIN_KIND_INGEST = 1, DOMAIN_KIND_PLAY = 2, DOMAIN_KIND_BOTH = 3 };

struct domain_function {
	const char *name;
	unsigned kinds;
	const char *help;
	const struct api_param *params; /* ends with a name of NULL */
};

const struct domain_function *domain_functions(size_t *n);
/* NULL: no such function. */
const struct domain_function *domain_function(const char *name);

/* Whether it may be a host name: letters, digits, `-`, `.`; lower case; a dot inside. */
const char *domain_name_rule(const char *name);
bool domain_is_play(const json_t *doc);
/* A new document; with signed URLs and a random key, as is the field's custom. */
json_t *domain_new(const char *type, const char *region, int64_t now_s);
/* The arguments of a function of the domain, or NULL. */
json_t *domain_args(const json_t *doc, const char *function);
/* An argument's text, "" where there is none. */
const char *domain_arg(const json_t *doc, const char *function, const char *arg);
/* How its URLs are signed. */
enum sign_type domain_sign_type(const json_t *doc);
int64_t domain_arg_int(const json_t *doc, const char *function, const char *arg, int64_t otherwise);

/*
 * Functions of a request (JSON text: [{"functionName","functionArgs":[{"argName","argValue"}],
 * "configId"}]) into `set`, a list as in the document. false with *r, the field named by its place:
 * "Functions[1].functionArgs[0].argValue".
 */
bool domain_parse_functions(const char *text, json_t **set, struct refusal *r);
/* Puts them into doc (changed) of the domain `name`; false with *r, and doc is then of no use. */
bool domain_set_functions(json_t *doc, const char *name, const json_t *set, struct refusal *r);
/* false: it has none of that name. */
bool domain_del_function(json_t *doc, const char *function);

/* Each part of a comma list, blanks around it taken off; false when fn says so or one is empty. */
bool domain_each_part(const char *text, bool (*fn)(void *arg, const char *part), void *arg);

/* ---- domain_config.c ---- */
/* Where streams of this domain are: its ingest domain, or else itself. all: name -> document. */
const char *domain_center(const json_t *all, const char *name);
/* Whether any says how its streams are packaged (live_play's hls). */
bool domains_name_hls(const json_t *all);
/* A stream's hls.mode: the most that a domain which plays it wants; `otherwise`: where none says so. */
const char *domains_hls(const json_t *all, const char *stream, const char *otherwise);
/* Its hls.idle in milliseconds: the longest. */
int64_t domains_hls_idle(const json_t *all, const char *stream, int64_t otherwise);
/* How long its segments are wanted to be, in milliseconds: a third of the shortest latency. */
int64_t domains_hls_segment(const json_t *all, const char *stream, int64_t otherwise);
/* domain.set's config; a new reference. triggered: it has pulls that viewers begin. */
json_t *domain_config(const json_t *all, const char *name, bool triggered, int64_t idle_ms);

#endif
