/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   bench/tcp_null [--viewers 200000] [--bit-rate 300000] [--tick-ms 150] [--seconds 5]
 *                  [--rtt-ms 20] [--tso 1]
 *
 * What one core's own TCP costs without a device: viewers of one log, whose handshakes and ACKs are made
 * here. First they join (SYN, cookie, ACK with a request, the answer's first bytes), then each gets all
 * that is new every tick, and answers each burst with one ACK after the round-trip time.
 *
 * Time is the CPU time of a turn: what a core of its own would need, however busy the machine is. The
 * making of the clients' packets, some tens of nanoseconds each, is in it. A `load` of 1 means that the
 * core falls behind: turns and lateness grow for as long as it runs. Prints one line of JSON.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/bytes.h"
#include "base/check.h"
#include "bench/stats.h"
#include "net/tcp/tcp.h"
#include "net/tcp/tcp_hdr.h"

#define LOG_BYTES     (64u << 20)
#define LOG_SOURCE    1
#define PREFIX_BYTES  600u
#define FIRST_BYTES   12000u
#define PORT	      8080
#define JOIN_BURST    64u
#define SECOND	      1000000ull
#define CLIENT_WINDOW 2048 /* scaled by 7 */

struct client {
	struct tcp_conn *c;
	uint64_t sent; /* the cursor: bytes of the stream */
	uint32_t seen, acked, seq, stamp;
	uint32_t next; /* + 1: in the list of those who have something to acknowledge */
	bool waits;
};

static unsigned viewers = 200000, bit_rate = 300000, tick_ms = 150, seconds = 5, rtt_ms = 20,
		tso = 1;
static struct client *client;
static struct tcp *stack;
static uint8_t *bytes, prefix[PREFIX_BYTES];
static struct ip server;
static uint64_t now_us = SECOND, begun_us;
static uint64_t segments, packets, joined;

/* ACKs in flight, by the millisecond in which they arrive. */
static uint32_t *due;
static unsigned due_slots;

static double cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* ---- the clients ---- */

static struct ip address(unsigned i)
{
	uint8_t v4[4];

	put_be32(v4, 0x0b000000u + i);
	return ip_of_v4(v4);
}

static void answer_later(unsigned i)
{
	unsigned slot = (unsigned)(now_us / 1000 + max_of(rtt_ms, 1u)) % due_slots;

	if (client[i].waits)
		return;
	client[i].waits = true;
	client[i].next = due[slot];
	due[slot] = i + 1;
}

/* A packet of client i: its sums count as checked by the NIC. */
static void input(unsigned i, uint8_t flags, const char *text)
{
	struct client *k = &client[i];
	size_t n = text ? strlen(text) : 0;
	struct tcp_seg g = {
		.src = address(i),
		.dst = server,
		.sport = 40000,
		.dport = PORT,
		.seq = k->seq,
		.ack = k->seen,
		.flags = flags,
		.ttl = 60,
		.wnd = CLIENT_WINDOW,
		.wscale = flags & TCP_SYN ? 7 : TCP_NO_WSCALE,
		.mss = flags & TCP_SYN ? 1460 : 0,
		.sack_ok = flags & TCP_SYN,
		.has_ts = true,
		.tsval = (uint32_t)(now_us / 1000),
		.tsecr = k->stamp,
	};
	uint8_t packet[TCP_HDR_MAX + 128];
	unsigned l3, head = tcp_hdr_write(packet, &g, (uint32_t)n, 0, &l3);

	if (n)
		memcpy(packet + head, text, n);
	k->seq += (uint32_t)n + !!(flags & TCP_SYN);
	k->acked = k->seen;
	must(tcp_input(stack, packet, head + n, true, now_us) == TCP_TAKEN);
}

static void on_emit(void *owner, const struct tcp_packet *p)
{
	unsigned i = get_be32(p->hdr + 16) - 0x0b000000u;
	const uint8_t *tcp = p->hdr + p->l3_bytes;
	struct client *k = &client[i];
	bool syn = tcp[13] & TCP_SYN;

	packets++;
	segments += p->seg_bytes ? (p->bytes + p->seg_bytes - 1) / p->seg_bytes : 1;
	if (syn) {
		struct tcp_seg g;

		must(!tcp_seg_parse(&g, p->hdr, p->hdr_bytes, true) && g.has_ts);
		k->stamp = g.tsval;
	} else {
		k->stamp = get_be32(tcp + 24);
	}
	k->seen = get_be32(tcp + 4) + p->bytes + syn;
	if (begun_us && p->bytes)
		answer_later(i);
}

/* ---- the server ---- */

static bool on_resolve(void *owner, uint32_t source, uint64_t at, uint32_t n, struct slice *out)
{
	uint64_t off = at % LOG_BYTES;

	*out = (struct slice){bytes + off, min_of((uint64_t)n, LOG_BYTES - off)};
	return true;
}

static bool on_accepted(void *owner, struct tcp_conn *c, int tag)
{
	struct tcp_info info;
	struct client *k;

	tcp_info(c, &info);
	k = &client[get_be32(info.remote.b + 12) - 0x0b000000u];
	k->c = c;
	tcp_set_user(c, k);
	joined++;
	return true;
}

static void on_received(void *owner, struct tcp_conn *c, const uint8_t *p, size_t n)
{
	struct tcp_range r[2] = {{.at = (uintptr_t)prefix, .n = PREFIX_BYTES},
				 {.at = 0, .n = FIRST_BYTES, .source = LOG_SOURCE}};
	uint32_t took = tcp_send(c, r, 2, now_us);
	struct client *k = tcp_user(c);

	must(took >= PREFIX_BYTES);
	k->sent = took - PREFIX_BYTES;
}

static void on_connected(void *owner, struct tcp_conn *c)
{
}

static void on_acked(void *owner, struct tcp_conn *c, uint32_t n)
{
}

/* The next tick sends what is left. */
static void on_writable(void *owner, struct tcp_conn *c)
{
}

static void on_ended(void *owner, struct tcp_conn *c, enum tcp_end why)
{
	must(!"a viewer was lost");
}

static const struct tcp_ops ops = {
	.emit = on_emit,
	.resolve = on_resolve,
	.accepted = on_accepted,
	.connected = on_connected,
	.received = on_received,
	.acked = on_acked,
	.writable = on_writable,
	.peer_closed = on_connected,
	.ended = on_ended,
};

static void *reserve(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED);
	return p;
}

