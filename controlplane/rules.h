/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules for single values of the API: times, URLs, words.
 *
 * A function that returns text gives NULL for a good value and otherwise the rule that it breaks,
 * worded to follow the parameter's name. Threads: pure, any.
 */
#ifndef CONTROLPLANE_RULES_H
#define CONTROLPLANE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIME_TEXT 24

/* "2026-01-31T12:00:00Z", years 2000 to 9999, to seconds since 1970. */
bool time_parse(const char *text, int64_t *unix_s);
const char *time_text(char dst[TIME_TEXT], int64_t unix_s);
/* Letters, digits, `-`, `_` and `.`; not empty. */
bool rule_is_word(const char *text);
/* No control character. */
bool rule_is_plain(const char *text);
/* A host name: labels of lower-case letters, digits and '-', with dots between, at most 128 bytes. */
const char *rule_domain(const char *text);
/* Parts with '/' between them, none empty, "." or "..": no blanks, nothing that URLs read as more. */
bool rule_is_name(const char *text);
/* A whole number within 64 bits and nothing else. */
bool rule_is_int(const char *text, int64_t *out);

enum {
	RULE_RTMP = 1,
	RULE_HTTP = 2,
	RULE_HTTPS = 4,
	RULE_RTMPS = 8,
	RULE_SRT = 16,
	RULE_RTSP = 32
};

/* A URL of one of the schemes (a set of the above) with a host, a fair port, nothing unprintable. */
const char *rule_url(const char *text, unsigned schemes);
/* An rtmp or rtmps URL as rule_url() has it, with an application and a stream name, without a user. */
const char *rule_rtmp(const char *text);
/* As rule_rtmp(), or an srt URL that calls and does not listen. */
const char *rule_destination(const char *text);
/* Of an srt URL: what its parameters may not ask for. */
const char *rule_srt(const char *url);
/* Whether two such URLs name the same stream of the same server, whatever their parameters. */
bool rule_same_stream(const char *one, const char *other);

#endif
