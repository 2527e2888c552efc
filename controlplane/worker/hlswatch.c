/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/hlswatch.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"

#define MARK	   "#EXTM3U"
#define TARGET	   "#EXT-X-TARGETDURATION:"
#define END	   "#EXT-X-ENDLIST"
#define TARGET_MAX 3600 /* seconds */

/* FFmpeg gives its readers no place for one of ours. */
static _Thread_local struct hlswatch *watch;

static uint64_t mixed(uint64_t h, uint8_t c)
{
	return (h ^ c) * 0x100000001b3; /* FNV-1a, 64 bits */
}

static uint64_t hash_of(const char *text)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *text; text++)
		h = mixed(h, (uint8_t)*text);
	return h;
}

static void end_of_line(struct hlswatch *w)
{
	int64_t seconds;

	w->line[w->line_n] = 0;
	w->line_n = 0;
	if (!strncmp(w->line, TARGET, strlen(TARGET))) {
		seconds = strtoll(w->line + strlen(TARGET), NULL, 10);
		w->target_us = min_of(max_of(seconds, 1), TARGET_MAX) * 1000000;
	} else if (!strncmp(w->line, END, strlen(END))) {
		w->ended = true;
	}
}

static void look(struct hlswatch *w, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n && !w->other; i++, w->bytes++) {
		w->other = w->bytes < strlen(MARK) && p[i] != (uint8_t)MARK[w->bytes];
		w->text = mixed(w->text, p[i]);
		if (p[i] == '\n')
			end_of_line(w);
		else if (w->line_n < HLSWATCH_LINE - 1)
			w->line[w->line_n++] = (char)p[i];
	}
}

/* The text of the playlist as it was read last; NULL: it was not. */
static uint64_t *last_text(struct hlswatch *w)
{
	for (unsigned i = 0; i < min_of(w->seen_n, (unsigned)HLSWATCH_LISTS); i++)
		if (w->seen[i].url == w->url)
			return &w->seen[i].text;
	return NULL;
}

static void judge(struct hlswatch *w)
{
	uint64_t now = clock_us(), *last = last_text(w);

	w->from = NULL;
	end_of_line(w);
	if (!last) {
		w->seen[w->seen_n % HLSWATCH_LISTS].url = w->url;
		w->seen[w->seen_n++ % HLSWATCH_LISTS].text = w->text;
		w->changed_us = now;
		return;
	}
	if (*last == w->text) {
		w->stale = w->stale ||
			   (!w->ended && w->target_us &&
			    now - w->changed_us >= (uint64_t)(HLSWATCH_TARGETS * w->target_us));
		return;
	}
	*last = w->text;
	w->changed_us = now;
	w->changes++;
}

static int on_read(void *from, uint8_t *buf, int n)
{
	struct hlswatch *w = watch;
	int got = w->read(from, buf, n);

	if (from != w->from || w->other)
		return got;
	if (got > 0)
		look(w, buf, (size_t)got);
	else if (got == AVERROR_EOF && w->bytes >= strlen(MARK))
		judge(w);
	return got;
}

static int on_open(struct AVFormatContext *av, AVIOContext **pb, const char *url, int flags,
		   AVDictionary **options)
{
	struct hlswatch *w = watch;
	int rc = w->open(av, pb, url, flags, options);

	if (rc < 0 || !(*pb)->read_packet)
		return rc;
	w->read = (*pb)->read_packet;
	w->from = (*pb)->opaque;
	(*pb)->read_packet = on_read;
	w->url = hash_of(url);
	w->text = hash_of("");
	w->bytes = w->line_n = 0;
	w->other = w->ended = false;
	return rc;
}

void hlswatch_begin(struct hlswatch *w, AVFormatContext *av)
{
	*w = (struct hlswatch){.open = av->io_open};
	watch = w;
	av->io_open = on_open;
}

int64_t hlswatch_patience_us(const struct hlswatch *w)
{
	return (HLSWATCH_TARGETS + 1) * w->target_us;
}
