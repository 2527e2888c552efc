/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/tcpstat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/check.h"
#include "bpf/loader.h"
#include "tcpstat.skel.h"

#define BATCH 256 /* keys of one read; grows where a bucket of the map holds more */

struct bpf_tcpstat {
	struct tcpstat_bpf *skel;
	struct bpf_link *health, *wire;
	int tags, sums, lost, cpus;
	uint32_t batch;
	struct tcpstat_key *keys;
	struct tcpstat_sums *values; /* batch x cpus */
};

static void buffers(struct bpf_tcpstat *t, uint32_t batch)
{
	free(t->keys);
	free(t->values);
	t->batch = batch;
	t->keys = calloc(batch, sizeof(*t->keys));
	t->values = calloc((size_t)batch * (size_t)t->cpus, sizeof(*t->values));
	must(t->keys && t->values);
}

static int configure(struct bpf_tcpstat *t, const struct bpf_tcpstat_options *opt)
{
	struct tcpstat_conf c = {1000000000};
	uint32_t zero = 0;

	if (opt && opt->interval_ms)
		c.interval_ns = opt->interval_ms * 1000000ull;
	return bpf_map_update_elem(bpf_map__fd(t->skel->maps.conf), &zero, &c, BPF_ANY);
}

static int load(struct bpf_tcpstat *t, const struct bpf_tcpstat_options *opt)
{
	int rc;

	t->skel = tcpstat_bpf__open();
	if (!t->skel)
		return -errno;
	if (opt && opt->keys_max)
		bpf_map__set_max_entries(t->skel->maps.sums, opt->keys_max);
	rc = tcpstat_bpf__load(t->skel);
	if (rc)
		return rc;
	t->tags = bpf_map__fd(t->skel->maps.tags);
	t->sums = bpf_map__fd(t->skel->maps.sums);
	t->lost = bpf_map__fd(t->skel->maps.lost);
	t->cpus = libbpf_num_possible_cpus();
	if (t->cpus < 1)
		return t->cpus;
	buffers(t, BATCH);
	return configure(t, opt);
}

static int attach(struct bpf_tcpstat *t, const char *cgroup)
{
	int fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	t->health = bpf_program__attach_cgroup(t->skel->progs.tcpstat, fd);
	rc = t->health ? 0 : -errno;
	if (!rc) {
		t->wire = bpf_program__attach_cgroup(t->skel->progs.wire, fd);
		rc = t->wire ? 0 : -errno;
	}
	close(fd);
	return rc;
}

int bpf_tcpstat_open(struct bpf_tcpstat **out, const char *cgroup,
		     const struct bpf_tcpstat_options *opt, char *err, size_t err_n)
{
	struct bpf_tcpstat *t = calloc(1, sizeof(*t));
	const char *what = "tcpstat";
	int rc;

	must(t);
	*out = NULL;
	loader_listen();
	rc = load(t, opt);
	if (!rc) {
		what = cgroup;
		rc = attach(t, cgroup);
	}
	if (rc) {
		bpf_tcpstat_close(t);
		return loader_fail(what, rc, err, err_n);
	}
	*out = t;
	return 0;
}

void bpf_tcpstat_close(struct bpf_tcpstat *t)
{
	if (!t)
		return;
	bpf_link__destroy(t->health);
	bpf_link__destroy(t->wire);
	tcpstat_bpf__destroy(t->skel);
	free(t->keys);
	free(t->values);
	free(t);
}

int bpf_tcpstat_tag(struct bpf_tcpstat *t, int fd, uint32_t stream)
{
	return bpf_map_update_elem(t->tags, &fd, &stream, BPF_ANY);
}

/* ---- reading ------------------------------------------------------------------------------- */

/* A struct of 64-bit numbers. */
static void add(struct tcpstat_sums *to, const struct tcpstat_sums *from)
{
	for (size_t i = 0; i < sizeof(*to) / sizeof(__u64); i++)
		((__u64 *)to)[i] += ((const __u64 *)from)[i];
}

static void tell(struct bpf_tcpstat *t, uint32_t n, bpf_tcpstat_each *each, void *arg)
{
	for (uint32_t i = 0; i < n; i++) {
		struct tcpstat_sums sum = {0};

		for (int cpu = 0; cpu < t->cpus; cpu++)
			add(&sum, &t->values[(size_t)i * (size_t)t->cpus + (size_t)cpu]);
		each(arg, &t->keys[i], &sum);
	}
}

int bpf_tcpstat_read(struct bpf_tcpstat *t, bpf_tcpstat_each *each, void *arg)
{
	uint32_t place = 0, next, n;
	bool first = true;
	int rc;

	do {
		n = t->batch;
		rc = bpf_map_lookup_batch(t->sums, first ? NULL : &place, &next, t->keys, t->values,
					  &n, NULL);
		if (rc == -ENOSPC) {
			buffers(t, t->batch * 2);
			continue;
		}
		if (rc && rc != -ENOENT)
			return rc;
		tell(t, n, each, arg);
		place = next;
		first = false;
	} while (rc != -ENOENT);
	return 0;
}

/* The keys of one stream; a stream has few: ports and directions. */
struct gone {
	uint32_t stream;
	struct tcpstat_key keys[64];
	size_t n;
};

static void note_gone(void *arg, const struct tcpstat_key *key, const struct tcpstat_sums *sums)
{
	struct gone *g = arg;

	if (key->stream == g->stream && g->n < array_len(g->keys))
		g->keys[g->n++] = *key;
}

void bpf_tcpstat_forget(struct bpf_tcpstat *t, uint32_t stream)
{
	struct gone g = {.stream = stream};

	bpf_tcpstat_read(t, note_gone, &g);
	for (size_t i = 0; i < g.n; i++)
		bpf_map_delete_elem(t->sums, &g.keys[i]);
}

int bpf_tcpstat_drop(struct bpf_tcpstat *t, const struct tcpstat_key *key)
{
	return bpf_map_delete_elem(t->sums, key);
}

int bpf_tcpstat_tags(const struct bpf_tcpstat *t)
{
	return t->tags;
}

uint64_t bpf_tcpstat_lost(struct bpf_tcpstat *t)
{
	uint64_t *by_cpu = calloc((size_t)t->cpus, sizeof(*by_cpu)), sum = 0;
	uint32_t zero = 0;

	must(by_cpu);
	if (!bpf_map_lookup_elem(t->lost, &zero, by_cpu))
		for (int i = 0; i < t->cpus; i++)
			sum += by_cpu[i];
	free(by_cpu);
	return sum;
}
