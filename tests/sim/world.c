/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/world.h"

#define FRAME_US     40000u
#define SOUND_US     21000u
#define GOP	     50u
#define KEY_BYTES    8000u
#define FRAME_BYTES  500u
#define SOUND_BYTES  80u
#define PAYLOAD_MAX  16384u
#define CHECK_MS     250u
#define END_STEPS_MS 60000u

uint64_t luck_next(uint64_t *luck)
{
	*luck += 0x9e3779b97f4a7c15u;
	uint64_t z = *luck;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* ---- the publisher ---- */

/* The engine gets a message; the models of all open formats follow. */
static void append(struct world *w, const struct msg *m, bool key)
{
	struct world_stream *s = w->live;
	struct core *home = &w->b.core[w->home];
	uint64_t headers = key ? s->headers : 0;
	int rc = stream_append(s->stream, home, m);

	for (unsigned f = 0; f < WIRE_MAX; f++) {
		struct wlog *log = s->stream->log[f];
		bool kept = log && model_append(&s->model[f], f, log, m, headers, w->b.now_us);

		if (log && key && !rc)
			world_check(w, kept);
	}
}

static void send_headers(struct world *w)
{
	struct test_msg t;
	const struct stream_headers *h;

	append(w, test_video_header(&t, (int64_t)w->frame * 40, w->header_version), false);
	append(w, test_audio_header(&t, (int64_t)w->frame * 40, 1), false);
	stream_flush(w->live->stream, &w->b.core[w->home]);
	h = stream_headers(w->live->stream);
	world_check(w, h && h->data[8] == w->header_version);
	w->live->headers = h->gen;
}

static uint32_t about(struct world *w, uint32_t n)
{
	return n / 2 + luck_below(&w->luck, n);
}

static void send_picture(struct world *w)
{
	bool key = w->frame % GOP == 0;
	uint32_t n = 16 + about(w, key ? KEY_BYTES : FRAME_BYTES);
	uint8_t head[10] = {key ? 0x17 : 0x27, 1, 0, 0, 0, 0, 0, 0, 0, key ? 0x65 : 0x41};
	struct msg m = {
		.type = MSG_VIDEO, .ts_ms = (int64_t)w->frame * 40, .len = n, .data = w->payload};

	/* A new decoder set-up now and then, in the middle of a GOP too (M8). */
	if (luck_below(&w->luck, 400) == 0) {
		w->header_version++;
		send_headers(w);
	}
	put_be32(head + 5, n - 9);
	memcpy(w->payload, head, sizeof(head));
	for (uint32_t i = sizeof(head); i < n; i += 97)
		w->payload[i] = (uint8_t)luck_next(&w->luck);
	append(w, &m, key);
	w->frame++;
}

static void send_sound(struct world *w)
{
	struct test_msg t;

	append(w, test_sound(&t, (int64_t)(w->sound++ * SOUND_US / 1000), SOUND_BYTES), false);
}

static void publisher_begin(struct world *w)
{
	struct world_stream *s = &w->streams[w->streams_n];
	struct core *home;

	if (w->streams_n == WORLD_STREAMS)
		return;
	w->home = luck_below(&w->luck, w->o.cores);
	home = &w->b.core[w->home];
	home->now_us = w->b.now_us; /* its turn is still to come */
	world_check(w, stream_publish(w->b.engine.registry, home, "default/live/sim", false,
				      &s->stream) == 0);
	w->streams_n++;
	w->live = s;
	w->frame = w->sound = 0;
	w->publish_us = w->b.now_us;
	w->end_us = w->o.live_ms ? w->b.now_us + 1000ull * (w->o.live_ms / 2 +
							    luck_below(&w->luck, w->o.live_ms))
				 : UINT64_MAX;
	send_headers(w);
}

static void publisher_end(struct world *w)
{
	stream_end(w->live->stream, &w->b.core[w->home], REASON_PEER_CLOSED);
	w->live = NULL;
	w->publish_us = w->b.now_us + 1000ull * luck_below(&w->luck, 500);
}

/* What the publisher's connection has received since the last turn. */
static int publisher_turn(struct world *w)
{
	uint64_t age_us = w->b.now_us - w->publish_us;
	int n = 0;

	for (; w->frame * FRAME_US <= age_us; n++)
		send_picture(w);
	for (; w->sound * SOUND_US <= age_us; n++)
		send_sound(w);
	if (n)
		stream_flush(w->live->stream, &w->b.core[w->home]);
	return n;
}

void world_adopt(struct world *w)
{
	for (unsigned f = 0; w->live && f < WIRE_MAX; f++) {
		struct model *m = &w->live->model[f];
		struct wlog *log = w->live->stream->log[f];
		struct wlog_key key = {0};

		if (!log || m->log)
			continue;
		wlog_newest_key(log, &key);
		model_adopt(m, f, log, key.headers, w->b.now_us);
	}
}

/* ---- the network ---- */

void world_due(struct watcher *x, enum watcher_event event, unsigned ms)
{
	struct world *w = x->world;
	uint64_t step = w->b.now_us / WORLD_STEP_US + ms;

	world_check(w, ms > 0 && ms < WORLD_EVENTS && x->event == EVENT_NONE);
	x->event = (uint8_t)event;
	LIST_INSERT_HEAD(&w->events[watcher_core(x)->id][step % WORLD_EVENTS], x, due);
}

static int net_turn(void *net)
{
	struct world *w = ((struct world_net *)net)->world;
	unsigned core = ((struct world_net *)net)->core;
	struct watchers *due = &w->events[core][w->b.now_us / WORLD_STEP_US % WORLD_EVENTS];
	struct watcher *x;
	int n = 0;

	world_adopt(w);
	if (w->live && core == w->home)
		n += publisher_turn(w);
	while ((x = LIST_FIRST(due))) {
		watcher_event(x);
		n++;
	}
	return n;
}

static void net_wake(void *net)
{
}

/* ---- time ---- */

static void check_all(struct world *w)
{
	for (unsigned i = 0; i < w->o.viewers; i++)
		watcher_check(&w->watchers[i]);
	for (unsigned f = 0; w->live && f < WIRE_MAX; f++)
		if (w->live->stream->log[f])
			wlog_check(w->live->stream->log[f]);
}

static void step(struct world *w)
{
	uint64_t ms;

	w->b.now_us += WORLD_STEP_US;
	ms = w->b.now_us / 1000;
	if (w->live && w->b.now_us >= w->end_us)
		publisher_end(w);
	else if (!w->live && w->b.now_us >= w->publish_us)
		publisher_begin(w);
	for (unsigned i = 0; i < w->o.cores; i++)
		core_turn(&w->b.core[i], w->b.now_us);
	w->acts_due += w->o.churn * w->o.viewers;
	for (; w->acts_due >= 1000000; w->acts_due -= 1000000)
		watcher_act(&w->watchers[luck_below(&w->luck, w->o.viewers)]);
	w->arena_peak = max_of(w->arena_peak, arena_used(&w->b.arena));
	if (ms % CHECK_MS == 0)
		check_all(w);
}

/* Everybody in turn, a thousandth in each step. */
static void join_some(struct world *w)
{
	for (unsigned i = 0; i <= w->o.viewers / 1000 && w->joined < w->o.viewers; i++) {
		struct watcher *x = &w->watchers[w->joined++];

		if (x->state == WATCHER_OUT && !x->joins)
			watcher_join(x);
	}
}

void world_run(struct world *w, unsigned ms)
{
	while (ms--) {
		if (w->o.join_at_once && w->live)
			join_some(w);
		step(w);
	}
}

static unsigned still_in(const struct world *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->o.viewers; i++)
		n += w->watchers[i].state != WATCHER_OUT;
	return n;
}

