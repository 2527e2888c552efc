/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/guard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>

#include "base/check.h"
#include "bpf/loader.h"
#include "guard.skel.h"

#define INTERFACES_MAX 64

struct bpf_guard {
	struct guard_bpf *skel;
	int v4, v6, counts, conf, cpus;
	struct {
		unsigned index;
		struct bpf_link *link;
	} on[INTERFACES_MAX];
	size_t on_n;
};

static int load(struct bpf_guard *g, const struct bpf_guard_options *opt)
{
	int rc;

	g->skel = guard_bpf__open();
	if (!g->skel)
		return -errno;
	if (opt && opt->lists_max) {
		bpf_map__set_max_entries(g->skel->maps.list_v4, opt->lists_max);
		bpf_map__set_max_entries(g->skel->maps.list_v6, opt->lists_max);
	}
	if (opt && opt->sources_max)
		bpf_map__set_max_entries(g->skel->maps.buckets, opt->sources_max);
	rc = guard_bpf__load(g->skel);
	if (rc)
		return rc;
	g->v4 = bpf_map__fd(g->skel->maps.list_v4);
	g->v6 = bpf_map__fd(g->skel->maps.list_v6);
	g->counts = bpf_map__fd(g->skel->maps.counts);
	g->conf = bpf_map__fd(g->skel->maps.conf);
	g->cpus = libbpf_num_possible_cpus();
	return g->cpus < 1 ? g->cpus : 0;
}

int bpf_guard_open(struct bpf_guard **out, const struct bpf_guard_options *opt, char *err,
		   size_t err_n)
{
	struct bpf_guard *g = calloc(1, sizeof(*g));
	int rc;

	must(g);
	*out = NULL;
	loader_listen();
	rc = load(g, opt);
	if (rc) {
		bpf_guard_close(g);
		return loader_fail("guard", rc, err, err_n);
	}
	*out = g;
	return 0;
}

void bpf_guard_close(struct bpf_guard *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->on_n; i++)
		bpf_link__destroy(g->on[i].link);
	guard_bpf__destroy(g->skel);
	free(g);
}

/* ---- interfaces ---------------------------------------------------------------------------- */

static size_t find(const struct bpf_guard *g, unsigned index)
{
	size_t i = 0;

	while (i < g->on_n && g->on[i].index != index)
		i++;
	return i;
}

int bpf_guard_attach(struct bpf_guard *g, const char *interface, char *err, size_t err_n)
{
	unsigned index = if_nametoindex(interface);
	struct bpf_link *link;

	if (!index)
		return loader_fail(interface, -errno, err, err_n);
	if (find(g, index) < g->on_n)
		return loader_fail(interface, -EEXIST, err, err_n);
	if (g->on_n == INTERFACES_MAX)
		return loader_fail(interface, -ENOSPC, err, err_n);
	loader_listen();
	link = bpf_program__attach_xdp(g->skel->progs.guard, (int)index);
	if (!link)
		return loader_fail(interface, -errno, err, err_n);
	g->on[g->on_n].index = index;
	g->on[g->on_n++].link = link;
	return 0;
}

void bpf_guard_detach(struct bpf_guard *g, const char *interface)
{
	unsigned index = if_nametoindex(interface);
	size_t i = find(g, index);

	if (!index || i == g->on_n)
		return;
	bpf_link__destroy(g->on[i].link);
	g->on[i] = g->on[--g->on_n];
}

/* ---- rules --------------------------------------------------------------------------------- */

int bpf_guard_set(struct bpf_guard *g, const struct bpf_guard_rules *rules)
{
	struct guard_conf c = {.only_listed = rules->only_listed, .ports_n = rules->ports_n};
	uint32_t zero = 0;

	if (rules->ports_n > GUARD_PORTS)
		return -EINVAL;
	if (rules->syn_per_s) {
		c.syn_cost_ns = 1000000000ull / rules->syn_per_s;
		c.syn_cost_ns += !c.syn_cost_ns;
		c.syn_burst_ns = c.syn_cost_ns * rules->syn_burst;
	}
	for (unsigned i = 0; i < rules->ports_n; i++)
		c.ports[i] = htons(rules->ports[i]);
	return bpf_map_update_elem(g->conf, &zero, &c, BPF_ANY);
}

static int map_of(const struct bpf_guard *g, int family, unsigned bits)
{
	if (family == AF_INET && bits <= 32)
		return g->v4;
	return family == AF_INET6 && bits <= 128 ? g->v6 : -1;
}

/* Large enough for both; the v4 map takes its beginning. */
static struct guard_v6 key_of(int family, const void *addr, unsigned bits)
{
	struct guard_v6 key = {.bits = bits};

	memcpy(key.addr, addr, family == AF_INET ? 4 : 16);
	return key;
}

int bpf_guard_list(struct bpf_guard *g, int family, const void *addr, unsigned bits,
		   enum guard_verdict verdict)
{
	struct guard_v6 key = key_of(family, addr, bits);
	int map = map_of(g, family, bits);
	uint32_t value = verdict;

	return map < 0 ? -EINVAL : bpf_map_update_elem(map, &key, &value, BPF_ANY);
}

int bpf_guard_unlist(struct bpf_guard *g, int family, const void *addr, unsigned bits)
{
	struct guard_v6 key = key_of(family, addr, bits);
	int map = map_of(g, family, bits);

	return map < 0 ? -EINVAL : bpf_map_delete_elem(map, &key);
}

/* ---- counts -------------------------------------------------------------------------------- */

int bpf_guard_read(struct bpf_guard *g, uint64_t counts[GUARD_COUNTS])
{
	uint64_t *by_cpu = calloc((size_t)g->cpus, sizeof(*by_cpu));
	int rc = 0;

	must(by_cpu);
	for (uint32_t c = 0; c < GUARD_COUNTS && !rc; c++) {
		counts[c] = 0;
		rc = bpf_map_lookup_elem(g->counts, &c, by_cpu);
		for (int i = 0; i < g->cpus && !rc; i++)
			counts[c] += by_cpu[i];
	}
	free(by_cpu);
	return rc;
}

int bpf_guard_program(const struct bpf_guard *g)
{
	return bpf_program__fd(g->skel->progs.guard);
}
