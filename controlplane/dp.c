/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/dp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <event2/event.h>

#include "api/counters.h"
#include "api/ctl.h"
#include "api/reasons.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/usock.h"

#define PAUSE_MS    200
#define SILENCE_US  10000000u /* an answer that takes longer: the connection is given up */
#define PER_TURN    64	      /* packets read before other work of the loop has its turn */
#define DP_OPEN_MAX 16384     /* requests without an answer */

struct request {
	TAILQ_ENTRY(request) link;
	uint64_t id, asked_us;
	dp_answer *fn;
	void *arg;
	json_t *parts; /* of a long answer so far */
};

struct packet {
	TAILQ_ENTRY(packet) link;
	size_t n;
	char text[];
};

struct dp {
	struct event_base *base;
	const struct dp_ops *ops;
	void *arg;
	char path[256], trouble[160];
	int fd, shm_fd, pid, cores;
	int came_fd; /* beside the packet that is being read; -1: none */
	char inner_key[65];
	bool up, closing;
	struct event *readable, *writable, *tick, *refused_turn;
	uint64_t last_id;
	TAILQ_HEAD(, request) open, refused;
	TAILQ_HEAD(, packet) out;
	size_t open_n;
	char in[CTL_PACKET_MAX];
};

json_t *dp_error(json_t *answer)
{
	json_t *e = json_object_get(answer, "error");

	return json_is_object(e) ? e : NULL;
}

const char *dp_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

/* ---- connection ---------------------------------------------------------------------------- */

static void end_requests(struct dp *d)
{
	struct request *r;

	while ((r = TAILQ_FIRST(&d->open))) {
		TAILQ_REMOVE(&d->open, r, link);
		d->open_n--;
		r->fn(r->arg, NULL);
		json_decref(r->parts);
		free(r);
	}
}

static void drop_output(struct dp *d)
{
	struct packet *p;

	while ((p = TAILQ_FIRST(&d->out))) {
		TAILQ_REMOVE(&d->out, p, link);
		free(p);
	}
}

static void away(struct dp *d, const char *why)
{
	bool was_up = d->up;

	if (!d->closing && strcmp(d->trouble, why)) {
		char text[200];

		log_warn("dataplane_away", "why=%s", log_q(text, sizeof(text), why));
		snprintf(d->trouble, sizeof(d->trouble), "%s", why);
	}
	d->up = false;
	if (d->readable)
		event_free(d->readable);
	if (d->writable)
		event_free(d->writable);
	d->readable = d->writable = NULL;
	if (d->fd >= 0)
		close(d->fd);
	if (d->shm_fd >= 0)
		close(d->shm_fd);
	d->fd = d->shm_fd = -1;
	drop_output(d);
	end_requests(d);
	if (was_up)
		d->ops->down(d->arg, why);
}

/* ---- out ----------------------------------------------------------------------------------- */

static void flush(struct dp *d)
{
	struct packet *p;

	while ((p = TAILQ_FIRST(&d->out))) {
		ssize_t n = usock_send(d->fd, p->text, p->n, -1);

		if (n == -EAGAIN) {
			event_add(d->writable, NULL);
			return;
		}
		TAILQ_REMOVE(&d->out, p, link);
		free(p);
		/* A broken connection is also readable: it ends there, not inside a request. */
		if (n < 0)
			return;
	}
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	flush(arg);
}

static void on_refused_turn(evutil_socket_t fd, short what, void *arg)
{
	struct dp *d = arg;
	struct request *r;

	while ((r = TAILQ_FIRST(&d->refused))) {
		TAILQ_REMOVE(&d->refused, r, link);
		r->fn(r->arg, NULL);
		free(r);
	}
}

static void enqueue(struct dp *d, const char *verb, json_t *keys, uint64_t id)
{
	struct packet *p;
	char *text;
	size_t n;

	json_object_set_new(keys, "id", json_integer((json_int_t)id));
	json_object_set_new(keys, "verb", json_string(verb));
	text = json_dumps(keys, JSON_COMPACT);
	must(text);
	n = strlen(text);
	p = malloc(sizeof(*p) + n);
	must(p);
	p->n = n;
	memcpy(p->text, text, n);
	free(text);
	TAILQ_INSERT_TAIL(&d->out, p, link);
	flush(d);
}

static uint64_t request(struct dp *d, const char *verb, json_t *keys, dp_answer *fn, void *arg)
{
	struct request *r = calloc(1, sizeof(*r));
	uint64_t id = ++d->last_id;

	must(r);
	if (!keys)
		keys = json_object();
	r->id = id;
	r->fn = fn;
	r->arg = arg;
	r->asked_us = clock_us();
	if (d->fd < 0 || d->open_n >= DP_OPEN_MAX) {
		TAILQ_INSERT_TAIL(&d->refused, r, link);
		event_active(d->refused_turn, 0, 0);
	} else {
		TAILQ_INSERT_TAIL(&d->open, r, link);
		d->open_n++;
		enqueue(d, verb, keys, id);
	}
	json_decref(keys);
	return id;
}

uint64_t dp_request(struct dp *d, const char *verb, json_t *keys, dp_answer *fn, void *arg)
{
	return request(d, verb, keys, fn, arg);
}

int dp_take_fd(struct dp *d)
{
	int fd = d->came_fd;

	d->came_fd = -1;
	return fd;
}

/* ---- in ------------------------------------------------------------------------------------ */

/* Adds the lists of a further part to the first one. */
static void join_parts(json_t *into, json_t *part)
{
	const char *name;
	json_t *value;

	json_object_foreach (part, name, value) {
		json_t *list = json_object_get(into, name);

		if (json_is_array(list) && json_is_array(value))
			json_array_extend(list, value);
		else
			json_object_set(into, name, value);
	}
}

