/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/buckets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/domains.h"
#include "controlplane/object_files.h"

#define ASK_MS	   5000
#define NAME_BYTES 255 /* of a stream, at the data plane */

struct buckets {
	struct cp *cp;
	struct book *buckets, *channels;
	char folder[1100], host[128];
	void (*changed)(void *arg);
	void *arg;
};

/* ---- names ---- */

/* What the control plane answers itself by path. */
static const char *const reserved[] = {"api", "console", "healthz", "local", "metrics"};

static const char *const acl_words[] = {"private", "public-read", "public-read-write"};

const char *buckets_acl_word(enum bucket_acl acl)
{
	return acl_words[acl];
}

bool buckets_acl_of(const char *word, enum bucket_acl *acl)
{
	for (size_t i = 0; i < array_len(acl_words); i++)
		if (!strcmp(word, acl_words[i])) {
			*acl = (enum bucket_acl)i;
			return true;
		}
	return false;
}

static bool name_fine(const struct buckets *b, const char *bucket, struct refusal *r)
{
	if (!object_bucket_fine(bucket))
		return refuse(r, 400, "InvalidBucketName",
			      "a bucket's name has 3 to 63 small letters, digits and -, "
			      "which neither begins nor ends it");
	/* It would be taken for an address. */
	if (!*b->host && bucket[strspn(bucket, "0123456789")] == 0)
		return refuse(r, 400, "InvalidBucketName",
			      "without oss.host a bucket's name must have a letter");
	for (size_t i = 0; i < array_len(reserved); i++)
		if (!strcmp(bucket, reserved[i]))
			return refuse(r, 400, "InvalidBucketName",
				      "%s is a path of the control plane", bucket);
	return true;
}

char *buckets_domain(const struct buckets *b, char dst[BUCKET_DOMAIN], const char *bucket)
{
	snprintf(dst, BUCKET_DOMAIN, "%.63s%s%s", bucket, *b->host ? "." : "", b->host);
	return dst;
}

bool buckets_of_domain(const struct buckets *b, const char *domain, char dst[64])
{
	size_t n = strcspn(domain, ":"), host_n = strlen(b->host);

	if (host_n) {
		if (n <= host_n + 1 || domain[n - host_n - 1] != '.' ||
		    strncasecmp(domain + n - host_n, b->host, host_n) != 0)
			return false;
		n -= host_n + 1;
	}
	if (n >= 64)
		return false;
	for (size_t i = 0; i < n; i++)
		dst[i] = (char)(domain[i] >= 'A' && domain[i] <= 'Z' ? domain[i] + 32 : domain[i]);
	dst[n] = 0;
	return object_bucket_fine(dst);
}

/* ---- the data plane's domains ---- */

static json_t *config(void)
{
	return json_pack("{ss s{ss} s{sb si si sb} s{ss si}}", "type", "ingest", "auth", "type",
			 "none", "remote", "publish", 1, "timeout_ms", ASK_MS, "ttl_ms", 0,
			 "by_address", 1, "publish", "policy", "reject", "hold_ms", 0);
}

static void on_changed(void *arg)
{
	struct buckets *b = arg;
	char domain[BUCKET_DOMAIN];
	const char *bucket;
	json_t *more, *doc;

	if (!book_known(b->buckets) || !book_known(b->channels))
		return;
	more = json_object();
	json_object_foreach (book_all(b->buckets), bucket, doc)
		json_object_set_new(more, buckets_domain(b, domain, bucket), config());
	domains_set_more(b->cp->domains, more);
	b->changed(b->arg);
}

/* ---- buckets ---- */

struct book *buckets_book(const struct buckets *b)
{
	return b->buckets;
}

const char *buckets_folder(const struct buckets *b)
{
	return b->folder;
}

bool buckets_has(const struct buckets *b, const char *bucket)
{
	return book_get(b->buckets, bucket) != NULL;
}

enum bucket_acl buckets_acl(const struct buckets *b, const char *bucket)
{
	enum bucket_acl acl = BUCKET_PRIVATE;

	buckets_acl_of(dp_text(book_get(b->buckets, bucket), "acl"), &acl);
	return acl;
}

/* A change on its way to Redis. */
struct change {
	buckets_done *done;
	void *arg;
};

static void on_committed(void *arg, const char *error)
{
	struct change *c = arg;
	struct refusal r;

	if (error)
		refuse(&r, 503, "ServiceUnavailable", "%.300s", error);
	c->done(c->arg, error ? &r : NULL);
	free(c);
}

static void commit(struct buckets *b, const char *bucket, json_t *doc, buckets_done *done,
		   void *arg)
{
	struct change *c = malloc(sizeof(*c));

	must(c);
	*c = (struct change){done, arg};
	book_commit(b->buckets, json_pack("{so}", bucket, doc), on_committed, c);
}

static bool is_ready(const struct buckets *b, struct refusal *r)
{
	if (book_known(b->buckets) && book_known(b->channels))
		return true;
	return refuse_redis(r, store_trouble(b->cp->store));
}

static bool may_make(const struct buckets *b, const char *bucket, struct refusal *r)
{
	char domain[BUCKET_DOMAIN];
	int rc;

	if (!is_ready(b, r) || !name_fine(b, bucket, r))
		return false;
	if (domains_get(b->cp->domains, buckets_domain(b, domain, bucket)))
		return refuse(r, 409, "BucketAlreadyExists", "%s is a domain", domain);
	rc = object_bucket_make(b->folder, bucket);
	if (rc)
		return refuse(r, 500, "InternalError", "%.256s: %s", b->folder, strerror(-rc));
	return true;
}

