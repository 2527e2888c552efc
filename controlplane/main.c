/* SPDX-License-Identifier: Apache-2.0 */
/* millrace-cp: options, start-up ladder, the loop, and the ladder down. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/dns.h>
#include <event2/event.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/guard.h"
#include "controlplane/access.h"
#include "controlplane/api.h"
#include "controlplane/apply.h"
#include "controlplane/audit.h"
#include "controlplane/assets.h"
#include "controlplane/channels.h"
#include "controlplane/commands.h"
#include "controlplane/docs.h"
#include "controlplane/domain_sums.h"
#include "controlplane/domains.h"
#include "controlplane/live.h"
#include "controlplane/local.h"
#include "controlplane/metrics.h"
#include "controlplane/oss.h"
#include "controlplane/packages.h"
#include "controlplane/post.h"
#include "controlplane/publish_codes.h"
#include "controlplane/pulls.h"
#include "controlplane/remote_auth.h"
#include "controlplane/settings.h"
#include "controlplane/tls.h"
#include "controlplane/store_redis_nodes.h"
#include "controlplane/streams.h"

#define NONCES	     65536
#define BEAT_TURNS   2 /* a heartbeat every so many turns of a second; of several nodes: each */
#define SETS_MAX     64
#define EXIT_USAGE   2
#define OWNER_SOCKET "api.sock"

static const char help[] =
	"usage: millrace-cp [--config FILE] [--state DIR] [--set KEY=VALUE]...\n"
	"\n"
	"The control plane of Millrace: API, tasks, callbacks, metrics.\n"
	"\n"
	"  --config FILE      configuration (YAML); every key has a default\n"
	"  --state DIR        folder for sockets and credentials; overrides state_dir\n"
	"  --set KEY=VALUE    one key, over the file; may be given again\n"
	"  --api-doc, --redis-doc, --metrics-doc\n"
	"                     print the reference as Markdown and end\n"
	"  --version, --help\n";

static int complain(const char *text)
{
	fprintf(stderr, "millrace-cp: %s\n", text);
	return EXIT_FAILURE;
}

/* ---- requests ------------------------------------------------------------------------------------ */

static bool is_raw(void *arg, const struct http_call *c)
{
	return oss_is(arg, c);
}

static void on_call(void *arg, struct http_call *c)
{
	struct cp *cp = arg;

	if (c->raw) {
		oss_handle(cp, c);
		return;
	}
	if (!strcmp(c->path, "/"))
		api_handle(cp, c);
	else if (c->door == HTTP_OWNER && !strncmp(c->path, "/local/", 7))
		local_handle(cp, c);
	else if (!strcmp(c->path, "/healthz"))
		metrics_health(cp, c);
	else if (!strcmp(c->path, "/metrics"))
		metrics_handle(cp, c);
	else
		http_reply_json(c, 404,
				json_pack("{ss ss}", "Code", "NotFound", "Message",
					  "this server has /, /healthz and /metrics"));
}

/* ---- from the data plane --------------------------------------------------------------------------- */

static void on_dp_up(void *arg, int shm_fd)
{
	struct cp *cp = arg;
	char err[160];

	cp->dp_connects++;
	cp->shm = shm_attach(shm_fd, err, sizeof(err));
	if (cp->shm)
		streams_reset(cp->streams, shm_streams(cp->shm));
	else
		log_error("shared_memory", "why=\"%s\"", err);
	apply_up(cp);
	domains_up(cp->domains);
	live_up(cp->live);
	pulls_up(cp->pulls);
	reconcile_up(cp->reconcile);
	packages_up(cp->packages);
}

static void on_dp_down(void *arg, const char *why)
{
	struct cp *cp = arg;

	shm_detach(cp->shm);
	cp->shm = NULL;
	streams_reset(cp->streams, 0);
	reconcile_down(cp->reconcile);
	packages_down(cp->packages);
	channels_down(cp->channels);
}

static void tell_stream(struct cp *cp, const char *name, const json_t *event)
{
	bool begins = !strcmp(name, "stream.publish");
	const char *word = begins ? "publisher" : "reason";
	char now[24];
	struct task_field f[] = {{"Event", name},
				 {"Time", now},
				 {"Node", cp->node},
				 {"Stream", dp_text(event, "stream")},
				 {begins ? "Publisher" : "Reason", dp_text(event, word)}};

	snprintf(now, sizeof(now), "%llu", (unsigned long long)clock_wall_ms());
	store_event(cp->store, f, array_len(f));
}

