/* SPDX-License-Identifier: Apache-2.0 */
#include "base/usock.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64
#define MAX_FDS \
	8 /* room for descriptors of a peer that sends more than one; all but one are closed */

static int address_of(struct sockaddr_un *sa, const char *path)
{
	size_t n = strlen(path);

	if (n >= sizeof(sa->sun_path))
		return -ENAMETOOLONG;
	if (!n)
		return -EINVAL; /* would name an unnamed socket */
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(sa->sun_path, path, n + 1);
	return 0;
}

static int open_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

int usock_connect(const char *path)
{
	struct sockaddr_un sa;
	int fd, rc = address_of(&sa, path);

	if (rc)
		return rc;
	fd = open_socket();
	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

/* Removes a socket file that nobody listens on. 0, or -errno when it has to stay. */
static int remove_stale(const char *path)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	fd = usock_connect(path);
	if (fd >= 0)
		close(fd);
	if (fd != -ECONNREFUSED)
		return fd == -EACCES ? -EACCES : -EADDRINUSE;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int bind_fresh(int fd, const struct sockaddr_un *sa)
{
	int rc;

	if (!bind(fd, (const struct sockaddr *)sa, sizeof(*sa)))
		return 0;
	if (errno != EADDRINUSE)
		return -errno;
	rc = remove_stale(sa->sun_path);
	if (rc)
		return rc;
	return bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) ? -errno : 0;
}

int usock_listen(const char *path)
{
	struct sockaddr_un sa;
	int fd, rc = address_of(&sa, path);

	if (rc)
		return rc;
	fd = open_socket();
	if (fd < 0)
		return fd;
	/* The file takes its mode from the socket: never open to others, not even for a moment. */
	if (fchmod(fd, 0600) < 0)
		rc = -errno;
	if (!rc)
		rc = bind_fresh(fd, &sa);
	if (!rc && listen(fd, BACKLOG) < 0)
		rc = -errno;
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

int usock_replace(const char *path)
{
	char beside[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd, n = snprintf(beside, sizeof(beside), "%s.new", path);

	if (n < 0 || (size_t)n >= sizeof(beside))
		return -ENAMETOOLONG;
	fd = usock_listen(beside);
	if (fd >= 0 && rename(beside, path) < 0) {
		int rc = -errno;

		unlink(beside);
		close(fd);
		return rc;
	}
	return fd;
}

int usock_accept(int fd)
{
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	return peer < 0 ? -errno : peer;
}

int usock_pair(int fd[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) ? -errno
											 : 0;
}

ssize_t usock_send(int fd, const void *p, size_t n, int pass_fd)
{
	struct iovec iov = {(void *)p, n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} beside = {0};
	struct cmsghdr *c;
	ssize_t sent;

	if (pass_fd >= 0) {
		msg.msg_control = beside.room;
		msg.msg_controllen = sizeof(beside.room);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass_fd, sizeof(int));
	}
	do {
		sent = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

/* The first descriptor of the packet; the others are closed. */
static int first_fd(struct msghdr *msg)
{
	int first = -1, fd;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (first < 0)
				first = fd;
			else
				close(fd);
		}
	}
	return first;
}

ssize_t usock_recv(int fd, void *p, size_t n, int *got_fd)
{
	struct iovec iov = {p, n};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * MAX_FDS)];
	} beside;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = beside.room,
		.msg_controllen = sizeof(beside.room),
	};
	ssize_t got;

	*got_fd = -1;
	do {
		got = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	*got_fd = first_fd(&msg);
	if (msg.msg_flags & MSG_TRUNC) {
		if (*got_fd >= 0)
			close(*got_fd);
		*got_fd = -1;
		return -EMSGSIZE;
	}
	return got;
}

int usock_notify(const char *path, const char *text)
{
	struct sockaddr_un to;
	socklen_t to_n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	int rc = address_of(&to, path), fd;

	if (rc)
		return rc;
	if (to.sun_path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to, to_n) < 0)
		rc = -errno;
	close(fd);
	return rc;
}
