/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/object_nodes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "controlplane/oss_call.h"
#include "controlplane/store_redis_words.h"
#include "controlplane/url_encode.h"

#define LIST_KEY  (CHANNEL_KEY + 32)
#define SEEN_MAX  1024
#define QUERY_MAX 64 /* two times of a playlist */

/* ---- passes ---- */

char *object_pass(char dst[OBJECT_PASS], const char *key, const struct object_errand *e)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	char *text;
	int text_n = asprintf(&text, "%s\n%s\n%s\n%s\n%s\n%s", e->method, e->bucket, e->object,
			      e->query, e->seen, e->expires);

	must(text_n > 0 && HMAC(EVP_sha256(), key, (int)strlen(key), (unsigned char *)text,
				(size_t)text_n, digest, &n));
	for (unsigned i = 0; i < n; i++)
		snprintf(dst + 2 * i, 3, "%02x", digest[i]);
	free(text);
	return dst;
}

static bool was_seen(const char *seen, const char *node)
{
	size_t n = strlen(node);

	for (; *seen; seen += strcspn(seen, ","), seen += *seen == ',')
		if (strcspn(seen, ",") == n && !strncmp(seen, node, n))
			return true;
	return false;
}

const char *object_node_next(const json_t *nodes, const char *seen)
{
	json_int_t newest = -1, since;
	const char *found = NULL, *node;
	const json_t *doc;

	json_object_foreach ((json_t *)(uintptr_t)nodes, node, doc) {
		since = json_integer_value(json_object_get(doc, "since"));
		if (was_seen(seen, node) || since <= newest || !*dp_text(doc, "address"))
			continue;
		newest = since;
		found = node;
	}
	return found;
}

/* ---- who recorded it ---- */

/* This node's own; it stays when the process is started again. */
static char *key_of(char dst[DIGEST_TEXT], const struct cp *cp)
{
	char text[sizeof(cp->creds.secret) + 16];

	snprintf(text, sizeof(text), "objects %s", cp->creds.secret);
	return digest_text(dst, text);
}

static char *list_key(char dst[LIST_KEY], const char *bucket, const char *channel)
{
	char key[CHANNEL_KEY];

	snprintf(dst, LIST_KEY, "mr:channel:{%s}:nodes", channel_key(key, bucket, channel));
	return dst;
}

void object_nodes_mark(struct cp *cp, const char *bucket, const char *channel)
{
	char key[DIGEST_TEXT], list[LIST_KEY], *text;
	json_t *doc;

	if (!cp->conf.cluster_enabled || !*cp->conf.oss_address)
		return;
	doc = json_pack("{ss ss sI}", "address", cp->conf.oss_address, "key", key_of(key, cp),
			"since", (json_int_t)clock_wall_ms());
	must(doc);
	text = json_dumps(doc, JSON_COMPACT);
	must(text);
	store_tell(cp->store, STORE_WORDS("HSET", list_key(list, bucket, channel), cp->node, text));
	free(text);
	json_decref(doc);
}

/* ---- who was sent here ---- */

/* Of a playlist of what was: its times; both are numbers by then. */
static void query_of(char dst[QUERY_MAX], const struct oss_call *c)
{
	*dst = 0;
	if (oss_given(c, "vod"))
		snprintf(dst, QUERY_MAX, "startTime=%.20s&endTime=%.20s", oss_param(c, "startTime"),
			 oss_param(c, "endTime"));
}

bool object_nodes_given(const struct oss_call *c)
{
	return oss_given(c, "mr-pass");
}

/* A pass opens objects and playlists, nothing else of the API. */
static bool asks_for_objects(const struct oss_call *c)
{
	static const char *const names[] = {"vod",     "startTime",  "endTime",
					    "mr-seen", "mr-expires", "mr-pass"};
	bool known;

	for (unsigned i = 0; i < c->params.n; i++) {
		known = false;
		for (size_t k = 0; k < array_len(names); k++)
			known |= !strcmp(c->params.v[i].name, names[k]);
		if (!known)
			return false;
	}
	return *c->object != 0;
}

