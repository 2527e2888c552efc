/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The input function: what a peer, or somebody in between, may send to a stack that has a listener
 * and connections in many states. The input is a list of steps; a step makes a segment that is
 * near to what fits (numbers relative to what the stack sent last), or hands in raw bytes, or lets
 * time pass, or has the owner do something. Invariants are checked after every step.
 */
#include <stdlib.h>

#include "base/check.h"
#include "fuzz/fuzz.h"
#include "net/tcp/seq.h"
#include "net/tcp/tcp.h"
#include "net/tcp/tcp_hdr.h"
#include "net/tcp/tcp_sum.h"

#define MEMORY (256 * 1024)
#define PEERS  4
#define PORT   1935

static struct fuzz {
	struct tcp *t;
	struct tcp_conn *c[PEERS];
	uint32_t seq[PEERS], ack[PEERS], tsval[PEERS]; /* what the stack expects, and sent */
	uint64_t now_us;
	bool answers; /* the owner writes when it is called */
} f;

static uint8_t memory[MEMORY] __attribute__((aligned(64)));
static uint8_t bytes[70000];

static void on_emit(void *owner, const struct tcp_packet *p)
{
	const uint8_t *h = p->hdr + p->l3_bytes;
	unsigned i = (get_be16(h + 2) - 10000u) % PEERS;
	struct tcp_seg g;
	size_t n = 0;

	must(p->hdr_bytes <= TCP_HDR_MAX && p->slices <= TCP_SLICES);
	for (unsigned k = 0; k < p->slices; k++)
		n += p->slice[k].n;
	must(n == p->bytes);
	/* The checksum of what leaves is right. */
	uint8_t packet[TCP_HDR_MAX + 9100];
	must(p->hdr_bytes + n <= sizeof(packet));
	memcpy(packet, p->hdr, p->hdr_bytes);
	n = p->hdr_bytes;
	for (unsigned k = 0; k < p->slices; k++) {
		memcpy(packet + n, p->slice[k].p, p->slice[k].n);
		n += p->slice[k].n;
	}
	must(!tcp_seg_parse(&g, packet, n, false));
	if (g.flags & TCP_RST)
		return;
	f.ack[i] = g.seq + tcp_seg_len(&g);
	if (g.flags & TCP_ACK)
		f.seq[i] = g.ack;
	f.tsval[i] = g.tsval;
}

static bool on_resolve(void *owner, uint32_t source, uint64_t at, uint32_t n, struct slice *out)
{
	*out = (struct slice){bytes + at % 1000, min_of(n, 5000u)};
	return at < 1u << 20;
}

static unsigned index_of(struct tcp_conn *c)
{
	struct tcp_info info;

	tcp_info(c, &info);
	return (info.rport - 10000u) % PEERS;
}

static void write_some(struct tcp_conn *c, uint32_t n)
{
	struct tcp_range r[2] = {{(uint64_t)(uintptr_t)bytes, n % 3000, 0}, {n * 7ull, n, 1}};

	must(tcp_send(c, r, 2, f.now_us) <= n % 3000 + n);
}

static bool on_accepted(void *owner, struct tcp_conn *c, int tag)
{
	f.c[index_of(c)] = c;
	return true;
}

static void on_connected(void *owner, struct tcp_conn *c)
{
	if (f.answers)
		write_some(c, 5000);
}

static void on_received(void *owner, struct tcp_conn *c, const uint8_t *p, size_t n)
{
	static volatile uint8_t seen;

	must(n);
	for (size_t i = 0; i < n; i++)
		seen ^= p[i];
	if (f.answers)
		write_some(c, (uint32_t)n * 10);
}

static void on_acked(void *owner, struct tcp_conn *c, uint32_t n)
{
	must(n);
}

static void on_writable(void *owner, struct tcp_conn *c)
{
	if (f.answers)
		write_some(c, 20000);
}

static void on_peer_closed(void *owner, struct tcp_conn *c)
{
	if (f.answers)
		tcp_close(c, f.now_us);
}

static void on_ended(void *owner, struct tcp_conn *c, enum tcp_end why)
{
	unsigned i = index_of(c);

	must(f.c[i] == c);
	f.c[i] = NULL;
}

static const struct tcp_ops ops = {on_emit,  on_resolve,  on_accepted,	  on_connected, on_received,
				   on_acked, on_writable, on_peer_closed, on_ended};

static struct ip address(uint8_t last)
{
	return ip_of_v4((uint8_t[]){10, 0, 0, last});
}

static void start(uint8_t options)
{
	struct tcp_config cf = {
		.local = {address(1)},
		.locals = 1,
		.conns_max = PEERS,
		.blocks_max = options & 1 ? 2 : 20,
		.tw_max = 8,
		.mtu = options & 2 ? 9000 : 1500,
		.recv_window = options & 4 ? 3000 : 200000,
		.no_rack = options & 8,
		.keep_idle_ms = options & 16 ? 500 : 0,
	};

	must(tcp_bytes(&cf) <= MEMORY);
	memset(&f, 0, sizeof(f));
	f.now_us = 1000000;
	f.answers = options & 32;
	f.t = tcp_init(memory, &cf, &ops, NULL, f.now_us);
	tcp_listen(f.t, PORT, 0);
}

