/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a peer got, read from its first byte with media's own readers: aborts where it is not what
 * the protocol promises, at whatever byte it is cut off.
 *
 *   RTMP server's output   S0 S1 S2, then messages; commands can be parsed
 *   RTMP client's output   a handshake, then messages
 *   HTTP server's output   one answer; a short text as long as it says, or FLV, or FLV in frames
 *   HTTP client's output   one request
 *
 * Video begins with what a decoder can begin with: a key frame, and before it the sequence header where
 * the codec has one (interop M6, H7).
 */
#ifndef TESTS_FUZZ_READER_H
#define TESTS_FUZZ_READER_H

#include "base/mem.h"
#include "media/flv.h"
#include "media/rtmp_hs.h"
#include "media/rtmp_in.h"

enum reader_kind {
	READ_RTMP_SERVER,
	READ_HTTP_SERVER,
	READ_CLIENT, /* its first byte says of which */
	READ_RTMP_CLIENT,
	READ_HTTP_CLIENT,
};

enum reader_body { BODY_NONE, BODY_TEXT, BODY_FLV, BODY_WS };

struct reader {
	enum reader_kind kind;
	struct mem mem;
	size_t head_n;	   /* RTMP: bytes of the handshake that have come */
	struct rtmp_hs hs; /* of a server, for a client that shakes hands */
	struct rtmp_in rtmp;
	struct flv_in flv;
	struct buf kept; /* a head or frame that is not complete */
	enum reader_body body;
	uint64_t left;	  /* BODY_TEXT */
	uint64_t frames;  /* BODY_WS: data frames so far */
	bool ended;	  /* nothing may come any more */
	bool header, key; /* of video: came */
};

void reader_init(struct reader *r, enum reader_kind kind);
void reader_fini(struct reader *r);
static inline bool reader_is_rtmp(const struct reader *r)
{
	return r->kind == READ_RTMP_SERVER || r->kind == READ_RTMP_CLIENT;
}
void reader_take(struct reader *r, const uint8_t *p, size_t n);

#endif
