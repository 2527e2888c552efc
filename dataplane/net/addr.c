/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

struct ip net_addr_ip(const union net_addr *a)
{
	struct ip ip = {0};

	if (a->sa.sa_family == AF_INET)
		return ip_of_v4((const uint8_t *)&a->in.sin_addr);
	if (a->sa.sa_family == AF_INET6)
		memcpy(ip.b, &a->in6.sin6_addr, sizeof(ip.b));
	return ip;
}

union net_addr net_addr_of(const struct ip *ip, uint16_t port)
{
	union net_addr a = {0};

	if (ip_is_v4(ip)) {
		a.in.sin_family = AF_INET;
		a.in.sin_port = htons(port);
		memcpy(&a.in.sin_addr, ip->b + 12, 4);
	} else {
		a.in6.sin6_family = AF_INET6;
		a.in6.sin6_port = htons(port);
		memcpy(&a.in6.sin6_addr, ip->b, sizeof(ip->b));
	}
	return a;
}

char *net_addr_text(char *dst, const union net_addr *a)
{
	char host[INET6_ADDRSTRLEN] = "";
	const struct in6_addr *v6 = &a->in6.sin6_addr;

	if (a->sa.sa_family == AF_INET) {
		inet_ntop(AF_INET, &a->in.sin_addr, host, sizeof(host));
		snprintf(dst, NET_ADDR_TEXT, "%s:%u", host, ntohs(a->in.sin_port));
	} else if (a->sa.sa_family != AF_INET6) {
		snprintf(dst, NET_ADDR_TEXT, "unknown");
	} else if (IN6_IS_ADDR_V4MAPPED(v6)) {
		inet_ntop(AF_INET, &v6->s6_addr[12], host, sizeof(host));
		snprintf(dst, NET_ADDR_TEXT, "%s:%u", host, ntohs(a->in6.sin6_port));
	} else {
		inet_ntop(AF_INET6, v6, host, sizeof(host));
		snprintf(dst, NET_ADDR_TEXT, "[%s]:%u", host, ntohs(a->in6.sin6_port));
	}
	return dst;
}

/* Digits only, to the end of the text; -1: not a port. */
static int port_of(const char *text)
{
	int port = 0;

	if (!*text)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		port = port * 10 + (*text - '0');
		if (port > 65535)
			return -1;
	}
	return port;
}

int net_addr_parse(union net_addr *out, const char *text)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN];
	union net_addr a = {0};
	int port = colon ? port_of(colon + 1) : -1;
	size_t n = colon ? (size_t)(colon - text) : 0;

	if (port < 0)
		return -EINVAL;
	if (n == 0 || text[0] == '[') {
		a.in6.sin6_family = AF_INET6;
		a.in6.sin6_port = htons((uint16_t)port);
		if (n > 0 && (n < 2 || text[n - 1] != ']' || n - 2 >= sizeof(host)))
			return -EINVAL;
		snprintf(host, sizeof(host), "%.*s", n ? (int)n - 2 : 2, n ? text + 1 : "::");
		if (inet_pton(AF_INET6, host, &a.in6.sin6_addr) != 1)
			return -EINVAL;
	} else {
		a.in.sin_family = AF_INET;
		a.in.sin_port = htons((uint16_t)port);
		if (n >= sizeof(host))
			return -EINVAL;
		snprintf(host, sizeof(host), "%.*s", (int)n, text);
		if (inet_pton(AF_INET, strcmp(host, "localhost") ? host : "127.0.0.1",
			      &a.in.sin_addr) != 1)
			return -EINVAL;
	}
	*out = a;
	return 0;
}

bool net_addr_is_local(const union net_addr *a)
{
	bool v4 = a->sa.sa_family == AF_INET;
	int fd = socket(a->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	union net_addr at = *a;
	bool local;

	if (fd < 0)
		return false;
	if (v4)
		at.in.sin_port = 0;
	else
		at.in6.sin6_port = 0;
	/* The system lets a socket have no address but its own. */
	local = bind(fd, &at.sa, v4 ? sizeof(at.in) : sizeof(at.in6)) == 0;
	close(fd);
	return local;
}
