/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to cores (steer.bpf.c) from user space: one steer per listening address.
 *
 *   open --every core's listener, with SO_REUSEPORT and listening--> steering --close--> the kernel's hash
 *
 * A listener may be replaced at any time by another one of the same address (an upgrade): new
 * connections go there from then on. One that is closed leaves by itself. Threads: one; load from any.
 */
#ifndef BPF_STEER_H
#define BPF_STEER_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/steer_abi.h"

struct bpf_steer;

/* By CPU with no CPU mapped. 0 or -errno with one line in err; *out is then NULL. */
int bpf_steer_open(struct bpf_steer **out, unsigned cores, char *err, size_t err_n);
/* The listeners go on; their connections are no longer steered. */
void bpf_steer_close(struct bpf_steer *s);
int bpf_steer_set(struct bpf_steer *s, enum steer_mode mode);
/* The listener of a core; the first one binds the program to the address. 0 or -errno. */
int bpf_steer_listener(struct bpf_steer *s, unsigned core, int fd);
/* Connections that this CPU handles are the core's. */
int bpf_steer_cpu(struct bpf_steer *s, unsigned cpu, unsigned core);
/* Any unit: only the order counts. */
int bpf_steer_load(struct bpf_steer *s, unsigned core, uint32_t load);
int bpf_steer_read(struct bpf_steer *s, uint64_t counts[STEER_COUNTS]);

#endif