/* A segment near to what fits: a byte each for flags, the two numbers, the window and options. */
static void near_segment(struct rd *r)
{
	static const int32_t off[16] = {0,	 0,	   0,	       1,	 -1,	100,
					-100,	 1448,	   -1448,      3000,	 65535, -65535,
					1000000, -1000000, 0x7fffffff, INT32_MIN};
	unsigned i = rd_u8(r) % PEERS, near = rd_u8(r), opt = rd_u8(r);
	struct tcp_seg g = {
		.src = address(2),
		.dst = address(1),
		.sport = (uint16_t)(10000 + i),
		.dport = PORT,
		.flags = rd_u8(r) & 0x3f,
		.ttl = 9,
		.wnd = (uint16_t)(rd_u8(r) << 8 | opt),
		.wscale = opt & 1 ? (uint8_t)(near & 15) : TCP_NO_WSCALE,
		.sack_ok = opt & 2,
		.has_ts = opt & 4,
	};
	uint8_t packet[TCP_HDR_MAX + 2048];
	struct sum s = {0};
	unsigned l3, h;

	g.seq = f.seq[i] + (uint32_t)off[near & 15];
	g.ack = f.ack[i] + (uint32_t)off[near >> 4];
	g.tsval = (uint32_t)(f.now_us / 1000) + (opt & 8 ? (uint32_t)off[near & 15] : 0);
	g.tsecr = f.tsval[i];
	g.data.n = opt & 16 ? rd_u8(r) * 8u : 0;
	if (opt & 32 && !(opt & 3))
		for (g.sacks = 0; g.sacks < 1 + (opt >> 6) % 3; g.sacks++) {
			g.sack[g.sacks].start = f.ack[i] - rd_u8(r) * 256u;
			g.sack[g.sacks].end = g.sack[g.sacks].start + rd_u8(r) * 64u;
		}
	h = tcp_hdr_write(packet, &g, (uint32_t)g.data.n, 0, &l3);
	memcpy(packet + h, bytes, g.data.n);
	sum_pseudo(&s, &g.src, &g.dst, TCP_PROTO, (uint32_t)(h - l3 + g.data.n));
	sum_add(&s, packet + l3, h - l3 + g.data.n);
	put_be16(packet + l3 + 16, sum_end(&s));
	tcp_input(f.t, packet, h + g.data.n, false, f.now_us);
}

/* A good handshake, so that what follows meets an open connection. */
static void handshake(unsigned i, uint8_t opt)
{
	struct tcp_seg g = {
		.src = address(2),
		.dst = address(1),
		.sport = (uint16_t)(10000 + i),
		.dport = PORT,
		.flags = TCP_SYN,
		.ttl = 9,
		.wnd = 65535,
		.mss = 1460,
		.wscale = opt & 1 ? 7 : TCP_NO_WSCALE,
		.sack_ok = opt & 2,
		.has_ts = opt & 4,
		.tsval = (uint32_t)(f.now_us / 1000),
	};
	uint8_t packet[TCP_HDR_MAX];
	unsigned l3;

	tcp_input(f.t, packet, tcp_hdr_write(packet, &g, 0, 0, &l3), true, f.now_us);
	g.flags = TCP_ACK;
	g.mss = 0;
	g.wscale = TCP_NO_WSCALE;
	g.sack_ok = false;
	g.seq = f.seq[i];
	g.ack = f.ack[i];
	g.tsecr = f.tsval[i];
	tcp_input(f.t, packet, tcp_hdr_write(packet, &g, 0, 0, &l3), true, f.now_us);
}

static void raw_packet(struct rd *r)
{
	size_t n = rd_u8(r);
	const uint8_t *p = rd_take(r, min_of(n, rd_left(r)));
	uint8_t *copy = malloc(n ? n : 1);

	must(copy);
	if (p) {
		n = min_of(n, (size_t)(r->p - p));
		memcpy(copy, p, n);
		tcp_input(f.t, copy, n, true, f.now_us);
		tcp_icmp(f.t, copy, n, n & 1 ? 1300 : 0, true, f.now_us);
	}
	free(copy);
}

static void owner_acts(unsigned i, uint8_t what)
{
	struct ip from = address(1), to = address(2);

	if (!f.c[i]) {
		f.c[i] = tcp_connect(f.t, &from, PORT, &to, (uint16_t)(10000 + i), NULL, f.now_us);
		return;
	}
	switch (what % 5) {
	case 0:
		tcp_shutdown(f.c[i], f.now_us);
		break;
	case 1:
		tcp_close(f.c[i], f.now_us);
		break;
	case 2:
		tcp_abort(f.c[i], f.now_us);
		break;
	default:
		write_some(f.c[i], what * 100u);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_of(data, size);

	start(rd_u8(&r));
	for (int steps = 0; rd_left(&r) && steps < 400; steps++) {
		uint8_t step = rd_u8(&r);

		switch (step & 7) {
		case 0:
			f.now_us += (uint64_t)rd_u8(&r) << (step >> 3);
			break;
		case 1:
			handshake(step >> 3 & 3, rd_u8(&r));
			break;
		case 2:
			raw_packet(&r);
			break;
		case 3:
			owner_acts(step >> 3 & 3, rd_u8(&r));
			break;
		default:
			near_segment(&r);
		}
		tcp_turn(f.t, f.now_us);
		tcp_check_all(f.t);
	}
	return 0;
}
