/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "bench/loadgen.h"
#include "bench/rtmp_client.h"

/* Two buffer rings: one to read, one whose buffers are never written because MSG_TRUNC is set. */
enum { GROUP_READ, GROUP_COUNT, GROUPS };
#define BUFFERS	    1024
#define READ_BYTES  32768
#define COUNT_BYTES (1 << 20)

enum op { OP_CONNECT, OP_READ, OP_COUNT, OP_CANCEL };
#define OP_BITS 2

static struct {
	struct io_uring_buf_ring *ring;
	uint8_t *base;
	unsigned bytes;
	bool shared; /* every buffer is the same memory */
} group[GROUPS];

struct load load;

/* ---- buffers ---- */

static uint8_t *buffer_at(unsigned g, unsigned id)
{
	return group[g].base + (group[g].shared ? 0 : (size_t)id * group[g].bytes);
}

static void buffer_give(unsigned g, unsigned id)
{
	io_uring_buf_ring_add(group[g].ring, buffer_at(g, id), group[g].bytes, (unsigned short)id,
			      BUFFERS - 1, 0);
	io_uring_buf_ring_advance(group[g].ring, 1);
}

static void *map(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	return p;
}

static void group_init(unsigned g, unsigned bytes, bool shared)
{
	struct io_uring_buf_reg reg = {.ring_entries = BUFFERS, .bgid = (uint16_t)g};
	int rc;

	group[g].ring = map(BUFFERS * sizeof(struct io_uring_buf));
	group[g].base = map(shared ? bytes : (size_t)BUFFERS * bytes);
	group[g].bytes = bytes;
	group[g].shared = shared;
	reg.ring_addr = (uint64_t)(uintptr_t)group[g].ring;
	rc = io_uring_register_buf_ring(&load.ring, &reg, 0);
	if (rc)
		die("buffer ring: %s", strerror(-rc));
	io_uring_buf_ring_init(group[g].ring);
	for (unsigned i = 0; i < BUFFERS; i++)
		buffer_give(g, i);
}

void viewers_init(void)
{
	load.viewer = calloc(load.viewers, sizeof(*load.viewer));
	must(load.viewer);
	group_init(GROUP_READ, READ_BYTES, false);
	group_init(GROUP_COUNT, COUNT_BYTES, true);
}

/* ---- requests ---- */

static struct io_uring_sqe *entry(const struct viewer *v, enum op op)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&load.ring)))
		io_uring_submit(&load.ring);
	sqe->user_data = (uint64_t)v->index << OP_BITS | op;
	return sqe;
}

