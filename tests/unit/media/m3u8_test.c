/* SPDX-License-Identifier: Apache-2.0 */
/* Playlists byte for byte. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/check.h"
#include "media/m3u8.h"

#define PDT 1700000000123 /* 2023-11-14T22:13:20.123Z */

static const struct m3u8_ask plain = {{(const uint8_t *)"a", 1}, {NULL, 0}, false};

static void expect(const struct m3u8 *m, const struct m3u8_ask *ask, const char *want)
{
	char text[8192];
	struct wr w = wr_of(text, sizeof(text) - 1);

	m3u8_write(&w.sink, m, ask);
	assert_false(w.bad);
	text[wr_len(&w)] = '\0';
	assert_string_equal(text, want);
}

static void test_L2_L4_L10_a_live_playlist_of_transport_streams(void **state)
{
	static const struct m3u8_segment seg[] = {
		{.seq = 17, .duration_us = 4004000, .pdt_ms = PDT, .independent = true},
		{.seq = 18, .duration_us = 3999999, .pdt_ms = PDT + 4004, .independent = true},
		{.seq = 19, .duration_us = 2000000, .discontinuity = true, .independent = true},
	};
	struct m3u8 m = {.target_s = 5, .media_seq = 17, .disc_seq = 2, .segs_n = 3, .seg = seg};
	struct m3u8_ask ask = plain;

	ask.query = (struct slice){(const uint8_t *)"token=x", 7};
	expect(&m, &ask,
	       "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:5\n"
	       "#EXT-X-MEDIA-SEQUENCE:17\n#EXT-X-DISCONTINUITY-SEQUENCE:2\n"
	       "#EXT-X-INDEPENDENT-SEGMENTS\n"
	       "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.123Z\n"
	       "#EXTINF:4.004000,\na/17.ts?token=x\n"
	       "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:24.127Z\n"
	       "#EXTINF:3.999999,\na/18.ts?token=x\n"
	       "#EXT-X-DISCONTINUITY\n#EXTINF:2.000000,\na/19.ts?token=x\n");
}

static void test_an_ended_playlist_and_segments_without_a_key_frame(void **state)
{
	static const struct m3u8_segment seg[] = {
		{.seq = 0, .duration_us = 1000000, .independent = true},
		{.seq = 1, .duration_us = 1000000, .independent = false},
	};
	struct m3u8 m = {.target_s = 1, .segs_n = 2, .seg = seg, .ended = true};

	expect(&m, &plain,
	       "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n"
	       "#EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXTINF:1.000000,\na/0.ts\n"
	       "#EXTINF:1.000000,\na/1.ts\n#EXT-X-ENDLIST\n");
}

static void test_M8_a_new_initialisation_section_and_a_gap(void **state)
{
	static const struct m3u8_segment seg[] = {
		{.seq = 5, .duration_us = 2000000, .init = 1, .independent = true},
		{.seq = 6, .duration_us = 2000000, .gap = true},
		{.seq = 7, .duration_us = 2000000, .init = 1, .independent = true},
		{.seq = 8,
		 .duration_us = 2000000,
		 .init = 2,
		 .discontinuity = true,
		 .independent = true},
	};
	struct m3u8 m = {.fmp4 = true, .target_s = 2, .media_seq = 5, .segs_n = 4, .seg = seg};

	expect(&m, &plain,
	       "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:5\n"
	       "#EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-INDEPENDENT-SEGMENTS\n"
	       "#EXT-X-MAP:URI=\"a/init-1.mp4\"\n#EXTINF:2.000000,\na/5.m4s\n"
	       "#EXT-X-GAP\n#EXTINF:2.000000,\na/6.m4s\n"
	       "#EXTINF:2.000000,\na/7.m4s\n"
	       "#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"a/init-2.mp4\"\n"
	       "#EXTINF:2.000000,\na/8.m4s\n");
}

