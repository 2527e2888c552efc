/* SPDX-License-Identifier: Apache-2.0 */
/*
 * millrace-dp: the data plane's process.
 *
 *   configuration -> kernel programs -> listeners -> memory -> cores -> privileges dropped
 *                 -> relays, control -> wait
 *
 * and the same ladder down again. This thread only waits for signals: SIGTERM and SIGINT end the
 * process, SIGHUP reads the configuration again.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "core/core.h"
#include "core/hls.h"
#include "core/shm.h"
#include "core/stream.h"
#include "kernel.h"
#include "lookup.h"
#include "media/wire.h"
#include "service.h"
#include "session/certificates.h"
#include "session/auth_remote.h"
#include "session/access_log.h"
#include "session/blocks.h"
#include "session/control.h"
#include "session/country.h"
#include "session/domains.h"
#include "session/handover.h"
#include "session/http_server.h"
#include "session/listeners.h"
#include "session/relay.h"
#include "session/reload.h"
#include "session/rtmp_server.h"
#include "session/takeover.h"

#define HEAP_LARGE	 16384 /* bytes from which on memory is mapped, so that it goes back when freed */
#define SETS_MAX	 64
#define RESOLVER_THREADS 4
#define BYPASS_CONNS_MAX (1 << 20) /* of each core */
#define LAST_ROUNDS	 8 /* turns in step at the end, so that mail between cores is done */

struct worker {
	pthread_t thread;
	struct core core;
	struct node *node;
	int cpu; /* -1: not pinned */
	int err;
};

struct node {
	struct config conf;
	struct engine engine;
	struct arena arena;
	struct quiet quiet;
	struct listeners listeners;
	struct worker *worker;
	pthread_barrier_t step;	     /* all workers and main */
	pthread_barrier_t last_step; /* all workers */
	int shm_fd;
	const char *conf_path; /* NULL: defaults */
	char state[1024];
};

struct options {
	const char *config, *state;
	char *sets[SETS_MAX];
	unsigned sets_n;
	bool takeover, detach;
};

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *fmt, ...)
{
	va_list args;

	fputs("millrace-dp: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

/* ---- the command line ---- */

static void usage(FILE *to)
{
	fputs("Usage: millrace-dp [--config FILE] [--state DIR] [--set KEY=VALUE]...\n"
	      "The data plane of Millrace: takes live streams in and relays them to many viewers.\n\n"
	      "  --config FILE    configuration (YAML); without it every key has its default\n"
	      "  --state DIR      folder of the control socket; the same as --set state_dir=DIR\n"
	      "  --set KEY=VALUE  one configuration key, stronger than the file; may be repeated\n"
	      "  --takeover       where a data plane serves this state folder: take its listeners over and let\n"
	      "                   it retire (upgrade.drain); no connection is refused meanwhile\n"
	      "  --detach         go on in the background once this one serves\n"
	      "  --help           this text\n"
	      "  --version        version of the program\n\n"
	      "SIGTERM ends it, SIGHUP reads the configuration again.\n",
	      to);
}

static void options_parse(struct options *o, int argc, char **argv)
{
	static const struct option table[] = {
		{"config", required_argument, NULL, 'c'}, {"state", required_argument, NULL, 's'},
		{"set", required_argument, NULL, 'k'},	  {"help", no_argument, NULL, 'h'},
		{"takeover", no_argument, NULL, 't'},	  {"detach", no_argument, NULL, 'd'},
		{"version", no_argument, NULL, 'v'},	  {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 's':
			o->state = optarg;
			break;
		case 'k':
			if (o->sets_n == SETS_MAX - 1)
				die("more than %d --set options; use a configuration file",
				    SETS_MAX - 1);
			o->sets[o->sets_n++] = optarg;
			break;
		case 't':
			o->takeover = true;
			break;
		case 'd':
			o->detach = true;
			break;
		case 'h':
			usage(stdout);
			exit(EXIT_SUCCESS);
		case 'v':
			puts("millrace-dp " MILLRACE_VERSION);
			exit(EXIT_SUCCESS);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "millrace-dp: %s: no argument is expected here; see --help\n",
			argv[optind]);
		exit(2);
	}
}

/* o: reload keeps pointers into it. */
static void configure(struct node *n, struct options *o, int argc, char **argv)
{
	static char state[1100];
	struct conf_error err;

	options_parse(o, argc, argv);
	if (o->state) {
		snprintf(state, sizeof(state), "state_dir=%s", o->state);
		o->sets[o->sets_n++] = state;
	}
	if (reload_first(&n->conf, o->config, o->sets, o->sets_n, &err))
		die("%s", err.text);
	n->conf_path = o->config;
	if (conf_state_dir(&n->conf, n->state, sizeof(n->state)))
		die("state_dir: the path is too long");
	log_init("dp", (enum log_level)log_level_of(n->conf.log_level));
	log_set_format(n->conf.log_format);
	if (access_log_open(&n->conf, &err) || country_load(&n->conf, &err))
		die("%s", err.text);
}

/* ---- what the process gets from the system ---- */

static void limit_raise(int which)
{
	struct rlimit limit;

	if (getrlimit(which, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(which, &limit);
	}
}

/* With every part of the path that is missing; sockets and credentials lie in it. */
static void folder_make(const char *path)
{
	char part[1024];
	struct stat st;
	size_t n;

	for (const char *p = path; *p; p += n) {
		n = strspn(p, "/");
		n += strcspn(p + n, "/");
		snprintf(part, sizeof(part), "%.*s", (int)(p + n - path), path);
		if (mkdir(part, 0700) && errno != EEXIST)
			die("state folder %s: cannot make %s: %s", path, part, strerror(errno));
	}
	if (stat(path, &st) || !S_ISDIR(st.st_mode))
		die("state folder %s: not a folder", path);
}

/* Of the calling thread. Whoever runs us, nothing beyond our own files and sockets is needed now. */
static void privileges_drop(void)
{
	cap_t none = cap_init();

	if (!none || cap_set_proc(none))
		log_warn("privileges", "message=\"capabilities could not be dropped\" errno=%d",
			 errno);
	cap_free(none);
}

static unsigned cpus_allowed(cpu_set_t *set)
{
	CPU_ZERO(set);
	if (sched_getaffinity(0, sizeof(*set), set))
		return 1;
	return (unsigned)CPU_COUNT(set);
}

static int cpu_nth(const cpu_set_t *set, unsigned n)
{
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, set) && n-- == 0)
			return cpu;
	}
	return -1;
}

