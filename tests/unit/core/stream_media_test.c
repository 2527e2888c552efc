/* SPDX-License-Identifier: Apache-2.0 */
/* What a stream makes of the media that comes: times, headers, tracks, variants. */
#include "core/stream.h"

#include "media/amf0.h"
#include "media/flv.h"
#include "unit/core/fixture.h"

struct channel {
	struct bench b;
	struct core *home;
	struct stream *s;
	struct test_msg t;
	uint64_t read; /* place in the FLV log */
};

static struct wlog *log_of(struct channel *c, unsigned kind)
{
	struct stream_open open;

	return stream_log(c->s, c->home, kind, &open);
}

static void up(struct channel *c)
{
	memset(c, 0, sizeof(*c));
	bench_up(&c->b, (struct bench_options){1, 4, 16 << 20, 16384});
	c->home = &c->b.core[0];
	bench_turn(&c->b, 1000);
	assert_int_equal(stream_publish(c->b.engine.registry, c->home, "d/a/n", false, &c->s), 0);
	assert_non_null(log_of(c, WIRE_FLV));
}

static void down(struct channel *c)
{
	bench_down(&c->b);
}

static void put(struct channel *c, const struct msg *m)
{
	assert_int_equal(stream_append(c->s, c->home, m), 0);
	stream_flush(c->s, c->home);
}

static void put_bytes(struct channel *c, uint8_t type, int64_t ts_ms, const void *p, size_t n)
{
	put(c, test_msg(&c->t, type, ts_ms, p, n, n));
}

static void picture(struct channel *c, int64_t ts_ms, bool key)
{
	put(c, test_picture(&c->t, ts_ms, key, 100));
}

static void sound(struct channel *c, int64_t ts_ms)
{
	put(c, test_sound(&c->t, ts_ms, 50));
}

static void headers(struct channel *c, int64_t ts_ms)
{
	put(c, test_video_header(&c->t, ts_ms, 1));
	put(c, test_audio_header(&c->t, ts_ms, 1));
}

struct tag {
	uint8_t type, body[300];
	uint32_t ts, n;
};

/* The next tag of a log at *read; false at its end. */
static bool next_tag(const struct wlog *log, uint64_t *read, struct tag *tag)
{
	uint8_t head[FLV_TAG_HEAD];

	if (*read == wlog_head(log))
		return false;
	log_copy(log, *read, head, sizeof(head));
	tag->type = head[0];
	tag->n = get_be24(head + 1);
	tag->ts = get_be24(head + 4) | (uint32_t)head[7] << 24;
	log_copy(log, *read + sizeof(head), tag->body, min_of(tag->n, sizeof(tag->body)));
	*read += flv_span(head);
	return true;
}

static void expect(struct channel *c, uint8_t type, uint32_t ts, uint8_t first)
{
	struct tag tag;

	assert_true(next_tag(log_of(c, WIRE_FLV), &c->read, &tag));
	assert_int_equal(tag.type, type);
	assert_int_equal(tag.ts, ts);
	assert_int_equal(tag.body[0], first);
}

static bool joinable(struct channel *c, unsigned kind)
{
	struct wlog_key key;

	return wlog_newest_key(log_of(c, kind), &key);
}

/* ---- time ---- */

static void test_M1_M2_times_are_absolute_and_cross_every_edge(void **state)
{
	static const int64_t starts[] = {0xfffff0, 0x7fffff00, 0xffffff00, 0x1fffffff0, -300};

	for (unsigned i = 0; i < array_len(starts); i++) {
		struct channel c;

		up(&c);
		headers(&c, 0);
		expect(&c, MSG_VIDEO, 0, 0x17);
		expect(&c, MSG_AUDIO, 0, 0xaf);
		for (int k = 0; k < 50; k++) {
			picture(&c, starts[i] + k * 40, k % 25 == 0);
			sound(&c, starts[i] + k * 40 + 10);
			expect(&c, MSG_VIDEO, (uint32_t)(starts[i] + k * 40), k % 25 ? 0x27 : 0x17);
			expect(&c, MSG_AUDIO, (uint32_t)(starts[i] + k * 40 + 10), 0xaf);
			bench_turn(&c.b, 40000);
		}
		assert_int_equal(bench_counter(&c.b, CTR_TIME_JUMPS), 0);
		assert_int_equal(bench_counter(&c.b, CTR_TIME_OUTLIERS), 0);
		down(&c);
	}
}

