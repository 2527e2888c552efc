/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of the object-storage API: fetched, deleted, listed. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "base/check.h"
#include "base/digest.h"
#include "controlplane/object_nodes.h"
#include "controlplane/oss_call.h"

#define KEYS_DEFAULT 100

static const struct {
	const char *ending, *type;
} types[] = {
	{".ts", "video/MP2T"},
	{".m3u8", "application/x-mpegURL"},
	{".jpg", "image/jpeg"},
	{"", "application/octet-stream"},
};

static const char *type_of(const char *key)
{
	size_t n = strlen(key), i = 0, len;

	for (;; i++) {
		len = strlen(types[i].ending);
		if (len <= n && !strcmp(key + n - len, types[i].ending))
			return types[i].type;
	}
}

/* Objects are replaced as a whole: what size, time and name say changes with the bytes. */
static void etag_of(char dst[OSS_ETAG], const struct object_info *o)
{
	char text[OBJECT_KEY_MAX + 64], digest[DIGEST_TEXT];

	snprintf(text, sizeof(text), "%s\n%" PRId64 "\n%" PRId64, o->key, o->bytes, o->modified_ms);
	digest_text(digest, text);
	for (char *p = digest; *p; p++)
		*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
	snprintf(dst, OSS_ETAG, "\"%s\"", digest);
}

/* What is not here may be at the node that recorded it. */
static void fail_file(struct oss_call *c, int error)
{
	struct refusal r;

	if (error == -ENOENT || error == -ENOTDIR || error == -EISDIR || error == -ELOOP) {
		refuse(&r, 404, "NoSuchKey", "the specified key does not exist");
		object_nodes_ask(c, &r);
	} else {
		refuse(&r, 500, "InternalError", "%s", strerror(-error));
		oss_fail(c, &r);
	}
}

/* ---- one object ---- */

bool oss_object_etag(const struct oss_call *c, const char *key, char dst[OSS_ETAG])
{
	struct object_info o;
	int fd = object_open(buckets_folder(c->buckets), c->bucket, key, &o);

	if (fd < 0)
		return false;
	close(fd);
	etag_of(dst, &o);
	return true;
}

/* A range of bytes: 1, 0: none that counts, -1: it begins behind the end. */
static int range_of(const char *text, int64_t size, int64_t *from, int64_t *n)
{
	long long first, last;
	int end = 0;

	*from = 0;
	*n = size;
	if (!text || strncmp(text, "bytes=", 6) != 0)
		return 0;
	text += 6;
	if (sscanf(text, "-%lld%n", &last, &end) == 1 && !text[end] && last > 0) {
		*n = min_of((int64_t)last, size);
		*from = size - *n;
		return size ? 1 : -1;
	}
	last = INT64_MAX;
	if (text[0] < '0' || text[0] > '9' || sscanf(text, "%lld-%n", &first, &end) != 1 || !end)
		return 0;
	if (text[end] && (text[end] < '0' || text[end] > '9' ||
			  sscanf(text + end, "%lld%n", &last, (int[]){0}) != 1))
		return 0;
	if (text[end + (int)strspn(text + end, "0123456789")] || last < first)
		return 0;
	if (first >= size)
		return -1;
	*from = first;
	*n = min_of((int64_t)last, size - 1) - first + 1;
	return 1;
}

/* Whether the client has it already. */
static bool is_known(const struct oss_call *c, const char *etag)
{
	const char *seen = http_header(c->http, "If-None-Match");

	return seen && (!strcmp(seen, "*") || strstr(seen, etag));
}

static void put_heads(struct oss_call *c, const struct object_info *o, const char *etag)
{
	char time[OSS_TIME];
	size_t n = strlen(o->key);

	http_head(c->http, "ETag", etag);
	http_head(c->http, "Last-Modified", oss_time_http(time, o->modified_ms));
	http_head(c->http, "Accept-Ranges", "bytes");
	http_head(c->http, "x-oss-object-type", "Normal");
	/* Players and caches in between must see every version of a playlist. */
	if (n > 5 && !strcmp(o->key + n - 5, ".m3u8"))
		http_head(c->http, "Cache-Control", "no-cache");
}

