/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TCP that sends one shared log to very many peers: packets in, packets out.
 *
 * It has no send buffer. tcp_send() names ranges of memory or of logs, and takes what the peer and
 * the network have room for now; what it took gets sequence numbers, leaves at once, and is read
 * again from the same place if it has to leave once more. So the owner keeps those bytes until they
 * are acknowledged (`acked`, tcp_oldest()), and chooses what comes next as late as possible.
 *
 *   tcp_listen: SYN, SYN cookie, ACK --accepted--> open        tcp_connect --connected--> open
 *   open --peer_closed--> half open      open --tcp_close--> closing      any --ended--> gone
 *
 * Rules
 *   1. No I/O, no clock, no allocation: the caller owns the memory, hands in packets and the time
 *      (microseconds of a clock that never goes back), and takes packets from `emit`.
 *   2. Handlers are called inside tcp_input(), tcp_icmp() and tcp_turn() only, and may call whatever
 *      takes a struct tcp_conn. Packets are emitted inside any call.
 *   3. After `ended`, which comes exactly once for each connection that was accepted or that
 *      tcp_connect() returned, the connection does not exist, and its ranges are no longer read.
 *   4. tcp_turn() comes after each burst of tcp_input(), and not later than tcp_next() says: it
 *      answers a whole burst per connection once.
 * What is done of which RFC: FEATURES.md.
 *
 * Threads: one owner, a stack per core.
 */
#ifndef NET_TCP_TCP_H
#define NET_TCP_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/cidr.h"

#define TCP_LOCALS    16 /* own addresses */
#define TCP_LISTENERS 16
#define TCP_SLICES    8 /* pieces of payload in one packet */
#define TCP_KEY_BYTES 16

struct tcp;
struct tcp_conn;

/* n bytes to send: of memory (source 0, at is the address) or of a log of the owner's. */
struct tcp_range {
	uint64_t at;
	uint32_t n, source;
};

/* Why a connection is gone. */
enum tcp_end {
	TCP_END_DONE,	     /* both sides closed, everything was delivered */
	TCP_END_ABORTED,     /* tcp_abort() */
	TCP_END_RESET,	     /* by the peer */
	TCP_END_REFUSED,     /* tcp_connect(): nobody listens there */
	TCP_END_TIMEOUT,     /* the peer acknowledged nothing for user_timeout_ms */
	TCP_END_UNREACHABLE, /* tcp_connect(): ICMP says so */
	TCP_END_LOG_GONE,    /* bytes that must be sent again are not there any more */
};

/* One packet, or with seg_bytes one burst that the NIC cuts (TSO). Valid during the call. */
struct tcp_packet {
	const uint8_t *hdr; /* IP and TCP header */
	uint16_t hdr_bytes, l3_bytes;
	uint16_t seg_bytes; /* payload of each segment; 0: one segment as it is */
	bool v6;
	unsigned slices;
	uint32_t bytes; /* of payload, in all slices */
	struct slice slice[TCP_SLICES];
};

struct tcp_ops {
	void (*emit)(void *owner, const struct tcp_packet *p);
	/*
	 * Up to n contiguous bytes of a log, at least one: sets out. False: they are gone. `out` stays
	 * valid until those bytes are acknowledged and the packet has left.
	 */
	bool (*resolve)(void *owner, uint32_t source, uint64_t at, uint32_t n, struct slice *out);
	/* False: refuse it (RST; no `ended`). */
	bool (*accepted)(void *owner, struct tcp_conn *c, int tag);
	void (*connected)(void *owner, struct tcp_conn *c);
	/* All n bytes are taken; valid during the call. Not after tcp_close(). */
	void (*received)(void *owner, struct tcp_conn *c, const uint8_t *p, size_t n);
	/* n bytes of what tcp_send() took have arrived. */
	void (*acked)(void *owner, struct tcp_conn *c, uint32_t n);
	/* There is room, after a tcp_send() that could not take everything. Once. */
	void (*writable)(void *owner, struct tcp_conn *c);
	/* The peer ended its output; sending still works. Not after tcp_close(). */
	void (*peer_closed)(void *owner, struct tcp_conn *c);
	void (*ended)(void *owner, struct tcp_conn *c, enum tcp_end why);
};

struct tcp_config {
	struct ip local[TCP_LOCALS];
	unsigned locals;
	uint32_t conns_max; /* 1..2^24 */
	uint32_t blocks_max;
	uint32_t tw_max;	    /* TIME_WAIT entries: a power of two, at least 8 */
	uint8_t key[TCP_KEY_BYTES]; /* random and secret */
	uint16_t mtu;		    /* of IP packets, at least 576 */
	uint32_t recv_window;	    /* bytes; rounded so that it can be advertised exactly */
	uint16_t reasm_max;	    /* blocks of a connection for data out of order; 0: 64 */
	uint32_t tso_bytes;	    /* largest burst that the NIC cuts, up to 65000; 0: none */
	bool csum_offload;	    /* the NIC finishes TCP checksums */
	bool no_rack;		    /* losses by three duplicates (RFC 6675), not RACK-TLP */
	uint32_t user_timeout_ms;   /* 0: 30 s */
	uint32_t keep_idle_ms;	    /* 0: no keep-alive */
	uint32_t keep_interval_ms;  /* 0: 10 s */
	uint32_t keep_probes;	    /* 0: 3 */
	uint32_t fin_wait_ms;	    /* for the peer's FIN after ours; 0: 60 s */
	uint16_t time_wait_s;	    /* 0: 60 */
	uint32_t delack_ms;	    /* 0: 40 */
	uint32_t resets_per_s;	    /* to segments that belong to nobody; 0: 1000 */
};