static void test_M2_a_stream_may_start_at_zero(void **state)
{
	struct conf_error err;
	struct channel c;

	up(&c);
	stream_end(c.s, c.home, REASON_UNPUBLISHED);
	assert_int_equal(conf_set(&c.b.conf, "stream.time", "zero", &err), 0);
	assert_int_equal(stream_publish(c.b.engine.registry, c.home, "d/a/n", false, &c.s), 0);
	assert_non_null(log_of(&c, WIRE_FLV));
	headers(&c, 70000);
	expect(&c, MSG_VIDEO, 0, 0x17);
	expect(&c, MSG_AUDIO, 0, 0xaf);
	picture(&c, 70000, true);
	sound(&c, 69990);
	sound(&c, 70013);
	expect(&c, MSG_VIDEO, 0, 0x17);
	expect(&c, MSG_AUDIO, 0, 0xaf);
	expect(&c, MSG_AUDIO, 13, 0xaf);
	down(&c);
}

/* The order in which sound and pictures came stays, also where their times are not in order. */
static void test_M4_what_is_interleaved_otherwise_passes_as_it_came(void **state)
{
	static const struct {
		uint8_t type;
		uint32_t ts;
	} came[] = {{MSG_AUDIO, 90},
		    {MSG_AUDIO, 110},
		    {MSG_VIDEO, 40},
		    {MSG_AUDIO, 50},
		    {MSG_VIDEO, 80}};
	struct channel c;

	up(&c);
	headers(&c, 0);
	picture(&c, 0, true);
	for (unsigned i = 0; i < 2; i++)
		expect(&c, i ? MSG_AUDIO : MSG_VIDEO, 0, i ? 0xaf : 0x17);
	expect(&c, MSG_VIDEO, 0, 0x17);
	for (unsigned i = 0; i < array_len(came); i++) {
		if (came[i].type == MSG_VIDEO)
			picture(&c, came[i].ts, false);
		else
			sound(&c, came[i].ts);
	}
	for (unsigned i = 0; i < array_len(came); i++)
		expect(&c, came[i].type, came[i].ts, came[i].type == MSG_VIDEO ? 0x27 : 0xaf);
	down(&c);
}

static void test_M3_outliers_and_jumps_are_evened_out_and_counted(void **state)
{
	struct channel c;

	up(&c);
	headers(&c, 5000);
	for (int k = 0; k < 10; k++)
		picture(&c, 5000 + k * 40, k == 0);
	sound(&c, 5360);
	picture(&c, 77777777, false);
	picture(&c, 5400, false);
	assert_int_equal(bench_counter(&c.b, CTR_TIME_OUTLIERS), 1);
	for (int k = 0; k < 5; k++) {
		picture(&c, k * 40, false);
		sound(&c, k * 40);
	}
	assert_int_equal(bench_counter(&c.b, CTR_TIME_JUMPS), 1);
	assert_int_equal(bench_counter(&c.b, CTR_TIME_OUTLIERS), 1);
	expect(&c, MSG_VIDEO, 5000, 0x17);
	expect(&c, MSG_AUDIO, 5000, 0xaf);
	for (unsigned k = 0; k < 10; k++)
		expect(&c, MSG_VIDEO, 5000 + k * 40, k ? 0x27 : 0x17);
	expect(&c, MSG_AUDIO, 5360, 0xaf);
	expect(&c, MSG_VIDEO, 5360, 0x27);
	expect(&c, MSG_VIDEO, 5400, 0x27);
	for (unsigned k = 0; k < 5; k++) {
		expect(&c, MSG_VIDEO, 5400 + k * 40, 0x27);
		expect(&c, MSG_AUDIO, 5400 + k * 40, 0xaf);
	}
	down(&c);
}

/* ---- headers ---- */

static void test_M9_the_next_stream_of_a_name_knows_nothing_of_the_last(void **state)
{
	struct channel c;

	up(&c);
	headers(&c, 0);
	picture(&c, 0, true);
	assert_int_equal(stream_headers(c.s)->n, 2);
	stream_end(c.s, c.home, REASON_UNPUBLISHED);
	assert_int_equal(stream_publish(c.b.engine.registry, c.home, "d/a/n", false, &c.s), 0);
	assert_null(stream_headers(c.s));
	picture(&c, 0, true);
	assert_false(joinable(&c, WIRE_RTMP));
	down(&c);
}

