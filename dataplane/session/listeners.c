/* SPDX-License-Identifier: Apache-2.0 */
#include "session/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "session/takeover.h"

#define BACKLOG 4096 /* the system's net.core.somaxconn bounds it */

void listeners_init(struct listeners *l, unsigned cores)
{
	*l = (struct listeners){.cores = cores};
}

/* What the operator reads and does. */
static int explain(int err, const char *key, const char *address, char *text, size_t n)
{
	const char *advice = "";

	if (err == -EADDRINUSE)
		advice = "; stop the program that listens there, or choose another port";
	else if (err == -EADDRNOTAVAIL)
		advice = "; this machine has no such address";
	else if (err == -EACCES)
		advice = "; ports below 1024 need root or CAP_NET_BIND_SERVICE";
	else if (err == -EOPNOTSUPP)
		advice = "; with net.backend dpdk, TLS and port 0 are for the kernel's addresses";
	else if (err == -EINVAL)
		advice = "; must be host:port, [v6]:port or :port, with a literal address";
	snprintf(text, n, "%s %s: %s%s", key, address, strerror(-err), advice);
	return err;
}

static in_port_t *port_of(union net_addr *at)
{
	return at->sa.sa_family == AF_INET6 ? &at->in6.sin6_port : &at->in.sin_port;
}

/*
 * Port 0 becomes one that is free. The socket that found it, *keep, holds it until the real ones are
 * bound to it by number: a port that was not asked for by number is lost when listening stops for a
 * while (drain).
 */
static int choose_port(union net_addr *at, int *keep)
{
	if (*port_of(at))
		return 0;
	*keep = net_listener_open(at, 1);
	if (*keep < 0)
		return *keep;
	return net_listener_address(*keep, at);
}

/* A place without sockets. */
static int bypass_one(struct listeners *l, union net_addr at)
{
	if (l->one[l->n].tls || !*port_of(&at))
		return -EOPNOTSUPP;
	l->one[l->n].fd = l->one[l->n].kept = NULL;
	l->one[l->n++].at = at;
	return 0;
}

/* What the data plane before this one has there: how many sockets; *at is then where they are. */
static unsigned inherit(const struct listeners *l, union net_addr *at, int *fd)
{
	const struct takeover_place place = {
		.key = l->one[l->n].key,
		.protocol = l->one[l->n].ops->protocol,
		.tls = l->one[l->n].tls != NULL,
		.anywhere = l->one[l->n].anywhere,
		.at = *at,
	};
	unsigned n = 0;

	while (n < l->cores && (fd[n] = takeover_socket(&place)) >= 0)
		n++;
	if (n)
		net_listener_address(fd[0], at);
	return n;
}

static int open_fresh(const struct listeners *l, union net_addr *at, int *fd)
{
	int keep = -1, r = net_listener_probe(at);

	if (!r)
		r = choose_port(at, &keep);
	for (unsigned i = 0; !r && i < l->cores; i++) {
		fd[i] = net_listener_open(at, BACKLOG);
		r = min_of(fd[i], 0);
	}
	if (keep >= 0)
		close(keep);
	return r;
}

/* The rest of its place is filled in already. */
static int open_one(struct listeners *l, union net_addr at)
{
	int *fd = malloc(l->cores * sizeof(*fd)), *kept = malloc(l->cores * sizeof(*kept));
	unsigned had = 0;
	int r = 0;

	must(fd && kept);
	for (unsigned i = 0; i < l->cores; i++)
		fd[i] = kept[i] = -1;
	l->one[l->n].fd = fd;
	l->one[l->n].kept = kept;
	had = inherit(l, &at, fd);
	if (!had)
		r = open_fresh(l, &at, fd);
	for (unsigned i = had; had && !r && i < l->cores; i++) {
		fd[i] = net_listener_open(&at, BACKLOG);
		r = min_of(fd[i], 0);
	}
	for (unsigned i = 0; !r && i < l->cores; i++)
		kept[i] = fcntl(fd[i], F_DUPFD_CLOEXEC, 0);
	l->one[l->n++].at = at;
	return r;
}

/* One address, in the places of those who answer there. */
static int add_one(struct listeners *l, union net_addr at)
{
	enum net_place place = net_place_of(&at);
	unsigned i = l->n;
	int r = 0;

	if (place == NET_BYPASS)
		return bypass_one(l, at);
	r = open_one(l, at);
	if (r || place == NET_KERNEL || l->one[i].tls)
		return r;
	if (l->n == SESSION_LISTENERS_MAX)
		return -E2BIG;
	l->one[l->n] = l->one[i];
	return bypass_one(l, l->one[i].at);
}

int listeners_add(struct listeners *l, const char *key, const char *addresses,
		  const struct session_ops *ops, char *text, size_t n)
{
	return listeners_add_tls(l, key, addresses, ops, NULL, text, n);
}

int listeners_add_tls(struct listeners *l, const char *key, const char *addresses,
		      const struct session_ops *ops, struct net_tls *tls, char *text, size_t n)
{
	char copy[1025], *rest = NULL;
	union net_addr at;
	int r = 0;

	snprintf(copy, sizeof(copy), "%s", addresses);
	for (char *one = strtok_r(copy, " ", &rest); one; one = strtok_r(NULL, " ", &rest)) {
		if (l->n == SESSION_LISTENERS_MAX) {
			snprintf(text, n, "%s: more than %d addresses to listen on", key,
				 SESSION_LISTENERS_MAX);
			return -E2BIG;
		}
		l->one[l->n].key = key;
		l->one[l->n].ops = ops;
		l->one[l->n].tls = tls;
		l->one[l->n].anywhere = false;
		r = net_addr_parse(&at, one);
		if (!r)
			r = add_one(l, at);
		if (r)
			return explain(r, key, one, text, n);
	}
	return 0;
}

unsigned listeners_take(struct listeners *l, unsigned core, struct session_listener *out)
{
	for (unsigned i = 0; i < l->n; i++) {
		int fd = l->one[i].fd ? l->one[i].fd[core] : -1;

		out[i] = (struct session_listener){l->one[i].ops,      fd,
						   l->one[i].at,       l->one[i].tls,
						   l->one[i].anywhere, takeover_under_way()};
		if (l->one[i].fd)
			l->one[i].fd[core] = -1;
	}
	return l->n;
}

char *listeners_text(const struct listeners *l, const char *key, char *dst, size_t n)
{
	char one[NET_ADDR_TEXT];
	size_t used = 0;

	dst[0] = '\0';
	for (unsigned i = 0; i < l->n && used < n; i++) {
		if (!strcmp(l->one[i].key, key))
			used += (size_t)snprintf(dst + used, n - used, "%s%s", used ? " " : "",
						 net_addr_text(one, &l->one[i].at));
	}
	return dst;
}

static void close_each(int *fd, unsigned n)
{
	for (unsigned i = 0; fd && i < n; i++) {
		if (fd[i] >= 0)
			close(fd[i]);
		fd[i] = -1;
	}
}

void listeners_let_go(struct listeners *l)
{
	for (unsigned i = 0; i < l->n; i++)
		close_each(l->one[i].kept, l->cores);
}

void listeners_fini(struct listeners *l)
{
	listeners_let_go(l);
	for (unsigned i = 0; i < l->n; i++) {
		close_each(l->one[i].fd, l->cores);
		free(l->one[i].fd);
		free(l->one[i].kept);
	}
	l->n = 0;
}
