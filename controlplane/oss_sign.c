/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/oss_sign.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/check.h"
#include "controlplane/url_encode.h"

#define HEADERS_MAX 64
#define V4_NAME	    "OSS4-HMAC-SHA256"
#define V4_BYTES    32
#define V4_REQUEST  "aliyun_v4_request"

/* ---- text ---- */

/* Parameters that name a part of a resource, and so are signed with it by V1; sorted. */
/* clang-format off */
static const char *const sub_resources[] = {
	"acl", "append", "bucketInfo", "callback", "callback-var", "cname", "comp",
	"continuation-token", "cors", "delete", "encryption", "endTime", "img", "inventory",
	"inventoryId", "lifecycle", "live", "location", "logging", "objectMeta", "partNumber",
	"policy", "position", "qos", "qosInfo", "referer", "replication", "replicationLocation",
	"replicationProgress", "requestPayment", "response-cache-control",
	"response-content-disposition", "response-content-encoding", "response-content-language",
	"response-content-type", "response-expires", "restore", "security-token", "sequential",
	"startTime", "stat", "status", "style", "styleName", "symlink", "tagging", "uploadId",
	"uploads", "versionId", "versioning", "versions", "vip", "vod", "website", "worm",
	"wormExtend", "wormId", "x-oss-ac-forward-allow", "x-oss-ac-source-ip",
	"x-oss-ac-subnet-mask", "x-oss-ac-vpc-id", "x-oss-async-process", "x-oss-process",
	"x-oss-request-payer", "x-oss-traffic-limit"
};
/* clang-format on */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int by_param(const void *a, const void *b)
{
	return strcmp(((const struct param *)a)->name, ((const struct param *)b)->name);
}

static bool is_sub_resource(const char *name)
{
	return bsearch(&name, sub_resources, array_len(sub_resources), sizeof(char *), by_text);
}

static unsigned sorted_params(struct param dst[PARAMS_MAX], const struct params *p)
{
	memcpy(dst, p->v, p->n * sizeof(*dst));
	qsort(dst, p->n, sizeof(*dst), by_param);
	return p->n;
}

/* A text being written into memory; text_done() gives it away. */
struct text {
	FILE *f;
	char *p;
	size_t n;
};

static void text_begin(struct text *t)
{
	*t = (struct text){0};
	t->f = open_memstream(&t->p, &t->n);
	must(t->f);
}

static char *text_done(struct text *t)
{
	must(!fclose(t->f));
	return t->p;
}

static const char *header_of(const struct oss_request *r, const char *name)
{
	for (size_t i = 0; i < r->headers_n; i++) {
		if (!strcasecmp(r->headers[i].name, name))
			return r->headers[i].value;
	}
	return NULL;
}

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

/* Name in lower case and value without blanks around it. */
struct signed_header {
	char name[128];
	const char *value;
	size_t value_n;
};

static int by_header(const void *a, const void *b)
{
	return strcmp(((const struct signed_header *)a)->name,
		      ((const struct signed_header *)b)->name);
}

