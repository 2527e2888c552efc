/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question of a control client to one core or to all of them.
 *
 * It goes to each core by mail, is worked on there, and comes back through `left`; the control
 * thread answers when all parts are back, or "unavailable" at the deadline. A late core still owns
 * its part, so the memory stays until the last one is back.
 *
 * Threads: the control thread, except `work` (the part's core).
 */
#ifndef SESSION_CTL_QUERY_H
#define SESSION_CTL_QUERY_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/core.h"

struct ctl_client;
struct ctl_query;

struct ctl_part {
	struct mail mail;
	struct ctl_query *query;
	unsigned rows_n;
	bool found;
	uint8_t *rows; /* rows_max of row_bytes each; NULL where none are wanted */
};

struct ctl_query_ops {
	size_t row_bytes; /* 0: no rows */
	void (*work)(struct ctl_query *q, struct core *core, struct ctl_part *part);
	/* All parts are back. */
	void (*answer)(struct ctl_query *q, struct ctl_client *c);
};

struct ctl_query {
	TAILQ_ENTRY(ctl_query) link;
	const struct ctl_query_ops *ops;
	json_t *id;	 /* of the request; owned */
	unsigned client; /* its place, and who was in it */
	uint32_t client_serial;
	uint64_t deadline_us;
	bool answered;
	int ring; /* written to when the last part is back */
	/* the question */
	char text[512];
	uint64_t number;
	bool flag;
	_Atomic unsigned left; /* parts that are not back */
	unsigned rows_max, parts_n;
	struct ctl_part part[];
};

#define CTL_DEADLINE_US 5000000u

/* NULL without memory. parts_n: number of cores it will go to. */
struct ctl_query *ctl_query_new(const struct ctl_query_ops *ops, unsigned parts_n,
				unsigned rows_max);
void ctl_query_free(struct ctl_query *q);
/* Mails part i to cores[i]; ring, a descriptor, is written to when the last part is back. */
void ctl_query_send(struct ctl_query *q, struct core **cores, int ring);
static inline bool ctl_query_back(const struct ctl_query *q)
{
	return atomic_load(&((struct ctl_query *)q)->left) == 0;
}
/* The next row of a part, or NULL where rows_max is reached. */
void *ctl_part_row(struct ctl_part *part);
/* Whether any part found what was asked for. */
bool ctl_query_found(const struct ctl_query *q);

#endif