/* ---- cores ---- */

static void worker_pin(const struct worker *w)
{
	cpu_set_t set;

	if (w->cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(w->cpu, &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set))
		log_warn("pin", "core=%u cpu=%d message=\"not pinned\"", w->core.id, w->cpu);
}

static void worker_end(struct worker *w)
{
	struct node *n = w->node;

	sessions_end(&w->core, REASON_SHUTDOWN);
	for (unsigned i = 0; i < LAST_ROUNDS; i++) {
		pthread_barrier_wait(&n->last_step);
		core_turn(&w->core, clock_us());
	}
	pthread_barrier_wait(&n->last_step);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct session_listener at[SESSION_LISTENERS_MAX];
	struct node *n = w->node;
	char name[16];

	snprintf(name, sizeof(name), "core-%u", w->core.id);
	pthread_setname_np(pthread_self(), name);
	worker_pin(w);
	w->err = sessions_init(&w->core, at, listeners_take(&n->listeners, w->core.id, at));
	path_watch(&w->core);
	privileges_drop();
	pthread_barrier_wait(&n->step); /* everybody has tried */
	pthread_barrier_wait(&n->step); /* main has judged */
	core_run(&w->core);
	worker_end(w);
	pthread_barrier_wait(&n->step); /* nobody wakes anybody any more */
	sessions_fini(&w->core);
	return NULL;
}

static void cores_make(struct node *n)
{
	struct engine *e = &n->engine;
	cpu_set_t cpus;
	unsigned cpus_n = cpus_allowed(&cpus);
	bool pin = n->conf.pin_cores && cpus_n >= e->cores_n;

	n->worker = calloc(e->cores_n, sizeof(*n->worker));
	e->cores = calloc(e->cores_n, sizeof(*e->cores));
	if (!n->worker || !e->cores)
		die("no memory for %u cores", e->cores_n);
	for (unsigned i = 0; i < e->cores_n; i++) {
		struct worker *w = &n->worker[i];

		w->node = n;
		w->cpu = pin ? cpu_nth(&cpus, i) : -1;
		e->cores[i] = &w->core;
		if (core_init(&w->core, e, i))
			die("no memory for core %u", i);
	}
}

