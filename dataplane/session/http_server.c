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

void http_put(struct http_server *h, const char *fmt, ...)
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
	case 206:
		return "Partial Content";
	case 302:
		return "Found";
	case 304:
		return "Not Modified";
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
	case 410:
		return "Gone";
	case 414:
		return "URI Too Long";
	case 416:
		return "Range Not Satisfiable";
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

	if (*origin)
		http_put(
			h,
			"Access-Control-Allow-Origin: %s\r\n"
			"Access-Control-Expose-Headers: Content-Length, Content-Range, Date, ETag\r\n",
			origin);
}

void http_put_status(struct http_server *h, unsigned status)
{
	time_t now = (time_t)(clock_wall_ms() / 1000);
	char date[64];
	struct tm tm;

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	http_put(h, "HTTP/1.1 %u %s\r\nServer: Millrace\r\nDate: %s\r\nConnection: %s\r\n", status,
		 phrase(status), date, h->keep ? "keep-alive" : "close");
	put_cors(h);
}

void http_put_head(struct http_server *h, unsigned status, const char *more)
{
	http_put_status(h, status);
	http_put(h, "Cache-Control: no-store\r\n%s", more);
}

void http_answer_begins(struct http_server *h)
{
	struct session *s = &h->session;

	h->phase = HTTP_ANSWERED;
	h->sent_bytes = s->conn->bytes_out;
	session_deadline(s, (uint64_t)engine_conf(s->core->engine)->play_stall_timeout,
			 REASON_SEND_STALLED);
}

void http_answer(struct http_server *h, unsigned status, const char *more, const char *text,
		 enum reason why)
{
	http_answer_begins(h);
	http_put_head(h, status, more);
	if (*text)
		http_put(h, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n",
			 strlen(text) + 1);
	else if (status != 204)
		http_put(h, "Content-Length: 0\r\n");
	http_put(h, "\r\n");
	if (*text && !h->head_only)
		http_put(h, "%s\n", text);
	if (!h->keep)
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
	http_put(h, "\r\n\r\n");
	session_close_after_flush(&h->session, REASON_DRAIN);
}

/* ---- requests ---- */