/* Those that `wanted` names, sorted; how many. */
static unsigned headers_sorted(struct signed_header dst[HEADERS_MAX], const struct oss_request *r,
			       bool (*wanted)(const char *name, const char *more), const char *more)
{
	unsigned n = 0;

	for (size_t i = 0; i < r->headers_n && n < HEADERS_MAX; i++) {
		struct signed_header *h = &dst[n];
		const char *v = r->headers[i].value;

		snprintf(h->name, sizeof(h->name), "%s", r->headers[i].name);
		for (char *c = h->name; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		if (!wanted(h->name, more))
			continue;
		h->value = v + strspn(v, " \t");
		h->value_n = strlen(h->value);
		while (h->value_n && strchr(" \t", h->value[h->value_n - 1]))
			h->value_n--;
		n++;
	}
	qsort(dst, n, sizeof(*dst), by_header);
	return n;
}

static void put_headers(FILE *f, const struct signed_header *h, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fprintf(f, "%s:%.*s\n", h[i].name, (int)h[i].value_n, h[i].value);
}

/* ---- version 1 ---- */

static bool is_oss_header(const char *name, const char *more)
{
	return !strncmp(name, "x-oss-", 6);
}

static void put_resource_v1(FILE *f, const struct oss_request *r)
{
	struct param p[PARAMS_MAX];
	unsigned n = sorted_params(p, r->params);
	char mark = '?';

	fputc('/', f);
	if (*r->bucket)
		fprintf(f, "%s/%s", r->bucket, r->object);
	for (unsigned i = 0; i < n; i++) {
		if (!is_sub_resource(p[i].name))
			continue;
		fprintf(f, "%c%s", mark, p[i].name);
		if (*p[i].value)
			fprintf(f, "=%s", p[i].value);
		mark = '&';
	}
}

/* date: the Date header's, or Expires of a signed URL. */
static char *string_v1(const struct oss_request *r, const char *date)
{
	struct signed_header h[HEADERS_MAX];
	struct text t;

	text_begin(&t);
	fprintf(t.f, "%s\n%s\n%s\n%s\n", r->method, or_empty(header_of(r, "Content-MD5")),
		or_empty(header_of(r, "Content-Type")), date);
	put_headers(t.f, h, headers_sorted(h, r, is_oss_header, NULL));
	put_resource_v1(t.f, r);
	return text_done(&t);
}

static void hmac_sha1_base64(char dst[29], const char *secret, const char *text)
{
	unsigned char mac[20];
	unsigned n = sizeof(mac);

	must(HMAC(EVP_sha1(), secret, (int)strlen(secret), (const unsigned char *)text,
		  strlen(text), mac, &n));
	EVP_EncodeBlock((unsigned char *)dst, mac, (int)n);
}

static bool same_text(const char *a, const char *b)
{
	size_t n = strlen(a);

	return n == strlen(b) && !CRYPTO_memcmp(a, b, n);
}

static bool mismatch(struct refusal *why, const char *text)
{
	return refuse(why, 403, "SignatureDoesNotMatch",
		      "the signature is not that of this request; what should have been signed: %s",
		      text);
}

static bool match_v1(const struct oss_request *r, const char *secret, const char *date,
		     const char *signature, struct refusal *why)
{
	char *text = string_v1(r, date), expected[29];
	bool fine;

	hmac_sha1_base64(expected, secret, text);
	fine = same_text(signature, expected) || mismatch(why, text);
	free(text);
	return fine;
}

/* ---- dates ---- */

static bool whole_number(const char *s, int64_t *n)
{
	char *end;

	errno = 0;
	*n = strtoll(s, &end, 10);
	return isdigit((unsigned char)*s) && !*end && !errno;
}

/* "Wed, 24 Aug 2016 11:11:28 GMT", or "20231216T162057Z" */
static bool date_parse(const char *s, int64_t *at)
{
	struct tm tm = {0};
	const char *end = strptime(s, "%a, %d %b %Y %H:%M:%S GMT", &tm);

	if (!end) {
		tm = (struct tm){0};
		end = strptime(s, "%Y%m%dT%H%M%SZ", &tm);
	}
	if (!end || *end)
		return false;
	*at = timegm(&tm);
	return true;
}

static bool date_near(const char *s, int64_t now_s, struct refusal *why)
{
	int64_t at;

	if (!date_parse(s, &at))
		return refuse(why, 403, "AccessDenied",
			      "Date: must be given, as \"Wed, 24 Aug 2016 11:11:28 GMT\"");
	if (at > now_s + OSS_SKEW_S || at < now_s - OSS_SKEW_S)
		return refuse(why, 403, "RequestTimeTooSkewed",
			      "Date: is more than %d s from this node's clock", OSS_SKEW_S);
	return true;
}

static const char *request_date(const struct oss_request *r)
{
	const char *date = header_of(r, "x-oss-date");

	return or_empty(date ? date : header_of(r, "Date"));
}

/* x-oss-date is signed as a header as well, and stands where Date would. */
static bool check_v1(const struct oss_request *r, const char *secret, int64_t now_s,
		     struct refusal *why)
{
	const char *colon = strrchr(header_of(r, "Authorization"), ':');
	const char *date = request_date(r);

	return date_near(date, now_s, why) && match_v1(r, secret, date, colon + 1, why);
}

static bool check_v1_query(const struct oss_request *r, const char *secret, int64_t now_s,
			   struct refusal *why)
{
	const char *expires = or_empty(params_value(r->params, "Expires"));
	int64_t until;

	if (!whole_number(expires, &until))
		return refuse(why, 403, "AccessDenied",
			      "Expires: must be seconds since 1970, as a whole number");
	if (until < now_s)
		return refuse(why, 403, "AccessDenied", "Expires: the URL has expired");
	return match_v1(r, secret, expires, or_empty(params_value(r->params, "Signature")), why);
}

/* ---- version 4 ---- */

struct v4 {
	char id[129], day[9], region[65], signature[2 * V4_BYTES + 1];
	char more[512]; /* AdditionalHeaders: "a;b" */
};

/* The value of key= in a list with commas; false: none, or too long. */
static bool field_of(const char *list, const char *key, char *dst, size_t n)
{
	const char *at = strstr(list, key);
	size_t len;

	if (!at)
		return false;
	at += strlen(key);
	len = strcspn(at, ",");
	while (len && at[len - 1] == ' ')
		len--;
	if (len >= n)
		return false;
	memcpy(dst, at, len);
	dst[len] = 0;
	return true;
}

static bool v4_parse(const char *authorization, struct v4 *v)
{
	char credential[300], tail[64];

	*v = (struct v4){0};
	if (!field_of(authorization, "Credential=", credential, sizeof(credential)) ||
	    !field_of(authorization, "Signature=", v->signature, sizeof(v->signature)))
		return false;
	if (strstr(authorization, "AdditionalHeaders=") &&
	    !field_of(authorization, "AdditionalHeaders=", v->more, sizeof(v->more)))
		return false;
	return sscanf(credential, "%128[^/]/%8[0-9]/%64[^/]/%63s", v->id, v->day, v->region,
		      tail) == 4 &&
	       !strcmp(tail, "oss/" V4_REQUEST);
}

static bool names_header(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = list; (at = strstr(at, name)); at++) {
		if ((at == list || at[-1] == ';') && (!at[n] || at[n] == ';'))
			return true;
	}
	return false;
}