static void begin(void)
{
	const uint8_t own[4] = {10, 0, 0, 1};
	struct tcp_config cf = {
		.local = {server = ip_of_v4(own)},
		.locals = 1,
		.conns_max = viewers,
		.blocks_max = max_of(viewers / 16, 4096u),
		.tw_max = 1024,
		.mtu = 1500,
		.recv_window = 262144,
		.tso_bytes = tso ? 65000 : 0,
		.csum_offload = true,
	};

	memset(cf.key, 7, sizeof(cf.key));
	client = reserve(viewers * sizeof(*client));
	bytes = reserve(LOG_BYTES);
	due_slots = rtt_ms + 2;
	due = calloc(due_slots, sizeof(*due));
	stack = tcp_init(reserve(tcp_bytes(&cf)), &cf, &ops, NULL, now_us);
	must(due && !tcp_listen(stack, PORT, 0));
}

/* ---- phases ---- */

/* Handshakes and requests of bursts, two round trips each; microseconds of CPU in all. */
static double join(void)
{
	const uint64_t rtt_us = rtt_ms * 1000ull;
	double spent = 0;

	for (unsigned first = 0; first < viewers; first += JOIN_BURST) {
		unsigned after = min_of(first + JOIN_BURST, viewers);
		double from = cpu_us();

		for (unsigned i = first; i < after; i++)
			input(i, TCP_SYN, NULL);
		now_us += rtt_us;
		for (unsigned i = first; i < after; i++)
			input(i, TCP_ACK | TCP_PSH, "GET /live/a.flv HTTP/1.1\r\nHost: a\r\n\r\n");
		tcp_turn(stack, now_us);
		now_us += rtt_us;
		for (unsigned i = first; i < after; i++)
			input(i, TCP_ACK, NULL);
		tcp_turn(stack, now_us);
		spent += cpu_us() - from;
	}
	return spent;
}

