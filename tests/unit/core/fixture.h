/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine without a network for the tests of this room, and messages to feed it.
 *
 * Nothing here runs by itself: a test turns the cores with a time of its own. Header only, because
 * each test program is one file.
 */
#ifndef TESTS_UNIT_CORE_FIXTURE_H
#define TESTS_UNIT_CORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/conf.h"
#include "core/core.h"
#include "core/shm.h"
#include "core/stream.h"

#define BENCH_CORES_MAX 4

struct bench {
	struct config conf;
	struct arena arena;
	struct quiet quiet;
	struct engine engine;
	struct core core[BENCH_CORES_MAX];
	struct core *cores[BENCH_CORES_MAX];
	uint64_t now_us;
	int shm_fd;
};

struct bench_options {
	unsigned cores, streams;
	size_t arena_bytes;
	uint32_t block_bytes;
};

/* Starts from conf_defaults(); what a test wants otherwise it sets in b->conf before or after. */
static inline void bench_up(struct bench *b, struct bench_options o)
{
	conf_defaults(&b->conf);
	b->now_us = 1000000;
	assert_int_equal(arena_init(&b->arena, o.arena_bytes, o.block_bytes, ARENA_NORMAL), 0);
	quiet_init(&b->quiet, o.cores);
	b->engine = (struct engine){
		.conf = &b->conf,
		.arena = &b->arena,
		.quiet = &b->quiet,
		.cores_n = o.cores,
		.cores = b->cores,
	};
	assert_int_equal(shm_make(o.cores, o.streams, 4, &b->engine.shm, &b->shm_fd), 0);
	b->engine.registry = registry_new(&b->engine, o.streams);
	assert_non_null(b->engine.registry);
	for (unsigned i = 0; i < o.cores; i++) {
		b->cores[i] = &b->core[i];
		assert_int_equal(core_init(&b->core[i], &b->engine, i), 0);
	}
}

/* One turn of every core, a moment later. */
static inline void bench_turn(struct bench *b, uint64_t step_us)
{
	b->now_us += step_us;
	for (unsigned i = 0; i < b->engine.cores_n; i++)
		core_turn(&b->core[i], b->now_us);
}

static inline void bench_down(struct bench *b)
{
	registry_free(b->engine.registry);
	for (unsigned i = 0; i < b->engine.cores_n; i++)
		core_fini(&b->core[i]);
	shm_unmake(b->engine.shm);
	close(b->shm_fd);
	assert_int_equal(arena_used(&b->arena), 0);
	arena_fini(&b->arena);
}

static inline uint64_t bench_counter(const struct bench *b, enum counter which)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < b->engine.cores_n; i++)
		n += shm_get(&b->core[i].ctr->ctr[which]);
	return n;
}

/* ---- messages ---- */

struct test_msg {
	struct msg m;
	uint8_t data[4096];
};

static inline struct msg *test_msg(struct test_msg *t, uint8_t type, int64_t ts_ms,
				   const void *head, size_t head_n, size_t n)
{
	memset(t->data, (int)(ts_ms & 0x7f), sizeof(t->data));
	memcpy(t->data, head, head_n);
	t->m = (struct msg){.type = type, .ts_ms = ts_ms, .len = (uint32_t)n, .data = t->data};
	return &t->m;
}

/* H.264 sequence header; `version` makes another one. */
static inline struct msg *test_video_header(struct test_msg *t, int64_t ts_ms, uint8_t version)
{
	const uint8_t head[] = {0x17, 0, 0, 0, 0, 1, 0x42, 0, version, 0xff, 0xe0, 0};

	return test_msg(t, MSG_VIDEO, ts_ms, head, sizeof(head), sizeof(head));
}

/* One H.264 access unit with one slice; n bytes in all, at least 16. */
static inline struct msg *test_picture(struct test_msg *t, int64_t ts_ms, bool key, size_t n)
{
	uint8_t head[10] = {key ? 0x17 : 0x27, 1, 0, 0, 0, 0, 0, 0, 0, key ? 0x65 : 0x41};

	put_be32(head + 5, (uint32_t)(n - 9));
	return test_msg(t, MSG_VIDEO, ts_ms, head, sizeof(head), n);
}

static inline struct msg *test_audio_header(struct test_msg *t, int64_t ts_ms, uint8_t version)
{
	const uint8_t head[] = {0xaf, 0, 0x12, version};

	return test_msg(t, MSG_AUDIO, ts_ms, head, sizeof(head), sizeof(head));
}

static inline struct msg *test_sound(struct test_msg *t, int64_t ts_ms, size_t n)
{
	const uint8_t head[] = {0xaf, 1};

	return test_msg(t, MSG_AUDIO, ts_ms, head, sizeof(head), n);
}

/* ---- reading a log as a viewer would ---- */

/* Copies [off, off + n); n may be more than a block. */
static inline void log_copy(const struct wlog *log, uint64_t off, uint8_t *to, size_t n)
{
	while (n) {
		struct slice s[2];
		unsigned parts = wlog_slices(log, off, (uint32_t)(n > 4096 ? 4096 : n), s);

		for (unsigned i = 0; i < parts; i++) {
			memcpy(to, s[i].p, s[i].n);
			to += s[i].n;
			off += s[i].n;
			n -= s[i].n;
		}
	}
}

#endif
