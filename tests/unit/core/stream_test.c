/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/core/fixture.h"

#include "core/cursor.h"
#include <errno.h>
#include <limits.h>

#include "media/amf0.h"
#include "media/flv.h"

struct channel {
	struct bench b;
	struct stream *s;
	struct core *home;
	struct test_msg t;
};

static void up_with(struct channel *c, struct bench_options o)
{
	memset(c, 0, sizeof(*c));
	bench_up(&c->b, o);
	c->home = &c->b.core[0];
	bench_turn(&c->b, 1000);
	assert_int_equal(stream_publish(c->b.engine.registry, c->home, "d/a/n", false, &c->s), 0);
}

static void up(struct channel *c)
{
	up_with(c, (struct bench_options){2, 8, 8 << 20, 16384});
}

static void down(struct channel *c)
{
	bench_down(&c->b);
}

static int put(struct channel *c, const struct msg *m)
{
	int rc = stream_append(c->s, c->home, m);

	stream_flush(c->s, c->home);
	return rc;
}

static void headers(struct channel *c)
{
	assert_int_equal(put(c, test_video_header(&c->t, 0, 1)), 0);
	assert_int_equal(put(c, test_audio_header(&c->t, 0, 1)), 0);
}

static int picture(struct channel *c, int64_t ts_ms, bool key)
{
	return put(c, test_picture(&c->t, ts_ms, key, 500));
}

static int sound(struct channel *c, int64_t ts_ms)
{
	return put(c, test_sound(&c->t, ts_ms, 100));
}

static struct wlog *rtmp(struct channel *c)
{
	return c->s->log[WIRE_RTMP];
}

static bool joinable(struct channel *c)
{
	struct wlog_key key;

	return wlog_newest_key(rtmp(c), &key);
}

static uint64_t dropped(struct channel *c)
{
	return bench_counter(&c->b, CTR_MESSAGES_DROPPED);
}

/* ---- names ---- */

static void test_C4_a_name_has_one_publisher(void **state)
{
	struct stream *other;
	struct channel c;

	up(&c);
	assert_int_equal(stream_publish(c.b.engine.registry, c.home, "d/a/n", false, &other),
			 -EEXIST);
	stream_end(c.s, c.home, REASON_UNPUBLISHED);
	assert_int_equal(stream_publish(c.b.engine.registry, c.home, "d/a/n", false, &other), 0);
	assert_int_equal(registry_count(c.b.engine.registry), 1);
	down(&c);
}

static void test_limits_and_bad_names_change_nothing(void **state)
{
	char name[600];
	struct stream *s;
	struct channel c;

	up_with(&c, (struct bench_options){1, 2, 1 << 20, 16384});
	memset(name, 'x', sizeof(name));
	name[512] = 0;
	assert_int_equal(stream_publish(c.b.engine.registry, c.home, name, false, &s), -EINVAL);
	assert_int_equal(stream_publish(c.b.engine.registry, c.home, "", false, &s), -EINVAL);
	name[511] = 0;
	assert_int_equal(stream_publish(c.b.engine.registry, c.home, name, false, &s), 0);
	assert_int_equal(stream_publish(c.b.engine.registry, c.home, "d/a/z", false, &s), -ENOSPC);
	assert_int_equal(registry_count(c.b.engine.registry), 2);
	down(&c);
}

static void count_each(void *arg, struct stream *s)
{
	*(unsigned *)arg += s->internal ? 100 : 1;
}

static void test_live_streams_are_found_and_listed(void **state)
{
	struct stream *inside, *found;
	struct channel c;
	unsigned n = 0;

	up(&c);
	assert_int_equal(stream_publish(c.b.engine.registry, c.home, "i/n/s", true, &inside), 0);
	registry_each(c.b.engine.registry, count_each, &n);
	assert_int_equal(n, 101);
	found = stream_find(c.b.engine.registry, "d/a/n");
	assert_ptr_equal(found, c.s);
	assert_null(stream_find(c.b.engine.registry, "d/a/m"));
	stream_end(c.s, c.home, REASON_KICKED);
	assert_null(stream_find(c.b.engine.registry, "d/a/n"));
	assert_false(stream_is_live(found));
	assert_int_equal(found->end_reason, REASON_KICKED);
	stream_put(found, c.home);
	down(&c);
}