static void on_dp_event(void *arg, const char *name, json_t *event)
{
	struct cp *cp = arg;

	if (!strncmp(name, "stream.", 7) && !json_is_true(json_object_get(event, "internal")))
		tell_stream(cp, name, event);
	if (!strcmp(name, "auth.ask")) {
		if (!channels_ask(cp->channels, event))
			remote_auth_ask(cp->remote_auth, event);
		return;
	}
	publish_codes_event(cp->publish_codes, name, event);
	live_event(cp->live, name, event);
	pulls_event(cp->pulls, name, event);
	reconcile_event(cp->reconcile, name, event);
	packages_event(cp->packages, name, event);
	if (!strncmp(name, "stream.", 7))
		channels_tick(cp->channels);
}

static const struct dp_ops dp_ops = {on_dp_up, on_dp_down, on_dp_event};

/* ---- once a second --------------------------------------------------------------------------------- */

static void heartbeat(void *arg)
{
	struct cp *cp = arg;
	uint64_t values[] = {clock_wall_ms(),
			     (uint64_t)getpid(),
			     dp_up(cp->dp),
			     tasks_count(cp->tasks),
			     cp->shm ? shm_total(cp->shm, CTR_PUBLISHERS) : 0,
			     cp->shm ? shm_total(cp->shm, CTR_VIEWERS_RTMP) +
					       shm_total(cp->shm, CTR_VIEWERS_FLV) +
					       shm_total(cp->shm, CTR_VIEWERS_WS)
				     : 0,
			     cp->shm ? shm_in_bps(cp->shm) : 0,
			     cp->shm ? shm_out_bps(cp->shm) : 0,
			     commands_count(cp->commands).done,
			     commands_count(cp->commands).refused,
			     tasks_running(cp->tasks),
			     (uint64_t)cp->conf.tasks_running,
			     tasks_drained(cp->tasks)};
	static const char *const names[] = {
		"Time",	  "Pid",      "Dataplane",	 "Tasks",   "Streams", "Viewers", "InBps",
		"OutBps", "Commands", "CommandsRefused", "Running", "Room",    "Drained"};
	struct task_field f[array_len(values) + 2] = {{"Version", MILLRACE_VERSION}};

	for (size_t i = 0; i < array_len(values); i++) {
		f[i + 1].name = names[i];
		snprintf(f[i + 1].number, sizeof(f[0].number), "%llu",
			 (unsigned long long)values[i]);
		f[i + 1].value = f[i + 1].number;
	}
	f[array_len(f) - 1].name = "Regions";
	f[array_len(f) - 1].value = cp->conf.cluster_region;
	store_node_seen(cp->store, cp->node, (int64_t)values[0]);
	store_heartbeat(cp->store, cp->node, f, array_len(f));
}

static void on_second(evutil_socket_t fd, short what, void *arg)
{
	static unsigned turn;
	struct cp *cp = arg;

	if (cp->shm) {
		shm_sample(cp->shm, clock_us());
		domain_sums_note(cp->domain_sums, cp->shm);
		streams_refresh(cp->streams, cp->shm);
	}
	commands_tick(cp->commands);
	channels_tick(cp->channels);
	pulls_tick(cp->pulls);
	if (cp->conf.cluster_enabled || turn % BEAT_TURNS == 0)
		heartbeat(cp);
	if (turn++ % BEAT_TURNS == 0) {
		domains_tick(cp->domains);
		buckets_tick(channels_buckets(cp->channels));
		live_tick(cp->live);
		publish_codes_tick(cp->publish_codes);
	}
}

/* ---- the ladder up --------------------------------------------------------------------------------- */

static int make_folder(const char *path)
{
	char part[1100];

	snprintf(part, sizeof(part), "%s", path);
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		mkdir(part, 0755);
		*p = '/';
	}
	return mkdir(part, 0700) && errno != EEXIST ? -errno : 0;
}

