/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "bpf/cgroup.h"
#include "bpf/steer.h"
#include "bpf/tcpstat.h"
#include "bpf/trace.h"
#include "core/shm.h"
#include "lookup.h"
#include "session/path.h"

#define POLL_US 1000000u

static_assert(SHM_RATIO_BUCKETS == TCPSTAT_RATIO_BUCKETS, "ratios are counted alike");

/* One steered address; its listeners are the cores', these descriptors are copies. */
struct steered {
	struct bpf_steer *steer;
	int *fd;
	uint64_t fallback;
	bool given; /* every listener */
};

/* A key of the program as it was read. */
struct row {
	struct tcpstat_key key;
	struct tcpstat_sums sums;
};

static struct {
	char cgroup[1100];
	char no_tcpstat[400], no_trace[400]; /* why not */
	struct bpf_tcpstat *tcpstat;
	struct bpf_trace *trace;
	enum steer_mode mode;
	struct steered at[SESSION_LISTENERS_MAX];
	unsigned at_n, cores;
	uint64_t due_us;
	struct row *rows;
	size_t rows_n, rows_max;
	struct tcpstat_sums gone[SHM_ROLES]; /* of streams that have ended */
} kernel;

/* What is on by itself does without; what somebody asked for is missed. */
static void say_missing(enum log_level level, const char *program, const char *why)
{
	char text[400];

	LOG_AT(level, "kernel_program", "program=%s state=missing message=%s", program,
	       log_q(text, sizeof(text), why));
}

/* ---- counting ---- */

const char *kernel_cgroup(void)
{
	return kernel.cgroup;
}

void kernel_open(const struct config *conf, const char *cgroup)
{
	char why[400];

	if (!conf->bpf_tcpstat && !conf->bpf_trace)
		return;
	if (bpf_cgroup_enter(kernel.cgroup, sizeof(kernel.cgroup), cgroup, why, sizeof(why))) {
		snprintf(kernel.no_tcpstat, sizeof(why), "%s", conf->bpf_tcpstat ? why : "");
		snprintf(kernel.no_trace, sizeof(why), "%s", conf->bpf_trace ? why : "");
		return;
	}
	if (conf->bpf_tcpstat && !bpf_tcpstat_open(&kernel.tcpstat, kernel.cgroup, NULL,
						   kernel.no_tcpstat, sizeof(kernel.no_tcpstat)))
		path_notes(bpf_tcpstat_tags(kernel.tcpstat));
	if (conf->bpf_trace)
		bpf_trace_open(&kernel.trace, kernel.cgroup, kernel.no_trace,
			       sizeof(kernel.no_trace));
}

static void say_opened(const char *program, bool loaded, const char *why)
{
	if (loaded)
		log_info("kernel_program", "program=%s state=loaded cgroup=%s", program,
			 kernel.cgroup);
	else if (why[0])
		say_missing(LOG_INFO, program, why);
}

static void keep_row(void *arg, const struct tcpstat_key *key, const struct tcpstat_sums *sums)
{
	if (kernel.rows_n == kernel.rows_max) {
		kernel.rows_max = kernel.rows_max ? kernel.rows_max * 2 : 64;
		kernel.rows = realloc(kernel.rows, kernel.rows_max * sizeof(*kernel.rows));
		must(kernel.rows);
	}
	kernel.rows[kernel.rows_n++] = (struct row){*key, *sums};
}

static int by_note(const void *a, const void *b)
{
	const struct row *p = a, *q = b;

	if (p->key.stream != q->key.stream)
		return p->key.stream < q->key.stream ? -1 : 1;
	return 0;
}

/* A struct of 64-bit numbers. */
static void add(struct tcpstat_sums *to, const struct tcpstat_sums *from)
{
	for (size_t i = 0; i < sizeof(*to) / sizeof(__u64); i++)
		((__u64 *)to)[i] += ((const __u64 *)from)[i];
}

/* The programs' buckets are as wide but start at 1 us. */
static void put_hist(struct shm_hist *h, const __u64 *counts, unsigned counts_n, uint64_t sum_us,
		     unsigned shift)
{
	uint64_t n[SHM_HIST_BUCKETS] = {0};

	for (unsigned i = 0; i < counts_n; i++)
		n[shm_bucket((uint64_t)1 << i, shift)] += counts[i];
	for (unsigned i = 0; i < SHM_HIST_BUCKETS; i++)
		shm_set(&h->n[i], n[i]);
	shm_set(&h->sum_us, sum_us);
}

static void put_path(struct shm_path *p, const struct tcpstat_sums *s)
{
	shm_set(&p->connections, s->connections);
	shm_set(&p->sent, s->segments_sent);
	shm_set(&p->retransmitted, s->segments_retransmitted);
	shm_set(&p->duplicate, s->segments_duplicate);
	shm_set(&p->delivered, s->segments_delivered);
	shm_set(&p->acked_bytes, s->bytes_acked);
	shm_set(&p->wire_bytes, s->wire_bytes);
}

