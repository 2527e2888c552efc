/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/check.h"
#include "bpf/loader.h"
#include "trace.skel.h"

#define KERNEL_ENOTSUPP 524 /* the kernel's own, of no header for programs */

struct bpf_trace {
	struct trace_bpf *skel;
	int cpus;
	struct trace_sums *by_cpu;
};

static int load(struct bpf_trace *t)
{
	int rc;

	t->skel = trace_bpf__open_and_load();
	if (!t->skel)
		return -errno;
	t->cpus = libbpf_num_possible_cpus();
	if (t->cpus < 1)
		return t->cpus;
	t->by_cpu = calloc((size_t)t->cpus, sizeof(*t->by_cpu));
	must(t->by_cpu);
	rc = trace_bpf__attach(t->skel);
	return rc == -KERNEL_ENOTSUPP ? -EOPNOTSUPP : rc;
}

/* The id of a cgroup is the number of its folder. */
static int watch(struct bpf_trace *t, const char *cgroup)
{
	struct trace_conf c;
	uint32_t zero = 0;
	struct stat st;

	if (stat(cgroup, &st))
		return -errno;
	c.cgroup = st.st_ino;
	return bpf_map_update_elem(bpf_map__fd(t->skel->maps.conf), &zero, &c, BPF_ANY);
}

int bpf_trace_open(struct bpf_trace **out, const char *cgroup, char *err, size_t err_n)
{
	struct bpf_trace *t = calloc(1, sizeof(*t));
	const char *what = "trace";
	int rc;

	must(t);
	*out = NULL;
	loader_listen();
	rc = load(t);
	if (!rc) {
		what = cgroup;
		rc = watch(t, cgroup);
	}
	if (rc) {
		bpf_trace_close(t);
		return loader_fail(what, rc, err, err_n);
	}
	*out = t;
	return 0;
}

void bpf_trace_close(struct bpf_trace *t)
{
	if (!t)
		return;
	trace_bpf__destroy(t->skel);
	free(t->by_cpu);
	free(t);
}

int bpf_trace_read(struct bpf_trace *t, struct trace_sums *sums)
{
	uint32_t zero = 0;
	int rc = bpf_map_lookup_elem(bpf_map__fd(t->skel->maps.sums), &zero, t->by_cpu);

	*sums = (struct trace_sums){0};
	/* A struct of 64-bit numbers. */
	for (int cpu = 0; !rc && cpu < t->cpus; cpu++)
		for (size_t i = 0; i < sizeof(*sums) / sizeof(__u64); i++)
			((__u64 *)sums)[i] += ((const __u64 *)&t->by_cpu[cpu])[i];
	return rc;
}