void world_end(struct world *w)
{
	w->o.churn = 0;
	w->o.join_at_once = false;
	if (w->live)
		publisher_end(w);
	w->publish_us = UINT64_MAX;
	for (unsigned ms = 0; ms < END_STEPS_MS && still_in(w); ms++)
		step(w);
	world_check(w, !still_in(w));
	for (int i = 0; i < 50; i++)
		step(w);
	world_check(w, arena_used(&w->b.arena) == 0);
	world_check(w, registry_count(w->b.engine.registry) == 0);
	world_check(w, bench_counter(&w->b, CTR_LOG_BLOCKS) == 0);
	for (unsigned i = 0; i < w->b.engine.shm->streams; i++)
		world_check(w, !(shm_get(&shm_stream_of(w->b.engine.shm, i)->gen) & 1));
}

/* ---- life ---- */

struct world *world_new(const struct world_options *o)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->o = *o;
	w->luck = o->seed;
	w->payload = calloc(1, PAYLOAD_MAX);
	w->watchers = calloc(o->viewers, sizeof(*w->watchers));
	assert_true(w->payload && w->watchers);
	bench_up(&w->b, (struct bench_options){o->cores, WORLD_STREAMS, o->arena_bytes, 16384});
	for (unsigned i = 0; i < o->cores; i++) {
		w->net[i] = (struct world_net){w, i};
		w->b.core[i].io =
			(struct core_io){.net = &w->net[i], .turn = net_turn, .wake = net_wake};
	}
	for (unsigned i = 0; i < o->viewers; i++)
		w->watchers[i] = (struct watcher){
			.world = w,
			.id = i,
			.luck = o->seed * 1000003 + i,
			.kind = o->stuck && !i	    ? WATCHER_STUCK
				: i && i <= o->slow ? WATCHER_SLOW
						    : WATCHER_FAST,
		};
	w->publish_us = w->b.now_us;
	return w;
}

void world_free(struct world *w)
{
	bench_down(&w->b);
	for (unsigned i = 0; i < w->streams_n; i++)
		for (unsigned f = 0; f < WIRE_MAX; f++)
			model_fini(&w->streams[i].model[f]);
	free(w->watchers);
	free(w->payload);
	free(w);
}
