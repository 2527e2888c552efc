/* SPDX-License-Identifier: Apache-2.0 */
#include "media/flv.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/check.h"

#define MESSAGES    24
#define MESSAGE_MAX 100000

struct fixture {
	struct mem mem;
	struct buf file;
	uint8_t body[MESSAGES][9000];
	struct msg sent[MESSAGES];
	unsigned got;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->mem.max = 1 << 22;
	buf_init(&f->file, &f->mem);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	buf_fini(&f->file);
	assert_int_equal(f->mem.used, 0);
	free(f);
	return 0;
}

static void put_header(struct fixture *f)
{
	uint8_t head[FLV_HEADER_BYTES];

	flv_header(head, true, true);
	buf_write(&f->file, head, sizeof(head));
}

static void put_tag(struct fixture *f, uint8_t type, int64_t ts_ms, const char *body)
{
	flv_tag(&f->file.sink, &(struct msg){.type = type,
					     .ts_ms = ts_ms,
					     .len = (uint32_t)strlen(body),
					     .data = (const uint8_t *)body});
}

/* Feeds all of the file in one call each; the reason, or NONE. *last is the last message. */
static enum reason read_all(struct fixture *f, struct flv_in *in, struct msg *last)
{
	size_t off = 0;

	while (off < f->file.n) {
		struct msg m;
		int took = flv_in_feed(in, f->file.p + off, f->file.n - off, &m);

		if (took < 0)
			return (enum reason) - took;
		assert_true(took > 0);
		off += (size_t)took;
		if (m.type != MSG_NONE) {
			*last = m;
			f->got++;
		}
	}
	return REASON_NONE;
}

static void make_stream(struct fixture *f)
{
	static const uint8_t types[] = {MSG_DATA, MSG_VIDEO, MSG_AUDIO, MSG_VIDEO};
	static const uint32_t lens[] = {0, 1, 5, 300, 4095, 4096, 4097, 9000};

	put_header(f);
	for (unsigned i = 0; i < MESSAGES; i++) {
		struct msg *m = &f->sent[i];

		*m = (struct msg){.type = types[i % 4], .ts_ms = i * 20, .len = lens[i % 8]};
		m->data = f->body[i];
		for (uint32_t k = 0; k < m->len; k++)
			f->body[i][k] = (uint8_t)(k * 7 + i);
		flv_tag(&f->file.sink, m);
	}
}

static void check_next(struct fixture *f, const struct msg *m)
{
	const struct msg *want = &f->sent[f->got];

	assert_true(f->got < MESSAGES);
	assert_int_equal(m->type, want->type);
	assert_int_equal(m->ts_ms, want->ts_ms);
	assert_int_equal(m->len, want->len);
	assert_memory_equal(m->data, want->data, m->len);
	f->got++;
}

/* Pieces of 1..max bytes, each in memory of its own so that a sanitizer sees reads beyond it. */
static void read_in_pieces(struct fixture *f, unsigned max)
{
	struct flv_in in;
	size_t off = 0;

	f->got = 0;
	flv_in_init(&in, &f->mem, MESSAGE_MAX);
	while (off < f->file.n) {
		size_t n = 1 + (size_t)rand() % max, done = 0;
		uint8_t *piece;

		n = min_of(n, f->file.n - off);
		piece = malloc(n);
		memcpy(piece, f->file.p + off, n);
		while (done < n) {
			struct msg m;
			int took = flv_in_feed(&in, piece + done, n - done, &m);

			assert_in_range(took, 1, n - done);
			done += (size_t)took;
			if (m.type != MSG_NONE)
				check_next(f, &m);
		}
		free(piece);
		off += n;
	}
	assert_int_equal(f->got, MESSAGES);
	assert_int_equal(in.odd, 0);
	flv_in_fini(&in);
}

static void test_file_header_bytes(void **state)
{
	static const uint8_t want[] = {'F', 'L', 'V', 1, 5, 0, 0, 0, 9, 0, 0, 0, 0};
	uint8_t head[FLV_HEADER_BYTES];

	flv_header(head, true, true);
	assert_memory_equal(head, want, sizeof(want));
	flv_header(head, true, false);
	assert_int_equal(head[4], 4);
	flv_header(head, false, true);
	assert_int_equal(head[4], 1);
}

