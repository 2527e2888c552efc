/* SPDX-License-Identifier: Apache-2.0 */
#include "media/convert.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/check.h"
#include "media/amf0.h"

struct bytes {
	uint8_t p[24];
	uint32_t n;
};

static struct msg video(const struct bytes *b)
{
	return (struct msg){.type = MSG_VIDEO, .ts_ms = 77, .len = b->n, .data = b->p};
}

static const struct {
	const char *what;
	struct bytes legacy, enhanced;
} hevc[] = {
	{"sequence header", {{0x1c, 0, 0, 0, 0, 9, 8}, 7}, {{0x90, 'h', 'v', 'c', '1', 9, 8}, 7}},
	{"key frame without composition time",
	 {{0x1c, 1, 0, 0, 0, 9, 8}, 7},
	 {{0x93, 'h', 'v', 'c', '1', 9, 8}, 7}},
	{"M5: inter frame with a negative composition time",
	 {{0x2c, 1, 0xff, 0xff, 0xd8, 9, 8}, 7},
	 {{0xa1, 'h', 'v', 'c', '1', 0xff, 0xff, 0xd8, 9, 8}, 10}},
	{"M15: end of sequence", {{0x1c, 2, 0, 0, 0}, 5}, {{0x92, 'h', 'v', 'c', '1'}, 5}},
};

static void expect(unsigned variant, const struct bytes *from, const struct bytes *to)
{
	struct mem mem = {.max = 1 << 20};
	struct msg m = video(from), out;
	struct buf room;

	buf_init(&room, &mem);
	assert_int_equal(convert_msg(variant, &m, &room, &out), CONVERT_DONE);
	assert_int_equal(out.type, MSG_VIDEO);
	assert_int_equal(out.ts_ms, 77);
	assert_int_equal(out.len, to->n);
	assert_memory_equal(out.data, to->p, to->n);
	buf_fini(&room);
}

static void test_M18_hevc_is_said_the_other_way(void **state)
{
	for (unsigned i = 0; i < array_len(hevc); i++) {
		expect(VARIANT_HEVC_ENHANCED, &hevc[i].legacy, &hevc[i].enhanced);
		expect(VARIANT_HEVC_LEGACY, &hevc[i].enhanced, &hevc[i].legacy);
		expect(VARIANT_HEVC_LEGACY | VARIANT_NO_AUDIO, &hevc[i].enhanced, &hevc[i].legacy);
	}
}

static void test_M18_what_is_as_asked_stays(void **state)
{
	static const struct bytes others[] = {
		{{0x17, 1, 0, 0, 0, 9}, 6},	    /* AVC */
		{{0x90, 'a', 'v', '0', '1', 9}, 6}, /* AV1 */
		{{0x5c, 0}, 2},			    /* command frame */
		{{0x1c}, 1},			    /* too short to be anything */
		{{0x1c, 1, 0}, 3},		    /* the same */
		{{0x1c, 7, 0, 0, 0, 1}, 6},	    /* packet type that does not exist */
		{{0x90, 'h', 'v'}, 3},		    /* too short */
	};
	struct converted out;

	for (unsigned i = 0; i < array_len(hevc); i++) {
		struct msg legacy = video(&hevc[i].legacy), enhanced = video(&hevc[i].enhanced);

		assert_int_equal(convert_video(&legacy, false, &out), CONVERT_SAME);
		assert_int_equal(convert_video(&enhanced, true, &out), CONVERT_SAME);
	}
	for (unsigned i = 0; i < array_len(others); i++) {
		struct msg m = video(&others[i]);

		assert_int_equal(convert_video(&m, true, &out), CONVERT_SAME);
		assert_int_equal(convert_video(&m, false, &out), CONVERT_SAME);
	}
}

static void test_M18_mod_ex_is_dropped_on_the_way_to_legacy(void **state)
{
	static const struct bytes from = {{0x97, 2, 1, 2, 3, 0x03, 'h', 'v', 'c', '1', 9, 8}, 12};

	expect(VARIANT_HEVC_LEGACY, &from, &hevc[1].legacy);
}

static void test_M18_what_legacy_cannot_say_is_left_out(void **state)
{
	static const struct bytes metadata = {{0x94, 'h', 'v', 'c', '1', 2, 0, 1, 'x'}, 9};
	static const struct bytes tracks = {{0x96, 0x01, 'h', 'v', 'c', '1', 1, 0, 0, 0, 9}, 11};
	struct msg m = video(&metadata);
	struct converted out;

	assert_int_equal(convert_video(&m, false, &out), CONVERT_LEAVE_OUT);
	m = video(&tracks);
	assert_int_equal(convert_video(&m, false, &out), CONVERT_LEAVE_OUT);
}

