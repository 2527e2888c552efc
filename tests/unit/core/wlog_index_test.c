/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/core/fixture.h"

#include <pthread.h>

#include "core/wlog_index.h"

#define READERS 2
#define ENTRIES 400000u

static void test_a_full_ring_gets_coarser_not_wrong(void **state)
{
	struct wlog_index x;
	struct index_mark m;

	assert_int_equal(index_init(&x, 10, 4), 0); /* room for 64 */
	for (uint64_t i = 0; i < 100; i++)
		index_mark(&x, i * 10, i);
	index_publish(&x);
	assert_true(index_find(&x, 639, &m));
	assert_int_equal(m.off, 630);
	assert_true(index_find(&x, 990, &m));
	assert_int_equal(m.off, 630);
	index_drop_first(&x);
	assert_false(index_find(&x, 9, &m));
	index_mark(&x, 1000, 100);
	assert_true(index_find(&x, 5000, &m));
	assert_int_equal(m.off, 630); /* not published yet */
	index_publish(&x);
	assert_true(index_find(&x, 5000, &m));
	assert_int_equal(m.off, 1000);
	index_fini(&x);
}

static void test_the_oldest_can_be_asked_for(void **state)
{
	struct wlog_index x;
	struct index_mark m[2];

	assert_int_equal(index_init(&x, 10, 4), 0);
	assert_int_equal(index_oldest(&x, m), 0);
	index_mark(&x, 5, 50);
	assert_int_equal(index_oldest(&x, m), 0);
	index_publish(&x);
	assert_int_equal(index_oldest(&x, m), 1);
	index_mark(&x, 6, 60);
	index_mark(&x, 7, 70);
	index_publish(&x);
	assert_int_equal(index_oldest(&x, m), 2);
	assert_int_equal(m[0].at_us, 50);
	assert_int_equal(m[1].off, 6);
	index_drop_all(&x);
	assert_int_equal(index_oldest(&x, m), 0);
	index_fini(&x);
}

/* ---- readers while entries are overwritten all the time ---- */

struct shared {
	struct wlog_index x;
	_Atomic uint64_t end;
	_Atomic bool over;
	_Atomic unsigned reading; /* readers that have found a mark and a key */
};

struct reader {
	pthread_t thread;
	struct shared *s;
	uint64_t marks, keys, torn;
};

static void *read_index(void *arg)
{
	struct reader *r = arg;
	unsigned seed = 1;
	bool reading = false;

	while (!atomic_load(&r->s->over)) {
		uint64_t off = atomic_load(&r->s->end) - (uint64_t)rand_r(&seed) % 80;
		struct index_mark m;
		struct wlog_key k;

		if (index_find(&r->s->x, off, &m)) {
			r->marks++;
			r->torn += m.off > off || m.at_us != m.off * 3;
		}
		if (index_newest(&r->s->x, &k)) {
			r->keys++;
			r->torn += k.ts_ms != (int64_t)k.off * 5 || k.at_us != k.off * 7 ||
				   k.headers != k.off * 11;
		}
		if (!reading && r->marks && r->keys) {
			reading = true;
			atomic_fetch_add(&r->s->reading, 1);
		}
	}
	return NULL;
}

static void test_no_reader_uses_a_torn_entry(void **state)
{
	static struct shared s;
	struct reader r[READERS] = {0};
	uint64_t marks = 0, keys = 0;

	memset(&s, 0, sizeof(s));
	assert_int_equal(index_init(&s.x, 10, 4), 0);
	atomic_store(&s.end, 1000);
	for (unsigned i = 0; i < READERS; i++) {
		r[i].s = &s;
		assert_int_equal(pthread_create(&r[i].thread, NULL, read_index, &r[i]), 0);
	}
	/* On a busy machine the readers may come late: it ends when all of them have read. */
	for (uint64_t i = 1000; i < 1000 + ENTRIES || atomic_load(&s.reading) < READERS; i++) {
		index_mark(&s.x, i, i * 3);
		index_publish(&s.x);
		index_key(&s.x, &(struct wlog_key){i, (int64_t)i * 5, i * 7, i * 11});
		atomic_store(&s.end, i);
		if (i >= 1060)
			index_drop_first(&s.x);
	}
	atomic_store(&s.over, true);
	for (unsigned i = 0; i < READERS; i++) {
		pthread_join(r[i].thread, NULL);
		assert_int_equal(r[i].torn, 0);
		marks += r[i].marks;
		keys += r[i].keys;
	}
	assert_true(marks > 0 && keys > 0);
	index_fini(&s.x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_full_ring_gets_coarser_not_wrong),
		cmocka_unit_test(test_the_oldest_can_be_asked_for),
		cmocka_unit_test(test_no_reader_uses_a_torn_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
