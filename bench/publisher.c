/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishes N streams by RTMP, each message at its time, each stamped with the time of its sending.
 *
 *   bench/publisher --url rtmp://127.0.0.1:1935/live/bench [--streams 1] [--bit-rate 2000000]
 *                   [--fps 30] [--gop-ms 2000] [--seconds 0] [--churn]
 *                   [--tick-ms 0]
 *
 * Prints "publishing" when every stream is accepted; ends after --seconds, or with SIGTERM. With
 * --churn the streams come and go one after another, each with a few messages, and then it ends.
 * With --tick-ms messages wait for the next tick, which lets one CPU publish thousands of streams.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "bench/rtmp_client.h"
#include "bench/sock.h"
#include "bench/traffic.h"

#define CHURN_MESSAGES 8
#define BACKLOG_MAX    (8u << 20)
#define PIECES	       (2 + 2 * (TRAFFIC_BODY_MAX / RTMP_CHUNK_BYTES + 1))

struct stream {
	int fd;
	uint64_t begun_us;
	struct traffic traffic;
	/* what the socket did not take at once */
	uint8_t *late;
	size_t late_n, late_cap;
};

static struct options {
	struct target target;
	unsigned streams, fps, gop_ms, seconds, tick_ms;
	uint64_t bit_rate;
	bool churn;
} opt = {.streams = 1, .fps = 30, .gop_ms = 2000, .bit_rate = 2000000};

static volatile sig_atomic_t stop;
static uint64_t late_messages;

static void on_signal(int number)
{
	stop = 1;
}

/* ---- beginning ---- */

static void send_message(int fd, uint8_t type, const uint8_t *body, size_t n)
{
	uint8_t head[RTMP_HEADER_BYTES];

	rtmp_header(head, type, 0, (uint32_t)n);
	send_all(fd, head, sizeof(head));
	send_all(fd, body, n);
}

static void wait_for_publish_start(int fd, const char *name)
{
	static const char word[] = "NetStream.Publish.Start";
	char in[8192];
	size_t n = 0;

	while (!memmem(in, n, word, sizeof(word) - 1)) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t rc;

		if (n == sizeof(in) || poll(&p, 1, 10000) != 1)
			die("%s: the server does not accept the stream", name);
		rc = recv(fd, in + n, sizeof(in) - n, 0);
		if (rc <= 0)
			die("%s: the server refused the stream", name);
		n += (size_t)rc;
	}
}

static void stream_begin(struct stream *s, unsigned i)
{
	uint8_t out[RTMP_COMMANDS_MAX], hello[RTMP_HELLO_BYTES + RTMP_ECHO_BYTES];
	char name[80];

	s->fd = target_connect(&opt.target);
	rtmp_hello(hello);
	send_all(s->fd, hello, RTMP_HELLO_BYTES);
	recv_all(s->fd, hello, sizeof(hello));
	send_all(s->fd, hello + 1, RTMP_ECHO_BYTES);
	target_stream(name, &opt.target, i, opt.streams);
	send_all(s->fd, out, rtmp_commands(out, opt.target.app, opt.target.host, name, true));
	wait_for_publish_start(s->fd, name);
	send_all(s->fd, out, rtmp_metadata(out, 1280, 720, opt.fps));
	send_message(s->fd, TRAFFIC_VIDEO, traffic_avc, traffic_avc_bytes);
	send_message(s->fd, TRAFFIC_AUDIO, traffic_aac, traffic_aac_bytes);
	traffic_init(&s->traffic, opt.bit_rate, opt.fps, opt.gop_ms);
}

/* ---- sending ---- */

static void late_add(struct stream *s, const void *p, size_t n)
{
	if (s->late_n + n > BACKLOG_MAX)
		die("the server does not take what is published");
	if (s->late_n + n > s->late_cap) {
		s->late_cap = (s->late_n + n) * 2;
		s->late = realloc(s->late, s->late_cap);
		must(s->late);
	}
	memcpy(s->late + s->late_n, p, n);
	s->late_n += n;
}

static size_t try_send(struct stream *s, const struct iovec *v, unsigned n, int flags)
{
	struct msghdr m = {.msg_iov = (struct iovec *)v, .msg_iovlen = n};
	ssize_t rc = sendmsg(s->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL | flags);

	if (rc < 0 && errno != EAGAIN)
		die("the server closed a published stream: %s", strerror(errno));
	return rc < 0 ? 0 : (size_t)rc;
}

static void send_late(struct stream *s)
{
	const struct iovec v = {s->late, s->late_n};
	size_t n = s->late_n ? try_send(s, &v, 1, 0) : 0;

	memmove(s->late, s->late + n, s->late_n - n);
	s->late_n -= n;
}

static void send_pieces(struct stream *s, const struct iovec *v, unsigned n, int flags)
{
	size_t taken = s->late_n ? 0 : try_send(s, v, n, flags), total = 0;

	for (unsigned i = 0; i < n; i++) {
		size_t skip = taken > total ? min_of(taken - total, v[i].iov_len) : 0;

		total += v[i].iov_len;
		if (skip < v[i].iov_len)
			late_add(s, (const uint8_t *)v[i].iov_base + skip, v[i].iov_len - skip);
	}
	late_messages += taken < total;
}