static void test_L9_keys_rotate_and_never_cover_an_initialisation_section(void **state)
{
	static const struct m3u8_segment seg[] = {
		{.seq = 1, .duration_us = 2000000, .init = 1, .key = 1, .independent = true},
		{.seq = 2, .duration_us = 2000000, .init = 1, .key = 1, .independent = true},
		{.seq = 3,
		 .duration_us = 2000000,
		 .init = 2,
		 .key = 2,
		 .iv_given = true,
		 .iv = {0xab, 0xcd},
		 .independent = true},
		{.seq = 4, .duration_us = 2000000, .init = 2, .independent = true},
	};
	struct m3u8 m = {.fmp4 = true, .target_s = 2, .media_seq = 1, .segs_n = 4, .seg = seg};

	expect(&m, &plain,
	       "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:1\n"
	       "#EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-INDEPENDENT-SEGMENTS\n"
	       "#EXT-X-MAP:URI=\"a/init-1.mp4\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"a/1.key\"\n"
	       "#EXTINF:2.000000,\na/1.m4s\n#EXTINF:2.000000,\na/2.m4s\n"
	       "#EXT-X-KEY:METHOD=NONE\n#EXT-X-MAP:URI=\"a/init-2.mp4\"\n"
	       "#EXT-X-KEY:METHOD=AES-128,URI=\"a/2.key\",IV=0xabcd0000000000000000000000000000\n"
	       "#EXTINF:2.000000,\na/3.m4s\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:2.000000,\na/4.m4s\n");
}

#define LL_HEAD                                                                        \
	"#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:1\n"                         \
	"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=6.0,HOLD-BACK=3.0," \
	"PART-HOLD-BACK=1.500000\n#EXT-X-PART-INF:PART-TARGET=0.500000\n"

static void test_L11_parts_a_hint_and_a_delta_update(void **state)
{
	struct m3u8_segment seg[9] = {{.seq = 0}};
	static const struct m3u8_part part[] = {
		{.seq = 8, .part = 0, .init = 1, .duration_us = 500000, .independent = true},
		{.seq = 8, .part = 1, .init = 1, .duration_us = 500000},
		{.seq = 9, .part = 0, .init = 1, .duration_us = 500000, .independent = true},
	};
	struct m3u8 m = {
		.fmp4 = true,
		.target_s = 1,
		.part_us = 500000,
		.segs_n = 9,
		.parts_n = 3,
		.seg = seg,
		.part = part,
	};
	struct m3u8_ask ask = plain;

	for (unsigned i = 0; i < 9; i++)
		seg[i] = (struct m3u8_segment){.seq = i,
					       .duration_us = 1000000,
					       .init = 1,
					       .parts = 2,
					       .independent = true};
	assert_int_equal(m3u8_skipped(&m), 3);
	ask.skip = true;
	expect(&m, &ask,
	       LL_HEAD "#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n"
		       "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n"
		       "#EXT-X-MAP:URI=\"a/init-1.mp4\"\n#EXTINF:1.000000,\na/3.m4s\n"
		       "#EXTINF:1.000000,\na/4.m4s\n#EXTINF:1.000000,\na/5.m4s\n"
		       "#EXTINF:1.000000,\na/6.m4s\n#EXTINF:1.000000,\na/7.m4s\n"
		       "#EXT-X-PART:DURATION=0.500000,URI=\"a/8.0.m4s\",INDEPENDENT=YES\n"
		       "#EXT-X-PART:DURATION=0.500000,URI=\"a/8.1.m4s\"\n"
		       "#EXTINF:1.000000,\na/8.m4s\n"
		       "#EXT-X-PART:DURATION=0.500000,URI=\"a/9.0.m4s\",INDEPENDENT=YES\n"
		       "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"a/9.1.m4s\"\n");
}

static void test_L8_parts_alone_are_a_playlist(void **state)
{
	static const struct m3u8_part part[] = {
		{.seq = 7,
		 .duration_us = 500000,
		 .init = 3,
		 .independent = true,
		 .discontinuity = true},
	};
	struct m3u8 m = {
		.fmp4 = true,
		.target_s = 1,
		.part_us = 500000,
		.media_seq = 7,
		.disc_seq = 1,
		.parts_n = 1,
		.part = part,
	};

	expect(&m, &plain,
	       LL_HEAD "#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n"
		       "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-DISCONTINUITY\n"
		       "#EXT-X-MAP:URI=\"a/init-3.mp4\"\n"
		       "#EXT-X-PART:DURATION=0.500000,URI=\"a/7.0.m4s\",INDEPENDENT=YES\n"
		       "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"a/7.1.m4s\"\n");
}

