/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/reasons.h"
#include "controlplane/shm.h"

#define CORES	2
#define STREAMS 3
#define RELAYS	2
#define S_US	1000000

/* The writer's side: larger slots than this program knows, as a newer data plane may have. */
struct writer {
	int fd;
	uint8_t *p;
	struct shm_head *head;
};

static struct shm_core *core_at(struct writer *w, unsigned i)
{
	return (void *)(w->p + w->head->core_off + i * w->head->core_bytes);
}

static struct shm_stream *stream_at(struct writer *w, unsigned i)
{
	return (void *)(w->p + w->head->stream_off + i * w->head->stream_slot_bytes);
}

static struct shm_audience *audience_at(struct writer *w, unsigned i, unsigned core)
{
	return (void *)((uint8_t *)stream_at(w, i)->audience + core * w->head->audience_bytes);
}

static struct shm_relay *relay_at(struct writer *w, unsigned i)
{
	return (void *)(w->p + w->head->relay_off + i * w->head->relay_bytes);
}

static void begin(struct writer *w)
{
	struct shm_head h = {.magic = SHM_MAGIC,
			     .version = SHM_VERSION,
			     .cores = CORES,
			     .counters = CTR_MAX,
			     .reasons = REASON_MAX,
			     .streams = STREAMS,
			     .relays = RELAYS};

	h.core_bytes = sizeof(struct shm_core) + 64;
	h.audience_bytes = sizeof(struct shm_audience) + 64;
	h.stream_slot_bytes = sizeof(struct shm_stream) + CORES * h.audience_bytes + 64;
	h.relay_bytes = sizeof(struct shm_relay) + 64;
	h.core_off = 4096;
	h.stream_off = h.core_off + CORES * h.core_bytes;
	h.relay_off = h.stream_off + STREAMS * h.stream_slot_bytes;
	h.total_bytes = h.relay_off + RELAYS * h.relay_bytes;
	w->fd = memfd_create("shm-test", MFD_CLOEXEC);
	assert_int_equal(ftruncate(w->fd, (off_t)h.total_bytes), 0);
	w->p = mmap(NULL, h.total_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, 0);
	assert_true(w->p != MAP_FAILED);
	w->head = (struct shm_head *)w->p;
	*w->head = h;
}

static void end(struct writer *w)
{
	munmap(w->p, w->head->total_bytes);
	close(w->fd);
}

static struct shm *attach(struct writer *w)
{
	char err[128];

	return shm_attach(dup(w->fd), err, sizeof(err));
}

static void go_live(struct writer *w, unsigned i, const char *name)
{
	strcpy(stream_at(w, i)->name, name);
	shm_add(&stream_at(w, i)->gen, 1);
}

static void test_sums_over_cores(void **state)
{
	struct shm_stream_view v;
	struct writer w;
	struct shm *s;
	uint32_t slot;

	begin(&w);
	shm_add(&core_at(&w, 0)->ctr[CTR_ACCEPTS], 3);
	shm_add(&core_at(&w, 1)->ctr[CTR_ACCEPTS], 4);
	shm_add(&core_at(&w, 1)->closes[REASON_KICKED], 2);
	go_live(&w, 1, "default/live/a");
	shm_add(&audience_at(&w, 1, 0)->viewers_rtmp, 5);
	shm_add(&audience_at(&w, 1, 1)->viewers_rtmp, 6);
	shm_add(&audience_at(&w, 1, 1)->viewers_flv, 7);
	s = attach(&w);
	assert_int_equal(shm_total(s, CTR_ACCEPTS), 7);
	assert_int_equal(shm_counter(s, 1, CTR_ACCEPTS), 4);
	assert_int_equal(shm_closes(s, REASON_KICKED), 2);
	assert_true(shm_stream_find(s, "default/live/a", &v, &slot));
	assert_int_equal(slot, 1);
	assert_int_equal(v.viewers_rtmp, 11);
	assert_int_equal(v.viewers_flv, 7);
	assert_false(shm_stream_find(s, "default/live/b", &v, &slot));
	shm_detach(s);
	end(&w);
}

