/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two stacks and a path between them, in one process, with a clock of integers.
 *
 *   server 10.0.0.1 / fd00::1  ==== path[DOWN] ===>  client 10.0.0.2 / fd00::2
 *                              <=== path[UP] =====
 *
 * A client asks with some bytes; the server answers with a private prefix and ranges of a log, and
 * closes. What is received is compared by hash and count with what was taken. Invariants of all
 * connections are checked after every event. The same seed is the same run.
 */
#ifndef TESTS_SIM_TCP_WORLD_H
#define TESTS_SIM_TCP_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "net/tcp/tcp.h"

#define WORLD_PEERS 256
#define WORLD_LOG   (1u << 20)

enum { DOWN, UP };
enum { SERVER, CLIENT };

/* One direction of the path. Chances are parts in a million, per packet. */
struct path {
	uint32_t delay_us, jitter_us; /* jitter reorders */
	uint64_t rate;		      /* bytes a second; 0: any */
	uint32_t queue_bytes;	      /* in front of the rate; 0: any */
	uint32_t loss, burst_loss, duplicate, corrupt;
	uint32_t thin_acks; /* of pure ACKs, this part is lost */
	uint32_t mtu;	    /* larger packets vanish; 0: any */
	bool tells_mtu;	    /* with an ICMP error */
	uint32_t strip;	    /* TCP options of a SYN that vanish: a mask of kinds */
	uint32_t lies;	    /* segments that say something else than was meant */
	uint64_t dead_from_us, dead_to_us;
	uint64_t full_from_us, full_to_us; /* windows that go this way are closed */

	uint64_t free_at_us; /* state: when the rate is free again */
	uint64_t burst_to_us;
	uint64_t packets, lost;
};

/* One end of one connection. */
struct peer {
	struct world *world;
	int side;
	struct tcp_conn *c;
	uint16_t port; /* the client's: names the pair */
	uint64_t to_send, taken, got, acked;
	uint64_t hash_out, hash_in;
	uint64_t log_at;
	bool opened, peer_closed, ended, closes, closed;
	enum tcp_end end;
	uint64_t ended_us;
};

struct world_options {
	uint64_t seed;
	bool v6, tso, csum_offload, no_rack[2];
	uint32_t recv_window[2];
	uint32_t blocks[2];
	uint16_t reasm_max[2]; /* what a receiver like the kernel's has: as much as its window */
	uint32_t user_timeout_ms;
	uint32_t keep_idle_ms;
	uint16_t mtu;
	uint32_t log_keeps; /* bytes behind the newest that the log still has; 0: all */
	struct path path[2];
};

struct event;
struct world {
	struct world_options o;
	uint64_t now_us, random, serial;
	struct tcp *stack[2];
	void *mem[2];
	struct peer peer[2][WORLD_PEERS];
	unsigned peers;
	struct event **heap;
	unsigned events, heap_room;
	uint64_t log_newest;
	bool told; /* prints packets */
	uint8_t *log;
};

void world_init(struct world *w, const struct world_options *o);
void world_fini(struct world *w);
uint32_t world_random(struct world *w, uint32_t below);
/* A client connection that sends `up` bytes and expects `down` bytes; the server closes. */
void world_open(struct world *w, uint64_t up, uint64_t down);
/* Offers what is left to send, as `writable` does; closes at the end if the peer closes. */
void world_offer(struct peer *p);
/* Runs until nothing happens any more, or until that time. True: nothing is left to do. */
bool world_run(struct world *w, uint64_t until_us);
/* Both ends have everything, and are gone in good order: NULL, or what is wrong. */
const char *world_verdict(const struct world *w);

#endif