static void test_L11_renditions_report_on_each_other(void **state)
{
	static const struct m3u8_part part[] = {{.seq = 7, .init = 3, .duration_us = 500000}};
	static const struct m3u8_report other = {
		.name = {(const uint8_t *)"a_360", 5}, .msn = 9, .part = 2};
	const struct m3u8 m = {
		.fmp4 = true,
		.target_s = 2,
		.part_us = 500000,
		.media_seq = 7,
		.parts_n = 1,
		.part = part,
	};
	struct m3u8_ask ask = plain;
	char text[2048];
	struct wr w = wr_of(text, sizeof(text) - 1);
	uint64_t msn = 0;
	uint32_t number = 9;

	ask.query = (struct slice){(const uint8_t *)"k=v", 3};
	ask.reports = &other;
	ask.reports_n = 1;
	m3u8_write(&w.sink, &m, &ask);
	text[wr_len(&w)] = '\0';
	assert_non_null(strstr(text, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"a/7.1.m4s?k=v\"\n"
				     "#EXT-X-RENDITION-REPORT:URI=\"a_360.m3u8?k=v\",LAST-MSN=9,"
				     "LAST-PART=2\n"));
	assert_true(m3u8_newest(&m, &msn, &number));
	assert_true(msn == 7 && number == 0);
}

static void test_a_master_playlist_says_what_is_known(void **state)
{
	static const struct m3u8_variant all = {"avc1.64001f,mp4a.40.2", 2000000, 1280, 720, 29970};
	static const struct m3u8_variant little = {"", 500000, 0, 0, 0};
	char text[1024];
	struct wr w = wr_of(text, sizeof(text) - 1);

	m3u8_write_master(&w.sink, true, true);
	m3u8_write_variant(&w.sink, &all, "../a.m3u8?k=v");
	m3u8_write_variant(&w.sink, &little, "a.m3u8");
	m3u8_write_master(&w.sink, false, false);
	text[wr_len(&w)] = '\0';
	assert_string_equal(
		text, "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n"
		      "#EXT-X-STREAM-INF:BANDWIDTH=2000000,CODECS=\"avc1.64001f,mp4a.40.2\","
		      "RESOLUTION=1280x720,FRAME-RATE=29.970\n../a.m3u8?k=v\n"
		      "#EXT-X-STREAM-INF:BANDWIDTH=500000\na.m3u8\n#EXTM3U\n#EXT-X-VERSION:3\n");
}

static void test_U4_names_and_queries_cannot_break_a_line_or_a_quote(void **state)
{
	static const char name[] = "a:b \"c\"\n\xc3\xa4";
	char dst[256];
	size_t n = m3u8_encode_name(dst, (struct slice){(const uint8_t *)name, strlen(name)});

	assert_int_equal(n, strlen(dst));
	assert_string_equal(dst, "a%3Ab%20%22c%22%0A%C3%A4");
	n = m3u8_carry(dst, sizeof(dst), "k=\"v\"&_HLS_msn=1&id=7&x={y}&_HLS_skip=YES&idx=8", "id");
	dst[n] = '\0';
	assert_string_equal(dst, "k=%22v%22&x=%7By%7D&idx=8");
	assert_int_equal(m3u8_carry(dst, 4, "k=vvvvvvvv", ""), 0);
	assert_int_equal(m3u8_carry(dst, sizeof(dst), "_HLS_msn=1", ""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_L2_L4_L10_a_live_playlist_of_transport_streams),
		cmocka_unit_test(test_an_ended_playlist_and_segments_without_a_key_frame),
		cmocka_unit_test(test_M8_a_new_initialisation_section_and_a_gap),
		cmocka_unit_test(test_L9_keys_rotate_and_never_cover_an_initialisation_section),
		cmocka_unit_test(test_L11_parts_a_hint_and_a_delta_update),
		cmocka_unit_test(test_L8_parts_alone_are_a_playlist),
		cmocka_unit_test(test_L11_renditions_report_on_each_other),
		cmocka_unit_test(test_a_master_playlist_says_what_is_known),
		cmocka_unit_test(test_U4_names_and_queries_cannot_break_a_line_or_a_quote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
