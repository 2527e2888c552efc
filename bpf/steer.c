/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/steer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/check.h"
#include "bpf/loader.h"
#include "steer.skel.h"

struct bpf_steer {
	struct steer_bpf *skel;
	unsigned cores;
	int cpus;
	bool bound; /* to the address of the listeners */
};

static int write_conf(struct bpf_steer *s, enum steer_mode mode)
{
	struct steer_conf c = {mode, s->cores};
	uint32_t zero = 0;

	return bpf_map_update_elem(bpf_map__fd(s->skel->maps.conf), &zero, &c, BPF_ANY);
}

static int load(struct bpf_steer *s)
{
	int rc;

	if (!s->cores || s->cores > STEER_CORES)
		return -EINVAL;
	s->skel = steer_bpf__open_and_load();
	if (!s->skel)
		return -errno;
	s->cpus = libbpf_num_possible_cpus();
	if (s->cpus < 1)
		return s->cpus;
	for (uint32_t cpu = 0; cpu < STEER_CPUS; cpu++) {
		rc = bpf_steer_cpu(s, cpu, STEER_NONE);
		if (rc)
			return rc;
	}
	return write_conf(s, STEER_BY_CPU);
}

int bpf_steer_open(struct bpf_steer **out, unsigned cores, char *err, size_t err_n)
{
	struct bpf_steer *s = calloc(1, sizeof(*s));
	int rc;

	must(s);
	*out = NULL;
	s->cores = cores;
	loader_listen();
	rc = load(s);
	if (rc) {
		bpf_steer_close(s);
		return loader_fail("steer", rc, err, err_n);
	}
	*out = s;
	return 0;
}

/* The program itself stays bound until the address has no listener left. */
void bpf_steer_close(struct bpf_steer *s)
{
	if (!s)
		return;
	if (s->bound)
		write_conf(s, STEER_OFF);
	/* A listener is in one map only: another process may be waiting for it. */
	for (uint32_t core = 0; s->skel && core < s->cores; core++)
		bpf_map_delete_elem(bpf_map__fd(s->skel->maps.listeners), &core);
	steer_bpf__destroy(s->skel);
	free(s);
}

int bpf_steer_set(struct bpf_steer *s, enum steer_mode mode)
{
	return write_conf(s, mode);
}

int bpf_steer_listener(struct bpf_steer *s, unsigned core, int fd)
{
	int program = bpf_program__fd(s->skel->progs.steer);
	uint64_t value = (uint64_t)fd;
	int rc;

	if (core >= s->cores)
		return -EINVAL;
	rc = bpf_map_update_elem(bpf_map__fd(s->skel->maps.listeners), &core, &value, BPF_ANY);
	if (rc)
		return rc;
	if (!s->bound &&
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &program, sizeof(program)))
		return -errno;
	s->bound = true;
	return 0;
}

int bpf_steer_cpu(struct bpf_steer *s, unsigned cpu, unsigned core)
{
	return bpf_map_update_elem(bpf_map__fd(s->skel->maps.core_of_cpu), &cpu, &core, BPF_ANY);
}

int bpf_steer_load(struct bpf_steer *s, unsigned core, uint32_t load)
{
	return bpf_map_update_elem(bpf_map__fd(s->skel->maps.loads), &core, &load, BPF_ANY);
}

int bpf_steer_read(struct bpf_steer *s, uint64_t counts[STEER_COUNTS])
{
	uint64_t *by_cpu = calloc((size_t)s->cpus, sizeof(*by_cpu));
	int rc = 0;

	must(by_cpu);
	for (uint32_t c = 0; c < STEER_COUNTS && !rc; c++) {
		counts[c] = 0;
		rc = bpf_map_lookup_elem(bpf_map__fd(s->skel->maps.counts), &c, by_cpu);
		for (int i = 0; i < s->cpus && !rc; i++)
			counts[c] += by_cpu[i];
	}
	free(by_cpu);
	return rc;
}
