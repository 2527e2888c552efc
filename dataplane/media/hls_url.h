/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an HLS player asks for.
 *
 *   /app/NAME.m3u8           the media playlist; with _HLS_msn, _HLS_part, _HLS_skip (second edition
 *                            of RFC 8216, 6.2.5)
 *   /app/NAME/master.m3u8    a master playlist with it
 *   /app/NAME/17.ts  .m4s    a segment, /app/NAME/17.3.ts .m4s a part of it
 *   /app/NAME/init-1.mp4     an initialisation section
 *   /app/NAME/1.key          a key
 *
 * An app has one level before NAME there at least: /live/master.m3u8 is a stream of that name.
 * Threads: pure, any.
 */
#ifndef MEDIA_HLS_URL_H
#define MEDIA_HLS_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "media/stream_name.h"

enum hls_what { HLS_PLAYLIST, HLS_MASTER, HLS_OF_SEGMENT, HLS_OF_PART, HLS_OF_INIT, HLS_OF_KEY };

struct hls_url {
	enum hls_what what;
	uint64_t number; /* of the segment, init or key */
	uint32_t part;
	bool fmp4;
	/* playlists */
	bool blocking, has_part, skip;
	bool bad; /* a directive is malformed, or _HLS_part without _HLS_msn */
	uint64_t msn, msn_part;
};

/*
 * Whether name and suffix of stream_name_http() are one of these; *name then becomes the stream's.
 */
bool hls_url_parse(struct hls_url *out, struct stream_name *name, const char *suffix);

#endif
