/* SPDX-License-Identifier: Apache-2.0 */
#include "session/control.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/usock.h"
#include "core/shm.h"
#include "session/ctl_verbs.h"
#include "session/event_queue.h"
#include "session/events.h"
#include "session/handover.h"
#include "session/hls_channel.h"
#include "session/relay.h"

#define CLIENTS_MAX   64u
#define SETTLE_US     5000000u
#define SETTLE_ROUNDS 3u  /* a stream may be held for a while after its session has ended */
#define TICK_MS	      250 /* deadlines of queries, the heartbeat */
#define EVENTS_MAX    256 /* taken per turn, so that requests are not kept waiting */

/* What an epoll event is about: a client's place, or one of these. */
enum { ON_LISTENER = CLIENTS_MAX, ON_EVENTS, ON_RING, ON_HLS };

TAILQ_HEAD(query_list, ctl_query);

/* Touched by the control thread only, between control_start() and control_stop(). */
static struct {
	struct ctl_context x;
	pthread_t thread;
	int epoll, listener, ring; /* ring: a query is back, or stop */
	uint32_t serial;
	struct ctl_client client[CLIENTS_MAX];
	struct query_list queries;
	void (*tick)(void *arg);
	void *tick_arg;
	char path[108], conf_path[1024];
	_Atomic bool stop;
	bool started;
} ctl = {.ring = -1, .queries = TAILQ_HEAD_INITIALIZER(ctl.queries)};

static uint8_t packet[CTL_PACKET_MAX];

/* ---- clients --------------------------------------------------------------------------------- */

static int watch(int op, int fd, unsigned on, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.u32 = on};

	return epoll_ctl(ctl.epoll, op, fd, &ev) ? -errno : 0;
}

static void client_drop(unsigned i)
{
	log_debug("control_client_end", "client=%u", i);
	ctl_client_close(&ctl.client[i]);
}

/* After anything was done for it: drops a broken one, listens for what it may do next. */
static void client_settle(unsigned i)
{
	struct ctl_client *c = &ctl.client[i];

	if (c->broken) {
		client_drop(i);
		return;
	}
	watch(EPOLL_CTL_MOD, c->fd, i,
	      (ctl_client_ready(c) ? EPOLLIN : 0) | (c->queued_n ? EPOLLOUT : 0));
}

static void client_accept(void)
{
	int fd = usock_accept(ctl.listener);
	unsigned i = 0;

	if (fd < 0)
		return;
	while (i < CLIENTS_MAX && ctl.client[i].fd >= 0)
		i++;
	if (i == CLIENTS_MAX || watch(EPOLL_CTL_ADD, fd, i, EPOLLIN)) {
		log_warn("control_refused", "clients=%u", CLIENTS_MAX);
		close(fd);
		return;
	}
	ctl_client_open(&ctl.client[i], fd, ++ctl.serial);
	log_debug("control_client", "client=%u", i);
}

static void request_run(unsigned i, const struct ctl_request *r)
{
	struct ctl_client *c = &ctl.client[i];
	struct core **cores = ctl.x.engine->cores;
	int core = -1;
	struct ctl_query *q = ctl_verb_run(&ctl.x, c, r, &core);

	if (!q)
		return;
	q->id = json_incref(r->id);
	q->client = i;
	q->client_serial = c->serial;
	c->asked++;
	TAILQ_INSERT_TAIL(&ctl.queries, q, link);
	ctl_query_send(q, core < 0 ? cores : cores + core, ctl.ring);
}

/* One packet per turn and client, so that none of them can keep the others waiting. */
static void client_read(unsigned i)
{
	struct ctl_client *c = &ctl.client[i];
	struct ctl_request r;
	struct ctl_error e;
	int got_fd = -1;
	ssize_t n = usock_recv(c->fd, packet, sizeof(packet), &got_fd);

	if (got_fd >= 0)
		close(got_fd);
	if (n == -EAGAIN)
		return;
	if (n == -EMSGSIZE) {
		ctl_error_set(&e, "bad_request", "", "longer than %d bytes", CTL_PACKET_MAX);
		ctl_client_refuse(c, NULL, &e);
		return;
	}
	if (n <= 0) {
		c->broken = true;
		return;
	}
	if (ctl_request_parse(&r, packet, (size_t)n, &e))
		ctl_client_refuse(c, r.id, &e);
	else
		request_run(i, &r);
	ctl_request_fini(&r);
}