static bool is_v4_header(const char *name, const char *more)
{
	return is_oss_header(name, NULL) || !strcmp(name, "content-type") ||
	       !strcmp(name, "content-md5") || names_header(more, name);
}

/* "name=value" by name; names are there once. */
static int by_pair(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;
	size_t x_n = strcspn(x, "="), y_n = strcspn(y, "=");
	int order = memcmp(x, y, x_n < y_n ? x_n : y_n);

	return order ? order : (x_n > y_n) - (x_n < y_n);
}

/* Sorted by what is written, not by what it means. */
static void put_query_v4(FILE *f, const struct params *p)
{
	char *pair[PARAMS_MAX] = {NULL};
	struct text t;

	for (unsigned i = 0; i < p->n; i++) {
		text_begin(&t);
		url_encode(t.f, p->v[i].name, "");
		if (*p->v[i].value) {
			fputc('=', t.f);
			url_encode(t.f, p->v[i].value, "");
		}
		pair[i] = text_done(&t);
	}
	qsort(pair, p->n, sizeof(*pair), by_pair);
	for (unsigned i = 0; i < p->n; i++) {
		fprintf(f, "%s%s", i ? "&" : "", pair[i]);
		free(pair[i]);
	}
	fputc('\n', f);
}

static char *canonical_v4(const struct oss_request *r, const struct v4 *v)
{
	struct signed_header h[HEADERS_MAX];
	const char *hashed = header_of(r, "x-oss-content-sha256");
	struct text t;

	text_begin(&t);
	fprintf(t.f, "%s\n/", r->method);
	if (*r->bucket) {
		url_encode(t.f, r->bucket, "");
		fputc('/', t.f);
		url_encode(t.f, r->object, "/");
	}
	fputc('\n', t.f);
	put_query_v4(t.f, r->params);
	put_headers(t.f, h, headers_sorted(h, r, is_v4_header, v->more));
	fprintf(t.f, "\n%s\n%s", v->more, hashed ? hashed : "UNSIGNED-PAYLOAD");
	return text_done(&t);
}

