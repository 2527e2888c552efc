/* SPDX-License-Identifier: Apache-2.0 */
#include "session/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

static struct {
	pthread_mutex_t lock;
	int fd; /* -1: none */
	_Atomic bool open;
	uint64_t bytes, max;
	char path[1025];
	uint32_t failed; /* lines, since the last that went out */
} file = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

static int open_file(const char *path, uint64_t *bytes)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	struct stat st;

	if (fd < 0)
		return -errno;
	*bytes = fstat(fd, &st) ? 0 : (uint64_t)st.st_size;
	return fd;
}

/* Locked. fd is the file's from here on, -1: none. */
static void take(int fd, uint64_t bytes)
{
	if (file.fd >= 0)
		close(file.fd);
	file.fd = fd;
	file.bytes = bytes;
	atomic_store_explicit(&file.open, fd >= 0, memory_order_release);
}

int access_log_open(const struct config *c, struct conf_error *err)
{
	uint64_t bytes = 0;
	int fd = -1;

	if (*c->log_access) {
		fd = open_file(c->log_access, &bytes);
		if (fd < 0) {
			snprintf(err->text, sizeof(err->text), "log.access: %.400s: %s",
				 c->log_access, strerror(-fd));
			return fd;
		}
	}
	pthread_mutex_lock(&file.lock);
	memcpy(file.path, c->log_access, sizeof(file.path) - 1);
	file.max = (uint64_t)c->log_access_bytes;
	take(fd, bytes);
	pthread_mutex_unlock(&file.lock);
	return 0;
}

void access_log_close(void)
{
	pthread_mutex_lock(&file.lock);
	take(-1, 0);
	pthread_mutex_unlock(&file.lock);
}

bool access_log_is_open(void)
{
	return atomic_load_explicit(&file.open, memory_order_acquire);
}

/* Locked. Where the new file cannot be had the old one goes on. */
static void rotate(void)
{
	char old[1030];
	uint64_t bytes;
	int fd;

	snprintf(old, sizeof(old), "%s.1", file.path);
	if (rename(file.path, old))
		return;
	fd = open_file(file.path, &bytes);
	if (fd >= 0)
		take(fd, bytes);
}

void access_log_line(const char *event, const char *fmt, ...)
{
	char line[LOG_LINE_BYTES];
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = log_format(line, LOG_INFO, event, 0, fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&file.lock);
	if (file.fd >= 0 && file.max && file.bytes + n > file.max && file.bytes)
		rotate();
	if (file.fd >= 0 && write(file.fd, line, n) == (ssize_t)n) {
		file.bytes += n;
		file.failed = 0;
	} else if (file.failed++ == 0) {
		log_error("access_log", "message=\"lines cannot be written\" errno=%d", errno);
	}
	pthread_mutex_unlock(&file.lock);
}