static void recv_arm(const struct viewer *v, enum op op)
{
	struct io_uring_sqe *sqe = entry(v, op);

	io_uring_prep_recv_multishot(sqe, v->fd, NULL, 0, op == OP_COUNT ? MSG_TRUNC : 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = op == OP_COUNT ? GROUP_COUNT : GROUP_READ;
}

static void viewer_end(struct viewer *v)
{
	if (v->state == VIEWER_GONE)
		return;
	v->state = VIEWER_GONE;
	load.gone++;
	shutdown(v->fd, SHUT_RDWR); /* ends what is pending; the descriptor stays until the end */
}

/* The peer reads slowly or not at all only by mistake: these few bytes always fit. */
static void send_bytes(struct viewer *v, const void *p, size_t n)
{
	if (send(v->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)n)
		viewer_end(v);
}

static void send_ciphertext(struct viewer *v)
{
	uint8_t out[4096];
	size_t n;

	while ((n = tls_take(v->tls, out, sizeof(out))))
		send_bytes(v, out, n);
}

static void say(struct viewer *v, const void *p, size_t n)
{
	if (!v->tls) {
		send_bytes(v, p, n);
		return;
	}
	if (!tls_write(v->tls, p, n))
		viewer_end(v);
	send_ciphertext(v);
}

/* ---- frames ---- */

/* Going on at a key frame, or with its sound, is a skip; anything else is a loss. */
static void count_gap(const struct viewer *v, const struct traffic_msg *m)
{
	if (m->key)
		++*(v->slow ? &load.slow_skips : &load.skips);
	else if (m->type == TRAFFIC_VIDEO)
		++*(v->slow ? &load.slow_lost : &load.lost);
}

static void on_frame(void *user, const struct demux_frame *f)
{
	struct viewer *v = user;
	struct reader *r = v->reader;
	bool video = f->msg.type == TRAFFIC_VIDEO;
	uint32_t expected = r->number[video] + 1;

	if (load.measuring) {
		load.frames++;
		load.damaged += f->damaged;
		if (r->seen[video] && f->msg.number != expected)
			count_gap(v, &f->msg);
		/* What a late one gets first is older than its joining. */
		if (!v->slow && v->index < load.viewers - load.late && load.now_us > f->sent_us)
			stats_add(&load.latency, load.now_us - f->sent_us);
	}
	r->seen[video] = true;
	r->number[video] = f->msg.number;
}

/* ---- states ---- */

static void reader_drop(struct viewer *v)
{
	free(v->reader);
	v->reader = NULL;
	tls_free(v->tls);
	v->tls = NULL;
}

static void watch(struct viewer *v)
{
	struct io_uring_sqe *sqe;

	v->state = VIEWER_WATCHING;
	v->last_us = load.now_us;
	load.joined++;
	if (v->sampled && !v->stuck && !v->slow)
		return;
	v->cutting = true;
	sqe = entry(v, OP_CANCEL);
	io_uring_prep_cancel_fd(sqe, v->fd, IORING_ASYNC_CANCEL_ALL);
	sqe->user_data = (uint64_t)v->index << OP_BITS | OP_CANCEL;
}

static void ask_rtmp(struct viewer *v)
{
	uint8_t out[RTMP_COMMANDS_MAX];
	char name[80];

	say(v, v->reader->hello + 1, RTMP_ECHO_BYTES);
	target_stream(name, &load.target, v->index, load.streams);
	say(v, out, rtmp_commands(out, load.target.app, load.target.host, name, false));
	v->asked_us = clock_us();
	demux_init(&v->reader->demux, DEMUX_RTMP, on_frame, v);
	v->state = VIEWER_WAITING;
}

static void ask_http(struct viewer *v)
{
	char name[80], out[512];
	int n = snprintf(out, sizeof(out), "GET /%s/%s.flv HTTP/1.1\r\nHost: %s\r\n\r\n",
			 load.target.app, target_stream(name, &load.target, v->index, load.streams),
			 load.target.host);

	say(v, out, (size_t)n);
	v->asked_us = clock_us();
	demux_init(&v->reader->demux, DEMUX_FLV, on_frame, v);
	v->state = VIEWER_ASKING;
}

static void greet(struct viewer *v)
{
	uint8_t hello[RTMP_HELLO_BYTES];

	if (!strcmp(load.target.scheme, "http")) {
		ask_http(v);
		return;
	}
	rtmp_hello(hello);
	say(v, hello, sizeof(hello));
	v->state = VIEWER_GREETING;
}

/* The limit program sends to whoever connects. */
static void watch_raw(struct viewer *v)
{
	v->state = VIEWER_WATCHING;
	v->last_us = load.now_us;
	load.joined++;
}

static void connected(struct viewer *v, int res)
{
	bool raw = !strcmp(load.target.scheme, "raw");

	if (res) {
		viewer_end(v);
		return;
	}
	if (raw && !v->sampled) {
		watch_raw(v);
		recv_arm(v, OP_COUNT);
		return;
	}
	v->reader = calloc(1, sizeof(*v->reader));
	must(v->reader);
	if (raw) {
		demux_init(&v->reader->demux, DEMUX_TAGS, on_frame, v);
		watch_raw(v);
	} else if (load.tls) {
		v->tls = tls_new();
		v->state = VIEWER_SHAKING;
		send_ciphertext(v);
	} else {
		greet(v);
	}
	if (v->state != VIEWER_GONE)
		recv_arm(v, OP_READ);
}

/* The server's handshake, or its HTTP header; how much of it was taken. */
static size_t preamble(struct viewer *v, const uint8_t *p, size_t n)
{
	struct reader *r = v->reader;
	size_t used = 0;

	if (v->state == VIEWER_GREETING) {
		used = min_of(n, sizeof(r->hello) - r->have);
		memcpy(r->hello + r->have, p, used);
		r->have += (unsigned)used;
		if (r->have == sizeof(r->hello))
			ask_rtmp(v);
	} else if (v->state == VIEWER_ASKING) {
		while (used < n && r->line != 0x0d0a0d0a)
			r->line = r->line << 8 | p[used++];
		if (r->line == 0x0d0a0d0a)
			v->state = VIEWER_WAITING;
	}
	return used;
}

static void read_some(struct viewer *v, const uint8_t *p, size_t n)
{
	size_t used = preamble(v, p, n);

	if (v->state != VIEWER_WAITING && v->state != VIEWER_WATCHING)
		return;
	demux_feed(&v->reader->demux, p + used, n - used);
	if (v->reader->demux.broken) {
		viewer_end(v);
	} else if (v->state == VIEWER_WAITING && v->reader->demux.media) {
		stats_add(&load.first, load.now_us - v->asked_us);
		watch(v);
	}
}

/* Once cut it only counts: what is left of a record here is nobody's. */
static void decrypt_some(struct viewer *v, const uint8_t *p, size_t n)
{
	uint8_t plain[TLS_RECORD_BYTES];
	bool good = tls_feed(v->tls, p, n);
	int got = 0;

	send_ciphertext(v);
	if (good && v->state == VIEWER_SHAKING && tls_is_open(v->tls))
		greet(v);
	if (good && v->state != VIEWER_SHAKING)
		while (!v->cutting && v->state != VIEWER_GONE &&
		       (got = tls_read(v->tls, plain)) > 0)
			read_some(v, plain, (size_t)got);
	if (!good || got < 0)
		viewer_end(v);
}

static void received(struct viewer *v, enum op op, unsigned id, size_t n)
{
	if (load.measuring) {
		load.bytes += n;
		v->bytes += n;
		v->silence_us = max_of(v->silence_us, load.now_us - v->last_us);
	}
	v->last_us = load.now_us;
	if (op == OP_READ && v->reader && (!v->cutting || v->slow) && v->state != VIEWER_GONE)
		(v->tls ? decrypt_some : read_some)(v, buffer_at(GROUP_READ, id), n);
	buffer_give(op == OP_COUNT ? GROUP_COUNT : GROUP_READ, id);
}

static void on_recv(struct viewer *v, enum op op, int res, uint32_t flags)
{
	if (flags & IORING_CQE_F_BUFFER)
		received(v, op, flags >> IORING_CQE_BUFFER_SHIFT, res > 0 ? (size_t)res : 0);
	if (res == 0 || (res < 0 && res != -ENOBUFS && res != -ECANCELED))
		viewer_end(v);
	if (flags & IORING_CQE_F_MORE || v->state == VIEWER_GONE)
		return;
	if (!v->cutting) {
		recv_arm(v, op);
		return;
	}
	v->cutting = false;
	if (v->slow) {
		v->state = VIEWER_SLOW;
		return;
	}
	reader_drop(v);
	if (v->stuck)
		v->state = VIEWER_STUCK;
	else
		recv_arm(v, OP_COUNT);
}

void viewer_start(unsigned i)
{
	struct viewer *v = &load.viewer[i];
	const int one = 1;
	struct io_uring_sqe *sqe;

	v->index = i;
	v->sampled = i % load.sample == 0;
	v->stuck = i < load.stuck;
	v->slow = !v->stuck && i < load.stuck + load.slow;
	v->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (v->fd < 0)
		die("socket: %s", strerror(errno));
	setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	v->state = VIEWER_CONNECTING;
	sqe = entry(v, OP_CONNECT);
	io_uring_prep_connect(sqe, v->fd, (struct sockaddr *)&load.target.to,
			      sizeof(load.target.to));
	sqe->user_data = (uint64_t)i << OP_BITS | OP_CONNECT;
}

static void slow_read(struct viewer *v, size_t most)
{
	static uint8_t buf[65536];
	ssize_t n = recv(v->fd, buf, min_of(most, sizeof(buf)), MSG_DONTWAIT);

	if (n > 0)
		demux_feed(&v->reader->demux, buf, (size_t)n);
	if (n == 0 || (n < 0 && errno != EAGAIN) || v->reader->demux.broken)
		viewer_end(v);
}

void viewers_slow_read(uint64_t us)
{
	for (unsigned i = load.stuck; i < load.stuck + load.slow; i++)
		if (load.viewer[i].state == VIEWER_SLOW)
			slow_read(&load.viewer[i], load.slow_rate * us / 8000000);
}

void viewer_complete(uint64_t user_data, int res, uint32_t flags)
{
	struct viewer *v = &load.viewer[user_data >> OP_BITS];
	enum op op = user_data & ((1 << OP_BITS) - 1);

	if (op == OP_CONNECT)
		connected(v, res);
	else if (op != OP_CANCEL)
		on_recv(v, op, res, flags);
}
