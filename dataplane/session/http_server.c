/* SPDX-License-Identifier: Apache-2.0 */
#include "session/http_server.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "session/client.h"
#include "session/elsewhere.h"

static const char allowed[] = "GET, HEAD, OPTIONS";

/* ---- answers ---- */

__attribute__((format(printf, 2, 3))) static void put(struct http_server *h, const char *fmt, ...)
{
	struct sink *out = session_sink(&h->session);
	char text[1024];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	must(n >= 0 && (size_t)n < sizeof(text));
	out->write(out, text, (size_t)n);
}

static const char *phrase(unsigned status)
{
	switch (status) {
	case 200:
		return "OK";
	case 204:
		return "No Content";
	case 302:
		return "Found";
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 408:
		return "Request Timeout";
	case 414:
		return "URI Too Long";
	case 426:
		return "Upgrade Required";
	case 431:
		return "Request Header Fields Too Large";
	default:
		return "Service Unavailable";
	}
}

static void put_cors(struct http_server *h)
{
	const char *origin = engine_conf(h->session.core->engine)->http_cors;

	if (!*origin)
		return;
	put(h,
	    "Access-Control-Allow-Origin: %s\r\n"
	    "Access-Control-Expose-Headers: Content-Length, Content-Range, Date\r\n",
	    origin);
}

void http_put_head(struct http_server *h, unsigned status, const char *more)
{
	time_t now = (time_t)(clock_wall_ms() / 1000);
	char date[64];
	struct tm tm;

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	put(h,
	    "HTTP/1.1 %u %s\r\nServer: Millrace\r\nDate: %s\r\nConnection: close\r\n"
	    "Cache-Control: no-store\r\n",
	    status, phrase(status), date);
	put_cors(h);
	put(h, "%s", more);
}

void http_answer(struct http_server *h, unsigned status, const char *more, const char *text,
		 enum reason why)
{
	h->phase = HTTP_ANSWERED;
	http_put_head(h, status, more);
	if (*text)
		put(h, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n",
		    strlen(text) + 1);
	put(h, "\r\n");
	if (*text && !h->head_only)
		put(h, "%s\n", text);
	session_close_after_flush(&h->session, why);
}

/* What a browser asks before a page of another origin may fetch a stream (interop H2). */
static void answer_options(struct http_server *h, const struct http_head *head)
{
	struct slice net = http_header_get(head, "Access-Control-Request-Private-Network");
	char more[512];

	snprintf(
		more, sizeof(more),
		"Allow: %s\r\nAccess-Control-Allow-Methods: %s\r\n"
		"Access-Control-Allow-Headers: Accept, Authorization, Cache-Control, Content-Type, "
		"If-Modified-Since, If-None-Match, Range, X-Requested-With\r\n"
		"Access-Control-Max-Age: 86400\r\n%s",
		allowed, allowed, net.p ? "Access-Control-Allow-Private-Network: true\r\n" : "");
	http_answer(h, 204, more, "", REASON_ANSWERED);
}

/* The path and query of a request's target, which may be a whole URL; n = 0: it has none. */
static struct slice path_of(struct slice target)
{
	const uint8_t *host = memmem(target.p, target.n, "://", 3), *path;

	if (target.n && target.p[0] == '/')
		return target;
	path = host ? memchr(host + 3, '/', target.n - (size_t)(host + 3 - target.p)) : NULL;
	if (!path)
		return (struct slice){NULL, 0};
	return (struct slice){path, target.n - (size_t)(path - target.p)};
}

struct slice http_path(const struct http_head *head)
{
	struct slice path = path_of(head->target);
	const uint8_t *query = path.n ? memchr(path.p, '?', path.n) : NULL;

	return (struct slice){path.p, query ? (size_t)(query - path.p) : path.n};
}

/* This node drains: the client is told another one, token and all (interop H10). */
static void answer_send_on(struct http_server *h, const struct http_head *head)
{
	const struct config *conf = engine_conf(h->session.core->engine);
	struct slice node = elsewhere_http(conf, h->session.tls), path = path_of(head->target);
	struct sink *out = session_sink(&h->session);

	if (!node.n || !path.n) {
		http_answer(h, 503, "Retry-After: 5\r\n", reason_help(REASON_DRAIN), REASON_DRAIN);
		return;
	}
	h->phase = HTTP_ANSWERED;
	http_put_head(h, 302, "Content-Length: 0\r\nLocation: ");
	out->write(out, node.p, node.n);
	out->write(out, path.p, path.n);
	put(h, "\r\n\r\n");
	session_close_after_flush(&h->session, REASON_DRAIN);
}

/* ---- requests ---- */

