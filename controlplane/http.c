/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>

#include "base/check.h"
#include "base/log.h"
#include "controlplane/tls.h"

#define HEAD_MAX    16384
#define BODY_MAX    262144
#define SILENCE_S   30
#define BACKLOG	    128
#define BREATHER_MS 100 /* no accepting for so long when descriptors run out */

/* One evhttp for each door, so that a call knows which one it came through. */
struct door {
	struct http *http;
	enum http_door kind;
	const char *key; /* of the configuration */
	struct evhttp *evhttp;
};

struct http {
	struct event_base *base;
	http_handler *fn;
	http_raw *raw;
	void *arg;
	struct door tcp, tls, owner;
	char unix_path[108];
};

/* ---- answers ------------------------------------------------------------------------------- */

static void call_free(struct http_call *c)
{
	params_fini(&c->params);
	free(c);
}

void http_head(struct http_call *c, const char *name, const char *value)
{
	evhttp_add_header(evhttp_request_get_output_headers(c->req), name, value);
}

void http_send(struct http_call *c, int status, struct evbuffer *body)
{
	evhttp_send_reply(c->req, status, NULL, body);
	evbuffer_free(body);
	call_free(c);
}

void http_reply(struct http_call *c, int status, const char *type, struct evbuffer *body)
{
	http_head(c, "Content-Type", type);
	http_head(c, "Cache-Control", "no-store");
	http_head(c, "X-Content-Type-Options", "nosniff");
	http_send(c, status, body);
}

void http_reply_json(struct http_call *c, int status, json_t *body)
{
	struct evbuffer *out = evbuffer_new();
	char *text = json_dumps(body, JSON_COMPACT | JSON_PRESERVE_ORDER);

	must(out && text);
	evbuffer_add(out, text, strlen(text));
	evbuffer_add(out, "\n", 1);
	free(text);
	json_decref(body);
	http_reply(c, status, "application/json; charset=utf-8", out);
}

bool http_is_loopback(const struct http_call *c)
{
	return c->door == HTTP_OWNER || !strncmp(c->peer, "127.", 4) || !strcmp(c->peer, "::1") ||
	       !strncmp(c->peer, "::ffff:127.", 11);
}

/* ---- requests ------------------------------------------------------------------------------ */

static const char *method_name(struct evhttp_request *req)
{
	switch (evhttp_request_get_command(req)) {
	case EVHTTP_REQ_POST:
		return "POST";
	case EVHTTP_REQ_HEAD:
		return "HEAD";
	case EVHTTP_REQ_PUT:
		return "PUT";
	case EVHTTP_REQ_DELETE:
		return "DELETE";
	default:
		return "GET";
	}
}

const char *http_header(const struct http_call *c, const char *name)
{
	return evhttp_find_header(evhttp_request_get_input_headers(c->req), name);
}

bool http_next_header(const struct http_call *c, const void **at, const char **name,
		      const char **value)
{
	const struct evkeyval *h = *at;

	h = h ? TAILQ_NEXT(h, next) : TAILQ_FIRST(evhttp_request_get_input_headers(c->req));
	*at = h;
	if (!h)
		return false;
	*name = h->key;
	*value = h->value;
	return true;
}

void http_target(const struct http_call *c, const char **path, const char **query)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(c->req);

	*path = uri ? evhttp_uri_get_path(uri) : NULL;
	*query = uri ? evhttp_uri_get_query(uri) : NULL;
	*path = *path && **path ? *path : "/";
	*query = *query ? *query : "";
}

struct evbuffer *http_body(const struct http_call *c)
{
	return evhttp_request_get_input_buffer(c->req);
}

static bool is_form(struct evhttp_request *req)
{
	static const char form[] = "application/x-www-form-urlencoded";
	const char *type =
		evhttp_find_header(evhttp_request_get_input_headers(req), "Content-Type");

	return type && !strncasecmp(type, form, sizeof(form) - 1);
}

