/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of legs share: an encoder here, a source and a destination there, some media. */
#ifndef TESTS_UNIT_SESSION_LEG_PEERS_H
#define TESTS_UNIT_SESSION_LEG_PEERS_H

#include "media/amf0.h"
#include "tests/unit/session/remote.h"

static const uint8_t video_header[] = {0x17, 0, 0, 0, 0, 1, 0x42, 0, 30, 0xff, 0xe0, 0};
static const uint8_t key_frame[] = {0x17, 1, 0, 0, 0, 0, 0, 0, 3, 0x65, 1, 2};
static const uint8_t frame[] = {0x27, 1, 0, 0, 0, 0, 0, 0, 3, 0x41, 1, 2};

static inline void metadata(struct wr *w)
{
	amf0_cstring(w, "@setDataFrame");
	amf0_cstring(w, "onMetaData");
	amf0_ecma_array(w, 1);
	amf0_key(w, "encoder");
	amf0_cstring(w, "test");
	amf0_end(w);
}

/* ---- an encoder here, for pushes ---- */

static inline void encoder_open(struct rtmp_peer *r, struct node *n, const char *stream)
{
	uint8_t text[256];
	struct wr w = wr_of(text, sizeof(text));
	struct rtmp_cmd cmd;

	rtmp_peer_open(r, n);
	rtmp_peer_call(r, 0, rtmp_cmd_connect, 1, "live", "rtmp://127.0.0.1/live", true);
	rtmp_peer_expect(r, RTMP_CMD_RESULT, &cmd);
	rtmp_peer_call(r, 0, rtmp_cmd_create_stream, 2);
	rtmp_peer_expect(r, RTMP_CMD_RESULT, &cmd);
	rtmp_peer_call(r, 1, rtmp_cmd_publish, 3, stream);
	rtmp_peer_status(r, "status", "NetStream.Publish.Start");
	metadata(&w);
	rtmp_peer_msg(r, MSG_DATA, 1, 0, text, wr_len(&w));
	rtmp_peer_msg(r, MSG_VIDEO, 1, 0, video_header, sizeof(video_header));
	rtmp_peer_msg(r, MSG_VIDEO, 1, 40, key_frame, sizeof(key_frame));
}

/* A destination that has accepted the push's publish, on that message stream. */
static inline void destination_open(struct rtmp_peer *r, struct remote *at, uint32_t stream_id)
{
	struct rtmp_cmd cmd;

	remote_accept_rtmp(at, r);
	remote_until(r, stream_id, RTMP_CMD_PUBLISH, &cmd);
	r->playing = true;
	rtmp_peer_call(r, stream_id, rtmp_cmd_on_status, "status", "NetStream.Publish.Start", "");
}

/* A source that has accepted the pull's play. */
static inline void source_open(struct rtmp_peer *r, struct remote *at)
{
	struct rtmp_cmd cmd;

	remote_accept_rtmp(at, r);
	remote_until(r, 1, RTMP_CMD_PLAY, &cmd);
	rtmp_peer_call(r, 1, rtmp_cmd_on_status, "status", "NetStream.Play.Start", "");
}

/* The next media or data message. */
static inline void next_media(struct rtmp_peer *r)
{
	do
		assert_true(rtmp_peer_next(r));
	while (!msg_is_media(&r->last) && r->last.type != MSG_DATA);
}

#endif
