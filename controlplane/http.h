/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server of the control plane: TCP listeners for programs, a unix socket for the owner.
 *
 * A request becomes a struct http_call with its parameters parsed; it is answered exactly once, now
 * or later. Requests with bad parameters are answered here. Raw calls are their handler's: nothing
 * of them is parsed or refused here, other ones are GET, POST or HEAD. Bounds: 16 KiB of head, 256
 * KiB of body, 30 s of silence. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_HTTP_H
#define CONTROLPLANE_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "controlplane/params.h"

struct event_base;
struct evbuffer;
struct evhttp_request;
struct http;

enum http_door { HTTP_TCP, HTTP_OWNER };

struct http_call {
	struct evhttp_request *req;
	enum http_door door;
	bool raw;
	const char *method; /* "GET", "POST" or "HEAD"; raw: "PUT" or "DELETE" too */
	char path[256];
	char host[256]; /* as the client named us; "" if it did not */
	char peer[64];
	struct params params;
};

/* Owns the call until it is answered. */
typedef void http_handler(void *arg, struct http_call *c);

/* Whether it is a raw call, which has no params yet; asked of calls by TCP. */
typedef bool http_raw(void *arg, const struct http_call *c);

struct http *http_new(struct event_base *base, http_handler *fn, void *arg);
/* arg: that of the handler. */
void http_set_raw(struct http *h, http_raw *fn);
/* Every call must have been answered. */
void http_free(struct http *h);
/* "host:port", "[v6]:port", ":port", several with blanks between; 0 or -errno with a line in err. */
int http_listen_tcp(struct http *h, const char *addresses, char *err, size_t err_n);
/* The same by TLS; t is the caller's and outlives h. */
struct tls;
int http_listen_tls(struct http *h, const char *addresses, struct tls *t, char *err, size_t err_n);
/* Mode 0600; a stale socket file is replaced. */
int http_listen_unix(struct http *h, const char *path, char *err, size_t err_n);

bool http_is_loopback(const struct http_call *c);
/* Of the request; NULL: it has no such header. */
const char *http_header(const struct http_call *c, const char *name);
/* The next header after *at (NULL: the first); false: there is none. */
bool http_next_header(const struct http_call *c, const void **at, const char **name,
		      const char **value);
/* Path and query as they were sent. */
void http_target(const struct http_call *c, const char **path, const char **query);
struct evbuffer *http_body(const struct http_call *c);
/* A header of the answer. */
void http_head(struct http_call *c, const char *name, const char *value);
/* Ends the call with the headers that it was given; takes the body. */
void http_send(struct http_call *c, int status, struct evbuffer *body);
/* Both end the call and take what they send. */
void http_reply(struct http_call *c, int status, const char *type, struct evbuffer *body);
void http_reply_json(struct http_call *c, int status, json_t *body);

#endif
