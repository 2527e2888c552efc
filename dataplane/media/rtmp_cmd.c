/* SPDX-License-Identifier: Apache-2.0 */
#include "media/rtmp_cmd.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "media/amf0.h"

#define PLAY_START_ANY (-2) /* play without a start argument: live, else recorded */

/* Enhanced RTMP: what we say about codecs and extensions. */
#define FOURCC_CAN_FORWARD 4
#define CAPS_EX_MULTITRACK 2
#define CAPS_EX_MOD_EX	   4

static bool is(struct slice s, const char *text)
{
	return s.n == strlen(text) && !memcmp(s.p, text, s.n);
}

static enum rtmp_cmd_kind kind_of(struct slice name)
{
	static const struct {
		const char *name;
		enum rtmp_cmd_kind kind;
	} table[] = {
		{"connect", RTMP_CMD_CONNECT},
		{"createStream", RTMP_CMD_CREATE_STREAM},
		{"deleteStream", RTMP_CMD_DELETE_STREAM},
		{"closeStream", RTMP_CMD_CLOSE_STREAM},
		{"releaseStream", RTMP_CMD_RELEASE_STREAM},
		{"FCPublish", RTMP_CMD_FC_PUBLISH},
		{"FCUnpublish", RTMP_CMD_FC_UNPUBLISH},
		{"publish", RTMP_CMD_PUBLISH},
		{"play", RTMP_CMD_PLAY},
		{"pause", RTMP_CMD_PAUSE},
		{"seek", RTMP_CMD_SEEK},
		{"receiveAudio", RTMP_CMD_RECEIVE_AUDIO},
		{"receiveVideo", RTMP_CMD_RECEIVE_VIDEO},
		{"getStreamLength", RTMP_CMD_GET_STREAM_LENGTH},
		{"_result", RTMP_CMD_RESULT},
		{"_error", RTMP_CMD_ERROR},
		{"onStatus", RTMP_CMD_ON_STATUS},
		{"onFCPublish", RTMP_CMD_ON_FC_PUBLISH},
	};

	for (size_t i = 0; i < array_len(table); i++) {
		if (is(name, table[i].name))
			return table[i].kind;
	}
	return RTMP_CMD_OTHER;
}

/* ---- parsing ---- */

/* What has been seen of the arguments behind the transaction id. */
struct args {
	unsigned strings, numbers, flags;
};

static uint32_t to_u32(double v)
{
	return v >= 0 && v <= UINT32_MAX ? (uint32_t)v : 0;
}

/* A member of connect's command object. */
static void connect_member(struct rtmp_cmd *c, const struct amf0_token *t)
{
	if (t->kind == AMF0_STRING) {
		if (is(t->key, "app"))
			c->app = t->str;
		else if (is(t->key, "tcUrl"))
			c->tc_url = t->str;
		else if (is(t->key, "flashVer"))
			c->flash_ver = t->str;
		else if (is(t->key, "pageUrl"))
			c->page_url = t->str;
	} else if (t->kind == AMF0_NUMBER) {
		if (is(t->key, "objectEncoding"))
			c->object_encoding = t->number;
		else if (is(t->key, "capsEx"))
			c->caps_ex = to_u32(t->number);
	}
	if (is(t->key, "capsEx") || is(t->key, "fourCcList") || is(t->key, "videoFourCcInfoMap") ||
	    is(t->key, "audioFourCcInfoMap"))
		c->enhanced = true;
}

/* A member of an information object. */
static void info_member(struct rtmp_cmd *c, const struct amf0_token *t)
{
	if (t->kind != AMF0_STRING)
		return;
	if (is(t->key, "level"))
		c->level = t->str;
	else if (is(t->key, "code"))
		c->code = t->str;
	else if (is(t->key, "description"))
		c->description = t->str;
}

/* A member of an information object's ex. */
static void ex_member(struct rtmp_cmd *c, const struct amf0_token *t)
{
	if (t->kind != AMF0_STRING)
		return;
	if (is(t->key, "redirect"))
		c->redirect = t->str;
	else if (is(t->key, "redirect2"))
		c->redirect_url = t->str;
}