static void hmac_sha256(unsigned char key[V4_BYTES], size_t key_n, const char *text)
{
	unsigned char mac[V4_BYTES];
	unsigned n = sizeof(mac);

	must(HMAC(EVP_sha256(), key, (int)key_n, (const unsigned char *)text, strlen(text), mac,
		  &n));
	memcpy(key, mac, V4_BYTES);
}

static void hex(char *dst, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sprintf(dst + 2 * i, "%02x", p[i]);
}

static void sign_v4(char dst[2 * V4_BYTES + 1], const struct v4 *v, const char *secret,
		    const char *text)
{
	unsigned char key[9 + 129 > V4_BYTES ? 9 + 129 : V4_BYTES];
	int n = snprintf((char *)key, sizeof(key), "aliyun_v4%s", secret);

	hmac_sha256(key, (size_t)n, v->day);
	hmac_sha256(key, V4_BYTES, v->region);
	hmac_sha256(key, V4_BYTES, "oss");
	hmac_sha256(key, V4_BYTES, V4_REQUEST);
	hmac_sha256(key, V4_BYTES, text);
	hex(dst, key, V4_BYTES);
}

static bool check_v4(const struct oss_request *r, const char *secret, int64_t now_s,
		     struct refusal *why)
{
	char digest[2 * V4_BYTES + 1], expected[2 * V4_BYTES + 1], text[512];
	const char *date = or_empty(header_of(r, "x-oss-date"));
	unsigned char hash[V4_BYTES];
	char *canonical;
	struct v4 v;
	bool fine;

	if (!v4_parse(header_of(r, "Authorization"), &v))
		return refuse(why, 403, "AccessDenied",
			      "Authorization: must have Credential=id/day/region/oss/" V4_REQUEST
			      " and Signature=");
	if (!date_near(date, now_s, why))
		return false;
	if (strncmp(date, v.day, 8))
		return refuse(why, 403, "AccessDenied",
			      "Authorization: Credential has another day than x-oss-date");
	canonical = canonical_v4(r, &v);
	must(EVP_Digest(canonical, strlen(canonical), hash, NULL, EVP_sha256(), NULL));
	hex(digest, hash, sizeof(hash));
	snprintf(text, sizeof(text), V4_NAME "\n%s\n%s/%s/oss/" V4_REQUEST "\n%s", date, v.day,
		 v.region, digest);
	sign_v4(expected, &v, secret, text);
	fine = same_text(v.signature, expected) || mismatch(why, canonical);
	free(canonical);
	return fine;
}

/* ---- all ---- */

enum oss_scheme oss_sign_scheme(const struct oss_request *r)
{
	const char *a = header_of(r, "Authorization");

	if (a && !strncmp(a, V4_NAME " ", sizeof(V4_NAME)))
		return OSS_V4;
	if (a && !strncmp(a, "OSS ", 4) && strchr(a, ':'))
		return OSS_V1;
	if (params_value(r->params, "OSSAccessKeyId"))
		return OSS_V1_QUERY;
	return OSS_UNSIGNED;
}

bool oss_sign_id(const struct oss_request *r, char *dst, size_t n)
{
	const char *a = header_of(r, "Authorization"), *id = NULL;
	size_t len = 0;
	struct v4 v;

	switch (oss_sign_scheme(r)) {
	case OSS_UNSIGNED:
		return false;
	case OSS_V1:
		id = a + 4;
		len = (size_t)(strrchr(id, ':') - id);
		break;
	case OSS_V1_QUERY:
		id = params_value(r->params, "OSSAccessKeyId");
		len = strlen(id);
		break;
	case OSS_V4:
		if (!v4_parse(a, &v))
			return false;
		id = v.id;
		len = strlen(id);
		break;
	}
	if (!len || len >= n)
		return false;
	memcpy(dst, id, len);
	dst[len] = 0;
	return true;
}

