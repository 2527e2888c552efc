/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of streams: one normaliser for every entry point.
 *
 * Whatever an encoder, a player or an operator writes (parameters in the app or in the stream key,
 * several app levels, /_definst_, vhost=, ?domain=, an empty name with everything in the app, a
 * flv:/mp4: prefix) becomes domain, app, name and parameters (interop U1, U2, U4, U6, C2). The name
 * is the last part of the path and the app all before it, wherever the client split the two.
 *
 * Rules for names: percent-decoded once; opaque bytes but no control byte, no empty name, no
 * "." or ".." path part; domain at most 127 bytes of a-z 0-9 . - _, app 127, name 255; the joined
 * form domain/app/name at most STREAM_KEY_MAX - 1. Parameters stay encoded. Which domains exist is
 * not decided here (U3). Threads: pure, any.
 */
#ifndef MEDIA_STREAM_NAME_H
#define MEDIA_STREAM_NAME_H

#include "base/bytes.h"

#define STREAM_KEY_MAX 512

struct stream_name {
	char domain[128]; /* lower case, no port; "default" for addresses, localhost and none */
	char app[128];
	char name[256];
	char params[1024]; /* query without '?'; the stream's parameters override the app's (U2) */
};

/*
 * RTMP: tcUrl, app and stream name as the commands have them (slices may be empty). 0, or -EINVAL
 * with *field naming what is wrong ("domain", "app", "stream") and *rule saying why.
 */
int stream_name_rtmp(struct stream_name *out, struct slice tc_url, struct slice app,
		     struct slice stream, const char **field, const char **rule);
/*
 * HTTP: the request target and Host header. *suffix is set to the name's ending without the dot, in
 * lower case ("flv", "m3u8", "ts", ...; "" if none), and cut from the name; only the last dot
 * counts (U4).
 */
int stream_name_http(struct stream_name *out, struct slice target, struct slice host,
		     char suffix[16], const char **field, const char **rule);
/* From "domain/app/name" or "app/name" (domain "default"); nothing in it is decoded. */
int stream_name_key(struct stream_name *out, const char *key, const char **rule);
/* "domain/app/name" into dst[STREAM_KEY_MAX]; returns dst. */
char *stream_key(char *dst, const struct stream_name *n);

#endif