/* ---- headers ---- */

static void test_H7_headers_are_metadata_then_video_then_audio(void **state)
{
	const struct stream_headers *h;
	uint8_t meta[100];
	struct wr w = wr_of(meta, sizeof(meta));
	struct msg m = {.type = MSG_DATA, .data = meta};
	struct channel c;

	amf0_cstring(&w, "@setDataFrame");
	amf0_cstring(&w, "onMetaData");
	amf0_ecma_array(&w, 2);
	amf0_key(&w, "duration");
	amf0_number(&w, 12);
	amf0_key(&w, "width");
	amf0_number(&w, 640);
	amf0_end(&w);
	m.len = (uint32_t)wr_len(&w);
	up(&c);
	assert_null(stream_headers(c.s));
	assert_int_equal(put(&c, test_audio_header(&c.t, 0, 1)), 0);
	assert_int_equal(put(&c, test_video_header(&c.t, 0, 1)), 0);
	assert_int_equal(put(&c, &m), 0);
	h = stream_headers(c.s);
	assert_int_equal(h->n, 3);
	assert_int_equal(h->msg[0].type, MSG_DATA);
	assert_int_equal(h->msg[1].type, MSG_VIDEO);
	assert_int_equal(h->msg[2].type, MSG_AUDIO);
	assert_memory_equal(h->data + h->msg[2].off, "\xaf\0\x12\1", 4);
	/* C9, C10: bare, and made for players */
	assert_memory_equal(h->data + h->msg[0].off, "\2\0\12onMetaData", 13);
	assert_null(memmem(h->data + h->msg[0].off, h->msg[0].len, "duration", 8));
	assert_non_null(memmem(h->data + h->msg[0].off, h->msg[0].len, "width", 5));
	assert_non_null(memmem(h->data + h->msg[0].off, h->msg[0].len, "Millrace/", 9));
	down(&c);
}

static void test_M7_a_repeated_header_is_no_change(void **state)
{
	uint64_t gen, head;
	struct channel c;

	up(&c);
	headers(&c);
	assert_int_equal(picture(&c, 0, true), 0);
	gen = stream_headers(c.s)->gen;
	head = wlog_head(rtmp(&c));
	headers(&c);
	assert_int_equal(stream_headers(c.s)->gen, gen);
	assert_true(joinable(&c));
	assert_true(wlog_head(rtmp(&c)) > head); /* passed on all the same */
	down(&c);
}

static void test_M8_a_changed_header_begins_a_new_generation(void **state)
{
	struct wlog_key key;
	struct channel c;
	uint64_t gen;

	up(&c);
	headers(&c);
	assert_int_equal(picture(&c, 0, true), 0);
	gen = stream_headers(c.s)->gen;
	assert_int_equal(put(&c, test_video_header(&c.t, 40, 2)), 0);
	assert_int_equal(stream_headers(c.s)->gen, gen + 1);
	assert_int_equal(stream_headers(c.s)->n, 2);
	assert_false(joinable(&c));
	assert_int_equal(picture(&c, 40, true), 0);
	assert_true(wlog_newest_key(rtmp(&c), &key));
	assert_int_equal(key.headers, gen + 1);
	assert_int_equal(put(&c, test_audio_header(&c.t, 80, 9)), 0);
	assert_false(joinable(&c));
	down(&c);
}

static void test_old_headers_are_kept_until_nobody_reads_them(void **state)
{
	const struct stream_headers *before;
	uint8_t copy[12];
	struct channel c;

	up(&c);
	headers(&c);
	before = stream_headers(c.s);
	memcpy(copy, before->data, sizeof(copy));
	for (uint8_t i = 2; i < 200; i++) /* all within one turn of the other core */
		assert_int_equal(put(&c, test_video_header(&c.t, 0, i)), 0);
	assert_memory_equal(before->data, copy, sizeof(copy));
	bench_turn(&c.b, 1000);
	assert_int_equal(put(&c, test_video_header(&c.t, 0, 200)), 0);
	assert_int_equal(stream_headers(c.s)->data[8], 200);
	down(&c);
}