bool oss_sign_check(const struct oss_request *r, const char *secret, int64_t now_s,
		    struct refusal *why)
{
	switch (oss_sign_scheme(r)) {
	case OSS_V1:
		return check_v1(r, secret, now_s, why);
	case OSS_V1_QUERY:
		return check_v1_query(r, secret, now_s, why);
	case OSS_V4:
		return check_v4(r, secret, now_s, why);
	case OSS_UNSIGNED:
		break;
	}
	return refuse(why, 403, "AccessDenied", "the request is not signed");
}

/* ---- RTMP ---- */

static const struct {
	const char *code, *text;
} rtmp_says[] = {
	[OSS_RTMP_FINE] = {"", "fine"},
	[OSS_RTMP_UNSIGNED] = {"", "the URL is not signed: OSSAccessKeyId is missing"},
	[OSS_RTMP_NO_EXPIRES] = {"0002-00000803", "Expires is missing"},
	[OSS_RTMP_BAD_EXPIRES] = {"0002-00000804", "Expires must be seconds since 1970"},
	[OSS_RTMP_EXPIRED] = {"0002-00000805", "the URL has expired"},
	[OSS_RTMP_NO_SIGNATURE] = {"0002-00000806", "Signature is missing"},
	[OSS_RTMP_MISMATCH] = {"0002-00000807", "Signature is not that of this URL"},
	[OSS_RTMP_VERSION] = {"0002-00000808", "only signature version 1 is taken for RTMP"},
};

const char *oss_rtmp_code(enum oss_rtmp e)
{
	return rtmp_says[e].code;
}

const char *oss_rtmp_text(enum oss_rtmp e)
{
	return rtmp_says[e].text;
}

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(name, names[i]))
			return true;
	}
	return false;
}

void oss_rtmp_sign(char dst[29], const struct params *p, const char *bucket, const char *channel,
		   const char *expires, const char *secret, bool with_token)
{
	static const char *const never[] = {"OSSAccessKeyId", "Expires", "Signature",
					    "SecurityToken"};
	struct param sorted[PARAMS_MAX];
	unsigned n = sorted_params(sorted, p);
	struct text t;
	char *text;

	text_begin(&t);
	fprintf(t.f, "%s\n", expires);
	for (unsigned i = 0; i < n; i++) {
		if (is_one_of(sorted[i].name, never, array_len(never)) ||
		    (!with_token && !strcmp(sorted[i].name, "security-token")))
			continue;
		fprintf(t.f, "%s:%s\n", sorted[i].name, sorted[i].value);
	}
	fprintf(t.f, "/%s/%s", bucket, channel);
	text = text_done(&t);
	hmac_sha1_base64(dst, secret, text);
	free(text);
}

/* Clients differ in whether a security token is signed; either way is taken. */
enum oss_rtmp oss_rtmp_check(const struct params *p, const char *bucket, const char *channel,
			     const char *secret, int64_t now_s)
{
	const char *expires = params_value(p, "Expires");
	const char *signature = params_value(p, "Signature");
	char expected[29];
	int64_t until;

	if (params_value(p, "x-oss-signature-version") || params_value(p, "x-oss-signature"))
		return OSS_RTMP_VERSION;
	if (!params_value(p, "OSSAccessKeyId"))
		return OSS_RTMP_UNSIGNED;
	if (!expires)
		return OSS_RTMP_NO_EXPIRES;
	if (!whole_number(expires, &until))
		return OSS_RTMP_BAD_EXPIRES;
	if (until < now_s)
		return OSS_RTMP_EXPIRED;
	if (!signature)
		return OSS_RTMP_NO_SIGNATURE;
	for (int with_token = 1; with_token >= 0; with_token--) {
		oss_rtmp_sign(expected, p, bucket, channel, expires, secret, with_token);
		if (same_text(signature, expected))
			return OSS_RTMP_FINE;
	}
	return OSS_RTMP_MISMATCH;
}
