/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"

#define BUF_FIRST_BYTES 256u

void *mem_resize(struct mem *m, void *p, size_t old, size_t want)
{
	void *moved;

	must(old <= m->used);
	if (!want) {
		free(p);
		m->used -= old;
		return NULL;
	}
	/* Giving back is always allowed, even when max was lowered below what is used. */
	if (want > old && (m->used > m->max || want - old > m->max - m->used))
		return NULL;
	moved = realloc(p, want);
	if (!moved)
		return NULL;
	m->used = m->used - old + want;
	if (m->allocs)
		++*m->allocs;
	return moved;
}

static void buf_sink_write(struct sink *s, const void *p, size_t n)
{
	buf_write(container_of(s, struct buf, sink), p, n);
}

void buf_init(struct buf *b, struct mem *m)
{
	*b = (struct buf){.sink = {buf_sink_write}, .mem = m};
}

void buf_fini(struct buf *b)
{
	mem_free(b->mem, b->p, b->cap);
	buf_init(b, b->mem);
}

static int buf_resize(struct buf *b, size_t cap)
{
	uint8_t *p = mem_resize(b->mem, b->p, b->cap, cap);

	if (!p)
		return -ENOMEM;
	b->p = p;
	b->cap = cap;
	return 0;
}

int buf_reserve(struct buf *b, size_t n)
{
	size_t want, roomy;

	if (n <= b->cap - b->n)
		return 0;
	if (n > SIZE_MAX / 4 - b->n)
		return -ENOMEM;
	want = b->n + n;
	roomy = max_of(max_of(want, b->cap * 2), (size_t)BUF_FIRST_BYTES);
	/* Near the end of the budget only what is needed may still fit. */
	if (buf_resize(b, roomy) && (roomy == want || buf_resize(b, want)))
		return -ENOMEM;
	return 0;
}

void buf_write(struct buf *b, const void *p, size_t n)
{
	if (b->bad || buf_reserve(b, n)) {
		b->bad = true;
		return;
	}
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

void buf_reset(struct buf *b, size_t keep)
{
	b->n = 0;
	b->bad = false;
	if (b->cap <= keep)
		return;
	if (!keep)
		buf_fini(b);
	else
		buf_resize(b, keep); /* a failure keeps the larger block, which is fine */
}