void buckets_set(struct buckets *b, const char *bucket, enum bucket_acl acl, buckets_done *done,
		 void *arg)
{
	const json_t *was = book_get(b->buckets, bucket);
	json_int_t created = was ? json_integer_value(json_object_get(was, "created"))
				 : (json_int_t)clock_wall_ms();
	struct refusal r;

	if (may_make(b, bucket, &r))
		commit(b, bucket, json_pack("{ss sI}", "acl", acl_words[acl], "created", created),
		       done, arg);
	else
		done(arg, &r);
}

static bool has_channels(const struct buckets *b, const char *bucket)
{
	size_t n = strlen(bucket);
	const char *key;
	json_t *doc;

	json_object_foreach (book_all(b->channels), key, doc)
		if (!strncmp(key, bucket, n) && key[n] == '/')
			return true;
	return false;
}

static bool may_remove(const struct buckets *b, const char *bucket, struct refusal *r)
{
	struct object_info one;
	bool more;
	int rc;

	if (!is_ready(b, r))
		return false;
	if (!buckets_has(b, bucket))
		return refuse(r, 404, "NoSuchBucket", "there is no bucket %.63s", bucket);
	if (has_channels(b, bucket))
		return refuse(r, 409, "BucketNotEmpty", "%s has live channels", bucket);
	rc = object_list(b->folder, bucket, "", "", false, 1, &one, &more);
	if (rc > 0)
		return refuse(r, 409, "BucketNotEmpty", "%s has objects", bucket);
	object_bucket_tidy(b->folder, bucket);
	rc = object_bucket_remove(b->folder, bucket);
	if (rc)
		return refuse(r, rc == -ENOTEMPTY ? 409 : 500,
			      rc == -ENOTEMPTY ? "BucketNotEmpty" : "InternalError", "%s: %s",
			      bucket, strerror(-rc));
	return true;
}

void buckets_remove(struct buckets *b, const char *bucket, buckets_done *done, void *arg)
{
	struct refusal r;

	if (may_remove(b, bucket, &r))
		commit(b, bucket, json_null(), done, arg);
	else
		done(arg, &r);
}

/* ---- channels ---- */

struct book *buckets_channels(const struct buckets *b)
{
	return b->channels;
}

char *channel_key(char dst[CHANNEL_KEY], const char *bucket, const char *channel)
{
	snprintf(dst, CHANNEL_KEY, "%.63s/%.*s", bucket, CHANNEL_NAME - 1, channel);
	return dst;
}

bool channel_name_fine(const char *channel)
{
	return strlen(channel) <= NAME_BYTES && !strchr(channel, '/') && object_key_fine(channel) &&
	       strncmp(channel, "flv:", 4) != 0 && strncmp(channel, "mp4:", 4) != 0;
}

char *channel_stream(const struct buckets *b, char dst[512], const char *bucket,
		     const char *channel)
{
	char domain[BUCKET_DOMAIN];

	snprintf(dst, 512, "%s/live/%.255s", buckets_domain(b, domain, bucket), channel);
	return dst;
}

json_t *channel_get(const struct buckets *b, const char *bucket, const char *channel)
{
	char key[CHANNEL_KEY];

	return book_get(b->channels, channel_key(key, bucket, channel));
}

void channel_config_of(struct channel_config *c, const json_t *doc)
{
	channel_config_init(c);
	snprintf(c->description, sizeof(c->description), "%s", dp_text(doc, "description"));
	snprintf(c->playlist, sizeof(c->playlist), "%s", dp_text(doc, "playlist"));
	c->enabled = json_is_true(json_object_get(doc, "enabled"));
	c->frag_duration_s = (int)json_integer_value(json_object_get(doc, "frag_s"));
	c->frag_count = (int)json_integer_value(json_object_get(doc, "count"));
}

json_t *channel_doc(const struct channel_config *c, const json_t *was, int64_t now_ms)
{
	json_int_t created = was ? json_integer_value(json_object_get(was, "created")) : now_ms;

	return json_pack("{ss sb si si ss sI sI}", "description", c->description, "enabled",
			 (int)c->enabled, "frag_s", c->frag_duration_s, "count", c->frag_count,
			 "playlist", c->playlist, "created", created, "modified",
			 (json_int_t)now_ms);
}

/* ---- life ---- */

void buckets_tick(struct buckets *b)
{
	book_poll(b->buckets);
	book_poll(b->channels);
}

struct buckets *buckets_new(struct cp *cp, void (*changed)(void *arg), void *arg)
{
	struct buckets *b = calloc(1, sizeof(*b));

	must(b);
	b->cp = cp;
	b->changed = changed;
	b->arg = arg;
	snprintf(b->host, sizeof(b->host), "%.127s", cp->conf.oss_host);
	for (char *p = b->host; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
	if (*cp->conf.oss_folder)
		snprintf(b->folder, sizeof(b->folder), "%s", cp->conf.oss_folder);
	else
		snprintf(b->folder, sizeof(b->folder), "%s/objects", cp->state_dir);
	b->buckets = book_new(cp->store, "buckets", on_changed, b);
	b->channels = book_new(cp->store, "channels", on_changed, b);
	return b;
}

void buckets_free(struct buckets *b)
{
	if (!b)
		return;
	book_free(b->buckets);
	book_free(b->channels);
	free(b);
}
