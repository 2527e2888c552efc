/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/archive_run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

#define INDEX	    "index.m3u8"
#define SWEEP_FDS   16
#define FILE_MODE   0644
#define FOLDER_MODE 0755
#define NAME_ROOM   64

/* ---- the playlist -------------------------------------------------------------------------------- */

static void put_time(FILE *to, int64_t ms)
{
	time_t seconds = ms / 1000;
	struct tm tm;
	char text[32];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(to, "#EXT-X-PROGRAM-DATE-TIME:%s.%03dZ\n", text, (int)(ms % 1000));
}

static void put_key(FILE *to, const struct archive_segment *s)
{
	if (s->key)
		fprintf(to, "#EXT-X-KEY:METHOD=AES-128,URI=\"key-%lld\",IV=0x%s\n",
			(long long)s->key, s->iv);
}

static void name_of(char dst[NAME_ROOM], const struct archive_segment *s)
{
	snprintf(dst, NAME_ROOM, "%lld.%s", (long long)s->seq, s->fmp4 ? "m4s" : "ts");
}

/* The map comes before the key: initialisation sections are not encrypted. */
static void put_segment(FILE *to, const struct archive_segment *s,
			const struct archive_segment *before)
{
	bool hole = before && (s->discontinuity || s->seq != before->seq + 1);
	char name[NAME_ROOM];

	name_of(name, s);
	if (hole)
		fputs("#EXT-X-DISCONTINUITY\n", to);
	if (s->init && (!before || s->init != before->init)) {
		if (before && before->key)
			fputs("#EXT-X-KEY:METHOD=NONE\n", to);
		fprintf(to, "#EXT-X-MAP:URI=\"init-%lld.mp4\"\n", (long long)s->init);
	}
	put_key(to, s);
	if (!before || hole)
		put_time(to, s->pdt_ms);
	fprintf(to, "#EXTINF:%lld.%06lld,\n%s\n", (long long)(s->duration_us / 1000000),
		(long long)(s->duration_us % 1000000), name);
}

void archive_playlist(FILE *to, const struct archive_run *r, bool ended)
{
	const struct archive_entry *e, *first = TAILQ_FIRST(&r->entries);
	const struct archive_segment *before = NULL;

	fprintf(to,
		"#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:%lld\n#EXT-X-MEDIA-SEQUENCE:%lld\n",
		(long long)(r->target_ms + 999) / 1000, (long long)(first ? first->s.seq : 0));
	if (ended)
		fputs("#EXT-X-PLAYLIST-TYPE:VOD\n", to);
	else if (!r->shortened)
		fputs("#EXT-X-PLAYLIST-TYPE:EVENT\n", to);
	TAILQ_FOREACH (e, &r->entries, link) {
		put_segment(to, &e->s, before);
		before = &e->s;
	}
	if (ended)
		fputs("#EXT-X-ENDLIST\n", to);
}

/* ---- files --------------------------------------------------------------------------------------- */

static void path_of(char *dst, size_t n, const struct archive_run *r, const char *name)
{
	snprintf(dst, n, "%s/%s", r->folder, name);
}

static int sync_folder(const struct archive_run *r)
{
	int fd = open(r->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	rc = fsync(fd) ? -errno : 0;
	close(fd);
	return rc;
}

/* What was written under `part` is complete: it gets its name. */
static int appear(const struct archive_run *r, int fd, const char *part, const char *path)
{
	int rc = fsync(fd) ? -errno : 0;

	if (close(fd) && !rc)
		rc = -errno;
	if (!rc && rename(part, path))
		rc = -errno;
	if (!rc)
		rc = sync_folder(r);
	if (rc)
		unlink(part);
	return rc;
}

static int open_part(const struct archive_run *r, const char *name, char *part, char *path,
		     size_t n)
{
	int fd;

	path_of(path, n, r, name);
	snprintf(part, n, "%s/.part", r->folder);
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
	return fd < 0 ? -errno : fd;
}

int archive_run_file(const struct archive_run *r, const char *name, int from, uint64_t *bytes)
{
	char part[1800], path[1800];
	struct stat st;
	off_t at = 0;
	int fd = open_part(r, name, part, path, sizeof(path));

	if (fd < 0)
		return fd;
	if (fstat(from, &st))
		st.st_size = 0;
	while (at < st.st_size) {
		ssize_t n = sendfile(fd, from, &at, (size_t)(st.st_size - at));

		if (n <= 0 && errno != EINTR) {
			int rc = n ? -errno : -EIO;

			close(fd);
			unlink(part);
			return rc;
		}
	}
	*bytes += (uint64_t)st.st_size;
	return appear(r, fd, part, path);
}

static int put_index(const struct archive_run *r, bool ended)
{
	char part[1800], path[1800];
	int fd = open_part(r, INDEX, part, path, sizeof(path)), copy, rc;
	FILE *to;

	if (fd < 0)
		return fd;
	copy = dup(fd);
	to = copy >= 0 ? fdopen(copy, "w") : NULL;
	if (!to) {
		rc = -errno;
		if (copy >= 0)
			close(copy);
		close(fd);
		unlink(part);
		return rc;
	}
	archive_playlist(to, r, ended);
	rc = ferror(to) ? -EIO : 0;
	if (fclose(to) && !rc)
		rc = -errno;
	if (!rc)
		return appear(r, fd, part, path);
	close(fd);
	unlink(part);
	return rc;
}

/* ---- runs ---------------------------------------------------------------------------------------- */

static int make_folders(char *path)
{
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		mkdir(path, FOLDER_MODE);
		*p = '/';
	}
	return mkdir(path, FOLDER_MODE) && errno != EEXIST ? -errno : 0;
}

