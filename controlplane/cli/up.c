/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/cli/up.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "controlplane/cli/listen.h"

static const struct opt up_opts[] = {
	{"demo", NULL, "publish a test picture and relay it to a second stream"},
	{"config", "FILE", "configuration; see millrace.yaml(5)"},
	{"rtmp", "ADDR:PORT", "rtmp.listen: where encoders and players connect"},
	{"http", "ADDR:PORT", "http.listen: where players fetch HTTP-FLV"},
	{"api", "ADDR:PORT", "api.listen: where programs call the API"},
	{"cores", "N", "cores: data-plane threads"},
	{"redis", "URL", "redis.url: use this Redis, not a private one"},
	{"set", "KEY=VALUE", "any other key of the configuration; may be repeated"},
	{NULL, NULL, NULL},
};
enum { OPT_DEMO, OPT_CONFIG, OPT_RTMP, OPT_HTTP, OPT_API, OPT_CORES, OPT_REDIS, OPT_SET };

/* ---- configuration ---- */

static int override(struct up *u, const char *option, const char *key, const char *value)
{
	struct conf_error e = {""};

	if (conf_set(&u->conf, key, value, &e))
		return cli_fail(CLI_USAGE, "--%s: %s", option, e.text);
	if (u->n_set == UP_SETS)
		return cli_fail(CLI_USAGE, "--%s: more than %d changes of the configuration",
				option, UP_SETS);
	must(asprintf(&u->set[u->n_set++], "%s=%s", key, value) > 0);
	return CLI_OK;
}

static int override_pair(struct up *u, const char *pair)
{
	char key[128];
	size_t n = strcspn(pair, "=");

	if (!pair[n] || n >= sizeof(key))
		return cli_fail(CLI_USAGE, "--set %s: must be KEY=VALUE", pair);
	snprintf(key, sizeof(key), "%.*s", (int)n, pair);
	return override(u, "set", key, pair + n + 1);
}

/* The file, then the options in the order they were given. */
static int configure(struct up *u, const struct args *a)
{
	static const char *const keys[] = {
		[OPT_RTMP] = "rtmp.listen", [OPT_HTTP] = "http.listen", [OPT_API] = "api.listen",
		[OPT_CORES] = "cores",	    [OPT_REDIS] = "redis.url",
	};
	struct conf_error e = {""};
	int rc = CLI_OK;

	u->config_file = a->value[OPT_CONFIG];
	if (conf_load(&u->conf, u->config_file, &e))
		return cli_fail(CLI_USAGE, "%s", e.text);
	for (unsigned i = 0; i < a->n_given && !rc; i++) {
		unsigned opt = a->given[i].opt;

		if (opt == OPT_SET)
			rc = override_pair(u, a->given[i].value);
		else if (opt < array_len(keys) && keys[opt])
			rc = override(u, up_opts[opt].name, keys[opt], a->given[i].value);
	}
	if (!rc && conf_check(&u->conf, &e))
		return cli_fail(CLI_USAGE, "%s", e.text);
	return rc;
}

/* ---- the state folder ---- */

/* Makes the folder and those above it, for the owner only. 0 or -errno. */
static int make_folder(const char *path)
{
	char part[1100];

	if (strlen(path) >= sizeof(part))
		return -ENAMETOOLONG;
	for (const char *s = path + 1; *path; s++) {
		if (*s && *s != '/')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)(s - path), path);
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return -errno;
		if (!*s)
			break;
	}
	return access(path, R_OK | W_OK | X_OK) ? -errno : 0;
}

