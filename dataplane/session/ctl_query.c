/* SPDX-License-Identifier: Apache-2.0 */
#include "session/ctl_query.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

struct ctl_query *ctl_query_new(const struct ctl_query_ops *ops, unsigned parts_n,
				unsigned rows_max)
{
	struct ctl_query *q = calloc(1, sizeof(*q) + parts_n * sizeof(q->part[0]));

	if (!q)
		return NULL;
	q->ops = ops;
	q->parts_n = parts_n;
	q->rows_max = rows_max;
	for (unsigned i = 0; i < parts_n; i++) {
		q->part[i].query = q;
		if (!ops->row_bytes || !rows_max)
			continue;
		q->part[i].rows = calloc(rows_max, ops->row_bytes);
		if (!q->part[i].rows) {
			ctl_query_free(q);
			return NULL;
		}
	}
	return q;
}

void ctl_query_free(struct ctl_query *q)
{
	for (unsigned i = 0; i < q->parts_n; i++)
		free(q->part[i].rows);
	json_decref(q->id);
	free(q);
}

static void part_run(struct mail *m, struct core *core)
{
	struct ctl_part *part = container_of(m, struct ctl_part, mail);
	struct ctl_query *q = part->query;
	const uint64_t one = 1;
	int ring = q->ring;

	q->ops->work(q, core, part);
	/* From here on the control thread may free it. */
	if (atomic_fetch_sub(&q->left, 1) == 1 && write(ring, &one, sizeof(one)) < 0)
		return; /* full: it is readable already */
}

void ctl_query_send(struct ctl_query *q, struct core **cores, int ring)
{
	q->ring = ring;
	q->deadline_us = clock_us() + CTL_DEADLINE_US;
	atomic_store(&q->left, q->parts_n);
	for (unsigned i = 0; i < q->parts_n; i++) {
		q->part[i].mail.run = part_run;
		mail_post(cores[i], &q->part[i].mail);
	}
}

void *ctl_part_row(struct ctl_part *part)
{
	const struct ctl_query *q = part->query;

	if (part->rows_n >= q->rows_max)
		return NULL;
	return part->rows + q->ops->row_bytes * part->rows_n++;
}

bool ctl_query_found(const struct ctl_query *q)
{
	for (unsigned i = 0; i < q->parts_n; i++)
		if (q->part[i].found)
			return true;
	return false;
}
