/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times that only the kernel's own functions know (trace.bpf.c), from user space: what connections
 * made from here took, and how long sends found no room.
 *
 *   open (watches one cgroup) --read as often as wanted--> close
 *
 * Needs a kernel that can trace functions, its types (BTF), CAP_BPF and CAP_PERFMON; reading goes on
 * after both are dropped. Threads: one.
 */
#ifndef BPF_TRACE_H
#define BPF_TRACE_H

#include <stddef.h>

#include "bpf/trace_abi.h"

struct bpf_trace;

/*
 * cgroup: a folder of cgroup v2; what processes in it do counts, those below it do not. 0 or -errno
 * with one line in err; *out is then NULL. -EOPNOTSUPP: this kernel cannot trace its functions.
 */
int bpf_trace_open(struct bpf_trace **out, const char *cgroup, char *err, size_t err_n);
void bpf_trace_close(struct bpf_trace *t);
/* Since it was opened, over all CPUs. 0 or -errno. */
int bpf_trace_read(struct bpf_trace *t, struct trace_sums *sums);

#endif
