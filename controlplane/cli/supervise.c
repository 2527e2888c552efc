/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/usock.h"
#include "controlplane/cli/client.h"
#include "controlplane/cli/listen.h"
#include "controlplane/cli/status.h"
#include "controlplane/cli/up.h"
#include "controlplane/cli/upgrade.h"

#define READY_US   30000000u
#define KILL_US	   5000000u
#define STEP_MS	   100
#define SCREEN_US  1000000u
#define LINE_US	   5000000u
#define TAIL_LINES 12

/* ---- saying things ---- */

void up_note(struct up *u, const char *fmt, ...)
{
	char text[sizeof(u->recent[0])];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!u->screen || !u->started || u->stops) {
		puts(text);
		fflush(stdout);
		return;
	}
	memmove(u->recent[0], u->recent[1], sizeof(u->recent) - sizeof(u->recent[0]));
	memcpy(u->recent[UP_RECENT - 1], text, sizeof(text));
}

static void note_line(void *arg, const char *text)
{
	up_note(arg, "%s", text);
}

static void print_indented(void *arg, const char *text)
{
	fprintf(stderr, "  %s\n", text);
}

/* ---- events ---- */

static const char *how_it_ended(int status, char *dst, size_t n)
{
	if (WIFSIGNALED(status))
		snprintf(dst, n, "was ended by signal %d", WTERMSIG(status));
	else
		snprintf(dst, n, "ended with status %d", WEXITSTATUS(status));
	return dst;
}

static void ended(struct up *u, struct child *c, int status)
{
	char how[64];

	if (upgrade_ended(u, c))
		return;
	child_ended(c, clock_us());
	if (u->stops)
		return;
	/* What ends by itself now will do so again; what was killed may not. */
	if (!u->started && c != &u->child[UP_DEMO] &&
	    !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)) {
		u->failed = c;
		return;
	}
	up_note(u, "millrace: %s %s; starting it again (its log: %s)", c->name,
		how_it_ended(status, how, sizeof(how)), c->log_path);
}

static void reap(struct up *u)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < UP_CHILDREN; i++)
			if (u->child[i].pid == pid)
				ended(u, &u->child[i], status);
}

/* Waits for a signal or timeout_ms, then does what is due. */
static void step(struct up *u, int timeout_ms)
{
	struct pollfd p = {.fd = u->signal_fd, .events = POLLIN};
	struct signalfd_siginfo si;
	uint64_t now;

	poll(&p, 1, timeout_ms);
	while (read(u->signal_fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGUSR2)
			upgrade_start(u);
		else
			u->stops += si.ssi_signo != SIGCHLD;
	}
	reap(u);
	upgrade_step(u);
	now = clock_us();
	for (int i = 0; i < UP_CHILDREN; i++) {
		if (!u->used[i])
			continue;
		if (!u->stops && !u->failed)
			child_tick(&u->child[i], now);
		if (i == UP_DP || i == UP_CP)
			child_follow(&u->child[i], note_line, u);
	}
}

/* ---- starting ---- */

