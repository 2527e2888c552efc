/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bare limit: what a server cannot go below. No protocol, no join and no bookkeeping, only the
 * publisher's messages (as FLV tags), at their times, through one log in memory, to every socket that
 * connects, in the ticks that are asked for, with one io_uring send each. A message is stamped with the
 * time at which it was due: what viewers see of its age is all that a machine adds.
 *
 *   bench/limit --port 9000 --tick-ms 50 [--bit-rate 2000000] [--fps 30] [--gop-ms 2000] [--how send]
 *
 * --how: the ways of sending that a server could choose from, to be measured against each other
 *   send    io_uring SEND (the limit that everything is compared with)
 *   fixed   the same on registered files
 *   vector  io_uring SENDMSG of two pieces
 *   zc      io_uring SEND_ZC from a registered buffer
 *   call    one send() system call each
 *
 * Prints "listening"; ends with SIGTERM.
 */
#include <errno.h>
#include <getopt.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "bench/sock.h"
#include "bench/traffic.h"

#define SLOT_US	     5000
#define SEND_MAX     65536
#define LOG_BYTES    (4u << 20) /* as much memory as a stream of a few seconds has */
#define CONNS_MAX    32768u
#define FILES_MAX    16384u /* registered ones: fewer than descriptors are allowed */
#define TAG_HEADER   11
#define TAG_TRAILER  4
#define RING_ENTRIES 4096

enum how { HOW_SEND, HOW_FIXED, HOW_VECTOR, HOW_ZC, HOW_CALL, HOW_MAX };
static const char *const how_words[HOW_MAX] = {"send", "fixed", "vector", "zc", "call"};

struct conn {
	int fd;
	uint32_t last; /* bytes of the send that is out */
	uint64_t sent; /* offset in the log */
};

static struct limit {
	struct io_uring ring;
	struct conn *conn;
	unsigned conns, slots;
	uint8_t *log;
	uint64_t head, sends, bytes;
	struct traffic traffic;
	int listen_fd;
} limit;

/* What a vectored send points to; as many as go into one submission. */
static struct vector {
	struct msghdr head;
	struct iovec piece[2];
} vector[RING_ENTRIES];

static enum how how;
static unsigned port, tick_ms = 50, fps = 30, gop_ms = 2000;
static uint64_t bit_rate = 2000000;
static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	stop = 1;
}

static struct io_uring_sqe *entry(void)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&limit.ring)))
		io_uring_submit(&limit.ring);
	return sqe;
}

static void conn_add(int fd)
{
	const int one = 1;
	struct conn *c;

	if (limit.conns == CONNS_MAX)
		die("more than %u connections", CONNS_MAX);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (how == HOW_FIXED &&
	    io_uring_register_files_update(&limit.ring, limit.conns, &fd, 1) != 1)
		die("registered files: no place for descriptor %d", fd);
	c = &limit.conn[limit.conns++];
	*c = (struct conn){.fd = fd, .sent = limit.head};
}

