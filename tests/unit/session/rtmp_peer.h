/* SPDX-License-Identifier: Apache-2.0 */
/* An RTMP encoder or player for tests, made from media/ and a peer of node.h. */
#ifndef TESTS_UNIT_SESSION_RTMP_PEER_H
#define TESTS_UNIT_SESSION_RTMP_PEER_H

#include "media/rtmp_out.h"
#include "tests/unit/session/node.h"

struct rtmp_peer {
	struct peer peer;
	struct mem mem;
	struct rtmp_in in;
	uint8_t kept[65536]; /* of the last message */
	struct msg last;
	bool playing; /* waiting takes time: viewers are served at ticks */
};

static inline void rtmp_peer_shake(struct rtmp_peer *r)
{
	static const uint8_t noise[RTMP_HS_HALF];
	struct rtmp_hs hs;
	struct peer *p = &r->peer;

	rtmp_hs_client(&hs, noise, 0, true);
	peer_send(p, hs.out, hs.out_len);
	hs.out_len = 0;
	while (!rtmp_hs_done(&hs)) {
		int taken;

		node_until(p->node, peer_take(p));
		assert_false(p->eof);
		taken = rtmp_hs_feed(&hs, p->in + p->read_n, p->in_n - p->read_n);
		assert_true(taken > 0);
		p->read_n += (size_t)taken;
		if (hs.out_len)
			peer_send(p, hs.out, hs.out_len);
		hs.out_len = 0;
	}
}

static inline void rtmp_peer_open(struct rtmp_peer *r, struct node *n)
{
	memset(r, 0, sizeof(*r));
	r->mem.max = 64 << 20;
	rtmp_in_init(&r->in, &r->mem, 1 << 24, 64);
	peer_open(&r->peer, n, 0);
	rtmp_peer_shake(r);
}

static inline void rtmp_peer_close(struct rtmp_peer *r)
{
	rtmp_in_fini(&r->in);
	peer_close(&r->peer);
}

static inline void rtmp_peer_msg(struct rtmp_peer *r, uint8_t type, uint32_t stream_id,
				 int64_t ts_ms, const void *data, size_t n)
{
	struct msg m = {type, stream_id, 0, ts_ms, (uint32_t)n, data};
	struct mem mem = {.max = 64 << 20};
	struct buf b;

	buf_init(&b, &mem);
	rtmp_out_msg(&b.sink, &m, 128);
	peer_send(&r->peer, b.p, b.n);
	buf_fini(&b);
}

static inline void rtmp_peer_command(struct rtmp_peer *r, uint32_t stream_id, const struct wr *w)
{
	assert_false(w->bad);
	rtmp_peer_msg(r, MSG_COMMAND, stream_id, 0, w->start, wr_len(w));
}