static void test_a_huge_header_is_dropped_and_counted(void **state)
{
	static uint8_t huge[70000] = {0x17, 0, 0, 0, 0, 1};
	struct msg m = {.type = MSG_VIDEO, .len = sizeof(huge), .data = huge};
	struct channel c;

	up(&c);
	assert_int_equal(put(&c, &m), 0);
	assert_null(stream_headers(c.s));
	assert_int_equal(dropped(&c), 1);
	assert_int_equal(wlog_head(rtmp(&c)), 0);
	down(&c);
}

/* ---- where to join ---- */

static void test_M6_video_waits_for_its_header_and_a_key_frame(void **state)
{
	struct channel c;

	up(&c);
	assert_int_equal(picture(&c, 0, true), 0);
	assert_int_equal(picture(&c, 40, false), 0);
	assert_int_equal(dropped(&c), 2);
	assert_int_equal(wlog_head(rtmp(&c)), 0);
	headers(&c);
	assert_int_equal(picture(&c, 80, false), 0);
	assert_int_equal(dropped(&c), 3);
	assert_false(joinable(&c));
	assert_int_equal(picture(&c, 120, true), 0);
	assert_true(joinable(&c));
	assert_int_equal(dropped(&c), 3);
	down(&c);
}

static void test_M10_audio_alone_is_joinable_every_second(void **state)
{
	struct wlog_key key;
	struct channel c;
	int64_t last = -1;
	unsigned keys = 0;

	up(&c);
	assert_int_equal(put(&c, test_audio_header(&c.t, 0, 1)), 0);
	for (int i = 0; i < 500; i++) {
		assert_int_equal(sound(&c, i * 20), 0);
		assert_true(wlog_newest_key(rtmp(&c), &key));
		keys += key.ts_ms != last;
		last = key.ts_ms;
		bench_turn(&c.b, 20000);
	}
	assert_int_equal(keys, 10);
	/* pictures come: from now on they are where to join */
	assert_int_equal(put(&c, test_video_header(&c.t, 10000, 1)), 0);
	assert_false(joinable(&c));
	assert_int_equal(sound(&c, 10000), 0);
	assert_false(joinable(&c));
	assert_int_equal(picture(&c, 10020, true), 0);
	assert_true(wlog_newest_key(rtmp(&c), &key));
	assert_int_equal(key.ts_ms, 10020);
	down(&c);
}

static void test_M10_audio_goes_on_alone_when_video_stops(void **state)
{
	struct wlog_key key;
	struct channel c;
	unsigned without = 0;

	up(&c);
	headers(&c);
	assert_int_equal(picture(&c, 0, true), 0);
	for (int i = 0; i < 1500; i++) { /* 30 s */
		assert_int_equal(sound(&c, i * 20), 0);
		without += !wlog_newest_key(rtmp(&c), &key);
		if (i < 950)
			assert_int_equal(key.ts_ms, 0); /* the picture is still there */
		bench_turn(&c.b, 20000);
	}
	assert_int_equal(without, 1); /* from when the picture went to the next sound */
	assert_true(key.ts_ms > 28000);
	assert_int_equal(picture(&c, 30000, true), 0);
	assert_true(wlog_newest_key(rtmp(&c), &key));
	assert_int_equal(key.ts_ms, 30000);
	down(&c);
}

static void test_numbers_of_a_stream(void **state)
{
	struct channel c;

	up(&c);
	headers(&c);
	for (int i = 0; i < 100; i++)
		assert_int_equal(picture(&c, i * 40, i % 50 == 0), 0);
	assert_int_equal(sound(&c, 4000), 0);
	assert_int_equal(shm_get(&c.s->shm->msgs_video), 101);
	assert_int_equal(shm_get(&c.s->shm->msgs_audio), 2);
	assert_int_equal(shm_get(&c.s->shm->keyframes), 2);
	assert_int_equal(shm_get(&c.s->shm->gop_ms), 2000);
	assert_int_equal(shm_get(&c.s->shm->video_codec), CODEC_H264);
	assert_int_equal(shm_get(&c.s->shm->audio_codec), CODEC_AAC);
	assert_int_equal(shm_get(&c.s->shm->log_bytes), arena_used(&c.b.arena) * 16384);
	assert_int_equal(bench_counter(&c.b, CTR_LOG_BLOCKS), arena_used(&c.b.arena));
	assert_int_equal(bench_counter(&c.b, CTR_MESSAGES_IN), 103);
	down(&c);
}

