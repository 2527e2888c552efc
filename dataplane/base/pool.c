/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <string.h>
#include <sys/mman.h>

#include "base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define POOL_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_POISONS 1
#endif
#endif

#ifdef POOL_POISONS
#include <sanitizer/asan_interface.h>
#define pool_hide(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define pool_show(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define pool_hide(p, n) ((void)0)
#define pool_show(p, n) ((void)0)
#endif

#define POOL_ALIGN	64u
#define POOL_PAGE	4096u
#define POOL_SLAB_BYTES 65536u /* about; large objects get larger slabs */
#define POOL_PER_SLAB	15u    /* at least so many objects in a slab, if the pool may hold them */

/* A slab begins with this; it is found from an object by the slab's alignment. */
struct pool_slab {
	LIST_ENTRY(pool_slab) link;
	struct pool *pool;
	void **free; /* freed objects, linked through their first word */
	uint32_t used;
	uint32_t fresh; /* objects from here on were never handed out */
};

static_assert(sizeof(struct pool_slab) <= POOL_ALIGN, "the slab's head takes one line");

static size_t pool_stride(const struct pool *p)
{
	return ((size_t)p->object_bytes + POOL_ALIGN - 1) & ~(size_t)(POOL_ALIGN - 1);
}

void pool_init(struct pool *p, const char *name, size_t object_bytes, uint32_t max)
{
	size_t want, stride;

	must(object_bytes >= 1 && object_bytes <= 65536);
	must(max >= 1 && max <= 1u << 31);
	*p = (struct pool){.name = name, .object_bytes = (uint32_t)object_bytes, .max = max};
	LIST_INIT(&p->partial);
	LIST_INIT(&p->full);

	stride = pool_stride(p);
	want = max_of((size_t)POOL_SLAB_BYTES, POOL_ALIGN + POOL_PER_SLAB * stride);
	want = min_of(want, POOL_ALIGN + (size_t)max * stride);
	for (p->slab_bytes = POOL_PAGE; p->slab_bytes < want;)
		p->slab_bytes *= 2;
	p->per_slab = (uint32_t)((p->slab_bytes - POOL_ALIGN) / stride);
}

static void slab_free(struct pool *p, struct pool_slab *s)
{
	pool_show(s, p->slab_bytes);
	munmap(s, p->slab_bytes);
	p->slabs--;
}

void pool_fini(struct pool *p)
{
	struct pool_slab *s;

	while ((s = LIST_FIRST(&p->partial)) || (s = LIST_FIRST(&p->full))) {
		LIST_REMOVE(s, link);
		slab_free(p, s);
	}
	if (p->spare)
		slab_free(p, p->spare);
	p->spare = NULL;
	p->used = 0;
}

/* Aligned to its size. The heap would leave a hole as large as the slab beside each. */
static void *slab_map(size_t bytes)
{
	size_t wide = 2 * bytes, head;
	uint8_t *p = mmap(NULL, wide, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	head = -(uintptr_t)p & (bytes - 1);
	if (head)
		munmap(p, head);
	if (head < bytes)
		munmap(p + head + bytes, wide - head - bytes);
	return p + head;
}

static struct pool_slab *slab_new(struct pool *p)
{
	struct pool_slab *s = slab_map(p->slab_bytes);

	if (!s)
		return NULL;
	*s = (struct pool_slab){.pool = p};
	pool_hide((char *)s + POOL_ALIGN, p->slab_bytes - POOL_ALIGN);
	p->slabs++;
	if (p->allocs)
		++*p->allocs;
	return s;
}

/* A slab with room, in the partial list. */
static struct pool_slab *slab_with_room(struct pool *p)
{
	struct pool_slab *s = LIST_FIRST(&p->partial);

	if (s)
		return s;
	s = p->spare ? p->spare : slab_new(p);
	p->spare = NULL;
	if (s)
		LIST_INSERT_HEAD(&p->partial, s, link);
	return s;
}

void *pool_get(struct pool *p)
{
	struct pool_slab *s;
	void *object;

	if (p->used >= p->max)
		return NULL;
	s = slab_with_room(p);
	if (!s)
		return NULL;

	if (s->free) {
		object = s->free;
		pool_show(object,
			  p->object_bytes > sizeof(void *) ? p->object_bytes : sizeof(void *));
		s->free = *(void **)object;
	} else {
		object = (char *)s + POOL_ALIGN + s->fresh++ * pool_stride(p);
		pool_show(object, p->object_bytes);
	}
	if (++s->used == p->per_slab) {
		LIST_REMOVE(s, link);
		LIST_INSERT_HEAD(&p->full, s, link);
	}
	if (++p->used > p->peak)
		p->peak = p->used;
	return memset(object, 0, p->object_bytes);
}

void pool_put(struct pool *p, void *object)
{
	struct pool_slab *s = (struct pool_slab *)((uintptr_t)object & ~(p->slab_bytes - 1));

	if (!object)
		return;
	must(s->pool == p && s->used);
	if (s->used-- == p->per_slab) {
		LIST_REMOVE(s, link);
		LIST_INSERT_HEAD(&p->partial, s, link);
	}
	p->used--;
	pool_show(object, sizeof(void *));
	*(void **)object = s->free;
	s->free = object;
	pool_hide(object, pool_stride(p));

	if (s->used)
		return;
	LIST_REMOVE(s, link);
	if (p->spare)
		slab_free(p, s);
	else
		p->spare = s;
}
