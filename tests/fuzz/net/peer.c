/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/net/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "fuzz/net/media.h"
#include "media/rtmp_cmd.h"
#include "media/rtmp_out.h"
#include "media/ws.h"

#define MEM_MAX	    (16u << 20)
#define COMMAND_MAX 1024

static const char *const streams[] = {
	"a",	     "b",	  "a?hevc=legacy", "a?hevc=enhanced",
	"a?audio=0", "a?video=0", "a?audio=2",	   "c/../d",
};

static const char *stream_of(uint8_t which)
{
	return streams[which % array_len(streams)];
}

static void took(struct fake_peer *net, const uint8_t *bytes, size_t n)
{
	struct peer *p = container_of(net, struct peer, net);

	reader_take(&p->reader, bytes, n);
}

void peer_init(struct peer *p, struct world *w, enum peer_role role, unsigned core)
{
	memset(p, 0, sizeof(*p));
	p->world = w;
	p->role = role;
	p->core = core;
	p->net.took = took;
	reader_init(&p->reader, READ_RTMP_SERVER);
}

void peer_fini(struct peer *p)
{
	fake_leave(&p->net);
	reader_fini(&p->reader);
}

static void begin(struct peer *p, enum reader_kind kind)
{
	reader_fini(&p->reader);
	reader_init(&p->reader, kind);
	p->chunk_size = 128;
	p->framed = false;
	p->net.window = FAKE_WINDOW_OPEN;
	p->net.cut = 0;
}

void peer_open(struct peer *p, unsigned which)
{
	static const char *const from[] = {"10.0.0.1:4000", "10.0.0.2:4000", "192.0.2.1:4000",
					   "[2001:db8::1]:4000"};
	bool rtmp = p->role == PEER_RTMP;

	if (p->role == PEER_LEG || p->net.conn)
		return;
	begin(p, rtmp ? READ_RTMP_SERVER : READ_HTTP_SERVER);
	fake_open(p->world->net[p->core], &p->net, rtmp ? WORLD_RTMP : WORLD_HTTP,
		  from[which % array_len(from)]);
	world_turn(p->world);
}

void peer_accept(struct peer *p, enum reason why)
{
	struct fake_conn *c = NULL;

	for (unsigned i = 0; i < WORLD_CORES && !c; i++)
		c = fake_dialled(p->world->net[i]);
	if (p->role != PEER_LEG || p->net.conn || !c)
		return;
	begin(p, READ_CLIENT);
	fake_answer(c, &p->net, why);
	world_turn(p->world);
}

void peer_bytes(struct peer *p, const uint8_t *bytes, size_t n)
{
	if (!p->net.conn || p->net.shut || p->net.reset)
		return;
	p->net.input = (struct slice){bytes, n};
	world_turn(p->world);
	p->net.input = (struct slice){NULL, 0}; /* lost where nobody accepted the connection */
}

/* ---- RTMP ---- */

void peer_shake(struct peer *p)
{
	static const uint8_t noise[RTMP_HS_HALF];
	struct rtmp_hs *server = &p->reader.hs;
	struct rtmp_hs client;

	if (!reader_is_rtmp(&p->reader))
		return;
	if (p->role == PEER_LEG) {
		peer_bytes(p, server->out, server->out_len);
		server->out_len = 0;
		return;
	}
	rtmp_hs_client(&client, noise, 0, false);
	peer_bytes(p, client.out, client.out_len);
	peer_bytes(p, noise, sizeof(noise)); /* the server does not look at the echo */
}

/* An HTTP server's body: in a chunk of its own, or as it is. */
static void send_body(struct peer *p, const uint8_t *bytes, size_t n)
{
	char size[20];

	if (!p->framed || !n) {
		peer_bytes(p, bytes, n);
		return;
	}
	snprintf(size, sizeof(size), "%zx\r\n", n);
	peer_bytes(p, (const uint8_t *)size, strlen(size));
	peer_bytes(p, bytes, n);
	peer_bytes(p, (const uint8_t *)"\r\n", 2);
}

static void send_msg(struct peer *p, const struct msg *m)
{
	struct mem mem = {.max = MEM_MAX};
	struct buf b;

	buf_init(&b, &mem);
	if (reader_is_rtmp(&p->reader))
		rtmp_out_msg(&b.sink, m, p->chunk_size);
	else
		flv_tag(&b.sink, m);
	must(!b.bad);
	if (reader_is_rtmp(&p->reader))
		peer_bytes(p, b.p, b.n);
	else
		send_body(p, b.p, b.n);
	buf_fini(&b);
}

void peer_message(struct peer *p, uint8_t type, const uint8_t *payload, size_t n)
{
	struct msg m = {.type = type, .ts_ms = p->ts_ms, .len = (uint32_t)n, .data = payload};

	if (p->role == PEER_HTTP || !p->net.conn)
		return;
	m.stream_id = type > MSG_SET_PEER_BANDWIDTH;
	send_msg(p, &m);
	if (reader_is_rtmp(&p->reader) && type == MSG_SET_CHUNK_SIZE && n >= 4 &&
	    get_be32(payload) - 1 < 0xffffff)
		p->chunk_size = get_be32(payload);
}

