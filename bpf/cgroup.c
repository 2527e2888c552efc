/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/check.h"

#define CGROUP2_MAGIC 0x63677270
#define OURS	      "millrace-"

static const char *root(void)
{
	static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	struct statfs s;

	for (size_t i = 0; i < array_len(places); i++)
		if (!statfs(places[i], &s) && s.f_type == CGROUP2_MAGIC)
			return places[i];
	return NULL;
}

/* The line "0::/path" of /proc/self/cgroup, the path without a slash at its end. */
static void present(char *dst, size_t n)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[1024];

	*dst = '\0';
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "0::/", 4))
			snprintf(dst, n, "%.*s", (int)strcspn(line + 3, "\n"), line + 3);
	if (f)
		fclose(f);
	if (!strcmp(dst, "/"))
		*dst = '\0';
}

static bool is_service(const char *path)
{
	size_t n = strlen(path), suffix = strlen(".service");

	return n > suffix && !strcmp(path + n - suffix, ".service");
}

/* Of processes that have ended; those that live cannot be removed. */
static void sweep(const char *folder)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	char path[1400];

	while (d && (e = readdir(d))) {
		if (strncmp(e->d_name, OURS, strlen(OURS)))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		rmdir(path);
	}
	if (d)
		closedir(d);
}

static int enter(const char *folder)
{
	char path[1300];
	FILE *f;

	if (mkdir(folder, 0755) && errno != EEXIST)
		return -errno;
	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	f = fopen(path, "we");
	if (!f)
		return -errno;
	fprintf(f, "%d\n", (int)getpid());
	return fclose(f) ? -errno : 0;
}

int bpf_cgroup_enter(char *dst, size_t n, const char *join, char *err, size_t err_n)
{
	const char *top = root();
	char at[512], folder[1100];
	int rc;

	if (!top) {
		snprintf(err, err_n, "cgroup v2 is not mounted");
		return -ENOENT;
	}
	present(at, sizeof(at));
	snprintf(folder, sizeof(folder), "%s%s", top, at);
	if (!is_service(at)) {
		sweep(folder);
		if (*join)
			snprintf(folder, sizeof(folder), "%s", join);
		else
			snprintf(folder + strlen(folder), sizeof(folder) - strlen(folder),
				 "/" OURS "%d", (int)getpid());
		rc = enter(folder);
		if (rc) {
			snprintf(err, err_n, "cgroup %s: %s", folder, strerror(-rc));
			return rc;
		}
	}
	if ((size_t)snprintf(dst, n, "%s", folder) >= n)
		return -ENAMETOOLONG;
	return 0;
}

void bpf_cgroup_leave(const char *folder)
{
	char parent[1100];
	const char *name = strrchr(folder, '/');

	if (!name || strncmp(name + 1, OURS, strlen(OURS)) || is_service(folder))
		return;
	snprintf(parent, sizeof(parent), "%.*s", (int)(name - folder), folder);
	if (!enter(parent))
		rmdir(folder);
}
