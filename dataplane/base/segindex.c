/* SPDX-License-Identifier: Apache-2.0 */
#include "base/segindex.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

#define LINE	  "%013lld %010lld %08lld\n"
#define LINE_N	  34
#define MODE	  0640
#define BREAKS	  100000000 /* what eight digits count up to, and then from 0 */
#define LASTS_MAX 9999999999

/* ---- the file ---- */

static int open_index(const char *folder, int flags)
{
	char path[2100];
	int fd;

	if (snprintf(path, sizeof(path), "%s/" SEGINDEX_FILE, folder) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, MODE);
	return fd < 0 ? -errno : fd;
}

int segindex_read_open(const char *folder)
{
	return open_index(folder, O_RDONLY);
}

int segindex_write_open(const char *folder)
{
	int fd = open_index(folder, O_RDWR | O_CREAT), rc = 0;

	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB) || ftruncate(fd, segindex_count(fd) * LINE_N))
		rc = -errno;
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

int64_t segindex_count(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_size / LINE_N;
}

static int number_of(const char *p, size_t n, int64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return 0;
		*out = *out * 10 + (p[i] - '0');
	}
	return 1;
}

static int parse(const char *line, struct segline *out)
{
	return number_of(line, 13, &out->begin_ms) && line[13] == ' ' &&
	       number_of(line + 14, 10, &out->duration_us) && line[24] == ' ' &&
	       number_of(line + 25, 8, &out->breaks) && line[33] == '\n';
}

size_t segindex_lines(int fd, int64_t from, struct segline *dst, size_t max)
{
	char text[SEGINDEX_STEP * LINE_N];
	size_t n = 0;

	while (n < max) {
		size_t want = min_of(max - n, (size_t)SEGINDEX_STEP);
		ssize_t got = pread(fd, text, want * LINE_N, (from + (int64_t)n) * (int64_t)LINE_N);
		size_t whole = got > 0 ? (size_t)got / LINE_N : 0;

		for (size_t i = 0; i < whole; i++, n++)
			if (!parse(text + i * LINE_N, &dst[n]))
				return n;
		if (whole < want)
			break;
	}
	return n;
}

int64_t segindex_find(int fd, int64_t ms)
{
	int64_t low = 0, high = segindex_count(fd);

	while (low < high) {
		int64_t middle = low + (high - low) / 2;
		struct segline l;

		if (segindex_lines(fd, middle, &l, 1) && l.begin_ms + l.duration_us / 1000 > ms)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

int segindex_add(int fd, const struct segline *l)
{
	char text[2 * LINE_N];
	int64_t at = segindex_count(fd) * LINE_N;
	int n = snprintf(text, sizeof(text), LINE, (long long)l->begin_ms,
			 (long long)min_of(l->duration_us, LASTS_MAX),
			 (long long)(l->breaks % BREAKS));
	int rc = 0;

	if (n != LINE_N)
		return -EINVAL;
	if (pwrite(fd, text, LINE_N, at) != LINE_N)
		rc = errno ? -errno : -EIO;
	else if (fdatasync(fd))
		rc = -errno;
	if (rc && ftruncate(fd, at))
		return rc; /* half a line: the next one is written over it */
	return rc;
}

/* ---- segments ---- */

char *segindex_name(char dst[SEGINDEX_NAME], int64_t begin_ms)
{
	snprintf(dst, SEGINDEX_NAME, "%lld.ts", (long long)begin_ms);
	return dst;
}

int segindex_has(int folder_fd, int64_t begin_ms)
{
	char name[SEGINDEX_NAME];

	return !faccessat(folder_fd, segindex_name(name, begin_ms), F_OK, AT_SYMLINK_NOFOLLOW);
}

void segindex_playlist(FILE *to, const struct segline *lines, size_t n, int64_t number, int ended)
{
	int64_t target_s = 1;
	char name[SEGINDEX_NAME];

	for (size_t i = 0; i < n; i++)
		target_s = max_of(target_s, (lines[i].duration_us + 500000) / 1000000);
	fprintf(to,
		"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-MEDIA-SEQUENCE:%lld\n#EXT-X-TARGETDURATION:%lld\n",
		(long long)number, (long long)target_s);
	if (n && !ended)
		fprintf(to, "#EXT-X-DISCONTINUITY-SEQUENCE:%lld\n", (long long)lines[0].breaks);
	for (size_t i = 0; i < n; i++) {
		if (i && lines[i].breaks != lines[i - 1].breaks)
			fputs("#EXT-X-DISCONTINUITY\n", to);
		fprintf(to, "#EXTINF:%lld.%03lld,\n%s\n",
			(long long)(lines[i].duration_us / 1000000),
			(long long)(lines[i].duration_us % 1000000 / 1000),
			segindex_name(name, lines[i].begin_ms));
	}
	if (ended)
		fputs("#EXT-X-ENDLIST\n", to);
}