static void name_node(struct cp *cp)
{
	snprintf(cp->node, sizeof(cp->node), "%.64s", cp->conf.node);
	if (!cp->node[0] && gethostname(cp->node, sizeof(cp->node) - 1))
		snprintf(cp->node, sizeof(cp->node), "millrace");
	cp->node[sizeof(cp->node) - 1] = 0;
}

static void raise_limits(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l))
		return;
	l.rlim_cur = l.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &l))
		log_warn("limits", "what=nofile why=\"%s\"", strerror(errno));
}

/* The listeners are open: from here on nothing needs a privilege. */
static int drop_privileges(char *err, size_t err_n)
{
	cap_t none = cap_init();
	int rc =
		none && !cap_set_proc(none) && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? 0 : -errno;

	cap_free(none);
	if (rc)
		snprintf(err, err_n, "capabilities cannot be dropped: %s", strerror(-rc));
	return rc;
}

static int read_settings(struct cp *cp, char *err, size_t err_n)
{
	struct conf_error e;
	int rc = settings_read(cp, NULL, &cp->conf, &e);

	if (rc) {
		snprintf(err, err_n, "%s", e.text);
		return rc;
	}
	log_init("cp", (enum log_level)log_level_of(cp->conf.log_level));
	log_set_format(cp->conf.log_format);
	name_node(cp);
	rc = conf_state_dir(&cp->conf, cp->state_dir, sizeof(cp->state_dir));
	if (!rc)
		rc = make_folder(cp->state_dir);
	if (rc)
		snprintf(err, err_n, "state_dir: %.256s: %s", cp->state_dir, strerror(-rc));
	return rc;
}

/* STATE/name into dst[1200]. */
static const char *in_state(const struct cp *cp, char *dst, const char *name)
{
	snprintf(dst, 1200, "%s/%s", cp->state_dir, name);
	return dst;
}

/* The path of a program in the folder of this one, into dst[1200]. */
static const char *beside(char *dst, const char *name)
{
	ssize_t n = readlink("/proc/self/exe", dst, 1000);
	char *slash = n > 0 ? memrchr(dst, '/', (size_t)n) : NULL;

	snprintf(slash ? slash + 1 : dst, 200, "%s", name);
	return dst;
}

/* ---- from the store: tasks are told when the catalogue that they play from is there too ------------------ */

static void on_stored_task(void *arg, const char *id, const struct task_field *f, size_t n)
{
	struct cp *cp = arg;

	tasks_store_ops.task(cp->tasks, id, f, n);
}

static void on_stored_hook(void *arg, const char *task_id, const char *text)
{
	struct cp *cp = arg;

	tasks_store_ops.hook(cp->tasks, task_id, text);
}

static void on_assets(void *arg)
{
	struct cp *cp = arg;

	bool first = !cp->tasks_told;

	cp->tasks_told = true;
	tasks_store_ops.ready(cp->tasks, first);
}

static void on_store_ready(void *arg, bool first)
{
	struct cp *cp = arg;

	assets_load(cp->assets, on_assets, cp);
}

static const struct store_ops store_ops = {on_stored_task, on_stored_hook, on_store_ready};

