/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much may be in flight: CUBIC (RFC 9438) with HyStart++ (RFC 9406), ten segments to begin
 * with (RFC 6928), and a window that is only believed when it is used (RFC 7661).
 *
 *   slow start --RTT grows--> CSS --still so after 5 rounds--> avoidance
 *        |  |                   `--it was nothing--> slow start
 *        |  `--ACKs fill half a round trip--> CSS --RTT grows--> avoidance
 *        |  |                                        `--it did not in 5 rounds--> slow start
 *        `--loss--> avoidance (after recovery)      timeout: one segment, slow start
 *
 * The third way is not in RFC 9406. With a queue of less than a round trip a growing RTT is seen only
 * when the queue has already overflowed, and a thousand segments are lost at once; that the
 * ACKs of a round come one behind the other for half of it says in time that the path is half full.
 *
 * All in bytes. The caller decides when something was lost; this decides what follows from it.
 * Live streams rarely fill their window: it grows only in rounds that used at least half of it.
 *
 * Invariant: cwnd >= mss. Threads: one owner.
 */
#ifndef NET_TCP_CC_H
#define NET_TCP_CC_H

#include <stdbool.h>
#include <stdint.h>

#define TCP_SSTHRESH_MAX 0x7fffffffu

/* HyStart++, while cwnd < ssthresh. */
struct tcp_hystart {
	uint32_t last_us, now_us; /* least RTT of the last round, of this one */
	union {
		uint32_t base_us;  /* CSS: the least RTT when it began */
		uint32_t begun_us; /* else: when this round began */
	};
	uint32_t ack_us;	     /* the last ACK of those that came closely since then */
	uint8_t samples, css_rounds; /* css_rounds 0: plain slow start */
	bool train;		     /* CSS because of a train of ACKs */
};

/* CUBIC's curve since the last reduction. */
struct tcp_cubic {
	uint32_t w_est;	   /* what Reno would have */
	uint32_t epoch_ms; /* 0: begins with the next ACK */
	uint32_t k_ms;	   /* from there to the plateau */
	uint32_t origin;   /* how high the plateau is */
	uint32_t credit;   /* acknowledged bytes that did not yet make the window grow */
};

struct tcp_cc {
	uint32_t cwnd, ssthresh;
	uint32_t pipe_now, pipe_last;	   /* most in flight in this round and in the last one */
	uint32_t undo_cwnd, undo_ssthresh; /* undo_cwnd 0: nothing to undo */
	uint32_t w_max;			   /* the window before the last reduction */
	union {
		struct tcp_hystart hystart;
		struct tcp_cubic cubic;
	};
};

struct tcp_cc_ack {
	uint32_t bytes;	 /* newly arrived */
	uint32_t pipe;	 /* in flight when the ACK came */
	uint32_t rtt_us; /* 0: no sample */
	uint32_t srtt_us, now_us, now_ms;
	uint16_t mss;
	bool round; /* the first ACK of a round trip */
};

void tcp_cc_init(struct tcp_cc *cc, uint16_t mss);
void tcp_cc_acked(struct tcp_cc *cc, const struct tcp_cc_ack *a);
/* A loss was found: ssthresh is what cwnd shall be after recovery. pipe: in flight then. */
void tcp_cc_lost(struct tcp_cc *cc, uint16_t mss, uint32_t pipe);
/* The retransmission timer ran out. again: nothing was acknowledged since it last did. */
void tcp_cc_timeout(struct tcp_cc *cc, uint16_t mss, uint32_t pipe, bool again);
void tcp_cc_recovered(struct tcp_cc *cc, uint16_t mss);
/* Nothing was lost after all. */
void tcp_cc_undo(struct tcp_cc *cc);
/* Nothing was sent for a long time (RFC 7661, 4.4.3). */
void tcp_cc_idle(struct tcp_cc *cc, uint16_t mss);

uint32_t tcp_initial_window(uint16_t mss);

#endif
