/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a hash of the 4-tuple to connections: open addressing, linear probing, 8 bytes a slot.
 *
 * Removal moves the followers back, so that there are no tombstones and lookups stay short.
 * Invariant: at most half of the slots are used. Threads: one owner.
 */
#ifndef NET_TCP_TABLE_H
#define NET_TCP_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct tcp_slot {
	uint32_t hash;
	uint32_t item; /* + 1; 0: empty */
};

struct tcp_table {
	struct tcp_slot *slot;
	uint32_t mask;
};

/* Slots for so many items: a power of two. */
uint32_t tcp_table_slots(uint32_t items);
void tcp_table_init(struct tcp_table *t, struct tcp_slot *slots, uint32_t n);
void tcp_table_add(struct tcp_table *t, uint32_t hash, uint32_t item);
void tcp_table_del(struct tcp_table *t, uint32_t hash, uint32_t item);
/*
 * Goes through the items of a hash: *at starts as UINT32_MAX; returns the next item or UINT32_MAX.
 * The caller compares keys.
 */
uint32_t tcp_table_next(const struct tcp_table *t, uint32_t hash, uint32_t *at);

#endif
