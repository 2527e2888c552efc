/* SPDX-License-Identifier: Apache-2.0 */
#include "session/ctl_verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/reasons.h"
#include "base/check.h"
#include "base/clock.h"
#include "media/url.h"
#include "session/hls_channel.h"
#include "session/auth_remote.h"
#include "session/backup.h"
#include "session/blocks.h"
#include "session/domains.h"
#include "session/handover.h"
#include "session/inner.h"
#include "session/relay.h"
#include "session/reload.h"

#define VIEWERS_DEFAULT 1000
#define VIEWERS_MAX	10000
#define DRAIN_MAX_MS	86400000

/* One request on its way through its verb. */
struct call {
	const struct ctl_context *x;
	struct ctl_client *client;
	const struct ctl_request *request;
	struct ctl_error error;
	int core; /* that a query goes to; -1: all */
};

static struct ctl_query *refuse(struct call *c)
{
	ctl_client_refuse(c->client, c->request->id, &c->error);
	return NULL;
}

static struct ctl_query *answer(struct call *c, json_t *body)
{
	ctl_client_answer(c->client, c->request->id, body, -1);
	return NULL;
}

/* A query that could not be made is refused here. */
static struct ctl_query *ask(struct call *c, struct ctl_query *q)
{
	if (q)
		return q;
	ctl_error_set(&c->error, "limit", "", "no memory");
	return refuse(c);
}

/* The normal form of the key "stream"; false with the error set. */
static bool stream_of(struct call *c, char key[STREAM_KEY_MAX])
{
	struct stream_name name;
	const char *rule;

	if (stream_name_key(&name, ctl_request_text(c->request, "stream"), &rule)) {
		ctl_error_set(&c->error, "bad_field", "stream", "%s", rule);
		return false;
	}
	stream_key(key, &name);
	return true;
}

/* ---- contracts ------------------------------------------------------------------------------- */

static struct ctl_query *verb_hello(struct call *c)
{
	static const struct {
		const char *key;
		int64_t ours;
	} numbers[] = {{"version", CTL_VERSION}, {"reasons", REASON_MAX}, {"counters", CTR_MAX}};
	json_t *body;

	for (size_t i = 0; i < array_len(numbers); i++) {
		int64_t theirs = ctl_request_int(c->request, numbers[i].key, -1);

		if (theirs == numbers[i].ours)
			continue;
		ctl_error_set(
			&c->error, "not_ready", numbers[i].key,
			"this data plane has %lld, the client %lld: they are of different builds",
			(long long)numbers[i].ours, (long long)theirs);
		return refuse(c);
	}
	body = json_pack("{s:i, s:i, s:i, s:s}", "version", CTL_VERSION, "pid", (int)getpid(),
			 "cores", (int)c->x->engine->cores_n, "inner_key", inner_key());
	ctl_client_answer(c->client, c->request->id, body, c->x->shm_fd);
	c->client->hello = true;
	return NULL;
}

static struct ctl_query *verb_version(struct call *c)
{
	return answer(c,
		      json_pack("{s:s, s:i}", "program", MILLRACE_VERSION, "version", CTL_VERSION));
}

static struct ctl_query *verb_subscribe(struct call *c)
{
	c->client->subscribed = true;
	return answer(c, NULL);
}

/* ---- streams and viewers --------------------------------------------------------------------- */

static struct ctl_query *verb_stream_list(struct call *c)
{
	return ask(c, ctl_ask_streams(c->x->engine, ctl_request_bool(c->request, "internal")));
}

static struct ctl_query *verb_stream_show(struct call *c)
{
	char key[STREAM_KEY_MAX];

	return stream_of(c, key) ? ask(c, ctl_ask_stream(c->x->engine, key)) : refuse(c);
}

static struct ctl_query *verb_stream_kick(struct call *c)
{
	char key[STREAM_KEY_MAX];

	return stream_of(c, key) ? ask(c, ctl_ask_stream_kick(c->x->engine, key, REASON_KICKED))
				 : refuse(c);
}

static struct ctl_query *verb_stream_publishers(struct call *c)
{
	char key[STREAM_KEY_MAX] = "";

