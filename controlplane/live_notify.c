/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/live_notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "controlplane/domain.h"
#include "controlplane/domains.h"
#include "controlplane/history.h"
#include "controlplane/store_redis_words.h"
#include "controlplane/url_encode.h"
#include "controlplane/wallclock.h"

#define WAITING_MAX 100000 /* undelivered callbacks beyond which viewers are not told of */

/* ---- the query ------------------------------------------------------------------------------ */

static void add_pair(FILE *to, const char *name, const char *value)
{
	fprintf(to, "&%s=", name);
	url_encode(to, value, "");
}

/* Without its port and brackets. */
static void host_only(char dst[80], const char *address)
{
	const char *colon = strrchr(address, ':');
	size_t n = strlen(address);

	if (*address == '[') {
		n = strcspn(address, "]") - 1;
		address++;
	} else if (colon && strchr(address, ':') == colon) {
		n = (size_t)(colon - address);
	}
	snprintf(dst, 80, "%.*s", (int)n, address);
}

char *live_notify_query(const char *action, const struct live_stream *s, const char *node,
			int64_t now_s, bool size, uint64_t width, uint64_t height)
{
	char *text = NULL, ip[80];
	size_t n;
	FILE *to = open_memstream(&text, &n);

	must(to);
	host_only(ip, s->address);
	fprintf(to, "action=%s", action);
	add_pair(to, "ip", ip);
	add_pair(to, "id", s->name);
	add_pair(to, "app", s->domain);
	add_pair(to, "appname", s->app);
	fprintf(to, "&time=%lld", (long long)now_s);
	add_pair(to, "usrargs", s->params);
	add_pair(to, "node", node);
	if (size)
		fprintf(to, "&height=%llu&width=%llu", (unsigned long long)height,
			(unsigned long long)width);
	must(!fclose(to) && text);
	return text;
}

/* ---- queues --------------------------------------------------------------------------------- */

/* One per stream; short enough to stand where a task's id does. */
static void queue_of(char dst[64], const char *stream)
{
	char digest[DIGEST_TEXT];

	snprintf(dst, 64, "live-%s", digest_text(digest, stream));
}

/* In Redis first: in order on its connection, it is there before the stream is marked as told. */
static void enqueue(struct cp *cp, const char *stream, struct hook *hook)
{
	char queue[64], key[160];

	queue_of(queue, stream);
	snprintf(key, sizeof(key), "mr:task:{%s}:hooks", queue);
	store_tell(cp->store, STORE_WORDS("SADD", "mr:hooks:pending", queue));
	store_tell(cp->store, STORE_WORDS("RPUSH", key, hook->text));
	hooks_add(cp->hooks, queue, hook);
}

static const json_t *notify_of(struct cp *cp, const char *domain)
{
	return json_object_get(domains_get(cp->domains, domain), "notify");
}

static json_t *about(const char *domain, const char *app, const char *name, const char *type)
{
	return json_pack("{ss ss ss ss}", "domain", domain, "app", app, "stream", name, "type",
			 type);
}

static void send_get(struct cp *cp, const struct live_stream *s, const char *action, bool size,
		     uint64_t width, uint64_t height)
{
	const char *url = dp_text(notify_of(cp, s->domain), "url");
	char *query, *whole, id[UUID_TEXT];
	json_t *of;

	if (!*url)
		return;
	query = live_notify_query(action, s, cp->node, (int64_t)(clock_wall_ms() / 1000), size,
				  width, height);
	must(asprintf(&whole, "%s%c%s", url, strchr(url, '?') ? '&' : '?', query) > 0);
	of = about(s->domain, s->app, s->name, action);
	if (of)
		enqueue(cp, s->key, hook_new_about(uuid_make(id), whole, "", of));
	json_decref(of);
	free(whole);
	free(query);
}

/* Takes body and of. */
static void send_post(struct cp *cp, const char *stream, const char *url, json_t *body, json_t *of)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL, id[UUID_TEXT];

	if (text && of)
		enqueue(cp, stream, hook_new_about(uuid_make(id), url, text, of));
	free(text);
	json_decref(body);
	json_decref(of);
}

/* ---- events --------------------------------------------------------------------------------- */

void live_notify_publish(struct cp *cp, const struct live_stream *s, uint64_t width,
			 uint64_t height)
{
	send_get(cp, s, "publish", true, width, height);
}

/* Ends that nobody wanted. */
static bool is_exception(const char *reason)
{
	static const char *const fine[] = {"unpublished", "stream_ended", "kicked",   "forbidden",
					   "removed",	  "replaced",	  "shutdown", "drain"};

	for (size_t i = 0; i < array_len(fine); i++)
		if (!strcmp(fine[i], reason))
			return false;
	return true;
}