static void test_M15_end_of_sequence_is_forwarded(void **state)
{
	struct channel c;

	up(&c);
	headers(&c, 0);
	picture(&c, 0, true);
	put_bytes(&c, MSG_VIDEO, 40, "\x17\x02\0\0\0", 5);
	picture(&c, 80, true);
	for (int i = 0; i < 3; i++)
		expect(&c, i == 1 ? MSG_AUDIO : MSG_VIDEO, 0, i == 1 ? 0xaf : 0x17);
	expect(&c, MSG_VIDEO, 40, 0x17);
	expect(&c, MSG_VIDEO, 80, 0x17);
	down(&c);
}

/* How often the present headers hold exactly these bytes. */
static unsigned kept(struct channel *c, uint8_t type, const void *p, size_t n)
{
	const struct stream_headers *h = stream_headers(c->s);
	unsigned times = 0;

	for (unsigned i = 0; i < h->n; i++)
		times += h->msg[i].type == type && h->msg[i].len == n &&
			 !memcmp(h->data + h->msg[i].off, p, n);
	return times;
}

static void test_M16_headers_are_kept_for_each_track(void **state)
{
	/* Tracks 0 and 1 in one message, then a new header for track 1 alone. */
	static const uint8_t both[] = {0x96, 0x10, 'h', 'v', 'c', '1', 0, 0,
				       0,    1,	   7,	1,   0,	  0,   1, 8};
	static const uint8_t second[] = {0x96, 0x00, 'h', 'v', 'c', '1', 1, 9};
	static const uint8_t hdr[] = {0x94, 'h', 'v', 'c', '1', 2, 0, 1, 'x'};
	struct channel c;

	up(&c);
	put_bytes(&c, MSG_VIDEO, 0, both, sizeof(both));
	assert_int_equal(stream_headers(c.s)->n, 2);
	assert_int_equal(kept(&c, MSG_VIDEO, "\x96\0hvc1\0\7", 8), 1);
	assert_int_equal(kept(&c, MSG_VIDEO, "\x96\0hvc1\1\10", 8), 1);
	put_bytes(&c, MSG_VIDEO, 0, second, sizeof(second));
	put_bytes(&c, MSG_VIDEO, 0, hdr, sizeof(hdr));
	assert_int_equal(stream_headers(c.s)->n, 3);
	assert_int_equal(kept(&c, MSG_VIDEO, "\x96\0hvc1\0\7", 8), 1);
	assert_int_equal(kept(&c, MSG_VIDEO, second, sizeof(second)), 1);
	assert_int_equal(kept(&c, MSG_VIDEO, hdr, sizeof(hdr)), 1);
	down(&c);
}

static void test_M16_key_frames_of_another_track_are_not_joined_at(void **state)
{
	static const uint8_t header0[] = {0x90, 'h', 'v', 'c', '1', 7};
	static const uint8_t header1[] = {0x96, 0x00, 'h', 'v', 'c', '1', 1, 8};
	static const uint8_t key0[] = {0x93, 'h', 'v', 'c', '1', 0, 0, 0, 3, 0x26, 1, 5};
	static const uint8_t key1[] = {0x96, 0x03, 'h', 'v', 'c', '1', 1, 0, 0, 0, 3, 0x26, 1, 5};
	struct channel c;

	up(&c);
	put_bytes(&c, MSG_VIDEO, 0, header0, sizeof(header0));
	put_bytes(&c, MSG_VIDEO, 0, header1, sizeof(header1));
	put_bytes(&c, MSG_VIDEO, 0, key1, sizeof(key1));
	assert_false(joinable(&c, WIRE_RTMP));
	put_bytes(&c, MSG_VIDEO, 0, key0, sizeof(key0));
	assert_true(joinable(&c, WIRE_RTMP));
	down(&c);
}

