/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole data plane of one core on loopback, and plain sockets as its peers, all on one thread.
 *
 * The test turns the core by hand and owns its clock, so deadlines pass when the test says so and
 * nothing depends on who runs first. node_until() turns until something is so; a test that waits for
 * what never comes fails after PATIENCE_US of real time.
 */
#ifndef TESTS_UNIT_SESSION_NODE_H
#define TESTS_UNIT_SESSION_NODE_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "core/hls.h"
#include "core/shm.h"
#include "core/stream.h"
#include "media/wire.h"
#include "session/http_server.h"
#include "session/listeners.h"
#include "session/rtmp_server.h"

#define PATIENCE_US 20000000u

struct node {
	struct config conf;
	struct engine engine;
	struct arena arena;
	struct quiet quiet;
	struct core core, *cores[1];
	struct listeners listeners;
	int shm_fd;
	uint64_t now_us;
};

static inline void node_set(struct node *n, const char *key, const char *value)
{
	struct conf_error err;

	assert_int_equal(conf_set(&n->conf, key, value, &err), 0);
}

static inline struct node *node_new(void)
{
	struct node *n = calloc(1, sizeof(*n));
	struct session_listener at[SESSION_LISTENERS_MAX];
	char text[512];

	log_init("test", LOG_ERROR);
	conf_defaults(&n->conf);
	node_set(n, "memory.arena", "64m");
	n->now_us = 1000000000;
	n->engine.conf = &n->conf;
	n->engine.cores_n = 1;
	n->engine.cores = n->cores;
	n->cores[0] = &n->core;
	wire_init((uint32_t)n->conf.rtmp_chunk_size);
	assert_int_equal(arena_init(&n->arena, (size_t)n->conf.dp_arena, (uint32_t)n->conf.dp_block,
				    ARENA_NORMAL),
			 0);
	assert_int_equal(shm_make(1, 64, 8, &n->engine.shm, &n->shm_fd), 0);
	quiet_init(&n->quiet, 1);
	n->engine.arena = &n->arena;
	n->engine.quiet = &n->quiet;
	n->engine.registry = registry_new(&n->engine, 64);
	assert_non_null(n->engine.registry);
	n->engine.hls = hls_new(&n->engine);
	assert_non_null(n->engine.hls);
	assert_int_equal(core_init(&n->core, &n->engine, 0), 0);
	core_turn(&n->core, n->now_us);
	listeners_init(&n->listeners, 1);
	assert_int_equal(listeners_add(&n->listeners, "rtmp.listen", "127.0.0.1:0",
				       &rtmp_server_ops, text, sizeof(text)),
			 0);
	assert_int_equal(listeners_add(&n->listeners, "http.listen", "127.0.0.1:0",
				       &http_server_ops, text, sizeof(text)),
			 0);
	assert_int_equal(sessions_init(&n->core, at, listeners_take(&n->listeners, 0, at)), 0);
	return n;
}

/* One turn, and a moment for the kernel. */
static inline void node_turn(struct node *n)
{
	core_turn(&n->core, n->now_us);
	n->core.io.wait(n->core.io.net, clock_us() + 500);
}

#define node_until(n, condition)                                                \
	do {                                                                    \
		uint64_t since_ = clock_us();                                   \
		while (!(condition)) {                                          \
			if (clock_us() - since_ > PATIENCE_US)                  \
				fail_msg("waited in vain for: %s", #condition); \
			node_turn(n);                                           \
		}                                                               \
	} while (0)

/* The clock goes on by that much, with a turn at least every 10 ms of it. */
static inline void node_pass_ms(struct node *n, uint64_t ms)
{
	for (uint64_t end_us = n->now_us + ms * 1000; n->now_us < end_us;) {
		n->now_us += 10000;
		core_turn(&n->core, n->now_us);
	}
}

static inline uint64_t node_closes(const struct node *n, enum reason why)
{
	return shm_get(&n->core.ctr->closes[why]);
}

static inline uint64_t node_count(const struct node *n, enum counter which)
{
	return shm_get(&n->core.ctr->ctr[which]);
}

static inline void node_free(struct node *n)
{
	sessions_end(&n->core, REASON_SHUTDOWN);
	for (int i = 0; i < 8; i++)
		core_turn(&n->core, clock_us());
	sessions_fini(&n->core);
	core_fini(&n->core);
	hls_free(n->engine.hls);
	registry_free(n->engine.registry);
	shm_unmake(n->engine.shm);
	close(n->shm_fd);
	arena_fini(&n->arena);
	listeners_fini(&n->listeners);
	free(n);
}

static inline int node_setup(void **state)
{
	*state = node_new();
	return 0;
}

static inline int node_teardown(void **state)
{
	node_free(*state);
	return 0;
}

/* ---- a peer ---- */

struct peer {
	struct node *node;
	int fd;
	bool eof;
	uint8_t *in; /* everything received */
	size_t in_n, in_cap;
	size_t read_n; /* of it, what the test has dealt with */
};

/* which: 0 RTMP, 1 HTTP. */
static inline void peer_open(struct peer *p, struct node *n, unsigned which)
{
	union net_addr *at = &n->listeners.one[which].at;

	*p = (struct peer){.node = n, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	assert_int_equal(connect(p->fd, &at->sa, sizeof(at->in)), 0);
	assert_int_equal(fcntl(p->fd, F_SETFL, O_NONBLOCK), 0);
}

static inline void peer_close(struct peer *p)
{
	close(p->fd);
	free(p->in);
	p->in = NULL;
	p->fd = -1;
}

/* Everything that has arrived; true if there was something new. */
static inline bool peer_take(struct peer *p)
{
	size_t before = p->in_n;
	ssize_t r;

	do {
		if (p->in_cap - p->in_n < 65536) {
			p->in_cap += 262144;
			p->in = realloc(p->in, p->in_cap);
			assert_non_null(p->in);
		}
		r = recv(p->fd, p->in + p->in_n, p->in_cap - p->in_n, 0);
		if (r > 0)
			p->in_n += (size_t)r;
	} while (r > 0);
	if (r == 0 || (r < 0 && errno == ECONNRESET))
		p->eof = true;
	return p->in_n > before || p->eof;
}

static inline void peer_send(struct peer *p, const void *data, size_t n)
{
	const uint8_t *at = data;
	uint64_t since = clock_us();

	while (n) {
		ssize_t r = send(p->fd, at, n, MSG_NOSIGNAL);

		if (r > 0) {
			at += r;
			n -= (size_t)r;
		} else if (errno != EAGAIN) {
			return; /* closed by the server: the test looks at that */
		}
		node_turn(p->node);
		assert_true(clock_us() - since < PATIENCE_US);
	}
}

static inline void peer_until_eof(struct peer *p)
{
	node_until(p->node, (peer_take(p), p->eof));
}

#endif