void live_notify_done(struct cp *cp, const struct live_stream *s, const char *reason)
{
	const char *url = dp_text(notify_of(cp, s->domain), "exception_url");

	if (*url && is_exception(reason))
		send_post(cp, s->key, url,
			  json_pack("{ss ss ss ss ss sI ss}", "Event", "PublishInterrupted",
				    "DomainName", s->domain, "AppName", s->app, "StreamName",
				    s->name, "Reason", reason, "Time",
				    (json_int_t)(clock_wall_ms() / 1000), "Node", cp->node),
			  about(s->domain, s->app, s->name, "exception"));
	send_get(cp, s, "publish_done", false, 0, 0);
}

void live_notify_switch(struct cp *cp, const struct live_stream *s, const char *change)
{
	const char *url = dp_text(notify_of(cp, s->domain), "switch_url");
	char ip[80];

	host_only(ip, s->address);
	if (*url)
		send_post(cp, s->key, url,
			  json_pack("{ss ss ss ss ss ss sI ss}", "Event", "PublisherSwitched",
				    "DomainName", s->domain, "AppName", s->app, "StreamName",
				    s->name, "Reason", change, "UpstreamIp", ip, "Time",
				    (json_int_t)(clock_wall_ms() / 1000), "Node", cp->node),
			  about(s->domain, s->app, s->name, "switch"));
}

void live_notify_viewer(struct cp *cp, const char *name, const json_t *event)
{
	bool start = !strcmp(name, "viewer.start");
	const char *domain = dp_text(event, "domain"), *stream = dp_text(event, "stream");
	const char *url =
		domain_arg(domains_get(cp->domains, domain), "viewer_notify", "notify_url");
	struct live_stream s;
	json_t *body;

	if (!*url || !live_split(&s, stream))
		return;
	if (hooks_count(cp->hooks).pending > WAITING_MAX) {
		log_warn("viewer_not_told", "domain=%s", domain);
		return;
	}
	body = json_pack("{ss ss ss ss ss ss ss sI ss}", "Event", start ? "OnPlay" : "OnStop",
			 "DomainName", domain, "AppName", s.app, "StreamName", s.name, "ViewerId",
			 dp_text(event, "id"), "Protocol", dp_text(event, "protocol"), "ClientAddr",
			 dp_text(event, "address"), "Time", (json_int_t)(clock_wall_ms() / 1000),
			 "Node", cp->node);
	if (body && start)
		json_object_set_new(body, "UsrArgs", json_string(dp_text(event, "params")));
	if (body && !start)
		json_object_update_new(body, json_pack("{ss sO* sO*}", "Reason",
						       dp_text(event, "reason"), "DurationMs",
						       json_object_get(event, "duration_ms"),
						       "Bytes", json_object_get(event, "bytes")));
	send_post(cp, stream, url, body,
		  about(domain, s.app, s.name, start ? "on_play" : "on_stop"));
}

/* ---- for the delivery ------------------------------------------------------------------------ */

static bool find_key(void *arg, const char *text, const char **domain, const char **key)
{
	struct cp *cp = arg;
	json_t *of = json_loads(text, 0, NULL);
	const json_t *notify = notify_of(cp, dp_text(of, "domain"));
	const char *name;

	json_decref(of);
	if (strcmp(dp_text(notify, "auth"), "yes"))
		return false;
	/* The book's own text of the name: of is gone. */
	name = json_string_value(json_object_get(notify, "domain"));
	*domain = name ? name : "";
	*key = dp_text(notify, "key");
	return **key;
}

static void ended(void *arg, const struct hook *h, const char *why)
{
	struct cp *cp = arg;
	json_t *of = json_loads(h->about, 0, NULL), *row;
	char masked[2200];
	const char *query = strchr(h->url, '?');
	size_t url_n = query && !*h->body ? (size_t)(query - h->url) : strlen(h->url);
	char *url = strndup(h->url, url_n);

	must(url);
	row = json_pack("{sI sO* sO* sO* ss ss ss sb}", "t", (json_int_t)clock_wall_ms(), "app",
			json_object_get(of, "app"), "name", json_object_get(of, "stream"), "type",
			json_object_get(of, "type"), "url", log_url(masked, sizeof(masked), url),
			"content",
			*h->body ? h->body
			: query	 ? query + 1
				 : "",
			"why", why, "ok", !*why);
	if (row)
		history_add(cp->store, HISTORY_NOTIFY, dp_text(of, "domain"), row);
	free(url);
	json_decref(of);
}

const struct hooks_live_ops live_notify_ops = {find_key, ended};
