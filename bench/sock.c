/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct target target_parse(const char *url)
{
	struct target t = {.to.sin_family = AF_INET};
	unsigned port;
	int fields = sscanf(url, "%7[a-z]://%63[0-9.]:%u/%63[^/]/%63s", t.scheme, t.host, &port,
			    t.app, t.name);

	if (fields < 3 || (fields < 5 && strcmp(t.scheme, "raw")) || port == 0 || port > 65535 ||
	    inet_pton(AF_INET, t.host, &t.to.sin_addr) != 1)
		die("%s: want SCHEME://IPV4:PORT/APP/NAME, or raw://IPV4:PORT", url);
	t.to.sin_port = htons((uint16_t)port);
	return t;
}

const char *target_stream(char dst[80], const struct target *t, unsigned i, unsigned streams)
{
	if (streams == 1)
		snprintf(dst, 80, "%s", t->name);
	else
		snprintf(dst, 80, "%s%u", t->name, i % streams);
	return dst;
}

int target_connect(const struct target *t)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&t->to, sizeof(t->to)))
		die("%s:%u: %s", t->host, ntohs(t->to.sin_port), strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

void send_all(int fd, const void *p, size_t n)
{
	while (n) {
		ssize_t rc = send(fd, p, n, MSG_NOSIGNAL);

		if (rc <= 0)
			die("send: %s", strerror(errno));
		p = (const char *)p + rc;
		n -= (size_t)rc;
	}
}

void recv_all(int fd, void *p, size_t n)
{
	if (recv(fd, p, n, MSG_WAITALL) != (ssize_t)n)
		die("the server closed the connection");
}

void descriptors_raise(unsigned want)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r))
		die("getrlimit: %s", strerror(errno));
	r.rlim_cur = r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur < want)
		die("%u descriptors are needed, %lu allowed", want, (unsigned long)r.rlim_cur);
}

unsigned long option_number(const char *name, const char *text, unsigned long max)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*end || end == text || v > max)
		die("--%s %s: want a number up to %lu", name, text, max);
	return v;
}
