/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a backend of net.h is: every function of net.h that has a struct net or a struct net_conn comes
 * here by one indirect call.
 *
 * The struct net of a backend begins with struct net. Connections lead to theirs by `net`, so a
 * backend may have another one inside, as the DPDK one has io_uring for what is the kernel's, and
 * hand out its connections as they are.
 *
 * Threads: as net.h says of each function.
 */
#ifndef NET_BACKEND_H
#define NET_BACKEND_H

#include "net/net.h"

struct net {
	const struct net_backend *backend;
};

struct net_backend {
	const char *name;
	struct net *(*make)(const struct net_options *o, const struct net_handlers *h, void *owner);
	void (*free)(struct net *n);
	int (*listen)(struct net *n, int fd, int tag, struct net_tls *tls);
	int (*listen_at)(struct net *n, const union net_addr *at, int tag);
	void (*listen_stop)(struct net *n);
	void (*listen_resume)(struct net *n);
	void (*listen_leave)(struct net *n, int tag);
	void (*listen_look)(struct net *n);
	struct net_conn *(*connect)(struct net *n, const struct net_dial *d, enum reason *why);
	void (*secure)(struct net_conn *c, const uint8_t *p, size_t n); /* NULL: never has TLS */
	void (*send)(struct net_conn *c, const struct slice *s, unsigned n);
	/* Optional both: not known, no socket. */
	bool (*path)(const struct net_conn *c, struct net_path *out);
	int (*note)(const struct net_conn *c, int map, uint32_t value);
	void (*close)(struct net_conn *c, bool graceful);
	int (*turn)(struct net *n);
	void (*wait)(struct net *n, uint64_t until_us);
	/* Whether wait() would return at once for what has come; makes no system call. */
	bool (*ready)(struct net *n);
	void (*mark)(struct net *n, uint64_t mark);
	uint64_t (*held)(const struct net *n);
	void (*wake)(struct net *n);
	const char *(*tls_text)(const struct net_conn *c);
};

extern const struct net_backend net_uring;

/*
 * What a shared object with a backend that passes the kernel by offers, under the name
 * NET_BYPASS_SYMBOL. size: of this structure, and it differs where the two were built from different
 * sources.
 */
#define NET_BYPASS_SYMBOL "net_bypass_door"
struct net_bypass {
	size_t size, conn_size; /* of struct net_conn */
	const struct net_backend *backend;
	int (*start)(const struct net_bypass_options *o, char *err, size_t n);
	void (*stop)(void);
	enum net_place (*place)(const union net_addr *a);
};

#endif