	if (*ctl_request_text(c->request, "stream") && !stream_of(c, key))
		return refuse(c);
	ctl_client_list(c->client, c->request->id, "publishers", backup_list(key));
	return NULL;
}

static struct ctl_query *verb_stream_switch(struct call *c)
{
	int64_t sequence = ctl_request_int(c->request, "sequence", 0);
	char key[STREAM_KEY_MAX];

	if (!stream_of(c, key))
		return refuse(c);
	if (sequence > 0 && sequence <= UINT32_MAX && backup_switch(key, (unsigned)sequence))
		return answer(c, NULL);
	ctl_error_set(&c->error, "not_found", "sequence", "is none of stream.publishers");
	return refuse(c);
}

static struct ctl_query *verb_viewer_list(struct call *c)
{
	int64_t limit = ctl_request_int(c->request, "limit", VIEWERS_DEFAULT);
	char key[STREAM_KEY_MAX] = "";

	if (limit < 1 || limit > VIEWERS_MAX) {
		ctl_error_set(&c->error, "bad_field", "limit", "must be 1 to %d", VIEWERS_MAX);
		return refuse(c);
	}
	if (*ctl_request_text(c->request, "stream") && !stream_of(c, key))
		return refuse(c);
	return ask(c, ctl_ask_viewers(c->x->engine, key, (unsigned)limit));
}

static struct ctl_query *verb_viewer_kick(struct call *c)
{
	const char *text = ctl_request_text(c->request, "viewer");
	uint64_t id = 0;
	char *end = NULL;

	if (strspn(text, "0123456789abcdef") == strlen(text) && strlen(text) <= 16)
		id = strtoull(text, &end, 16);
	if (!end || end == text) {
		ctl_error_set(&c->error, "bad_field", "viewer", "must be an id of viewer.list");
		return refuse(c);
	}
	c->core = (int)(id & 0xff);
	if ((unsigned)c->core >= c->x->engine->cores_n) {
		ctl_error_set(&c->error, "not_found", "viewer", "there is none like that");
		return refuse(c);
	}
	return ask(c, ctl_ask_viewer_kick(id));
}

/* ---- relays ---------------------------------------------------------------------------------- */

static struct ctl_query *relay_refused(struct call *c, enum reason why, const char *rule)
{
	if (why == REASON_BAD_URL)
		ctl_error_set(&c->error, "bad_field", "url", "%s", rule);
	else if (why == REASON_BAD_NAME)
		ctl_error_set(&c->error, "bad_field",
			      relay_id_ok(ctl_request_text(c->request, "leg")) ? "stream" : "leg",
			      "%s", rule);
	else
		ctl_error_set(&c->error, "limit", "", "%s", rule);
	return refuse(c);
}

static struct ctl_query *create(struct call *c, bool push)
{
	struct relay_spec spec = {.push = push};
	const char *rule = "";
	enum reason why;
	bool conflict;

	if (!ctl_request_copy(c->request, "leg", spec.id, sizeof(spec.id), &c->error) ||
	    !ctl_request_copy(c->request, "url", spec.url, sizeof(spec.url), &c->error) ||
	    !ctl_request_copy(c->request, "stream", spec.stream, sizeof(spec.stream), &c->error))
		return refuse(c);
	spec.internal = ctl_request_bool(c->request, "internal");
	why = relay_create(c->x->engine, &spec, &conflict, &rule);
	if (why != REASON_NONE)
		return relay_refused(c, why, rule);
	if (conflict) {
		ctl_error_set(&c->error, "conflict", "leg", "exists with other keys");
		return refuse(c);
	}
	return answer(c, NULL);
}

static struct ctl_query *verb_pull_create(struct call *c)
{
	return create(c, false);
}

static struct ctl_query *verb_push_create(struct call *c)
{
	return create(c, true);
}

static struct ctl_query *verb_pull_remove(struct call *c)
{
	relay_remove(c->x->engine, ctl_request_text(c->request, "leg"), false);
	return answer(c, NULL);
}

static struct ctl_query *verb_push_remove(struct call *c)
{
	relay_remove(c->x->engine, ctl_request_text(c->request, "leg"), true);
	return answer(c, NULL);
}

static struct ctl_query *verb_pull_list(struct call *c)
{
	ctl_client_list(c->client, c->request->id, "pulls", relay_list(c->x->engine, false));
	return NULL;
}

