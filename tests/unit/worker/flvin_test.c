/* SPDX-License-Identifier: Apache-2.0 */
/* FLV sources read from a file, which is as good as a connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "controlplane/worker/flvin.h"
#include "controlplane/worker/flvtag.h"

struct source {
	char path[64];
	int fd;
	struct flvin *in;
	AVPacket *p;
};

static void put(struct source *s, const void *bytes, size_t n)
{
	assert_int_equal(write(s->fd, bytes, n), n);
}

static void begin(struct source *s)
{
	uint8_t head[FLV_HEAD_BYTES];

	snprintf(s->path, sizeof(s->path), "/tmp/flvin-test.XXXXXX");
	s->fd = mkstemp(s->path);
	assert_true(s->fd >= 0);
	put(s, head, flv_head(head, true, true));
}

static void put_header(struct source *s, enum track_codec codec, enum track_kind kind, int64_t ms)
{
	struct track t = {.codec = codec, .config = {1, 2, 3}, .config_n = 3};
	uint8_t tag[64];

	put(s, tag, flv_header_tag(tag, sizeof(tag), &t, kind, ms * 1000));
}

static void put_frame(struct source *s, enum track_codec codec, enum track_kind kind, int64_t ms,
		      size_t n)
{
	struct track t = {.codec = codec};
	uint8_t head[FLV_TAG_ROOM], tail[4], *body = calloc(1, n);
	struct unit u = {kind, true, ms * 1000, (ms + 80) * 1000, 0, body, n};

	put(s, head, flv_unit_tag(head, tail, &t, &u));
	put(s, body, n);
	put(s, tail, sizeof(tail));
	free(body);
}

static void play(struct source *s)
{
	AVIOInterruptCB stop = {NULL, NULL};
	char url[80];
	int rc;

	snprintf(url, sizeof(url), "file:%s", s->path);
	s->in = flvin_open(url, &stop, NULL, &rc);
	assert_non_null(s->in);
	s->p = av_packet_alloc();
}

static int next(struct source *s, enum track_kind *kind)
{
	int rc;

	av_packet_unref(s->p);
	do
		rc = flvin_read(s->in, s->p, kind);
	while (!rc);
	return rc;
}

static void end(struct source *s)
{
	av_packet_free(&s->p);
	flvin_close(s->in);
	close(s->fd);
	unlink(s->path);
}

static void test_M14_hevc_and_opus_with_their_configurations(void **state)
{
	enum track_kind kind;
	struct source s;
	size_t n;

	begin(&s);
	put_header(&s, CODEC_HEVC, TRACK_VIDEO, 0);
	put_header(&s, CODEC_OPUS, TRACK_AUDIO, 0);
	put_frame(&s, CODEC_HEVC, TRACK_VIDEO, 0, 100000);
	put_frame(&s, CODEC_OPUS, TRACK_AUDIO, 10, 100);
	put_frame(&s, CODEC_HEVC, TRACK_VIDEO, 40, 10);
	play(&s);
	assert_int_equal(next(&s, &kind), 1);
	assert_int_equal(kind, TRACK_VIDEO);
	assert_int_equal(s.p->size, 100000);
	assert_int_equal(s.p->pts - s.p->dts, 80);
	assert_non_null(av_packet_get_side_data(s.p, AV_PKT_DATA_NEW_EXTRADATA, &n));
	assert_int_equal(n, 3);
	assert_int_equal(next(&s, &kind), 1);
	assert_int_equal(kind, TRACK_AUDIO);
	assert_int_equal(next(&s, &kind), 1);
	assert_null(av_packet_get_side_data(s.p, AV_PKT_DATA_NEW_EXTRADATA, &n));
	assert_int_equal(next(&s, &kind), AVERROR_EOF);
	assert_int_equal(s.in->track[TRACK_VIDEO].codec, CODEC_HEVC);
	assert_int_equal(s.in->track[TRACK_AUDIO].codec, CODEC_OPUS);
	end(&s);
}

static void test_times_go_on_when_32_bits_wrap(void **state)
{
	int64_t before = 0xfffffff0ll;
	enum track_kind kind;
	struct source s;

	begin(&s);
	put_frame(&s, CODEC_MP3, TRACK_AUDIO, before, 10);
	put_frame(&s, CODEC_MP3, TRACK_AUDIO, before + 26, 10);
	play(&s);
	assert_int_equal(next(&s, &kind), 1);
	before = s.p->dts;
	assert_int_equal(next(&s, &kind), 1);
	assert_int_equal(s.p->dts, before + 26);
	end(&s);
}

static void test_another_codec_ends_it_with_the_reason(void **state)
{
	enum track_kind kind;
	struct source s;

	begin(&s);
	put_frame(&s, CODEC_MP3, TRACK_AUDIO, 0, 10);
	put_header(&s, CODEC_AAC, TRACK_AUDIO, 26);
	play(&s);
	assert_int_equal(next(&s, &kind), 1);
	assert_int_equal(next(&s, &kind), AVERROR_INVALIDDATA);
	assert_int_equal(s.in->why.reason, REASON_CODEC_REFUSED);
	end(&s);
}

static void test_what_is_no_flv_or_is_cut_is_told(void **state)
{
	enum track_kind kind;
	struct source s;

	begin(&s);
	put(&s, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16);
	play(&s);
	assert_int_equal(next(&s, &kind), AVERROR_INVALIDDATA);
	assert_int_equal(s.in->why.reason, REASON_REMOTE_PROTOCOL);
	end(&s);
	begin(&s);
	put(&s, "\x09\xff", 2);
	play(&s);
	assert_int_equal(next(&s, &kind), AVERROR_EOF);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_M14_hevc_and_opus_with_their_configurations),
		cmocka_unit_test(test_times_go_on_when_32_bits_wrap),
		cmocka_unit_test(test_another_codec_ends_it_with_the_reason),
		cmocka_unit_test(test_what_is_no_flv_or_is_cut_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