/* ---- odd and hostile messages ---- */

static void test_C7_only_what_players_can_read_is_passed_on(void **state)
{
	static const uint8_t aac[] = {0xaf}, amf3[] = {0x11, 1, 2},
			     wrapped[] = {0, 2, 0, 2, 'h', 'i'};
	static const struct msg msgs[] = {
		{.type = MSG_DATA_AMF3, .len = sizeof(amf3), .data = amf3},
		{.type = MSG_SHARED_OBJECT, .len = 3, .data = amf3},
		{.type = MSG_VIDEO, .len = 0, .data = amf3},
		{.type = MSG_AUDIO, .len = 1, .data = aac},
	};
	struct msg m = {.type = MSG_DATA_AMF3, .len = sizeof(wrapped), .data = wrapped};
	struct channel c;

	up(&c);
	for (unsigned i = 0; i < array_len(msgs); i++)
		assert_int_equal(put(&c, &msgs[i]), 0);
	assert_int_equal(wlog_head(rtmp(&c)), 0);
	assert_int_equal(bench_counter(&c.b, CTR_ODD_MESSAGES), array_len(msgs));
	assert_int_equal(put(&c, &m), 0);
	assert_int_equal(wlog_head(rtmp(&c)), 12 + sizeof(wrapped) - 1);
	down(&c);
}

static void test_an_empty_arena_costs_a_gap_and_no_more(void **state)
{
	struct channel c;
	int64_t ts_ms = 0;
	uint64_t before;

	up_with(&c, (struct bench_options){2, 2, 32 * 16384, 16384});
	headers(&c);
	assert_int_equal(picture(&c, 0, true), 0);
	while (!picture(&c, ts_ms += 40, false)) /* the other core passes no quiet point */
		assert_true(ts_ms < 100000);
	assert_int_equal(bench_counter(&c.b, CTR_LOG_FULL), 1);
	assert_int_equal(wlog_tail(rtmp(&c)), wlog_head(rtmp(&c)));
	bench_turn(&c.b, 1000);
	before = dropped(&c);
	assert_int_equal(picture(&c, ts_ms += 40, false), 0); /* there is a hole before it */
	assert_int_equal(dropped(&c), before + 1);
	assert_int_equal(sound(&c, ts_ms), 0);
	assert_false(joinable(&c));
	assert_int_equal(picture(&c, ts_ms += 40, true), 0);
	assert_true(joinable(&c));
	assert_int_equal(picture(&c, ts_ms += 40, false), 0);
	assert_int_equal(dropped(&c), before + 1);
	wlog_check(rtmp(&c));
	down(&c);
}

/* ---- a further format ---- */

/* Messages of n bytes of FLV tags, without their data. */
static unsigned read_flv(const uint8_t *p, size_t n, struct msg *out)
{
	uint8_t head[FLV_HEADER_BYTES];
	struct mem mem = {.max = 1 << 20};
	struct flv_in in;
	unsigned count = 0;
	int took;

	flv_in_init(&in, &mem, 1 << 20);
	flv_header(head, true, true);
	assert_int_equal(flv_in_feed(&in, head, sizeof(head), &out[0]), sizeof(head));
	for (; n; p += took, n -= (size_t)took) {
		took = flv_in_feed(&in, p, n, &out[count]);
		assert_true(took > 0);
		count += out[count].type != MSG_NONE;
	}
	flv_in_fini(&in);
	return count;
}

static void opened(struct mail *m, struct core *core)
{
	struct stream_open *o = container_of(m, struct stream_open, mail);

	assert_ptr_equal(core, o->core);
	o->kind = WIRE_MAX; /* seen */
}