bool object_nodes_check(const struct oss_call *c, struct refusal *r)
{
	const char *pass = oss_param(c, "mr-pass"), *expires = oss_param(c, "mr-expires");
	int64_t now_s = (int64_t)(clock_wall_ms() / 1000), until_s = strtoll(expires, NULL, 10);
	char key[DIGEST_TEXT], query[QUERY_MAX], wanted[OBJECT_PASS];
	struct object_errand e = {.method = c->http->method,
				  .bucket = c->bucket,
				  .object = c->object,
				  .query = query,
				  .seen = oss_param(c, "mr-seen"),
				  .expires = expires};

	query_of(query, c);
	object_pass(wanted, key_of(key, c->cp), &e);
	if (!asks_for_objects(c) || strlen(pass) != OBJECT_PASS - 1 ||
	    !digest_same(pass, wanted, OBJECT_PASS - 1))
		return refuse(r, 403, "AccessDenied", "mr-pass is of another node or request");
	if (until_s < now_s)
		return refuse(r, 403, "AccessDenied", "mr-pass is over: ask the first node again");
	return true;
}

/* ---- who is sent away ---- */

struct question {
	struct oss_call *call;
	bool fine; /* where no node has it */
	struct refusal otherwise;
};

static void not_found(struct oss_call *c, const struct refusal *r)
{
	if (r)
		oss_fail(c, r);
	else
		oss_empty(c, 204);
}

/* Names and texts by turns. */
static json_t *nodes_of(const struct store_reply *reply)
{
	json_t *nodes = json_object(), *doc;

	for (size_t i = 0; i + 1 < reply->n; i += 2) {
		doc = reply->text[i] && reply->text[i + 1] ? json_loads(reply->text[i + 1], 0, NULL)
							   : NULL;
		if (doc)
			json_object_set_new(nodes, reply->text[i], doc);
	}
	return nodes;
}

static bool has_itself_said(const struct oss_call *c, char seen[SEEN_MAX])
{
	const char *before = oss_param(c, "mr-seen");

	return snprintf(seen, SEEN_MAX, "%s%s%s", before, *before ? "," : "", c->cp->node) <
	       SEEN_MAX;
}

static void send_to(struct oss_call *c, const char *seen, const json_t *node)
{
	char path[3 * OBJECT_KEY_MAX], names[3 * SEEN_MAX], query[QUERY_MAX], expires[24];
	char pass[OBJECT_PASS], *url;
	struct object_errand e = {.method = c->http->method,
				  .bucket = c->bucket,
				  .object = c->object,
				  .query = query,
				  .seen = seen,
				  .expires = expires};

	query_of(query, c);
	snprintf(expires, sizeof(expires), "%" PRIu64, clock_wall_ms() / 1000 + OBJECT_PASS_S);
	object_pass(pass, dp_text(node, "key"), &e);
	must(url_encode_path(path, sizeof(path), c->object) &&
	     url_encode_path(names, sizeof(names), seen));
	must(asprintf(&url, "%s/%s/%s?%s%s%smr-seen=%s&mr-expires=%s&mr-pass=%s",
		      dp_text(node, "address"), c->bucket, path, *query ? "vod&" : "", query,
		      *query ? "&" : "", names, expires, pass) > 0);
	http_head(c->http, "Location", url);
	http_head(c->http, "Cache-Control", "no-store");
	free(url);
	oss_empty(c, 307);
}

static void on_nodes(void *arg, const struct store_reply *reply)
{
	struct question *q = arg;
	json_t *nodes = nodes_of(reply);
	const char *next = NULL;
	char seen[SEEN_MAX];

	if (has_itself_said(q->call, seen))
		next = object_node_next(nodes, seen);
	if (next)
		send_to(q->call, seen, json_object_get(nodes, next));
	else
		not_found(q->call, q->fine ? NULL : &q->otherwise);
	json_decref(nodes);
	free(q);
}

void object_nodes_ask(struct oss_call *c, const struct refusal *r)
{
	char channel[CHANNEL_NAME], list[LIST_KEY];
	size_t n = strcspn(c->object, "/");
	struct question *q;

	if (!c->cp->conf.cluster_enabled || n >= sizeof(channel)) {
		not_found(c, r);
		return;
	}
	q = calloc(1, sizeof(*q));
	must(q);
	q->call = c;
	q->fine = !r;
	if (r)
		q->otherwise = *r;
	snprintf(channel, sizeof(channel), "%.*s", (int)n, c->object);
	store_ask(c->cp->store, STORE_WORDS("HGETALL", list_key(list, c->bucket, channel)),
		  on_nodes, q);
}
