/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/cli/listen.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

#define TCP_LISTEN_HEX 0x0au

void listen_split(const char *address, char *host, size_t host_n, char *port, size_t port_n)
{
	size_t len = strcspn(address, " "), colon = len;

	while (colon && address[colon] != ':')
		colon--;
	snprintf(port, port_n, "%.*s", (int)(len - colon - 1), address + colon + 1);
	if (address[0] == '[' && colon >= 2)
		snprintf(host, host_n, "%.*s", (int)(colon - 2), address + 1);
	else
		snprintf(host, host_n, "%.*s", (int)colon, address);
}

void listen_reach(const char *addresses, char *dst, size_t n)
{
	char host[256], port[8];

	listen_split(addresses + strspn(addresses, " "), host, sizeof(host), port, sizeof(port));
	if (!*host || !strcmp(host, "0.0.0.0"))
		snprintf(dst, n, "127.0.0.1:%s", port);
	else if (!strcmp(host, "::"))
		snprintf(dst, n, "[::1]:%s", port);
	else if (strchr(host, ':'))
		snprintf(dst, n, "[%s]:%s", host, port);
	else
		snprintf(dst, n, "%s:%s", host, port);
}

/* ---- who has a port ---- */

/* Inode of a socket that listens on the port, from /proc/net/tcp or tcp6; 0: none. */
static unsigned long listener_inode(const char *table, unsigned port)
{
	FILE *f = fopen(table, "re");
	unsigned long inode, found = 0;
	unsigned local, state;
	char line[512];

	while (f && !found && fgets(line, sizeof(line), f))
		if (sscanf(line,
			   " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %lu",
			   &local, &state, &inode) == 3 &&
		    local == port && state == TCP_LISTEN_HEX)
			found = inode;
	if (f)
		fclose(f);
	return found;
}

static bool has_socket(const char *pid, unsigned long inode)
{
	char path[320], target[64], wanted[64];
	struct dirent *d;
	bool found = false;
	DIR *dir;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
	while (dir && !found && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%.20s/fd/%.20s", pid, d->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		if (n > 0) {
			target[n] = '\0';
			found = !strcmp(target, wanted);
		}
	}
	if (dir)
		closedir(dir);
	return found;
}

/* " by nginx (pid 812)", or nothing where /proc does not tell. */
static void name_owner(unsigned port, char *dst, size_t n)
{
	unsigned long inode = listener_inode("/proc/net/tcp", port);
	char path[64], name[32] = "";
	struct dirent *d;
	DIR *proc;
	FILE *f;

	*dst = '\0';
	if (!inode)
		inode = listener_inode("/proc/net/tcp6", port);
	proc = inode ? opendir("/proc") : NULL;
	while (proc && !*dst && (d = readdir(proc))) {
		if (!isdigit((unsigned char)d->d_name[0]) || !has_socket(d->d_name, inode))
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/comm", d->d_name);
		f = fopen(path, "re");
		if (f && fgets(name, sizeof(name), f))
			name[strcspn(name, "\n")] = '\0';
		if (f)
			fclose(f);
		snprintf(dst, n, " by %s (pid %.20s)", name, d->d_name);
	}
	if (proc)
		closedir(proc);
}

/* ---- is it free ---- */

/* 0, or why a socket cannot be bound there. */
static int try_bind(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, rc = 0;

	if (fd < 0)
		return errno == EAFNOSUPPORT ? 0 : errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0)
		rc = errno;
	close(fd);
	return rc;
}

static void explain(const char *address, const char *port, const char *option, int error, char *why,
		    size_t n)
{
	char owner[96];

	switch (error) {
	case EADDRINUSE:
		name_owner((unsigned)strtoul(port, NULL, 10), owner, sizeof(owner));
		snprintf(why, n, "%s is in use%s; stop that, or choose another with --%s ADDR:PORT",
			 address, owner, option);
		break;
	case EADDRNOTAVAIL:
		snprintf(why, n,
			 "%s: this machine has no such address; choose another with --%s "
			 "ADDR:PORT",
			 address, option);
		break;
	case EACCES:
		snprintf(why, n,
			 "%s: ports under 1024 are for root; choose another with --%s "
			 "ADDR:PORT",
			 address, option);
		break;
	default:
		snprintf(why, n, "%s: cannot listen there: %s", address, strerror(error));
	}
}

static bool one_free(const char *address, const char *option, char *why, size_t n)
{
	const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
				       .ai_socktype = SOCK_STREAM};
	struct addrinfo *all, *ai;
	char host[256], port[8];
	int error = 0, rc;

	listen_split(address, host, sizeof(host), port, sizeof(port));
	rc = getaddrinfo(*host ? host : NULL, port, &hints, &all);
	if (rc) {
		snprintf(why, n, "%s: unknown host (%s); choose another with --%s ADDR:PORT",
			 address, gai_strerror(rc), option);
		return false;
	}
	for (ai = all; ai && !error; ai = ai->ai_next)
		error = try_bind(ai);
	freeaddrinfo(all);
	if (error)
		explain(address, port, option, error, why, n);
	return !error;
}

bool listen_free(const char *addresses, const char *option, char *why, size_t n)
{
	char address[300];

	for (const char *s = addresses + strspn(addresses, " "); *s; s += strspn(s, " ")) {
		size_t len = strcspn(s, " ");

		snprintf(address, sizeof(address), "%.*s", (int)min_of(len, sizeof(address) - 1),
			 s);
		if (!one_free(address, option, why, n))
			return false;
		s += len;
	}
	return true;
}