static void test_a_later_format_begins_at_the_newest_key_frame(void **state)
{
	/* ids of RTMP's extended timestamps, and beyond 32 bits (M1) */
	static const int64_t starts[] = {0, 0xffffff - 100, 0xffffff00, 0x17fffffff};
	static struct msg got[100];
	struct stream_open open;
	struct channel c;

	for (unsigned i = 0; i < array_len(starts); i++) {
		uint8_t bytes[200000];
		struct wlog_key a, b;
		struct wlog *flv;
		unsigned n;

		wire_init(i % 2 ? 128 : 60000);
		up(&c);
		headers(&c);
		for (int f = 0; f < 30; f++) {
			assert_int_equal(
				put(&c, test_picture(&c.t, starts[i] + f * 40, f % 20 == 0, 3000)),
				0);
			assert_int_equal(sound(&c, starts[i] + f * 40 + 5), 0);
			bench_turn(&c.b, 40000);
		}
		open.mail.run = opened;
		flv = stream_log(c.s, c.home, WIRE_FLV, &open);
		assert_non_null(flv);
		wlog_check(flv);
		assert_true(wlog_newest_key(rtmp(&c), &a) && wlog_newest_key(flv, &b));
		assert_int_equal(b.off, 0);
		assert_int_equal(b.ts_ms, starts[i] + 20 * 40);
		assert_int_equal(a.at_us, b.at_us);
		assert_int_equal(a.headers, b.headers);
		assert_in_range(b.at_us - wlog_time_of(flv, 0), 0, WLOG_MARK_US);
		/* and goes on with what comes now */
		assert_int_equal(sound(&c, starts[i] + 2000), 0);
		n = (unsigned)wlog_head(flv);
		assert_true(n < sizeof(bytes));
		log_copy(flv, 0, bytes, n);
		assert_int_equal(read_flv(bytes, n, got), 21);
		for (unsigned k = 0; k < 20; k++) {
			int64_t want = starts[i] + (20 + k / 2) * 40 + (k % 2 ? 5 : 0);

			assert_int_equal(got[k].type, k % 2 ? MSG_AUDIO : MSG_VIDEO);
			assert_int_equal(got[k].len, k % 2 ? 100 : 3000);
			assert_int_equal((uint32_t)got[k].ts_ms, (uint32_t)want);
		}
		down(&c);
	}
	wire_init(60000);
}

static void test_another_core_opens_a_format_by_mail(void **state)
{
	struct stream_open open = {.mail.run = opened};
	struct channel c;

	up(&c);
	headers(&c);
	assert_int_equal(picture(&c, 0, true), 0);
	assert_null(stream_log(c.s, &c.b.core[1], WIRE_FLV, &open));
	bench_turn(&c.b, 1000);
	bench_turn(&c.b, 1000);
	assert_int_equal(open.kind, WIRE_MAX);
	assert_non_null(stream_log(c.s, &c.b.core[1], WIRE_FLV, &open));
	assert_int_equal(c.s->refs, 1);
	down(&c);
}

static void test_no_format_is_opened_of_an_ended_stream(void **state)
{
	struct stream_open open = {.mail.run = opened}, at_home = open;
	struct channel c;

	up(&c);
	stream_get(c.s);
	stream_end(c.s, c.home, REASON_UNPUBLISHED);
	assert_null(stream_log(c.s, &c.b.core[1], WIRE_FLV, &open));
	assert_null(stream_log(c.s, c.home, WIRE_FLV, &at_home));
	bench_turn(&c.b, 1000);
	bench_turn(&c.b, 1000);
	assert_int_equal(open.kind, WIRE_MAX);
	assert_int_equal(at_home.kind, WIRE_MAX);
	assert_null(c.s->log[WIRE_FLV]);
	stream_put(c.s, &c.b.core[1]);
	for (int i = 0; i < 10; i++)
		bench_turn(&c.b, 5000);
	down(&c);
}

/* ---- the end ---- */