static void take_answer(struct dp *d, json_t *packet)
{
	uint64_t id = (uint64_t)json_integer_value(json_object_get(packet, "id"));
	bool more = json_is_true(json_object_get(packet, "more"));
	struct request *r;

	TAILQ_FOREACH (r, &d->open, link)
		if (r->id == id)
			break;
	if (!r)
		return;
	if (r->parts)
		join_parts(r->parts, packet);
	else
		r->parts = json_incref(packet);
	if (more) {
		r->asked_us = clock_us();
		return;
	}
	TAILQ_REMOVE(&d->open, r, link);
	d->open_n--;
	r->fn(r->arg, r->parts);
	json_decref(r->parts);
	free(r);
}

static void take_packet(struct dp *d, size_t n)
{
	json_t *packet = json_loadb(d->in, n, JSON_REJECT_DUPLICATES, NULL);
	const char *event = json_string_value(json_object_get(packet, "event"));

	if (event)
		d->ops->event(d->arg, event, packet);
	else if (packet)
		take_answer(d, packet);
	else
		away(d, "the data plane sent something that is not JSON");
	json_decref(packet);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct dp *d = arg;

	for (int i = 0; i < PER_TURN && d->fd >= 0; i++) {
		ssize_t n = usock_recv(d->fd, d->in, sizeof(d->in), &d->came_fd);

		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			away(d, n ? strerror((int)-n) : "the data plane closed the connection");
			return;
		}
		take_packet(d, (size_t)n);
		n = dp_take_fd(d);
		if (n >= 0)
			close((int)n); /* nobody wanted it */
	}
}

/* ---- greeting ------------------------------------------------------------------------------ */

static void on_subscribed(void *arg, json_t *answer)
{
	struct dp *d = arg;
	int shm_fd = d->shm_fd;

	if (!answer)
		return;
	if (dp_error(answer) || shm_fd < 0) {
		away(d, shm_fd < 0 ? "the data plane gave no shared memory"
				   : dp_text(dp_error(answer), "message"));
		return;
	}
	d->up = true;
	d->shm_fd = -1;
	d->trouble[0] = 0;
	log_info("dataplane_up", "pid=%d cores=%d", d->pid, d->cores);
	d->ops->up(d->arg, shm_fd);
}

static void on_hello(void *arg, json_t *answer)
{
	struct dp *d = arg;

	if (!answer)
		return;
	if (dp_error(answer)) {
		away(d, dp_text(dp_error(answer), "message"));
		return;
	}
	d->shm_fd = dp_take_fd(d);
	d->pid = (int)json_integer_value(json_object_get(answer, "pid"));
	d->cores = (int)json_integer_value(json_object_get(answer, "cores"));
	snprintf(d->inner_key, sizeof(d->inner_key), "%s", dp_text(answer, "inner_key"));
	request(d, "subscribe", NULL, on_subscribed, d);
}

static void try_connect(struct dp *d)
{
	json_t *keys;

	d->fd = usock_connect(d->path);
	if (d->fd < 0) {
		int rc = d->fd;

		d->fd = -1;
		away(d, rc == -ENOENT || rc == -ECONNREFUSED ? "the data plane is not running"
							     : strerror(-rc));
		return;
	}
	d->readable = event_new(d->base, d->fd, EV_READ | EV_PERSIST, on_readable, d);
	d->writable = event_new(d->base, d->fd, EV_WRITE, on_writable, d);
	must(d->readable && d->writable);
	event_add(d->readable, NULL);
	keys = json_pack("{si si si}", "version", CTL_VERSION, "reasons", (int)REASON_MAX,
			 "counters", (int)CTR_MAX);
	request(d, "hello", keys, on_hello, d);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct dp *d = arg;
	struct request *oldest = TAILQ_FIRST(&d->open);

	if (d->fd < 0)
		try_connect(d);
	else if (oldest && clock_us() - oldest->asked_us > SILENCE_US)
		away(d, "the data plane does not answer");
}

/* ---- life ---------------------------------------------------------------------------------- */

struct dp *dp_new(struct event_base *base, const char *path, const struct dp_ops *ops, void *arg)
{
	struct dp *d = calloc(1, sizeof(*d));
	struct timeval tv = {0, PAUSE_MS * 1000};

	must(d);
	d->base = base;
	d->ops = ops;
	d->arg = arg;
	d->fd = d->shm_fd = d->came_fd = -1;
	snprintf(d->path, sizeof(d->path), "%s", path);
	TAILQ_INIT(&d->open);
	TAILQ_INIT(&d->refused);
	TAILQ_INIT(&d->out);
	d->tick = event_new(base, -1, EV_PERSIST, on_tick, d);
	d->refused_turn = evtimer_new(base, on_refused_turn, d);
	must(d->tick && d->refused_turn);
	event_add(d->tick, &tv);
	event_active(d->tick, 0, 0);
	return d;
}

void dp_free(struct dp *d)
{
	if (!d)
		return;
	event_free(d->tick);
	d->closing = true;
	d->up = false;
	away(d, "stopping");
	on_refused_turn(-1, 0, d);
	event_free(d->refused_turn);
	free(d);
}

bool dp_up(const struct dp *d)
{
	return d->up;
}

int dp_pid(const struct dp *d)
{
	return d->pid;
}

int dp_cores(const struct dp *d)
{
	return d->cores;
}

const char *dp_inner_key(const struct dp *d)
{
	return d->inner_key;
}

const char *dp_trouble(const struct dp *d)
{
	return d->trouble;
}
