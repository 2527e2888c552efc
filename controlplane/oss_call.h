/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call of the object-storage API: what it names, who may, and how it is answered.
 *
 * oss.c reads and judges it, oss_objects.c and oss_channels.c do it. It is answered exactly once,
 * now or later, by one of the functions below. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_OSS_CALL_H
#define CONTROLPLANE_OSS_CALL_H

#include "controlplane/buckets.h"
#include "controlplane/channels.h"
#include "controlplane/cp.h"
#include "controlplane/object_files.h"
#include "controlplane/oss_xml.h"

struct evbuffer;

struct oss_call {
	struct cp *cp;
	struct http_call *http;
	struct buckets *buckets;
	char request_id[25];
	char bucket[OBJECT_BUCKET_MAX], object[OBJECT_KEY_MAX]; /* decoded; "": none */
	struct params params;
};

/* ---- what it has ---- */
bool oss_given(const struct oss_call *c, const char *param);
/* "" where it is not given. */
const char *oss_param(const struct oss_call *c, const char *param);
/* max-keys, 1 to 1000; false with *r. */
bool oss_max_keys(const struct oss_call *c, unsigned otherwise, unsigned *max, struct refusal *r);

/* ---- its answer: each ends the call ---- */
/* A message that ends with " (EC 0044-00000014)" has the service's own code in it. */
void oss_fail(struct oss_call *c, const struct refusal *r);
void oss_empty(struct oss_call *c, int status);
/* Takes x. */
void oss_xml(struct oss_call *c, struct xml *x);
/* Takes the body; headers of its own were set by http_head(). */
void oss_send(struct oss_call *c, int status, const char *type, struct evbuffer *body);

/* ---- texts ---- */
#define OSS_ETAG 96
#define OSS_TIME 32
/* "2016-08-30T09:48:08.000Z", and as headers have it: "Tue, 30 Aug 2016 09:48:08 GMT". */
char *oss_time_xml(char dst[OSS_TIME], int64_t ms);
char *oss_time_http(char dst[OSS_TIME], int64_t ms);

/* ---- what it may do ---- */
/* The ETag of an object that is there, with its quotes. */
bool oss_object_etag(const struct oss_call *c, const char *key, char dst[OSS_ETAG]);

void oss_object_get(struct oss_call *c);
void oss_object_delete(struct oss_call *c);
void oss_object_list(struct oss_call *c);

void oss_channel_put(struct oss_call *c);
void oss_channel_put_status(struct oss_call *c);
void oss_channel_info(struct oss_call *c);
void oss_channel_stat(struct oss_call *c);
void oss_channel_history(struct oss_call *c);
void oss_channel_list(struct oss_call *c);
void oss_channel_delete(struct oss_call *c);
void oss_vod_get(struct oss_call *c);
void oss_vod_post(struct oss_call *c);

#endif
