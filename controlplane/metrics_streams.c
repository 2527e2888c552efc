/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/metrics_streams.h"

#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/metrics_paths.h"
#include "controlplane/numbers.h"

#define REST "rest" /* no stream's name: those have slashes */

struct place {
	uint64_t rate;
	uint32_t slot;
};

struct shown {
	struct shm_stream_view v;
	uint32_t slot;
};

struct domain {
	char name[256];
	struct shm_stream_view sum;
	unsigned streams;
};

/* What one answer is made of. */
struct survey {
	struct shown *top;
	struct domain *domains; /* one more than `most`: the last is the rest of them */
	size_t top_n, domains_n, most, live;
	struct shm_stream_view rest;
	uint64_t log_bytes; /* of all, the inside of relay tasks too */
};

bool metrics_stream_wanted(const char *name, const char *only)
{
	size_t n;

	if (!only)
		return true;
	n = strlen(only);
	if (n && only[n - 1] == '*')
		return !strncmp(name, only, n - 1);
	return !strcmp(name, only);
}

/* ---- choosing ------------------------------------------------------------------------------ */

static int by_rate(const void *a, const void *b)
{
	const struct place *p = a, *q = b;

	if (p->rate != q->rate)
		return p->rate < q->rate ? 1 : -1;
	return p->slot < q->slot ? -1 : 1;
}

/* The live streams that are wanted, highest rates first; *n of them, the caller's. */
static struct place *rank(const struct shm *shm, const char *only, size_t *n, uint64_t *log_bytes)
{
	struct place *all = calloc(shm_streams(shm) + 1u, sizeof(*all));
	struct shm_stream_view v;

	must(all);
	*n = 0;
	for (uint32_t i = 0; i < shm_streams(shm); i++) {
		if (!shm_stream_at(shm, i, &v))
			continue;
		*log_bytes += v.log_bytes;
		if (!v.internal && metrics_stream_wanted(v.name, only))
			all[(*n)++] = (struct place){v.in_bps + v.out_bps, i};
	}
	qsort(all, *n, sizeof(*all), by_rate);
	return all;
}

/* Only what may be summed as a gauge. */
static void add(struct shm_stream_view *sum, const struct shm_stream_view *v)
{
	sum->viewers_rtmp += v->viewers_rtmp;
	sum->viewers_flv += v->viewers_flv;
	sum->viewers_ws += v->viewers_ws;
	sum->viewers_hls += v->viewers_hls;
	sum->pushes += v->pushes;
	sum->in_bps += v->in_bps;
	sum->out_bps += v->out_bps;
	sum->log_bytes += v->log_bytes;
	sum->sent_ps += v->sent_ps;
	sum->again_ps += v->again_ps;
	sum->rtt_n_ps += v->rtt_n_ps;
	sum->rtt_us_ps += v->rtt_us_ps;
}

static struct domain *domain_of(struct survey *s, const char *stream)
{
	size_t n = min_of(strcspn(stream, "/"), sizeof(s->domains->name) - 1);

	for (size_t i = 0; i < s->domains_n; i++)
		if (!strncmp(s->domains[i].name, stream, n) && !s->domains[i].name[n])
			return &s->domains[i];
	if (s->domains_n == s->most) {
		strcpy(s->domains[s->most].name, REST);
		return &s->domains[s->most];
	}
	memcpy(s->domains[s->domains_n].name, stream, n);
	return &s->domains[s->domains_n++];
}

static void survey(struct survey *s, const struct shm *shm, const char *only, size_t most)
{
	size_t n;
	struct place *all = rank(shm, only, &n, &s->log_bytes);

	s->most = most;
	s->top = calloc(min_of(n, most) + 1, sizeof(*s->top));
	s->domains = calloc(most + 1, sizeof(*s->domains));
	must(s->top && s->domains);
	for (size_t i = 0; i < n; i++) {
		struct shm_stream_view v;
		struct domain *d;

		/* A stream may have ended, and another begun there, since the ranking. */
		if (!shm_stream_at(shm, all[i].slot, &v) || v.internal ||
		    !metrics_stream_wanted(v.name, only))
			continue;
		s->live++;
		d = domain_of(s, v.name);
		d->streams++;
		add(&d->sum, &v);
		if (s->top_n < most)
			s->top[s->top_n++] = (struct shown){v, all[i].slot};
		else
			add(&s->rest, &v);
	}
	if (s->domains[most].streams)
		s->domains_n++;
	free(all);
}

/* ---- writing ------------------------------------------------------------------------------- */

static void put_domain(enum metric m, const struct domain *d, struct evbuffer *out)
{
	switch (m) {
	case M_DOMAIN_STREAMS:
		metric_put(out, m, d->streams, d->name);
		break;
	case M_DOMAIN_VIEWERS:
		metric_put(out, m, (double)d->sum.viewers_rtmp, d->name, "rtmp");
		metric_put(out, m, (double)d->sum.viewers_flv, d->name, "http-flv");
		metric_put(out, m, (double)d->sum.viewers_ws, d->name, "ws-flv");
		metric_put(out, m, (double)d->sum.viewers_hls, d->name, "hls");
		break;
	case M_DOMAIN_IN_RATE:
		metric_put(out, m, (double)d->sum.in_bps / 8, d->name);
		break;
	case M_DOMAIN_OUT_RATE:
		metric_put(out, m, (double)d->sum.out_bps / 8, d->name);
		break;
	case M_DOMAIN_RTT:
		if (d->sum.rtt_n_ps > 0)
			metric_put(out, m, d->sum.rtt_us_ps / d->sum.rtt_n_ps / 1e6, d->name);
		break;
	default:
		if (d->sum.sent_ps > 0)
			metric_put(out, m, d->sum.again_ps / d->sum.sent_ps, d->name);
		break;
	}
}