static struct ctl_query *verb_push_list(struct call *c)
{
	ctl_client_list(c->client, c->request->id, "pushes", relay_list(c->x->engine, true));
	return NULL;
}

/* ---- HLS ------------------------------------------------------------------------------------- */

static struct ctl_query *verb_hls_channel(struct call *c)
{
	int theirs, r = hls_channel_open(&theirs);

	if (r) {
		ctl_error_set(&c->error, "limit", "", "no more channels: %s", strerror(-r));
		return refuse(c);
	}
	ctl_client_answer(c->client, c->request->id, NULL, theirs);
	close(theirs);
	return NULL;
}

static struct ctl_query *verb_hls_list(struct call *c)
{
	ctl_client_list(c->client, c->request->id, "streams", hls_channel_streams());
	return NULL;
}

/* ---- domains --------------------------------------------------------------------------------- */

static struct ctl_query *verb_domain_set(struct call *c)
{
	const json_t *config = json_object_get(c->request->packet, "config");

	return domains_set(ctl_request_text(c->request, "domain"), config, &c->error)
		       ? refuse(c)
		       : answer(c, NULL);
}

static struct ctl_query *verb_domain_keep(struct call *c)
{
	const json_t *names = json_object_get(c->request->packet, "domains");

	return domains_keep(names, &c->error) ? refuse(c) : answer(c, NULL);
}

static struct ctl_query *verb_domain_list(struct call *c)
{
	ctl_client_list(c->client, c->request->id, "domains", domains_list());
	return NULL;
}

/* Who publishes it now is cut before the answer. */
static struct ctl_query *verb_block_set(struct call *c)
{
	int64_t until_ms = ctl_request_int(c->request, "until_ms", 0);
	char key[STREAM_KEY_MAX];

	if (!stream_of(c, key) ||
	    blocks_set(key, until_ms, ctl_request_text(c->request, "reason"), &c->error))
		return refuse(c);
	return ask(c, ctl_ask_stream_kick(c->x->engine, key, REASON_FORBIDDEN));
}

static struct ctl_query *verb_block_remove(struct call *c)
{
	char key[STREAM_KEY_MAX];

	if (!stream_of(c, key))
		return refuse(c);
	blocks_remove(key);
	return answer(c, NULL);
}

static struct ctl_query *verb_block_list(struct call *c)
{
	ctl_client_list(c->client, c->request->id, "blocks", blocks_list());
	return NULL;
}

/* Why not, as the answer says it. */
static enum reason denial_of(const char *word)
{
	for (unsigned i = 1; word && i < REASON_MAX; i++)
		if (!strcmp(word, reason_name(i)))
			return (enum reason)i;
	return REASON_REMOTE_DENIED;
}

static struct ctl_query *verb_auth_answer(struct call *c)
{
	int64_t number = ctl_request_int(c->request, "ask", 0);
	int64_t ttl_ms = ctl_request_int(c->request, "ttl_ms", 0);

	enum reason why = ctl_request_bool(c->request, "allow")
				  ? REASON_NONE
				  : denial_of(ctl_request_text(c->request, "reason"));

	if (auth_remote_answer(c->x->engine, (uint64_t)number, why, ttl_ms, clock_us()))
		return answer(c, NULL);
	ctl_error_set(&c->error, "not_found", "ask", "is no open question");
	return refuse(c);
}

/* ---- the process ----------------------------------------------------------------------------- */

static void each_change(void *arg, const struct conf_key *k, bool applied)
{
	json_t *body = arg;

	json_array_append_new(json_object_get(body, applied ? "applied" : "later"),
			      json_string(k->path));
}

static struct ctl_query *verb_reload(struct call *c)
{
	struct conf_error why;
	json_t *body;

	if (!c->x->conf_path) {
		ctl_error_set(&c->error, "not_found", "", "started without a configuration file");
		return refuse(c);
	}
	body = json_pack("{s:[], s:[]}", "applied", "later");
	if (reload(c->x->engine, each_change, body, &why)) {
		json_decref(body);
		ctl_error_set(&c->error, "bad_field", "config", "%s", why.text);
		return refuse(c);
	}
	return answer(c, body);
}

