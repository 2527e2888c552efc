/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of net/tcp: a connection, the stack, and what its files do for each other.
 *
 *   closed --connect--> SYN_SENT --SYN+ACK--> ESTABLISHED        (passive: a good cookie)
 *                          `--SYN--> SYN_RCVD --ACK-----^
 *   ESTABLISHED --FIN in--> CLOSE_WAIT --FIN out--> LAST_ACK --ACK--> closed
 *        `--FIN out--> FIN_WAIT_1 --ACK--> FIN_WAIT_2 --FIN in--> TIME_WAIT (struct tcp_tw)
 *                          `--FIN in--> CLOSING --ACK----------------^
 *   any --RST, timeout, tcp_abort--> CLOSED --next tcp_turn()--> gone
 *
 * Who does what: tcp_in.c takes a segment through RFC 9293, 3.10.7; tcp_ack.c what its ACK says;
 * tcp_loss.c decides what is lost; tcp_out.c sends; tcp_timer.c waits; tcp_listen.c answers those
 * who are not connected.
 *
 * Invariants (tcp_check)
 *   1. una <= nxt <= una + the largest window ever seen, and one more for a FIN
 *   2. the extents cover [una, nxt), except a FIN
 *   3. cwnd >= mss
 *   4. a timer of the sending side is armed if and only if something is in flight, or something
 *      waits for a window, or a handshake goes on
 * Times of 32 bits are readings of now_us or now_ms() that wrap; nothing waits longer than a turn.
 *
 * Threads: the stack's owner.
 */
#ifndef NET_TCP_TCP_CONN_H
#define NET_TCP_TCP_CONN_H

#include "base/wheel.h"
#include "net/tcp/tcp.h"
#include "net/tcp/tcp_blocks.h"
#include "net/tcp/tcp_cc.h"
#include "net/tcp/tcp_extent.h"
#include "net/tcp/tcp_flight.h"
#include "net/tcp/tcp_hdr.h"
#include "net/tcp/tcp_reasm.h"
#include "net/tcp/tcp_rtt.h"
#include "net/tcp/tcp_sip.h"
#include "net/tcp/tcp_table.h"
#include "net/tcp/tcp_tw.h"

enum tcp_state {
	TCP_CLOSED,
	TCP_SYN_SENT,
	TCP_SYN_RCVD,
	TCP_ESTABLISHED,
	TCP_FIN_WAIT_1,
	TCP_FIN_WAIT_2,
	TCP_CLOSE_WAIT,
	TCP_CLOSING,
	TCP_LAST_ACK,
};

/* What the sending side's one timer waits for. */
enum tcp_pend {
	PEND_NONE,
	PEND_RTO,     /* RFC 6298; also SYN */
	PEND_TAIL,    /* RFC 8985, 7: tail loss probe */
	PEND_REORDER, /* RFC 8985, 6.2 step 5 */
	PEND_PERSIST, /* RFC 9293, 3.8.6.1 */
};

enum tcp_recovery {
	REC_NONE,
	REC_FAST, /* losses are repaired, cwnd follows PRR */
	REC_RTO,  /* slow start after a timeout */
};

enum {
	F_TS = 1 << 0, /* both sides use timestamps */
	F_SACK = 1 << 1,
	F_WSCALE = 1 << 2,
	F_DIRTY = 1 << 3, /* in the list that tcp_turn() goes through */
	F_ACK_NOW = 1 << 4,
	F_ACK_LATER = 1 << 5, /* at ack_at */
	F_WANT = 1 << 6,      /* `writable` was promised */
	F_OVERRIDE = 1 << 7,  /* the persist timer ran out: a small piece may leave */
	F_FIN_WANTED = 1 << 8,
	F_FIN_SENT = 1 << 9,
	F_SHUT = 1 << 10,     /* tcp_close(): the owner hears nothing more */
	F_TAIL = 1 << 11,     /* a tail probe is out; `recover` is its end */
	F_REORDERS = 1 << 12, /* this path does */
	F_RESENT = 1 << 13,   /* resent_ts is set: an older echo means that nothing was lost */
	F_IDLE = 1 << 14,     /* idle_at_ms is set */
	F_OWNED = 1 << 15,    /* `ended` is due */
	F_LISTED = 1 << 16,   /* in the table */
	F_HOLE = 1 << 17,     /* full segments were tried again after mss_full was set */
};

struct tcp_conn {
	struct timer timer;
	struct tcp *tcp;
	void *user;

	struct tcp_flight flight; /* snd_una, snd_nxt and the scoreboard */
	struct tcp_cc cc;
	struct tcp_rtt rtt;
	struct tcp_extents extents;
	struct tcp_reasm reasm;

	uint32_t next; /* + 1: in the dirty or in the free list */
	uint32_t flags;
	uint32_t snd_wnd, snd_wnd_max, snd_wl1;
	uint32_t rcv_nxt, rcv_acked; /* rcv_acked: the last ACK that was sent */
	uint32_t ts_recent, ts_offset;
	uint32_t recover, round_end;
	uint32_t resent_ts;
	uint32_t pend_at, rto_from, ack_at; /* us */
	uint32_t idle_at_ms, progress_ms, challenge_ms;
	uint32_t delivered, rate;
	struct ip remote;
	uint16_t rport, lport;
	uint16_t mss;	       /* payload of a full segment */
	uint16_t mss_full;     /* what mss was before a black hole was suspected; 0: none was */
	uint16_t ts_recent_at; /* minutes, modulo 2^16 */
	uint8_t state, pend, recovery, end;
	uint8_t local, snd_scale, backoff, dupacks;
	uint8_t keep_probes, challenges, reo_mult, reo_persist;
	uint16_t resent; /* segments; stops at its largest value */
};

#define TCP_IDLE_MS 300000u /* after so long the window is no longer believed (RFC 7661, 4.4) */

static_assert(sizeof(struct tcp_conn) <= 384, "state of an established viewer");

struct tcp_listener {
	uint16_t port; /* 0: free */
	int tag;
};

struct tcp {
	struct tcp_config cf;
	const struct tcp_ops *ops;
	void *owner;
	uint64_t now_us;
	struct sip_key key;
	uint8_t rcv_scale;
	struct tcp_listener listener[TCP_LISTENERS];
	struct tcp_conn *conns;
	uint32_t used, fresh, free; /* free: + 1 */
	uint32_t dirty, dirty_last; /* + 1 */
	struct tcp_table table;
	struct tcp_tws tws;
	struct tcp_blocks blocks;
	uint32_t resets_left, resets_s;
	struct tcp_stats stats;
	struct wheel wheel;
};

static inline uint32_t now_us32(const struct tcp_conn *c)
{
	return (uint32_t)c->tcp->now_us;
}

static inline uint32_t now_ms(const struct tcp *t)
{
	return (uint32_t)(t->now_us / 1000);
}

static inline uint32_t now_s(const struct tcp *t)
{
	return (uint32_t)(t->now_us / 1000000);
}

/* The clock of our timestamps: milliseconds from an offset of the connection's own. */
static inline uint32_t tcp_clock(const struct tcp_conn *c)
{
	return now_ms(c->tcp) + c->ts_offset;
}

/* Bytes that the peer may send beyond rcv_nxt: always the same, since all is taken at once. */
static inline uint32_t tcp_rcv_wnd(const struct tcp_conn *c)
{
	uint32_t wnd = c->tcp->cf.recv_window;

	return c->flags & F_WSCALE || wnd <= 0xffff ? wnd : 0xffff;
}

/* tcp.c */
enum { HASH_TABLE, HASH_STAMP, HASH_ISN };
/* local: the index of an own address. */
struct tcp_tuple tcp_tuple_of(const struct tcp *t, unsigned local, uint16_t lport,
			      const struct ip *remote, uint16_t rport);
/* The keyed hash of a tuple for one purpose. */
uint32_t tcp_tuple_hash(const struct tcp *t, struct tcp_tuple tuple, uint32_t purpose);
/* The index of an own address, or -1. */
int tcp_local(const struct tcp *t, const struct ip *a);
struct tcp_conn *tcp_find(const struct tcp *t, unsigned local, uint16_t lport,
			  const struct ip *remote, uint16_t rport, uint32_t hash);
/* A connection in the table; NULL: no room. */
struct tcp_conn *tcp_conn_new(struct tcp *t, const struct tcp_tuple *tuple, unsigned local);
/* What the peer's SYN said about segment size and options. */
void tcp_conn_options(struct tcp_conn *c, uint16_t mss, uint8_t wscale, bool sack_ok, bool has_ts);
/* The only writer of state. */
void tcp_set_state(struct tcp_conn *c, enum tcp_state s);
/* It is over: out of the table now, gone with the next turn. */
void tcp_finish(struct tcp_conn *c, enum tcp_end why);
void tcp_dirty(struct tcp_conn *c);
/* The largest payload at this MTU, without options. */
uint16_t tcp_mss_of(const struct tcp *t, bool v6);

/* tcp_out.c */
/* Sends [seq, seq + n) of what is in flight. False: its bytes are gone, and so is c. */
bool tcp_out_range(struct tcp_conn *c, uint32_t seq, uint32_t n);
/* What a turn has to say: retransmissions, FIN, `writable`, an ACK. */
void tcp_out_turn(struct tcp_conn *c);
/* An ACK now; dup: what came twice (RFC 2883), or NULL. */
void tcp_out_ack(struct tcp_conn *c, const struct tcp_sack *dup);
void tcp_out_syn(struct tcp_conn *c);
/* A segment from before the window, which the peer must answer: persist and keep-alive. */
void tcp_out_probe(struct tcp_conn *c);
void tcp_out_reset(struct tcp_conn *c);
/* Answers g, which belongs to no connection, with RST, within the limit. */
void tcp_out_refuse(struct tcp *t, const struct tcp_seg *g);
/* A segment without payload outside of any connection. */
void tcp_out_bare(struct tcp *t, const struct tcp_seg *g);

/* tcp_in.c */
void tcp_conn_input(struct tcp_conn *c, const struct tcp_seg *g);
/* A challenge ACK, or another that a peer could cause without end: ten a second (RFC 5961, 7). */
void tcp_limited_ack(struct tcp_conn *c);

/* tcp_listen.c */
void tcp_listen_input(struct tcp *t, const struct tcp_tuple *tuple, unsigned local, uint32_t hash,
		      const struct tcp_seg *g);
/* True: the segment was for TIME_WAIT; false: it is a new beginning. */
bool tcp_tw_input(struct tcp *t, const struct tcp_tuple *tuple, unsigned local, uint32_t hash,
		  const struct tcp_seg *g);
/* c has nothing left but to wait (RFC 9293, 3.6.1). */
void tcp_time_wait(struct tcp_conn *c);

/* tcp_ack.c */
/* The ACK of g, which lies in what can be acknowledged. */
void tcp_ack_input(struct tcp_conn *c, const struct tcp_seg *g);

/* tcp_loss.c */
uint32_t tcp_pipe(const struct tcp_conn *c);
/* What follows from an ACK. dsack: it says that something arrived twice. */
void tcp_loss_ack(struct tcp_conn *c, const struct tcp_seg *g, struct tcp_delivery *d, bool dsack,
		  uint32_t pipe);
void tcp_loss_reordered(struct tcp_conn *c);
void tcp_loss_timeout(struct tcp_conn *c);
void tcp_loss_tail(struct tcp_conn *c);

/* What was sent does not fit the path: segments become smaller, and all leaves again. */
void tcp_loss_mtu(struct tcp_conn *c, uint16_t mss);

/* n bytes leave once more. */
static inline void tcp_count_resent(struct tcp_conn *c, uint32_t n)
{
	c->tcp->stats.bytes_resent += n;
	c->resent = (uint16_t)min_of(c->resent + (n + c->mss - 1) / c->mss, 0xffffu);
}

/* tcp_timer.c */
/* Sets the sending side's timer after any change; progress: new data left or was acknowledged. */
void tcp_arm(struct tcp_conn *c, bool progress);
void tcp_ack_later(struct tcp_conn *c);
void tcp_idle_in(struct tcp_conn *c, uint32_t ms);
void tcp_fire(struct timer *timer, uint64_t now_us);

#endif
