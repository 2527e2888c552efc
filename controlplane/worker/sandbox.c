/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <sys/capability.h>

#include "base/check.h"

#define MEMORY_BYTES (768ul << 20)
#define FILES	     128
#define FILES_MANY   65536 /* a socket and a few memory files for each of many streams */

static int drop_capabilities(void)
{
	cap_t none = cap_init();
	int rc = none && !cap_set_proc(none) ? 0 : -errno;

	cap_free(none);
	return rc;
}

int sandbox_enter(void)
{
	static const struct {
		int what;
		rlim_t now, most;
	} limits[] = {
		{RLIMIT_CORE, 0, 0},
		{RLIMIT_NOFILE, FILES, FILES_MANY},
#ifndef __SANITIZE_ADDRESS__
		{RLIMIT_DATA, MEMORY_BYTES, MEMORY_BYTES},
#endif
	};
	int rc;

	for (size_t i = 0; i < array_len(limits); i++) {
		struct rlimit l = {limits[i].now, limits[i].most}, given;

		if (getrlimit(limits[i].what, &given))
			return -errno;
		l.rlim_max = min_of(l.rlim_max, given.rlim_max);
		l.rlim_cur = min_of(l.rlim_cur, l.rlim_max);
		if (setrlimit(limits[i].what, &l))
			return -errno;
	}
	rc = drop_capabilities();
	if (rc)
		return rc;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
	return 0;
}

int sandbox_many_files(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l))
		return -errno;
	l.rlim_cur = l.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &l) ? -errno : 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

#define READING (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* Every right of the first version of Landlock. */
#define EVERYTHING (LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1)
#define KEEPING                                                                    \
	(READING | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |            \
	 LANDLOCK_ACCESS_FS_MAKE_REG)

static int allow(int rules, const char *path, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = rights};
	struct stat st;
	int rc = 0;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return 0; /* there is nothing */
	if (!fstat(rule.parent_fd, &st) && !S_ISDIR(st.st_mode))
		rule.allowed_access &= LANDLOCK_ACCESS_FS_READ_FILE;
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
		rc = -errno;
	close(rule.parent_fd);
	return rc;
}

int sandbox_files(const char *ca, const char *files, const char *folder)
{
	static const char *const system_paths[] = {
		"/etc", "/usr", "/lib", "/lib64", "/run/systemd/resolve", "/dev/urandom"};
	struct landlock_ruleset_attr attr = {.handled_access_fs = EVERYTHING};
	int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0), rc = 0;

	if (rules < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
	for (size_t i = 0; !rc && i < array_len(system_paths); i++)
		rc = allow(rules, system_paths[i], READING);
	if (!rc && *ca)
		rc = allow(rules, ca, READING);
	if (!rc && *files)
		rc = allow(rules, files, READING);
	if (!rc && *folder)
		rc = allow(rules, folder, KEEPING);
	if (!rc && syscall(SYS_landlock_restrict_self, rules, 0))
		rc = -errno;
	close(rules);
	return rc;
}