static int take_params(struct http_call *c, const char **rule)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(c->req);
	struct evbuffer *in = evhttp_request_get_input_buffer(c->req);
	const char *query = uri ? evhttp_uri_get_query(uri) : NULL;
	size_t n = evbuffer_get_length(in);

	if (query && params_parse(&c->params, query, strlen(query), rule))
		return -EINVAL;
	if (!n)
		return 0;
	if (!is_form(c->req)) {
		*rule = "the body must be application/x-www-form-urlencoded";
		return -EINVAL;
	}
	return params_parse(&c->params, (const char *)evbuffer_pullup(in, -1), n, rule);
}

static void take_names(struct http_call *c)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(c->req);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
	const char *host = evhttp_find_header(evhttp_request_get_input_headers(c->req), "Host");
	json_t *fine = host ? json_string(host) : NULL; /* UTF-8, or left out */
	char *peer = NULL;
	uint16_t port;

	snprintf(c->path, sizeof(c->path), "%s", path && *path ? path : "/");
	if (fine)
		snprintf(c->host, sizeof(c->host), "%s", host);
	json_decref(fine);
	evhttp_connection_get_peer(evhttp_request_get_connection(c->req), &peer, &port);
	snprintf(c->peer, sizeof(c->peer), "%s", peer ? peer : "");
}

static void on_request(struct evhttp_request *req, void *arg)
{
	struct http_call *c = calloc(1, sizeof(*c));
	struct door *d = arg;
	const char *rule = "";

	must(c);
	c->req = req;
	c->door = d->kind;
	c->method = method_name(req);
	take_names(c);
	c->raw = c->door == HTTP_TCP && d->http->raw && d->http->raw(d->http->arg, c);
	if (c->raw) {
		d->http->fn(d->http->arg, c);
		return;
	}
	if (!strcmp(c->method, "PUT") || !strcmp(c->method, "DELETE")) {
		http_reply_json(c, 405,
				json_pack("{ss ss}", "Code", "MethodNotAllowed", "Message",
					  "GET, POST or HEAD"));
		return;
	}
	if (take_params(c, &rule)) {
		http_reply_json(c, 400,
				json_pack("{ss ss}", "Code", "InvalidParameter", "Message", rule));
		return;
	}
	d->http->fn(d->http->arg, c);
}

/* ---- listening ----------------------------------------------------------------------------- */

static void door_open(struct door *d, struct http *h, enum http_door kind)
{
	d->http = h;
	d->kind = kind;
	d->evhttp = evhttp_new(h->base);
	must(d->evhttp);
	evhttp_set_max_headers_size(d->evhttp, HEAD_MAX);
	evhttp_set_max_body_size(d->evhttp, BODY_MAX);
	evhttp_set_timeout(d->evhttp, SILENCE_S);
	evhttp_set_allowed_methods(d->evhttp, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
						      EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE);
	evhttp_set_gencb(d->evhttp, on_request, d);
}

static void on_breathed(evutil_socket_t fd, short what, void *arg)
{
	evconnlistener_enable(arg);
}

/* Out of descriptors: without a pause the loop would spin on the same connection. */
static void on_accept_error(struct evconnlistener *l, void *arg)
{
	struct timeval tv = {0, BREATHER_MS * 1000};

	log_warn("accept_failed", "why=\"%s\"", strerror(errno));
	evconnlistener_disable(l);
	event_base_once(evconnlistener_get_base(l), -1, EV_TIMEOUT, on_breathed, l, &tv);
}

static int door_bind(struct door *d, int fd)
{
	struct evconnlistener *l =
		evconnlistener_new(d->http->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE, BACKLOG, fd);

	if (!l)
		return -errno;
	if (!evhttp_bind_listener(d->evhttp, l)) {
		evconnlistener_free(l);
		return -ENOMEM;
	}
	evconnlistener_set_error_cb(l, on_accept_error);
	return 0;
}

static int listen_at(struct door *d, const struct addrinfo *a)
{
	int on = 1, rc;
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	rc = bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, BACKLOG) ? -errno : 0;
	if (!rc)
		rc = door_bind(d, fd);
	if (rc)
		close(fd);
	return rc;
}

/* "host:port" cut in two within `text`; "" for every address. */
static bool split_address(char *text, const char **host, const char **port)
{
	char *colon = strrchr(text, ':');

	if (!colon)
		return false;
	*colon = 0;
	*port = colon + 1;
	*host = text;
	if (*text == '[' && colon > text && colon[-1] == ']') {
		colon[-1] = 0;
		*host = text + 1;
	}
	return true;
}