static int open_parts(struct cp *cp, struct evdns_base *dns, char *err, size_t err_n)
{
	char path[1200], url[1300];

	snprintf(url, sizeof(url), "%s", cp->conf.redis_url);
	if (!*url)
		snprintf(url, sizeof(url), "unix://%s", in_state(cp, path, "redis/redis.sock"));
	cp->hooks = hooks_new(cp->base, &cp->conf);
	cp->tasks = tasks_new(cp->base, cp->hooks, cp->node);
	cp->store = store_new(cp->base, dns, url, &store_ops, cp, err, err_n);
	if (!cp->store)
		return -EINVAL;
	hooks_set_store(cp->hooks, cp->store);
	cp->access = access_new(cp);
	cp->audit = audit_new(cp->store, cp->state_dir, err, err_n);
	if (!cp->audit)
		return -EACCES;
	cp->dp = dp_new(cp->base, in_state(cp, path, "dp.sock"), &dp_ops, cp);
	cp->streams = streams_new(cp->dp);
	cp->domain_sums = domain_sums_new((size_t)cp->conf.metrics_streams,
					  in_state(cp, path, "domain_sums.json"));
	cp->domains = domains_new(cp->store, cp->dp, cp->state_dir);
	cp->live = live_new(cp);
	cp->channels = channels_new(cp, beside(path, "millrace-worker"));
	cp->publish_codes = publish_codes_new(cp);
	cp->remote_auth = remote_auth_new(cp);
	cp->pulls = pulls_new(cp, beside(path, "millrace-worker"));
	cp->reconcile = reconcile_new(cp->base, cp->dp, &tasks_reconcile_ops, cp->tasks);
	cp->jobs = jobs_new(cp->base, beside(path, "millrace-worker"), &reconcile_jobs_ops,
			    cp->reconcile);
	cp->assets = assets_new(cp->base, &cp->conf, path);
	assets_connect(cp->assets, cp->store);
	reconcile_connect(cp->reconcile, cp->jobs, cp->assets, &cp->conf);
	cp->packages = packages_new(cp, beside(path, "millrace-worker"));
	if (cp->conf.cluster_enabled)
		tasks_join(cp->tasks, cp->base, &cp->conf, cp->state_dir, heartbeat, cp);
	tasks_connect(cp->tasks, cp->store, cp->reconcile);
	tasks_watch(cp->tasks, audit_scheduled, cp->audit);
	if (cp->conf.cluster_enabled && !(cp->post = post_new(cp, dns, url, err, err_n)))
		return -EINVAL;
	cp->commands = commands_new(cp, dns, url, err, err_n);
	return cp->commands ? 0 : -EINVAL;
}

static int open_doors(struct cp *cp, char *err, size_t err_n)
{
	char path[1200];
	int rc;

	cp->nonces = nonces_new(NONCES);
	cp->http = http_new(cp->base, on_call, cp);
	http_set_raw(cp->http, is_raw);
	rc = creds_load(&cp->creds, in_state(cp, path, "credentials.json"), err, err_n);
	if (!rc)
		rc = http_listen_unix(cp->http, in_state(cp, path, OWNER_SOCKET), err, err_n);
	if (!rc)
		rc = http_listen_tcp(cp->http, cp->conf.api_listen, err, err_n);
	cp->tls = tls_new();
	if (!rc && *cp->conf.api_tls_certificate)
		rc = tls_load(cp->tls, cp->conf.api_tls_certificate, cp->conf.api_tls_key, err,
			      err_n);
	if (!rc && *cp->conf.api_tls_listen && !*cp->conf.api_tls_certificate) {
		snprintf(err, err_n, "api.tls_listen needs api.tls_certificate and api.tls_key");
		rc = -EINVAL;
	}
	if (!rc && *cp->conf.api_tls_listen)
		rc = http_listen_tls(cp->http, cp->conf.api_tls_listen, cp->tls, err, err_n);
	return rc;
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	log_info("stopping", "signal=%d", (int)number);
	event_base_loopbreak(arg);
}

static void on_reloaded(void *arg, int status, json_t *body)
{
	char text[600];

	if (status != 200)
		log_error("reload", "why=%s", log_q(text, sizeof(text), dp_text(body, "Message")));
}

static void on_hangup(evutil_socket_t number, short what, void *arg)
{
	static const struct params none;

	api_run(arg, "ApplyNodeConfiguration", &none, on_reloaded, NULL);
}

static void libevent_log(int severity, const char *text)
{
	log_debug("libevent", "text=\"%s\"", text);
}

static void run(struct cp *cp)
{
	struct event *term = evsignal_new(cp->base, SIGTERM, on_signal, cp->base);
	struct event *intr = evsignal_new(cp->base, SIGINT, on_signal, cp->base);
	struct event *hangup = evsignal_new(cp->base, SIGHUP, on_hangup, cp);
	struct event *second = event_new(cp->base, -1, EV_PERSIST, on_second, cp);
	struct timeval tv = {1, 0};

	must(term && intr && hangup && second);
	event_add(hangup, NULL);
	event_add(term, NULL);
	event_add(intr, NULL);
	event_add(second, &tv);
	log_info("started", "version=%s api=%s state=%s node=%s", MILLRACE_VERSION,
		 cp->conf.api_listen, cp->state_dir, cp->node);
	event_base_dispatch(cp->base);
	event_free(term);
	event_free(intr);
	event_free(hangup);
	event_free(second);
}

/* ---- the ladder down: who may still be called back is freed last --------------------------------------- */