static void test_an_ended_stream_stays_until_its_last_viewer_and_a_quiet_point(void **state)
{
	struct channel c;

	up(&c);
	headers(&c);
	assert_int_equal(picture(&c, 0, true), 0);
	stream_get(c.s); /* a viewer on the other core */
	stream_end(c.s, c.home, REASON_UNPUBLISHED);
	for (int i = 0; i < 10; i++)
		bench_turn(&c.b, 5000);
	assert_true(arena_used(&c.b.arena) > 0);
	stream_put(c.s, &c.b.core[1]);
	for (int i = 0; i < 10; i++) /* the other core is still inside its turn */
		core_turn(c.home, c.b.now_us += 5000);
	assert_true(arena_used(&c.b.arena) > 0);
	for (int i = 0; i < 10; i++)
		bench_turn(&c.b, 5000);
	assert_int_equal(arena_used(&c.b.arena), 0);
	assert_int_equal(bench_counter(&c.b, CTR_LOG_BLOCKS), 0);
	down(&c);
}

static unsigned slots_in_use(struct bench *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < b->engine.shm->streams; i++)
		n += shm_get(&shm_stream_of(b->engine.shm, i)->gen) & 1;
	return n;
}

/* Sanitizers keep freed memory for a while: there only the engine's own numbers count. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RESIDENT_SLACK LONG_MAX
#else
#define RESIDENT_SLACK 256 /* pages: 1 MB */
#endif

/* Resident pages of this process. */
static long resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long pages = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
	fclose(f);
	return pages;
}

/* Architecture, section 10: churning 100,000 names returns to the starting size. */
static void test_100000_names_leave_nothing_behind(void **state)
{
	struct channel c;
	char name[40];
	long before = 0;

	up_with(&c, (struct bench_options){2, 64, 8 << 20, 16384});
	stream_end(c.s, c.home, REASON_UNPUBLISHED);
	for (unsigned i = 0; i < 100000; i++) {
		struct core *home = &c.b.core[i % 2];
		struct stream *s;

		snprintf(name, sizeof(name), "d/a/%u", i);
		assert_int_equal(stream_publish(c.b.engine.registry, home, name, false, &s), 0);
		assert_int_equal(stream_append(s, home, test_video_header(&c.t, 0, 1)), 0);
		assert_int_equal(stream_append(s, home, test_picture(&c.t, 0, true, 100)), 0);
		stream_end(s, home, REASON_PEER_CLOSED);
		if (i % 8 == 0)
			bench_turn(&c.b, 5000);
		if (i == 1000)
			before = resident();
	}
	for (int i = 0; i < 10; i++)
		bench_turn(&c.b, 5000);
	assert_int_equal(arena_used(&c.b.arena), 0);
	assert_int_equal(slots_in_use(&c.b), 0);
	assert_int_equal(registry_count(c.b.engine.registry), 0);
	assert_int_equal(bench_counter(&c.b, CTR_LOG_BLOCKS), 0);
	assert_true(resident() - before < RESIDENT_SLACK);
	down(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_C4_a_name_has_one_publisher),
		cmocka_unit_test(test_limits_and_bad_names_change_nothing),
		cmocka_unit_test(test_live_streams_are_found_and_listed),
		cmocka_unit_test(test_H7_headers_are_metadata_then_video_then_audio),
		cmocka_unit_test(test_M7_a_repeated_header_is_no_change),
		cmocka_unit_test(test_M8_a_changed_header_begins_a_new_generation),
		cmocka_unit_test(test_old_headers_are_kept_until_nobody_reads_them),
		cmocka_unit_test(test_a_huge_header_is_dropped_and_counted),
		cmocka_unit_test(test_M6_video_waits_for_its_header_and_a_key_frame),
		cmocka_unit_test(test_M10_audio_alone_is_joinable_every_second),
		cmocka_unit_test(test_M10_audio_goes_on_alone_when_video_stops),
		cmocka_unit_test(test_numbers_of_a_stream),
		cmocka_unit_test(test_C7_only_what_players_can_read_is_passed_on),
		cmocka_unit_test(test_an_empty_arena_costs_a_gap_and_no_more),
		cmocka_unit_test(test_a_later_format_begins_at_the_newest_key_frame),
		cmocka_unit_test(test_another_core_opens_a_format_by_mail),
		cmocka_unit_test(test_no_format_is_opened_of_an_ended_stream),
		cmocka_unit_test(
			test_an_ended_stream_stays_until_its_last_viewer_and_a_quiet_point),
		cmocka_unit_test(test_100000_names_leave_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
