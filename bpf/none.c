/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For a build without clang, bpftool or libbpf: there are no programs, and every open says so.
 * Nothing else here can be reached, for there is never anything open.
 */
#include <errno.h>
#include <stdio.h>

#include "base/check.h"
#include "bpf/guard.h"
#include "bpf/lookup.h"
#include "bpf/steer.h"
#include "bpf/tcpstat.h"
#include "bpf/trace.h"

static int refuse(char *err, size_t err_n)
{
	snprintf(err, err_n,
		 "built without BPF programs (clang, bpftool or libbpf-dev was missing)");
	return -EOPNOTSUPP;
}

int bpf_tcpstat_open(struct bpf_tcpstat **out, const char *cgroup,
		     const struct bpf_tcpstat_options *opt, char *err, size_t err_n)
{
	*out = NULL;
	return refuse(err, err_n);
}

void bpf_tcpstat_close(struct bpf_tcpstat *t)
{
	must(!t);
}

int bpf_tcpstat_tag(struct bpf_tcpstat *t, int fd, uint32_t stream)
{
	return -EOPNOTSUPP;
}

int bpf_tcpstat_read(struct bpf_tcpstat *t, bpf_tcpstat_each *each, void *arg)
{
	return -EOPNOTSUPP;
}

int bpf_tcpstat_drop(struct bpf_tcpstat *t, const struct tcpstat_key *key)
{
	return -EOPNOTSUPP;
}

int bpf_tcpstat_tags(const struct bpf_tcpstat *t)
{
	return -1;
}

void bpf_tcpstat_forget(struct bpf_tcpstat *t, uint32_t stream)
{
}

uint64_t bpf_tcpstat_lost(struct bpf_tcpstat *t)
{
	return 0;
}

int bpf_guard_open(struct bpf_guard **out, const struct bpf_guard_options *opt, char *err,
		   size_t err_n)
{
	*out = NULL;
	return refuse(err, err_n);
}

void bpf_guard_close(struct bpf_guard *g)
{
	must(!g);
}

int bpf_guard_attach(struct bpf_guard *g, const char *interface, char *err, size_t err_n)
{
	return refuse(err, err_n);
}

void bpf_guard_detach(struct bpf_guard *g, const char *interface)
{
}

int bpf_guard_set(struct bpf_guard *g, const struct bpf_guard_rules *rules)
{
	return -EOPNOTSUPP;
}

int bpf_guard_list(struct bpf_guard *g, int family, const void *addr, unsigned bits,
		   enum guard_verdict verdict)
{
	return -EOPNOTSUPP;
}

int bpf_guard_unlist(struct bpf_guard *g, int family, const void *addr, unsigned bits)
{
	return -EOPNOTSUPP;
}

int bpf_guard_read(struct bpf_guard *g, uint64_t counts[GUARD_COUNTS])
{
	return -EOPNOTSUPP;
}

int bpf_guard_program(const struct bpf_guard *g)
{
	return -EOPNOTSUPP;
}

int bpf_steer_open(struct bpf_steer **out, unsigned cores, char *err, size_t err_n)
{
	*out = NULL;
	return refuse(err, err_n);
}

void bpf_steer_close(struct bpf_steer *s)
{
	must(!s);
}

int bpf_steer_set(struct bpf_steer *s, enum steer_mode mode)
{
	return -EOPNOTSUPP;
}

int bpf_steer_listener(struct bpf_steer *s, unsigned core, int fd)
{
	return -EOPNOTSUPP;
}

int bpf_steer_cpu(struct bpf_steer *s, unsigned cpu, unsigned core)
{
	return -EOPNOTSUPP;
}

int bpf_steer_load(struct bpf_steer *s, unsigned core, uint32_t load)
{
	return -EOPNOTSUPP;
}

int bpf_steer_read(struct bpf_steer *s, uint64_t counts[STEER_COUNTS])
{
	return -EOPNOTSUPP;
}

int bpf_lookup_open(struct bpf_lookup **out, char *err, size_t err_n)
{
	*out = NULL;
	return refuse(err, err_n);
}

void bpf_lookup_close(struct bpf_lookup *l)
{
	must(!l);
}

int bpf_lookup_listener(struct bpf_lookup *l, uint32_t slot, int fd)
{
	return -EOPNOTSUPP;
}

bool bpf_lookup_has(const struct bpf_lookup *l, uint32_t slot)
{
	return false;
}

int bpf_lookup_add(struct bpf_lookup *l, int family, const void *addr, unsigned bits, uint16_t port,
		   uint32_t slot)
{
	return -EOPNOTSUPP;
}

int bpf_lookup_del(struct bpf_lookup *l, int family, const void *addr, unsigned bits, uint16_t port)
{
	return -EOPNOTSUPP;
}

int bpf_trace_open(struct bpf_trace **out, const char *cgroup, char *err, size_t err_n)
{
	*out = NULL;
	return refuse(err, err_n);
}

void bpf_trace_close(struct bpf_trace *t)
{
	must(!t);
}

int bpf_trace_read(struct bpf_trace *t, struct trace_sums *sums)
{
	return -EOPNOTSUPP;
}