static void argument(struct rtmp_cmd *c, const struct amf0_token *t, struct args *seen)
{
	if (t->kind == AMF0_STRING) {
		if (seen->strings == 0)
			c->stream = t->str;
		else if (seen->strings == 1)
			c->type = t->str;
		seen->strings++;
	} else if (t->kind == AMF0_NUMBER && !seen->numbers++) {
		c->number = t->number;
	} else if (t->kind == AMF0_BOOL && !seen->flags++) {
		c->flag = t->number != 0;
	}
}

/* Members of an object or array; structures inside it are skipped. */
static int parse_members(struct rtmp_cmd *c, struct amf0_rd *a,
			 void (*member)(struct rtmp_cmd *c, const struct amf0_token *t))
{
	struct amf0_token t;
	int r;

	/* The input ends inside an object only behind an AMF3 value. */
	while ((r = amf0_next(a, &t)) > 0 && t.kind != AMF0_END) {
		member(c, &t);
		if (member == info_member && t.kind == AMF0_OBJECT && is(t.key, "ex"))
			r = parse_members(c, a, ex_member);
		else
			r = amf0_skip(a, &t);
		if (r < 0)
			return -EINVAL;
	}
	return min_of(r, 0);
}

static int parse_arguments(struct rtmp_cmd *c, struct amf0_rd *a)
{
	struct args seen = {0};
	struct amf0_token t;
	int r;

	while ((r = amf0_next(a, &t)) > 0) {
		if (t.kind == AMF0_OBJECT || t.kind == AMF0_ARRAY)
			r = parse_members(
				c, a, c->kind == RTMP_CMD_CONNECT ? connect_member : info_member);
		else
			argument(c, &t, &seen);
		if (r < 0)
			break;
	}
	return r;
}

int rtmp_cmd_parse(const struct msg *m, struct rtmp_cmd *out)
{
	uint32_t skip = m->type == MSG_COMMAND_AMF3;
	struct amf0_token txn;
	struct amf0_rd a;
	int r;

	*out = (struct rtmp_cmd){0};
	if (m->len <= skip || (skip && m->data[0] != 0))
		return -EINVAL;
	amf0_rd_init(&a, m->data + skip, m->len - skip);
	if (!amf0_read_string(&a, &out->name))
		return -EINVAL;
	out->kind = kind_of(out->name);
	if (out->kind == RTMP_CMD_PLAY)
		out->number = PLAY_START_ANY;
	r = amf0_next(&a, &txn);
	if (r <= 0)
		return r;
	if (txn.kind != AMF0_NUMBER)
		return -EINVAL;
	out->txn = txn.number;
	return parse_arguments(out, &a);
}

/* ---- writing ---- */

static void begin(struct wr *w, const char *name, double txn)
{
	amf0_cstring(w, name);
	amf0_number(w, txn);
}

static void string_member(struct wr *w, const char *key, const char *value)
{
	amf0_key(w, key);
	amf0_cstring(w, value);
}

static void number_member(struct wr *w, const char *key, double value)
{
	amf0_key(w, key);
	amf0_number(w, value);
}

/* The members of an information object, which stays open. */
static void begin_info(struct wr *w, const char *level, const char *code, const char *description)
{
	amf0_object(w);
	string_member(w, "level", level);
	string_member(w, "code", code);
	string_member(w, "description", description);
}

/* fourCcList ["*"]: every codec. */
static void every_codec(struct wr *w)
{
	amf0_key(w, "fourCcList");
	amf0_strict_array(w, 1);
	amf0_cstring(w, "*");
}

static void forward_every(struct wr *w, const char *key)
{
	amf0_key(w, key);
	amf0_object(w);
	number_member(w, "*", FOURCC_CAN_FORWARD);
	amf0_end(w);
}

void rtmp_cmd_connect_result(struct wr *w, const struct rtmp_cmd *connect)
{
	begin(w, "_result", connect->txn);
	amf0_object(w);
	string_member(w, "fmsVer", "FMS/3,5,3,824");
	number_member(w, "capabilities", 127);
	number_member(w, "mode", 1);
	if (connect->enhanced) {
		every_codec(w);
		forward_every(w, "videoFourCcInfoMap");
		forward_every(w, "audioFourCcInfoMap");
		/* ModEx passes through, and late joiners get each track's sequence header. */
		number_member(w, "capsEx",
			      RTMP_CAPS_EX_RECONNECT | CAPS_EX_MULTITRACK | CAPS_EX_MOD_EX);
	}
	amf0_end(w);
	begin_info(w, "status", "NetConnection.Connect.Success", "Connection succeeded.");
	number_member(w, "objectEncoding", connect->object_encoding);
	amf0_end(w);
}