static void test_M17_M20_audio_headers_are_kept_as_they_came(void **state)
{
	static const uint8_t opus[] = {0x90, 'O', 'p', 'u', 's', 'O', 'p', 'u', 's', 'H'};
	static const uint8_t channels[] = {0x94, 'O', 'p', 'u', 's', 1, 2, 0, 0, 0, 3};
	static const uint8_t he_aac[] = {0xaf, 0, 0x2b, 0x92, 0x08, 0x00, 0x56, 0xe5, 0xa0};
	struct channel c;

	up(&c);
	put_bytes(&c, MSG_AUDIO, 0, opus, sizeof(opus));
	put_bytes(&c, MSG_AUDIO, 0, channels, sizeof(channels));
	assert_int_equal(kept(&c, MSG_AUDIO, opus, sizeof(opus)), 1);
	assert_int_equal(kept(&c, MSG_AUDIO, channels, sizeof(channels)), 1);
	put_bytes(&c, MSG_AUDIO, 0, he_aac, sizeof(he_aac));
	assert_int_equal(kept(&c, MSG_AUDIO, he_aac, sizeof(he_aac)), 1);
	down(&c);
}

static void test_M21_other_audio_is_relayed_as_it_is(void **state)
{
	static const uint8_t firsts[] = {0x2f, 0x72, 0x82, 0xb6, 0xd2, 0x32};
	struct channel c;

	up(&c);
	for (unsigned i = 0; i < sizeof(firsts); i++) {
		uint8_t bytes[3] = {firsts[i], 1, 2};

		put_bytes(&c, MSG_AUDIO, i * 20, bytes, sizeof(bytes));
		expect(&c, MSG_AUDIO, i * 20, firsts[i]);
	}
	assert_true(joinable(&c, WIRE_FLV));
	down(&c);
}

/* ---- what is kept, and what flows ---- */

static void test_M13_a_gop_without_end_is_bounded_by_bytes_and_by_seconds(void **state)
{
	struct channel c;

	for (int by_bytes = 0; by_bytes < 2; by_bytes++) {
		unsigned n = 0;

		up(&c);
		stream_end(c.s, c.home, REASON_UNPUBLISHED);
		c.b.conf.stream_retain = by_bytes ? 600000 : 2000;
		c.b.conf.stream_retain_bytes = by_bytes ? 1 << 20 : 1 << 30;
		assert_int_equal(stream_publish(c.b.engine.registry, c.home, "d/a/n", false, &c.s),
				 0);
		headers(&c, 0);
		put(&c, test_picture(&c.t, 0, true, 4000));
		while (joinable(&c, WIRE_RTMP)) {
			put(&c, test_picture(&c.t, ++n * 40, false, 4000));
			bench_turn(&c.b, 40000);
			assert_true(n < 1000);
		}
		assert_in_range(n, by_bytes ? 150 : 40, by_bytes ? 400 : 70);
		assert_int_equal(bench_counter(&c.b, CTR_MESSAGES_DROPPED), 0);
		assert_true(shm_get(&c.s->shm->log_bytes) < 3 << 20);
		put(&c, test_picture(&c.t, ++n * 40, true, 4000));
		assert_true(joinable(&c, WIRE_RTMP));
		down(&c);
	}
}

static void test_M11_a_header_alone_is_no_flow_and_comes_again_with_its_first_frame(void **state)
{
	struct channel c;

	up(&c);
	headers(&c, 0);
	assert_true(stream_flows(c.s, MSG_AUDIO, c.home->now_us));
	for (int k = 0; k < 50; k++) {
		picture(&c, k * 40, k % 25 == 0);
		bench_turn(&c.b, 40000);
	}
	assert_true(stream_flows(c.s, MSG_VIDEO, c.home->now_us));
	assert_false(stream_flows(c.s, MSG_AUDIO, c.home->now_us));
	c.read = wlog_head(log_of(&c, WIRE_FLV));
	sound(&c, 2000);
	sound(&c, 2020);
	expect(&c, MSG_AUDIO, 2000, 0xaf);
	expect(&c, MSG_AUDIO, 2000, 0xaf);
	expect(&c, MSG_AUDIO, 2020, 0xaf);
	assert_int_equal(c.read, wlog_head(log_of(&c, WIRE_FLV)));
	assert_true(stream_flows(c.s, MSG_AUDIO, c.home->now_us));
	down(&c);
}

