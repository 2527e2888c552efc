/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/net/world.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/conf.h"
#include "base/log.h"
#include "core/hls.h"
#include "core/shm.h"
#include "media/wire.h"
#include "session/caps.h"
#include "session/http_server.h"
#include "session/relay.h"
#include "session/rtmp_server.h"

#define STREAMS	     16
#define RELAYS	     4
#define BLOCK_BYTES  16384u
#define ARENA_BLOCKS 256u
#define ARENA_SCARCE 12u     /* blocks */
#define END_MS	     120000u /* longer than every deadline that a peer's end leaves behind */
#define STEP_US	     10000u  /* as in a node that serves viewers */
#define TURNS_MAX    4u
#define STEP_MAX_US  1000000u
#define START_US     1000000000u

enum option {
	OPT_WAIT = 1,	 /* players wait for streams */
	OPT_NO_HOLD = 2, /* a stream ends with its publisher */
	OPT_REPLACE = 4, /* a second publisher wins */
	OPT_SCARCE = 8,	 /* hardly any memory for logs */
	OPT_PROXY = 16,	 /* connections come through a trusted proxy */
	OPT_CHUNKS = 32, /* short chunks */
	OPT_LOW = 64,	 /* the shortest tick */
	OPT_SMALL = 128, /* small limits */
};

static void set(struct world *w, const char *key, const char *value)
{
	struct conf_error err;

	must(conf_set(&w->conf, key, value, &err) == 0);
}

static void configure(struct world *w, uint8_t options)
{
	conf_defaults(&w->conf);
	set(w, "stream.retain_bytes", "1m");
	set(w, "relay.deny", "10.9.0.0/16");
	if (options & OPT_WAIT)
		set(w, "play.wait", "4s");
	if (options & OPT_NO_HOLD)
		set(w, "publish.hold", "0");
	if (options & OPT_REPLACE)
		set(w, "publish.policy", "replace");
	if (options & OPT_PROXY)
		set(w, "proxy.trusted", "10.0.0.0/8");
	if (options & OPT_CHUNKS)
		set(w, "rtmp.chunk_size", "128");
	if (options & OPT_LOW)
		set(w, "play.tick", "low");
	if (options & OPT_SMALL) {
		set(w, "limits.message_bytes", "64k");
		set(w, "limits.connection_bytes", "1m");
		set(w, "limits.chunk_streams", "4");
		set(w, "limits.connections_per_address", "2");
		set(w, "limits.viewers_per_stream", "1");
		set(w, "limits.waiting", "1");
		set(w, "rtmp.window", "32k");
		set(w, "play.max_lag", "500ms");
		set(w, "play.max_skips", "2");
	}
}

static void core_begin(struct world *w, unsigned id)
{
	struct session_listener at[] = {
		[WORLD_RTMP] = {.ops = &rtmp_server_ops},
		[WORLD_HTTP] = {.ops = &http_server_ops},
	};
	struct core *c = &w->core[id];

	w->cores[id] = c;
	must(core_init(c, &w->engine, id) == 0);
	core_turn(c, w->now_us);
	must(sessions_init(c, at, array_len(at)) == 0);
	w->net[id] = c->io.net;
}

void world_init(struct world *w, uint8_t options)
{
	uint32_t blocks = options & OPT_SCARCE ? ARENA_SCARCE : ARENA_BLOCKS;

	log_init("fuzz", LOG_ERROR);
	memset(w, 0, sizeof(*w));
	configure(w, options);
	w->now_us = START_US;
	w->engine.conf = &w->conf;
	w->engine.cores_n = WORLD_CORES;
	w->engine.cores = w->cores;
	wire_init((uint32_t)w->conf.rtmp_chunk_size);
	must(arena_init(&w->arena, (size_t)blocks * BLOCK_BYTES, BLOCK_BYTES, ARENA_NORMAL) == 0);
	must(shm_make(WORLD_CORES, STREAMS, RELAYS, &w->engine.shm, &w->shm_fd) == 0);
	quiet_init(&w->quiet, WORLD_CORES);
	w->engine.arena = &w->arena;
	w->engine.quiet = &w->quiet;
	w->engine.registry = registry_new(&w->engine, STREAMS);
	must(w->engine.registry);
	w->engine.hls = hls_new(&w->engine);
	must(w->engine.hls);
	for (unsigned i = 0; i < WORLD_CORES; i++)
		core_begin(w, i);
	must(relays_init(&w->engine) == 0);
}