static void answer_file(struct http_server *h, const struct http_head *head)
{
	struct slice host = http_header_get(head, "Host");
	const char *field = "", *rule = "";
	struct stream_name name;
	struct hls_url hls;
	char suffix[16], text[256];

	if (h->session.refused != REASON_NONE) {
		http_answer(h, 503, "Retry-After: 5\r\n", reason_help(h->session.refused),
			    h->session.refused);
		return;
	}
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
	} else if (hls_url_parse(&hls, &name, suffix)) {
		hls_serve(h, head, &name, &hls);
	} else if (strcmp(suffix, "flv")) {
		http_answer(h, 404, "",
			    "nothing here; streams are at /app/name.flv and /app/name.m3u8",
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
	h->head_only = head->method == HTTP_HEAD;
	switch (head->method) {
	case HTTP_HEAD:
	case HTTP_GET:
		answer_file(h, head);
		break;
	case HTTP_OPTIONS:
		/* What it is asked for follows on the connection. */
		h->keep = !head->close && !h->cut && sessions_stay(h->session.core);
		answer_options(h, head);
		break;
	default:
		http_answer(h, 405, "Allow: GET, HEAD, OPTIONS\r\n",
			    "only GET, HEAD and OPTIONS are served here", REASON_BAD_METHOD);
	}
}

/* The bytes at the start of `request`, which is not empty. Malformed for us is also what has a body. */
static void request_next(struct http_server *h)
{
	struct session *s = &h->session;
	struct http_head head;
	int r = http_request_parse(h->request.p, h->request.n, &head);

	if (!r && !h->cut)
		return;
	h->keep = false;
	if (r > 0) {
		h->request_n = (uint32_t)r;
		answer_request(h, &head);
	} else if (r < 0 && head.method == HTTP_POST) {
		answer_request(h, &head);
	} else if (r < 0) {
		http_answer(h, 400, "", "this is no HTTP/1.1 request", REASON_BAD_HTTP);
	} else if (memchr(h->request.p, '\n', h->request.n)) {
		http_answer(h, 431, "", "the request's headers are too long", REASON_BAD_HTTP);
	} else {
		http_answer(h, 414, "", "the request's target is too long", REASON_BAD_HTTP);
	}
	if (!h->keep && h->phase != HTTP_HOLDING)
		buf_fini(&h->request);
	session_flush(s);
}

static enum reason received(struct session *s, const uint8_t *p, size_t n)
{
	struct http_server *h = http_server_of(s);
	size_t max = (size_t)engine_conf(s->core->engine)->http_request_bytes;
	size_t room = max - min_of(max, h->request.n);

	if (h->phase == HTTP_PLAYING && h->ws)
		return ws_flv_received(h, p, n);
	if (h->phase != HTTP_READING && h->phase != HTTP_HOLDING && !h->keep)
		return REASON_NONE;
	if (!h->request.n && h->served) /* the first byte of a further request */
		session_deadline(s, (uint64_t)engine_conf(s->core->engine)->http_request_timeout,
				 REASON_REQUEST_TIMEOUT);
	h->cut |= n >= room;
	buf_write(&h->request, p, min_of(n, room));
	if (h->request.bad)
		return REASON_MEMORY_BUDGET;
	if (h->phase == HTTP_READING && (h->cut || memchr(p, '\n', n)))
		request_next(h);
	return REASON_NONE;
}

void http_request_again(struct http_server *h)
{
	h->phase = HTTP_READING;
	request_next(h);
}

/* The answer is out: on to the next request, which may be here already. */
static void drained(struct session *s)
{
	struct http_server *h = http_server_of(s);
	const struct config *conf = engine_conf(s->core->engine);
	size_t left;

	if (h->phase != HTTP_ANSWERED)
		return;
	hls_answer_over(h);
	if (!h->keep || h->cut) {
		session_close(s, h->cut ? REASON_PIPELINE_FULL : REASON_ANSWERED);
		return;
	}
	left = h->request.n - h->request_n;
	memmove(h->request.p, h->request.p + h->request_n, left);
	h->request.n = left;
	h->phase = HTTP_READING;
	h->served = true;
	session_deadline(s, (uint64_t)(left ? conf->http_request_timeout : conf->http_keep_alive),
			 left ? REASON_REQUEST_TIMEOUT : REASON_IDLE_TIMEOUT);
	if (left)
		request_next(h);
	else
		buf_fini(&h->request);
}

/* ---- deadlines and the end ---- */

/* Who has taken nothing since the last look is stuck; who has may go on. */
static enum reason look_at_progress(struct http_server *h)
{
	if (h->session.conn->bytes_out == h->sent_bytes)
		return REASON_SEND_STALLED;
	if (!hls_answer_may_go_on(h))
		return REASON_TOO_SLOW;
	http_answer_begins(h);
	return REASON_NONE;
}

static enum reason deadline(struct session *s)
{
	struct http_server *h = http_server_of(s);

	if (h->phase == HTTP_HOLDING) {
		hls_give_up(h);
		return REASON_NONE;
	}
	if (h->waiting.key) {
		http_flv_give_up(h);
		return REASON_NONE;
	}
	if (h->phase == HTTP_ANSWERED)
		return look_at_progress(h);
	if (h->phase == HTTP_PLAYING || !s->conn->bytes_in || (h->served && !h->request.n))
		return s->deadline_why;
	h->keep = false;
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

static const struct auth *auth_of(struct session *s)
{
	return &http_server_of(s)->auth;
}

static void gone(struct session *s)
{
	hls_answer_over(http_server_of(s));
	buf_fini(&http_server_of(s)->request);
	ws_flv_free(http_server_of(s));
}

const struct session_ops http_server_ops = {
	.protocol = "http-flv",
	.bytes = sizeof(struct http_server),
	.opened = opened,
	.received = received,
	.drained = drained,
	.deadline = deadline,
	.auth = auth_of,
	.ending = ending,
	.gone = gone,
};