/* The listeners are still main's. */
static void cores_steer(struct node *n)
{
	int cpu[ENGINE_CORES_MAX];

	for (unsigned i = 0; i < n->engine.cores_n; i++)
		cpu[i] = n->worker[i].cpu;
	kernel_steer(&n->engine, &n->listeners, cpu);
}

static void cores_start(struct node *n)
{
	unsigned cores = n->engine.cores_n;

	pthread_barrier_init(&n->step, NULL, cores + 1);
	pthread_barrier_init(&n->last_step, NULL, cores);
	for (unsigned i = 0; i < cores; i++) {
		int r = pthread_create(&n->worker[i].thread, NULL, worker_main, &n->worker[i]);

		if (r)
			die("cannot start thread %u of %u: %s; use fewer cores", i, cores,
			    strerror(r));
	}
	pthread_barrier_wait(&n->step);
	for (unsigned i = 0; i < cores; i++) {
		int err = -n->worker[i].err;

		if (err == ENOSYS || err == EPERM)
			die("this kernel offers no usable io_uring (%s); Linux 6.1 or newer is needed, "
			    "with sysctl kernel.io_uring_disabled=0",
			    strerror(err));
		if (err)
			die("core %u cannot start: %s", i, strerror(err));
	}
	pthread_barrier_wait(&n->step);
}

static void cores_stop(struct node *n)
{
	for (unsigned i = 0; i < n->engine.cores_n; i++) {
		struct core *c = &n->worker[i].core;

		atomic_store(&c->stop, true);
		c->io.wake(c->io.net);
	}
	pthread_barrier_wait(&n->step);
	for (unsigned i = 0; i < n->engine.cores_n; i++)
		pthread_join(n->worker[i].thread, NULL);
}

/* ---- the ladder ---- */

static void take_over(const struct node *n)
{
	char path[1100], err[600];
	int r;

	snprintf(path, sizeof(path), "%s/dp.sock", n->state);
	if (!strcmp(n->conf.net_backend, "dpdk"))
		die("--takeover: a device cannot be taken over (net.backend dpdk); restart instead");
	r = takeover_ask(path, n->engine.cores_n, err, sizeof(err));
	if (r && r != -ENOENT)
		die("--takeover: the data plane at %s: %s", path, err);
}

static void bypass_start(const struct node *n)
{
	const struct config *conf = &n->conf;
	const struct net_bypass_options o = {
		.device = conf->dpdk_device,
		.eal = conf->dpdk_eal,
		.addresses = conf->dpdk_addresses,
		.gateways = conf->dpdk_gateways,
		.routes = conf->dpdk_routes,
		.neighbours = conf->dpdk_neighbours,
		.exception = conf->dpdk_exception,
		.mtu = (unsigned)conf->dpdk_mtu,
		.vlan = (unsigned)conf->dpdk_vlan,
		.queue_frames = (unsigned)conf->dpdk_queue,
		.cores = n->engine.cores_n,
		.conns_max = (uint32_t)min_of(conf->limit_connections, BYPASS_CONNS_MAX),
		.memory_bytes = (uint64_t)conf->dpdk_memory,
		.idle_us = (uint32_t)conf->dpdk_idle,
		.huge_pages = conf->dpdk_huge,
		.offloads = conf->dpdk_offloads,
		.rack = conf->tcp_rack,
		.shared = {n->arena.base, n->arena.bytes},
	};
	char text[1024];

	if (!strcmp(conf->net_backend, "dpdk") && net_bypass_start(&o, text, sizeof(text)))
		die("%s", text);
}

static void listen_at(struct node *n, const char *key, const char *addresses,
		      const struct session_ops *ops, struct net_tls *tls)
{
	char text[512];

	if (listeners_add_tls(&n->listeners, key, addresses, ops, tls, text, sizeof(text)))
		die("%s", text);
}