static bool redis_answers(struct up *u)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = 1};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[5] = "";
	bool ok;

	memcpy(sa.sun_path, u->redis_sock, strlen(u->redis_sock));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	ok = fd >= 0 && !connect(fd, (struct sockaddr *)&sa, sizeof(sa)) &&
	     send(fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6 && recv(fd, answer, 5, MSG_WAITALL) == 5 &&
	     !memcmp(answer, "+PONG", 5); /* not while it is still loading */
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool dp_answers(struct up *u)
{
	char path[1100];
	int fd;

	snprintf(path, sizeof(path), "%s/dp.sock", u->cli->state);
	fd = usock_connect(path);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool cp_answers(struct up *u)
{
	json_t *status;

	if (client_try_get(u->cli, "/local/status?tasks=0", 1000, &status))
		return false;
	json_decref(status);
	return true;
}

static int not_ready(struct up *u, const struct child *c, const char *what)
{
	int rc = cli_fail(CLI_NOT_STARTED, "%s %s; the end of its log %s:", c->name, what,
			  c->log_path);

	child_tail(c, TAIL_LINES, print_indented, NULL);
	return rc;
}

static int start_one(struct up *u, enum up_child which, bool (*ready)(struct up *))
{
	struct child *c = &u->child[which];
	uint64_t deadline = clock_us() + READY_US;
	int rc;

	if (!u->used[which])
		return CLI_OK;
	rc = child_start(c, clock_us());
	if (rc)
		return cli_fail(CLI_NOT_STARTED, "cannot start %s: %s", c->argv[0], strerror(-rc));
	while (ready && !u->stops && !ready(u)) {
		step(u, 20);
		if (u->failed)
			return not_ready(u, u->failed, "ended while starting");
		if (clock_us() > deadline)
			return not_ready(u, c, "does not get ready");
	}
	return CLI_OK;
}

static int start_all(struct up *u)
{
	int rc;

	if ((rc = start_one(u, UP_REDIS, redis_answers)) ||
	    (rc = start_one(u, UP_DP, dp_answers)) || (rc = start_one(u, UP_CP, cp_answers)))
		return rc;
	u->started = true;
	return u->stops ? CLI_OK : start_one(u, UP_DEMO, NULL);
}

/* ---- showing ---- */

static void print_places(struct up *u, FILE *to)
{
	char rtmp[300], http[300], api[300];

	listen_reach(u->conf.rtmp_listen, rtmp, sizeof(rtmp));
	listen_reach(u->conf.http_listen, http, sizeof(http));
	listen_reach(u->conf.api_listen, api, sizeof(api));
	if (u->used[UP_DEMO])
		fprintf(to,
			"demo         rtmp://%s/live/demo   http://%s/live/demo.flv\n"
			"its relay    rtmp://%s/live/relay  http://%s/live/relay.flv\n",
			rtmp, http, rtmp, http);
	fprintf(to,
		"publish      rtmp://%s/live/NAME\n"
		"play         rtmp://%s/live/NAME   http://%s/live/NAME.flv\n"
		"API          http://%s/            key pair in %s/credentials.json\n"
		"metrics      http://%s/metrics     logs in %s/log\n",
		rtmp, rtmp, http, api, u->cli->state, api, u->cli->state);
}

/* Writes the text over the last picture without flicker, cut to the terminal. */
static void draw(const char *text)
{
	struct winsize size = {0};
	unsigned rows = 0;

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	fputs("\033[?7l\033[H", stdout);
	for (const char *s = text; *s; s += *s == '\n') {
		size_t n = strcspn(s, "\n");

		if (size.ws_row && ++rows >= size.ws_row)
			break;
		printf("%.*s\033[K\n", (int)n, s);
		s += n;
	}
	fputs("\033[J\033[?7h", stdout);
	fflush(stdout);
}

static void show_screen(struct up *u, const json_t *status)
{
	char *text = NULL;
	size_t n;
	FILE *to = open_memstream(&text, &n);

	must(to);
	print_places(u, to);
	fputc('\n', to);
	if (status)
		status_print(to, status, u->cli->color);
	else
		fputs("the control plane does not answer\n", to);
	fputs("\nCtrl-C stops all of it.\n\n", to);
	if (*u->demo.trouble)
		fprintf(to, "demo task: %s\n", u->demo.trouble);
	for (int i = 0; i < UP_RECENT; i++)
		if (*u->recent[i])
			fprintf(to, "%s\n", u->recent[i]);
	fclose(to);
	draw(text);
	free(text);
}

static void show_line(struct up *u, const json_t *status)
{
	if (u->cli->json && status) {
		json_dumpf(status, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		putchar('\n');
	} else if (status) {
		status_print_line(stdout, status);
	} else {
		puts("the control plane does not answer");
	}
	if (*u->demo.trouble)
		printf("demo task: %s\n", u->demo.trouble);
	fflush(stdout);
}

/* Rows of tasks only for who reads them: there may be many thousand. */
static const char *status_path(const struct up *u)
{
	if (u->used[UP_DEMO])
		return "/local/status";
	return u->screen ? "/local/status?tasks=100" : "/local/status?tasks=0";
}

static void watch(struct up *u)
{
	uint64_t next_look = 0, next_line = 0, now;
	json_t *status;

	print_places(u, stdout);
	fflush(stdout);
	if (u->screen)
		fputs("\033[2J", stdout);
	while (!u->stops) {
		now = clock_us();
		if (now >= next_look) {
			next_look = now + SCREEN_US;
			status = NULL;
			client_try_get(u->cli, status_path(u), 1000, &status);
			if (status && u->used[UP_DEMO])
				demo_tick(&u->demo, u->cli, status);
			if (u->screen) {
				show_screen(u, status);
			} else if (now >= next_line) {
				next_line = now + LINE_US;
				show_line(u, status);
			}
			json_decref(status);
		}
		step(u, STEP_MS);
	}
}

/* ---- stopping ---- */

static void stop_one(struct up *u, struct child *c)
{
	uint64_t deadline = clock_us() + KILL_US;
	unsigned asked = u->stops;

	child_signal(c, SIGTERM);
	while (c->pid && clock_us() < deadline && u->stops == asked)
		step(u, 20);
	if (c->pid)
		fprintf(stderr, "millrace: %s does not stop; killing it\n", c->name);
	child_signal(c, SIGKILL);
	while (c->pid)
		step(u, 20);
}

static void stop_all(struct up *u)
{
	u->stops += !u->stops; /* a failed start ends here too: nothing is started again */
	for (int i = UP_CHILDREN; i-- > 0;)
		stop_one(u, &u->child[i]);
}

/* ---- the whole ---- */

static int open_signals(struct up *u)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	u->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return u->signal_fd < 0 ? -errno : 0;
}

int supervise(struct up *u)
{
	int rc = open_signals(u);

	if (rc)
		return cli_fail(CLI_FAILED, "signalfd: %s", strerror(-rc));
	u->screen = isatty(STDOUT_FILENO) && !u->cli->json;
	rc = start_all(u);
	if (!rc && !u->stops)
		watch(u);
	if (!rc)
		puts("\nmillrace: stopping");
	fflush(stdout);
	stop_all(u);
	close(u->signal_fd);
	return rc;
}
