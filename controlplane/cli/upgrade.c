/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/cli/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/usock.h"

#define PATIENCE_US 30000000u
#define LOOK_MS	    50

/* The process that listens at the data plane's control socket; 0: none. */
static pid_t who_serves(const char *state)
{
	struct ucred who = {0};
	socklen_t n = sizeof(who);
	char path[1100];
	int fd;

	snprintf(path, sizeof(path), "%s/dp.sock", state);
	fd = usock_connect(path);
	if (fd < 0)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n))
		who.pid = 0;
	close(fd);
	return who.pid;
}

/* ---- in `up` ---- */

void upgrade_start(struct up *u)
{
	struct child *next = &u->child[UP_NEXT];
	int rc;

	if (!u->started || next->pid) {
		up_note(u, "millrace: an upgrade is under way, or not everything has started yet");
		return;
	}
	rc = child_start(next, clock_us());
	if (rc) {
		up_note(u, "millrace: cannot start %s: %s", next->argv[0], strerror(-rc));
		return;
	}
	u->upgrading = true;
	up_note(u, "millrace: a new data plane takes over");
}

void upgrade_step(struct up *u)
{
	struct child *dp = &u->child[UP_DP], *next = &u->child[UP_NEXT];
	pid_t old = dp->pid;

	if (!u->upgrading || !next->pid || who_serves(u->cli->state) != next->pid)
		return;
	u->upgrading = false;
	dp->pid = next->pid;
	dp->started_us = next->started_us;
	dp->run_off = next->run_off;
	next->pid = old;
	up_note(u, "millrace: the new data plane serves; the old one stays for those it has");
	child_signal(&u->child[UP_CP], SIGTERM);
}

bool upgrade_ended(struct up *u, const struct child *c)
{
	struct child *next = &u->child[UP_NEXT];

	if (c != next)
		return false;
	next->pid = 0;
	if (u->stops)
		return true;
	up_note(u,
		u->upgrading ? "millrace: the new data plane ended; the old one goes on (log: %s)"
			     : "millrace: the old data plane has ended (log: %s)",
		next->log_path);
	u->upgrading = false;
	return true;
}

/* ---- the command ---- */

/* The process that holds the lock of the state folder; 0: none. */
static pid_t up_of(const char *state)
{
	char path[1100], text[32] = "";
	pid_t pid = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/up.lock", state);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (flock(fd, LOCK_SH | LOCK_NB) && pread(fd, text, sizeof(text) - 1, 0) > 0)
		pid = (pid_t)strtol(text, NULL, 10);
	close(fd);
	return pid;
}

static int run_upgrade(struct cli *cli, const struct args *a)
{
	uint64_t until_us = clock_us() + PATIENCE_US;
	pid_t up = up_of(cli->state), before = who_serves(cli->state), now = before;

	if (up <= 0)
		return cli_fail(CLI_UNREACHABLE,
				"no `millrace up` runs on %s; with systemd: systemctl reload "
				"millrace-dp && systemctl restart millrace-cp; by hand: "
				"millrace-dp --takeover, with the options of the one that runs",
				cli->state);
	if (kill(up, SIGUSR2))
		return cli_fail(CLI_FAILED, "cannot signal `millrace up` (pid %d): %s", (int)up,
				strerror(errno));
	while ((!now || now == before) && clock_us() < until_us) {
		poll(NULL, 0, LOOK_MS);
		now = who_serves(cli->state);
	}
	if (!now || now == before)
		return cli_fail(CLI_FAILED,
				"no new data plane took over within 30 s, the old one goes on; "
				"%s/log/dp.log says why",
				cli->state);
	if (cli->json)
		printf("{\"before\": %d, \"now\": %d}\n", (int)before, (int)now);
	else
		printf("The new data plane (pid %d) serves; the old one (pid %d) stays for those it "
		       "has, up to upgrade.drain.\n",
		       (int)now, (int)before);
	return CLI_OK;
}

const struct command upgrade_commands[] = {
	{"upgrade", "", "Put the installed programs in the place of those that run",
	 "A new data plane takes the listening sockets over and fetches the streams of the old one,\n"
	 "which stays for its encoders and viewers (upgrade.drain); then the control plane starts\n"
	 "again. No connection is refused. For `millrace up`; systemd: systemctl reload millrace-dp.",
	 NULL, 0, 0, run_upgrade},
	{NULL},
};
