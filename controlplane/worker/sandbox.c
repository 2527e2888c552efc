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
		rlim_t most;
	} limits[] = {
		{RLIMIT_CORE, 0},
		{RLIMIT_NOFILE, FILES},
#ifndef __SANITIZE_ADDRESS__
		{RLIMIT_DATA, MEMORY_BYTES},
#endif
	};
	int rc;

	for (size_t i = 0; i < array_len(limits); i++) {
		struct rlimit l = {limits[i].most, limits[i].most};

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

/* ---- files ----------------------------------------------------------------------------------- */

#define READING (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* Every right of the first version of Landlock. */
#define EVERYTHING (LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1)

static int allow_reading(int rules, const char *path)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = READING};
	struct stat st;
	int rc = 0;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return 0; /* nothing to read there */
	if (!fstat(rule.parent_fd, &st) && !S_ISDIR(st.st_mode))
		rule.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE;
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
		rc = -errno;
	close(rule.parent_fd);
	return rc;
}

int sandbox_files(const char *readable)
{
	static const char *const system_paths[] = {
		"/etc", "/usr", "/lib", "/lib64", "/run/systemd/resolve", "/dev/urandom"};
	struct landlock_ruleset_attr attr = {.handled_access_fs = EVERYTHING};
	int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0), rc = 0;

	if (rules < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
	for (size_t i = 0; !rc && i < array_len(system_paths); i++)
		rc = allow_reading(rules, system_paths[i]);
	if (!rc && *readable)
		rc = allow_reading(rules, readable);
	if (!rc && syscall(SYS_landlock_restrict_self, rules, 0))
		rc = -errno;
	close(rules);
	return rc;
}
