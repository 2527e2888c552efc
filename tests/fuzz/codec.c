/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that looks into audio, video and data messages. The first byte is the message type; a
 * message is one thing at most, metadata written for players is metadata again, and a message said
 * another way says the same.
 */
#include "base/check.h"
#include "fuzz/fuzz.h"
#include "media/codec.h"
#include "media/convert.h"

static void check_media(const struct msg *m)
{
	uint32_t a = 0, b = 0;
	struct codec_info c;

	if (!codec_inspect(m, &c)) {
		must(!codec_video_size(m, &a, &b) && !codec_aac_config(m, &a, &b));
		return;
	}
	must(c.header + c.frame + c.metadata + c.config + c.end <= 1);
	must(!c.keyframe || (c.frame && m->type == MSG_VIDEO));
	must(c.cts_ms >= -8388608 && c.cts_ms <= 8388607);
	must(codec_name(c.codec) != NULL);
	if (codec_video_size(m, &a, &b))
		must(c.header && a && b && a < 65536 && b < 65536);
	if (codec_aac_config(m, &a, &b))
		must(c.header && a && b && b <= 8);
}

/* HEVC said the other way: the same thing, with the same time. */
static void check_convert(const struct msg *m, bool enhanced)
{
	static uint8_t out[1 << 20];
	struct converted c;
	struct codec_info was, is;
	struct msg said = {.type = MSG_VIDEO, .data = out};

	if (convert_video(m, enhanced, &c) != CONVERT_DONE)
		return;
	must(c.head_n <= CONVERT_HEAD_MAX && c.head_n + c.body.n <= sizeof(out));
	must(!c.body.n || (c.body.p >= m->data && c.body.p + c.body.n <= m->data + m->len));
	memcpy(out, c.head, c.head_n);
	if (c.body.n)
		memcpy(out + c.head_n, c.body.p, c.body.n);
	said.len = (uint32_t)(c.head_n + c.body.n);
	must(codec_inspect(m, &was) && codec_inspect(&said, &is));
	must(is.codec == CODEC_HEVC && was.codec == CODEC_HEVC && is.enhanced == enhanced);
	must(is.header == was.header && is.frame == was.frame && is.end == was.end);
	must(is.keyframe == was.keyframe && (!is.frame || is.cts_ms == was.cts_ms));
	must(convert_video(&said, enhanced, &c) == CONVERT_SAME);
}

static void check_tracks(const struct msg *m)
{
	struct codec_tracks tracks;
	struct codec_track one;

	if (!codec_tracks_begin(&tracks, m))
		return;
	while (codec_tracks_next(&tracks, &one))
		must(one.body.p >= m->data && one.body.p + one.body.n <= m->data + m->len);
}

static void check_data(const struct msg *m)
{
	static uint8_t out[1 << 16];
	struct slice payload, encoder, again;
	struct wr w = wr_of(out, sizeof(out));
	enum data_kind kind = codec_data(m, &payload);
	struct msg written = {.type = MSG_DATA, .data = out};

	must(payload.n <= m->len);
	encoder = codec_metadata_encoder(payload);
	must(encoder.n <= payload.n);
	if (codec_metadata_for_players(payload, "fuzz", &w)) {
		must(kind == DATA_METADATA || m->type == MSG_DATA_AMF3);
		written.len = (uint32_t)wr_len(&w);
		must(codec_data(&written, &again) == DATA_METADATA);
	}
	w = wr_of(out, sizeof(out));
	codec_metadata_for_servers(payload, &w);
	written.len = (uint32_t)wr_len(&w);
	if (!w.bad && kind == DATA_METADATA)
		must(codec_data(&written, &again) == DATA_METADATA && again.n == payload.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct msg m;

	if (!size)
		return 0;
	m = (struct msg){.type = data[0], .len = (uint32_t)size - 1, .data = data + 1};
	check_media(&m);
	check_convert(&m, true);
	check_convert(&m, false);
	check_tracks(&m);
	if (m.type == MSG_DATA || m.type == MSG_DATA_AMF3)
		check_data(&m);
	return 0;
}
