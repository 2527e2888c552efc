/* SPDX-License-Identifier: Apache-2.0 */
#include "media/rtmp_cmd.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "media/amf0.h"

/* A command message under construction. */
struct made {
	uint8_t bytes[2048];
	struct wr w;
};

static void make(struct made *c)
{
	c->w = wr_of(c->bytes, sizeof(c->bytes));
}

static int parse_as(struct made *c, enum msg_type type, struct rtmp_cmd *out)
{
	struct msg m = {.type = (uint8_t)type, .len = (uint32_t)wr_len(&c->w), .data = c->bytes};

	assert_false(c->w.bad);
	return rtmp_cmd_parse(&m, out);
}

static struct rtmp_cmd parse(struct made *c)
{
	struct rtmp_cmd out;

	assert_int_equal(parse_as(c, MSG_COMMAND, &out), 0);
	return out;
}

static void assert_text(struct slice s, const char *text)
{
	assert_int_equal(s.n, strlen(text));
	assert_memory_equal(s.p, text, s.n);
}

static void test_connect_as_a_client_sends_it(void **state)
{
	struct rtmp_cmd p;
	struct made c;

	for (int publish = 0; publish <= 1; publish++) {
		make(&c);
		rtmp_cmd_connect(&c.w, 1, "live", "rtmp://h/live", publish);
		p = parse(&c);
		assert_int_equal(p.kind, RTMP_CMD_CONNECT);
		assert_true(p.txn == 1);
		assert_text(p.app, "live");
		assert_text(p.tc_url, "rtmp://h/live");
		assert_true(p.flash_ver.n > 0);
		assert_int_equal(p.enhanced, !publish);
	}
}

static void test_connect_members_of_every_kind(void **state)
{
	struct rtmp_cmd p;
	struct made c;

	make(&c);
	amf0_cstring(&c.w, "connect");
	amf0_number(&c.w, 1);
	amf0_object(&c.w);
	amf0_key(&c.w, "nested");
	amf0_object(&c.w);
	amf0_key(&c.w, "app");
	amf0_cstring(&c.w, "not this one");
	amf0_end(&c.w);
	amf0_key(&c.w, "app");
	amf0_cstring(&c.w, "live");
	amf0_key(&c.w, "tcUrl");
	amf0_null(&c.w);
	amf0_key(&c.w, "pageUrl");
	amf0_cstring(&c.w, "http://p/");
	amf0_key(&c.w, "objectEncoding");
	amf0_number(&c.w, 3);
	amf0_end(&c.w);
	p = parse(&c);
	assert_text(p.app, "live");
	assert_int_equal(p.tc_url.n, 0);
	assert_text(p.page_url, "http://p/");
	assert_true(p.object_encoding == 3);
	assert_false(p.enhanced);
	assert_int_equal(p.caps_ex, 0);
}

static void connect_with(struct made *c, const char *key, double value)
{
	make(c);
	amf0_cstring(&c->w, "connect");
	amf0_number(&c->w, 1);
	amf0_object(&c->w);
	amf0_key(&c->w, key);
	amf0_number(&c->w, value);
	amf0_end(&c->w);
}

static void test_C16_caps_ex_out_of_range_is_none(void **state)
{
	static const double wrong[] = {-1, 4294967296.0, NAN, INFINITY};
	struct rtmp_cmd p;
	struct made c;

	connect_with(&c, "capsEx", 7);
	p = parse(&c);
	assert_true(p.enhanced);
	assert_int_equal(p.caps_ex, 7);
	for (size_t i = 0; i < 4; i++) {
		connect_with(&c, "capsEx", wrong[i]);
		assert_int_equal(parse(&c).caps_ex, 0);
	}
}

static bool contains(const struct made *c, const char *text)
{
	return memmem(c->bytes, wr_len(&c->w), text, strlen(text)) != NULL;
}

static void test_C17_a_reconnect_request_names_where_to_only_when_told(void **state)
{
	static const char code[] = "NetConnection.Connect.ReconnectRequest";
	struct rtmp_cmd p;
	struct made c;

	make(&c);
	rtmp_cmd_reconnect(&c.w, "rtmp://elsewhere/live", "bye");
	p = parse(&c);
	assert_int_equal(p.kind, RTMP_CMD_ON_STATUS);
	assert_text(p.code, code);
	assert_text(p.level, "status");
	assert_true(contains(&c, "tcUrl") && contains(&c, "rtmp://elsewhere/live"));
	make(&c);
	rtmp_cmd_reconnect(&c.w, "", "bye");
	assert_text(parse(&c).code, code);
	assert_false(contains(&c, "tcUrl"));
}

