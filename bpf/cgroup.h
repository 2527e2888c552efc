/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cgroup (v2) that holds this process and no stranger, for programs to be attached to.
 *
 * A service of systemd has one already. Elsewhere a child of the present one is made and entered,
 * `millrace-PID`. It goes with bpf_cgroup_leave(), or when the next process enters one beside it.
 * Threads: one, and
 * before listeners are opened: sockets belong to the cgroup in which they were made.
 */
#ifndef BPF_CGROUP_H
#define BPF_CGROUP_H

#include <stddef.h>

/*
 * Its folder into dst. join: the one of the process whose listeners this one takes over, whose
 * connections count there for ever; "": none. 0 or -errno with one line in err.
 */
int bpf_cgroup_enter(char *dst, size_t n, const char *join, char *err, size_t err_n);
/* Back to where the process was, for the end. dst as it was given; "" is fine. */
void bpf_cgroup_leave(const char *folder);

#endif
