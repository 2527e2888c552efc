/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTMP commands: any payload is parsed or refused, and what was understood lies in the payload;
 * answers to it and requests made of it are commands again.
 */
#include "media/rtmp_cmd.h"

#include <stdlib.h>

#include "base/check.h"
#include "fuzz/fuzz.h"

static void check_slice(struct slice s, const uint8_t *data, size_t size)
{
	must(!s.n || (s.p >= data && s.n <= size && s.p - data <= (ptrdiff_t)(size - s.n)));
}

static struct rtmp_cmd parse_own(const struct wr *w)
{
	struct msg m = {.type = MSG_COMMAND, .len = (uint32_t)wr_len(w), .data = w->start};
	struct rtmp_cmd c;

	must(!w->bad && !rtmp_cmd_parse(&m, &c));
	return c;
}

static void check_answers(const struct rtmp_cmd *c, struct wr *w)
{
	struct rtmp_cmd again;

	rtmp_cmd_connect_result(w, c);
	again = parse_own(w);
	must(again.kind == RTMP_CMD_RESULT);
	must(!memcmp(&again.txn, &c->txn, sizeof(c->txn)));
	w->p = w->start;
	rtmp_cmd_result_number(w, c->txn, c->number);
	again = parse_own(w);
	must(!memcmp(&again.number, &c->number, sizeof(c->number)));
	w->p = w->start;
}

static void check_requests(const struct rtmp_cmd *c, struct wr *w)
{
	char *name = strndup(c->stream.n ? (const char *)c->stream.p : "", c->stream.n);
	struct rtmp_cmd again;

	must(name);
	if (strlen(name) <= UINT16_MAX) {
		rtmp_cmd_publish(w, c->txn, name);
		again = parse_own(w);
		must(again.kind == RTMP_CMD_PUBLISH && again.stream.n == strlen(name));
		must(!memcmp(again.stream.p, name, again.stream.n));
		w->p = w->start;
		rtmp_cmd_connect(w, 1, name, name, c->flag);
		again = parse_own(w);
		must(again.kind == RTMP_CMD_CONNECT && again.app.n == strlen(name));
		must(again.tc_url.n == again.app.n);
	}
	free(name);
}

static void run(uint8_t type, const uint8_t *data, size_t size)
{
	struct msg m = {.type = type, .len = (uint32_t)size, .data = data};
	size_t room = 2 * size + 4096;
	struct rtmp_cmd c;
	uint8_t *bytes;
	struct wr w;

	if (rtmp_cmd_parse(&m, &c))
		return;
	check_slice(c.name, data, size);
	check_slice(c.app, data, size);
	check_slice(c.tc_url, data, size);
	check_slice(c.flash_ver, data, size);
	check_slice(c.page_url, data, size);
	check_slice(c.stream, data, size);
	check_slice(c.type, data, size);
	check_slice(c.level, data, size);
	check_slice(c.code, data, size);
	check_slice(c.description, data, size);
	bytes = malloc(room);
	must(bytes);
	w = wr_of(bytes, room);
	check_answers(&c, &w);
	check_requests(&c, &w);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	run(MSG_COMMAND, data, size);
	run(MSG_COMMAND_AMF3, data, size);
	return 0;
}
