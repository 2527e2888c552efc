/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <libavformat/avformat.h>

#include "base/cidr.h"

static struct cidr_set deny;
static struct sockaddr_storage free_address;
static atomic_bool denied;

static bool address_of(const struct sockaddr *sa, struct ip *ip, in_port_t *port)
{
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)sa;

		*ip = ip_of_v4((const uint8_t *)&in->sin_addr);
		*port = in->sin_port;
		return true;
	}
	if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

		memcpy(ip->b, &in6->sin6_addr, sizeof(ip->b));
		*port = in6->sin6_port;
		return true;
	}
	return false;
}

static bool allowed(const struct sockaddr *sa)
{
	struct ip ip, free_ip;
	in_port_t port, free_port;

	if (!address_of(sa, &ip, &port) || !cidr_set_holds(&deny, &ip))
		return true;
	return address_of((const struct sockaddr *)&free_address, &free_ip, &free_port) &&
	       port == free_port && !memcmp(&ip, &free_ip, sizeof(ip));
}

int connect(int fd, const struct sockaddr *sa, socklen_t n)
{
	if (sa && n >= sizeof(struct sockaddr_in) && !allowed(sa)) {
		denied = true;
		errno = EACCES;
		return -1;
	}
	return (int)syscall(SYS_connect, fd, sa, n);
}

static struct addrinfo *resolve(const char *host, const char *port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;

	return getaddrinfo(host, port, &hints, &found) ? NULL : found;
}

bool dial_init(const char *ranges, const char *free_host, const char *free_port)
{
	struct addrinfo *found = resolve(free_host, free_port);
	char bad[64];

	if (found && found->ai_addrlen <= sizeof(free_address))
		memcpy(&free_address, found->ai_addr, found->ai_addrlen);
	if (found)
		freeaddrinfo(found);
	return !cidr_set_parse(&deny, ranges, bad, sizeof(bad));
}

bool dial_denied(void)
{
	return atomic_exchange(&denied, false);
}

enum reason dial_check(const char *url)
{
	enum reason why = REASON_NONE;
	struct addrinfo *found;
	char host[300];

	av_url_split(NULL, 0, NULL, 0, host, sizeof(host), NULL, NULL, 0, url);
	found = resolve(host, NULL);
	if (!found)
		return REASON_DNS_FAILED;
	for (struct addrinfo *a = found; a; a = a->ai_next)
		if (!allowed(a->ai_addr))
			why = REASON_ADDRESS_DENIED;
	freeaddrinfo(found);
	return why;
}