static void test_C15_a_redirect_names_the_other_server(void **state)
{
	struct rtmp_cmd p;
	struct made c;

	make(&c);
	rtmp_cmd_redirect(&c.w, 1, "rtmp://elsewhere:1936/live?k=v", "gone");
	p = parse(&c);
	assert_int_equal(p.kind, RTMP_CMD_ERROR);
	assert_true(p.txn == 1);
	assert_text(p.level, "error");
	assert_text(p.code, "NetConnection.Connect.Rejected");
	assert_text(p.description, "gone");
	assert_text(p.redirect, "rtmp://elsewhere:1936/live?k=v");
	assert_int_equal(p.redirect_url.n, 0);
}

/* An onStatus with members before, in and after ex, which is the value of that key. */
static struct rtmp_cmd status_with(struct made *c, const char *key, bool ecma)
{
	make(c);
	amf0_cstring(&c->w, "onStatus");
	amf0_number(&c->w, 0);
	amf0_null(&c->w);
	amf0_object(&c->w);
	amf0_key(&c->w, key);
	if (ecma)
		amf0_ecma_array(&c->w, 3);
	else
		amf0_object(&c->w);
	amf0_key(&c->w, "redirect2");
	amf0_cstring(&c->w, "rtmp://h/a/s");
	amf0_key(&c->w, "ex");
	amf0_object(&c->w);
	amf0_key(&c->w, "redirect");
	amf0_cstring(&c->w, "rtmp://inner/a");
	amf0_end(&c->w);
	amf0_key(&c->w, "redirect");
	amf0_cstring(&c->w, "rtmp://h/a");
	amf0_end(&c->w);
	amf0_key(&c->w, "code");
	amf0_cstring(&c->w, "Rejected");
	amf0_end(&c->w);
	return parse(c);
}

static void test_C15_a_redirect_is_read_where_servers_put_it(void **state)
{
	struct rtmp_cmd p;
	struct made c;

	for (int ecma = 0; ecma < 2; ecma++) {
		p = status_with(&c, "ex", ecma);
		assert_text(p.redirect, "rtmp://h/a");
		assert_text(p.redirect_url, "rtmp://h/a/s");
		assert_text(p.code, "Rejected");
	}
	p = status_with(&c, "details", false);
	assert_int_equal(p.redirect.n + p.redirect_url.n, 0);
	assert_text(p.code, "Rejected");
}

static void test_C16_connect_result_speaks_enhanced_rtmp_only_when_asked(void **state)
{
	static const char *const keys[] = {"fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap",
					   "capsEx"};
	struct rtmp_cmd plain = {.kind = RTMP_CMD_CONNECT, .txn = 1}, enhanced = plain, p;
	struct made c;

	make(&c);
	rtmp_cmd_connect_result(&c.w, &plain);
	p = parse(&c);
	assert_int_equal(p.kind, RTMP_CMD_RESULT);
	assert_text(p.level, "status");
	assert_text(p.code, "NetConnection.Connect.Success");
	for (size_t i = 0; i < 4; i++)
		assert_false(contains(&c, keys[i]));

	enhanced.enhanced = true;
	make(&c);
	rtmp_cmd_connect_result(&c.w, &enhanced);
	p = parse(&c);
	assert_text(p.code, "NetConnection.Connect.Success");
	for (size_t i = 0; i < 4; i++)
		assert_true(contains(&c, keys[i]));
}

static void test_C7_connect_result_echoes_object_encoding(void **state)
{
	static const uint8_t three[] = {0x00, 0x40, 0x08, 0, 0, 0, 0, 0, 0};
	struct rtmp_cmd connect = {.kind = RTMP_CMD_CONNECT, .txn = 1, .object_encoding = 3};
	const uint8_t *at;
	struct made c;

	make(&c);
	rtmp_cmd_connect_result(&c.w, &connect);
	at = memmem(c.bytes, wr_len(&c.w), "objectEncoding", 14);
	assert_non_null(at);
	assert_memory_equal(at + 14, three, sizeof(three));
}