static void listen_for_lookup(struct node *n, struct net_tls *tls)
{
	const struct lookup_serves serves[PLACE_KINDS] = {
		[PLACE_RTMP] = {&rtmp_server_ops, NULL},
		[PLACE_HTTP] = {&http_server_ops, NULL},
		[PLACE_RTMPS] = {&rtmp_server_ops, tls},
		[PLACE_HTTPS] = {&http_server_ops, tls},
	};
	char text[512];

	if (lookup_listen(&n->listeners, n->conf.bpf_lookup, serves, text, sizeof(text)))
		die("%s", text);
}

static void listeners_open(struct node *n)
{
	struct net_tls *tls = certificates_init();
	struct conf_error err;

	if (!tls)
		die("no memory for TLS");
	if (certificates_load(&n->conf, &err))
		die("%s", err.text);
	listeners_init(&n->listeners, n->engine.cores_n);
	listen_at(n, "rtmp.listen", n->conf.rtmp_listen, &rtmp_server_ops, NULL);
	listen_at(n, "http.listen", n->conf.http_listen, &http_server_ops, NULL);
	listen_at(n, "rtmps.listen", n->conf.rtmps_listen, &rtmp_server_ops, tls);
	listen_at(n, "https.listen", n->conf.https_listen, &http_server_ops, tls);
	listen_for_lookup(n, tls);
}

static enum arena_pages pages_of(const char *word)
{
	if (!strcmp(word, "huge"))
		return ARENA_HUGE;
	return strcmp(word, "thp") ? ARENA_NORMAL : ARENA_THP;
}

static void memory_make(struct node *n)
{
	const struct config *conf = &n->conf;
	struct engine *e = &n->engine;
	int r = arena_init(&n->arena, (size_t)conf->dp_arena, (uint32_t)conf->dp_block,
			   pages_of(conf->dp_pages));

	if (r)
		die("memory.arena: cannot reserve %" PRId64
		    " bytes of %s pages: %s; lower memory.arena%s",
		    conf->dp_arena, conf->dp_pages, strerror(-r),
		    strcmp(conf->dp_pages, "huge") ? "" : ", or raise sysctl vm.nr_hugepages");
	r = shm_make(e->cores_n, (unsigned)conf->limit_streams, (unsigned)conf->limit_relays,
		     &e->shm, &n->shm_fd);
	if (r)
		die("cannot make the counters in shared memory: %s", strerror(-r));
	/* A device keeps the physical addresses of the pages. */
	if (!strcmp(conf->net_backend, "dpdk"))
		n->arena.fixed = true;
	quiet_init(&n->quiet, e->cores_n);
	e->arena = &n->arena;
	e->quiet = &n->quiet;
	e->registry = registry_new(e, (unsigned)conf->limit_streams);
	if (!e->registry)
		die("no memory for the names of streams; lower limits.streams");
	e->hls = hls_new(e);
	if (!e->hls)
		die("no memory for HLS");
}

/* Before the cores listen: what was closed must not be open for a moment. */
static void domains_read(struct node *n)
{
	char path[1100];

	snprintf(path, sizeof(path), "%s/domains.json", n->state);
	country_use(&n->engine);
	domains_start(&n->engine, path, n->conf.domain_wait);
}

static void services_start(struct node *n)
{
	char path[1100];
	int r;

	snprintf(path, sizeof(path), "%s/dp.sock", n->state);
	r = net_resolver_start(RESOLVER_THREADS);
	if (!r)
		r = relays_init(&n->engine);
	if (r)
		die("cannot start the relays: %s", strerror(-r));
	control_each_tick(kernel_poll, &n->engine);
	handover_init(&n->engine, &n->listeners,
		      &(struct handover_ops){kernel_cgroup(), kernel_let_go});
	r = control_start(&n->engine, path, n->shm_fd, n->conf_path, takeover_under_way());
	if (r == -EADDRINUSE)
		die("%s: another data plane uses this state folder; choose another --state, or replace "
		    "it with --takeover",
		    path);
	if (r)
		die("%s: %s", path, strerror(-r));
}

/* Who listens for all and has no domain is asked by others in vain: better read it here first. */
static void say_closed(const struct node *n)
{
	bool others = false;

	for (unsigned i = 0; i < n->listeners.n; i++) {
		struct ip ip = net_addr_ip(&n->listeners.one[i].at);

		others = others || n->listeners.one[i].anywhere || !ip_is_loopback(&ip);
	}
	if (others && domains_state() == DOMAINS_OPEN && !n->conf.domain_open)
		log_warn("no_domain", "effect=\"only this machine may publish and play\" "
				      "advice=\"configure a domain, or set domain.open\"");
}

