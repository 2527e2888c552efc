/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net.h"

#include <dlfcn.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "net/backend.h"

#define BYPASS_FILE "millrace-net-dpdk.so"

static const struct net_bypass *bypass; /* NULL: everything is the kernel's */
static void *bypass_object;

/* ---- a backend that passes the kernel by ---- */

/* Beside the program, as in the build folder; or where it is installed. NULL: nowhere. */
static void *object_open(char *path, size_t n, char *err, size_t err_n)
{
	static const char *const places[] = {"%s/" BYPASS_FILE, "%s/../lib/millrace/" BYPASS_FILE};
	char exe[PATH_MAX];
	ssize_t got = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	const char *folder;

	exe[max_of(got, 0)] = '\0';
	folder = dirname(exe);
	for (unsigned i = 0; i < array_len(places); i++) {
		void *object;

		snprintf(path, n, places[i], folder);
		if (access(path, F_OK))
			continue;
		object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		if (!object)
			snprintf(err, err_n, "net.backend: %s", dlerror());
		return object;
	}
	snprintf(err, err_n,
		 "net.backend: this build has no dpdk backend (no " BYPASS_FILE
		 " in %s or ../lib/millrace); install libdpdk-dev and build again, or set "
		 "net.backend to uring",
		 folder);
	return NULL;
}

int net_bypass_start(const struct net_bypass_options *o, char *err, size_t n)
{
	char path[PATH_MAX + 64];
	const struct net_bypass *found;
	int r;

	bypass_object = object_open(path, sizeof(path), err, n);
	if (!bypass_object)
		return -ENOENT;
	found = dlsym(bypass_object, NET_BYPASS_SYMBOL);
	if (!found || found->size != sizeof(*found) ||
	    found->conn_size != sizeof(struct net_conn)) {
		snprintf(err, n, "net.backend: %s belongs to another version of this program",
			 path);
		return -EINVAL;
	}
	r = found->start(o, err, n);
	if (!r)
		bypass = found;
	return r;
}

void net_bypass_stop(void)
{
	if (bypass)
		bypass->stop();
	bypass = NULL;
}

enum net_place net_place_of(const union net_addr *a)
{
	return bypass ? bypass->place(a) : NET_KERNEL;
}

const char *net_backend_name(void)
{
	return bypass ? bypass->backend->name : net_uring.name;
}

/* ---- net.h, by the backend ---- */

struct net *net_new(const struct net_options *o, const struct net_handlers *h, void *owner)
{
	return (bypass ? bypass->backend : &net_uring)->make(o, h, owner);
}

void net_free(struct net *n)
{
	if (n)
		n->backend->free(n);
}

int net_listen(struct net *n, int fd, int tag)
{
	return n->backend->listen(n, fd, tag, NULL);
}

int net_listen_tls(struct net *n, int fd, int tag, struct net_tls *tls)
{
	return n->backend->listen(n, fd, tag, tls);
}

int net_listen_at(struct net *n, const union net_addr *at, int tag)
{
	return n->backend->listen_at(n, at, tag);
}

void net_listen_stop(struct net *n)
{
	n->backend->listen_stop(n);
}

void net_listen_resume(struct net *n)
{
	n->backend->listen_resume(n);
}

void net_listen_leave(struct net *n, int tag)
{
	n->backend->listen_leave(n, tag);
}

void net_listen_look(struct net *n)
{
	n->backend->listen_look(n);
}

struct net_conn *net_connect(struct net *n, const struct net_dial *d, enum reason *why)
{
	return n->backend->connect(n, d, why);
}

void net_secure(struct net_conn *c, const uint8_t *p, size_t n)
{
	c->net->backend->secure(c, p, n);
}

void net_send(struct net_conn *c, const struct slice *s, unsigned n)
{
	c->net->backend->send(c, s, n);
}

bool net_path(const struct net_conn *c, struct net_path *out)
{
	const struct net_backend *b = c->net->backend;

	return b->path && b->path(c, out);
}

int net_note(const struct net_conn *c, int map, uint32_t value)
{
	const struct net_backend *b = c->net->backend;

	return b->note ? b->note(c, map, value) : -EOPNOTSUPP;
}

void net_close(struct net_conn *c, bool graceful)
{
	c->net->backend->close(c, graceful);
}

int net_turn(struct net *n)
{
	return n->backend->turn(n);
}

void net_wait(struct net *n, uint64_t until_us)
{
	n->backend->wait(n, until_us);
}

void net_mark(struct net *n, uint64_t mark)
{
	n->backend->mark(n, mark);
}

uint64_t net_held(const struct net *n)
{
	return n->backend->held(n);
}

bool net_sending(const struct net *n)
{
	return net_held(n) != UINT64_MAX;
}

void net_wake(struct net *n)
{
	n->backend->wake(n);
}

const char *net_tls_text(const struct net_conn *c)
{
	return c->net->backend->tls_text(c);
}
