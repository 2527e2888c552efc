/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/package_pool.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/process.h"
#include "controlplane/reach.h"

#define EMPTY_US 30000000 /* a worker without streams ends after this */
#define LEAVE_US 5000000  /* and is killed where it does not */

struct pool_worker {
	LIST_ENTRY(pool_worker) link;
	struct pool *pool;
	struct process *process; /* NULL: opening */
	json_t *waiting;	 /* packets, while opening */
	size_t streams;
	bool alone, leaving, closed; /* closed: its owner does not want to hear of it */
	uint64_t since_us;	     /* without streams, or leaving */
};

struct pool {
	struct event_base *base;
	struct dp *dp;
	const struct config *conf;
	const struct pool_ops *ops;
	void *arg;
	char program[1100];
	LIST_HEAD(, pool_worker) all;
	uint64_t lost;
};

static void worker_free(struct pool_worker *w)
{
	LIST_REMOVE(w, link);
	json_decref(w->waiting);
	free(w);
}

/* ---- processes ----------------------------------------------------------------------------------- */

static void on_said(void *arg, const json_t *packet)
{
	struct pool_worker *w = arg;

	if (!w->closed)
		w->pool->ops->said(w->pool->arg, w, packet);
}

static void on_gone(void *arg, int status)
{
	struct pool_worker *w = arg;

	w->process = NULL;
	if (!w->leaving) {
		log_warn("worker_lost", "job=package signal=%d status=%d streams=%zu",
			 WIFSIGNALED(status) ? WTERMSIG(status) : 0,
			 WIFEXITED(status) ? WEXITSTATUS(status) : 0, w->streams);
		w->pool->lost++;
	}
	if (!w->closed)
		w->pool->ops->gone(w->pool->arg, w);
	worker_free(w);
}

static const struct process_ops process_ops = {on_said, on_gone};

static json_t *first_packet(const struct config *conf)
{
	char at[300], play[320];

	reach(at, sizeof(at), conf->http_listen);
	snprintf(play, sizeof(play), "http://%s", at);
	return json_pack("{ss ss ss sI ss ss ss sb}", "kind", "package", "play", play, "folder",
			 conf->hls_folder, "retain_ms", (json_int_t)conf->hls_folder_retain, "log",
			 conf->log_level, "deny", "", "ca", "", "verify", 1);
}

static void launch(struct pool_worker *w, int channel)
{
	json_t *first = first_packet(w->pool->conf), *packet;
	size_t i;
	int error;

	must(first);
	w->process = process_start(w->pool->base, w->pool->program, &process_ops, w, &error);
	if (!w->process) {
		log_error("worker_start", "job=package program=%s why=\"%s\"", w->pool->program,
			  strerror(-error));
		json_decref(first);
		return;
	}
	process_tell(w->process, first, channel);
	json_array_foreach (w->waiting, i, packet)
		process_tell(w->process, packet, -1);
	json_array_clear(w->waiting);
	json_decref(first);
	log_info("worker", "job=package pid=%d", (int)process_pid(w->process));
}

static void on_channel(void *arg, json_t *answer)
{
	struct pool_worker *w = arg;
	int fd = answer ? dp_take_fd(w->pool->dp) : -1;

	if (fd >= 0 && !w->closed)
		launch(w, fd);
	else if (answer)
		log_warn("hls_channel", "why=\"%s\"", dp_text(dp_error(answer), "message"));
	if (fd >= 0)
		close(fd);
	if (w->process)
		return;
	if (!w->closed)
		w->pool->ops->gone(w->pool->arg, w);
	worker_free(w);
}

/* ---- places -------------------------------------------------------------------------------------- */

static struct pool_worker *worker_new(struct pool *p, bool alone)
{
	struct pool_worker *w = calloc(1, sizeof(*w));

	must(w);
	w->pool = p;
	w->alone = alone;
	w->waiting = json_array();
	must(w->waiting);
	LIST_INSERT_HEAD(&p->all, w, link);
	dp_request(p->dp, "hls.channel", NULL, on_channel, w);
	return w;
}

struct pool_worker *pool_place(struct pool *p, bool alone)
{
	struct pool_worker *w, *best = NULL;

	LIST_FOREACH (w, &p->all, link)
		if (!alone && !w->alone && !w->leaving &&
		    (int64_t)w->streams < p->conf->hls_streams_per_worker &&
		    (!best || w->streams < best->streams))
			best = w;
	if (!best)
		best = worker_new(p, alone);
	best->streams++;
	return best;
}

void pool_leave(struct pool_worker *w)
{
	w->streams--;
	w->since_us = clock_us();
}

void pool_tell(struct pool_worker *w, json_t *packet)
{
	must(packet);
	if (w->process)
		process_tell(w->process, packet, -1);
	else
		json_array_append(w->waiting, packet);
	json_decref(packet);
}

static void dismiss(struct pool_worker *w)
{
	w->leaving = true;
	w->since_us = clock_us();
	process_signal(w->process, SIGTERM);
}

void pool_tick(struct pool *p)
{
	struct pool_worker *w;
	uint64_t now = clock_us();

	LIST_FOREACH (w, &p->all, link) {
		if (!w->process)
			continue;
		if (w->leaving && now - w->since_us > LEAVE_US)
			process_signal(w->process, SIGKILL);
		else if (!w->leaving && !w->streams && (w->alone || now - w->since_us > EMPTY_US))
			dismiss(w);
	}
}

void pool_close(struct pool *p)
{
	struct pool_worker *w;

	LIST_FOREACH (w, &p->all, link) {
		w->closed = true;
		if (w->process && !w->leaving)
			dismiss(w);
	}
}

struct pool_count pool_count(const struct pool *p)
{
	struct pool_count n = {0, p->lost};
	const struct pool_worker *w;

	LIST_FOREACH (w, &p->all, link)
		n.workers += w->process && !w->leaving;
	return n;
}

int pool_pid(const struct pool_worker *w)
{
	return w->process ? (int)process_pid(w->process) : 0;
}

/* ---- life ---------------------------------------------------------------------------------------- */

struct pool *pool_new(struct event_base *base, struct dp *dp, const struct config *conf,
		      const char *program, const struct pool_ops *ops, void *arg)
{
	struct pool *p = calloc(1, sizeof(*p));

	must(p);
	p->base = base;
	p->dp = dp;
	p->conf = conf;
	p->ops = ops;
	p->arg = arg;
	snprintf(p->program, sizeof(p->program), "%s", program);
	LIST_INIT(&p->all);
	return p;
}

void pool_free(struct pool *p)
{
	struct pool_worker *w;

	if (!p)
		return;
	while ((w = LIST_FIRST(&p->all))) {
		if (w->process)
			process_free(w->process);
		worker_free(w);
	}
	free(p);
}
