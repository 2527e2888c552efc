/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many addresses and ports on one listener (lookup.bpf.c) from user space.
 *
 *   open (for this network namespace) --listeners in slots, places to slots--> --close or death--> gone
 *
 * Removing a place stops new connections to it and nothing else; a listener that is replaced in its
 * slot takes over all its places at once. Threads: one.
 */
#ifndef BPF_LOOKUP_H
#define BPF_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/lookup_abi.h"

struct bpf_lookup;

/* 0 or -errno with one line in err; *out is then NULL. */
int bpf_lookup_open(struct bpf_lookup **out, char *err, size_t err_n);
void bpf_lookup_close(struct bpf_lookup *l);
/*
 * slot below LOOKUP_LISTENERS; fd listens. 0 or -errno. -EBUSY: it is one that a steer has; one more
 * listener of the same address, for this alone, brings connections to the steered ones.
 */
int bpf_lookup_listener(struct bpf_lookup *l, uint32_t slot, int fd);
/* A listener is in that slot: one that no longer listens has left it. */
bool bpf_lookup_has(const struct bpf_lookup *l, uint32_t slot);
/* family AF_INET or AF_INET6, addr 4 or 16 bytes, its first `bits` count; the longest wins. */
int bpf_lookup_add(struct bpf_lookup *l, int family, const void *addr, unsigned bits, uint16_t port,
		   uint32_t slot);
int bpf_lookup_del(struct bpf_lookup *l, int family, const void *addr, unsigned bits,
		   uint16_t port);

#endif
