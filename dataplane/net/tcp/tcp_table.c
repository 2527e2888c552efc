/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp/tcp_table.h"

#include <string.h>

#include "base/check.h"

uint32_t tcp_table_slots(uint32_t items)
{
	uint32_t n = 16;

	while (n < items * 2)
		n *= 2;
	return n;
}

void tcp_table_init(struct tcp_table *t, struct tcp_slot *slots, uint32_t n)
{
	memset(slots, 0, n * sizeof(*slots));
	*t = (struct tcp_table){slots, n - 1};
}

void tcp_table_add(struct tcp_table *t, uint32_t hash, uint32_t item)
{
	uint32_t i = hash & t->mask;

	while (t->slot[i].item)
		i = (i + 1) & t->mask;
	t->slot[i] = (struct tcp_slot){hash, item + 1};
}

void tcp_table_del(struct tcp_table *t, uint32_t hash, uint32_t item)
{
	uint32_t hole = hash & t->mask, i;

	while (t->slot[hole].item != item + 1) {
		must(t->slot[hole].item);
		hole = (hole + 1) & t->mask;
	}
	for (i = (hole + 1) & t->mask; t->slot[i].item; i = (i + 1) & t->mask) {
		uint32_t home = t->slot[i].hash & t->mask;

		/* It may move back unless its home lies behind the hole. */
		if (((i - home) & t->mask) < ((i - hole) & t->mask))
			continue;
		t->slot[hole] = t->slot[i];
		hole = i;
	}
	t->slot[hole].item = 0;
}

uint32_t tcp_table_next(const struct tcp_table *t, uint32_t hash, uint32_t *at)
{
	uint32_t i = *at == UINT32_MAX ? hash & t->mask : (*at + 1) & t->mask;

	for (; t->slot[i].item; i = (i + 1) & t->mask) {
		if (t->slot[i].hash == hash) {
			*at = i;
			return t->slot[i].item - 1;
		}
	}
	return UINT32_MAX;
}