/* ACKs that have arrived, up to this millisecond. */
static unsigned take_acks(uint64_t *done_ms)
{
	unsigned n = 0;

	for (; *done_ms <= now_us / 1000; ++*done_ms) {
		unsigned slot = (unsigned)(*done_ms % due_slots), i = due[slot];

		due[slot] = 0;
		for (; i; i = client[i - 1].next) {
			client[i - 1].waits = false;
			if (client[i - 1].acked != client[i - 1].seen)
				input(i - 1, TCP_ACK, NULL);
			n++;
		}
	}
	return n;
}

/* Everybody whose place in the tick has come; *next is the first who was not served. */
static void serve(uint64_t *next)
{
	uint64_t now = now_us - begun_us, upto = now * viewers / (tick_ms * 1000ull);

	for (; *next < upto; ++*next) {
		struct client *k = &client[*next % viewers];
		uint64_t head = FIRST_BYTES + now * bit_rate / 8 / SECOND;
		struct tcp_range r = {k->sent, (uint32_t)min_of(head - k->sent, 65536ull),
				      LOG_SOURCE};

		if (head > k->sent)
			k->sent += tcp_send(k->c, &r, 1, now_us);
	}
}

struct outcome {
	struct stats turn, late;
	double spent_us;
	uint64_t turns, span_us;
};

static void run(struct outcome *o)
{
	uint64_t next = 0, done_ms = now_us / 1000;

	begun_us = now_us;
	while (now_us < begun_us + seconds * SECOND) {
		uint64_t place_us = begun_us + next * tick_ms * 1000 / viewers;
		double from = cpu_us(), took;

		stats_add(&o->late, now_us > place_us ? now_us - place_us : 0);
		take_acks(&done_ms);
		tcp_turn(stack, now_us);
		serve(&next);
		took = cpu_us() - from;
		stats_add(&o->turn, (uint64_t)took);
		o->spent_us += took;
		o->turns++;
		/* A turn that was quicker than this waits for more. */
		now_us += max_of((uint64_t)took, 100ull);
	}
	o->span_us = now_us - begun_us;
}

static void report(double join_us, const struct outcome *o, uint64_t sent)
{
	const struct tcp_stats *s = tcp_stats(stack);

	printf("{\"viewers\": %u, \"bit_rate\": %u, \"tick_ms\": %u, \"tso\": %u, ", viewers,
	       bit_rate, tick_ms, tso);
	printf("\"joins_per_cpu_second\": %.0f, \"load\": %.3f, \"segments\": %lu, ",
	       (double)joined / join_us * 1e6, o->spent_us / (double)o->span_us,
	       (unsigned long)sent);
	printf("\"ns_per_segment\": %.1f, \"gbit_per_cpu_second\": %.2f, \"resent_bytes\": %lu, ",
	       o->spent_us * 1e3 / (double)sent, (double)s->bytes_acked * 8 / 1e3 / o->spent_us,
	       (unsigned long)s->bytes_resent);
	printf("\"tcp_bytes_per_viewer\": %.0f, \"turn_us\": ",
	       (double)tcp_bytes(
		       &(struct tcp_config){.conns_max = viewers, .tw_max = 8, .mtu = 1500}) /
		       viewers);
	stats_print(&o->turn);
	printf(", \"late_us\": ");
	stats_print(&o->late);
	printf("}\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"viewers", 1, NULL, 'v'}, {"bit-rate", 1, NULL, 'b'}, {"tick-ms", 1, NULL, 't'},
		{"seconds", 1, NULL, 's'}, {"rtt-ms", 1, NULL, 'r'},   {"tso", 1, NULL, 'o'},
		{NULL, 0, NULL, 0},
	};
	unsigned *const at[] = {&viewers, &bit_rate, &tick_ms, &seconds, &rtt_ms, &tso};
	static struct outcome o;
	double join_us;
	uint64_t before;
	int c, which;

	while ((c = getopt_long(argc, argv, "", options, &which)) != -1) {
		if (c == '?')
			return 2;
		*at[which] = (unsigned)strtoul(optarg, NULL, 10);
	}
	if (!viewers || viewers > 1u << 24 || !tick_ms || !seconds)
		return 2;
	begin();
	join_us = join();
	must(joined == viewers);
	before = segments;
	run(&o);
	report(join_us, &o, segments - before);
	return 0;
}