static void test_M18_no_conversion_where_none_is_needed(void **state)
{
	struct codec_info avc = {.codec = CODEC_H264}, legacy = {.codec = CODEC_HEVC};
	struct codec_info enhanced = {.codec = CODEC_HEVC, .enhanced = true};
	unsigned both[] = {VARIANT_HEVC_LEGACY, VARIANT_HEVC_ENHANCED};

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(variant_needed(both[i], &avc), VARIANT_SOURCE);
		assert_int_equal(variant_needed(both[i], NULL), both[i]);
		assert_int_equal(variant_needed(both[i] | VARIANT_NO_AUDIO, &avc),
				 VARIANT_NO_AUDIO);
		assert_int_equal(variant_needed(both[i], i ? &enhanced : &legacy), VARIANT_SOURCE);
		assert_int_equal(variant_needed(both[i], i ? &legacy : &enhanced), both[i]);
	}
}

static void test_players_parameters(void **state)
{
	static const struct {
		const char *params;
		int rc;
		unsigned variant;
	} cases[] = {
		{"", 0, VARIANT_SOURCE},
		{"token=hevc", 0, VARIANT_SOURCE},
		{"hevc=legacy", 0, VARIANT_HEVC_LEGACY},
		{"a=b&hevc=enhanced&audio=1", 0, VARIANT_HEVC_ENHANCED},
		{"audio=0&hevc=legacy", 0, VARIANT_NO_AUDIO | VARIANT_HEVC_LEGACY},
		{"video=0&hevc=legacy", 0, VARIANT_NO_VIDEO},
		{"video=1&audio=1", 0, VARIANT_SOURCE},
		{"hevc=maybe", -EINVAL, 0},
		{"audio=no", -EINVAL, 0},
		{"video=2", -EINVAL, 0},
		{"audio=0&video=0", -EINVAL, 0},
	};
	const char *field, *rule;
	unsigned variant;

	for (unsigned i = 0; i < array_len(cases); i++) {
		assert_int_equal(variant_of_params(cases[i].params, &variant, &field, &rule),
				 cases[i].rc);
		if (!cases[i].rc)
			assert_int_equal(variant, cases[i].variant);
		assert_true(variant < VARIANT_MAX);
	}
}

static void test_M12_metadata_promises_nothing_that_is_left_out(void **state)
{
	uint8_t text[512];
	struct wr w = wr_of(text, sizeof(text));
	struct mem mem = {.max = 1 << 20};
	struct msg m = {.type = MSG_DATA, .data = text}, out;
	struct buf room;

	buf_init(&room, &mem);
	amf0_cstring(&w, "onMetaData");
	amf0_object(&w);
	amf0_key(&w, "hasAudio");
	amf0_bool(&w, true);
	amf0_key(&w, "audiocodecid");
	amf0_number(&w, 10);
	amf0_key(&w, "width");
	amf0_number(&w, 640);
	amf0_key(&w, "encoder");
	amf0_cstring(&w, "x");
	amf0_end(&w);
	m.len = (uint32_t)wr_len(&w);

	assert_int_equal(convert_msg(VARIANT_NO_AUDIO, &m, &room, &out), CONVERT_DONE);
	assert_null(memmem(out.data, out.len, "udio", 4));
	assert_non_null(memmem(out.data, out.len, "width", 5));
	assert_non_null(memmem(out.data, out.len, "encoder", 7));
	assert_int_equal(convert_msg(VARIANT_NO_VIDEO, &m, &room, &out), CONVERT_DONE);
	assert_non_null(memmem(out.data, out.len, "hasAudio", 8));
	assert_null(memmem(out.data, out.len, "width", 5));
	assert_int_equal(convert_msg(VARIANT_HEVC_LEGACY, &m, &room, &out), CONVERT_SAME);
	m.type = MSG_AUDIO;
	assert_int_equal(convert_msg(VARIANT_NO_AUDIO, &m, &room, &out), CONVERT_LEAVE_OUT);
	assert_int_equal(convert_msg(VARIANT_NO_VIDEO, &m, &room, &out), CONVERT_SAME);
	buf_fini(&room);
}

static void test_without_memory_a_message_is_left_out(void **state)
{
	struct msg m = video(&hevc[0].legacy), out;
	struct mem mem = {.max = 4};
	struct buf room;

	buf_init(&room, &mem);
	assert_int_equal(convert_msg(VARIANT_HEVC_ENHANCED, &m, &room, &out), CONVERT_LEAVE_OUT);
	assert_true(room.bad);
	buf_fini(&room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_M18_hevc_is_said_the_other_way),
		cmocka_unit_test(test_M18_what_is_as_asked_stays),
		cmocka_unit_test(test_M18_mod_ex_is_dropped_on_the_way_to_legacy),
		cmocka_unit_test(test_M18_what_legacy_cannot_say_is_left_out),
		cmocka_unit_test(test_M18_no_conversion_where_none_is_needed),
		cmocka_unit_test(test_players_parameters),
		cmocka_unit_test(test_M12_metadata_promises_nothing_that_is_left_out),
		cmocka_unit_test(test_without_memory_a_message_is_left_out),
	};

	return cmocka_run_group_tests_name("media/convert", tests, NULL, NULL);
}
