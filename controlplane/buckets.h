/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buckets of objects and the live channels that write into them: two books that all nodes share.
 *
 *   {buckets}   bucket -> {"acl":"private|public-read|public-read-write","created":ms}
 *   {channels}  bucket/channel -> {"description","enabled","frag_s","count","playlist",
 *                                  "created":ms,"modified":ms}
 *
 * Each bucket is an ingest domain of the data plane, BUCKET.HOST with oss.host, else BUCKET, whose
 * publishers are asked for (channels.h) and that nobody plays. Objects are files of this node.
 *
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_BUCKETS_H
#define CONTROLPLANE_BUCKETS_H

#include "controlplane/book.h"
#include "controlplane/cp.h"
#include "controlplane/oss_xml.h"
#include "controlplane/refusal.h"

#define BUCKET_DOMAIN 192
#define CHANNEL_NAME  256 /* with the NUL */
#define CHANNEL_KEY   (64 + CHANNEL_NAME)

enum bucket_acl { BUCKET_PRIVATE, BUCKET_PUBLIC_READ, BUCKET_PUBLIC_WRITE };

struct buckets;

/* changed: a document is another one. */
struct buckets *buckets_new(struct cp *cp, void (*changed)(void *arg), void *arg);
/* After the store is freed. */
void buckets_free(struct buckets *b);
/* Every two seconds or so. */
void buckets_tick(struct buckets *b);
/* The folder of all objects. */
const char *buckets_folder(const struct buckets *b);

/* ---- buckets ---- */
struct book *buckets_book(const struct buckets *b);
bool buckets_has(const struct buckets *b, const char *bucket);
enum bucket_acl buckets_acl(const struct buckets *b, const char *bucket);
const char *buckets_acl_word(enum bucket_acl acl);
/* false: it is none of the three words. */
bool buckets_acl_of(const char *word, enum bucket_acl *acl);
/*
 * Makes one, or changes its access where it is there. done is called once, perhaps from within, with
 * what was wrong, or NULL.
 */
typedef void buckets_done(void *arg, const struct refusal *r);
void buckets_set(struct buckets *b, const char *bucket, enum bucket_acl acl, buckets_done *done,
		 void *arg);
/* Refused while it has channels or objects. */
void buckets_remove(struct buckets *b, const char *bucket, buckets_done *done, void *arg);

/* ---- their domains ---- */
char *buckets_domain(const struct buckets *b, char dst[BUCKET_DOMAIN], const char *bucket);
/* The bucket of a domain or Host header (its port is passed over) into dst; false: it is none's. */
bool buckets_of_domain(const struct buckets *b, const char *domain, char dst[64]);

/* ---- channels ---- */
struct book *buckets_channels(const struct buckets *b);
/* "bucket/channel" */
char *channel_key(char dst[CHANNEL_KEY], const char *bucket, const char *channel);
/* Whether it can be a channel's name: an object's of one part, that the data plane takes too. */
bool channel_name_fine(const char *channel);
/* The key of its stream at the data plane, into dst. */
char *channel_stream(const struct buckets *b, char dst[512], const char *bucket,
		     const char *channel);
/* NULL: there is none. */
json_t *channel_get(const struct buckets *b, const char *bucket, const char *channel);
/* What a document says, and the document of what was asked for. was: the one before, or NULL. */
void channel_config_of(struct channel_config *c, const json_t *doc);
json_t *channel_doc(const struct channel_config *c, const json_t *was, int64_t now_ms);

#endif