void rtmp_cmd_result_number(struct wr *w, double txn, double value)
{
	begin(w, "_result", txn);
	amf0_null(w);
	amf0_number(w, value);
}

void rtmp_cmd_result_null(struct wr *w, double txn)
{
	begin(w, "_result", txn);
	amf0_null(w);
	amf0_null(w);
}

void rtmp_cmd_error(struct wr *w, double txn, const char *code, const char *description)
{
	begin(w, "_error", txn);
	amf0_null(w);
	begin_info(w, "error", code, description);
	amf0_end(w);
}

void rtmp_cmd_redirect(struct wr *w, double txn, const char *tc_url, const char *description)
{
	begin(w, "_error", txn);
	amf0_null(w);
	begin_info(w, "error", "NetConnection.Connect.Rejected", description);
	amf0_key(w, "ex");
	amf0_object(w);
	number_member(w, "code", 302);
	string_member(w, "redirect", tc_url);
	amf0_end(w);
	amf0_end(w);
}

void rtmp_cmd_on_status(struct wr *w, const char *level, const char *code, const char *description)
{
	begin(w, "onStatus", 0);
	amf0_null(w);
	begin_info(w, level, code, description);
	amf0_end(w);
}

void rtmp_cmd_reconnect(struct wr *w, const char *tc_url, const char *description)
{
	begin(w, "onStatus", 0);
	amf0_null(w);
	begin_info(w, "status", "NetConnection.Connect.ReconnectRequest", description);
	if (*tc_url)
		string_member(w, "tcUrl", tc_url);
	amf0_end(w);
}

void rtmp_cmd_on_fc(struct wr *w, const char *name, const char *code, const char *description)
{
	begin(w, name, 0);
	amf0_null(w);
	amf0_object(w);
	string_member(w, "code", code);
	string_member(w, "description", description);
	amf0_end(w);
}

void rtmp_cmd_connect(struct wr *w, double txn, const char *app, const char *tc_url, bool publish)
{
	begin(w, "connect", txn);
	amf0_object(w);
	string_member(w, "app", app);
	if (publish)
		string_member(w, "type", "nonprivate");
	string_member(w, "flashVer",
		      publish ? "FMLE/3.0 (compatible; Millrace/" MILLRACE_VERSION ")"
			      : "LNX 9,0,124,2");
	string_member(w, "tcUrl", tc_url);
	if (!publish) {
		amf0_key(w, "fpad");
		amf0_bool(w, false);
		number_member(w, "capabilities", 15);
		number_member(w, "audioCodecs", 4071);
		number_member(w, "videoCodecs", 252);
		number_member(w, "videoFunction", 1);
		/* Only as a player: some ingest servers refuse these members. */
		every_codec(w);
		forward_every(w, "videoFourCcInfoMap");
		forward_every(w, "audioFourCcInfoMap");
	}
	amf0_end(w);
}

void rtmp_cmd_call(struct wr *w, const char *name, double txn, const char *arg)
{
	begin(w, name, txn);
	amf0_null(w);
	if (arg)
		amf0_cstring(w, arg);
}

void rtmp_cmd_create_stream(struct wr *w, double txn)
{
	rtmp_cmd_call(w, "createStream", txn, NULL);
}

void rtmp_cmd_publish(struct wr *w, double txn, const char *stream)
{
	rtmp_cmd_call(w, "publish", txn, stream);
	amf0_cstring(w, "live");
}

void rtmp_cmd_play(struct wr *w, double txn, const char *stream)
{
	rtmp_cmd_call(w, "play", txn, stream);
}

void rtmp_cmd_delete_stream(struct wr *w, double txn, double stream_id)
{
	rtmp_cmd_call(w, "deleteStream", txn, NULL);
	amf0_number(w, stream_id);
}
