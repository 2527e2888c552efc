/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/object_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

#define PART_MAX    255
#define DEPTH_MAX   32
#define FOLDER_MODE 0750
#define FILE_MODE   0640

/* ---- names ---- */

bool object_bucket_fine(const char *bucket)
{
	size_t n = strlen(bucket);

	return n >= 3 && n < OBJECT_BUCKET_MAX && bucket[0] != '-' && bucket[n - 1] != '-' &&
	       strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static bool part_fine(const char *part, size_t n)
{
	if (!n || n > PART_MAX || part[0] == '.')
		return false;
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)part[i] < 0x20 || part[i] == 0x7f)
			return false;
	}
	return true;
}

bool object_key_fine(const char *key)
{
	unsigned depth = 0;

	if (strlen(key) >= OBJECT_KEY_MAX)
		return false;
	for (;;) {
		size_t n = strcspn(key, "/");

		if (!part_fine(key, n) || ++depth > DEPTH_MAX)
			return false;
		if (!key[n])
			return true;
		key += n + 1;
	}
}

/* ---- folders ---- */

static int folder_open(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* The bucket's folder, or -errno. */
static int bucket_open(const char *folder, const char *bucket)
{
	int fd, root;

	if (!object_bucket_fine(bucket))
		return -EINVAL;
	root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	fd = folder_open(root, bucket);
	close(root);
	return fd;
}

/* The folder that holds the key's file, and that file's name; made where `make` says so. */
static int parent_open(const char *folder, const char *bucket, const char *key, bool make,
		       const char **name)
{
	char part[PART_MAX + 1];
	int fd, next;
	size_t n;

	if (!object_key_fine(key))
		return -EINVAL;
	fd = bucket_open(folder, bucket);
	for (; fd >= 0 && key[n = strcspn(key, "/")]; key += n + 1) {
		snprintf(part, sizeof(part), "%.*s", (int)n, key);
		if (make && mkdirat(fd, part, FOLDER_MODE) && errno != EEXIST)
			next = -errno;
		else
			next = folder_open(fd, part);
		close(fd);
		fd = next;
	}
	*name = key;
	return fd;
}

int object_bucket_make(const char *folder, const char *bucket)
{
	int root, r = 0;

	if (!object_bucket_fine(bucket))
		return -EINVAL;
	if (mkdir(folder, FOLDER_MODE) && errno != EEXIST)
		return -errno;
	root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	if (mkdirat(root, bucket, FOLDER_MODE) && errno != EEXIST)
		r = -errno;
	else if (fsync(root))
		r = -errno;
	close(root);
	return r;
}

int object_bucket_remove(const char *folder, const char *bucket)
{
	int root, r = 0;

	if (!object_bucket_fine(bucket))
		return -EINVAL;
	root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return errno == ENOENT ? 0 : -errno;
	if (unlinkat(root, bucket, AT_REMOVEDIR) && errno != ENOENT)
		r = errno == EEXIST ? -ENOTEMPTY : -errno;
	close(root);
	return r;
}

int object_folder_make(const char *folder, const char *bucket, const char *name)
{
	bool fine = object_key_fine(name) && !strchr(name, '/');
	/* The bucket may have been made at another node. */
	int r = fine ? object_bucket_make(folder, bucket) : -EINVAL;
	int fd = r ? r : bucket_open(folder, bucket);

	if (fd < 0)
		return fd;
	if (mkdirat(fd, name, FOLDER_MODE) && errno != EEXIST)
		r = -errno;
	else if (fsync(fd))
		r = -errno;
	close(fd);
	return r;
}

/* fd is taken. */
static void tidy_folder(int fd)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;

	if (!d)
		close(fd);
	while (d && (e = readdir(d)))
		if (e->d_name[0] == '.' && e->d_type == DT_REG)
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
}

void object_bucket_tidy(const char *folder, const char *bucket)
{
	int fd = bucket_open(folder, bucket), inner;
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (fd >= 0 && !d)
		close(fd);
	while (d && (e = readdir(d))) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		inner = folder_open(fd, e->d_name);
		if (inner >= 0)
			tidy_folder(inner);
		unlinkat(fd, e->d_name, AT_REMOVEDIR);
	}
	if (d)
		closedir(d);
}

/* ---- objects ---- */

static int64_t modified_ms(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

int object_open(const char *folder, const char *bucket, const char *key, struct object_info *info)
{
	const char *name;
	struct stat st;
	int fd, at = parent_open(folder, bucket, key, false, &name);

	if (at < 0)
		return at == -ENOTDIR ? -ENOENT : at;
	fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	close(at);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return -ENOENT;
	}
	*info = (struct object_info){.bytes = st.st_size, .modified_ms = modified_ms(&st)};
	snprintf(info->key, sizeof(info->key), "%s", key);
	return fd;
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t wrote = write(fd, p, n);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return -errno;
		p += wrote;
		n -= (size_t)wrote;
	}
	return fsync(fd) ? -errno : 0;
}

