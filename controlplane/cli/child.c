/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/check.h"

#define BACKOFF_MIN_MS 200u
#define BACKOFF_MAX_MS 5000u
#define STEADY_US      10000000u    /* having run so long, it starts over with a short pause */
#define LOG_MAX_BYTES  (16ll << 20) /* then the file is begun anew and the old one kept once */
#define CHUNK_BYTES    16384u

int child_init(struct child *c, const char *name, const char *log_dir)
{
	*c = (struct child){.name = name, .log_fd = -1};
	snprintf(c->log_path, sizeof(c->log_path), "%s/%s.log", log_dir, name);
	c->log_fd = open(c->log_path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (c->log_fd < 0)
		return -errno;
	c->shown = lseek(c->log_fd, 0, SEEK_END);
	return 0;
}

void child_fini(struct child *c)
{
	if (c->log_fd >= 0)
		close(c->log_fd);
	c->log_fd = -1;
}

void child_arg(struct child *c, const char *word)
{
	must(c->argc + 1 < CHILD_ARGS);
	c->argv[c->argc++] = word;
}

/* In the new process: never returns. A failure's errno goes through the pipe, which exec closes. */
__attribute__((noreturn)) static void become(const struct child *c, pid_t parent, int report)
{
	sigset_t none;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), error;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it died before the line above */
		_exit(1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(c->log_fd, STDOUT_FILENO) < 0 ||
	    dup2(c->log_fd, STDERR_FILENO) < 0)
		goto failed;
	execvp(c->argv[0], (char *const *)c->argv);
failed:
	error = errno;
	if (write(report, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

int child_start(struct child *c, uint64_t now_us)
{
	int ends[2], error = 0;
	pid_t parent = getpid(), pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	c->run_off = lseek(c->log_fd, 0, SEEK_END);
	pid = fork();
	if (pid == 0)
		become(c, parent, ends[1]);
	close(ends[1]);
	if (pid < 0)
		error = errno;
	else if (read(ends[0], &error, sizeof(error)) != sizeof(error))
		error = 0;
	close(ends[0]);
	c->again_us = 0;
	c->started_us = now_us;
	/* One that could not exec is a zombie until the caller's next wait; it is not ours. */
	c->pid = error ? 0 : pid;
	return -error;
}

void child_ended(struct child *c, uint64_t now_us)
{
	if (!c->backoff_ms || now_us - c->started_us >= STEADY_US)
		c->backoff_ms = BACKOFF_MIN_MS;
	else
		c->backoff_ms = min_of(c->backoff_ms * 2, BACKOFF_MAX_MS);
	c->pid = 0;
	c->again_us = now_us + c->backoff_ms * 1000u;
}

bool child_tick(struct child *c, uint64_t now_us)
{
	if (c->pid || !c->again_us || now_us < c->again_us)
		return false;
	if (child_start(c, now_us)) {
		child_ended(c, now_us);
		return false;
	}
	return true;
}

void child_signal(const struct child *c, int sig)
{
	if (c->pid)
		kill(c->pid, sig);
}

/* ---- the log ---- */

static bool is_trouble(const char *line)
{
	return strstr(line, " level=warn ") || strstr(line, " level=error ");
}

/* Copies the log to LOG.1 and empties it; the child goes on at its new end (O_APPEND). */
static void turn_over(struct child *c)
{
	char old[sizeof(c->log_path) + 2];
	off_t off = 0, end = lseek(c->log_fd, 0, SEEK_END);
	int fd;

	snprintf(old, sizeof(old), "%s.1", c->log_path);
	fd = open(old, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	while (off < end && copy_file_range(c->log_fd, &off, fd, NULL, (size_t)(end - off), 0) > 0)
		;
	close(fd);
	if (ftruncate(c->log_fd, 0) == 0)
		c->run_off = c->shown = 0;
}

void child_follow(struct child *c, void (*line)(void *arg, const char *text), void *arg)
{
	char text[CHUNK_BYTES + 1], *from, *end;
	ssize_t n;

	while ((n = pread(c->log_fd, text, CHUNK_BYTES, c->shown)) > 0) {
		text[n] = '\0';
		for (from = text; (end = strchr(from, '\n')); from = end + 1) {
			*end = '\0';
			if (is_trouble(from))
				line(arg, from);
		}
		/* The rest of a line comes next time, unless it fills the chunk alone. */
		if (from == text && (size_t)n < CHUNK_BYTES)
			break;
		c->shown += from == text ? n : from - text;
	}
	if (c->shown > LOG_MAX_BYTES)
		turn_over(c);
}

void child_tail(const struct child *c, unsigned max, void (*line)(void *arg, const char *text),
		void *arg)
{
	char text[CHUNK_BYTES + 1], *from, *end;
	off_t size = lseek(c->log_fd, 0, SEEK_END);
	off_t start = max_of(c->run_off, size - (off_t)CHUNK_BYTES);
	ssize_t n = pread(c->log_fd, text, CHUNK_BYTES, start);
	unsigned lines = 0;

	if (n <= 0)
		return;
	n -= text[n - 1] == '\n';
	text[n] = '\0';
	for (from = text + n; from > text; from--)
		if (from[-1] == '\n' && ++lines == max)
			break;
	for (; (end = strchr(from, '\n')); from = end + 1) {
		*end = '\0';
		line(arg, from);
	}
	line(arg, from);
}