static void test_M12_the_log_without_video_can_be_joined_every_second(void **state)
{
	unsigned kind = stream_log_kind(WIRE_FLV, VARIANT_NO_VIDEO), keys = 0;
	uint64_t read = 0, last = WLOG_NONE;
	struct channel c;
	struct tag tag;

	up(&c);
	headers(&c, 0);
	picture(&c, 0, true);
	sound(&c, 0);
	assert_non_null(log_of(&c, kind));
	for (int k = 1; k < 500; k++) {
		struct wlog_key key;

		sound(&c, k * 20);
		picture(&c, k * 20, k % 200 == 0);
		assert_true(wlog_newest_key(log_of(&c, kind), &key));
		keys += key.off != last;
		last = key.off;
		bench_turn(&c.b, 20000);
	}
	assert_in_range(keys, 9, 12);
	while (next_tag(log_of(&c, kind), &read, &tag))
		assert_int_equal(tag.type, MSG_AUDIO);
	down(&c);
}

/* ---- frame types, metadata ---- */

static void test_M14_a_key_frame_is_one_by_its_picture_and_other_frames_pass(void **state)
{
	static const uint8_t no_idr[] = {0x17, 1, 0, 0, 0, 0, 0, 0, 3, 0x41, 1, 2};
	static const uint8_t disposable[] = {0x37, 1, 0, 0, 0, 0, 0, 0, 3, 0x01, 1, 2};
	static const uint8_t command[] = {0x57, 0};
	struct wlog_key first, now;
	struct channel c;

	up(&c);
	headers(&c, 0);
	picture(&c, 0, true);
	assert_true(wlog_newest_key(log_of(&c, WIRE_FLV), &first));
	put_bytes(&c, MSG_VIDEO, 40, no_idr, sizeof(no_idr));
	put_bytes(&c, MSG_VIDEO, 80, disposable, sizeof(disposable));
	put_bytes(&c, MSG_VIDEO, 80, command, sizeof(command));
	assert_true(wlog_newest_key(log_of(&c, WIRE_FLV), &now));
	assert_int_equal(now.off, first.off);
	expect(&c, MSG_VIDEO, 0, 0x17);
	expect(&c, MSG_AUDIO, 0, 0xaf);
	expect(&c, MSG_VIDEO, 0, 0x17);
	expect(&c, MSG_VIDEO, 40, 0x17);
	expect(&c, MSG_VIDEO, 80, 0x37);
	expect(&c, MSG_VIDEO, 80, 0x57);
	down(&c);
}

/* onMetaData with one member that lies; which: 0 says that there is no media, 1 and 2 other codecs. */
static size_t lie(uint8_t *dst, size_t n, unsigned which)
{
	struct wr w = wr_of(dst, n);

	amf0_cstring(&w, "onMetaData");
	amf0_ecma_array(&w, 4);
	amf0_key(&w, "hasVideo");
	amf0_bool(&w, which != 0);
	amf0_key(&w, "hasAudio");
	amf0_bool(&w, which != 0);
	amf0_key(&w, "videocodecid");
	if (which == 1)
		amf0_number(&w, 0x68766331); /* hvc1 */
	else
		amf0_cstring(&w, "av01");
	amf0_key(&w, "width");
	amf0_number(&w, -1);
	amf0_end(&w);
	assert_false(w.bad);
	return wr_len(&w);
}

static void take_gop(struct channel *c, int64_t ts_ms)
{
	struct tag tag;
	unsigned media = 0;

	picture(c, ts_ms, true);
	sound(c, ts_ms + 10);
	while (next_tag(log_of(c, WIRE_FLV), &c->read, &tag))
		media += tag.type != MSG_DATA && tag.body[1] == 1;
	assert_int_equal(media, 2);
	assert_true(joinable(c, WIRE_FLV));
	assert_int_equal(shm_get(&c->s->shm->video_codec), CODEC_H264);
	assert_int_equal(shm_get(&c->s->shm->audio_codec), CODEC_AAC);
	assert_true(stream_flows(c->s, MSG_VIDEO, c->home->now_us));
	assert_true(stream_flows(c->s, MSG_AUDIO, c->home->now_us));
}