/* No part of a name may lead anywhere else (interop U4). */
static void put_name(char *dst, size_t n, const char *stream)
{
	size_t at = 0;

	for (; *stream && at + 2 < n; stream++) {
		bool begins = !at || dst[at - 1] == '/';

		if (begins && (*stream == '.' || *stream == '/'))
			dst[at++] = '_';
		if (!begins || *stream != '/')
			dst[at++] = *stream;
	}
	dst[at] = 0;
}

int archive_run_begin(struct archive_run *r, const char *root, const char *stream,
		      int64_t first_seq, int64_t wall_now_ms)
{
	time_t seconds = wall_now_ms / 1000;
	char name[540], stamp[32];
	struct tm tm;
	int rc;

	TAILQ_INIT(&r->entries);
	gmtime_r(&seconds, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	put_name(name, sizeof(name), stream);
	snprintf(r->folder, sizeof(r->folder), "%s/%s/%s-%lld", root, name, stamp,
		 (long long)first_seq);
	rc = make_folders(r->folder);
	/* A sweep may just have removed a folder above. */
	return rc == -ENOENT ? make_folders(r->folder) : rc;
}

int archive_run_put(struct archive_run *r, const struct archive_segment *s, int fd, uint64_t *bytes)
{
	struct archive_entry *e;
	char name[NAME_ROOM];
	int rc;

	name_of(name, s);
	rc = archive_run_file(r, name, fd, bytes);
	if (rc)
		return rc;
	e = calloc(1, sizeof(*e));
	must(e);
	e->s = *s;
	TAILQ_INSERT_TAIL(&r->entries, e, link);
	return put_index(r, false);
}

static void forget_first(struct archive_run *r)
{
	struct archive_entry *e = TAILQ_FIRST(&r->entries);

	TAILQ_REMOVE(&r->entries, e, link);
	free(e);
}

void archive_run_shorten(struct archive_run *r, int64_t before_ms)
{
	const struct archive_entry *e;
	char name[NAME_ROOM], path[1800];

	while ((e = TAILQ_FIRST(&r->entries)) && e->s.pdt_ms < before_ms) {
		name_of(name, &e->s);
		path_of(path, sizeof(path), r, name);
		unlink(path);
		forget_first(r);
		r->shortened = true;
	}
}

int archive_run_end(struct archive_run *r)
{
	return TAILQ_EMPTY(&r->entries) ? 0 : put_index(r, true);
}

void archive_run_fini(struct archive_run *r)
{
	while (!TAILQ_EMPTY(&r->entries))
		forget_first(r);
}

/* ---- sweeping ------------------------------------------------------------------------------------ */

static __thread int64_t sweep_before_s;

static void remove_run(const char *folder)
{
	char path[1800], *slash;
	struct dirent *d;
	DIR *dir = opendir(folder);

	if (!dir)
		return;
	while ((d = readdir(dir)))
		if (d->d_type == DT_REG)
			unlinkat(dirfd(dir), d->d_name, 0);
	closedir(dir);
	rmdir(folder);
	snprintf(path, sizeof(path), "%s", folder);
	slash = strrchr(path, '/');
	if (slash) {
		*slash = 0;
		rmdir(path); /* the stream's folder, if this was its last run */
	}
}

static int on_path(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char index[1800];
	struct stat is;

	if (type != FTW_D)
		return FTW_CONTINUE;
	snprintf(index, sizeof(index), "%s/" INDEX, path);
	if (stat(index, &is))
		return FTW_CONTINUE;
	if (is.st_mtime < sweep_before_s)
		remove_run(path);
	return FTW_SKIP_SUBTREE;
}

void archive_sweep(const char *root, int64_t before_s)
{
	sweep_before_s = before_s;
	nftw(root, on_path, SWEEP_FDS, FTW_PHYS | FTW_ACTIONRETVAL);
}
