/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/metrics_process.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* /proc/PID/what into dst; false: it cannot be read. */
static bool read_file(int pid, const char *what, char *dst, size_t n)
{
	char path[64];
	size_t got = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	f = fopen(path, "re");
	if (!f)
		return false;
	got = fread(dst, 1, n - 1, f);
	dst[got] = 0;
	fclose(f);
	return got > 0;
}

static double count_fds(int pid)
{
	char path[64];
	double n = -2; /* "." and ".." */
	struct stat st;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	/* Linux 6.2 tells the number so; before, 100,000 of them have to be read. */
	if (!stat(path, &st) && st.st_size > 0)
		return (double)st.st_size;
	d = opendir(path);
	if (!d)
		return -1;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static double max_fds(int pid)
{
	static const char name[] = "Max open files";
	char text[4096];
	const char *at;
	double soft;

	if (!read_file(pid, "limits", text, sizeof(text)))
		return -1;
	at = strstr(text, name);
	return at && sscanf(at + strlen(name), "%lf", &soft) == 1 ? soft : -1;
}

bool process_read(int pid, struct process_view *out)
{
	unsigned long user, system;
	char text[1024];
	const char *rest;
	long pages;

	if (!read_file(pid, "stat", text, sizeof(text)))
		return false;
	/* The name in parentheses may hold anything; utime is the 12th field behind it (proc(5)). */
	rest = strrchr(text, ')');
	if (!rest || sscanf(rest,
			    ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d "
			    "%*d %*d %*u %*u %ld",
			    &user, &system, &pages) != 3)
		return false;
	*out = (struct process_view){.cpu_s =
					     (double)(user + system) / (double)sysconf(_SC_CLK_TCK),
				     .resident_bytes = (double)pages * (double)getpagesize(),
				     .open_fds = count_fds(pid),
				     .max_fds = max_fds(pid)};
	return true;
}
