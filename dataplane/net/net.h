/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The narrow waist between the engine and the network.
 *
 * Above it there are connections, byte slices in, and slices of shared memory out; below it rings,
 * queues, descriptors or packets. One struct net per core.
 *
 *   listener --accept--> open --net_close--> closing --last completion--> gone
 *   net_connect --> connecting --> open | failed
 *
 * Rules
 *   1. At most one send in flight per connection. `sent` ends it; only then may the bytes change.
 *   2. A send is tried at once and never queued: what the peer's window does not take is not sent.
 *      `sent` with blocked = true says that there is no room beyond its n bytes (0 too); `writable`
 *      follows once, when there is some, so that the caller chooses the next range as late as
 *      possible. A network with a buffer of its own (the kernel) takes a part without being blocked.
 *   3. `received` bytes are valid during the call only. All of them are taken.
 *   4. After net_close() no handler is called for that connection; memory handed to a send in flight
 *      must stay valid until `released`, which is the last call and always comes.
 *   4a. Shared memory (net_options.shared) is not copied where that can be spared, and may be read
 *      for longer than that: until the peer has it. net_held() tells; its bytes must not change
 *      before. All other memory is done with at `sent`.
 *   5. `closed` comes once when the network ended it, perhaps instead of a `sent` or `writable`, and
 *      before that once with PEER_CLOSED if the peer ended its input; the owner calls net_close().
 *   6. Handlers are called from net_turn() only, on the core's thread.
 *   7. TLS changes nothing above: bytes and `sent` are plaintext. An accepted connection's handshake
 *      happens after `accepted`, before the first `received`, so the owner's deadline covers it; a
 *      send meanwhile is answered by `sent` with blocked, `writable` follows. A send takes one
 *      batch (about 64 KiB at most), and `sent` comes when the network has taken all of it.
 *      What a proxy says before the handshake comes to `received` as it is, where the owner asks for
 *      that in `accepted` by `clear`; net_secure() ends it.
 *
 * Threads: the core's thread, except net_wake().
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/counters.h"
#include "api/reasons.h"
#include "base/bytes.h"
#include "base/cidr.h"

/* An IPv4 or IPv6 address and port, or a unix path is never here. */
union net_addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

#define NET_ADDR_TEXT 64

struct net;

struct net_conn {
	void *user; /* the owner's */
	struct net *net;
	union net_addr peer;
	bool clear; /* rule 7 */
	uint64_t bytes_in, bytes_out;
	/* the backend's own state follows */
};

/* What TCP says of a connection: totals since it is open, and the smoothed round-trip time. */
struct net_path {
	uint32_t srtt_us; /* 0: no sample yet */
	uint32_t sent, retransmitted, duplicate,
		delivered; /* segments, as struct shm_path has them */
	uint64_t acked_bytes;
};

struct net_tls;

struct net_handlers {
	/* A connection was accepted on the listener with this tag. Sets c->user; false: refuse (RST,
	 * no `released`). */
	bool (*accepted)(void *owner, struct net_conn *c, int tag);
	/*
	 * The connection of net_connect() is open (with TLS: and the peer is who it should be), or
	 * why not: CONNECT_REFUSED, CONNECT_TIMEOUT, UNREACHABLE, IO_ERROR, TLS_HANDSHAKE or
	 * TLS_VERIFY. Then this is the last call, without `released`.
	 */
	void (*connected)(struct net_conn *c, enum reason why);
	void (*received)(struct net_conn *c, const uint8_t *p, size_t n);
	void (*sent)(struct net_conn *c, size_t n, bool blocked);
	void (*writable)(struct net_conn *c);
	/*
	 * PEER_CLOSED (end of input, sending still works), PEER_RESET, PEER_DEAD, IO_ERROR,
	 * TLS_HANDSHAKE or TLS_RECORD.
	 */
	void (*closed)(struct net_conn *c, enum reason why);
	void (*released)(struct net_conn *c);
};

struct net_options {
	unsigned core;
	unsigned entries;	    /* size hint: operations per turn, 256..32768; 0: 4096 */
	unsigned recv_buffers;	    /* 0: 1024 */
	unsigned recv_buffer_bytes; /* 0: 16384 */
	uint32_t conns_max;
	uint32_t dead_peer_ms;	/* TCP_USER_TIMEOUT; 0: the system's */
	uint32_t notsent_lowat; /* TCP_NOTSENT_LOWAT, bytes; 0: the system's */
	bool no_ktls;		/* TLS is encrypted here even where the kernel offers it */
	uint64_t *allocs;
	struct slice shared; /* memory that logs are in; of rule 4a */
	/* BYTES_IN, BYTES_OUT, SENDS, SENDS_BLOCKED, ACCEPTS, CONNS, RECV_NOBUFS, TLS_CONNS,
	 * KTLS_CONNS, TLS_FAILED; REFUSED when conns_max is reached. */
	struct shm_core *ctr;
};

