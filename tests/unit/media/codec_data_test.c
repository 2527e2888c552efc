/* SPDX-License-Identifier: Apache-2.0 */
#include "media/codec.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "media/amf0.h"

struct fixture {
	uint8_t in[1024], out[1024];
	struct wr w, players;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->w = wr_of(f->in, sizeof(f->in));
	f->players = wr_of(f->out, sizeof(f->out));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static struct slice written(const struct wr *w)
{
	return (struct slice){w->start, wr_len(w)};
}

static struct msg data_message(const struct wr *w, uint8_t type)
{
	return (struct msg){.type = type, .len = (uint32_t)wr_len(w), .data = w->start};
}

/* What a typical encoder says of its stream, without the name in front. */
static void put_members(struct wr *w)
{
	amf0_key(w, "duration");
	amf0_number(w, 0);
	amf0_key(w, "width");
	amf0_number(w, 1280);
	amf0_key(w, "nested");
	amf0_object(w);
	amf0_key(w, "duration");
	amf0_number(w, 5);
	amf0_end(w);
	amf0_key(w, "filesize");
	amf0_number(w, 1e9);
	amf0_key(w, "encoder");
	amf0_cstring(w, "obs-output module");
	amf0_key(w, "server");
	amf0_cstring(w, "somebody else");
	amf0_end(w);
}

static void put_metadata(struct wr *w)
{
	amf0_cstring(w, "onMetaData");
	amf0_ecma_array(w, 99); /* a count that lies (C8) */
	put_members(w);
}

static void test_C9_set_data_frame_is_taken_off(void **state)
{
	struct fixture *f = *state;
	struct slice payload;
	struct msg m;
	size_t wrapper;

	amf0_cstring(&f->w, "@setDataFrame");
	wrapper = wr_len(&f->w);
	put_metadata(&f->w);
	m = data_message(&f->w, MSG_DATA);
	assert_int_equal(codec_data(&m, &payload), DATA_METADATA);
	assert_ptr_equal(payload.p, f->in + wrapper);
	assert_int_equal(payload.n, wr_len(&f->w) - wrapper);
}

static void test_bare_metadata(void **state)
{
	struct fixture *f = *state;
	struct slice payload;
	struct msg m;

	put_metadata(&f->w);
	m = data_message(&f->w, MSG_DATA);
	assert_int_equal(codec_data(&m, &payload), DATA_METADATA);
	assert_ptr_equal(payload.p, f->in);
}

static void test_C7_type_15_begins_with_a_zero_byte(void **state)
{
	struct fixture *f = *state;
	struct slice payload;
	struct msg m;

	wr_u8(&f->w, 0);
	put_metadata(&f->w);
	m = data_message(&f->w, MSG_DATA_AMF3);
	assert_int_equal(codec_data(&m, &payload), DATA_METADATA);
	assert_ptr_equal(payload.p, f->in + 1);
	f->in[0] = 0x11;
	assert_int_equal(codec_data(&m, &payload), DATA_OTHER);
	assert_ptr_equal(payload.p, f->in);
}

static void test_C12_other_data_passes(void **state)
{
	struct fixture *f = *state;
	struct slice payload;
	struct msg m;

	amf0_cstring(&f->w, "onTextData");
	amf0_null(&f->w);
	m = data_message(&f->w, MSG_DATA);
	assert_int_equal(codec_data(&m, &payload), DATA_OTHER);
	assert_int_equal(payload.n, m.len);
}

static void test_C8_malformed_data_is_other_data(void **state)
{
	struct fixture *f = *state;
	struct slice payload;
	struct msg m;

	amf0_cstring(&f->w, "@setDataFrame");
	m = data_message(&f->w, MSG_DATA);
	for (uint32_t n = 0; n <= wr_len(&f->w); n++) {
		m.len = n;
		assert_int_equal(codec_data(&m, &payload), DATA_OTHER);
	}
	m = (struct msg){.type = MSG_DATA};
	assert_int_equal(codec_data(&m, &payload), DATA_OTHER);
}

static void test_C10_players_get_no_duration_and_no_filesize(void **state)
{
	struct fixture *f = *state;
	struct wr want = wr_of((uint8_t[1024]){0}, 1024);

	put_metadata(&f->w);
	assert_true(codec_metadata_for_players(written(&f->w), "Millrace", &f->players));

	amf0_cstring(&want, "onMetaData");
	amf0_ecma_array(&want, 4);
	amf0_key(&want, "server");
	amf0_cstring(&want, "Millrace");
	amf0_key(&want, "width");
	amf0_number(&want, 1280);
	amf0_key(&want, "nested");
	amf0_object(&want);
	amf0_key(&want, "duration"); /* not the stream's own */
	amf0_number(&want, 5);
	amf0_end(&want);
	amf0_key(&want, "encoder");
	amf0_cstring(&want, "obs-output module");
	amf0_end(&want);
	assert_int_equal(wr_len(&f->players), wr_len(&want));
	assert_memory_equal(f->out, want.start, wr_len(&want));
}

static void test_C10_object_instead_of_array(void **state)
{
	struct fixture *f = *state;
	struct slice payload;
	struct msg m;

	amf0_cstring(&f->w, "onMetaData");
	amf0_object(&f->w);
	put_members(&f->w);
	assert_true(codec_metadata_for_players(written(&f->w), "Millrace", &f->players));
	m = data_message(&f->players, MSG_DATA);
	assert_int_equal(codec_data(&m, &payload), DATA_METADATA);
}

static void test_C8_malformed_metadata_is_not_rewritten(void **state)
{
	struct fixture *f = *state;
	struct slice payload;

	amf0_cstring(&f->w, "onMetaData");
	amf0_object(&f->w);
	put_members(&f->w);
	payload = written(&f->w);
	for (size_t n = 0; n < payload.n - 3; n++) {
		f->players = wr_of(f->out, sizeof(f->out));
		assert_false(
			codec_metadata_for_players((struct slice){payload.p, n}, "x", &f->players));
	}
}

static void test_metadata_that_does_not_fit_is_refused(void **state)
{
	struct fixture *f = *state;
	size_t needed;

	put_metadata(&f->w);
	assert_true(codec_metadata_for_players(written(&f->w), "Millrace", &f->players));
	needed = wr_len(&f->players);
	for (size_t room = 0; room < needed; room++) {
		f->players = wr_of(f->out, room);
		assert_false(codec_metadata_for_players(written(&f->w), "Millrace", &f->players));
	}
}

static void test_C9_servers_get_set_data_frame(void **state)
{
	struct fixture *f = *state;
	struct slice payload;
	struct msg m;

	put_metadata(&f->w);
	codec_metadata_for_servers(written(&f->w), &f->players);
	m = data_message(&f->players, MSG_DATA);
	assert_int_equal(f->out[2], strlen("@setDataFrame"));
	assert_int_equal(codec_data(&m, &payload), DATA_METADATA);
	assert_int_equal(payload.n, wr_len(&f->w));
	assert_memory_equal(payload.p, f->in, payload.n);
}

static void test_encoder_name(void **state)
{
	struct fixture *f = *state;
	struct slice encoder;

	put_metadata(&f->w);
	encoder = codec_metadata_encoder(written(&f->w));
	assert_int_equal(encoder.n, strlen("obs-output module"));
	assert_memory_equal(encoder.p, "obs-output module", encoder.n);
	assert_int_equal(codec_metadata_encoder((struct slice){f->in, 20}).n, 0);
	assert_int_equal(codec_metadata_encoder((struct slice){f->in, 0}).n, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_C9_set_data_frame_is_taken_off),
		CASE(test_bare_metadata),
		CASE(test_C7_type_15_begins_with_a_zero_byte),
		CASE(test_C12_other_data_passes),
		CASE(test_C8_malformed_data_is_other_data),
		CASE(test_C10_players_get_no_duration_and_no_filesize),
		CASE(test_C10_object_instead_of_array),
		CASE(test_C8_malformed_metadata_is_not_rewritten),
		CASE(test_metadata_that_does_not_fit_is_refused),
		CASE(test_C9_servers_get_set_data_frame),
		CASE(test_encoder_name),
	};

	return cmocka_run_group_tests_name("media/codec_data", tests, NULL, NULL);
}
