/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/oss.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#include <event2/buffer.h>
#include <event2/http.h>
#include <jansson.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/object_nodes.h"
#include "controlplane/oss_call.h"
#include "controlplane/oss_sign.h"

#define HEADERS_MAX 128
#define KEYS_MAX    1000

/* ---- answers ---- */

char *oss_time_xml(char dst[OSS_TIME], int64_t ms)
{
	time_t seconds = ms / 1000;
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(dst, OSS_TIME, "%Y-%m-%dT%H:%M:%S.000Z", &tm);
	return dst;
}

char *oss_time_http(char dst[OSS_TIME], int64_t ms)
{
	time_t seconds = ms / 1000;
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(dst, OSS_TIME, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	return dst;
}

void oss_send(struct oss_call *c, int status, const char *type, struct evbuffer *body)
{
	char length[24];

	http_head(c->http, "Server", "Millrace");
	http_head(c->http, "x-oss-request-id", c->request_id);
	http_head(c->http, "X-Content-Type-Options", "nosniff");
	if (*type)
		http_head(c->http, "Content-Type", type);
	/* What HEAD leaves out is said all the same; 204 has none. */
	snprintf(length, sizeof(length), "%zu", evbuffer_get_length(body));
	if (status != 204 && strcmp(c->http->method, "HEAD") != 0)
		http_head(c->http, "Content-Length", length);
	c->cp->api_calls++;
	c->cp->api_refused += status >= 400;
	http_send(c->http, status, body);
	params_fini(&c->params);
	free(c);
}

void oss_empty(struct oss_call *c, int status)
{
	struct evbuffer *none = evbuffer_new();

	must(none);
	oss_send(c, status, "", none);
}

void oss_xml(struct oss_call *c, struct xml *x)
{
	struct evbuffer *body = evbuffer_new();
	size_t n;
	char *text = xml_done(x, &n);

	must(body && !evbuffer_add(body, text, n));
	free(text);
	oss_send(c, 200, "application/xml", body);
}

void oss_fail(struct oss_call *c, const struct refusal *r)
{
	const char *ec = strstr(r->message, " (EC ");
	size_t n = ec ? (size_t)(ec - r->message) : strlen(r->message);
	struct evbuffer *body = evbuffer_new();
	struct xml *x = xml_new("Error");
	char *text;

	xml_text(x, "Code", r->code);
	xml_put(x, "Message", "%.*s", (int)n, r->message);
	xml_text(x, "RequestId", c->request_id);
	xml_text(x, "HostId", c->http->host);
	if (ec)
		xml_put(x, "EC", "%.*s", (int)strcspn(ec + 5, ")"), ec + 5);
	text = xml_done(x, &n);
	must(body);
	if (strcmp(c->http->method, "HEAD") != 0)
		evbuffer_add(body, text, n);
	free(text);
	oss_send(c, r->status, "application/xml", body);
}

/* ---- what it names ---- */

bool oss_given(const struct oss_call *c, const char *param)
{
	return params_value(&c->params, param) != NULL;
}

const char *oss_param(const struct oss_call *c, const char *param)
{
	const char *value = params_value(&c->params, param);

	return value ? value : "";
}

bool oss_max_keys(const struct oss_call *c, unsigned otherwise, unsigned *max, struct refusal *r)
{
	const char *text = oss_param(c, "max-keys");
	char *end;
	long n = strtol(text, &end, 10);

	*max = otherwise;
	if (!oss_given(c, "max-keys"))
		return true;
	if (!*text || *end || n < 1 || n > KEYS_MAX)
		return refuse(r, 400, "InvalidArgument", "max-keys: must be 1 to %d", KEYS_MAX);
	*max = (unsigned)n;
	return true;
}

/* The bucket by Host, or "". */
static void bucket_by_host(const struct cp *cp, const struct http_call *c, char dst[64])
{
	if (!*cp->conf.oss_host || !buckets_of_domain(channels_buckets(cp->channels), c->host, dst))
		*dst = 0;
}

/* The first part of the path, as it stands there. */
static void bucket_by_path(const char *path, char dst[64])
{
	size_t n = strcspn(path + 1, "/");

	snprintf(dst, 64, "%.*s", n < 64 ? (int)n : 0, path + 1);
}

static bool is_signed(const struct http_call *c, const char *query)
{
	const char *by = http_header(c, "Authorization");

	return (by && (!strncmp(by, "OSS ", 4) || !strncmp(by, "OSS4-", 5))) ||
	       strstr(query, "OSSAccessKeyId=");
}

bool oss_is(const struct cp *cp, const struct http_call *c)
{
	const char *path, *query;
	char bucket[64];

	if (!cp->channels)
		return false;
	bucket_by_host(cp, c, bucket);
	if (*bucket)
		return true;
	http_target(c, &path, &query);
	bucket_by_path(path, bucket);
	if (!strcmp(path, "/"))
		return false;
	return (*bucket && buckets_has(channels_buckets(cp->channels), bucket)) ||
	       is_signed(c, query);
}

static bool decode(char *dst, size_t n, const char *from, struct refusal *r)
{
	size_t got;
	char *text = evhttp_uridecode(from, 0, &got);
	json_t *utf8;

	must(text);
	utf8 = json_stringn(text, got);
	if (!utf8 || got >= n || strlen(text) != got) {
		free(text);
		json_decref(utf8);
		return refuse(r, 400, "InvalidObjectName",
			      "the name must be UTF-8 of at most %d bytes", OBJECT_KEY_MAX - 1);
	}
	json_decref(utf8);
	memcpy(dst, text, got + 1);
	free(text);
	return true;
}

static bool read_names(struct oss_call *c, struct refusal *r)
{
	const char *path, *query, *object, *rule = "";

	http_target(c->http, &path, &query);
	bucket_by_host(c->cp, c->http, c->bucket);
	object = path + 1;
	if (!*c->bucket) {
		bucket_by_path(path, c->bucket);
		object += strcspn(object, "/");
		object += *object == '/';
	}
	if (params_parse(&c->params, query, strlen(query), &rule))
		return refuse(r, 400, "InvalidArgument", "%s", rule);
	if (!decode(c->object, sizeof(c->object), object, r))
		return false;
	if (*c->object && !object_key_fine(c->object))
		return refuse(r, 400, "InvalidObjectName",
			      "the name must have parts that are no . or .. and do not begin with "
			      "a dot, without control characters");
	return true;
}

/* ---- who may ---- */

static bool check_signature(struct oss_call *c, bool *owner, struct refusal *r)
{
	struct oss_header heads[HEADERS_MAX];
	struct oss_request q = {.method = c->http->method,
				.bucket = c->bucket,
				.object = c->object,
				.params = &c->params,
				.headers = heads};
	const void *at = NULL;
	char id[129];

	if (object_nodes_given(c)) {
		*owner = true;
		return object_nodes_check(c, r);
	}
	while (q.headers_n < HEADERS_MAX &&
	       http_next_header(c->http, &at, &heads[q.headers_n].name, &heads[q.headers_n].value))
		q.headers_n++;
	*owner = oss_sign_scheme(&q) != OSS_UNSIGNED;
	if (!*owner)
		return true;
	if (!oss_sign_id(&q, id, sizeof(id)) || strcmp(id, c->cp->creds.id) != 0)
		return refuse(r, 403, "InvalidAccessKeyId", "there is no such access key");
	return oss_sign_check(&q, c->cp->creds.secret, (int64_t)(clock_wall_ms() / 1000), r);
}

/* ---- what it may do ---- */

enum need { NEED_READ, NEED_WRITE, NEED_OWNER };

static const struct operation {
	const char *method;
	bool object;		   /* names one */
	const char *given, *value; /* a parameter, "": none of those below; its value, NULL: any */
	enum need need;
	void (*fn)(struct oss_call *c);
} operations[] = {
	{"PUT", true, "status", NULL, NEED_OWNER, oss_channel_put_status},
	{"PUT", true, "live", NULL, NEED_OWNER, oss_channel_put},
	{"GET", true, "comp", "stat", NEED_OWNER, oss_channel_stat},
	{"GET", true, "comp", "history", NEED_OWNER, oss_channel_history},
	{"GET", true, "live", NULL, NEED_OWNER, oss_channel_info},
	{"DELETE", true, "live", NULL, NEED_OWNER, oss_channel_delete},
	{"GET", true, "vod", NULL, NEED_OWNER, oss_vod_get},
	{"POST", true, "vod", NULL, NEED_OWNER, oss_vod_post},
	{"GET", false, "live", NULL, NEED_OWNER, oss_channel_list},
	{"GET", true, "", NULL, NEED_READ, oss_object_get},
	{"HEAD", true, "", NULL, NEED_READ, oss_object_get},
	{"DELETE", true, "", NULL, NEED_WRITE, oss_object_delete},
	{"GET", false, "", NULL, NEED_READ, oss_object_list},
	{"HEAD", false, "", NULL, NEED_READ, oss_object_list},
};

/* Parameters that ask for something else than the object or list itself. */
static bool asks_for_more(const struct oss_call *c)
{
	static const char *const others[] = {
		"acl",	    "append",  "comp",	   "cors",    "delete",	 "lifecycle",	 "live",
		"location", "logging", "policy",   "referer", "status",	 "symlink",	 "tagging",
		"uploadId", "uploads", "versions", "vod",     "website", "x-oss-process"};

	for (size_t i = 0; i < array_len(others); i++)
		if (oss_given(c, others[i]))
			return true;
	return false;
}

static bool is_asked(const struct oss_call *c, const struct operation *o)
{
	if (strcmp(o->method, c->http->method) != 0 || o->object != (*c->object != 0))
		return false;
	if (!*o->given)
		return !asks_for_more(c);
	/* status and comp are of live channels here. */
	if (strcmp(o->given, "vod") != 0 && !oss_given(c, "live"))
		return false;
	return oss_given(c, o->given) && (!o->value || !strcmp(oss_param(c, o->given), o->value));
}

static const struct operation *operation_of(const struct oss_call *c)
{
	for (size_t i = 0; i < array_len(operations); i++)
		if (is_asked(c, &operations[i]))
			return &operations[i];
	return NULL;
}

static bool may(const struct oss_call *c, const struct operation *o, bool owner, struct refusal *r)
{
	enum bucket_acl acl = buckets_acl(c->buckets, c->bucket);

	if (owner || (o->need == NEED_READ && acl != BUCKET_PRIVATE) ||
	    (o->need == NEED_WRITE && acl == BUCKET_PUBLIC_WRITE))
		return true;
	return refuse(r, 403, "AccessDenied", "%s",
		      o->need == NEED_OWNER ? "the request must be signed"
					    : "the bucket's access does not allow this unsigned");
}

static const struct operation *judge(struct oss_call *c, struct refusal *r)
{
	const struct operation *o;
	bool owner;

	if (!read_names(c, r) || !check_signature(c, &owner, r))
		return NULL;
	if (!book_known(buckets_book(c->buckets)) || !book_known(buckets_channels(c->buckets))) {
		refuse_redis(r, store_trouble(c->cp->store));
		return NULL;
	}
	if (!buckets_has(c->buckets, c->bucket)) {
		refuse(r, 404, "NoSuchBucket", "the specified bucket does not exist");
		return NULL;
	}
	o = operation_of(c);
	if (!o)
		refuse(r, 501, "NotImplemented", "%s of this resource is not served here",
		       c->http->method);
	return o && may(c, o, owner, r) ? o : NULL;
}

/* ---- the call ---- */

static void name_request(char dst[25])
{
	uint8_t bytes[12];

	must(getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		sprintf(dst + 2 * i, "%02X", bytes[i]);
}

void oss_handle(struct cp *cp, struct http_call *http)
{
	struct oss_call *c = calloc(1, sizeof(*c));
	const struct operation *o;
	struct refusal r;

	must(c);
	c->cp = cp;
	c->http = http;
	c->buckets = channels_buckets(cp->channels);
	name_request(c->request_id);
	o = judge(c, &r);
	if (o)
		o->fn(c);
	else
		oss_fail(c, &r);
}
