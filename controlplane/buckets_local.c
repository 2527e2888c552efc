/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/buckets_local.h"

#include <string.h>

#include "controlplane/channels.h"

static void fail(struct http_call *c, const struct refusal *r)
{
	http_reply_json(c, r->status,
			json_pack("{ss ss*}", "Code", r->code, "Message", r->message));
}

static const char *given(const struct http_call *c, const char *name)
{
	const char *value = params_value(&c->params, name);

	return value ? value : "";
}

static json_t *channels_of(const struct cp *cp, const char *bucket)
{
	const struct buckets *b = channels_buckets(cp->channels);
	json_t *rows = json_array(), *doc, *row;
	size_t n = strlen(bucket);
	const char *key;

	json_object_foreach (book_all(buckets_channels(b)), key, doc) {
		const struct live_stream *live;

		if (strncmp(key, bucket, n) != 0 || key[n] != '/')
			continue;
		live = channel_live(cp->channels, bucket, key + n + 1);
		row = json_copy(doc);
		json_object_set_new(row, "channel", json_string(key + n + 1));
		json_object_set_new(row, "publisher", json_string(live ? live->address : ""));
		json_array_append_new(rows, row);
	}
	return rows;
}

static json_t *row_of(const struct cp *cp, const char *bucket, const json_t *doc)
{
	char domain[BUCKET_DOMAIN];

	return json_pack("{ss sO* sO* ss so}", "bucket", bucket, "acl", json_object_get(doc, "acl"),
			 "created", json_object_get(doc, "created"), "domain",
			 buckets_domain(channels_buckets(cp->channels), domain, bucket), "channels",
			 channels_of(cp, bucket));
}

static void fail_unknown(struct http_call *c, const char *bucket)
{
	struct refusal r;

	refuse(&r, 404, "NoSuchBucket", "there is no bucket %.63s", bucket);
	fail(c, &r);
}

void buckets_local_list(struct cp *cp, struct http_call *c)
{
	struct book *book = buckets_book(channels_buckets(cp->channels));
	const char *one = given(c, "bucket"), *bucket;
	json_t *rows, *doc;

	if (*one && !book_get(book, one)) {
		fail_unknown(c, one);
		return;
	}
	rows = json_array();
	json_object_foreach (book_all(book), bucket, doc)
		if (!*one || !strcmp(one, bucket))
			json_array_append_new(rows, row_of(cp, bucket, doc));
	http_reply_json(c, 200, json_pack("{so}", "buckets", rows));
}

static void on_done(void *arg, const struct refusal *r)
{
	struct http_call *c = arg;

	if (r)
		fail(c, r);
	else
		http_reply_json(c, 200, json_pack("{ss}", "bucket", given(c, "bucket")));
}

static void set(struct cp *cp, struct http_call *c, bool is_new)
{
	struct buckets *b = channels_buckets(cp->channels);
	const char *bucket = given(c, "bucket"), *word = given(c, "acl");
	bool there = buckets_has(b, bucket);
	enum bucket_acl acl = BUCKET_PRIVATE;
	struct refusal r;

	if ((*word || !is_new) && !buckets_acl_of(word, &acl)) {
		refuse(&r, 400, "InvalidParameter",
		       "acl must be private, public-read or public-read-write");
		fail(c, &r);
	} else if (is_new && there) {
		refuse(&r, 409, "BucketAlreadyExists", "%s is there", bucket);
		fail(c, &r);
	} else if (!is_new && !there) {
		fail_unknown(c, bucket);
	} else {
		buckets_set(b, bucket, acl, on_done, c);
	}
}

void buckets_local_create(struct cp *cp, struct http_call *c)
{
	set(cp, c, true);
}

void buckets_local_acl(struct cp *cp, struct http_call *c)
{
	set(cp, c, false);
}

void buckets_local_remove(struct cp *cp, struct http_call *c)
{
	buckets_remove(channels_buckets(cp->channels), given(c, "bucket"), on_done, c);
}