static struct ctl_query *verb_push_until(struct call *c)
{
	int64_t until_us = ctl_request_int(c->request, "until_us", 0);

	relay_push_until(until_us > 0 ? (uint64_t)until_us : 0);
	return answer(c, NULL);
}

static struct ctl_query *verb_drain(struct call *c)
{
	return ask(c, ctl_ask_drain(c->x->engine, ctl_request_bool(c->request, "on")));
}

static struct ctl_query *verb_handover(struct call *c)
{
	int64_t version = ctl_request_int(c->request, "version", 0);

	if (!handover_offer(c->client, c->request->id, version, &c->error))
		return refuse(c);
	c->client->hello = true;
	return NULL;
}

static struct ctl_query *verb_retire(struct call *c)
{
	int64_t drain_ms = ctl_request_int(c->request, "drain_ms", 0);

	if (drain_ms < 0 || drain_ms > DRAIN_MAX_MS)
		ctl_error_set(&c->error, "bad_field", "drain_ms", "must be 0 to %d", DRAIN_MAX_MS);
	else if (!handover_retire((uint64_t)drain_ms, clock_us()))
		ctl_error_set(&c->error, "not_ready", "verb", "handover must be first");
	else
		return answer(c, NULL);
	return refuse(c);
}

/* ---- the table ------------------------------------------------------------------------------- */

static struct ctl_query *(*const verbs[CTL_VERB_MAX])(struct call *c) = {
	[CTL_VERB_HELLO] = verb_hello,
	[CTL_VERB_VERSION] = verb_version,
	[CTL_VERB_SUBSCRIBE] = verb_subscribe,
	[CTL_VERB_STREAM_LIST] = verb_stream_list,
	[CTL_VERB_STREAM_SHOW] = verb_stream_show,
	[CTL_VERB_STREAM_KICK] = verb_stream_kick,
	[CTL_VERB_STREAM_PUBLISHERS] = verb_stream_publishers,
	[CTL_VERB_STREAM_SWITCH] = verb_stream_switch,
	[CTL_VERB_VIEWER_LIST] = verb_viewer_list,
	[CTL_VERB_VIEWER_KICK] = verb_viewer_kick,
	[CTL_VERB_PULL_CREATE] = verb_pull_create,
	[CTL_VERB_PULL_REMOVE] = verb_pull_remove,
	[CTL_VERB_PULL_LIST] = verb_pull_list,
	[CTL_VERB_PUSH_CREATE] = verb_push_create,
	[CTL_VERB_PUSH_REMOVE] = verb_push_remove,
	[CTL_VERB_PUSH_LIST] = verb_push_list,
	[CTL_VERB_RELOAD] = verb_reload,
	[CTL_VERB_PUSH_UNTIL] = verb_push_until,
	[CTL_VERB_DRAIN] = verb_drain,
	[CTL_VERB_HANDOVER] = verb_handover,
	[CTL_VERB_RETIRE] = verb_retire,
	[CTL_VERB_HLS_CHANNEL] = verb_hls_channel,
	[CTL_VERB_HLS_LIST] = verb_hls_list,
	[CTL_VERB_DOMAIN_SET] = verb_domain_set,
	[CTL_VERB_DOMAIN_KEEP] = verb_domain_keep,
	[CTL_VERB_DOMAIN_LIST] = verb_domain_list,
	[CTL_VERB_BLOCK_SET] = verb_block_set,
	[CTL_VERB_BLOCK_REMOVE] = verb_block_remove,
	[CTL_VERB_BLOCK_LIST] = verb_block_list,
	[CTL_VERB_AUTH_ANSWER] = verb_auth_answer,
};

struct ctl_query *ctl_verb_run(const struct ctl_context *x, struct ctl_client *client,
			       const struct ctl_request *r, int *core)
{
	struct call c = {.x = x, .client = client, .request = r, .core = -1};
	struct ctl_query *q;

	if (!client->hello && r->verb != CTL_VERB_HELLO && r->verb != CTL_VERB_VERSION &&
	    r->verb != CTL_VERB_HANDOVER) {
		ctl_error_set(&c.error, "not_ready", "verb", "hello must be first");
		return refuse(&c);
	}
	q = verbs[r->verb](&c);
	*core = c.core;
	return q;
}
