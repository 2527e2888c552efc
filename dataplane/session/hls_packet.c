/* SPDX-License-Identifier: Apache-2.0 */
#include "session/hls_packet.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"

#define SECOND_US 1000000

/* What a key's value may be. */
struct rule {
	const char *key;
	char type; /* s text, i whole number, n number, b truth value */
	bool needed;
	int64_t min, max; /* i */
};

static const struct rule open_rules[] = {
	{"format", 's', true, 0, 0},
	{"target_ms", 'i', true, 1, 3600000},
	{"part_ms", 'i', false, 0, 60000},
	{"media_seq", 'i', true, 0, INT64_MAX / 2},
	{"disc_seq", 'i', true, 0, INT64_MAX / 2},
	{"codecs", 's', false, 0, 0},
	{"bandwidth", 'i', false, 0, UINT32_MAX},
	{"width", 'i', false, 0, 65535},
	{"height", 'i', false, 0, 65535},
	{"fps", 'n', false, 0, 0},
	{NULL, 0, false, 0, 0},
};
static const struct rule init_rules[] = {
	{"init", 'i', true, 1, UINT32_MAX},
	{NULL, 0, false, 0, 0},
};
static const struct rule key_rules[] = {
	{"key", 'i', true, 1, UINT32_MAX},
	{NULL, 0, false, 0, 0},
};
static const struct rule part_rules[] = {
	{"seq", 'i', true, 0, INT64_MAX},
	{"part", 'i', true, 0, 100000},
	{"duration_us", 'i', true, 1, 3600ll * SECOND_US},
	{"independent", 'b', true, 0, 0},
	{"init", 'i', false, 0, UINT32_MAX},
	{"discontinuity", 'b', false, 0, 0},
	{"key", 'i', false, 0, UINT32_MAX},
	{"iv", 's', false, 0, 0},
	{NULL, 0, false, 0, 0},
};
static const struct rule segment_rules[] = {
	{"seq", 'i', true, 0, INT64_MAX},
	{"duration_us", 'i', true, 1, 3600ll * SECOND_US},
	{"pdt_ms", 'i', true, 0, INT64_MAX / 1000000},
	{"discontinuity", 'b', false, 0, 0},
	{"init", 'i', false, 0, UINT32_MAX},
	{"key", 'i', false, 0, UINT32_MAX},
	{"iv", 's', false, 0, 0},
	{"independent", 'b', false, 0, 0},
	{NULL, 0, false, 0, 0},
};
static const struct rule gap_rules[] = {
	{"seq", 'i', true, 0, INT64_MAX},
	{"duration_us", 'i', true, 1, 3600ll * SECOND_US},
	{"pdt_ms", 'i', false, 0, INT64_MAX / 1000000},
	{NULL, 0, false, 0, 0},
};
static const struct rule no_rules[] = {{NULL, 0, false, 0, 0}};

static const struct kind {
	const char *name;
	enum hls_verb verb;
	enum hls_kind put;
	bool fd;
	const struct rule *rules;
} kinds[] = {
	{"open", HLS_VERB_OPEN, HLS_GAP, false, open_rules},
	{"init", HLS_VERB_PUT, HLS_INIT, true, init_rules},
	{"key", HLS_VERB_PUT, HLS_KEY, true, key_rules},
	{"part", HLS_VERB_PUT, HLS_PART, true, part_rules},
	{"segment", HLS_VERB_PUT, HLS_SEGMENT, true, segment_rules},
	{"gap", HLS_VERB_PUT, HLS_GAP, false, gap_rules},
	{"close", HLS_VERB_CLOSE, HLS_GAP, false, no_rules},
	{"end", HLS_VERB_END, HLS_GAP, false, no_rules},
};

/* ---- form ---- */

static const char *type_rule(char type)
{
	switch (type) {
	case 's':
		return "must be text";
	case 'i':
		return "must be a whole number";
	case 'n':
		return "must be a number";
	default:
		return "must be true or false";
	}
}

static bool has_type(const json_t *value, char type)
{
	switch (type) {
	case 's':
		return json_is_string(value);
	case 'i':
		return json_is_integer(value);
	case 'n':
		return json_is_number(value);
	default:
		return json_is_boolean(value);
	}
}

static int check_value(const struct rule *r, const json_t *value, struct ctl_error *e)
{
	json_int_t i = json_integer_value(value);

	if (!value)
		return r->needed ? ctl_error_set(e, "bad_field", r->key, "is missing") : 0;
	if (!has_type(value, r->type))
		return ctl_error_set(e, "bad_field", r->key, "%s", type_rule(r->type));
	if (r->type == 'i' && (i < r->min || i > r->max))
		return ctl_error_set(e, "bad_field", r->key, "must be %lld to %lld",
				     (long long)r->min, (long long)r->max);
	return 0;
}

static bool is_known(const struct rule *rules, const char *key)
{
	if (!strcmp(key, "hls") || !strcmp(key, "stream"))
		return true;
	for (; rules->key; rules++)
		if (!strcmp(rules->key, key))
			return true;
	return false;
}

static int check_keys(const json_t *json, const struct rule *rules, struct ctl_error *e)
{
	const char *key;
	json_t *value;

	for (const struct rule *r = rules; r->key; r++)
		if (check_value(r, json_object_get(json, r->key), e))
			return -EINVAL;
	json_object_foreach ((json_t *)json, key, value)
		if (!is_known(rules, key))
			return ctl_error_set(e, "bad_field", key, "is no key of this packet");
	return 0;
}

/* ---- values ---- */

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
		if (read_stream(p, e) || check_keys(p->json, kinds[i].rules, e))
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