/* One folder, one `up`: a lock that the kernel lets go when its owner dies, however it dies. */
static int lock_state(struct up *u)
{
	char path[1100], pid[32] = "";
	ssize_t n;

	snprintf(path, sizeof(path), "%s/up.lock", u->cli->state);
	u->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (u->lock_fd < 0)
		return cli_fail(CLI_NOT_STARTED, "cannot open %s: %s", path, strerror(errno));
	if (flock(u->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		n = pread(u->lock_fd, pid, sizeof(pid) - 1, 0);
		pid[n > 0 ? n : 0] = '\0';
		return cli_fail(CLI_NOT_STARTED,
				"`millrace up` (pid %.20s) already runs on %s; stop it, or choose "
				"another folder with --state",
				*pid ? pid : "unknown", u->cli->state);
	}
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (ftruncate(u->lock_fd, 0) < 0 ||
	    pwrite(u->lock_fd, pid, strlen(pid), 0) != (ssize_t)strlen(pid))
		return cli_fail(CLI_NOT_STARTED, "cannot write %s: %s", path, strerror(errno));
	return CLI_OK;
}

static int enter_state(struct up *u)
{
	char real[PATH_MAX];
	int rc;

	if (!u->cli->state_arg && conf_state_dir(&u->conf, u->cli->state, sizeof(u->cli->state)))
		return cli_fail(CLI_USAGE, "state_dir: the name is too long");
	rc = make_folder(u->cli->state);
	if (rc)
		return cli_fail(CLI_NOT_STARTED,
				"cannot use the state folder %s: %s; choose another with --state",
				u->cli->state, strerror(-rc));
	if (!realpath(u->cli->state, real) || strlen(real) >= sizeof(u->cli->state))
		return cli_fail(CLI_NOT_STARTED, "cannot use the state folder %s", u->cli->state);
	strcpy(u->cli->state, real);

	snprintf(u->redis_dir, sizeof(u->redis_dir), "%s/redis", u->cli->state);
	snprintf(u->redis_sock, sizeof(u->redis_sock), "%s/redis.sock", u->redis_dir);
	if (strlen(u->redis_sock) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return cli_fail(
			CLI_NOT_STARTED,
			"the state folder's name is too long for unix sockets (%zu bytes at "
			"most): %s; choose another with --state",
			sizeof(((struct sockaddr_un *)0)->sun_path) - sizeof("/redis/redis.sock"),
			real);
	return lock_state(u);
}

/* ---- programs ---- */

static bool in_path(const char *name)
{
	const char *path = getenv("PATH");
	char full[PATH_MAX];

	for (path = path ? path : "/usr/bin:/bin"; *path; path += *path == ':') {
		size_t n = strcspn(path, ":");

		snprintf(full, sizeof(full), "%.*s/%s", (int)n, path, name);
		if (n && !access(full, X_OK))
			return true;
		path += n;
	}
	return false;
}

/* The other programs stand beside this one: in a build tree, or wherever it was installed. */
static int find_programs(struct up *u)
{
	static const char *const names[UP_NEXT] = {"redis-server", "millrace-dp", "millrace-cp",
						   "ffmpeg"};
	ssize_t n = readlink("/proc/self/exe", u->bin, sizeof(u->bin) - 1);

	if (n <= 0)
		return cli_fail(CLI_NOT_STARTED, "cannot read /proc/self/exe: %s", strerror(errno));
	u->bin[n] = '\0';
	*strrchr(u->bin, '/') = '\0';
	for (int i = 0; i < UP_NEXT; i++) {
		bool sibling = i == UP_DP || i == UP_CP;

		snprintf(u->path[i], sizeof(u->path[i]), "%s%s%s", sibling ? u->bin : "",
			 sibling ? "/" : "", names[i]);
		if (!u->used[i] || (sibling ? !access(u->path[i], X_OK) : in_path(names[i])))
			continue;
		if (sibling)
			return cli_fail(CLI_NOT_STARTED,
					"%s is missing or not executable; build it with `make`, or "
					"install all programs into one folder",
					u->path[i]);
		return cli_fail(CLI_NOT_STARTED, "%s is not installed; try `apt-get install %s`%s",
				names[i], names[i],
				i == UP_REDIS ? ", or name another Redis with --redis URL" : "");
	}
	return CLI_OK;
}

static int check_ports(struct up *u)
{
	const struct {
		const char *addresses, *option;
	} all[] = {{u->conf.rtmp_listen, "rtmp"},
		   {u->conf.http_listen, "http"},
		   {u->conf.api_listen, "api"}};
	char why[512];

	for (size_t i = 0; i < array_len(all); i++)
		if (!listen_free(all[i].addresses, all[i].option, why, sizeof(why)))
			return cli_fail(CLI_NOT_STARTED, "%s", why);
	return CLI_OK;
}

/* ---- what runs ---- */

static void redis_args(struct up *u)
{
	struct child *c = &u->child[UP_REDIS];
	const char *const words[] = {
		u->path[UP_REDIS],
		"--port",
		"0",
		"--unixsocket",
		u->redis_sock,
		"--unixsocketperm",
		"700",
		"--dir",
		u->redis_dir,
		"--appendonly",
		"yes",
		"--save",
		"",
		"--daemonize",
		"no",
		"--logfile",
		"",
		"--loglevel",
		"notice",
		"--maxmemory-policy",
		"noeviction",
	};

	for (size_t i = 0; i < array_len(words); i++)
		child_arg(c, words[i]);
}

static void plane_args(struct up *u, enum up_child which)
{
	struct child *c = &u->child[which];

	child_arg(c, u->path[which == UP_NEXT ? UP_DP : which]);
	child_arg(c, "--state");
	child_arg(c, u->cli->state);
	if (u->config_file) {
		child_arg(c, "--config");
		child_arg(c, u->config_file);
	}
	for (unsigned i = 0; i < u->n_set; i++) {
		child_arg(c, "--set");
		child_arg(c, u->set[i]);
	}
}

static int make_children(struct up *u)
{
	static const char *const names[UP_CHILDREN] = {"redis", "dp", "cp", "demo", "dp"};
	char logs[1100], reach[300], private_redis[1200];
	int rc;

	snprintf(logs, sizeof(logs), "%s/log", u->cli->state);
	rc = make_folder(logs);
	if (!rc && u->used[UP_REDIS])
		rc = make_folder(u->redis_dir);
	for (int i = 0; i < UP_CHILDREN && !rc; i++)
		if (u->used[i] || i == UP_NEXT)
			rc = child_init(&u->child[i], names[i], logs);
	if (rc)
		return cli_fail(CLI_NOT_STARTED, "cannot write below %s: %s", u->cli->state,
				strerror(-rc));

	if (u->used[UP_REDIS]) {
		redis_args(u);
		snprintf(private_redis, sizeof(private_redis), "unix://%s", u->redis_sock);
		if (override(u, "state", "redis.url", private_redis))
			return CLI_USAGE;
	}
	plane_args(u, UP_DP);
	plane_args(u, UP_CP);
	plane_args(u, UP_NEXT);
	child_arg(&u->child[UP_NEXT], "--takeover");
	if (u->used[UP_DEMO]) {
		listen_reach(u->conf.rtmp_listen, reach, sizeof(reach));
		demo_init(&u->demo, &u->child[UP_DEMO], reach);
	}
	return CLI_OK;
}

static int prepare(struct up *u, const struct args *a)
{
	int rc = configure(u, a);

	if (rc)
		return rc;
	u->used[UP_DP] = u->used[UP_CP] = true;
	u->used[UP_REDIS] = !*u->conf.redis_url;
	u->used[UP_DEMO] = a->value[OPT_DEMO];
	if ((rc = enter_state(u)) || (rc = find_programs(u)) || (rc = check_ports(u)))
		return rc;
	return make_children(u);
}

static int run_up(struct cli *cli, const struct args *a)
{
	struct up *u = calloc(1, sizeof(*u));
	int rc;

	must(u);
	u->cli = cli;
	u->lock_fd = u->signal_fd = -1;
	for (int i = 0; i < UP_CHILDREN; i++)
		u->child[i].log_fd = -1;
	rc = prepare(u, a);
	if (!rc)
		rc = supervise(u);
	for (int i = 0; i < UP_CHILDREN; i++)
		child_fini(&u->child[i]);
	for (unsigned i = 0; i < u->n_set; i++)
		free(u->set[i]);
	if (u->lock_fd >= 0)
		close(u->lock_fd);
	free(u);
	return rc;
}

const struct command up_commands[] = {
	{"up", "", "Start Millrace on this machine and watch over it, until Ctrl-C",
	 "Starts a private Redis (unless one is named), the data plane and the control plane,\n"
	 "starts again what dies, and shows what is going on. Logs are in STATE/log.",
	 up_opts, 0, 0, run_up},
	{NULL},
};
