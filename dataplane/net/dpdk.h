/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the DPDK backend, shared by dpdk_*.c and nobody else.
 *
 *   dpdk_start.c   once: DPDK's environment, the device, its queues, memory
 *   dpdk.c         a core: turns, waiting, listeners
 *   dpdk_conn.c    connections: net.h on one side, tcp.h on the other
 *   dpdk_flight.c  what is sent and not yet acknowledged: log bytes by mark, private bytes by copy
 *   dpdk_in.c      frames in: link, TCP, other cores, the exception device
 *   dpdk_out.c     packets out: headers and log bytes as chained mbufs, or copied into one
 *   dpdk_steer.c   which core a connection's packets come to
 *
 * Each core has one receive and one transmit queue, a TCP, a link and an io_uring net of its own. The
 * last one serves what is the kernel's: loopback, TLS, and destinations that no route leads to.
 *
 *   dialing --neighbour known--> opening --SYN+ACK--> open --net_close--> leaving --delivered--> gone
 *       `--failed-------------------`------> gone       `--reset, dead--> broken --net_close----^
 *
 * `leaving` needs nothing of its owner any more, so `released` comes with the next turn.
 *
 * Threads: the core's, except dpdk_start.c, and dpdk_wake().
 */
#ifndef NET_DPDK_H
#define NET_DPDK_H

#include <stdatomic.h>
#include <sys/queue.h>

#include "base/check.h" /* before DPDK, which has another container_of() */

/* <netinet/ip.h>, which DPDK includes, has a struct ip of its own. */
#define ip netinet_ip
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <rte_thash.h>
#undef ip

#include "base/pool.h"
#include "net/backend.h"
#include "net/link.h"
#include "net/tcp/tcp.h"

#define DPDK_BURST	 64u
#define DPDK_CORES	 120u
#define DPDK_LISTENERS	 32u
#define DPDK_OUT	 2048u /* packets that wait for the device; a power of two */
#define DPDK_OUT_FULL	 1024u /* from here on nobody sends log bytes */
#define DPDK_RETA	 512u
#define DPDK_CHUNK_BYTES 2048u /* private bytes are copied into such pieces */
#define DPDK_CHUNKS_MAX	 32u   /* of one connection */
#define DPDK_RANGES	 8u    /* of one send */
#define DPDK_GENS	 1024u
#define DPDK_GEN_US	 100000u
#define DPDK_GENS_OLD	 600u /* whoever holds log bytes for longer is cut off */
#define DPDK_LOG_PIECES	 4u

/* What all cores share; made by dpdk_start.c, then only read but for link_up. */
struct dpdk_host {
	struct link_conf link;
	uint16_t port, exception;
	bool has_exception;
	bool tcp_sums, ip_sums; /* the device computes */
	bool tso, chains;	/* it cuts, takes several segments */
	bool steered;		/* it spreads by the 4-tuple, as dpdk_steer.c knows how */
	bool rack;
	unsigned cores, mtu, queue_frames;
	uint32_t conns_max, idle_us, chunks;
	struct slice shared;
	rte_iova_t *shared_iova; /* of each page; NULL: addresses are the same */
	unsigned shared_page_bits;
	uint8_t tcp_key[TCP_KEY_BYTES];
	uint16_t reta[DPDK_RETA];
	unsigned reta_n;
	struct rte_mempool *in_pool;
	struct rte_mempool *head_pool[DPDK_CORES], *log_pool[DPDK_CORES];
	const struct rte_memzone *chunk_zone[DPDK_CORES];
	struct rte_ring *handed[DPDK_CORES];
	_Atomic bool link_up;
};

enum dpdk_state { DIALING, OPENING, OPEN, BROKEN, LEAVING };

/* Bytes of one connection that are not acknowledged yet, in order. */
struct dpdk_piece {
	uint32_t next; /* + 1 */
	uint32_t n;
	uint32_t what;	/* a generation, or PIECE_CHUNK and a chunk's number */
	uint16_t begin; /* of the chunk's bytes in use: [begin, end) */
	uint16_t end;
};
#define PIECE_CHUNK (1u << 31)

struct dpdk_conn {
	struct net_conn pub;  /* first */
	struct tcp_conn *tcp; /* NULL: not yet, or no more */
	LIST_ENTRY(dpdk_conn) link;
	TAILQ_ENTRY(dpdk_conn) told;	/* of dpdk.told */
	TAILQ_ENTRY(dpdk_conn) waiting; /* of dpdk.dialing, dpdk.starved or dpdk.released */
	uint32_t first, last;		/* pieces, + 1 */
	uint32_t until_ms;		/* dialing: may take */
	uint32_t sent_n;
	uint32_t srtt_us; /* and mss, resent: as they were when the TCP ended */
	uint16_t mss, resent;
	uint8_t state, log_pieces, chunks;
	bool telling : 1; /* in dpdk.told: `sent` is due */
	bool blocked : 1; /* the send in `told`: the TCP promised `writable`, or it is starved */
	bool wants_room : 1;
	bool room_came : 1;
	bool starved : 1;
	bool unowned : 1; /* nobody to call `released` for */
	bool released : 1;
};

struct dpdk_gen {
	uint64_t mark, posted;
	uint32_t pieces;
};

struct dpdk_flights {
	struct dpdk_piece *piece;
	uint32_t pieces_free, pieces_fresh, pieces_max;
	uint8_t *chunk;
	uint32_t chunks_free, chunks_fresh, chunks_max;
	uint32_t *chunk_next;
	uint64_t mark; /* of sends from now on */
	uint64_t gen_us;
	uint64_t posted, gone, gone_us; /* log mbufs given to the device; known to be back */
	uint32_t oldest, now;		/* generations; modulo DPDK_GENS */
	struct dpdk_gen gen[DPDK_GENS];
};

struct dpdk_out {
	struct rte_mbuf *wait[DPDK_OUT];
	uint32_t from, to;
};

struct dpdk_listener {
	struct ip at;
	bool any;
	uint16_t port;
	int tag;
};

TAILQ_HEAD(dpdk_tail, dpdk_conn);

struct dpdk {
	struct net base;
	struct net *kernel;
	const struct dpdk_host *host;
	struct net_handlers on;
	void *owner;
	struct shm_core *ctr;
	unsigned queue;
	uint64_t now_us;
	struct tcp *tcp;
	void *tcp_memory;
	size_t tcp_memory_bytes;
	uint64_t resent; /* of tcp_stats(), as counted last */
	struct pool conns;
	LIST_HEAD(, dpdk_conn) all;
	struct dpdk_tail told, dialing, starved, released;
	struct rte_mbuf *in[DPDK_BURST];
	unsigned in_n;
	_Atomic bool woken;
	bool stopped, registered, was_up;
	uint64_t link_us, port_seed;
	unsigned listeners;
	struct dpdk_listener listener[DPDK_LISTENERS];
	struct dpdk_out out;
	struct dpdk_flights flights;
	struct link link;
};

static inline struct dpdk *dpdk_net(struct net *n)
{
	return (struct dpdk *)n;
}

static inline struct dpdk_conn *dpdk_conn_of(struct net_conn *c)
{
	return (struct dpdk_conn *)c;
}

static inline struct dpdk *dpdk_of(const struct dpdk_conn *c)
{
	return (struct dpdk *)c->pub.net;
}

static inline uint32_t dpdk_ms(const struct dpdk *n)
{
	return (uint32_t)(n->now_us / 1000);
}

static inline void dpdk_count(struct dpdk *n, enum counter which, uint64_t by)
{
	shm_add(&n->ctr->ctr[which], by);
}

/* dpdk_start.c */
const struct dpdk_host *dpdk_host(void);
/* The device's link, looked at now and then by core 0. */
void dpdk_link_look(void);

/* dpdk.c */
extern const struct net_backend net_dpdk;

/* dpdk_conn.c */
extern const struct tcp_ops dpdk_tcp_ops;
struct net_conn *dpdk_connect(struct net *base, const struct net_dial *d, enum reason *why);
void dpdk_send(struct net_conn *pub, const struct slice *s, unsigned n);
void dpdk_close(struct net_conn *pub, bool graceful);
bool dpdk_path(const struct net_conn *pub, struct net_path *out);
/* Says what sends came to; how many. */
unsigned dpdk_tell(struct dpdk *n);
/* Those who wait for a neighbour or for memory, and those whose time is over. */
void dpdk_conns_poll(struct dpdk *n);
unsigned dpdk_conns_release(struct dpdk *n);
/* Cuts off who does not acknowledge log bytes of this generation. */
void dpdk_conns_expire(struct dpdk *n, uint32_t gen);

/* dpdk_flight.c */
int dpdk_flights_init(struct dpdk_flights *f, const struct dpdk_host *h, unsigned queue);
void dpdk_flights_fini(struct dpdk_flights *f);
/* Whether there is a place to note log bytes. */
bool dpdk_flight_log_room(const struct dpdk_conn *c);
void dpdk_flight_log(struct dpdk_conn *c, uint32_t n);
/* Copies bytes into chunks; ranges that name them, at most max. Bytes copied; how many ranges in *n. */
uint32_t dpdk_flight_copy(struct dpdk_conn *c, const struct slice *s, struct tcp_range *r,
			  unsigned max, unsigned *n);
/* The last n bytes copied were not taken. */
void dpdk_flight_uncopy(struct dpdk_conn *c, uint32_t n);
void dpdk_flight_acked(struct dpdk_conn *c, uint32_t n);
/* Nothing is read any more. */
void dpdk_flight_drop(struct dpdk_conn *c);
/* Whether it has log bytes of this generation. */
bool dpdk_flight_holds(const struct dpdk_conn *c, uint32_t gen);
/* New generations, and what became of old ones. */
void dpdk_flights_turn(struct dpdk *n);
uint64_t dpdk_flights_held(const struct dpdk *n);

/* dpdk_in.c */
/* Frames from the device, other cores and the exception device; how many. */
unsigned dpdk_in(struct dpdk *n);
/* Whether a frame is there; keeps it for dpdk_in(). */
bool dpdk_in_look(struct dpdk *n);

/* dpdk_out.c */
void dpdk_out_packet(void *owner, const struct tcp_packet *p);
void dpdk_out_frame(void *owner, const uint8_t *frame, size_t n);
void dpdk_out_mbuf(struct dpdk *n, struct rte_mbuf *m);
void dpdk_out_flush(struct dpdk *n);
static inline bool dpdk_out_full(const struct dpdk *n)
{
	return n->out.to - n->out.from >= DPDK_OUT_FULL;
}

/* dpdk_steer.c */
extern uint8_t dpdk_rss_key[];
#define DPDK_RSS_KEY_BYTES 40u
/* The core that packets from remote to local come to, or are handed to. */
unsigned dpdk_core_of(const struct dpdk_host *h, const struct ip *remote, uint16_t rport,
		      const struct ip *local, uint16_t lport);
/* The same, of a TCP packet; its headers were checked by the link. */
unsigned dpdk_core_of_packet(const struct dpdk_host *h, const uint8_t *p, size_t n);

#endif
