/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session: what one connection is doing, between net/net.h and the engine.
 *
 *   accepted or connecting --> open --session_close--> closing --released--> freed
 *
 * The concrete sessions (RTMP server, HTTP server, RTMP client, HTTP client) embed struct session
 * first and give it a struct session_ops. This module does what all of them share: the connection's
 * deadline, its memory budget, private output (answers, handshakes, headers), caps, the one line and
 * the one counter at the end, and the two-phase death that net/net.h asks for.
 *
 * Private output is collected in `out` and moved to `flight` to be sent, so that bytes in flight never
 * move. A session that is fed from a log (session/feed.h) sends private output only where the feed
 * says so. Bytes that others own, as those of an HLS segment, follow private output as `body` and are
 * sent from where they are.
 *
 * Threads: one core.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "api/reasons.h"
#include "base/mem.h"
#include "base/wheel.h"
#include "core/core.h"
#include "net/net.h"
#include "session/path.h"

struct auth;
struct session;
struct session_head;
struct feed;

struct session_ops {
	const char *protocol; /* "rtmp", "http-flv", "rtmp-pull", ... for logs and lists */
	size_t bytes;	      /* of the concrete session */
	/* Accepted connections only: first call; sets the deadline. */
	void (*opened)(struct session *s);
	/* All input; returns NONE or why the session must end. */
	enum reason (*received)(struct session *s, const uint8_t *p, size_t n);
	/* Outgoing connections only: open, or why not (then the session is closed after this call). */
	void (*connected)(struct session *s, enum reason why);
	/* Private output and body are all accepted (optional). */
	void (*drained)(struct session *s);
	/* The peer closed its sending side; NONE keeps the session (optional; default: end). */
	enum reason (*peer_closed)(struct session *s);
	/* The deadline passed; returns why to end, or NONE after setting a new one (optional). */
	enum reason (*deadline)(struct session *s);
	/* What it was let in by (optional: nothing). */
	const struct auth *(*auth)(struct session *s);
	/* The node drains: the peer may be asked to go elsewhere (optional). */
	void (*draining)(struct session *s);
	/* First phase of death: leave streams, stop feeds. No I/O any more. */
	void (*ending)(struct session *s, enum reason why);
	/* Last call: free what the concrete session owns, not the session itself (optional). */
	void (*gone)(struct session *s);
};

struct session {
	const struct session_ops *ops;
	struct core *core;
	struct net_conn *conn;
	struct feed *feed; /* while it is fed from a log */
	struct mem mem;
	struct buf out;
	struct buf *flight; /* NULL: nothing was sent, or a viewer has nothing more to say */
	size_t flight_off;
	struct slice body; /* what is left of session_body() */
	struct timer timer;
	LIST_ENTRY(session) link; /* of its core */
	uint64_t id;		  /* unique in this process: core in the low 8 bits */
	uint64_t since_us;
	const char *protocol;	   /* for logs and lists */
	char *about;		   /* session_describe() */
	struct session_head *head; /* session/client.h: part of a PROXY head */
	struct path path;
	uint8_t deadline_why; /* enum reason */
	bool sending;	      /* private bytes are in flight or blocked */
	bool closing, connecting;
	bool close_when_sent;
	bool tls;			    /* accepted by TLS */
	bool local;			    /* accepted at a loopback address */
	bool capped;			    /* counted by session/caps.h */
	bool behind_proxy, proxy_head_over; /* session/client.h */
	uint8_t close_why;
	uint8_t refused; /* enum reason: it is here only to be told why it cannot stay; NONE */
};

/* ---- per core ---- */
struct session_listener {
	const struct session_ops *ops; /* what an accepted connection becomes */
	int fd; /* owned by the network from sessions_init() on; -1: `at` is the bypass's */
	union net_addr at;
	struct net_tls *tls; /* NULL: plain */
	bool anywhere;	     /* what comes to other addresses is brought here too */
	bool waits;	     /* nobody is accepted before sessions_resume() */
};
#define SESSION_LISTENERS_MAX 32

/* Pools and lists of this core, net_new(), listeners; on the core's thread. 0 or -errno. */
int sessions_init(struct core *c, const struct session_listener *at, unsigned n);
/* Refuses new connections, ends every session with `why` and turns the core until they are gone, 2 s
 * at most. Mail of other cores is still welcome after it. */
void sessions_end(struct core *c, enum reason why);
/* After every core has ended its sessions: frees the network and all else. */
void sessions_fini(struct core *c);
/* While draining, new connections are refused, or sent on to where drain.redirect says; existing ones
 * stay, and who understands it is asked to reconnect (interop C17). On the core's thread. */
void sessions_drain(struct core *c, bool on);
/* Accepts at those that wait, after an upgrade (session/takeover.h). On the core's thread. */
void sessions_resume(struct core *c);
/* Looks for connections that nobody was woken for (net_listen_look()). On the core's thread. */
void sessions_look(struct core *c);
/* One more listener while the core runs; 0 or -errno. On the core's thread. */
int sessions_listen(struct core *c, const struct session_listener *at);
/* Another process has the listeners that came with sessions_init(): gives them up, asks who understands
 * it to reconnect, and lets no HTTP connection be used again. On the core's thread. */
void sessions_leave(struct core *c);
/* Whether an HTTP connection may be used for another request. */
bool sessions_stay(const struct core *c);
/* Whether those who come now are to be sent on (session/elsewhere.h). */
bool sessions_send_on(const struct core *c);
/* Every session of this core, for control verbs. */
void sessions_each(struct core *c, void (*each)(void *arg, struct session *s), void *arg);

/* ---- one session ---- */
/* For an accepted connection, or one made by session_connect(). NULL: a cap or memory. */
struct session *session_new(struct core *c, const struct session_ops *ops);
/* Starts an outgoing connection; ops->connected follows, with s->conn to be looked at even where it
 * failed. 0 or an enum reason. */
enum reason session_connect(struct session *s, const struct net_dial *to);
/* Ends after timeout_ms with `why` unless set again; 0: no deadline. */
void session_deadline(struct session *s, uint64_t timeout_ms, enum reason why);
/* The sink for private output; session_flush() sends it. */
static inline struct sink *session_sink(struct session *s)
{
	return &s->out.sink;
}
/* Sends collected private output if nothing is in flight; fed sessions: at the next boundary. */
void session_flush(struct session *s);
/* These bytes follow what is collected; they stay as they are until ops->drained, or ops->gone. Not for
 * a session that is fed, and not while another body is under way. session_flush() sends them. */
void session_body(struct session *s, struct slice body);
/* Ends the session now: ending(), counter, log line, net_close(). Fine from any of its ops. */
void session_close(struct session *s, enum reason why);
/* The same, but collected private output goes out first (2 s at most). */
void session_close_after_flush(struct session *s, enum reason why);
/* "default/live/x" and the like for the log line; a copy is kept. */
void session_describe(struct session *s, const char *stream_key);
/* Sends collected private output although the session is fed: the log waits. For feed.c. */
void session_flush_now(struct session *s);
/* The buffer for what is in flight, made when first asked for. NULL: no memory. For feed.c. */
struct buf *session_flight(struct session *s);
/* From where it must not be closed: its timer does it. */
void session_close_soon(struct session *s, enum reason why);
/* "1f3a" as lists and viewer.kick use it; dst[20]. */
char *session_id_text(char *dst, const struct session *s);

#endif