/* NULL and errno: a kernel without what is needed gives ENOSYS. Called on the core's own thread. */
struct net *net_new(const struct net_options *o, const struct net_handlers *h, void *owner);
/* Closes what is open, waits for what is in flight. */
void net_free(struct net *n);

/* Whether somebody listens there already, which SO_REUSEPORT would hide: 0, -EADDRINUSE, -errno. */
int net_listener_probe(const union net_addr *at);
/* A listening socket with SO_REUSEPORT (before privileges are dropped); descriptor or -errno. */
int net_listener_open(const union net_addr *at, int backlog);
/* Where it is bound: port 0 has become a real one. 0 or -errno. */
int net_listener_address(int fd, union net_addr *at);
/* Accepts from it on this core until net_free() or net_listen_stop(); owns fd. 0 or -errno. */
int net_listen(struct net *n, int fd, int tag);
/* The same, by TLS; `tls` must outlive n. Refuses everybody until net_tls_serve() has loaded. */
int net_listen_tls(struct net *n, int fd, int tag, struct net_tls *tls);
/*
 * Accepts on this core what comes to an address that net_place_of() gives to the bypass. -EADDRINUSE,
 * -ENOSPC; -EOPNOTSUPP: there is no bypass.
 */
int net_listen_at(struct net *n, const union net_addr *at, int tag);
/* Stops accepting on every listener (drain); net_listen_resume() goes on. */
void net_listen_stop(struct net *n);
void net_listen_resume(struct net *n);
/*
 * Gives the listener with this tag up: accepts no more from it and closes its descriptor, and leaves
 * the socket as it is for other processes that have it (upgrade). What was accepted stays.
 */
void net_listen_leave(struct net *n, int tag);
/*
 * Looks at every listener's queue anew. The kernel wakes one of those who wait for a connection, and
 * a process that leaves may have been it.
 */
void net_listen_look(struct net *n);

/* Whom to connect to, and how. Nothing of it is kept. */
struct net_dial {
	const union net_addr *to;
	uint32_t timeout_ms;	     /* 1..; to the open connection, TLS handshake included */
	void *user;		     /* becomes c->user */
	const struct cidr_set *deny; /* never there (interop U7); NULL: anywhere */
	struct net_tls *tls;	     /* NULL: none; it must outlive the connection's handshake */
	const char
		*host; /* TLS: a name, asked for (SNI) and expected; or an address, no brackets */
	const uint8_t
		*pin;	 /* TLS: NET_TLS_PIN_BYTES; this certificate, whoever signed it; or NULL */
	bool unverified; /* TLS: any certificate will do */
};

/*
 * The answer is `connected`. NULL: *why is ADDRESS_DENIED, NO_MEMORY (conns_max too), BAD_URL (the
 * host cannot be in a certificate), TLS_HANDSHAKE (nothing is loaded) or IO_ERROR.
 */
struct net_conn *net_connect(struct net *n, const struct net_dial *d, enum reason *why);
/*
 * TLS begins on a connection that was `clear`, with these bytes (0 too) of those that `received` has
 * now, or was given before. Once it has begun, bytes are more of the same.
 */
void net_secure(struct net_conn *c, const uint8_t *p, size_t n);
/* slices: 1..4, n > 0 bytes in all. */
void net_send(struct net_conn *c, const struct slice *s, unsigned n);
/* False: it is not known. A system call on the kernel's TCP: now and then, not per message. */
bool net_path(const struct net_conn *c, struct net_path *out);
/*
 * Notes `value` with the connection in a socket storage map, where programs in the kernel find it.
 * 0 or -errno; -EOPNOTSUPP where there is no socket.
 */
int net_note(const struct net_conn *c, int map, uint32_t value);
/*
 * Ends the connection. graceful: what was accepted is still delivered, then FIN; else RST. Fine in
 * every state and from inside a handler. c must not be used afterwards, except by `released`.
 */
void net_close(struct net_conn *c, bool graceful);
/* Submits, then deals with completions without waiting; returns how many. */
int net_turn(struct net *n);
/* Waits for a completion, until_us (CLOCK_MONOTONIC; UINT64_MAX: for ever) or a wake. */
void net_wait(struct net *n, uint64_t until_us);
/*
 * Sends from now on carry this mark; marks never fall. net_held() is the lowest mark of a send whose
 * shared memory may still be read, UINT64_MAX: of none.
 */
