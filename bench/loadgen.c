/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   bench/loadgen --url rtmp://127.0.0.1:1935/live/bench --viewers 1000 [--streams 1] [--rate 500]
 *                 [--seconds 10] [--settle 2] [--sample 50]
 *                 [--stuck 0] [--slow 0 --slow-rate 1000000] [--late 0]
 *
 * url: rtmp, http (HTTP-FLV), rtmps, https or raw (the limit program). By TLS every viewer shakes
 * hands; then, as without, the sampled ones decrypt and check, and the others count bytes. Viewers join at --rate a second; when all
 * are there, or 10 s after the last should be, it settles, prints "begin", measures for --seconds,
 * prints "end", then one line of JSON. Of the --viewers, --stuck stop reading after their first
 * frame, --slow go on at --slow-rate bit/s, and --late join after "begin", at --rate too.
 */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sys/resource.h>

#include "base/check.h"
#include "base/clock.h"
#include "bench/loadgen.h"

#define RING_ENTRIES 8192
#define TURN_US	     10000
#define PATIENCE_US  10000000u
#define SLOW_US	     50000u

static unsigned rate = 500, seconds = 10, settle = 2;

static void ring_open(void)
{
	struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER |
					     IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
					     IORING_SETUP_CQSIZE,
				    .cq_entries = 4 * RING_ENTRIES};
	int rc = io_uring_queue_init_params(RING_ENTRIES, &load.ring, &p);

	if (rc)
		die("io_uring: %s", strerror(-rc));
	io_uring_register_ring_fd(&load.ring);
}

/* Submits, waits for something, deals with all that has come by then. */
static void turn(void)
{
	struct __kernel_timespec ts = {.tv_nsec = TURN_US * 1000};
	struct io_uring_cqe *cqe;
	unsigned head, n = 0;

	io_uring_submit_and_wait_timeout(&load.ring, &cqe, 1, &ts, NULL);
	load.now_us = clock_us();
	io_uring_for_each_cqe(&load.ring, head, cqe)
	{
		viewer_complete(cqe->user_data, cqe->res, cqe->flags);
		n++;
	}
	io_uring_cq_advance(&load.ring, n);
}

static unsigned started;

/* Those who are due `us` after the first of them, up to `limit` in all. */
static void join_due(unsigned first, unsigned limit, uint64_t us)
{
	uint64_t due = first + us * rate / 1000000 + 1;

	for (; started < limit && started < due; started++)
		viewer_start(started);
}

static void join_early(void)
{
	const unsigned early = load.viewers - load.late;
	const uint64_t begun = clock_us(), last = begun + (uint64_t)early * 1000000 / rate;

	while (load.joined + load.gone < early && clock_us() < last + PATIENCE_US) {
		join_due(0, early, clock_us() - begun);
		turn();
	}
	started = early;
}

static void watch_until(uint64_t until_us)
{
	const uint64_t begun = clock_us();
	uint64_t slow_us = begun;

	do {
		turn();
		if (load.measuring && load.late)
			join_due(load.viewers - load.late, load.viewers, load.now_us - begun);
		if (load.slow && load.now_us - slow_us >= SLOW_US) {
			viewers_slow_read(load.now_us - slow_us);
			slow_us = load.now_us;
		}
	} while (load.now_us < until_us);
}