#define rtmp_peer_call(r, stream_id, build, ...)            \
	do {                                                \
		uint8_t text_[1024];                        \
		struct wr w_ = wr_of(text_, sizeof(text_)); \
		build(&w_, ##__VA_ARGS__);                  \
		rtmp_peer_command(r, stream_id, &w_);       \
	} while (0)

/* The next message; false: the connection ended. */
static inline bool rtmp_peer_next(struct rtmp_peer *r)
{
	struct peer *p = &r->peer;

	for (;;) {
		int taken;

		if (p->read_n == p->in_n) {
			if (p->eof)
				return false;
			node_until(p->node,
				   (p->node->now_us += r->playing ? 1000 : 0, peer_take(p)));
			continue;
		}
		taken = rtmp_in_feed(&r->in, p->in + p->read_n, p->in_n - p->read_n, &r->last);
		assert_true(taken > 0);
		p->read_n += (size_t)taken;
		if (r->last.type == MSG_NONE)
			continue;
		assert_true(r->last.len <= sizeof(r->kept));
		memcpy(r->kept, r->last.data, r->last.len);
		r->last.data = r->kept;
		return true;
	}
}

/* The next message of that type; others are passed over. */
static inline void rtmp_peer_type(struct rtmp_peer *r, uint8_t type)
{
	do
		assert_true(rtmp_peer_next(r));
	while (r->last.type != type);
}

/* The next command of that kind; others are passed over. */
static inline void rtmp_peer_expect(struct rtmp_peer *r, enum rtmp_cmd_kind kind,
				    struct rtmp_cmd *out)
{
	do {
		rtmp_peer_type(r, MSG_COMMAND);
		assert_int_equal(rtmp_cmd_parse(&r->last, out), 0);
	} while (out->kind != kind);
}

static inline void rtmp_peer_status(struct rtmp_peer *r, const char *level, const char *code)
{
	struct rtmp_cmd cmd;

	rtmp_peer_expect(r, RTMP_CMD_ON_STATUS, &cmd);
	assert_int_equal(cmd.code.n, strlen(code));
	assert_memory_equal(cmd.code.p, code, cmd.code.n);
	assert_int_equal(cmd.level.n, strlen(level));
	assert_memory_equal(cmd.level.p, level, cmd.level.n);
}

static inline void rtmp_peer_connect(struct rtmp_peer *r, const char *app)
{
	struct rtmp_cmd cmd;

	rtmp_peer_call(r, 0, rtmp_cmd_connect, 1, app, "rtmp://127.0.0.1/live", false);
	rtmp_peer_expect(r, RTMP_CMD_RESULT, &cmd);
	rtmp_peer_call(r, 0, rtmp_cmd_create_stream, 2);
	rtmp_peer_expect(r, RTMP_CMD_RESULT, &cmd);
	assert_true(cmd.number == 1);
}

/* Up to Publish.Start. */
static inline void rtmp_peer_publish(struct rtmp_peer *r, struct node *n, const char *name)
{
	rtmp_peer_open(r, n);
	rtmp_peer_connect(r, "live");
	rtmp_peer_call(r, 1, rtmp_cmd_publish, 3, name);
	rtmp_peer_status(r, "status", "NetStream.Publish.Start");
}

static const uint8_t avc_header[] = {0x17, 0,	 0,    0, 0,	1,    0x42, 0xc0,
				     0x1e, 0xff, 0xe1, 0, 4,	0x67, 0x42, 0xc0,
				     0x1e, 1,	 0,    4, 0x68, 0xce, 0x3c, 0x80};
static const uint8_t avc_key[] = {0x17, 1, 0, 0, 0, 0, 0, 0, 5, 0x65, 1, 2, 3, 4};
static const uint8_t avc_inter[] = {0x27, 1, 0, 0, 0, 0, 0, 0, 5, 0x41, 1, 2, 3, 4};
static const uint8_t aac_header[] = {0xaf, 0, 0x12, 0x10};
static const uint8_t aac_frame[] = {0xaf, 1, 1, 2, 3, 4};

/* Headers, and a group of pictures of one key frame and one more, with sound, at ts_ms. */
static inline void rtmp_peer_gop(struct rtmp_peer *r, int64_t ts_ms, bool headers)
{
	if (headers) {
		rtmp_peer_msg(r, MSG_VIDEO, 1, ts_ms, avc_header, sizeof(avc_header));
		rtmp_peer_msg(r, MSG_AUDIO, 1, ts_ms, aac_header, sizeof(aac_header));
	}
	rtmp_peer_msg(r, MSG_VIDEO, 1, ts_ms, avc_key, sizeof(avc_key));
	rtmp_peer_msg(r, MSG_AUDIO, 1, ts_ms + 10, aac_frame, sizeof(aac_frame));
	rtmp_peer_msg(r, MSG_VIDEO, 1, ts_ms + 40, avc_inter, sizeof(avc_inter));
}

/* Turns until the node has taken n audio, video and data messages in all. */
static inline void rtmp_peer_taken(struct node *n, uint64_t messages)
{
	node_until(n, node_count(n, CTR_MESSAGES_IN) >= messages);
}

#endif