static void accept_all(void)
{
	int fd;

	while ((fd = accept4(limit.listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		conn_add(fd);
}

static void conn_send(unsigned i);

/* What did not fit one send goes on at once, as a server's would. */
static void finished(unsigned i, int res)
{
	struct conn *c = &limit.conn[i];
	bool more = c->last == SEND_MAX && res == SEND_MAX;

	limit.sends++;
	c->last = 0;
	if (res > 0) {
		c->sent += (unsigned)res;
		limit.bytes += (unsigned)res;
	} else if (res != -EAGAIN) {
		close(c->fd);
		c->fd = -1;
	}
	if (more)
		conn_send(i);
}

static void prepare(unsigned i, uint8_t *p, size_t n)
{
	const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
	struct io_uring_sqe *sqe = entry();
	int fd = limit.conn[i].fd;
	struct vector *v;

	if (how == HOW_FIXED) {
		io_uring_prep_send(sqe, (int)i, p, n, flags);
		sqe->flags |= IOSQE_FIXED_FILE;
	} else if (how == HOW_VECTOR) {
		v = &vector[(size_t)(sqe - limit.ring.sq.sqes)];
		v->piece[0] = (struct iovec){p, n / 2};
		v->piece[1] = (struct iovec){p + n / 2, n - n / 2};
		v->head = (struct msghdr){.msg_iov = v->piece, .msg_iovlen = 2};
		io_uring_prep_sendmsg(sqe, fd, &v->head, flags);
	} else if (how == HOW_ZC) {
		io_uring_prep_send_zc_fixed(sqe, fd, p, n, flags, 0, 0);
	} else {
		io_uring_prep_send(sqe, fd, p, n, flags);
	}
	sqe->user_data = i;
}

/* Everything the connection has not got, up to the end of the log's memory. */
static void conn_send(unsigned i)
{
	struct conn *c = &limit.conn[i];
	uint64_t at = c->sent % LOG_BYTES, n = min_of(limit.head - c->sent, (uint64_t)SEND_MAX);
	ssize_t rc;

	if (!n || c->fd < 0 || c->last)
		return;
	c->last = (uint32_t)min_of(n, LOG_BYTES - at);
	if (how != HOW_CALL) {
		prepare(i, limit.log + at, c->last);
		return;
	}
	rc = send(c->fd, limit.log + at, c->last, MSG_DONTWAIT | MSG_NOSIGNAL);
	finished(i, rc < 0 ? -errno : (int)rc);
}

static void reap(void)
{
	struct io_uring_cqe *cqe;
	unsigned head, n = 0;

	io_uring_for_each_cqe(&limit.ring, head, cqe)
	{
		n++;
		if (!(cqe->flags & IORING_CQE_F_NOTIF))
			finished((unsigned)cqe->user_data, cqe->res);
	}
	io_uring_cq_advance(&limit.ring, n);
}

static void serve_slot(uint64_t number)
{
	unsigned i;

	for (i = (unsigned)(number % limit.slots); i < limit.conns; i += limit.slots) {
		conn_send(i);
		if (io_uring_sq_space_left(&limit.ring) == 0) {
			io_uring_submit_and_get_events(&limit.ring);
			reap();
		}
	}
	do {
		io_uring_submit_and_get_events(&limit.ring);
		reap();
	} while (io_uring_sq_ready(&limit.ring));
}

static void append(const uint8_t *p, size_t n)
{
	size_t at = limit.head % LOG_BYTES, first = min_of(n, LOG_BYTES - at);

	memcpy(limit.log + at, p, first);
	memcpy(limit.log, p + first, n - first);
	limit.head += n;
}

/* The next message of the traffic, due at that time. */
static void publish(uint64_t due_us)
{
	struct traffic_msg m = traffic_next(&limit.traffic);
	uint8_t head[TRAFFIC_HEAD], tag[TAG_HEADER] = {m.type}, trailer[TAG_TRAILER];
	size_t n = traffic_head(head, &m, due_us);

	put_be24(tag + 1, m.bytes);
	put_be32(trailer, m.bytes + TAG_HEADER);
	append(tag, sizeof(tag));
	append(head, n);
	append(traffic_fill(m.number, m.bytes - (uint32_t)n), m.bytes - n);
	append(trailer, sizeof(trailer));
}

static void run(void)
{
	const uint64_t begun = clock_us();
	uint64_t done = 0, due;

	while (!stop) {
		uint64_t next = begun + (done + 1) * SLOT_US, now;
		struct timespec ts = {.tv_sec = (time_t)(next / 1000000),
				      .tv_nsec = (long)(next % 1000000) * 1000};

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		now = clock_us();
		accept_all();
		while ((due = begun + traffic_next_us(&limit.traffic)) <= now)
			publish(due);
		/* Slots that were missed are served too, so that nobody waits for a whole tick more. */
		for (uint64_t slots = (now - begun) / SLOT_US; done < slots; done++)
			serve_slot(done + 1);
	}
}

static void registers(void)
{
	struct iovec all = {limit.log, LOG_BYTES};
	int rc = 0;

	if (how == HOW_FIXED)
		rc = io_uring_register_files_sparse(&limit.ring, FILES_MAX);
	else if (how == HOW_ZC)
		rc = io_uring_register_buffers(&limit.ring, &all, 1);
	if (rc)
		die("--how %s: %s", how_words[how], strerror(-rc));
}

static void start(void)
{
	struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER |
					     IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
					     IORING_SETUP_CQSIZE,
				    .cq_entries = 4 * RING_ENTRIES};
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int one = 1;
	int rc = io_uring_queue_init_params(RING_ENTRIES, &limit.ring, &p);

	if (rc)
		die("io_uring: %s", strerror(-rc));
	io_uring_register_ring_fd(&limit.ring);
	limit.conn = calloc(CONNS_MAX, sizeof(*limit.conn));
	limit.log =
		mmap(NULL, LOG_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(limit.conn && limit.log != MAP_FAILED);
	memset(limit.log, 0, LOG_BYTES);
	registers();
	limit.slots = tick_ms * 1000 / SLOT_US;
	traffic_init(&limit.traffic, bit_rate, fps, gop_ms);
	limit.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(limit.listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(limit.listen_fd, (struct sockaddr *)&at, sizeof(at)) ||
	    listen(limit.listen_fd, 4096))
		die("port %u: %s", port, strerror(errno));
}

static enum how how_of(const char *word)
{
	for (unsigned i = 0; i < HOW_MAX; i++)
		if (!strcmp(word, how_words[i]))
			return (enum how)i;
	die("--how: send, fixed, vector, zc or call");
}

static void options(int argc, char **argv)
{
	static const struct option known[] = {{"port", 1, 0, 'p'},
					      {"tick-ms", 1, 0, 't'},
					      {"bit-rate", 1, 0, 'b'},
					      {"fps", 1, 0, 'f'},
					      {"gop-ms", 1, 0, 'g'},
					      {"how", 1, 0, 'h'},
					      {0}};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'p')
			port = (unsigned)option_number("port", optarg, 65535);
		else if (c == 't')
			tick_ms = (unsigned)option_number("tick-ms", optarg, 1000);
		else if (c == 'b')
			bit_rate = option_number("bit-rate", optarg, 200000000);
		else if (c == 'f')
			fps = (unsigned)option_number("fps", optarg, 240);
		else if (c == 'g')
			gop_ms = (unsigned)option_number("gop-ms", optarg, 60000);
		else if (c == 'h')
			how = how_of(optarg);
		else
			exit(2);
	}
	if (!port || tick_ms < 5 || tick_ms % 5 || !bit_rate || !fps)
		die("limit: --port is needed, and --tick-ms must be a multiple of 5");
}

int main(int argc, char **argv)
{
	options(argc, argv);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	descriptors_raise(1024);
	start();
	printf("listening\n");
	fflush(stdout);
	run();
	printf("{\"sends\": %lu, \"bytes\": %lu}\n", (unsigned long)limit.sends,
	       (unsigned long)limit.bytes);
	return 0;
}
