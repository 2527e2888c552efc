/* SPDX-License-Identifier: Apache-2.0 */
#include "session/hls_renditions.h"

#include <stdio.h>
#include <string.h>

/* The next of the comma-separated endings, *n long; NULL: that was all. */
static const char *next_ending(const char **at, size_t *n)
{
	const char *ending = *at;

	if (!*ending)
		return NULL;
	*n = strcspn(ending, ",");
	*at = ending + *n + (ending[*n] == ',');
	return ending;
}

/* Length of key without its ending. */
static size_t base_of(const char *key, const char *endings)
{
	size_t n, all = strlen(key), name = all - (size_t)(strrchr(key, '/') + 1 - key);
	const char *ending;

	while ((ending = next_ending(&endings, &n)))
		if (n && n < name && !memcmp(key + all - n, ending, n))
			return all - n;
	return all;
}

static bool take(const struct core *c, const char *asked, struct hls_rendition *r)
{
	struct hls_stream *s = hls_find(c->engine->hls, r->key);

	if (!s || !hls_view_has_media(hls_view(s)))
		return false;
	r->name = strrchr(r->key, '/') + 1;
	r->view = hls_view(s);
	r->asked = !strcmp(r->key, asked);
	return true;
}

unsigned hls_renditions(const struct core *c, const char *key,
			struct hls_rendition out[HLS_RENDITIONS_MAX])
{
	const char *endings = engine_conf(c->engine)->hls_renditions, *ending = "";
	size_t base = base_of(key, endings), n = 0;
	unsigned found = 0;

	do {
		struct hls_rendition *r = &out[found];

		snprintf(r->key, sizeof(r->key), "%.*s%.*s", (int)base, key, (int)n, ending);
		found += take(c, key, r);
		ending = next_ending(&endings, &n);
	} while (ending && found < HLS_RENDITIONS_MAX);
	return found;
}