static void answer_file(struct http_server *h, const struct http_head *head)
{
	struct slice host = http_header_get(head, "Host");
	const char *field = "", *rule = "";
	struct stream_name name;
	char suffix[16], text[256];

	if (sessions_send_on(h->session.core)) {
		answer_send_on(h, head);
		return;
	}
	if (!host.p && head->minor > 0) {
		http_answer(h, 400, "", "Host header is missing", REASON_BAD_HTTP);
		return;
	}
	if (stream_name_http(&name, head->target, host, suffix, &field, &rule)) {
		snprintf(text, sizeof(text), "%s: %s; streams are at /app/name.flv", field, rule);
		http_answer(h, 404, "", text, REASON_BAD_NAME);
	} else if (strcmp(suffix, "flv")) {
		http_answer(h, 404, "", "nothing here; streams are at /app/name.flv",
			    REASON_STREAM_NOT_FOUND);
	} else if (!ws_wanted(head) || ws_flv_ask(h, head)) {
		http_flv(h, head, &name);
	}
}

static void answer_request(struct http_server *h, const struct http_head *head)
{
	enum reason why = client_forwarded(&h->session, head);

	if (why != REASON_NONE) {
		http_answer(h, 503, "Retry-After: 5\r\n", reason_help(why), why);
		return;
	}
	switch (head->method) {
	case HTTP_HEAD:
		h->head_only = true;
		answer_file(h, head);
		break;
	case HTTP_GET:
		answer_file(h, head);
		break;
	case HTTP_OPTIONS:
		answer_options(h, head);
		break;
	default:
		http_answer(h, 405, "Allow: GET, HEAD, OPTIONS\r\n",
			    "only GET, HEAD and OPTIONS are served here", REASON_BAD_METHOD);
	}
}

static enum reason received(struct session *s, const uint8_t *p, size_t n)
{
	struct http_server *h = http_server_of(s);
	size_t max = (size_t)engine_conf(s->core->engine)->http_request_bytes;
	size_t room = max - min_of(max, h->request.n);
	bool full = n >= room;
	struct http_head head;
	int r;

	if (h->phase == HTTP_PLAYING && h->ws)
		return ws_flv_received(h, p, n);
	if (h->phase != HTTP_READING)
		return REASON_NONE;
	buf_write(&h->request, p, full ? room : n);
	if (h->request.bad)
		return REASON_MEMORY_BUDGET;
	if (!full && !memchr(p, '\n', n))
		return REASON_NONE;
	r = http_request_parse(h->request.p, h->request.n, &head);
	if (r > 0) {
		answer_request(h, &head);
	} else if (r < 0 && head.method == HTTP_POST) { /* malformed for us because it has a body */
		answer_request(h, &head);
	} else if (r < 0) {
		http_answer(h, 400, "", "this is no HTTP/1.1 request", REASON_BAD_HTTP);
	} else if (!full) {
		return REASON_NONE;
	} else if (memchr(h->request.p, '\n', h->request.n)) {
		http_answer(h, 431, "", "the request's headers are too long", REASON_BAD_HTTP);
	} else {
		http_answer(h, 414, "", "the request's target is too long", REASON_BAD_HTTP);
	}
	buf_fini(&h->request);
	session_flush(s);
	return REASON_NONE;
}

/* ---- deadlines and the end ---- */

static enum reason deadline(struct session *s)
{
	struct http_server *h = http_server_of(s);

	if (h->waiting.key) {
		http_flv_give_up(h);
		return REASON_NONE;
	}
	if (!s->conn->bytes_in)
		return s->deadline_why;
	if (h->phase == HTTP_PLAYING)
		return s->deadline_why;
	http_answer(h, 408, "", "the request took too long", s->deadline_why);
	return REASON_NONE;
}

static void opened(struct session *s)
{
	const struct config *conf = engine_conf(s->core->engine);

	buf_init(&http_server_of(s)->request, &s->mem);
	session_deadline(s, (uint64_t)conf->http_request_timeout, REASON_REQUEST_TIMEOUT);
}

static void ending(struct session *s, enum reason why)
{
	waiting_end(&http_server_of(s)->waiting, s->core);
	feed_stop(&http_server_of(s)->feed);
	auth_end(&http_server_of(s)->auth, s, why);
}

static void gone(struct session *s)
{
	buf_fini(&http_server_of(s)->request);
	ws_flv_free(http_server_of(s));
}

const struct session_ops http_server_ops = {
	.protocol = "http-flv",
	.bytes = sizeof(struct http_server),
	.opened = opened,
	.received = received,
	.deadline = deadline,
	.ending = ending,
	.gone = gone,
};
