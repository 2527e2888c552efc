/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   bench/wan A B [--delay-us 10000] [--rate-mbit 100] [--queue-bytes 250000] [--loss-ppm 0]
 *            [--loss-back-ppm 0] [--seed 1]
 *
 * A long and narrow path between two Ethernet interfaces, for kernels without netem: frames that come
 * in at one leave at the other after a queue of this rate and length, and a delay. A part is lost, by a
 * seed, so that two senders meet the same losses: --loss-ppm of those from A to B, --loss-back-ppm of the others. Ends by SIGTERM and says then
 * what it carried.
 *
 * Offloads of both interfaces and of their peers must be off: what is carried are finished frames.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/clock.h"
#include "bench/sock.h"

#define FRAMES	    8192u /* on the way, in each direction; a power of two */
#define FRAME_BYTES 2048u
#define BURST	    64u
#define MILLION	    1000000u

struct frame {
	uint64_t due_us;
	uint32_t n;
	uint8_t p[FRAME_BYTES];
};

struct lane {
	int in, out;
	uint32_t loss_ppm;
	uint64_t random, free_us; /* free_us: when the rate has served what is queued */
	uint32_t from, to;
	uint64_t carried, lost, overflowed;
	struct frame *frame;
};

static struct {
	uint64_t delay_us, rate, queue_bytes; /* rate: bytes a second; 0: any */
} path = {10000, 100 * MILLION / 8, 250000};

static volatile sig_atomic_t ended;

static void on_end(int sig)
{
	ended = 1;
}

static int open_interface(const char *name)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(name),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1,
	    room = 8 << 20;

	if (fd < 0 || !at.sll_ifindex ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die("wan: %s: %s", name, strerror(errno));
	return fd;
}

static bool is_lost(struct lane *l)
{
	l->random = l->random * 6364136223846793005u + 1442695040888963407u;
	return (l->random >> 33) % MILLION < l->loss_ppm;
}

/* The frame is in the next free place already. */
static void enqueue(struct lane *l, uint32_t n, uint64_t now_us)
{
	uint64_t begin = max_of(l->free_us, now_us);

	if (is_lost(l)) {
		l->lost++;
		return;
	}
	if (path.rate && (begin - now_us) * path.rate / MILLION > path.queue_bytes) {
		l->overflowed++;
		return;
	}
	l->free_us = path.rate ? begin + (uint64_t)n * MILLION / path.rate : begin;
	l->frame[l->to % FRAMES].n = n;
	l->frame[l->to++ % FRAMES].due_us = l->free_us + path.delay_us;
}

static void take_in(struct lane *l)
{
	for (unsigned i = 0; i < BURST && l->to - l->from < FRAMES; i++) {
		ssize_t n = recv(l->in, l->frame[l->to % FRAMES].p, FRAME_BYTES, 0);

		if (n <= 0)
			break;
		enqueue(l, (uint32_t)n, clock_us());
	}
}

/* What is due leaves; how long the next one has time, UINT64_MAX: there is none. */
static uint64_t let_out(struct lane *l)
{
	for (; l->from != l->to; l->from++) {
		const struct frame *f = &l->frame[l->from % FRAMES];
		uint64_t now_us = clock_us();

		if (f->due_us > now_us)
			return f->due_us - now_us;
		if (send(l->out, f->p, f->n, 0) < 0 && errno == EAGAIN)
			return 50;
		l->carried++;
	}
	return UINT64_MAX;
}

static void run(struct lane *lane)
{
	struct pollfd in[2] = {{.fd = lane[0].in, .events = POLLIN},
			       {.fd = lane[1].in, .events = POLLIN}};

	while (!ended) {
		uint64_t wait_us = UINT64_MAX;
		struct timespec t;

		for (int i = 0; i < 2; i++) {
			take_in(&lane[i]);
			wait_us = min_of(wait_us, let_out(&lane[i]));
		}
		wait_us = min_of(wait_us, (uint64_t)MILLION);
		t = (struct timespec){(time_t)(wait_us / MILLION),
				      (long)(wait_us % MILLION * 1000)};
		ppoll(in, 2, &t, NULL);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"delay-us", 1, NULL, 'd'},
		{"rate-mbit", 1, NULL, 'r'},
		{"queue-bytes", 1, NULL, 'q'},
		{"loss-ppm", 1, NULL, 'l'},
		{"seed", 1, NULL, 's'},
		{"loss-back-ppm", 1, NULL, 'b'},
		{NULL, 0, NULL, 0},
	};
	struct lane lane[2] = {{.random = 1}, {.random = 1}};
	int a, b, c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			path.delay_us = option_number("wan", optarg, MILLION);
			break;
		case 'r':
			path.rate = option_number("wan", optarg, MILLION) * MILLION / 8;
			break;
		case 'q':
			path.queue_bytes = option_number("wan", optarg, 100 * MILLION);
			break;
		case 'l':
			lane[0].loss_ppm = (uint32_t)option_number("wan", optarg, MILLION);
			break;
		case 'b':
			lane[1].loss_ppm = (uint32_t)option_number("wan", optarg, MILLION);
			break;
		case 's':
			lane[0].random = option_number("wan", optarg, MILLION);
			break;
		default:
			return 2;
		}
	}
	if (argc - optind != 2) {
		fprintf(stderr, "usage: wan A B [option...]\n");
		return 2;
	}
	a = open_interface(argv[optind]);
	b = open_interface(argv[optind + 1]);
	for (int i = 0; i < 2; i++) {
		lane[i].frame = calloc(FRAMES, sizeof(struct frame));
		if (!lane[i].frame)
			die("wan: no memory");
		lane[i].in = i ? b : a;
		lane[i].out = i ? a : b;
	}
	signal(SIGTERM, on_end);
	signal(SIGINT, on_end);
	prctl(PR_SET_TIMERSLACK, 1);
	printf("ready\n");
	fflush(stdout);
	run(lane);
	printf("carried=%lu,%lu lost=%lu,%lu overflowed=%lu,%lu\n", lane[0].carried,
	       lane[1].carried, lane[0].lost, lane[1].lost, lane[0].overflowed, lane[1].overflowed);
	return 0;
}