/* The path is another process's now: only the client that said so stays. */
static void give_path_up(unsigned successor)
{
	close(ctl.listener);
	ctl.listener = -1;
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		if (i != successor && ctl.client[i].fd >= 0)
			client_drop(i);
}

static void client_event(unsigned i, uint32_t events)
{
	struct ctl_client *c = &ctl.client[i];

	if (c->fd < 0)
		return;
	if (events & EPOLLOUT)
		ctl_client_flush(c);
	if (events & EPOLLIN)
		client_read(i);
	else if (events & (EPOLLERR | EPOLLHUP))
		c->broken = true;
	client_settle(i);
	if (handover_retired() && ctl.listener >= 0)
		give_path_up(i);
}

/* ---- queries that come back, or do not ------------------------------------------------------- */

static void query_answer(struct ctl_query *q, bool late)
{
	struct ctl_client *c = &ctl.client[q->client];
	struct ctl_error e;

	q->answered = true;
	if (c->fd < 0 || c->serial != q->client_serial)
		return;
	c->asked--;
	if (late) {
		ctl_error_set(&e, "unavailable", "", "a core did not answer in time");
		ctl_client_refuse(c, q->id, &e);
	} else {
		q->ops->answer(q, c);
	}
	client_settle(q->client);
}

static void queries_check(void)
{
	uint64_t now = clock_us();
	struct ctl_query *q, *next;

	for (q = TAILQ_FIRST(&ctl.queries); q; q = next) {
		bool back = ctl_query_back(q);

		next = TAILQ_NEXT(q, link);
		if (!q->answered && (back || now >= q->deadline_us))
			query_answer(q, !back);
		if (!back)
			continue;
		TAILQ_REMOVE(&ctl.queries, q, link);
		ctl_query_free(q);
	}
}

/* ---- events ---------------------------------------------------------------------------------- */

static void events_send(void)
{
	struct event e;
	uint64_t lost;

	event_queue_heard();
	for (int n = 0; event_take(&e); n++) {
		json_t *event = event_json(&e);

		for (unsigned i = 0; event && i < CLIENTS_MAX; i++)
			if (ctl.client[i].fd >= 0 && ctl.client[i].subscribed)
				ctl_client_event(&ctl.client[i], event);
		json_decref(event);
		free(e.more);
	}
	lost = event_queue_lost();
	for (unsigned i = 0; i < CLIENTS_MAX; i++) {
		if (ctl.client[i].fd < 0 || !ctl.client[i].subscribed)
			continue;
		if (lost)
			ctl_client_lost(&ctl.client[i], lost);
		client_settle(i);
	}
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void serve(const struct epoll_event *ev)
{
	uint64_t n;

	switch (ev->data.u32) {
	case ON_LISTENER:
		client_accept();
		break;
	case ON_EVENTS:
		events_send();
		break;
	case ON_RING:
		/* It only wakes: queries_check() looks at all of them. */
		while (read(ctl.ring, &n, sizeof(n)) > 0)
			;
		break;
	case ON_HLS:
		hls_channels_serve();
		break;
	default:
		client_event(ev->data.u32, ev->events);
	}
}

static uint64_t sessions_changed(const struct engine *e)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < e->cores_n; i++) {
		const struct shm_core *c = shm_core_of(e->shm, i);

		n += shm_get(&c->ctr[CTR_ACCEPTS]);
		for (unsigned why = 0; why < REASON_MAX; why++)
			n += shm_get(&c->closes[why]);
	}
	return n;
}

/*
 * What handshakes, ended sessions and streams left in the heap goes back to the system: the heap keeps
 * it by itself, and a node that was busy once would look so for ever.
 */
static void memory_settle(const struct engine *e, uint64_t now_us)
{
	static uint64_t due_us, seen;
	static unsigned rounds;
	uint64_t changed;

	if (now_us < due_us)
		return;
	due_us = now_us + SETTLE_US;
	changed = sessions_changed(e);
	if (changed != seen)
		rounds = SETTLE_ROUNDS;
	seen = changed;
	if (!rounds)
		return;
	rounds--;
	arena_settle(e->arena);
	malloc_trim(0);
}