static void send_file(struct oss_call *c, const struct object_info *o, int fd)
{
	int64_t from, n;
	int range = range_of(http_header(c->http, "Range"), o->bytes, &from, &n);
	struct evbuffer *body = evbuffer_new();
	char text[80];
	bool head = !strcmp(c->http->method, "HEAD");

	must(body);
	snprintf(text, sizeof(text), "bytes %" PRId64 "-%" PRId64 "/%" PRId64, from, from + n - 1,
		 o->bytes);
	if (range > 0)
		http_head(c->http, "Content-Range", text);
	snprintf(text, sizeof(text), "%" PRId64, n);
	if (head)
		http_head(c->http, "Content-Length", text);
	/* The descriptor becomes the buffer's; the file goes from there to the socket. */
	if (head || !n || evbuffer_add_file(body, fd, from, n))
		close(fd);
	oss_send(c, range > 0 ? 206 : 200, type_of(o->key), body);
}

void oss_object_get(struct oss_call *c)
{
	char etag[OSS_ETAG], text[40];
	struct object_info o;
	struct refusal r;
	int64_t from, n;
	int fd = object_open(buckets_folder(c->buckets), c->bucket, c->object, &o);

	if (fd < 0) {
		fail_file(c, fd);
		return;
	}
	etag_of(etag, &o);
	if (range_of(http_header(c->http, "Range"), o.bytes, &from, &n) < 0) {
		close(fd);
		snprintf(text, sizeof(text), "bytes */%" PRId64, o.bytes);
		http_head(c->http, "Content-Range", text);
		refuse(&r, 416, "InvalidRange", "the range begins behind the object's end");
		oss_fail(c, &r);
		return;
	}
	put_heads(c, &o, etag);
	if (!is_known(c, etag)) {
		send_file(c, &o, fd);
		return;
	}
	close(fd);
	oss_empty(c, 304);
}

void oss_object_delete(struct oss_call *c)
{
	struct object_info o;
	int fd = object_open(buckets_folder(c->buckets), c->bucket, c->object, &o);
	int rc = fd < 0 ? fd : object_delete(buckets_folder(c->buckets), c->bucket, c->object);

	if (fd >= 0)
		close(fd);
	/* What is nowhere is deleted already. */
	if (rc == -ENOENT || rc == -ENOTDIR)
		object_nodes_ask(c, NULL);
	else if (rc)
		fail_file(c, rc);
	else
		oss_empty(c, 204);
}

/* ---- the list ---- */

static void put_object(struct xml *x, const struct object_info *o)
{
	char etag[OSS_ETAG], time[OSS_TIME];

	etag_of(etag, o);
	xml_open(x, "Contents");
	xml_text(x, "Key", o->key);
	xml_text(x, "LastModified", oss_time_xml(time, o->modified_ms));
	xml_text(x, "ETag", etag);
	xml_text(x, "Type", "Normal");
	xml_put(x, "Size", "%" PRId64, o->bytes);
	xml_text(x, "StorageClass", "Standard");
	xml_close(x);
}

static void put_list(struct oss_call *c, const struct object_info *o, int n, unsigned max,
		     bool more)
{
	struct xml *x = xml_new("ListBucketResult");

	xml_text(x, "Name", c->bucket);
	xml_text(x, "Prefix", oss_param(c, "prefix"));
	xml_text(x, "Marker", oss_param(c, "marker"));
	xml_put(x, "MaxKeys", "%u", max);
	xml_text(x, "Delimiter", oss_param(c, "delimiter"));
	xml_text(x, "IsTruncated", more ? "true" : "false");
	if (more && n)
		xml_text(x, "NextMarker", o[n - 1].key);
	for (int i = 0; i < n; i++)
		if (!o[i].folder)
			put_object(x, &o[i]);
	for (int i = 0; i < n; i++) {
		if (!o[i].folder)
			continue;
		xml_open(x, "CommonPrefixes");
		xml_text(x, "Prefix", o[i].key);
		xml_close(x);
	}
	oss_xml(c, x);
}

void oss_object_list(struct oss_call *c)
{
	const char *delimiter = oss_param(c, "delimiter");
	struct object_info *found;
	struct refusal r;
	unsigned max;
	bool more;
	int n;

	if (!strcmp(c->http->method, "HEAD")) {
		oss_empty(c, 200);
		return;
	}
	if (!oss_max_keys(c, KEYS_DEFAULT, &max, &r) ||
	    (*delimiter && strcmp(delimiter, "/") != 0 &&
	     !refuse(&r, 501, "NotImplemented", "delimiter: must be /"))) {
		oss_fail(c, &r);
		return;
	}
	found = calloc(max, sizeof(*found));
	must(found);
	n = object_list(buckets_folder(c->buckets), c->bucket, oss_param(c, "prefix"),
			oss_param(c, "marker"), *delimiter, max, found, &more);
	/* A bucket that was made at another node and has nothing here. */
	if (n == -ENOENT)
		n = 0;
	if (n < 0)
		fail_file(c, n);
	else
		put_list(c, found, n, max, more);
	free(found);
}