/* One message in chunks, without copying its body; more: another one follows at once. */
static void stream_send(struct stream *s, const struct traffic_msg *m, uint64_t now, bool more)
{
	static struct iovec v[PIECES];
	uint8_t head[RTMP_HEADER_BYTES + TRAFFIC_HEAD], again = rtmp_continuation(m->type);
	size_t stamp = traffic_head(head + RTMP_HEADER_BYTES, m, now), at = stamp;
	uint8_t *fill = (uint8_t *)traffic_fill(m->number, m->bytes);
	unsigned n = 0;

	rtmp_header(head, m->type, (uint32_t)(m->at_us / 1000), m->bytes);
	v[n++] = (struct iovec){head, RTMP_HEADER_BYTES + stamp};
	while (at < m->bytes) {
		size_t k = min_of(m->bytes - at, RTMP_CHUNK_BYTES - at % RTMP_CHUNK_BYTES);

		if (at % RTMP_CHUNK_BYTES == 0)
			v[n++] = (struct iovec){&again, 1};
		v[n++] = (struct iovec){fill + (at - stamp), k};
		at += k;
	}
	send_pieces(s, v, n, more ? MSG_MORE : 0);
}

/* Sends what is due; when the next message of this stream is. */
static uint64_t stream_serve(struct stream *s, uint64_t now)
{
	if (s->late_n)
		send_late(s);
	while (s->begun_us + traffic_next_us(&s->traffic) <= now) {
		struct traffic_msg m = traffic_next(&s->traffic);

		stream_send(s, &m, clock_us(), s->begun_us + traffic_next_us(&s->traffic) <= now);
	}
	return s->begun_us + traffic_next_us(&s->traffic);
}

/* Acknowledgements and pings are of no interest, but must not fill the socket. */
static void stream_discard(struct stream *s)
{
	while (recv(s->fd, NULL, 1 << 20, MSG_DONTWAIT | MSG_TRUNC) > 0)
		;
}

static void run(struct stream *s)
{
	const uint64_t begun = clock_us(),
		       until = begun + (opt.seconds ? opt.seconds : 1u << 30) * 1000000ull;
	uint64_t now, discard_us = begun;

	for (unsigned i = 0; i < opt.streams; i++) /* spread over a frame's time */
		s[i].begun_us = begun + 1000000ull / opt.fps * i / opt.streams;
	while (!stop && (now = clock_us()) < until) {
		uint64_t next = now + 100000;

		for (unsigned i = 0; i < opt.streams; i++)
			next = min_of(next, stream_serve(&s[i], now));
		if (now >= discard_us) {
			for (unsigned i = 0; i < opt.streams; i++)
				stream_discard(&s[i]);
			discard_us = now + 1000000;
		}
		next = max_of(next, now + opt.tick_ms * 1000);
		now = clock_us();
		if (next > now) {
			struct timespec ts = {.tv_sec = (time_t)(next / 1000000),
					      .tv_nsec = (long)(next % 1000000) * 1000};

			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		}
	}
}

/* Ends with a reset, so that no port stays behind. */
static void churn(void)
{
	const struct linger now = {.l_onoff = 1};

	for (unsigned i = 0; i < opt.streams && !stop; i++) {
		struct stream s = {0};

		stream_begin(&s, i);
		for (unsigned k = 0; k < CHURN_MESSAGES; k++) {
			struct traffic_msg m = traffic_next(&s.traffic);

			stream_send(&s, &m, clock_us(), false);
		}
		setsockopt(s.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(s.fd);
		free(s.late);
	}
}

static void options(int argc, char **argv)
{
	static const struct option known[] = {
		{"url", 1, 0, 'u'},   {"streams", 1, 0, 'n'}, {"bit-rate", 1, 0, 'b'},
		{"fps", 1, 0, 'f'},   {"gop-ms", 1, 0, 'g'},  {"seconds", 1, 0, 's'},
		{"churn", 0, 0, 'c'}, {"tick-ms", 1, 0, 't'}, {0}};
	bool url = false;
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'u') {
			opt.target = target_parse(optarg);
			url = true;
		} else if (c == 'n') {
			opt.streams = (unsigned)option_number("streams", optarg, 1000000);
		} else if (c == 'b') {
			opt.bit_rate = option_number("bit-rate", optarg, 200000000);
		} else if (c == 'f') {
			opt.fps = (unsigned)option_number("fps", optarg, 240);
		} else if (c == 'g') {
			opt.gop_ms = (unsigned)option_number("gop-ms", optarg, 60000);
		} else if (c == 's') {
			opt.seconds = (unsigned)option_number("seconds", optarg, 1u << 20);
		} else if (c == 'c') {
			opt.churn = true;
		} else if (c == 't') {
			opt.tick_ms = (unsigned)option_number("tick-ms", optarg, 1000);
		} else {
			exit(2);
		}
	}
	if (!url || !opt.streams || !opt.fps || !opt.bit_rate)
		die("publisher: --url rtmp://IPV4:PORT/APP/NAME is needed, and no zero elsewhere");
}

int main(int argc, char **argv)
{
	struct stream *s;

	options(argc, argv);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	if (opt.churn) {
		churn();
		return 0;
	}
	descriptors_raise(opt.streams + 16);
	s = calloc(opt.streams, sizeof(*s));
	must(s);
	for (unsigned i = 0; i < opt.streams; i++)
		stream_begin(&s[i], i);
	printf("publishing\n");
	fflush(stdout);
	run(s);
	printf("{\"late_messages\": %lu}\n", (unsigned long)late_messages);
	for (unsigned i = 0; i < opt.streams; i++) {
		close(s[i].fd);
		free(s[i].late);
	}
	free(s);
	return 0;
}