static double cpu_seconds(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void window_begin(void)
{
	memset(&load.latency, 0, sizeof(load.latency));
	load.bytes = load.frames = load.skips = load.lost = load.damaged = 0;
	load.slow_skips = load.slow_lost = 0;
	if (load.late)
		memset(&load.first, 0, sizeof(load.first));
	for (unsigned i = 0; i < load.viewers; i++) {
		load.viewer[i].bytes = load.viewer[i].silence_us = 0;
		load.viewer[i].last_us = load.now_us;
	}
	load.measuring = true;
	printf("begin\n");
	fflush(stdout);
}

static int by_bytes(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void report(double wall, double cpu)
{
	uint64_t *bytes = calloc(load.viewers, sizeof(*bytes)), silent = 0;
	struct stats silence = {0};
	unsigned n = 0;

	must(bytes);
	for (unsigned i = 0; i < load.viewers - load.late; i++) {
		struct viewer *v = &load.viewer[i];

		if (v->state != VIEWER_WATCHING)
			continue;
		bytes[n++] = v->bytes;
		v->silence_us = max_of(v->silence_us, load.now_us - v->last_us);
		silent += v->silence_us > 1000000;
		stats_add(&silence, v->silence_us);
	}
	qsort(bytes, n, sizeof(*bytes), by_bytes);
	printf("{\"viewers\": %u, \"joined\": %u, \"gone\": %u, \"watching\": %u, \"seconds\": %.3f, ",
	       load.viewers, load.joined, load.gone, n, wall);
	printf("\"bytes\": %lu, \"viewer_bit_rate_min\": %.0f, \"viewer_bit_rate_median\": %.0f, ",
	       (unsigned long)load.bytes, n ? (double)bytes[0] * 8 / wall : 0,
	       n ? (double)bytes[n / 2] * 8 / wall : 0);
	printf("\"frames_checked\": %lu, \"skips\": %lu, \"lost\": %lu, \"damaged\": %lu, ",
	       (unsigned long)load.frames, (unsigned long)load.skips, (unsigned long)load.lost,
	       (unsigned long)load.damaged);
	printf("\"slow_skips\": %lu, \"slow_lost\": %lu, ", (unsigned long)load.slow_skips,
	       (unsigned long)load.slow_lost);
	printf("\"silent_over_1s\": %lu, \"client_cpu\": %.3f, \"latency_us\": ",
	       (unsigned long)silent, cpu / wall);
	stats_print(&load.latency);
	printf(", \"first_frame_us\": ");
	stats_print(&load.first);
	printf(", \"longest_silence_us\": ");
	stats_print(&silence);
	printf("}\n");
	free(bytes);
}

static unsigned *option_of(int c)
{
	switch (c) {
	case 'v':
		return &load.viewers;
	case 'n':
		return &load.streams;
	case 'r':
		return &rate;
	case 's':
		return &seconds;
	case 'w':
		return &settle;
	case 'k':
		return &load.sample;
	case 'l':
		return &load.late;
	case 'o':
		return &load.slow;
	case 'b':
		return &load.slow_rate;
	default:
		return &load.stuck;
	}
}

/* https and rtmps are http and rtmp to all but the handshake. */
static void target_set(const char *url)
{
	char *scheme = load.target.scheme;

	load.target = target_parse(url);
	load.tls = !strcmp(scheme, "https") || !strcmp(scheme, "rtmps");
	if (load.tls)
		scheme[strlen(scheme) - 1] = '\0';
}

static void options(int argc, char **argv)
{
	static const struct option known[] = {
		{"url", 1, 0, 'u'},    {"viewers", 1, 0, 'v'},	 {"streams", 1, 0, 'n'},
		{"rate", 1, 0, 'r'},   {"seconds", 1, 0, 's'},	 {"settle", 1, 0, 'w'},
		{"sample", 1, 0, 'k'}, {"stuck", 1, 0, 'x'},	 {"slow", 1, 0, 'o'},
		{"late", 1, 0, 'l'},   {"slow-rate", 1, 0, 'b'}, {0}};
	int c, at = 0;

	load.streams = 1;
	load.sample = 50;
	load.slow_rate = 1000000;
	while ((c = getopt_long(argc, argv, "", known, &at)) != -1) {
		if (c == '?')
			exit(2);
		else if (c == 'u')
			target_set(optarg);
		else
			*option_of(c) = (unsigned)option_number(known[at].name, optarg, 1000000000);
	}
	if (!load.target.host[0] || !load.viewers || !load.streams || !rate || !seconds ||
	    !load.sample)
		die("loadgen: --url and --viewers are needed, and no zero elsewhere");
	if (load.tls && load.slow)
		die("loadgen: --slow viewers do not speak TLS");
	if (load.stuck + load.slow + load.late > load.viewers)
		die("loadgen: --viewers counts the stuck, slow and late ones too");
}

int main(int argc, char **argv)
{
	uint64_t begun;
	double cpu;

	options(argc, argv);
	descriptors_raise(load.viewers + 64);
	ring_open();
	viewers_init();
	join_early();
	watch_until(clock_us() + settle * 1000000ull);
	window_begin();
	begun = clock_us();
	cpu = cpu_seconds();
	watch_until(begun + seconds * 1000000ull);
	load.measuring = false;
	printf("end\n");
	fflush(stdout);
	report((double)(clock_us() - begun) / 1e6, cpu_seconds() - cpu);
	return 0;
}