struct tcp_stats {
	uint64_t segs_in, segs_out, bytes_in, bytes_acked, bytes_sent, bytes_resent;
	uint64_t bad_packets, bad_sums, not_ours;
	uint64_t syns, cookies_good, cookies_bad, accepts, refused;
	uint64_t resets_in, resets_out, challenges, paws, out_of_window;
	uint64_t recoveries, timeouts, probes_tail, probes_window, probes_keep;
	uint64_t dsacks, undone, reneged, mtu_lowered, black_holes;
	uint64_t late_dropped, tw_lost, log_gone;
};

/* Bytes of memory that tcp_init() wants for this configuration, aligned to 64. */
size_t tcp_bytes(const struct tcp_config *cf);
/* Builds a stack in mem. The memory, ops and owner outlive it; there is nothing to undo. */
struct tcp *tcp_init(void *mem, const struct tcp_config *cf, const struct tcp_ops *ops, void *owner,
		     uint64_t now_us);
/* On every own address. 0, -EADDRINUSE or -ENOSPC. */
int tcp_listen(struct tcp *t, uint16_t port, int tag);
void tcp_unlisten(struct tcp *t, uint16_t port);

/* The packet begins with its IP header. checked: the NIC found its checksums right. */
enum tcp_verdict {
	TCP_TAKEN,
	TCP_DROPPED, /* malformed, or a wrong checksum */
	TCP_FOREIGN, /* not TCP, a fragment, or not to one of our addresses: for others */
};
enum tcp_verdict tcp_input(struct tcp *t, const uint8_t *packet, size_t n, bool checked,
			   uint64_t now_us);
/*
 * An ICMP or ICMPv6 error about a packet of ours: quote is the IP packet it quotes. mtu > 0: the
 * packet was too big; else the destination cannot be reached (hard: RFC 1122, 4.2.3.9).
 */
void tcp_icmp(struct tcp *t, const uint8_t *quote, size_t n, uint32_t mtu, bool hard,
	      uint64_t now_us);
/* Fires what is due and answers what came in; returns how many connections had something to do. */
unsigned tcp_turn(struct tcp *t, uint64_t now_us);
/* When tcp_turn() must come next, if nothing comes in; UINT64_MAX: never. */
uint64_t tcp_next(const struct tcp *t, uint64_t now_us);

/*
 * Opens a connection from own address `from` and a free port of the caller's choice; the answer is
 * `connected` or `ended`. NULL: no room, or this 4-tuple is in use, or in TIME_WAIT.
 */
struct tcp_conn *tcp_connect(struct tcp *t, const struct ip *from, uint16_t lport,
			     const struct ip *to, uint16_t rport, void *user, uint64_t now_us);
/*
 * Sends what there is room for: returns the bytes taken, from the beginning of the ranges.
 * Less than all: `writable` follows.
 */
uint32_t tcp_send(struct tcp_conn *c, const struct tcp_range *r, unsigned n, uint64_t now_us);
/* Ends our output (FIN); what was taken is still delivered, and input goes on. */
void tcp_shutdown(struct tcp_conn *c, uint64_t now_us);
/* As tcp_shutdown(), and input is thrown away. Only `acked` and `ended` follow. */
void tcp_close(struct tcp_conn *c, uint64_t now_us);
/* RST; only `ended` follows. */
void tcp_abort(struct tcp_conn *c, uint64_t now_us);

void tcp_set_user(struct tcp_conn *c, void *user);
void *tcp_user(const struct tcp_conn *c);
struct tcp *tcp_of(const struct tcp_conn *c);
/* Bytes that tcp_send() would take now, at most. */
uint32_t tcp_room(const struct tcp_conn *c);
/* The lowest offset of a source that may still be read again; false: none. */
bool tcp_oldest(const struct tcp_conn *c, uint32_t source, uint64_t *at);
const struct tcp_stats *tcp_stats(const struct tcp *t);

/* For logs, metrics and tests. */
struct tcp_info {
	struct ip remote, local;
	uint16_t rport, lport, mss;
	const char *state;
	uint32_t cwnd, ssthresh, flight, snd_wnd, srtt_us, min_rtt_us, rto_us;
	uint32_t resent; /* segments, up to 65535 */
	uint32_t rate;	 /* delivery, bytes a second; 0: no sample yet */
	bool timestamps, sack, recovering;
};
void tcp_info(const struct tcp_conn *c, struct tcp_info *out);
uint32_t tcp_conns(const struct tcp *t);
uint32_t tcp_blocks_used(const struct tcp *t);
/* Aborts where an invariant of a connection does not hold. */
void tcp_check(const struct tcp_conn *c);
/* Calls tcp_check() for each connection. */
void tcp_check_all(const struct tcp *t);

#endif