void net_mark(struct net *n, uint64_t mark);
uint64_t net_held(const struct net *n);
bool net_sending(const struct net *n); /* net_held() of any */
void net_wake(struct net *n);	       /* any thread, until net_free() begins */

/*
 * A backend that passes the kernel by (DPDK): a shared object, loaded when the configuration asks for
 * it. It serves its own addresses and what is reached through its port; the kernel's addresses, and
 * TLS, stay with io_uring on the same cores. Texts as configuration keys dpdk.* have them.
 */
struct net_bypass_options {
	const char *device, *eal;
	const char *addresses, *gateways, *routes, *neighbours;
	const char *exception; /* device for what is not ours; "": dropped */
	unsigned mtu, vlan, queue_frames;
	unsigned cores;
	uint32_t conns_max;    /* of each core */
	uint64_t memory_bytes; /* the same */
	uint32_t idle_us;      /* sleeps so long at a time when nothing comes; 0: never */
	bool huge_pages, offloads, rack;
	struct slice shared;
};
/* Once, before listeners and cores, with every privilege: 0, or -errno and a sentence in err. */
int net_bypass_start(const struct net_bypass_options *o, char *err, size_t n);
void net_bypass_stop(void); /* after every net_free() */
/* Who answers at an address; "every address" is both's. */
enum net_place { NET_KERNEL, NET_BYPASS, NET_BOTH };
enum net_place net_place_of(const union net_addr *a);
const char *net_backend_name(void);

/*
 * TLS contexts: a server's certificates, or whom a client trusts; one for all cores. What is loaded
 * replaces what was loaded before as a whole (reload): connections go on with what they began with.
 * Versions 1.2 and 1.3. Threads: any; each may be used by every struct net.
 */
#define NET_TLS_PIN_BYTES 32

/* PEM files; "" where there is none. */
struct net_tls_keys {
	const char *certificate, *key; /* the default one with its chain; its private key */
	const char *folder; /* NAME.crt and NAME.key: more, chosen by the client's server name */
};

/*
 * Once at the start, before anything uses OpenSSL: its record buffers are kept for the next record
 * instead of being allocated for each. Without it TLS works, only slower.
 */
void net_tls_prepare(void);
struct net_tls *net_tls_new(void); /* NULL: no memory */
void net_tls_free(struct net_tls *t);
/* Loads a server's certificates. 0, or -EINVAL with a sentence in err; then nothing has changed. */
int net_tls_serve(struct net_tls *t, const struct net_tls_keys *k, char *err, size_t n);
/* Loads whom a client trusts: a PEM file, a hashed folder, or "": the system's. As above. */
int net_tls_trust(struct net_tls *t, const char *ca, char *err, size_t n);
/* The SHA-256 of a certificate in hexadecimal, with or without colons. 0 or -EINVAL. */
int net_tls_pin_parse(uint8_t out[NET_TLS_PIN_BYTES], const char *text);
/*
 * For log lines: version and cipher, or why the handshake failed; "" without TLS. Inside handlers of
 * c; also in the last `connected`.
 */
const char *net_tls_text(const struct net_conn *c);

/* The address without its port, for ranges; and back. */
struct ip net_addr_ip(const union net_addr *a);
union net_addr net_addr_of(const struct ip *ip, uint16_t port);
/* "127.0.0.1:1935", "[::1]:1935"; dst[NET_ADDR_TEXT]; returns dst. */
char *net_addr_text(char *dst, const union net_addr *a);
/* From "host:port", "[v6]:port", ":port" with a literal address ("localhost" too). 0 or -EINVAL. */
int net_addr_parse(union net_addr *out, const char *text);
/* Whether it is an address of this machine. */
bool net_addr_is_local(const union net_addr *a);

/*
 * Name resolution off the cores: getaddrinfo() on helper threads. done() is called on such a thread,
 * at most NET_RESOLVE_MAX addresses, or n = 0 with why = DNS_FAILED (no such name, or no name server
 * that answers), or CONNECT_TIMEOUT (too many names are being resolved, or the resolver was stopped).
 * Literals and localhost are answered at once, inside the call. Threads: any.
 */
#define NET_RESOLVE_MAX	    8
#define NET_RESOLVE_THREADS 16
struct net_resolve {
	char host[256];
	uint16_t port;
	void (*done)(struct net_resolve *r);
	union net_addr addr[NET_RESOLVE_MAX];
	unsigned n;
	enum reason why;
	struct net_resolve *next;
};
/* 1..NET_RESOLVE_THREADS threads; 0 or -errno. */
int net_resolver_start(unsigned threads);
/* Answers what is still asked for, at once; then calls nobody any more. */
void net_resolver_stop(void);
void net_resolve(struct net_resolve *r); /* owns r until done() */

#endif
