/* SPDX-License-Identifier: Apache-2.0 */
#include "session/hls_packet.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "session/ctl_keys.h"

#define SECONDS_MAX_US "3600000000"
#define TIME_MAX_MS    "9223372036854"
#define NUMBER_MAX     "4294967295"
#define SEQ_MAX	       "4611686018427387903"

/* Each as ctl_keys.h has them. */
static const struct kind {
	const char *name;
	enum hls_verb verb;
	enum hls_kind put;
	bool fd;
	const char *keys;
} kinds[] = {
	{"open", HLS_VERB_OPEN, HLS_GAP, false,
	 "format:s target_ms:i(1..3600000) part_ms:i?(0..60000) media_seq:i(0.." SEQ_MAX
	 ") disc_seq:i(0.." SEQ_MAX ") codecs:s? bandwidth:i?(0.." NUMBER_MAX
	 ") width:i?(0..65535) height:i?(0..65535) fps:n?"},
	{"init", HLS_VERB_PUT, HLS_INIT, true, "init:i(1.." NUMBER_MAX ")"},
	{"key", HLS_VERB_PUT, HLS_KEY, true, "key:i(1.." NUMBER_MAX ")"},
	{"part", HLS_VERB_PUT, HLS_PART, true,
	 "seq:i(0.." SEQ_MAX ") part:i(0..100000) duration_us:i(1.." SECONDS_MAX_US
	 ") independent:b init:i?(0.." NUMBER_MAX ") discontinuity:b? key:i?(0.." NUMBER_MAX
	 ") iv:s?"},
	{"segment", HLS_VERB_PUT, HLS_SEGMENT, true,
	 "seq:i(0.." SEQ_MAX ") duration_us:i(1.." SECONDS_MAX_US ") pdt_ms:i(0.." TIME_MAX_MS
	 ") discontinuity:b? init:i?(0.." NUMBER_MAX ") key:i?(0.." NUMBER_MAX
	 ") iv:s? independent:b?"},
	{"gap", HLS_VERB_PUT, HLS_GAP, false,
	 "seq:i(0.." SEQ_MAX ") duration_us:i(1.." SECONDS_MAX_US ") pdt_ms:i?(0.." TIME_MAX_MS
	 ")"},
	{"close", HLS_VERB_CLOSE, HLS_GAP, false, ""},
	{"end", HLS_VERB_END, HLS_GAP, false, ""},
};

static int64_t whole(const json_t *json, const char *key)
{
	return json_integer_value(json_object_get(json, key));
}

static int read_open(struct hls_packet *p, struct ctl_error *e)
{
	const char *format = json_string_value(json_object_get(p->json, "format"));
	const char *codecs = json_string_value(json_object_get(p->json, "codecs"));
	double fps = json_number_value(json_object_get(p->json, "fps"));

	if (strcmp(format, "ts") != 0 && strcmp(format, "fmp4") != 0)
		return ctl_error_set(e, "bad_field", "format", "must be ts or fmp4");
	if (codecs && (strlen(codecs) >= HLS_CODECS_MAX || strpbrk(codecs, "\"\r\n")))
		return ctl_error_set(e, "bad_field", "codecs",
				     "must be at most %d bytes without quotes", HLS_CODECS_MAX - 1);
	if (!(fps >= 0 && fps <= 1000))
		return ctl_error_set(e, "bad_field", "fps", "must be 0 to 1000");
	p->open = (struct hls_open){
		.key = p->stream,
		.codecs = codecs ? codecs : "",
		.fmp4 = !strcmp(format, "fmp4"),
		.target_ms = (uint32_t)whole(p->json, "target_ms"),
		.part_ms = (uint32_t)whole(p->json, "part_ms"),
		.media_seq = (uint64_t)whole(p->json, "media_seq"),
		.disc_seq = (uint64_t)whole(p->json, "disc_seq"),
		.bandwidth = (uint32_t)whole(p->json, "bandwidth"),
		.width = (uint32_t)whole(p->json, "width"),
		.height = (uint32_t)whole(p->json, "height"),
		.fps_milli = (uint32_t)(fps * 1000 + 0.5),
	};
	return 0;
}

static int read_iv(struct hls_packet *p, struct ctl_error *e)
{
	const char *iv = json_string_value(json_object_get(p->json, "iv"));
	static const char digits[] = "0123456789abcdef";

	if (!iv || !*iv)
		return 0;
	if (strlen(iv) != 32)
		return ctl_error_set(e, "bad_field", "iv", "must be 32 hexadecimal digits");
	for (unsigned i = 0; i < 32; i++) {
		const char *digit = strchr(digits, iv[i] | 0x20);

		if (!digit || !*digit)
			return ctl_error_set(e, "bad_field", "iv", "must be 32 hexadecimal digits");
		p->put.m.iv[i / 2] = (uint8_t)(p->put.m.iv[i / 2] << 4 | (digit - digits));
	}
	p->put.m.iv_given = true;
	return 0;
}

static int read_put(struct hls_packet *p, enum hls_kind kind, struct ctl_error *e)
{
	const json_t *independent = json_object_get(p->json, "independent");
	bool named = kind == HLS_INIT || kind == HLS_KEY;

	p->put = (struct hls_put){
		.kind = kind,
		.number = (uint32_t)whole(p->json, kind == HLS_KEY ? "key" : "init"),
		.part = (uint32_t)whole(p->json, "part"),
		.m =
			{
				.seq = (uint64_t)whole(p->json, "seq"),
				.duration_us = (uint64_t)whole(p->json, "duration_us"),
				.pdt_ms = whole(p->json, "pdt_ms"),
				.init = named ? 0 : (uint32_t)whole(p->json, "init"),
				.key = named ? 0 : (uint32_t)whole(p->json, "key"),
				.discontinuity =
					json_is_true(json_object_get(p->json, "discontinuity")),
				.independent = !independent || json_is_true(independent),
				.gap = kind == HLS_GAP,
			},
	};
	return read_iv(p, e);
}

static int read_stream(struct hls_packet *p, struct ctl_error *e)
{
	const char *text = json_string_value(json_object_get(p->json, "stream"));
	struct stream_name name;
	const char *rule;

	if (!text)
		return ctl_error_set(e, "bad_field", "stream", "is missing");
	if (stream_name_key(&name, text, &rule))
		return ctl_error_set(e, "bad_field", "stream", "%s", rule);
	stream_key(p->stream, &name);
	return 0;
}

int hls_packet_parse(struct hls_packet *p, const void *text, size_t n, struct ctl_error *e)
{
	json_error_t why;
	const char *name;

	*p = (struct hls_packet){.json = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why)};
	*e = (struct ctl_error){.code = ""};
	if (!json_is_object(p->json))
		return ctl_error_set(e, "bad_request", "", "no JSON object");
	name = json_string_value(json_object_get(p->json, "hls"));
	for (size_t i = 0; name && i < array_len(kinds); i++) {
		if (strcmp(kinds[i].name, name) != 0)
			continue;
		if (read_stream(p, e) ||
		    ctl_keys_check(p->json, name, "hls:s stream:s", kinds[i].keys, e))
			return -EINVAL;
		p->verb = kinds[i].verb;
		p->wants_fd = kinds[i].fd;
		if (p->verb == HLS_VERB_OPEN)
			return read_open(p, e);
		return p->verb == HLS_VERB_PUT ? read_put(p, kinds[i].put, e) : 0;
	}
	return ctl_error_set(e, "bad_request", "hls", "is no packet of this version");
}

void hls_packet_fini(struct hls_packet *p)
{
	json_decref(p->json);
	p->json = NULL;
}