static void put_paths(struct shm_paths *to, const struct tcpstat_sums by_role[SHM_ROLES])
{
	struct tcpstat_sums way[SHM_WAYS] = {0};

	for (unsigned role = 0; role < SHM_ROLES; role++) {
		put_path(&to->role[role], &by_role[role]);
		add(&way[role_way(role)], &by_role[role]);
	}
	for (unsigned w = 0; w < SHM_WAYS; w++) {
		put_hist(&to->rtt[w], way[w].rtt, TCPSTAT_RTT_BUCKETS, way[w].srtt_us,
			 SHM_RTT_SHIFT);
		for (unsigned i = 0; i < SHM_RATIO_BUCKETS; i++)
			shm_set(&to->ratio[w][i], way[w].ratio[i]);
	}
}

/* NULL: the stream has ended. */
static struct shm_stream *stream_of(const struct engine *e, struct path_note n, uint64_t *gen)
{
	struct shm_stream *s;

	if (n.slot >= e->shm->streams || n.role >= SHM_ROLES)
		return NULL;
	s = shm_stream_of(e->shm, n.slot);
	*gen = shm_get(&s->gen);
	return *gen & 1 && path_note_gen(*gen) == n.gen ? s : NULL;
}

/* Its last numbers stay in the node's sums; what is open of it no longer counts. */
static void bury(const struct row *r, uint8_t role)
{
	struct tcpstat_sums last = r->sums;

	last.connections = 0;
	add(&kernel.gone[role < SHM_ROLES ? role : ROLE_OTHER], &last);
	bpf_tcpstat_drop(kernel.tcpstat, &r->key);
}

/* The rows of one stream, from *i on; node gets them too. */
static void put_stream(const struct engine *e, size_t *i, struct tcpstat_sums node[SHM_ROLES])
{
	struct tcpstat_sums sums[SHM_ROLES] = {0};
	struct path_note first = path_note_read(kernel.rows[*i].key.stream);
	uint64_t gen = 0;
	struct shm_stream *s = stream_of(e, first, &gen);

	for (; *i < kernel.rows_n; (*i)++) {
		const struct row *r = &kernel.rows[*i];
		struct path_note n = path_note_read(r->key.stream);

		if (n.slot != first.slot || n.gen != first.gen)
			break;
		if (s && n.role < SHM_ROLES) {
			add(&sums[n.role], &r->sums);
			add(&node[n.role], &r->sums);
		} else {
			bury(r, n.role);
		}
	}
	if (!s || !shm_stream_enter(s, gen))
		return;
	put_paths(shm_stream_paths_of(e->shm, s, e->cores_n), sums);
	shm_stream_leave();
}

static void poll_tcpstat(const struct engine *e)
{
	struct tcpstat_sums node[SHM_ROLES];
	size_t i = 0;

	kernel.rows_n = 0;
	if (bpf_tcpstat_read(kernel.tcpstat, keep_row, NULL))
		return;
	if (kernel.rows_n)
		qsort(kernel.rows, kernel.rows_n, sizeof(*kernel.rows), by_note);
	memset(node, 0, sizeof(node));
	for (; i < kernel.rows_n && !kernel.rows[i].key.stream; i++)
		add(&node[ROLE_OTHER], &kernel.rows[i].sums);
	while (i < kernel.rows_n)
		put_stream(e, &i, node);
	for (unsigned role = 0; role < SHM_ROLES; role++)
		add(&node[role], &kernel.gone[role]);
	put_paths(shm_paths_of(e->shm, e->cores_n), node);
	shm_set(&e->shm->tcpstat_lost, bpf_tcpstat_lost(kernel.tcpstat));
}

/* ---- tracing ---- */

static void poll_trace(const struct engine *e)
{
	struct trace_sums s;

	if (bpf_trace_read(kernel.trace, &s))
		return;
	put_hist(&e->shm->connect, s.connect.n, TRACE_BUCKETS, s.connect.sum_us, SHM_RTT_SHIFT);
	put_hist(&e->shm->stall, s.stall.n, TRACE_BUCKETS, s.stall.sum_us, SHM_STALL_SHIFT);
}

/* ---- steering ---- */

/* One that the process before this one still has is given once that has let it go. */
static void give_listeners(struct steered *s)
{
	s->given = true;
	for (unsigned core = 0; core < kernel.cores; core++)
		if (s->fd[core] >= 0 && bpf_steer_listener(s->steer, core, s->fd[core]))
			s->given = false;
}

