/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/streams.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controlplane/numbers.h"

#define ASKS_PER_TURN 64

/* What the words were true for. */
struct mark {
	uint64_t gen, since_ms, video, audio, width;
};

struct words {
	struct mark mark;
	char publisher[96], protocol[32], video[32], audio[32];
};

struct streams {
	struct dp *dp;
	struct words *words;
	uint32_t n;
	uint64_t epoch; /* answers of an earlier data plane are not for us */
};

static struct mark mark_of(const struct shm_stream_view *v)
{
	return (struct mark){v->gen, v->since_ms, v->video_codec, v->audio_codec, v->width};
}

static bool mark_same(const struct mark *a, const struct mark *b)
{
	return a->gen == b->gen && a->since_ms == b->since_ms && a->video == b->video &&
	       a->audio == b->audio && a->width == b->width;
}

struct question {
	struct streams *streams;
	uint64_t epoch;
	uint32_t slot;
	uint64_t gen;
};

static void on_shown(void *arg, json_t *answer)
{
	struct question *q = arg;
	struct streams *s = q->streams;
	struct words *w;

	if (!answer || dp_error(answer) || q->epoch != s->epoch || q->slot >= s->n)
		goto out;
	w = &s->words[q->slot];
	if (w->mark.gen != q->gen)
		goto out;
	snprintf(w->publisher, sizeof(w->publisher), "%s", dp_text(answer, "publisher"));
	snprintf(w->protocol, sizeof(w->protocol), "%s", dp_text(answer, "protocol"));
	snprintf(w->video, sizeof(w->video), "%s", dp_text(answer, "video"));
	snprintf(w->audio, sizeof(w->audio), "%s", dp_text(answer, "audio"));
out:
	free(q);
}

static void ask(struct streams *s, uint32_t slot, const struct shm_stream_view *v)
{
	struct question *q = calloc(1, sizeof(*q));
	json_t *keys = json_pack("{ss}", "stream", v->name);

	must(q);
	*q = (struct question){s, s->epoch, slot, v->gen};
	dp_request(s->dp, "stream.show", keys, on_shown, q);
}

struct streams *streams_new(struct dp *dp)
{
	struct streams *s = calloc(1, sizeof(*s));

	must(s);
	s->dp = dp;
	return s;
}

void streams_free(struct streams *s)
{
	if (!s)
		return;
	free(s->words);
	free(s);
}

void streams_reset(struct streams *s, uint32_t slots)
{
	free(s->words);
	s->words = calloc(slots ? slots : 1, sizeof(*s->words));
	must(s->words);
	s->n = slots;
	s->epoch++;
}

void streams_refresh(struct streams *s, const struct shm *shm)
{
	unsigned asked = 0;

	for (uint32_t i = 0; i < s->n && asked < ASKS_PER_TURN; i++) {
		struct shm_stream_view v;
		struct mark now;

		if (!shm_stream_at(shm, i, &v))
			continue;
		now = mark_of(&v);
		if (mark_same(&s->words[i].mark, &now))
			continue;
		if (s->words[i].mark.gen != now.gen)
			s->words[i] = (struct words){0};
		s->words[i].mark = now;
		ask(s, i, &v);
		asked++;
	}
}

/* A stream's name may be any bytes; JSON is UTF-8. */
static json_t *name_json(const char *name)
{
	json_t *text = json_string(name);
	char safe[3 * 512 + 1];
	size_t at = 0;

	if (text)
		return text;
	for (; *name && at + 4 < sizeof(safe); name++)
		if ((unsigned char)*name < 0x80 && *name != '%')
			safe[at++] = *name;
		else
			at += (size_t)snprintf(safe + at, 4, "%%%02X", (unsigned char)*name);
	safe[at] = 0;
	return json_string(safe);
}

static void put(json_t *row, const char *name, uint64_t n)
{
	json_object_set_new(row, name, json_integer((json_int_t)n));
}

static const struct words *words_of(const struct streams *s, uint32_t slot, uint64_t gen)
{
	static const struct words none;

	return slot < s->n && s->words[slot].mark.gen == gen ? &s->words[slot] : &none;
}

void streams_codecs(const struct streams *s, uint32_t slot, uint64_t gen, const char **video,
		    const char **audio)
{
	const struct words *w = words_of(s, slot, gen);

	*video = w->video;
	*audio = w->audio;
}

json_t *streams_row(const struct streams *s, uint32_t slot, const struct shm_stream_view *v,
		    uint64_t now_us)
{
	const struct words *w = words_of(s, slot, v->gen);
	json_t *row = json_pack("{so sb ss ss ss ss}", "stream", name_json(v->name), "internal",
				(int)v->internal, "publisher", w->publisher, "protocol",
				w->protocol, "video", w->video, "audio", w->audio);

	must(row);
	put(row, "since", v->since_ms);
	put(row, "viewers_rtmp", v->viewers_rtmp);
	put(row, "viewers_flv", v->viewers_flv);
	put(row, "viewers_ws", v->viewers_ws);
	put(row, "viewers_hls", v->viewers_hls);
	put(row, "pushes", v->pushes);
	put(row, "in_bps", v->in_bps);
	put(row, "out_bps", v->out_bps);
	put(row, "bytes_in", v->bytes_in);
	put(row, "bytes_out", v->bytes_out);
	put(row, "width", v->width);
	put(row, "height", v->height);
	put(row, "gop_ms", v->gop_ms);
	put(row, "skips", v->skips);
	json_object_set_new(row, "media_age_ms",
			    json_integer(numbers_age_ms(v->last_media_us, now_us)));
	return row;
}