static int listen_one(struct door *d, const char *address, char *err, size_t err_n)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *list, *a;
	const char *host, *port, *why = NULL;
	char text[300];
	int rc = -EINVAL;

	snprintf(text, sizeof(text), "%s", address);
	if (!split_address(text, &host, &port))
		why = "must be host:port";
	else if (getaddrinfo(*host ? host : NULL, port, &hints, &list))
		why = "the host name does not resolve";
	if (why) {
		snprintf(err, err_n, "%s: %s: %s", d->key, address, why);
		return rc;
	}
	for (a = list; a; a = a->ai_next) {
		rc = listen_at(d, a);
		/* A machine without IPv6 still serves ":port". */
		if (rc == -EAFNOSUPPORT && list->ai_next)
			rc = 0;
		if (rc)
			break;
	}
	freeaddrinfo(list);
	if (rc == -EADDRINUSE)
		snprintf(err, err_n,
			 "%s: %s: another program uses this port; choose another "
			 "or stop that program",
			 d->key, address);
	else if (rc)
		snprintf(err, err_n, "%s: %s: %s", d->key, address, strerror(-rc));
	return rc;
}

static int listen_all(struct door *d, const char *addresses, char *err, size_t err_n)
{
	char all[1100], *at = all, *one;

	snprintf(all, sizeof(all), "%s", addresses);
	while ((one = strsep(&at, " "))) {
		int rc = *one ? listen_one(d, one, err, err_n) : 0;

		if (rc)
			return rc;
	}
	return 0;
}

int http_listen_tcp(struct http *h, const char *addresses, char *err, size_t err_n)
{
	return listen_all(&h->tcp, addresses, err, err_n);
}

int http_listen_tls(struct http *h, const char *addresses, struct tls *t, char *err, size_t err_n)
{
	evhttp_set_bevcb(h->tls.evhttp, tls_accept, t);
	return listen_all(&h->tls, addresses, err, err_n);
}

/* Somebody answers there. */
static bool is_alive(const struct sockaddr_un *where)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool alive = fd >= 0 && !connect(fd, (const struct sockaddr *)where, sizeof(*where));

	if (fd >= 0)
		close(fd);
	return alive;
}

int http_listen_unix(struct http *h, const char *path, char *err, size_t err_n)
{
	struct sockaddr_un where = {.sun_family = AF_UNIX};
	mode_t mask;
	int fd, rc;

	if (strlen(path) >= sizeof(where.sun_path)) {
		snprintf(err, err_n, "%s: the path of a socket has at most 107 bytes", path);
		return -ENAMETOOLONG;
	}
	strcpy(where.sun_path, path);
	if (is_alive(&where)) {
		snprintf(err, err_n, "%s: another millrace-cp is running in this folder", path);
		return -EADDRINUSE;
	}
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mask = umask(0177);
	rc = fd < 0 || bind(fd, (struct sockaddr *)&where, sizeof(where)) || listen(fd, BACKLOG)
		     ? -errno
		     : 0;
	umask(mask);
	if (!rc)
		rc = door_bind(&h->owner, fd);
	if (rc) {
		if (fd >= 0)
			close(fd);
		snprintf(err, err_n, "%s: %s", path, strerror(-rc));
		return rc;
	}
	strcpy(h->unix_path, path);
	return 0;
}

/* ---- life ---------------------------------------------------------------------------------- */

struct http *http_new(struct event_base *base, http_handler *fn, void *arg)
{
	struct http *h = calloc(1, sizeof(*h));

	must(h);
	h->base = base;
	h->fn = fn;
	h->arg = arg;
	door_open(&h->tcp, h, HTTP_TCP);
	door_open(&h->tls, h, HTTP_TCP);
	door_open(&h->owner, h, HTTP_OWNER);
	h->tcp.key = "api.listen";
	h->tls.key = "api.tls_listen";
	return h;
}

void http_set_raw(struct http *h, http_raw *fn)
{
	h->raw = fn;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	evhttp_free(h->tcp.evhttp);
	evhttp_free(h->tls.evhttp);
	evhttp_free(h->owner.evhttp);
	if (h->unix_path[0])
		unlink(h->unix_path);
	free(h);
}