/* One address; false where it cannot be. */
static bool steer_one(struct steered *s, const int *listener, const int *cpu, char *err, size_t n)
{
	if (bpf_steer_open(&s->steer, kernel.cores, err, n))
		return false;
	s->fd = calloc(kernel.cores, sizeof(*s->fd));
	must(s->fd);
	for (unsigned core = 0; core < kernel.cores; core++) {
		s->fd[core] = dup(listener[core]);
		if (cpu[core] >= 0)
			bpf_steer_cpu(s->steer, (unsigned)cpu[core], core);
	}
	bpf_steer_set(s->steer, kernel.mode);
	give_listeners(s);
	return true;
}

static void open_lookup(const struct listeners *l)
{
	char err[400];

	if (lookup_open(l, err, sizeof(err)))
		say_missing(LOG_WARN, "lookup", err);
	else if (lookup_places())
		log_info("kernel_program", "program=lookup state=loaded places=%u",
			 lookup_places());
}

void kernel_steer(struct engine *e, const struct listeners *l, const int *cpu)
{
	const char *mode = e->conf->bpf_steer;
	char err[400] = "";

	/* Only now, so that the first line of a start that fails is its reason. */
	say_opened("tcpstat", kernel.tcpstat, kernel.no_tcpstat);
	say_opened("trace", kernel.trace, kernel.no_trace);
	open_lookup(l);
	kernel.cores = e->cores_n;
	kernel.mode = strcmp(mode, "cpu") ? STEER_BY_LOAD : STEER_BY_CPU;
	shm_set(&e->shm->tcpstat, kernel.tcpstat != NULL);
	shm_set(&e->shm->trace, kernel.trace != NULL);
	shm_set(&e->shm->lookup, lookup_places() > 0);
	if (!strcmp(mode, "off") || e->cores_n < 2)
		return;
	if (kernel.mode == STEER_BY_CPU && cpu[0] < 0) {
		say_missing(LOG_WARN, "steer", "bpf.steer=cpu needs pinned cores (pin_cores)");
		return;
	}
	for (unsigned i = 0; i < l->n; i++) {
		/* Connections that lookup brings are its own to place: by their hash. */
		if (!l->one[i].fd || l->one[i].anywhere)
			continue;
		if (!steer_one(&kernel.at[kernel.at_n], l->one[i].fd, cpu, err, sizeof(err))) {
			say_missing(kernel.mode == STEER_BY_CPU ? LOG_WARN : LOG_INFO, "steer",
				    err);
			return;
		}
		kernel.at_n++;
	}
	shm_set(&e->shm->steer, 1);
	log_info("kernel_program", "program=steer state=loaded mode=%s addresses=%u", mode,
		 kernel.at_n);
}

static void poll_steer(const struct engine *e)
{
	uint64_t counts[STEER_COUNTS], chosen = 0, fallback = 0;

	for (unsigned i = 0; i < kernel.at_n; i++) {
		struct steered *s = &kernel.at[i];

		for (unsigned core = 0; core < kernel.cores; core++)
			bpf_steer_load(s->steer, core,
				       (uint32_t)shm_get(&e->cores[core]->ctr->ctr[CTR_CONNS]));
		if (bpf_steer_read(s->steer, counts))
			continue;
		/* A listener that stopped and goes on (drain) has left the program. */
		if (counts[STEER_FALLBACK] != s->fallback || !s->given)
			give_listeners(s);
		s->fallback = counts[STEER_FALLBACK];
		chosen += counts[STEER_CHOSEN];
		fallback += counts[STEER_FALLBACK];
	}
	shm_set(&e->shm->steer_chosen, chosen);
	shm_set(&e->shm->steer_fallback, fallback);
}

/* ---- the control thread's turn, and the end ---- */

void kernel_poll(void *engine)
{
	const struct engine *e = engine;
	uint64_t now_us = clock_us();

	if (now_us < kernel.due_us)
		return;
	kernel.due_us = now_us + POLL_US;
	if (kernel.tcpstat)
		poll_tcpstat(e);
	if (kernel.trace)
		poll_trace(e);
	poll_steer(e);
	lookup_poll();
}

void kernel_let_go(void)
{
	for (unsigned i = 0; i < kernel.at_n; i++) {
		for (unsigned core = 0; core < kernel.cores; core++)
			if (kernel.at[i].fd[core] >= 0)
				close(kernel.at[i].fd[core]);
		free(kernel.at[i].fd);
		bpf_steer_close(kernel.at[i].steer);
	}
	kernel.at_n = 0;
	lookup_close();
}

void kernel_close(void)
{
	kernel_let_go();
	bpf_tcpstat_close(kernel.tcpstat);
	kernel.tcpstat = NULL;
	bpf_trace_close(kernel.trace);
	kernel.trace = NULL;
	bpf_cgroup_leave(kernel.cgroup);
	free(kernel.rows);
	kernel.rows = NULL;
}