static void test_H7_tag_bytes_and_previous_tag_size(void **state)
{
	static const uint8_t want[] = {9, 0, 0,	  3,   0x34, 0x56, 0x78, 0x12, 0,
				       0, 0, 'a', 'b', 'c',  0,	   0,	 0,    14};
	struct fixture *f = *state;

	put_tag(f, MSG_VIDEO, 0x12345678, "abc");
	assert_int_equal(f->file.n, sizeof(want));
	assert_memory_equal(f->file.p, want, sizeof(want));
	assert_int_equal(flv_span(f->file.p), sizeof(want));
}

static void test_span_knows_tag_types_only(void **state)
{
	uint8_t head[FLV_TAG_HEAD] = {MSG_AUDIO, 1, 0, 2};

	assert_int_equal(flv_span(head), 0x10002 + FLV_TAG_EXTRA);
	head[0] = MSG_COMMAND;
	assert_int_equal(flv_span(head), 0);
}

static void test_M1_timestamps_cross_every_edge(void **state)
{
	static const int64_t starts[] = {0xfffff0, 0x7fffff00, 0xffffff00};
	struct fixture *f = *state;
	struct flv_in in;
	struct msg m;

	for (unsigned i = 0; i < array_len(starts); i++) {
		flv_in_init(&in, &f->mem, MESSAGE_MAX);
		for (int k = 0; k < 20; k++) {
			buf_reset(&f->file, 1 << 16);
			if (!k)
				put_header(f);
			put_tag(f, MSG_VIDEO, starts[i] + k * 40, "x");
			assert_int_equal(read_all(f, &in, &m), REASON_NONE);
			assert_int_equal(m.ts_ms, starts[i] + k * 40);
		}
		flv_in_fini(&in);
	}
}

static void test_M1_script_tag_with_zero_time_does_not_move_the_clock(void **state)
{
	struct fixture *f = *state;
	struct flv_in in;
	struct msg m;

	flv_in_init(&in, &f->mem, MESSAGE_MAX);
	put_header(f);
	put_tag(f, MSG_DATA, 0, "meta");
	put_tag(f, MSG_VIDEO, 0x80000000, "x");
	put_tag(f, MSG_DATA, 0, "meta");
	put_tag(f, MSG_VIDEO, 0x80000028, "x");
	assert_int_equal(read_all(f, &in, &m), REASON_NONE);
	assert_int_equal(m.ts_ms, 0x80000028);
	flv_in_fini(&in);
}

static void test_byte_by_byte(void **state)
{
	make_stream(*state);
	read_in_pieces(*state, 1);
}

static void test_random_cuts(void **state)
{
	make_stream(*state);
	srand(1);
	for (int i = 0; i < 40; i++)
		read_in_pieces(*state, 1 + (unsigned)rand() % 6000);
}

static void test_whole_tag_is_not_copied(void **state)
{
	struct fixture *f = *state;
	struct flv_in in;
	struct msg m;

	flv_in_init(&in, &f->mem, MESSAGE_MAX);
	put_header(f);
	put_tag(f, MSG_AUDIO, 0, "sound");
	assert_int_equal(read_all(f, &in, &m), REASON_NONE);
	assert_ptr_equal(m.data, f->file.p + FLV_HEADER_BYTES + FLV_TAG_HEAD);
	assert_null(in.body);
	assert_true(in.has_audio && in.has_video);
	flv_in_fini(&in);
}

static void test_longer_file_header_is_skipped(void **state)
{
	static const uint8_t head[] = {'F', 'L', 'V', 1, 1, 0, 0, 0, 12, 'x', 'y', 'z', 0, 0, 0, 0};
	struct fixture *f = *state;
	struct flv_in in;
	struct msg m;

	flv_in_init(&in, &f->mem, MESSAGE_MAX);
	buf_write(&f->file, head, sizeof(head));
	put_tag(f, MSG_VIDEO, 0, "x");
	assert_int_equal(read_all(f, &in, &m), REASON_NONE);
	assert_int_equal(f->got, 1);
	assert_true(!in.has_audio && in.has_video);
	flv_in_fini(&in);
}