static void close_all(struct cp *cp)
{
	struct post *post = cp->post;

	if (cp->tasks)
		tasks_stop(cp->tasks);
	cp->post = NULL;
	post_free(post);
	dp_free(cp->dp);
	publish_codes_free(cp->publish_codes);
	store_free(cp->store);
	commands_free(cp->commands);
	assets_free(cp->assets);
	http_free(cp->http);
	tls_free(cp->tls);
	audit_free(cp->audit);
	access_free(cp->access);
	jobs_free(cp->jobs);
	packages_free(cp->packages);
	reconcile_free(cp->reconcile);
	pulls_free(cp->pulls);
	remote_auth_free(cp->remote_auth);
	live_free(cp->live);
	channels_free(cp->channels);
	domains_free(cp->domains);
	streams_free(cp->streams);
	domain_sums_free(cp->domain_sums);
	tasks_free(cp->tasks);
	hooks_free(cp->hooks);
	nonces_free(cp->nonces);
	shm_detach(cp->shm);
	guard_free(cp->guard);
}

static int serve(struct cp *cp)
{
	struct evdns_base *dns;
	char err[600] = "";
	int rc = read_settings(cp, err, sizeof(err));

	if (rc)
		return complain(err);
	signal(SIGPIPE, SIG_IGN);
	raise_limits();
	event_set_log_callback(libevent_log);
	cp->start_us = clock_us();
	cp->base = event_base_new();
	must(cp->base);
	dns = evdns_base_new(cp->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	must(dns);
	evdns_base_resolv_conf_parse(dns, DNS_OPTIONS_ALL, "/etc/resolv.conf");
	rc = open_doors(cp, err, sizeof(err));
	cp->guard = guard_new(&cp->conf, cp->state_dir);
	if (!rc)
		rc = open_parts(cp, dns, err, sizeof(err));
	if (!rc)
		rc = drop_privileges(err, sizeof(err));
	if (!rc)
		run(cp);
	close_all(cp);
	evdns_base_free(dns, 0);
	event_base_free(cp->base);
	return rc ? complain(err) : EXIT_SUCCESS;
}

/* ---- options ----------------------------------------------------------------------------------------- */

static bool add_set(struct cp *cp, const char *key, const char *value)
{
	size_t n = 0;

	while (cp->sets[n])
		n++;
	return n + 1 < SETS_MAX && asprintf(&cp->sets[n], "%s%s", key, value) > 0;
}

/* -1: go on; otherwise the exit status. */
static int take_option(struct cp *cp, int option)
{
	switch (option) {
	case 'c':
		cp->conf_path = optarg;
		return -1;
	case 's':
		return add_set(cp, "state_dir=", optarg) ? -1 : complain("too many --set");
	case 'x':
		return add_set(cp, "", optarg) ? -1 : complain("too many --set");
	case 'h':
		fputs(help, stdout);
		return EXIT_SUCCESS;
	case 'v':
		puts("millrace-cp " MILLRACE_VERSION);
		return EXIT_SUCCESS;
	case 'a':
		docs_api(stdout);
		return EXIT_SUCCESS;
	case 'r':
		docs_redis(stdout);
		return EXIT_SUCCESS;
	case 'm':
		metrics_doc(stdout);
		return EXIT_SUCCESS;
	default:
		fputs("millrace-cp --help lists the options\n", stderr);
		return EXIT_USAGE;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
						{"state", required_argument, NULL, 's'},
						{"set", required_argument, NULL, 'x'},
						{"help", no_argument, NULL, 'h'},
						{"version", no_argument, NULL, 'v'},
						{"api-doc", no_argument, NULL, 'a'},
						{"redis-doc", no_argument, NULL, 'r'},
						{"metrics-doc", no_argument, NULL, 'm'},
						{0}};
	static char *sets[SETS_MAX];
	static struct cp cp = {.sets = sets};
	int option, status = -1;

	while (status < 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1)
		status = take_option(&cp, option);
	if (status < 0 && optind < argc) {
		fprintf(stderr, "millrace-cp: unexpected \"%s\"; --help lists the options\n",
			argv[optind]);
		status = EXIT_USAGE;
	}
	if (status < 0)
		status = serve(&cp);
	for (size_t i = 0; i < SETS_MAX; i++)
		free(sets[i]);
	return status;
}