static void say_start(const struct node *n)
{
	static const char *const keys[] = {"rtmp", "http", "rtmps", "https"};
	char key[32], at[1200], at_q[1200], state[1200], listens[5000];
	size_t used = 0;

	for (unsigned i = 0; i < array_len(keys); i++) {
		snprintf(key, sizeof(key), "%s.listen", keys[i]);
		listeners_text(&n->listeners, key, at, sizeof(at));
		if (*at)
			used += (size_t)snprintf(listens + used, sizeof(listens) - used, " %s=%s",
						 keys[i], log_q(at_q, sizeof(at_q), at));
	}
	log_info("start",
		 "version=%s cores=%u pinned=%s%s net=%s pages=%s arena=%" PRId64
		 " state=%s pid=%d",
		 MILLRACE_VERSION, n->engine.cores_n, n->worker[0].cpu >= 0 ? "yes" : "no", listens,
		 net_backend_name(), n->conf.dp_pages, n->conf.dp_arena,
		 log_q(state, sizeof(state), n->state), (int)getpid());
}

static void say_reloaded(void *arg, const struct conf_key *k, bool applied)
{
	log_info("reload", "key=%s effect=%s", k->path, applied ? "now" : "at the next start");
}

static void wait_for_the_end(struct node *n, const sigset_t *signals)
{
	struct conf_error err;
	char text[600];
	int got;

	for (;;) {
		if (sigwait(signals, &got))
			continue;
		if (got != SIGHUP)
			break;
		if (reload(&n->engine, say_reloaded, NULL, &err))
			log_error("reload", "message=%s", log_q(text, sizeof(text), err.text));
	}
	log_info("stop", "signal=%s", got == SIGINT ? "SIGINT" : "SIGTERM");
}

static void node_stop(struct node *n)
{
	takeover_end();
	control_stop();
	net_resolver_stop();
	cores_stop(n);
	relays_fini(&n->engine);
	domains_fini();
	country_fini();
	blocks_fini();
	auth_remote_fini();
	for (unsigned i = 0; i < n->engine.cores_n; i++)
		core_fini(&n->worker[i].core);
	hls_free(n->engine.hls);
	registry_free(n->engine.registry);
	shm_unmake(n->engine.shm);
	close(n->shm_fd);
	arena_fini(&n->arena);
	net_bypass_stop();
	listeners_fini(&n->listeners);
	kernel_close();
	access_log_close();
	certificates_fini();
	reload_fini(&n->engine);
	free(n->engine.cores);
	free(n->worker);
}

int main(int argc, char **argv)
{
	static struct node n;
	static struct options o;
	sigset_t signals;
	cpu_set_t cpus;

	net_tls_prepare();
	configure(&n, &o, argc, argv);
	if (o.detach && service_detach())
		die("--detach: %s", strerror(errno));
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	mallopt(M_MMAP_THRESHOLD, HEAP_LARGE);
	limit_raise(RLIMIT_NOFILE);
	limit_raise(RLIMIT_MEMLOCK);
	folder_make(n.state);

	n.engine.conf = &n.conf;
	n.engine.cores_n = n.conf.cores ? (unsigned)n.conf.cores : cpus_allowed(&cpus);
	n.engine.cores_n = min_of(n.engine.cores_n, ENGINE_CORES_MAX);
	wire_init((uint32_t)n.conf.rtmp_chunk_size);
	if (o.takeover)
		take_over(&n);
	kernel_open(&n.conf, takeover_cgroup());
	memory_make(&n);
	bypass_start(&n);
	listeners_open(&n);
	cores_make(&n);
	domains_read(&n);
	cores_steer(&n);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	cores_start(&n);
	privileges_drop();
	services_start(&n);
	if (takeover_under_way())
		takeover_begin(&n.engine, (uint64_t)n.conf.upgrade_drain);
	service_ready();
	say_start(&n);
	say_closed(&n);
	wait_for_the_end(&n, &signals);
	node_stop(&n);
	return EXIT_SUCCESS;
}