static void test_not_flv_is_refused(void **state)
{
	static const char *const bad[] = {"<html><head>", "FLV\x01\x05\0\0\0\x08",
					  "FLV\x01\x05\x7f\0\0\0"};
	struct fixture *f = *state;

	for (unsigned i = 0; i < array_len(bad); i++) {
		struct flv_in in;
		struct msg m;

		flv_in_init(&in, &f->mem, MESSAGE_MAX);
		assert_int_equal(flv_in_feed(&in, (const uint8_t *)bad[i], 9, &m), -REASON_BAD_FLV);
		flv_in_fini(&in);
	}
}

static void test_unknown_and_encrypted_tags_are_skipped_and_counted(void **state)
{
	struct fixture *f = *state;
	struct flv_in in;
	struct msg m;

	flv_in_init(&in, &f->mem, MESSAGE_MAX);
	put_header(f);
	put_tag(f, 11, 0, "what");
	put_tag(f, 11, 0, "");
	put_tag(f, MSG_VIDEO | 0x20, 0, "secret");
	put_tag(f, MSG_VIDEO, 40, "seen");
	assert_int_equal(read_all(f, &in, &m), REASON_NONE);
	assert_int_equal(f->got, 1);
	assert_memory_equal(m.data, "seen", 4);
	assert_int_equal(in.odd, 3);
	flv_in_fini(&in);
}

static void test_wrong_previous_tag_size_is_counted_only(void **state)
{
	struct fixture *f = *state;
	struct flv_in in;
	struct msg m;

	flv_in_init(&in, &f->mem, MESSAGE_MAX);
	put_header(f);
	put_tag(f, MSG_VIDEO, 0, "one");
	f->file.p[f->file.n - 1]++;
	put_tag(f, MSG_VIDEO, 0, "two");
	assert_int_equal(read_all(f, &in, &m), REASON_NONE);
	assert_int_equal(f->got, 2);
	assert_int_equal(in.odd, 1);
	flv_in_fini(&in);
}

static void test_T14_long_message_is_refused_before_its_bytes(void **state)
{
	struct fixture *f = *state;
	uint8_t head[FLV_TAG_HEAD] = {MSG_VIDEO};
	struct flv_in in;
	struct msg m;

	flv_in_init(&in, &f->mem, MESSAGE_MAX);
	put_header(f);
	put_be24(head + 1, MESSAGE_MAX + 1);
	buf_write(&f->file, head, sizeof(head));
	assert_int_equal(read_all(f, &in, &m), REASON_MESSAGE_TOO_BIG);
	flv_in_fini(&in);
}

static void test_T14_memory_follows_the_bytes_that_came(void **state)
{
	struct fixture *f = *state;
	uint8_t head[FLV_TAG_HEAD] = {MSG_VIDEO, 0xff, 0xff, 0xff};
	struct mem mem = {.max = 20000};
	uint8_t body[10000] = {0};
	struct flv_in in;
	struct msg m;

	flv_in_init(&in, &mem, 0xffffff);
	put_header(f);
	buf_write(&f->file, head, sizeof(head));
	assert_int_equal(read_all(f, &in, &m), REASON_NONE);
	assert_int_equal(flv_in_feed(&in, body, 1, &m), 1);
	assert_true(mem.used <= 4096);
	assert_int_equal(flv_in_feed(&in, body, sizeof(body), &m), sizeof(body));
	assert_int_equal(flv_in_feed(&in, body, sizeof(body), &m), -REASON_MEMORY_BUDGET);
	flv_in_fini(&in);
	assert_int_equal(mem.used, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_file_header_bytes),
		CASE(test_H7_tag_bytes_and_previous_tag_size),
		CASE(test_span_knows_tag_types_only),
		CASE(test_M1_timestamps_cross_every_edge),
		CASE(test_M1_script_tag_with_zero_time_does_not_move_the_clock),
		CASE(test_byte_by_byte),
		CASE(test_random_cuts),
		CASE(test_whole_tag_is_not_copied),
		CASE(test_longer_file_header_is_skipped),
		CASE(test_not_flv_is_refused),
		CASE(test_unknown_and_encrypted_tags_are_skipped_and_counted),
		CASE(test_wrong_previous_tag_size_is_counted_only),
		CASE(test_T14_long_message_is_refused_before_its_bytes),
		CASE(test_T14_memory_follows_the_bytes_that_came),
	};

	return cmocka_run_group_tests_name("media/flv", tests, NULL, NULL);
}