static void test_rates_over_the_time_between_samples(void **state)
{
	struct shm_stream_view v;
	struct writer w;
	struct shm *s;

	begin(&w);
	go_live(&w, 0, "a/b/c");
	shm_set(&stream_at(&w, 0)->bytes_in, 1000000);
	s = attach(&w);
	shm_sample(s, 10 * S_US);
	assert_true(shm_stream_at(s, 0, &v));
	assert_int_equal(v.in_bps, 0);
	shm_add(&stream_at(&w, 0)->bytes_in, 250000);
	shm_add(&audience_at(&w, 0, 1)->bytes_out, 500000);
	shm_add(&core_at(&w, 0)->ctr[CTR_BYTES_OUT], 125000);
	shm_sample(s, 12 * S_US);
	assert_true(shm_stream_at(s, 0, &v));
	assert_int_equal(v.in_bps, 1000000);
	assert_int_equal(v.out_bps, 2000000);
	assert_int_equal(shm_out_bps(s), 500000);
	shm_detach(s);
	end(&w);
}

static void test_a_slot_with_a_new_owner_has_no_rate_of_the_old(void **state)
{
	struct shm_stream_view v;
	struct writer w;
	struct shm *s;

	begin(&w);
	go_live(&w, 0, "a/b/c");
	s = attach(&w);
	shm_sample(s, 1 * S_US);
	shm_add(&stream_at(&w, 0)->bytes_in, 1000);
	shm_sample(s, 2 * S_US);
	shm_add(&stream_at(&w, 0)->gen, 1);
	assert_false(shm_stream_at(s, 0, &v));
	go_live(&w, 0, "d/e/f");
	assert_true(shm_stream_at(s, 0, &v));
	assert_int_equal(v.in_bps, 0);
	shm_sample(s, 3 * S_US);
	assert_true(shm_stream_at(s, 0, &v));
	assert_int_equal(v.in_bps, 0);
	shm_detach(s);
	end(&w);
}

static void test_a_relay_is_found_by_slot_and_id(void **state)
{
	struct shm_relay_view v;
	struct writer w;
	struct shm *s;

	begin(&w);
	strcpy(relay_at(&w, 1)->id, "x:in");
	shm_add(&relay_at(&w, 1)->gen, 1);
	s = attach(&w);
	shm_sample(s, 1 * S_US);
	shm_add(&relay_at(&w, 1)->bytes, 125);
	shm_sample(s, 2 * S_US);
	assert_true(shm_relay_at(s, 1, "x:in", &v));
	assert_int_equal(v.bps, 1000);
	assert_false(shm_relay_at(s, 1, "y:in", &v));
	assert_false(shm_relay_at(s, 0, "x:in", &v));
	assert_false(shm_relay_at(s, RELAYS, "x:in", &v));
	shm_detach(s);
	end(&w);
}

static void test_a_head_that_lies_is_refused(void **state)
{
	struct writer w;
	struct shm_head good;

	begin(&w);
	good = *w.head;
#define LIE(change)                      \
	do {                             \
		*w.head = good;          \
		w.head->change;          \
		assert_null(attach(&w)); \
	} while (0)
	LIE(magic = 1);
	LIE(version = SHM_VERSION + 1);
	LIE(counters = CTR_MAX + 1);
	LIE(reasons = REASON_MAX - 1);
	LIE(cores = 100000);
	LIE(cores = CORES + 1);
	LIE(streams = UINT32_MAX);
	LIE(relays = RELAYS + 1);
	LIE(core_bytes = 8);
	LIE(core_bytes = UINT32_MAX);
	LIE(stream_slot_bytes = sizeof(struct shm_stream));
	LIE(relay_bytes = 0);
	LIE(audience_bytes = 8);
	LIE(stream_off = UINT64_MAX - 7);
	LIE(relay_off = good.relay_off + 4);
	LIE(total_bytes = good.total_bytes + 8);
#undef LIE
	*w.head = good;
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums_over_cores),
		cmocka_unit_test(test_rates_over_the_time_between_samples),
		cmocka_unit_test(test_a_slot_with_a_new_owner_has_no_rate_of_the_old),
		cmocka_unit_test(test_a_relay_is_found_by_slot_and_id),
		cmocka_unit_test(test_a_head_that_lies_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