void world_sessions(struct world *w, void (*each)(void *arg, struct session *s), void *arg)
{
	for (unsigned i = 0; i < WORLD_CORES; i++)
		sessions_each(&w->core[i], each, arg);
}

/* ---- at any time ---- */

static void check_stream(void *arg, struct stream *s)
{
	for (unsigned kind = 0; kind < STREAM_LOGS_MAX; kind++) {
		struct wlog *log = atomic_load(&s->log[kind]);

		if (log)
			wlog_check(log);
	}
}

static void check_session(void *arg, struct session *s)
{
	must(s->mem.used <= s->mem.max);
	must(!s->closing);
}

static void check(struct world *w)
{
	registry_each(w->engine.registry, check_stream, NULL);
	world_sessions(w, check_session, NULL);
}

static int turn(struct world *w)
{
	int work = 0;

	for (unsigned i = 0; i < WORLD_CORES; i++) {
		fake_clock(w->net[i], w->now_us);
		work += core_turn(&w->core[i], w->now_us);
	}
	return work;
}

/* When a core has something to do of its own accord. */
static uint64_t next_us(const struct world *w)
{
	uint64_t first = UINT64_MAX;

	for (unsigned i = 0; i < WORLD_CORES; i++)
		first = min_of(first, core_next_us(&w->core[i]));
	return first;
}

void world_turn(struct world *w)
{
	for (unsigned i = 0; i < TURNS_MAX && turn(w); i++)
		;
	check(w);
}

void world_pass_ms(struct world *w, uint64_t ms)
{
	uint64_t end_us = w->now_us + ms * 1000;

	while (w->now_us < end_us) {
		w->now_us = min_of(max_of(next_us(w), w->now_us + STEP_US), end_us);
		turn(w);
	}
	check(w);
}

/* ---- the end ---- */

static void count_session(void *arg, struct session *s)
{
	++*(unsigned *)arg;
}

static void check_gauges(const struct world *w)
{
	static const enum counter gauges[] = {CTR_CONNS,       CTR_PUBLISHERS, CTR_VIEWERS_RTMP,
					      CTR_VIEWERS_FLV, CTR_VIEWERS_WS, CTR_PULLS,
					      CTR_PUSHES,      CTR_LOG_BLOCKS};

	for (unsigned g = 0; g < array_len(gauges); g++)
		for (unsigned i = 0; i < WORLD_CORES; i++)
			must(shm_get(&w->core[i].ctr->ctr[gauges[g]]) == 0);
}

/* Slots of shared memory are free where their generation is even. */
static void check_slots(struct shm_head *shm)
{
	for (unsigned i = 0; i < STREAMS; i++)
		must(shm_get(&shm_stream_of(shm, i)->gen) % 2 == 0);
	for (unsigned i = 0; i < RELAYS; i++)
		must(shm_get(&shm_relay_of(shm, i)->gen) % 2 == 0);
}

static void check_nothing_left(struct world *w)
{
	unsigned sessions = 0;

	world_sessions(w, count_session, &sessions);
	must(sessions == 0);
	for (unsigned i = 0; i < WORLD_CORES; i++)
		must(fake_conns(w->net[i]) == 0);
	must(caps_total() == 0);
	must(registry_count(w->engine.registry) == 0);
	must(arena_used(&w->arena) == 0);
	must(next_us(w) == UINT64_MAX);
	check_gauges(w);
	check_slots(w->engine.shm);
}

void world_fini(struct world *w)
{
	uint64_t end_us = w->now_us + END_MS * 1000;

	do
		w->now_us =
			max_of(w->now_us + STEP_US, min_of(next_us(w), w->now_us + STEP_MAX_US));
	while (turn(w) || (next_us(w) != UINT64_MAX && w->now_us < end_us));
	check_nothing_left(w);
	for (unsigned i = 0; i < WORLD_CORES; i++)
		sessions_fini(&w->core[i]);
	for (unsigned i = 0; i < WORLD_CORES; i++)
		core_fini(&w->core[i]);
	relays_fini(&w->engine);
	hls_free(w->engine.hls);
	registry_free(w->engine.registry);
	shm_unmake(w->engine.shm);
	close(w->shm_fd);
	arena_fini(&w->arena);
}