/* Gauges that the rest has too. */
static void put_sum(enum metric m, const struct shm_stream_view *v, const char *name,
		    struct evbuffer *out)
{
	switch (m) {
	case M_STREAM_VIEWERS:
		metric_put(out, m, (double)v->viewers_rtmp, name, "rtmp");
		metric_put(out, m, (double)v->viewers_flv, name, "http-flv");
		metric_put(out, m, (double)v->viewers_ws, name, "ws-flv");
		metric_put(out, m, (double)v->viewers_hls, name, "hls");
		break;
	case M_STREAM_PUSHES:
		metric_put(out, m, (double)v->pushes, name);
		break;
	case M_STREAM_IN_RATE:
		metric_put(out, m, (double)v->in_bps / 8, name);
		break;
	case M_STREAM_OUT_RATE:
		metric_put(out, m, (double)v->out_bps / 8, name);
		break;
	default:
		metric_put(out, m, (double)v->log_bytes, name);
		break;
	}
}

static void put_info(const struct streams *words, const struct shown *s, struct evbuffer *out)
{
	const char *video, *audio;
	char width[24], height[24];

	streams_codecs(words, s->slot, s->v.gen, &video, &audio);
	snprintf(width, sizeof(width), "%llu", (unsigned long long)s->v.width);
	snprintf(height, sizeof(height), "%llu", (unsigned long long)s->v.height);
	metric_put(out, M_STREAM_INFO, 1, s->v.name, video, audio, width, height);
}

static void put_times(enum metric m, const struct shm_stream_view *v, struct evbuffer *out)
{
	if (m == M_STREAM_START && v->since_ms)
		metric_put(out, m, (double)v->since_ms / 1000, v->name);
	else if (m == M_STREAM_GOP)
		metric_put(out, m, (double)v->gop_ms / 1000, v->name);
	else if (m == M_STREAM_AGE && v->last_media_us)
		metric_put(out, m, (double)numbers_age_ms(v->last_media_us, clock_us()) / 1000,
			   v->name);
}

static void put_count(enum metric m, const struct shm_stream_view *v, struct evbuffer *out)
{
	switch (m) {
	case M_STREAM_IN:
		metric_put(out, m, (double)v->bytes_in, v->name);
		break;
	case M_STREAM_OUT:
		metric_put(out, m, (double)v->bytes_out, v->name);
		break;
	case M_STREAM_FRAMES:
		metric_put(out, m, (double)v->msgs_video, v->name, "video");
		metric_put(out, m, (double)v->msgs_audio, v->name, "audio");
		metric_put(out, m, (double)v->msgs_data, v->name, "data");
		break;
	case M_STREAM_KEYFRAMES:
		metric_put(out, m, (double)v->keyframes, v->name);
		break;
	case M_STREAM_JOINS:
		metric_put(out, m, (double)v->joins, v->name);
		break;
	case M_STREAM_SKIPS:
		metric_put(out, m, (double)v->skips, v->name);
		break;
	default:
		put_times(m, v, out);
		break;
	}
}

static void put_streams(const struct survey *s, const struct streams *words, struct evbuffer *out)
{
	for (enum metric m = M_STREAM_VIEWERS; m <= M_STREAM_SKIPS; m++) {
		metric_head(out, m);
		for (size_t i = 0; i < s->top_n; i++) {
			if (m <= M_STREAM_LOG)
				put_sum(m, &s->top[i].v, s->top[i].v.name, out);
			else if (m == M_STREAM_INFO)
				put_info(words, &s->top[i], out);
			else
				put_count(m, &s->top[i].v, out);
		}
		if (m <= M_STREAM_LOG && s->live > s->top_n)
			put_sum(m, &s->rest, REST, out);
	}
}

static void put_paths(const struct survey *s, const struct shm *shm, struct evbuffer *out)
{
	struct metrics_path *p = calloc(s->top_n + 1, sizeof(*p));

	must(p);
	for (size_t i = 0; i < s->top_n; i++) {
		p[i].name = s->top[i].v.name;
		shm_stream_paths(shm, s->top[i].slot, &p[i].paths);
		shm_stream_hists(shm, s->top[i].slot, &p[i].join, &p[i].lag);
	}
	metrics_stream_paths(p, s->top_n, out);
	free(p);
}

void metrics_streams(const struct shm *shm, const struct streams *words, const char *only,
		     size_t most, struct evbuffer *out)
{
	struct survey s = {0};

	survey(&s, shm, only, most);
	if (!only) {
		metric_one(out, M_ARENA_USED, (double)s.log_bytes);
		metric_one(out, M_STREAMS, (double)s.live);
		metric_one(out, M_STREAMS_REST, (double)(s.live - s.top_n));
		for (enum metric m = M_DOMAIN_STREAMS; m <= M_DOMAIN_RATIO; m++) {
			metric_head(out, m);
			for (size_t i = 0; i < s.domains_n; i++)
				put_domain(m, &s.domains[i], out);
		}
	}
	put_streams(&s, words, out);
	put_paths(&s, shm, out);
	free(s.top);
	free(s.domains);
}
