/* SPDX-License-Identifier: Apache-2.0 */
/* Processors, memory, limits and kernel settings, for millrace doctor. */
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/check.h"
#include "controlplane/cli/doctor.h"

#define SYSCTL_ADVICE \
	"Copy share/millrace/sysctl/90-millrace.conf to /etc/sysctl.d and run `sysctl --system`."

/* The first line of a file; false: it cannot be read. */
static bool read_line(const char *path, char *dst, size_t n)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(dst, (int)n, f);

	if (f)
		fclose(f);
	if (ok)
		dst[strcspn(dst, "\n")] = 0;
	return ok;
}

/* "HugePages_Total" of /proc/meminfo, in its unit; -1: no such line. */
static long long meminfo(const char *name)
{
	FILE *f = fopen("/proc/meminfo", "re");
	size_t n = strlen(name);
	long long value = -1;
	char line[128];

	while (f && value < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, n) && line[n] == ':')
			value = atoll(line + n + 1);
	if (f)
		fclose(f);
	return value;
}

static void processors(struct findings *f)
{
	cpu_set_t set;
	int usable = sched_getaffinity(0, sizeof(set), &set) ? 0 : CPU_COUNT(&set);
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	struct utsname u;

	if (!uname(&u))
		finding_add(f, NOTE, "host", "kernel", NULL, "%s %s", u.release, u.machine);
	finding_add(f, usable < online ? GAP : GOOD, "host", "processors",
		    "This process may use only some of them; widen its CPU affinity or cpuset.",
		    "%d of %ld", usable, online);
}

/* The word in brackets: "always [madvise] never". */
static void chosen_word(char *text)
{
	char *from = strchr(text, '['), *to = from ? strchr(from, ']') : NULL;

	if (!to)
		return;
	*to = 0;
	memmove(text, from + 1, (size_t)(to - from));
}

static void memory(struct findings *f)
{
	long long huge = meminfo("HugePages_Total"), kib = meminfo("Hugepagesize");
	char text[128] = "absent";

	finding_add(f, NOTE, "memory", "total", NULL, "%lld MiB", meminfo("MemTotal") / 1024);
	finding_add(f, huge > 0 ? GOOD : GAP, "memory", "reserved huge pages",
		    "Reserve some for the arena and for DPDK: `sysctl vm.nr_hugepages=512`. "
		    "Without them the arena has to do with transparent ones.",
		    "%lld of %lld kiB, %lld free", huge, kib, meminfo("HugePages_Free"));
	if (read_line("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof(text)))
		chosen_word(text);
	finding_add(f, !strcmp(text, "never") || !strcmp(text, "absent") ? GAP : GOOD, "memory",
		    "transparent huge pages",
		    "Set /sys/kernel/mm/transparent_hugepage/enabled to madvise: a core then needs "
		    "fewer page-table entries for the logs it sends from.",
		    "%s", text);
}

/* ---- limits -------------------------------------------------------------------------------- */

static void limit_text(char dst[32], rlim_t value)
{
	if (value == RLIM_INFINITY)
		snprintf(dst, 32, "unlimited");
	else
		snprintf(dst, 32, "%llu", (unsigned long long)value);
}

static void limit(struct findings *f, const char *what, int resource, enum grade below,
		  rlim_t wanted, const char *advice)
{
	char soft[32], hard[32];
	struct rlimit l;

	if (getrlimit(resource, &l))
		return;
	limit_text(soft, l.rlim_cur);
	limit_text(hard, l.rlim_max);
	finding_add(f, l.rlim_max < wanted ? below : GOOD, "limits", what, advice, "%s, at most %s",
		    soft, hard);
}

static void limits(struct findings *f)
{
	limit(f, "open files", RLIMIT_NOFILE, GAP, 100000,
	      "One viewer is one descriptor: raise LimitNOFILE of the unit, or `nofile` in "
	      "/etc/security/limits.conf, to more than limits.connections.");
	/* Whether it is in the way is what registering buffers shows. */
	limit(f, "locked memory, bytes", RLIMIT_MEMLOCK, NOTE, 1u << 30, NULL);
}

/* ---- settings ------------------------------------------------------------------------------ */

/* A number of /proc/sys; names are with slashes. */
static void setting_number(struct findings *f, const char *name, long long wanted,
			   const char *advice)
{
	char path[128], text[128];
	long long value;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	if (!read_line(path, text, sizeof(text)))
		return;
	value = atoll(text);
	finding_add(f, value < wanted ? GAP : GOOD, "settings", name, advice, "%lld", value);
}

static void setting_word(struct findings *f, const char *name, const char *wanted,
			 const char *advice)
{
	char path[128], text[128];

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	if (read_line(path, text, sizeof(text)))
		finding_add(f, strcmp(text, wanted) ? GAP : GOOD, "settings", name, advice, "%s",
			    text);
}

static void ports(struct findings *f)
{
	char text[128];
	int low, high;

	if (!read_line("/proc/sys/net/ipv4/ip_local_port_range", text, sizeof(text)) ||
	    sscanf(text, "%d %d", &low, &high) != 2)
		return;
	finding_add(f, high - low < 30000 ? GAP : GOOD, "settings", "net/ipv4/ip_local_port_range",
		    "Each relay to one destination takes a port. " SYSCTL_ADVICE, "%d to %d", low,
		    high);
}

static void settings(struct findings *f)
{
	setting_number(f, "net/core/somaxconn", 16384,
		       "Viewers that come at once are dropped beyond it. " SYSCTL_ADVICE);
	setting_number(f, "net/ipv4/tcp_max_syn_backlog", 16384,
		       "Viewers that come at once are dropped beyond it. " SYSCTL_ADVICE);
	ports(f);
	setting_word(f, "net/ipv4/tcp_congestion_control", "bbr",
		     "A window that follows losses starves viewers on poor lines. " SYSCTL_ADVICE);
	setting_word(f, "net/core/default_qdisc", "fq",
		     "fq paces what bbr asks for. " SYSCTL_ADVICE);
	setting_word(f, "net/ipv4/tcp_slow_start_after_idle", "0",
		     "Viewers that paused start slowly again. " SYSCTL_ADVICE);
	setting_word(f, "vm/overcommit_memory", "1",
		     "Redis may fail to save when memory is short. " SYSCTL_ADVICE);
}

static bool in_path(const char *program)
{
	const char *path = getenv("PATH");
	char full[1024];

	for (size_t n; path && *path; path += n + (path[n] == ':')) {
		n = strcspn(path, ":");
		snprintf(full, sizeof(full), "%.*s/%s", (int)n, path, program);
		if (!access(full, X_OK))
			return true;
	}
	return false;
}

static void programs(struct findings *f)
{
	bool redis = in_path("redis-server"), ffmpeg = in_path("ffmpeg");

	finding_add(f, redis ? GOOD : GAP, "programs", "redis-server",
		    "apt-get install redis-server, or name a Redis in redis.url.", "%s",
		    redis ? "found" : "not found");
	finding_add(f, ffmpeg ? GOOD : GAP, "programs", "ffmpeg",
		    "apt-get install ffmpeg; `millrace up --demo` needs it.", "%s",
		    ffmpeg ? "found" : "not found");
}

void doctor_host(struct findings *f)
{
	processors(f);
	memory(f);
	limits(f);
	settings(f);
	programs(f);
}
