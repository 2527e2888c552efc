/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "api/ctl.h"
#include "base/check.h"
#include "base/log.h"
#include "base/usock.h"

#define JOB_FD 3 /* worker/job.h */

struct process {
	const struct process_ops *ops;
	void *arg;
	pid_t pid;
	int pidfd, fd;
	struct event *exited, *readable;
};

/* ---- its word ------------------------------------------------------------------------------------ */

static void read_all(struct process *p)
{
	char packet[8192];
	json_t *o;
	ssize_t n;
	int fd;

	while ((n = usock_recv(p->fd, packet, sizeof(packet), &fd)) != -EAGAIN) {
		if (fd >= 0)
			close(fd);
		if (n == -EMSGSIZE)
			continue;
		if (n <= 0) {
			event_del(p->readable); /* its end is what counts */
			return;
		}
		o = json_loadb(packet, (size_t)n, 0, NULL);
		if (json_is_object(o))
			p->ops->said(p->arg, o);
		json_decref(o);
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	read_all(arg);
}

static void on_exited(evutil_socket_t fd, short what, void *arg)
{
	struct process *p = arg;
	const struct process_ops *ops = p->ops;
	void *owner = p->arg;
	int status = 0;

	read_all(p);
	waitpid(p->pid, &status, 0);
	process_free(p);
	ops->gone(owner, status);
}

void process_tell(struct process *p, const json_t *packet, int fd)
{
	char *text = json_dumps(packet, JSON_COMPACT);
	ssize_t n;

	must(text);
	n = usock_send(p->fd, text, strlen(text), fd);
	free(text);
	if (n >= 0)
		return;
	log_error("worker_untold", "pid=%d why=\"%s\"", (int)p->pid, strerror((int)-n));
	kill(p->pid, SIGKILL);
}

/* ---- life ---------------------------------------------------------------------------------------- */

/* Its first packet may be larger than what a socket takes by default. */
static int channel(int pair[2])
{
	int room = CTL_PACKET_MAX * 2, rc = usock_pair(pair);

	if (!rc)
		setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	return rc;
}

/* The worker's end becomes its descriptor 3; everything else of ours closes by itself. */
static int spawn(struct process *p, char *program, int theirs)
{
	static char locale[] = "LC_ALL=C";
	char *argv[] = {program, NULL}, *envp[] = {locale, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t all, none;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, theirs, JOB_FD);
	rc = posix_spawn(&p->pid, argv[0], &actions, &attr, argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return -rc;
}

static void watch(struct process *p, struct event_base *base, int ours)
{
	p->fd = ours;
	p->pidfd = pidfd_open(p->pid, 0);
	must(p->pidfd >= 0);
	p->exited = event_new(base, p->pidfd, EV_READ, on_exited, p);
	p->readable = event_new(base, p->fd, EV_READ | EV_PERSIST, on_readable, p);
	must(p->exited && p->readable);
	event_add(p->exited, NULL);
	event_add(p->readable, NULL);
}

struct process *process_start(struct event_base *base, const char *program,
			      const struct process_ops *ops, void *arg, int *error)
{
	struct process *p = calloc(1, sizeof(*p));
	char path[1100];
	int pair[2];

	must(p);
	p->ops = ops;
	p->arg = arg;
	strncpy(path, program, sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	*error = channel(pair);
	if (!*error) {
		*error = spawn(p, path, pair[1]);
		close(pair[1]);
		if (*error)
			close(pair[0]);
	}
	if (*error) {
		free(p);
		return NULL;
	}
	watch(p, base, pair[0]);
	return p;
}

void process_signal(struct process *p, int number)
{
	kill(p->pid, number);
}

pid_t process_pid(const struct process *p)
{
	return p->pid;
}

void process_free(struct process *p)
{
	event_free(p->exited);
	event_free(p->readable);
	close(p->pidfd);
	close(p->fd);
	free(p);
}
