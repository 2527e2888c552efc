/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs of remote sources and destinations, query parameters and percent-encoding.
 *
 * Names of streams, which every URL ends in, are next door: media/stream_name.h, included here.
 * Threads: pure, any.
 */
#ifndef MEDIA_URL_H
#define MEDIA_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "media/stream_name.h"

enum url_scheme { URL_RTMP, URL_RTMPS, URL_HTTP, URL_HTTPS, URL_SRT, URL_RTSP, URL_OTHER };

struct url {
	enum url_scheme scheme;
	char host[256]; /* lower case, without brackets */
	bool v6;	/* host is an IPv6 literal */
	uint16_t port;	/* the default one where none was given; 0 where there is no default */
	bool port_given;
	char userinfo[128];
	char path
		[1024]; /* from the first '/', still percent-encoded, without query; "/" if empty */
	char query[1024]; /* without '?' and, but for RTMP, without fragment */
};

/* At most 2000 bytes of text, no blank and no control byte. 0, or -EINVAL with *rule. */
int url_parse(struct url *out, const char *text, const char **rule);
/*
 * An RTMP URL as a client uses it. App: all but the last part of the path, or what stands before
 * `//`; stream: the rest with its query, byte for byte (interop P10); parameters of the app stay
 * with the app (U1: rtmp://h/app?k=v/stream). tcUrl has no default port (U6).
 * 0 or -EINVAL with *rule.
 */
int url_rtmp_split(const struct url *u, char app[512], char stream[2048], char tc_url[1024],
		   const char **rule);

/* Value of the first parameter `name` in "a=1&b=2", percent-decoded into dst[n]; false if it is
 * absent, malformed or too long. */
bool params_get(const char *params, const char *name, char *dst, size_t n);
/* params for people's eyes into dst[n], cut to fit: values of those that are secrets by their name
 * (auth_key, token, sign, password, ..) become "***". Returns dst. */
char *params_mask(char *dst, size_t n, const char *params);
/*
 * Percent-decoding of text into dst[n], which is terminated: bytes written without the terminator,
 * -EINVAL for a bad escape or NUL, -ENAMETOOLONG where it does not fit.
 */
int percent_decode(char *dst, size_t n, struct slice text);

#endif
