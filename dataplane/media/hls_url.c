/* SPDX-License-Identifier: Apache-2.0 */
#include "media/hls_url.h"

#include <string.h>

#include "base/check.h"
#include "media/url.h"

#define DIGITS_MAX 18 /* so that a number cannot overflow */

/* A whole number that ends at one of `ends` (which may be the text's end); NULL: there is none. */
static const char *number(const char *text, char end, uint64_t *out)
{
	const char *p = text;

	*out = 0;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (p - text >= DIGITS_MAX)
			return NULL;
		*out = *out * 10 + (uint64_t)(*p - '0');
	}
	if (p == text || *p != end || (text[0] == '0' && p - text > 1))
		return NULL;
	return end ? p + 1 : p;
}

/* The stream of /app/NAME/file: its name is the last part of the app. */
static bool take_level(struct stream_name *name)
{
	char *slash = strrchr(name->app, '/');

	if (!slash)
		return false;
	strcpy(name->name, slash + 1);
	*slash = '\0';
	return true;
}

static bool parse_media(struct hls_url *out, const char *file)
{
	uint64_t part;
	const char *rest;

	out->what = HLS_OF_SEGMENT;
	if (number(file, '\0', &out->number))
		return true;
	rest = number(file, '.', &out->number);
	if (!rest || !number(rest, '\0', &part) || part > UINT32_MAX)
		return false;
	out->what = HLS_OF_PART;
	out->part = (uint32_t)part;
	return true;
}

static bool parse_file(struct hls_url *out, const char *file, const char *suffix)
{
	out->fmp4 = !strcmp(suffix, "m4s");
	if (out->fmp4 || !strcmp(suffix, "ts"))
		return parse_media(out, file);
	out->what = HLS_OF_KEY;
	if (!strcmp(suffix, "key"))
		return number(file, '\0', &out->number) && out->number <= UINT32_MAX;
	out->what = HLS_OF_INIT;
	return !strcmp(suffix, "mp4") && !strncmp(file, "init-", 5) &&
	       number(file + 5, '\0', &out->number) && out->number <= UINT32_MAX;
}

static void parse_directives(struct hls_url *out, const char *params)
{
	char value[32];

	if (!strstr(params, "_HLS_"))
		return;
	if (params_get(params, "_HLS_msn", value, sizeof(value))) {
		out->blocking = true;
		out->bad |= !number(value, '\0', &out->msn);
	}
	if (params_get(params, "_HLS_part", value, sizeof(value))) {
		out->has_part = true;
		out->bad |= !out->blocking || !number(value, '\0', &out->msn_part);
	}
	if (params_get(params, "_HLS_skip", value, sizeof(value)))
		out->skip = !strcmp(value, "YES") || !strcmp(value, "v2");
}

bool hls_url_parse(struct hls_url *out, struct stream_name *name, const char *suffix)
{
	static_assert(sizeof(name->name) >= sizeof(name->app), "a level of the app fits a name");

	*out = (struct hls_url){.what = HLS_PLAYLIST};
	if (strcmp(suffix, "m3u8") != 0)
		return strchr(name->app, '/') && parse_file(out, name->name, suffix) &&
		       take_level(name);
	if (!strcmp(name->name, "master") && take_level(name))
		out->what = HLS_MASTER;
	else
		parse_directives(out, name->params);
	return true;
}
