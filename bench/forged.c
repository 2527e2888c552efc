/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that must be refused: HTTP-FLV by URLs whose signatures are made up, each on a connection and
 * from an address (127.0.0.0/8) of its own, as many a second as asked for or as both sides manage.
 *
 *   forged --url http://127.0.0.1:8080/live/name --host play.bench.test --rate 20000
 *
 * Ends on SIGTERM with one line of JSON: how many were answered, and with what.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "bench/sock.h"

#define OPEN_MAX 256 /* at a time */

struct request {
	int fd; /* -1: none */
	bool asked;
};

static struct {
	struct target target;
	const char *host;
	unsigned rate;
	int epoll;
	struct request request[OPEN_MAX];
	unsigned open;
	uint64_t begun, refused, served, failed; /* served: with anything but 403 */
} all = {.host = "play.bench.test", .rate = 20000};

static volatile sig_atomic_t over;

static void on_term(int number)
{
	over = 1;
}

/* xorshift: no two URLs are the same. */
static uint64_t random_next(void)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/* By a reset, so that neither side keeps the connection's addresses for a minute. */
static void end(struct request *r)
{
	struct linger now = {1, 0};

	setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(r->fd);
	r->fd = -1;
	all.open--;
}

static void begin(struct request *r)
{
	struct sockaddr_in from = {.sin_family = AF_INET};
	struct epoll_event e = {EPOLLIN | EPOLLOUT | EPOLLET, {.ptr = r}};

	from.sin_addr.s_addr = htonl(0x7f010000u | (uint32_t)(random_next() & 0xffff));
	r->asked = false;
	r->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r->fd < 0)
		die("socket: %s", strerror(errno));
	all.open++;
	all.begun++;
	if (bind(r->fd, (struct sockaddr *)&from, sizeof(from)) ||
	    (connect(r->fd, (struct sockaddr *)&all.target.to, sizeof(all.target.to)) &&
	     errno != EINPROGRESS) ||
	    epoll_ctl(all.epoll, EPOLL_CTL_ADD, r->fd, &e)) {
		all.failed++;
		end(r);
	}
}

static bool ask(struct request *r)
{
	char text[400];
	int n = snprintf(
		text, sizeof(text),
		"GET /%s/%s%u.flv?auth_key=%u-%x-0-%016lx%016lx HTTP/1.1\r\nHost: %s\r\n\r\n",
		all.target.app, all.target.name, (unsigned)(random_next() % 1000000), 4000000000u,
		(unsigned)random_next(), (unsigned long)random_next(), (unsigned long)random_next(),
		all.host);

	r->asked = true;
	return send(r->fd, text, (size_t)n, MSG_NOSIGNAL) == n;
}

static void go_on(struct request *r, uint32_t events)
{
	char text[512];
	ssize_t n;

	if (!r->asked && (events & EPOLLOUT) && !(events & EPOLLERR) && ask(r))
		return;
	n = r->asked ? recv(r->fd, text, sizeof(text), 0) : -1;
	if (n < 0 && errno == EAGAIN && !(events & EPOLLERR))
		return;
	if (n > 12 && !memcmp(text + 9, "403", 3))
		all.refused++;
	else if (n > 0)
		all.served++;
	else
		all.failed++;
	end(r);
}

static void options(int argc, char **argv)
{
	static const struct option known[] = {
		{"url", 1, 0, 'u'}, {"host", 1, 0, 'h'}, {"rate", 1, 0, 'r'}, {0}};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'u')
			all.target = target_parse(optarg);
		else if (c == 'h')
			all.host = optarg;
		else if (c == 'r')
			all.rate = (unsigned)option_number("rate", optarg, 10000000);
		else
			exit(2);
	}
	if (!all.target.name[0] || !all.rate)
		die("forged: --url is needed, and a rate");
}

int main(int argc, char **argv)
{
	struct epoll_event events[OPEN_MAX];
	uint64_t from_us;
	double seconds;

	options(argc, argv);
	signal(SIGTERM, on_term);
	all.epoll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < OPEN_MAX; i++)
		all.request[i].fd = -1;
	from_us = clock_us();
	while (!over) {
		uint64_t due = (clock_us() - from_us) * all.rate / 1000000;
		int n;

		for (unsigned i = 0; i < OPEN_MAX && all.begun < due; i++)
			if (all.request[i].fd < 0)
				begin(&all.request[i]);
		n = epoll_wait(all.epoll, events, OPEN_MAX, 1);
		for (int i = 0; i < n; i++)
			go_on(events[i].data.ptr, events[i].events);
	}
	seconds = (double)(clock_us() - from_us) / 1e6;
	printf("{\"seconds\": %.2f, \"refused\": %lu, \"served\": %lu, \"failed\": %lu}\n", seconds,
	       (unsigned long)all.refused, (unsigned long)all.served, (unsigned long)all.failed);
	return 0;
}
