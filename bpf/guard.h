/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet guard (guard.bpf.c) from user space: lists, rates, interfaces, counts.
 *
 *   open (loaded, guards nothing) --attach to interfaces--> guarding --close or death--> gone
 *
 * Changes apply to the next packet. Nothing stays in the kernel when the process ends.
 * Threads: one.
 */
#ifndef BPF_GUARD_H
#define BPF_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/guard_abi.h"

struct bpf_guard;

struct bpf_guard_options {
	uint32_t lists_max;   /* entries per address family; 0: 65536 */
	uint32_t sources_max; /* prefixes that are remembered; the oldest go first; 0: 65536 */
};

struct bpf_guard_rules {
	uint16_t ports[GUARD_PORTS]; /* what is guarded, host byte order; ports_n 0: everything */
	unsigned ports_n;
	bool only_listed;   /* addresses of no list are dropped */
	uint32_t syn_per_s; /* new connections per second and source prefix; 0: any number */
	uint32_t syn_burst; /* and so many more at once */
};

/* 0 or -errno with one line in err; *out is then NULL. opt may be NULL. Nothing is listed. */
int bpf_guard_open(struct bpf_guard **out, const struct bpf_guard_options *opt, char *err,
		   size_t err_n);
void bpf_guard_close(struct bpf_guard *g);
/* By the driver where it can, otherwise by the kernel's generic hook; -EEXIST: it guards it already. */
int bpf_guard_attach(struct bpf_guard *g, const char *interface, char *err, size_t err_n);
void bpf_guard_detach(struct bpf_guard *g, const char *interface);
int bpf_guard_set(struct bpf_guard *g, const struct bpf_guard_rules *rules);
/* family AF_INET or AF_INET6, addr 4 or 16 bytes. The longest prefix decides. 0 or -errno. */
int bpf_guard_list(struct bpf_guard *g, int family, const void *addr, unsigned bits,
		   enum guard_verdict verdict);
int bpf_guard_unlist(struct bpf_guard *g, int family, const void *addr, unsigned bits);
/* Packets so far, by what became of them. */
int bpf_guard_read(struct bpf_guard *g, uint64_t counts[GUARD_COUNTS]);
/* For tests: the program's descriptor. */
int bpf_guard_program(const struct bpf_guard *g);

static inline const char *bpf_guard_count_name(enum guard_count c)
{
	static const char *const names[] = {
#define GUARD(sym, name, drops, help) name,
#include "bpf/guard.def"
#undef GUARD
	};

	return names[c];
}

#endif