static void test_C11_media_flows_whatever_metadata_says(void **state)
{
	static const uint8_t garbage[] = {2,   0,   10,	 'o', 'n', 'M', 'e',
					  't', 'a', 'D', 'a', 't', 'a', 9};
	uint8_t data[256];
	struct channel c;

	up(&c);
	headers(&c, 0);
	take_gop(&c, 0); /* without any */
	put_bytes(&c, MSG_DATA, 40, garbage, sizeof(garbage));
	for (unsigned i = 0; i < 9; i++) { /* repeated, before and between media */
		size_t n = lie(data, sizeof(data), i % 3);

		put_bytes(&c, MSG_DATA, 40 * i, data, n);
		put_bytes(&c, MSG_DATA, 40 * i, data, n);
		take_gop(&c, 40 * (i + 1));
	}
	down(&c);
}

static void test_M18_a_variant_is_filled_and_goes_on_converted(void **state)
{
	static const uint8_t header[] = {0x1c, 0, 0, 0, 0, 1, 1, 2, 3};
	static const uint8_t key[] = {0x1c, 1, 0, 0, 0, 0, 0, 0, 3, 0x26, 1, 5};
	static const uint8_t inter[] = {0x2c, 1, 0, 0, 40, 0, 0, 0, 3, 0x02, 1, 5};
	unsigned kind = stream_log_kind(WIRE_FLV, VARIANT_HEVC_ENHANCED);
	uint64_t read = 0;
	struct channel c;
	struct tag tag;

	up(&c);
	put_bytes(&c, MSG_VIDEO, 0, header, sizeof(header));
	assert_int_equal(stream_variant(c.s, VARIANT_HEVC_LEGACY), VARIANT_SOURCE);
	assert_int_equal(stream_variant(c.s, VARIANT_HEVC_ENHANCED), VARIANT_HEVC_ENHANCED);
	put_bytes(&c, MSG_VIDEO, 0, key, sizeof(key));
	put_bytes(&c, MSG_VIDEO, 40, inter, sizeof(inter));
	assert_true(joinable(&c, kind));
	put_bytes(&c, MSG_VIDEO, 80, inter, sizeof(inter));
	assert_true(next_tag(log_of(&c, kind), &read, &tag));
	assert_memory_equal(tag.body, "\x93hvc1\0\0\0\3\x26\1\5", 12);
	for (unsigned i = 1; i < 3; i++) {
		assert_true(next_tag(log_of(&c, kind), &read, &tag));
		assert_int_equal(tag.ts, i * 40);
		assert_int_equal(tag.n, 15);
		assert_memory_equal(tag.body, "\xa1hvc1\0\0\x28\0\0\0\3\x02\1\5", 15);
	}
	assert_false(next_tag(log_of(&c, kind), &read, &tag));
	down(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_M1_M2_times_are_absolute_and_cross_every_edge),
		cmocka_unit_test(test_M2_a_stream_may_start_at_zero),
		cmocka_unit_test(test_M4_what_is_interleaved_otherwise_passes_as_it_came),
		cmocka_unit_test(test_M14_a_key_frame_is_one_by_its_picture_and_other_frames_pass),
		cmocka_unit_test(test_C11_media_flows_whatever_metadata_says),
		cmocka_unit_test(test_M3_outliers_and_jumps_are_evened_out_and_counted),
		cmocka_unit_test(test_M9_the_next_stream_of_a_name_knows_nothing_of_the_last),
		cmocka_unit_test(test_M15_end_of_sequence_is_forwarded),
		cmocka_unit_test(test_M16_headers_are_kept_for_each_track),
		cmocka_unit_test(test_M16_key_frames_of_another_track_are_not_joined_at),
		cmocka_unit_test(test_M17_M20_audio_headers_are_kept_as_they_came),
		cmocka_unit_test(test_M21_other_audio_is_relayed_as_it_is),
		cmocka_unit_test(test_M13_a_gop_without_end_is_bounded_by_bytes_and_by_seconds),
		cmocka_unit_test(
			test_M11_a_header_alone_is_no_flow_and_comes_again_with_its_first_frame),
		cmocka_unit_test(test_M12_the_log_without_video_can_be_joined_every_second),
		cmocka_unit_test(test_M18_a_variant_is_filled_and_goes_on_converted),
	};

	return cmocka_run_group_tests_name("core/stream media", tests, NULL, NULL);
}
