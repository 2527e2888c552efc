/* SPDX-License-Identifier: Apache-2.0 */
/*
 * getaddrinfo() cannot be interrupted, and may take many seconds. So a stop does not wait for it: it
 * answers the question itself and leaves the thread behind, which then finds that its generation is
 * over and ends without touching anything but this file's state.
 */
#include "net/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#define QUEUE_MAX   1024
#define STACK_BYTES (512u << 10)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static struct net_resolve *head, **tail = &head;
static unsigned queued, workers;
static uint64_t generation = 1;
static struct worker {
	pthread_t thread;
	struct net_resolve *busy;
} worker[NET_RESOLVE_THREADS];

static void fail(struct net_resolve *r, enum reason why)
{
	r->n = 0;
	r->why = why;
	r->done(r);
}

static void add(struct net_resolve *r, const struct sockaddr *sa)
{
	union net_addr *a = &r->addr[r->n];

	if (r->n == NET_RESOLVE_MAX || (sa->sa_family != AF_INET && sa->sa_family != AF_INET6))
		return;
	memset(a, 0, sizeof(*a));
	if (sa->sa_family == AF_INET) {
		memcpy(&a->in, sa, sizeof(a->in));
		a->in.sin_port = htons(r->port);
	} else {
		memcpy(&a->in6, sa, sizeof(a->in6));
		a->in6.sin6_port = htons(r->port);
	}
	r->n++;
}

/* ---- without asking anybody ---- */

static bool known(struct net_resolve *r)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	bool local = !strcmp(r->host, "localhost");

	if (local || inet_pton(AF_INET, r->host, &in.sin_addr) == 1) {
		if (local)
			in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		add(r, (struct sockaddr *)&in);
	}
	if (local || inet_pton(AF_INET6, r->host, &in6.sin6_addr) == 1) {
		if (local)
			in6.sin6_addr = in6addr_loopback;
		add(r, (struct sockaddr *)&in6);
	}
	return r->n > 0;
}

/* ---- threads ---- */

static struct net_resolve *next_question(struct worker *w, uint64_t mine)
{
	struct net_resolve *r = NULL;

	pthread_mutex_lock(&lock);
	while (generation == mine && !head)
		pthread_cond_wait(&more, &lock);
	if (generation == mine) {
		r = head;
		head = r->next;
		if (!head)
			tail = &head;
		queued--;
		w->busy = r;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

/* False: the resolver was stopped, which answered in our place. */
static bool take_answer(struct worker *w, uint64_t mine)
{
	bool ours;

	pthread_mutex_lock(&lock);
	ours = generation == mine;
	if (ours)
		w->busy = NULL;
	pthread_mutex_unlock(&lock);
	return ours;
}

/* arg: the generation and the worker's number in one, so that nothing need outlive the call. */
static void *run(void *arg)
{
	const uint64_t mine = (uintptr_t)arg / NET_RESOLVE_THREADS;
	struct worker *w = &worker[(uintptr_t)arg % NET_RESOLVE_THREADS];
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct net_resolve *r;

	while ((r = next_question(w, mine))) {
		struct addrinfo *list = NULL;
		char host[sizeof(r->host)];
		int rc;

		memcpy(host, r->host, sizeof(host));
		rc = getaddrinfo(host, NULL, &hints, &list);
		if (take_answer(w, mine)) {
			for (struct addrinfo *a = list; !rc && a; a = a->ai_next)
				add(r, a->ai_addr);
			if (r->n)
				r->done(r);
			else
				fail(r, REASON_DNS_FAILED);
		} else {
			r = NULL;
		}
		if (!rc)
			freeaddrinfo(list);
		if (!r)
			break;
	}
	return NULL;
}

/* ---- net.h ---- */

static int spawn(unsigned i)
{
	void *arg = (void *)(uintptr_t)(generation * NET_RESOLVE_THREADS + i);
	pthread_attr_t attr;
	sigset_t all, before;
	int rc;

	worker[i].busy = NULL;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	/* Signals are for the threads that expect them. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = pthread_create(&worker[i].thread, &attr, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return -rc;
}

int net_resolver_start(unsigned threads)
{
	int rc = 0;

	pthread_mutex_lock(&lock);
	while (!rc && workers < threads && workers < NET_RESOLVE_THREADS) {
		rc = spawn(workers);
		if (!rc)
			workers++;
	}
	pthread_mutex_unlock(&lock);
	if (rc)
		net_resolver_stop();
	return rc;
}

void net_resolver_stop(void)
{
	struct net_resolve *waiting, *asked[NET_RESOLVE_THREADS] = {0}, *r;
	pthread_t thread[NET_RESOLVE_THREADS];
	unsigned n;

	pthread_mutex_lock(&lock);
	generation++;
	waiting = head;
	head = NULL;
	tail = &head;
	queued = 0;
	n = workers;
	workers = 0;
	for (unsigned i = 0; i < n; i++) {
		thread[i] = worker[i].thread;
		asked[i] = worker[i].busy;
	}
	pthread_cond_broadcast(&more);
	pthread_mutex_unlock(&lock);
	for (unsigned i = 0; i < n; i++) {
		if (asked[i]) {
			pthread_detach(thread[i]);
			fail(asked[i], REASON_CONNECT_TIMEOUT);
		} else {
			pthread_join(thread[i], NULL);
		}
	}
	while ((r = waiting)) {
		waiting = r->next;
		fail(r, REASON_CONNECT_TIMEOUT);
	}
}

void net_resolve(struct net_resolve *r)
{
	bool room;

	r->n = 0;
	r->why = REASON_NONE;
	r->next = NULL;
	if (known(r)) {
		r->done(r);
		return;
	}
	pthread_mutex_lock(&lock);
	room = workers > 0 && queued < QUEUE_MAX;
	if (room) {
		*tail = r;
		tail = &r->next;
		queued++;
		pthread_cond_signal(&more);
	}
	pthread_mutex_unlock(&lock);
	if (!room)
		fail(r, REASON_CONNECT_TIMEOUT);
}