static void write_command(struct wr *w, uint8_t which, const char *stream)
{
	static const struct rtmp_cmd connect = {.txn = 1, .enhanced = true};

	switch (which % 20) {
	case 0:
		rtmp_cmd_connect(w, 1, "live", "rtmp://127.0.0.1/live", true);
		break;
	case 1:
		rtmp_cmd_create_stream(w, 2);
		break;
	case 2:
		rtmp_cmd_publish(w, 3, stream);
		break;
	case 3:
		rtmp_cmd_play(w, 3, stream);
		break;
	case 4:
		rtmp_cmd_delete_stream(w, 4, 1);
		break;
	case 5:
		rtmp_cmd_call(w, "FCUnpublish", 4, stream);
		break;
	case 6:
		rtmp_cmd_call(w, "FCPublish", 4, stream);
		break;
	case 7:
		rtmp_cmd_call(w, "releaseStream", 4, stream);
		break;
	case 8:
		rtmp_cmd_call(w, "closeStream", 0, NULL);
		break;
	case 9:
		rtmp_cmd_call(w, "getStreamLength", 5, stream);
		break;
	case 10:
		rtmp_cmd_connect(w, 1, stream, "rtmp://example.com/live?domain=x", false);
		break;
	case 11:
		rtmp_cmd_connect_result(w, &connect);
		break;
	case 12:
		rtmp_cmd_result_number(w, 2, 1);
		break;
	case 13:
		rtmp_cmd_result_number(w, 4, 7);
		break;
	case 14:
		rtmp_cmd_on_status(w, "status", "NetStream.Publish.Start", stream);
		break;
	case 15:
		rtmp_cmd_on_status(w, "status", "NetStream.Play.Start", stream);
		break;
	case 16:
		rtmp_cmd_on_status(w, "error", "NetStream.Play.StreamNotFound", stream);
		break;
	case 17:
		rtmp_cmd_on_status(w, "status", "NetStream.Play.UnpublishNotify", stream);
		break;
	case 18:
		rtmp_cmd_error(w, 1, "NetConnection.Connect.Rejected", stream);
		break;
	case 19:
		rtmp_cmd_call(w, "pause", 6, NULL);
		break;
	}
}

void peer_command(struct peer *p, uint8_t which, uint8_t stream)
{
	uint8_t text[COMMAND_MAX];
	struct wr w = wr_of(text, sizeof(text));

	if (!reader_is_rtmp(&p->reader))
		return;
	write_command(&w, which, stream_of(stream));
	must(!w.bad);
	peer_message(p, MSG_COMMAND, text, wr_len(&w));
}

/* ---- media ---- */

void peer_media(struct peer *p, uint8_t which)
{
	const struct media_sample *m = media_sample(which);

	peer_message(p, m->type, m->data, m->n);
}

void peer_picture(struct peer *p, bool key, size_t n)
{
	uint8_t *picture = calloc(1, n + 16);

	must(picture);
	picture[0] = key ? 0x17 : 0x27;
	picture[1] = 1;
	put_be32(picture + 5, (uint32_t)n);
	picture[9] = key ? 0x65 : 0x41;
	peer_message(p, MSG_VIDEO, picture, n + 9);
	free(picture);
}

/* ---- HTTP ---- */

static const char *const requests[] = {
	"GET /live/%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
	"GET /live/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	"HEAD /live/%s HTTP/1.0\r\n\r\n",
	"OPTIONS /live/%s HTTP/1.1\r\nHost: a\r\nAccess-Control-Request-Private-Network: 1\r\n\r\n",
	"POST /live/%s HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
	"GET /live/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 10.0.0.9, 1.2.3.4\r\n\r\n",
	"GET /live/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	"Sec-WebSocket-Protocol: flv, x\r\n\r\n",
	"PROXY TCP4 192.0.2.7 192.0.2.8 1000 80\r\n",
};

static const char *const answers[] = {
	"HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n",
	"HTTP/1.1 302 Found\r\nLocation: /live/%s\r\n\r\n",
	"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.2:8080/live/%s\r\n\r\n",
	"HTTP/1.1 307 Moved\r\nLocation: http://10.9.1.1/live/%s\r\n\r\n",
	"HTTP/1.1 404 Not Found\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\n",
	"0\r\n\r\n",
};

/* %s in the form is the stream's file: "a.flv?hevc=legacy". */
static void send_text(struct peer *p, const char *form, const char *stream)
{
	const char *at = strstr(form, "%s");
	size_t before = at ? (size_t)(at - form) : strlen(form), name = strcspn(stream, "?");
	char text[512];
	int n = snprintf(text, sizeof(text), "%.*s", (int)before, form);

	if (at)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%.*s.flv%s%s", (int)name, stream,
			      stream + name, at + 2);
	must(n < (int)sizeof(text));
	peer_bytes(p, (const uint8_t *)text, (size_t)n);
}

void peer_http(struct peer *p, uint8_t which, uint8_t stream)
{
	if (reader_is_rtmp(&p->reader))
		return;
	if (p->role == PEER_HTTP) {
		send_text(p, requests[which % array_len(requests)], stream_of(stream));
		return;
	}
	send_text(p, answers[which % array_len(answers)], stream_of(stream));
	p->framed = which % array_len(answers) == 1;
}

void peer_frame(struct peer *p, uint8_t first, const uint8_t *payload, size_t n)
{
	uint8_t frame[6 + WS_CONTROL_MAX] = {first, 0x80 | (uint8_t)min_of(n, WS_CONTROL_MAX)};

	if (p->role != PEER_HTTP)
		return;
	n = min_of(n, WS_CONTROL_MAX);
	if (n)
		memcpy(frame + 6, payload, n); /* the mask is 0 */
	peer_bytes(p, frame, 6 + n);
}

void peer_file(struct peer *p, uint8_t flags)
{
	uint8_t head[FLV_HEADER_BYTES];

	if (reader_is_rtmp(&p->reader) || p->role != PEER_LEG)
		return;
	flv_header(head, flags & 1, flags & 2);
	send_body(p, head, sizeof(head));
}
