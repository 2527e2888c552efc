/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "core/cursor.h"
#include "media/rtmp_out.h"
#include "media/wire.h"
#include "session/push_rewrite.h"

#define BLOCK	 4096u
#define MESSAGES 400
#define TO_ID	 0xa1b2c3d4u

struct world {
	struct arena arena;
	struct quiet quiet;
	struct wlog *log;
	struct mem mem;
	struct buf want; /* the log's bytes with the other id, written directly */
	uint64_t now_us;
};

static void world_up(struct world *w, uint64_t retain_us)
{
	*w = (struct world){.mem.max = 64 << 20, .now_us = 1000000};
	wire_init(128);
	assert_int_equal(arena_init(&w->arena, 1024 * BLOCK, BLOCK, ARENA_NORMAL), 0);
	quiet_init(&w->quiet, 1);
	quiet_wake(&w->quiet, 0);
	w->log = wlog_new(WIRE_RTMP, &w->arena, &w->quiet, retain_us, 1 << 30);
	assert_non_null(w->log);
	buf_init(&w->want, &w->mem);
}

static void world_down(struct world *w)
{
	buf_fini(&w->want);
	wlog_free(w->log);
	arena_fini(&w->arena);
}

/* Sizes around chunk borders, and timestamps on both sides of the extended form. */
static void append_some(struct world *w, unsigned seed)
{
	static uint8_t data[3000];

	srand(seed);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)rand();
	for (int i = 0; i < MESSAGES; i++) {
		struct msg m = {
			.type = rand() % 2 ? MSG_VIDEO : MSG_AUDIO,
			.stream_id = PUSH_LOG_STREAM_ID,
			.ts_ms = 0xffffff - 5000 + i * 25,
			.len = 1 + (uint32_t)rand() % (rand() % 4 ? 260 : sizeof(data)),
			.data = data,
		};

		w->now_us += 25000;
		assert_int_equal(wlog_append(w->log, &m, w->now_us), 0);
		m.stream_id = TO_ID;
		rtmp_out_msg(&w->want.sink, &m, wire_rtmp_chunk_size());
	}
	wlog_publish(w->log);
}

/* Sends [off, end) as a network would that takes a part of each send, and compares. */
static void send_and_compare(struct world *w, uint64_t off, uint64_t end, unsigned cut)
{
	struct push_rewrite r = {.stream_id = TO_ID};
	struct buf b;

	buf_init(&b, &w->mem);
	while (off < end) {
		struct slice s[2];
		uint64_t piece = 1 + (uint64_t)rand() % cut;
		uint32_t max = (uint32_t)min_of(end - off, piece);
		unsigned n = wlog_slices(w->log, off, max, s);
		size_t took;

		buf_reset(&b, BLOCK);
		push_rewrite(&r, w->log, off, &b, s, n);
		assert_false(b.bad);
		assert_memory_equal(b.p, w->want.p + off, b.n);
		took = (size_t)rand() % (b.n + 1);
		off += took;
	}
	buf_fini(&b);
}

static void test_every_message_gets_the_id_whatever_the_cuts(void **state)
{
	static const unsigned cuts[] = {1, 7, 200, 4096};
	struct world w;

	for (unsigned seed = 1; seed <= 4; seed++) {
		world_up(&w, 3600000000u);
		append_some(&w, seed);
		assert_int_equal(wlog_head(w.log), w.want.n);
		send_and_compare(&w, 0, wlog_head(w.log), cuts[seed - 1]);
		world_down(&w);
	}
}

static void test_it_finds_the_messages_again_after_the_log_has_dropped_its_start(void **state)
{
	struct world w;

	world_up(&w, 2000000);
	append_some(&w, 9);
	wlog_trim(w.log, w.now_us);
	assert_true(wlog_tail(w.log) > 0);
	send_and_compare(&w, wlog_tail(w.log), wlog_head(w.log), 500);
	world_down(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_message_gets_the_id_whatever_the_cuts),
		cmocka_unit_test(
			test_it_finds_the_messages_again_after_the_log_has_dropped_its_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