static void *control_run(void *arg)
{
	struct epoll_event ev[CLIENTS_MAX];

	pthread_setname_np(pthread_self(), "dp-control");
	while (!atomic_load(&ctl.stop)) {
		int n = epoll_wait(ctl.epoll, ev, CLIENTS_MAX, TICK_MS);

		shm_set(&ctl.x.engine->shm->beat_us, clock_us());
		for (int i = 0; i < n; i++)
			serve(&ev[i]);
		queries_check();
		if (ctl.tick)
			ctl.tick(ctl.tick_arg);
		hls_channels_tick(clock_us());
		handover_tick(clock_us());
		memory_settle(ctl.x.engine, clock_us());
	}
	return NULL;
}

static int open_all(const char *path, bool replace)
{
	int r = event_queue_open();

	if (r)
		return r;
	ctl.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (ctl.ring < 0)
		ctl.ring = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ctl.epoll < 0 || ctl.ring < 0)
		return -errno;
	ctl.listener = replace ? usock_replace(path) : usock_listen(path);
	if (ctl.listener < 0)
		return ctl.listener;
	r = watch(EPOLL_CTL_ADD, ctl.listener, ON_LISTENER, EPOLLIN);
	if (!r)
		r = watch(EPOLL_CTL_ADD, ctl.ring, ON_RING, EPOLLIN);
	if (!r)
		r = watch(EPOLL_CTL_ADD, event_queue_fd(), ON_EVENTS, EPOLLIN);
	if (!r)
		r = hls_channels_start(ctl.x.engine);
	if (!r)
		r = watch(EPOLL_CTL_ADD, hls_channels_fd(), ON_HLS, EPOLLIN);
	return r;
}

/* All but the ring: a core that answers late may still be about to write to it. */
static void close_all(void)
{
	hls_channels_stop();
	event_queue_close();
	if (ctl.listener >= 0) {
		close(ctl.listener);
		unlink(ctl.path);
	}
	if (ctl.epoll >= 0)
		close(ctl.epoll);
	ctl.listener = ctl.epoll = -1;
}

int control_start(struct engine *e, const char *path, int shm_fd, const char *conf_path,
		  bool replace)
{
	int r;

	must(!ctl.started);
	ctl.x = (struct ctl_context){.engine = e, .shm_fd = shm_fd};
	if (conf_path) {
		snprintf(ctl.conf_path, sizeof(ctl.conf_path), "%s", conf_path);
		ctl.x.conf_path = ctl.conf_path;
	}
	snprintf(ctl.path, sizeof(ctl.path), "%s", path);
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		ctl.client[i].fd = -1;
	ctl.listener = ctl.epoll = -1;
	atomic_store(&ctl.stop, false);
	shm_set(&e->shm->beat_us, clock_us());
	r = open_all(path, replace);
	if (!r)
		r = -pthread_create(&ctl.thread, NULL, control_run, NULL);
	if (r)
		close_all();
	ctl.started = !r;
	return r;
}

void control_each_tick(void (*tick)(void *arg), void *arg)
{
	ctl.tick = tick;
	ctl.tick_arg = arg;
}

void control_stop(void)
{
	const uint64_t one = 1;
	struct ctl_query *q, *next;

	if (!ctl.started)
		return;
	atomic_store(&ctl.stop, true);
	if (write(ctl.ring, &one, sizeof(one)) < 0)
		log_warn("control_stop", "error=%s", strerror(errno));
	pthread_join(ctl.thread, NULL);
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		if (ctl.client[i].fd >= 0)
			client_drop(i);
	/* What a core still works on stays in the list: the memory is its. */
	for (q = TAILQ_FIRST(&ctl.queries); q; q = next) {
		next = TAILQ_NEXT(q, link);
		q->answered = true;
		if (!ctl_query_back(q))
			continue;
		TAILQ_REMOVE(&ctl.queries, q, link);
		ctl_query_free(q);
	}
	close_all();
	ctl.started = false;
}