int object_write(const char *folder, const char *bucket, const char *key, const void *p, size_t n)
{
	char part[64];
	const char *name;
	int fd, r, at = parent_open(folder, bucket, key, true, &name);

	if (at < 0)
		return at;
	snprintf(part, sizeof(part), ".part-%d-%p", getpid(), p);
	fd = openat(at, part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	r = fd < 0 ? -errno : write_all(fd, p, n);
	if (fd >= 0)
		close(fd);
	if (!r && renameat(at, part, at, name))
		r = -errno;
	if (r)
		unlinkat(at, part, 0);
	else
		fsync(at);
	close(at);
	return r;
}

/* Folders of the key that are empty now, from the inside out. */
static void prune(const char *folder, const char *bucket, const char *key)
{
	char path[OBJECT_KEY_MAX];
	char *slash;

	snprintf(path, sizeof(path), "%s", key);
	while ((slash = strrchr(path, '/'))) {
		const char *name;
		int at;

		*slash = 0;
		at = parent_open(folder, bucket, path, false, &name);
		if (at < 0)
			return;
		if (unlinkat(at, name, AT_REMOVEDIR) && errno != ENOENT) {
			close(at);
			return;
		}
		close(at);
	}
}

int object_delete(const char *folder, const char *bucket, const char *key)
{
	const char *name;
	int r = 0, at = parent_open(folder, bucket, key, false, &name);

	if (at == -ENOENT || at == -ENOTDIR)
		return 0;
	if (at < 0)
		return at;
	if (unlinkat(at, name, 0) && errno != ENOENT && errno != EISDIR)
		r = -errno;
	close(at);
	prune(folder, bucket, key);
	return r;
}

/* ---- listing ---- */

struct listing {
	const char *prefix, *marker;
	bool delimited, more;
	unsigned max, n;
	struct object_info *dst; /* sorted; the first max + 1 are looked for */
};

static void list_keep(struct listing *l, const struct object_info *o)
{
	unsigned at = l->n;

	while (at && strcmp(l->dst[at - 1].key, o->key) > 0)
		at--;
	if (at && !strcmp(l->dst[at - 1].key, o->key))
		return;
	if (l->n == l->max) {
		l->more = true;
		if (at == l->n)
			return;
		l->n--;
	}
	memmove(&l->dst[at + 1], &l->dst[at], (l->n - at) * sizeof(*o));
	l->dst[at] = *o;
	l->n++;
}

/* Whether a key can lie below a folder ("a/b/"): one is the beginning of the other. */
static bool may_hold(const char *below, const char *prefix)
{
	size_t a = strlen(below), b = strlen(prefix);

	return !memcmp(below, prefix, a < b ? a : b);
}

static void list_file(struct listing *l, int at, const char *name, struct object_info *o)
{
	size_t prefix_n = strlen(l->prefix);
	const char *slash;
	struct stat st;

	if (strncmp(o->key, l->prefix, prefix_n) != 0)
		return;
	slash = l->delimited ? strchr(o->key + prefix_n, '/') : NULL;
	if (slash) {
		o->key[slash - o->key + 1] = 0;
		o->folder = true;
	}
	/* A common prefix that the marker lies in was listed before. */
	if (strcmp(o->key, l->marker) <= 0)
		return;
	if (!slash) {
		if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
			return;
		o->bytes = st.st_size;
		o->modified_ms = modified_ms(&st);
	}
	list_keep(l, o);
}

/* fd is taken. */
static int list_folder(struct listing *l, int fd, const char *below, unsigned depth)
{
	struct object_info o;
	struct dirent *e;
	DIR *d = fdopendir(fd);
	int r = 0;

	if (!d) {
		close(fd);
		return -ENOMEM;
	}
	while (!r && (e = readdir(d))) {
		size_t n = strlen(e->d_name);

		if (!part_fine(e->d_name, n) || strlen(below) + n + 2 > OBJECT_KEY_MAX)
			continue;
		o = (struct object_info){0};
		sprintf(o.key, "%s%s", below, e->d_name);
		if (e->d_type != DT_DIR) {
			list_file(l, fd, e->d_name, &o);
			continue;
		}
		strcat(o.key, "/");
		if (depth < DEPTH_MAX && may_hold(o.key, l->prefix)) {
			int inner = folder_open(fd, e->d_name);

			r = inner < 0 ? (inner == -ENOENT ? 0 : inner)
				      : list_folder(l, inner, o.key, depth + 1);
		}
	}
	closedir(d);
	return r;
}

int object_list(const char *folder, const char *bucket, const char *prefix, const char *marker,
		bool delimited, unsigned max, struct object_info *dst, bool *more)
{
	struct listing l = {
		.prefix = prefix, .marker = marker, .delimited = delimited, .max = max, .dst = dst};
	int r, fd = bucket_open(folder, bucket);

	must(max >= 1 && max <= OBJECT_LIST_MAX);
	if (fd < 0)
		return fd;
	r = list_folder(&l, fd, "", 0);
	*more = l.more;
	return r ? r : (int)l.n;
}
