/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of streams and URLs: one normaliser for every entry point.
 *
 * Whatever an encoder, a player or an operator writes (parameters in the app or in the stream key,
 * several app levels, /_definst_, vhost=, ?domain=, an empty name with everything in the app, a
 * flv:/mp4: prefix) becomes domain, app, name and parameters (interop U1, U2, U4, U6, C2).
 *
 * Rules for names: percent-decoded once; opaque bytes but no control byte, no empty name, no
 * "." or ".." path part; domain at most 127 bytes, app 127, name 255; the joined form
 * domain/app/name at most STREAM_KEY_MAX - 1. Threads: pure, any.
 */
#ifndef MEDIA_URL_H
#define MEDIA_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define STREAM_KEY_MAX 512

struct stream_name {
	char domain[128]; /* lower case, no port; "default" where only addresses or localhost were given */
	char app[128];
	char name[256];
	char params[1024]; /* query without '?'; the stream's parameters override the app's (U2) */
};

/*
 * RTMP: tcUrl, app and stream name as the commands have them (slices may be empty). 0, or -EINVAL
 * with *field naming what is wrong ("app", "stream") and *rule saying why.
 */
int stream_name_rtmp(struct stream_name *out, struct slice tc_url, struct slice app,
                     struct slice stream, const char **field, const char **rule);
/*
 * HTTP: the request target and Host header. *suffix is set to the name's ending without the dot
 * ("flv", "m3u8", "ts", ...; "" if none) and cut from the name; only the last dot counts (U4).
 */
int stream_name_http(struct stream_name *out, struct slice target, struct slice host,
                     char suffix[16], const char **field, const char **rule);
/* From "domain/app/name" or "app/name" (domain "default"). */
int stream_name_key(struct stream_name *out, const char *key, const char **rule);
/* "domain/app/name" into dst[STREAM_KEY_MAX]; returns dst. */
char *stream_key(char *dst, const struct stream_name *n);

enum url_scheme { URL_RTMP, URL_RTMPS, URL_HTTP, URL_HTTPS, URL_SRT, URL_RTSP, URL_OTHER };

struct url {
	enum url_scheme scheme;
	char host[256];    /* without brackets */
	bool v6;           /* host is an IPv6 literal */
	uint16_t port;     /* the default one where none was given */
	bool port_given;
	char userinfo[128];
	char path[1024];   /* from the first '/', still percent-encoded, without query */
	char query[1024];  /* without '?' */
};

/* At most 2000 bytes of text. 0, or -EINVAL with *rule. */
int url_parse(struct url *out, const char *text, const char **rule);
/*
 * An RTMP URL as a client uses it: app (first path part, or more when `//` or several levels
 * say so), stream key with its query (interop P10), tcUrl. 0 or -EINVAL with *rule.
 */
int url_rtmp_split(const struct url *u, char app[512], char stream[2048], char tc_url[1024],
                   const char **rule);

/* Value of a parameter in "a=1&b=2", percent-decoded into dst; false if absent or too long. */
bool params_get(const char *params, const char *name, char *dst, size_t n);
/* Percent-decoding; -EINVAL for a bad escape or NUL; bytes written otherwise (dst is terminated). */
int percent_decode(char *dst, size_t n, struct slice text);

#endif