static void test_C1_every_command_of_a_publisher(void **state)
{
	static const struct {
		const char *name;
		enum rtmp_cmd_kind kind;
	} calls[] = {
		{"releaseStream", RTMP_CMD_RELEASE_STREAM},	 {"FCPublish", RTMP_CMD_FC_PUBLISH},
		{"FCUnpublish", RTMP_CMD_FC_UNPUBLISH},		 {"_checkbw", RTMP_CMD_OTHER},
		{"getStreamLength", RTMP_CMD_GET_STREAM_LENGTH},
	};
	struct rtmp_cmd p;
	struct made c;

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		make(&c);
		rtmp_cmd_call(&c.w, calls[i].name, 3, "cam?key=1");
		p = parse(&c);
		assert_int_equal(p.kind, calls[i].kind);
		assert_text(p.name, calls[i].name);
		assert_text(p.stream, "cam?key=1");
		assert_true(p.txn == 3);
	}
	make(&c);
	rtmp_cmd_create_stream(&c.w, 4);
	assert_int_equal(parse(&c).kind, RTMP_CMD_CREATE_STREAM);
	make(&c);
	rtmp_cmd_publish(&c.w, 5, "cam");
	p = parse(&c);
	assert_int_equal(p.kind, RTMP_CMD_PUBLISH);
	assert_text(p.stream, "cam");
	assert_text(p.type, "live");
	make(&c);
	rtmp_cmd_delete_stream(&c.w, 6, 1);
	p = parse(&c);
	assert_int_equal(p.kind, RTMP_CMD_DELETE_STREAM);
	assert_true(p.number == 1);
}

static void test_C1_transaction_id_may_be_missing_but_not_of_another_kind(void **state)
{
	struct rtmp_cmd p;
	struct made c;

	make(&c);
	amf0_cstring(&c.w, "closeStream");
	p = parse(&c);
	assert_int_equal(p.kind, RTMP_CMD_CLOSE_STREAM);
	assert_true(p.txn == 0);
	amf0_cstring(&c.w, "x");
	assert_int_equal(parse_as(&c, MSG_COMMAND, &p), -EINVAL);
}

static void test_C1_command_object_may_be_left_out(void **state)
{
	struct rtmp_cmd p;
	struct made c;

	make(&c);
	amf0_cstring(&c.w, "publish");
	amf0_number(&c.w, 5);
	amf0_cstring(&c.w, "cam");
	amf0_cstring(&c.w, "live");
	p = parse(&c);
	assert_text(p.stream, "cam");
	assert_text(p.type, "live");
}

static void test_C14_play_and_its_start(void **state)
{
	struct rtmp_cmd p;
	struct made c;

	make(&c);
	rtmp_cmd_play(&c.w, 5, "cam");
	p = parse(&c);
	assert_int_equal(p.kind, RTMP_CMD_PLAY);
	assert_text(p.stream, "cam");
	assert_true(p.number == -2);
	amf0_number(&c.w, -1);
	amf0_number(&c.w, 10);
	assert_true(parse(&c).number == -1);
}

static void test_C14_pause_and_switches(void **state)
{
	struct rtmp_cmd p;
	struct made c;

	make(&c);
	rtmp_cmd_call(&c.w, "pause", 0, NULL);
	amf0_bool(&c.w, true);
	amf0_number(&c.w, 1500);
	p = parse(&c);
	assert_int_equal(p.kind, RTMP_CMD_PAUSE);
	assert_true(p.flag);
	assert_true(p.number == 1500);
	make(&c);
	rtmp_cmd_call(&c.w, "receiveVideo", 0, NULL);
	amf0_bool(&c.w, false);
	p = parse(&c);
	assert_int_equal(p.kind, RTMP_CMD_RECEIVE_VIDEO);
	assert_false(p.flag);
}

static void test_answers_say_what_they_were_given(void **state)
{
	struct rtmp_cmd p;
	struct made c;

	make(&c);
	rtmp_cmd_result_number(&c.w, 4, 1);
	p = parse(&c);
	assert_int_equal(p.kind, RTMP_CMD_RESULT);
	assert_true(p.txn == 4 && p.number == 1);

	make(&c);
	rtmp_cmd_result_null(&c.w, 7);
	p = parse(&c);
	assert_int_equal(p.kind, RTMP_CMD_RESULT);
	assert_true(p.txn == 7);

	make(&c);
	rtmp_cmd_error(&c.w, 1, "NetConnection.Connect.Rejected", "no such application");
	p = parse(&c);
	assert_int_equal(p.kind, RTMP_CMD_ERROR);
	assert_text(p.level, "error");
	assert_text(p.code, "NetConnection.Connect.Rejected");
	assert_text(p.description, "no such application");

	make(&c);
	rtmp_cmd_on_status(&c.w, "status", "NetStream.Play.Start", "started");
	p = parse(&c);
	assert_int_equal(p.kind, RTMP_CMD_ON_STATUS);
	assert_text(p.level, "status");
	assert_text(p.code, "NetStream.Play.Start");

	make(&c);
	rtmp_cmd_on_fc(&c.w, "onFCPublish", "NetStream.Publish.Start", "cam");
	p = parse(&c);
	assert_int_equal(p.kind, RTMP_CMD_ON_FC_PUBLISH);
	assert_text(p.code, "NetStream.Publish.Start");
	assert_text(p.description, "cam");
}

