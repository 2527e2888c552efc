/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HLS from both sides. The input's first line is a request's target and its second a Range; the rest is a
 * packet of a worker. What is taken obeys its rules, and a playlist made from any name and query has no
 * line and no quote that they put there.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "fuzz/fuzz.h"
#include "media/hls_url.h"
#include "media/http_range.h"
#include "session/hls_packet.h"

static struct slice take_line(const uint8_t **p, size_t *n)
{
	const uint8_t *end = memchr(*p, '\n', *n);
	struct slice line = {*p, end ? (size_t)(end - *p) : *n};

	*p += end ? line.n + 1 : line.n;
	*n -= end ? line.n + 1 : line.n;
	return line;
}

static void check_playlist(const struct stream_name *name)
{
	static const struct m3u8_segment seg[] = {{.duration_us = 1, .init = 1, .key = 1}};
	const struct m3u8 m = {.fmp4 = true, .target_s = 1, .part_us = 1, .segs_n = 1, .seg = seg};
	char encoded[3 * sizeof(name->name) + 1], query[3 * sizeof(name->params)], text[32768];
	struct wr w = wr_of(text, sizeof(text));
	struct m3u8_ask ask = {.name = {(const uint8_t *)encoded, 0}};
	unsigned lines = 0, quotes = 0;

	ask.name.n = m3u8_encode_name(
		encoded, (struct slice){(const uint8_t *)name->name, strlen(name->name)});
	ask.query = (struct slice){(const uint8_t *)query,
				   m3u8_carry(query, sizeof(query), name->params, "hls_viewer")};
	m3u8_write(&w.sink, &m, &ask);
	must(!w.bad);
	for (size_t i = 0; i < wr_len(&w); i++) {
		must((text[i] >= 0x20 && text[i] < 0x7f) || text[i] == '\n');
		lines += text[i] == '\n';
		quotes += text[i] == '"';
	}
	must(lines == 12 && quotes == 6);
}

static void check_target(struct slice target)
{
	static const struct slice host = {(const uint8_t *)"h", 1};
	struct stream_name name;
	const char *field, *rule;
	struct hls_url url;
	char suffix[16];

	if (stream_name_http(&name, target, host, suffix, &field, &rule))
		return;
	if (!hls_url_parse(&url, &name, suffix))
		return;
	must(name.app[0] && name.name[0]);
	must(!url.has_part || url.blocking || url.bad);
	check_playlist(&name);
}

static void check_range(struct slice value)
{
	uint64_t first, last;

	if (http_range_parse(value, 1000, &first, &last) == HTTP_RANGE_PART)
		must(first <= last && last < 1000);
}

static void check_packet(const uint8_t *p, size_t n)
{
	struct hls_packet packet;
	struct ctl_error e;

	if (hls_packet_parse(&packet, p, n, &e)) {
		must(!strcmp(e.code, "bad_request") || !strcmp(e.code, "bad_field"));
		must(e.message[0]);
	} else {
		must(packet.stream[0]);
		must(packet.verb != HLS_VERB_OPEN || packet.open.target_ms);
		must(packet.put.m.duration_us <= 3600000000ull);
	}
	hls_packet_fini(&packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	check_target(take_line(&p, &n));
	check_range(take_line(&p, &n));
	check_packet(p, n);
	return 0;
}
