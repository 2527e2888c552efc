/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/reel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/segindex.h"

#define PART ".part" /* a file that is being written */
#define MODE 0640

struct reel {
	int folder, index;
	char playlist[160];
	unsigned window, n; /* n segments are in the playlist */
	struct segline line[REEL_WINDOW_MAX];
	struct segline last; /* of the index */
	int64_t number;	     /* of the next segment */
	bool broken;	     /* a discontinuity is next */
	struct reel_stats stats;
};

/* ---- files ---- */

static int part_open(const struct reel *r)
{
	int fd = openat(r->folder, PART, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
			MODE);

	return fd < 0 ? -errno : fd;
}

/* What was written is complete, on the disk. fd is closed. */
static int part_done(const struct reel *r, int fd, int rc)
{
	if (!rc && fsync(fd))
		rc = -errno;
	if (close(fd) && !rc)
		rc = -errno;
	if (rc)
		unlinkat(r->folder, PART, 0);
	return rc;
}

static int part_name(const struct reel *r, const char *name)
{
	int rc = renameat(r->folder, PART, r->folder, name) ? -errno : 0;

	if (rc)
		unlinkat(r->folder, PART, 0);
	else if (fsync(r->folder))
		rc = -errno;
	return rc;
}

static int copy(int to, int from, uint64_t *bytes)
{
	struct stat st;
	off_t at = 0;

	if (fstat(from, &st))
		return -errno;
	while (at < st.st_size) {
		ssize_t n = sendfile(to, from, &at, (size_t)(st.st_size - at));

		if (n <= 0 && errno != EINTR)
			return n ? -errno : -EIO;
	}
	*bytes = (uint64_t)st.st_size;
	return 0;
}

static int write_segment(struct reel *r, int from, const struct segline *l, uint64_t *bytes)
{
	char name[SEGINDEX_NAME];
	int fd = part_open(r), rc;

	if (fd < 0)
		return fd;
	rc = part_done(r, fd, copy(fd, from, bytes));
	if (rc)
		return rc;
	rc = segindex_add(r->index, l);
	if (rc) {
		unlinkat(r->folder, PART, 0);
		return rc;
	}
	/* Its line is there and counts, whether the file gets its name or not. */
	r->last = *l;
	r->number++;
	return part_name(r, segindex_name(name, l->begin_ms));
}

static int write_playlist(const struct reel *r)
{
	char *text = NULL;
	size_t n;
	FILE *to = open_memstream(&text, &n);
	int fd, rc = 0;

	must(to);
	segindex_playlist(to, r->line, r->n, r->number - r->n, 0);
	must(!fclose(to) && text);
	fd = part_open(r);
	if (fd >= 0) {
		ssize_t wrote = write(fd, text, n);

		if (wrote != (ssize_t)n)
			rc = wrote < 0 ? -errno : -ENOSPC;
		rc = part_done(r, fd, rc);
	}
	free(text);
	if (fd < 0 || rc)
		return fd < 0 ? fd : rc;
	return part_name(r, r->playlist);
}

/* ---- segments ---- */

/* The playlist is of consecutive numbers: one that was not kept begins it anew. */
static void show(struct reel *r, const struct segline *l)
{
	if (r->n == r->window) {
		memmove(r->line, r->line + 1, (r->n - 1) * sizeof(r->line[0]));
		r->n--;
	}
	r->line[r->n++] = *l;
}

static void fail(struct reel *r, int rc)
{
	r->stats.failed++;
	r->stats.error = rc;
	r->broken = true;
	log_warn("channel_segment", "why=\"%s\"", strerror(-rc));
}

void reel_put(struct reel *r, int fd, int64_t begin_ms, int64_t duration_us, bool discontinuity)
{
	/* The wall clock may be set back; names go on. */
	struct segline l = {max_of(begin_ms, r->last.begin_ms + 1), duration_us,
			    r->last.breaks + (r->number && (discontinuity || r->broken))};
	int64_t number = r->number;
	uint64_t bytes = 0;
	int rc = fd < 0 ? -ENOMEM : write_segment(r, fd, &l, &bytes);

	if (rc) {
		if (r->number != number)
			r->n = 0;
		fail(r, rc);
		return;
	}
	r->broken = false;
	show(r, &l);
	r->stats.files++;
	r->stats.bytes += bytes;
	rc = write_playlist(r);
	if (rc) {
		r->stats.error = rc;
		log_warn("channel_playlist", "why=\"%s\"", strerror(-rc));
	}
}

const struct reel_stats *reel_stats(const struct reel *r)
{
	return &r->stats;
}

/* ---- life ---- */

/* The newest segments that are all there. */
static void resume(struct reel *r)
{
	int64_t count = segindex_count(r->index), from = max_of(count - (int64_t)r->window, 0);

	r->number = count;
	r->broken = count > 0;
	r->n = (unsigned)segindex_lines(r->index, from, r->line, (size_t)(count - from));
	if (r->n != count - from)
		r->n = 0;
	if (r->n)
		r->last = r->line[r->n - 1];
	for (unsigned i = r->n; i-- > 0;) {
		if (segindex_has(r->folder, r->line[i].begin_ms))
			continue;
		r->n -= i + 1;
		memmove(r->line, r->line + i + 1, r->n * sizeof(r->line[0]));
		break;
	}
}

struct reel *reel_open(const char *folder, const char *playlist, unsigned window, int *error)
{
	struct reel *r = calloc(1, sizeof(*r));

	must(r);
	r->index = -1;
	snprintf(r->playlist, sizeof(r->playlist), "%s", playlist);
	r->window = min_of(max_of(window, 1u), (unsigned)REEL_WINDOW_MAX);
	r->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*error = r->folder < 0 ? -errno : 0;
	if (!*error) {
		r->index = segindex_write_open(folder);
		*error = min_of(r->index, 0);
	}
	if (*error) {
		reel_close(r);
		return NULL;
	}
	resume(r);
	return r;
}

void reel_close(struct reel *r)
{
	if (!r)
		return;
	if (r->index >= 0)
		close(r->index);
	if (r->folder >= 0)
		close(r->folder);
	free(r);
}
