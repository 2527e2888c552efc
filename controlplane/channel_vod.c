/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/channel_vod.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/segindex.h"

#define DIGITS_MAX 12

/* ---- the range ---- */

static bool seconds_of(const char *text, int64_t *s)
{
	size_t n = strspn(text, "0123456789");

	*s = n && n <= DIGITS_MAX ? strtoll(text, NULL, 10) : 0;
	return n && n <= DIGITS_MAX && !text[n];
}

bool vod_range(const char *start, const char *end, int64_t *start_s, int64_t *end_s,
	       struct refusal *r)
{
	const char *rule = "must be seconds since 1970, as a whole number";

	if (!seconds_of(start, start_s))
		return refuse(r, 400, "InvalidArgument", "startTime: %s (EC 0044-00000304)", rule);
	if (!seconds_of(end, end_s))
		return refuse(r, 400, "InvalidArgument", "endTime: %s (EC 0044-00000305)", rule);
	if (*start_s >= *end_s)
		return refuse(r, 400, "InvalidArgument",
			      "startTime: must be before endTime (EC 0044-00000306)");
	if (*end_s - *start_s > VOD_SPAN_S)
		return refuse(r, 400, "InvalidArgument",
			      "endTime: must be a day after startTime at most (EC 0044-00000307)");
	return true;
}

/* ---- the segments ---- */

struct found {
	struct segline *line;
	size_t n, room;
	int64_t lost; /* breaks that missing files made */
};

static void keep(struct found *f, const struct segline *l)
{
	if (f->n == f->room) {
		f->room = f->room ? 2 * f->room : SEGINDEX_STEP;
		f->line = realloc(f->line, f->room * sizeof(*f->line));
		must(f->line);
	}
	f->line[f->n] = *l;
	f->line[f->n++].breaks += f->lost;
}

static void collect(struct found *f, int index, int folder, int64_t from_ms, int64_t to_ms)
{
	struct segline step[SEGINDEX_STEP];
	int64_t at = segindex_find(index, from_ms);
	size_t n;

	while ((n = segindex_lines(index, at, step, SEGINDEX_STEP))) {
		for (size_t i = 0; i < n; i++) {
			if (step[i].begin_ms >= to_ms)
				return;
			if (segindex_has(folder, step[i].begin_ms))
				keep(f, &step[i]);
			else
				f->lost++;
		}
		at += (int64_t)n;
	}
}

static char *write_list(const struct found *f, size_t *n)
{
	char *text = NULL;
	FILE *to = open_memstream(&text, n);

	must(to);
	segindex_playlist(to, f->line, f->n, 0, 1);
	must(!fclose(to) && text);
	return text;
}

char *vod_playlist(const char *folder, int64_t start_s, int64_t end_s, size_t *n, struct refusal *r)
{
	int at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int index = at >= 0 ? segindex_read_open(folder) : -errno;
	struct found f = {0};
	char *text = NULL;

	if (index >= 0)
		collect(&f, index, at, start_s * 1000, end_s * 1000);
	if (f.n)
		text = write_list(&f, n);
	else if (index < 0 && index != -ENOENT)
		refuse(r, 500, "InternalError", "%s", strerror(-index));
	else
		refuse(r, 400, "InvalidArgument",
		       "nothing was streamed between startTime and endTime (EC 0044-00000308)");
	free(f.line);
	if (index >= 0)
		close(index);
	if (at >= 0)
		close(at);
	return text;
}