static void test_C7_amf3_command_starts_with_zero(void **state)
{
	struct rtmp_cmd p;
	struct made c;

	make(&c);
	wr_u8(&c.w, 0);
	rtmp_cmd_call(&c.w, "FCPublish", 3, "cam");
	assert_int_equal(parse_as(&c, MSG_COMMAND_AMF3, &p), 0);
	assert_int_equal(p.kind, RTMP_CMD_FC_PUBLISH);
	assert_text(p.stream, "cam");
	c.bytes[0] = 1;
	assert_int_equal(parse_as(&c, MSG_COMMAND_AMF3, &p), -EINVAL);
	c.w.p = c.w.start;
	assert_int_equal(parse_as(&c, MSG_COMMAND_AMF3, &p), -EINVAL);
	assert_int_equal(parse_as(&c, MSG_COMMAND, &p), -EINVAL);
}

static void test_C7_amf3_value_ends_the_arguments(void **state)
{
	struct rtmp_cmd p;
	struct made c;

	make(&c);
	rtmp_cmd_call(&c.w, "publish", 3, "cam");
	wr_u8(&c.w, 0x11);
	wr_u8(&c.w, 0xff);
	p = parse(&c);
	assert_text(p.stream, "cam");
	/* deep inside the command object too */
	make(&c);
	amf0_cstring(&c.w, "connect");
	amf0_number(&c.w, 1);
	amf0_object(&c.w);
	amf0_key(&c.w, "app");
	amf0_cstring(&c.w, "live");
	amf0_key(&c.w, "inner");
	amf0_object(&c.w);
	amf0_key(&c.w, "x");
	wr_u8(&c.w, 0x11);
	wr_u8(&c.w, 0x01);
	p = parse(&c);
	assert_text(p.app, "live");
}

static void test_C8_a_bad_command_is_an_error_at_every_cut(void **state)
{
	struct made c;

	make(&c);
	rtmp_cmd_on_status(&c.w, "status", "NetStream.Play.Start", "started");
	for (size_t n = 0; n < wr_len(&c.w); n++) {
		/* exactly this size: sanitizers see a read beyond it */
		uint8_t *cut = malloc(n ? n : 1);
		struct msg m = {.type = MSG_COMMAND, .len = (uint32_t)n, .data = cut};
		struct rtmp_cmd p;
		/* whole values have come up to the name, the transaction id and the null */
		bool whole = n == 11 || n == 20 || n == 21;

		memcpy(cut, c.bytes, n);
		assert_int_equal(rtmp_cmd_parse(&m, &p), whole ? 0 : -EINVAL);
		free(cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connect_as_a_client_sends_it),
		cmocka_unit_test(test_connect_members_of_every_kind),
		cmocka_unit_test(test_C16_caps_ex_out_of_range_is_none),
		cmocka_unit_test(test_C15_a_redirect_names_the_other_server),
		cmocka_unit_test(test_C15_a_redirect_is_read_where_servers_put_it),
		cmocka_unit_test(test_C17_a_reconnect_request_names_where_to_only_when_told),
		cmocka_unit_test(test_C16_connect_result_speaks_enhanced_rtmp_only_when_asked),
		cmocka_unit_test(test_C7_connect_result_echoes_object_encoding),
		cmocka_unit_test(test_C1_every_command_of_a_publisher),
		cmocka_unit_test(test_C1_transaction_id_may_be_missing_but_not_of_another_kind),
		cmocka_unit_test(test_C1_command_object_may_be_left_out),
		cmocka_unit_test(test_C14_play_and_its_start),
		cmocka_unit_test(test_C14_pause_and_switches),
		cmocka_unit_test(test_answers_say_what_they_were_given),
		cmocka_unit_test(test_C7_amf3_command_starts_with_zero),
		cmocka_unit_test(test_C7_amf3_value_ends_the_arguments),
		cmocka_unit_test(test_C8_a_bad_command_is_an_error_at_every_cut),
	};

	return cmocka_run_group_tests_name("rtmp_cmd", tests, NULL, NULL);
}
