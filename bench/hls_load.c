/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HLS players, many of them on one thread: each asks for the playlist and then for its newest segment
 * once a period, on a connection that is kept.
 *
 *   idle --its time comes--> playlist --read--> segment --read--> idle
 *
 * Players are spread evenly over the period. After one period of warming up it says "begin", after
 * --seconds "end" and what was seen in between as one line of JSON. Bodies of segments are counted and
 * thrown away in the kernel, so that the load costs little. A player that is still busy when its time
 * comes is late, and goes on with what it does.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/sock.h"

#define HEAD_MAX 4096
#define EVENTS	 256

enum state { IDLE, PLAYLIST, SEGMENT };

struct player {
	int fd;
	enum state state;
	bool body; /* the head is over */
	size_t n;  /* bytes in text: head, and for playlists the body too */
	uint64_t left;
	char text[HEAD_MAX];
};

static struct {
	struct target at;
	struct player *player;
	unsigned players, period_ms, seconds;
	int epoll;
	/* seen in the window */
	uint64_t bytes, playlists, segments, late;
} load = {.players = 100, .period_ms = 4000, .seconds = 8};

/* ---- a player ---- */

static void ask(struct player *p, enum state state, const char *path)
{
	char request[512];
	int n = snprintf(request, sizeof(request),
			 "GET /%s/%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\n\r\n",
			 load.at.app, path, load.at.host);

	if (send(p->fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		die("cannot send a request: %s", strerror(errno));
	p->state = state;
	p->body = false;
	p->n = 0;
}

static void cycle_begin(struct player *p)
{
	char path[128];

	if (p->state != IDLE) {
		load.late++;
		return;
	}
	snprintf(path, sizeof(path), "%s.m3u8", load.at.name);
	ask(p, PLAYLIST, path);
}

/* The last line of the playlist that is no tag. */
static void segment_ask(struct player *p)
{
	char *line, *save = NULL, *uri = NULL;

	p->text[p->n] = '\0';
	for (line = strtok_r(strstr(p->text, "\r\n\r\n"), "\r\n", &save); line;
	     line = strtok_r(NULL, "\r\n", &save))
		if (*line != '#')
			uri = line;
	if (!uri)
		die("a playlist names no segment");
	load.playlists++;
	ask(p, SEGMENT, uri);
}

static void answer_over(struct player *p)
{
	if (p->state == PLAYLIST) {
		segment_ask(p);
	} else {
		load.segments++;
		p->state = IDLE;
	}
}

/* What has come of an answer's head is in text; true when the head is whole. */
static bool head_take(struct player *p)
{
	char *end, *length;
	size_t head_n;

	p->text[p->n] = '\0';
	end = strstr(p->text, "\r\n\r\n");
	if (!end)
		return false;
	head_n = (size_t)(end + 4 - p->text);
	length = strcasestr(p->text, "\r\nContent-Length:");
	if (strncmp(p->text, "HTTP/1.1 200 ", 13) != 0 || !length || length > end)
		die("an answer is no 200 with a length: %.60s", p->text);
	p->left = strtoull(length + 17, NULL, 10) - (p->n - head_n);
	p->body = true;
	return true;
}

/* Reads what there is; false when there is no more now. */
static bool player_read(struct player *p)
{
	bool keep = !p->body || p->state == PLAYLIST;
	ssize_t r;

	if (p->state == IDLE)
		return false;
	if (keep && p->n >= sizeof(p->text) - 1)
		die("an answer's head, or a playlist, is too long");
	r = keep ? recv(p->fd, p->text + p->n, sizeof(p->text) - 1 - p->n, 0)
		 : recv(p->fd, NULL, p->left, MSG_TRUNC);
	if (r < 0 && errno == EAGAIN)
		return false;
	if (r <= 0)
		die("the server closed a connection: %s", r ? strerror(errno) : "at its end");
	load.bytes += (uint64_t)r;
	if (keep)
		p->n += (size_t)r;
	if (p->body)
		p->left -= (uint64_t)r;
	else if (!head_take(p))
		return true;
	if (!p->left)
		answer_over(p);
	return true;
}

/* ---- all of them ---- */

static void connect_all(void)
{
	load.player = calloc(load.players, sizeof(*load.player));
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!load.player || load.epoll < 0)
		die("no memory for %u players", load.players);
	for (unsigned i = 0; i < load.players; i++) {
		struct epoll_event ev = {.events = EPOLLIN, .data.u32 = i};

		load.player[i].fd = target_connect(&load.at);
		if (fcntl(load.player[i].fd, F_SETFL, O_NONBLOCK) ||
		    epoll_ctl(load.epoll, EPOLL_CTL_ADD, load.player[i].fd, &ev))
			die("cannot watch a connection: %s", strerror(errno));
	}
}

static void play_until(uint64_t *due, uint64_t started_us, uint64_t until_us)
{
	struct epoll_event ev[EVENTS];
	uint64_t now_us;

	while ((now_us = clock_us()) < until_us) {
		int n;

		for (; started_us + *due * load.period_ms * 1000 / load.players <= now_us; (*due)++)
			cycle_begin(&load.player[*due % load.players]);
		n = epoll_wait(load.epoll, ev, EVENTS, 1);
		for (int i = 0; i < n; i++)
			while (player_read(&load.player[ev[i].data.u32]))
				;
	}
}

static void options(int argc, char **argv)
{
	static const struct option known[] = {{"url", required_argument, NULL, 'u'},
					      {"viewers", required_argument, NULL, 'v'},
					      {"period-ms", required_argument, NULL, 'p'},
					      {"seconds", required_argument, NULL, 's'},
					      {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'u')
			load.at = target_parse(optarg);
		else if (c == 'v')
			load.players = (unsigned)option_number("--viewers", optarg, 1000000);
		else if (c == 'p')
			load.period_ms = (unsigned)option_number("--period-ms", optarg, 60000);
		else if (c == 's')
			load.seconds = (unsigned)option_number("--seconds", optarg, 3600);
		else
			die("usage: hls_load --url URL [--viewers N] [--period-ms MS] [--seconds S]");
	}
	if (!*load.at.name)
		die("--url is needed: http://host:port/app/name without .m3u8");
}

int main(int argc, char **argv)
{
	uint64_t due = 0, now_us, begun_us;

	options(argc, argv);
	descriptors_raise(load.players + 16);
	connect_all();
	now_us = clock_us();
	begun_us = now_us + load.period_ms * 1000ull;
	play_until(&due, now_us, begun_us);
	load.bytes = load.playlists = load.segments = load.late = 0;
	puts("begin");
	fflush(stdout);
	play_until(&due, now_us, begun_us + load.seconds * 1000000ull);
	puts("end");
	printf("{\"bytes\": %" PRIu64 ", \"watching\": %u, \"playlists\": %" PRIu64
	       ", \"segments\": %" PRIu64 ", \"late\": %" PRIu64 "}\n",
	       load.bytes, load.players, load.playlists, load.segments, load.late);
	return 0;
}
