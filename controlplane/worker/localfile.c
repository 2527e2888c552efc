/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/localfile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <libavutil/error.h>
#include <libavutil/mem.h>

#include "base/check.h"
#include "controlplane/worker/fault.h"

#define BUFFER 65536

static int fd_of(void *opaque)
{
	return (int)(intptr_t)opaque;
}

static int on_read(void *opaque, uint8_t *buf, int n)
{
	ssize_t got = read(fd_of(opaque), buf, (size_t)n);

	if (got < 0)
		return AVERROR(errno);
	return got ? (int)got : AVERROR_EOF;
}

static int64_t on_seek(void *opaque, int64_t off, int whence)
{
	struct stat st;
	off_t at;

	if (whence & AVSEEK_SIZE)
		return fstat(fd_of(opaque), &st) ? AVERROR(errno) : st.st_size;
	at = lseek(fd_of(opaque), off, whence & ~AVSEEK_FORCE);
	return at < 0 ? AVERROR(errno) : at;
}

/* -errno where it is not a plain file beneath the folder. */
static int open_beneath(const char *folder, const char *path)
{
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, rc = 0;
	struct stat st;

	if (dir < 0)
		return -errno;
	fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	if (fd < 0)
		rc = -errno;
	close(dir);
	if (rc)
		return rc;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return -EISDIR;
}

AVIOContext *localfile_open(const char *folder, const char *path, struct fault *f)
{
	int fd = open_beneath(folder, path);
	uint8_t *buffer;
	AVIOContext *av;

	if (fd < 0) {
		fault_set(f, REASON_ASSET_MISSING, "%s", strerror(-fd));
		return NULL;
	}
	buffer = av_malloc(BUFFER);
	must(buffer);
	av = avio_alloc_context(buffer, BUFFER, 0, (void *)(intptr_t)fd, on_read, NULL, on_seek);
	must(av);
	return av;
}

void localfile_close(AVIOContext *av)
{
	if (!av)
		return;
	close(fd_of(av->opaque));
	av_freep(&av->buffer);
	avio_context_free(&av);
}
