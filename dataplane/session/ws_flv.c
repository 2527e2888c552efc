/* SPDX-License-Identifier: Apache-2.0 */
#include "session/ws_flv.h"

#include <stdio.h>
#include <string.h>

#include "session/http_server.h"

#define PONGS_MAX 1024u /* bytes of private output beyond which a ping goes without an answer */

/* ---- the handshake ---- */

bool ws_flv_ask(struct http_server *h, const struct http_head *request)
{
	struct session *s = &h->session;
	struct ws_answer answer;
	unsigned status;
	const char *wrong = ws_handshake(request, &answer, &status);

	if (wrong) {
		http_answer(h, status,
			    status == 426 ? "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
					  : "",
			    wrong, REASON_BAD_WEBSOCKET);
		return false;
	}
	h->ws = mem_resize(&s->mem, NULL, 0, sizeof(*h->ws));
	if (!h->ws) {
		http_answer(h, 503, "", reason_help(REASON_NO_MEMORY), REASON_NO_MEMORY);
		return false;
	}
	ws_in_init(&h->ws->in);
	memcpy(h->ws->accept, answer.accept, sizeof(answer.accept));
	snprintf(h->ws->protocol, sizeof(h->ws->protocol), "%.*s", (int)answer.protocol.n,
		 answer.protocol.p ? (const char *)answer.protocol.p : "");
	s->protocol = "ws-flv";
	return true;
}

void ws_flv_put_head(struct http_server *h)
{
	struct sink *out = session_sink(&h->session);
	const struct ws_flv *ws = h->ws;
	char text[256];
	int n = snprintf(text, sizeof(text),
			 "HTTP/1.1 101 Switching Protocols\r\nServer: Millrace\r\n"
			 "Upgrade: websocket\r\nConnection: Upgrade\r\n"
			 "Sec-WebSocket-Accept: %s\r\n%s%s%s\r\n",
			 ws->accept, *ws->protocol ? "Sec-WebSocket-Protocol: " : "", ws->protocol,
			 *ws->protocol ? "\r\n" : "");

	out->write(out, text, (size_t)n);
}

void ws_flv_free(struct http_server *h)
{
	mem_free(&h->session.mem, h->ws, h->ws ? sizeof(*h->ws) : 0);
	h->ws = NULL;
}

/* ---- what the client sends ---- */

/* Close is answered with the same code, what is wrong with one that says so; then the end. */
static void close_with(struct http_server *h, uint16_t code, enum reason why)
{
	ws_close(session_sink(&h->session), code == WS_NO_CODE ? WS_NORMAL : code);
	session_close_after_flush(&h->session, why);
}

enum reason ws_flv_received(struct http_server *h, const uint8_t *p, size_t n)
{
	struct session *s = &h->session;
	struct ws_event event;

	while (n) {
		int taken = ws_in_feed(&h->ws->in, p, n, &event);

		if (taken < 0) {
			close_with(h,
				   taken == -REASON_MESSAGE_TOO_BIG ? WS_TOO_BIG
								    : WS_PROTOCOL_ERROR,
				   (enum reason) - taken);
			return REASON_NONE;
		}
		if (event.opcode == WS_CLOSE) {
			close_with(h, event.code, REASON_LEFT);
			return REASON_NONE;
		}
		if (event.opcode == WS_PING && s->out.n < PONGS_MAX)
			ws_frame(session_sink(s), WS_PONG, event.payload.p, event.payload.n);
		p += taken;
		n -= (size_t)taken;
	}
	session_flush(s);
	return REASON_NONE;
}

/* ---- the feed ---- */

static void headers(struct feed *f, const struct stream_headers *h, const struct wlog_key *key,
		    bool first)
{
	uint8_t file[FLV_HEADER_BYTES];

	if (first) {
		http_flv_file_header(f, key, file);
		ws_frame(session_sink(f->session), WS_BINARY, file, sizeof(file));
	}
	feed_put_headers(f, h, key);
}

static void over(struct feed *f, enum reason why)
{
	struct session *s = f->session;

	feed_stop(f);
	if (why == REASON_STREAM_ENDED)
		close_with(http_server_of(s), WS_NORMAL, why);
	else
		session_close(s, why);
}

const struct feed_ops ws_flv_feed_ops = {
	.headers = headers,
	.over = over,
};
