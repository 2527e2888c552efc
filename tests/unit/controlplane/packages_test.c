/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which streams are packaged, where, and at which numbers (interop L1, L8): packages.c on an event loop,
 * between doubles of what surrounds it, which are here: the data plane's answers, the pool of workers,
 * the store's numbers and the domains' settings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/check.h"
#include "controlplane/book.h"
#include "controlplane/domain.h"
#include "controlplane/domains.h"
#include "controlplane/package_pool.h"
#include "controlplane/packages.h"
#include "controlplane/store_redis_hls.h"

#define A "default/live/a"

/* ---- what surrounds it ---- */

struct pool_worker {
	bool alone, gone;
	int streams;
};

static struct {
	/* the data plane: answers of hls.list and stream.list, given at once or kept */
	json_t *held, *live;
	dp_answer *kept_fn;
	void *kept_arg;
	bool keep;
	/* the store */
	bool found, away;
	struct store_hls numbers, saved;
	char events[1000];
	store_hls_got *read_fn;
	void *read_arg;
	bool read_later;
	/* the pool */
	const struct pool_ops *ops;
	void *arg;
	struct pool_worker worker[8];
	unsigned workers;
	json_t *told; /* the last packet */
	bool closed;
} seen;

const char *dp_inner_key(const struct dp *d)
{
	return "key";
}

json_t *dp_error(json_t *answer)
{
	return json_object_get(answer, "error");
}

const char *dp_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

uint64_t dp_request(struct dp *d, const char *verb, json_t *keys, dp_answer *fn, void *arg)
{
	json_t *answer =
		json_pack("{sO}", "streams", !strcmp(verb, "hls.list") ? seen.held : seen.live);

	if (seen.keep) {
		seen.kept_fn = fn;
		seen.kept_arg = arg;
	} else {
		fn(arg, answer);
	}
	json_decref(answer);
	json_decref(keys);
	return 1;
}

bool store_ready(const struct store *s)
{
	return !seen.away;
}

void store_event(struct store *s, const struct task_field *f, size_t n)
{
	size_t at = strlen(seen.events);

	snprintf(seen.events + at, sizeof(seen.events) - at, "%s ", f[0].value);
}

void store_hls_read(struct store *s, const char *stream, store_hls_got *fn, void *arg)
{
	if (seen.read_later) {
		seen.read_fn = fn;
		seen.read_arg = arg;
	} else {
		fn(arg, seen.found, &seen.numbers);
	}
}

void store_hls_save(struct store *s, const char *stream, const char *node,
		    const struct store_hls *h)
{
	seen.saved = *h;
}

bool shm_stream_find(const struct shm *s, const char *key, struct shm_stream_view *v,
		     uint32_t *slot)
{
	return false;
}

struct book *domains_book(const struct domains *d)
{
	return NULL;
}

json_t *book_all(const struct book *b)
{
	return NULL;
}

bool domains_name_hls(const json_t *all)
{
	return false;
}

const char *domains_hls(const json_t *all, const char *stream, const char *otherwise)
{
	return otherwise;
}

int64_t domains_hls_idle(const json_t *all, const char *stream, int64_t otherwise)
{
	return otherwise;
}

int64_t domains_hls_segment(const json_t *all, const char *stream, int64_t otherwise)
{
	return otherwise;
}

struct pool *pool_new(struct event_base *base, struct dp *dp, const struct config *conf,
		      const char *program, const struct pool_ops *ops, void *arg)
{
	seen.ops = ops;
	seen.arg = arg;
	return NULL;
}

void pool_free(struct pool *p)
{
}

struct pool_worker *pool_place(struct pool *p, bool alone)
{
	struct pool_worker *w = &seen.worker[0];

	for (; w < seen.worker + seen.workers; w++)
		if (!w->gone && !w->alone && !alone)
			break;
	if (w == seen.worker + seen.workers)
		seen.workers++;
	must(seen.workers <= array_len(seen.worker));
	w->alone = alone;
	w->streams++;
	return w;
}

void pool_leave(struct pool_worker *w)
{
	w->streams--;
}

void pool_tell(struct pool_worker *w, json_t *packet)
{
	json_decref(seen.told);
	seen.told = packet;
}

void pool_close(struct pool *p)
{
	seen.closed = true;
}

void pool_tick(struct pool *p)
{
}

struct pool_count pool_count(const struct pool *p)
{
	return (struct pool_count){seen.workers, 0};
}

int pool_pid(const struct pool_worker *w)
{
	return 1 + (int)(w - seen.worker);
}

/* ---- a control plane ---- */

static struct cp cp;
static struct packages *ps;

static void mode(const char *word)
{
	snprintf(cp.conf.hls_mode, sizeof(cp.conf.hls_mode), "%s", word);
}

static int begin(void **state)
{
	memset(&seen, 0, sizeof(seen));
	seen.held = json_array();
	seen.live = json_array();
	cp = (struct cp){.base = event_base_new(), .node = "n"};
	mode("on_demand");
	snprintf(cp.conf.hls_format, sizeof(cp.conf.hls_format), "auto");
	cp.conf.hls_segment = 2000;
	cp.conf.hls_idle = 60000;
	ps = packages_new(&cp, "none");
	return 0;
}

static int end(void **state)
{
	packages_free(ps);
	event_base_free(cp.base);
	json_decref(seen.held);
	json_decref(seen.live);
	json_decref(seen.told);
	return 0;
}

static void event(const char *name, const char *stream)
{
	json_t *e = json_pack("{ss}", "stream", stream);

	packages_event(ps, name, e);
	json_decref(e);
}

static void says(struct pool_worker *w, const char *word, int64_t media_seq)
{
	json_t *o = json_pack("{ss ss ss ss sI sI sI}", "event", "package", "stream", A, "state",
			      word, "reason", "none", "media_seq", (json_int_t)media_seq,
			      "disc_seq", (json_int_t)0, "segments", (json_int_t)3);

	seen.ops->said(seen.arg, w, o);
	json_decref(o);
}

static int64_t told(const char *name)
{
	return json_integer_value(json_object_get(seen.told, name));
}

/* Ticks until so many are placed. */
static void until_placed(size_t n)
{
	while (packages_count(ps).placed != n)
		must(event_base_loop(cp.base, EVLOOP_ONCE) >= 0);
}

/* ---- */

static void test_L8_nothing_is_packaged_before_the_data_plane_said_what_it_holds(void **state)
{
	event("hls.wanted", A);
	assert_int_equal(packages_count(ps).placed, 0);
	packages_up(ps);
	event("hls.wanted", A);
	assert_int_equal(packages_count(ps).placed, 1);
	assert_string_equal(dp_text(seen.told, "package"), "start");
	assert_true(json_is_true(json_object_get(seen.told, "hurry")));
	event("hls.wanted", A);
	event("hls.wanted", "");
	event("hls.wanted", "_relay/task/1");
	assert_int_equal(packages_count(ps).placed, 1);
}

static void test_modes(void **state)
{
	mode("off");
	packages_up(ps);
	event("hls.wanted", A);
	event("stream.publish", A);
	assert_int_equal(packages_count(ps).placed, 0);
	mode("always");
	event("stream.publish", A);
	assert_int_equal(packages_count(ps).placed, 1);
	assert_false(json_is_true(json_object_get(seen.told, "hurry")));
	event("hls.idle", A);
	assert_int_equal(packages_count(ps).placed, 1);
}

static void test_always_takes_what_is_published_when_the_data_plane_comes(void **state)
{
	mode("always");
	json_array_append_new(seen.live,
			      json_pack("{ss ss}", "stream", A, "publisher", "1.2.3.4:5"));
	json_array_append_new(seen.live,
			      json_pack("{ss sn}", "stream", "default/live/quiet", "publisher"));
	packages_up(ps);
	assert_int_equal(packages_count(ps).placed, 1);
}

static void test_L1_numbers_of_redis_go_on_with_a_margin_where_it_may_have_run(void **state)
{
	seen.found = true;
	seen.numbers = (struct store_hls){100, 7, false};
	packages_up(ps);
	event("hls.wanted", A);
	assert_int_equal(told("media_seq"), 100);
	assert_int_equal(told("disc_seq"), 8);
	event("hls.idle", A);
	assert_int_equal(seen.worker[0].streams, 0);
	seen.numbers.running = true;
	event("hls.wanted", A);
	assert_int_equal(told("media_seq"), 100 + STORE_HLS_MARGIN);
}

static void test_L1_without_redis_numbers_begin_at_the_wall_clock(void **state)
{
	seen.away = true;
	packages_up(ps);
	event("hls.wanted", A);
	assert_in_range(told("media_seq"), 1000000, INT64_MAX);
}

static void test_L1_what_the_data_plane_holds_counts_more_than_redis(void **state)
{
	seen.found = true;
	seen.numbers = (struct store_hls){5, 0, true};
	json_array_append_new(seen.held, json_pack("{ss si si si}", "stream", A, "media_seq", 40,
						   "disc_seq", 2, "idle_ms", 10));
	json_array_append_new(seen.held,
			      json_pack("{ss si si si}", "stream", "default/live/idle", "media_seq",
					9, "disc_seq", 0, "idle_ms", 60000));
	packages_up(ps);
	assert_int_equal(packages_count(ps).placed, 1);
	assert_int_equal(told("media_seq"), 40);
	assert_int_equal(told("disc_seq"), 3);
}

static void test_L1_a_lost_worker_s_streams_go_on_at_the_numbers_that_it_told(void **state)
{
	packages_up(ps);
	event("hls.wanted", A);
	says(&seen.worker[0], "running", 12);
	assert_true(seen.saved.running);
	seen.worker[0].gone = true;
	seen.ops->gone(seen.arg, &seen.worker[0]);
	assert_int_equal(packages_count(ps).waiting, 1);
	until_placed(1);
	assert_int_equal(told("media_seq"), 12);
	assert_int_equal(told("disc_seq"), 1);
	assert_false(json_is_true(json_object_get(seen.told, "hurry")));
	assert_false(seen.worker[1].alone);
	/* What lost two gets one of its own. */
	seen.worker[1].gone = true;
	seen.ops->gone(seen.arg, &seen.worker[1]);
	until_placed(1);
	assert_true(seen.worker[2].alone);
	assert_string_equal(seen.events, "hls.running hls.worker_lost hls.worker_lost ");
}

static void test_a_report_of_a_worker_that_lost_it_is_passed_over(void **state)
{
	packages_up(ps);
	event("hls.wanted", A);
	says(&seen.worker[5], "failed", 99);
	assert_int_equal(packages_count(ps).placed, 1);
	assert_int_equal(packages_count(ps).failures, 0);
}

static void test_what_failed_waits_and_a_new_publisher_is_looked_at_at_once(void **state)
{
	mode("always");
	packages_up(ps);
	event("stream.publish", A);
	says(&seen.worker[0], "failed", 3);
	assert_int_equal(packages_count(ps).failed, 1);
	assert_int_equal(packages_count(ps).failures, 1);
	assert_int_equal(seen.worker[0].streams, 0);
	assert_false(seen.saved.running);
	event("hls.wanted", A);
	assert_int_equal(packages_count(ps).placed, 0);
	event("stream.publish", A);
	assert_int_equal(packages_count(ps).placed, 1);
}

static void
test_what_ended_is_forgotten_and_begins_again_where_it_was_published_meanwhile(void **state)
{
	mode("always");
	packages_up(ps);
	event("stream.publish", A);
	says(&seen.worker[0], "running", 4);
	says(&seen.worker[0], "ended", 5);
	assert_int_equal(packages_count(ps).placed, 0);
	assert_int_equal(seen.saved.media_seq, 5);
	assert_false(seen.saved.running);
	event("stream.publish", A);
	event("stream.publish", A);
	says(&seen.worker[0], "ended", 6);
	assert_int_equal(packages_count(ps).placed, 1);
	assert_int_equal(packages_count(ps).segments, 6);
}

static void test_the_data_plane_s_end_closes_the_workers_and_keeps_the_numbers(void **state)
{
	packages_up(ps);
	event("hls.wanted", A);
	says(&seen.worker[0], "running", 21);
	packages_down(ps);
	assert_true(seen.closed);
	assert_int_equal(seen.saved.media_seq, 21);
	assert_true(seen.saved.running);
	assert_int_equal(packages_count(ps).placed, 0);
	event("hls.wanted", A);
	assert_int_equal(packages_count(ps).placed, 0);
}

static void test_answers_of_a_data_plane_that_is_gone_count_no_more(void **state)
{
	json_t *late = json_pack("{s[{ss si si si}]}", "streams", "stream", A, "media_seq", 1,
				 "disc_seq", 0, "idle_ms", 0);

	seen.keep = true;
	packages_up(ps);
	packages_down(ps);
	seen.kept_fn(seen.kept_arg, late);
	json_decref(late);
	event("hls.wanted", A);
	assert_int_equal(packages_count(ps).placed, 0);
	seen.keep = false;
	seen.read_later = true;
	packages_up(ps);
	event("hls.wanted", A);
	assert_int_equal(packages_count(ps).waiting, 1);
	packages_down(ps);
	seen.read_fn(seen.read_arg, true, &(struct store_hls){50, 0, true});
	assert_int_equal(packages_count(ps).placed, 0);
}

static void test_files_are_counted_and_lost_ones_told(void **state)
{
	json_t *o = json_pack("{ss si si si ss}", "event", "archive", "files", 3, "bytes", 3000,
			      "failed", 2, "reason", "hls_disk_full");

	packages_up(ps);
	event("hls.wanted", A);
	seen.ops->said(seen.arg, &seen.worker[0], o);
	json_decref(o);
	assert_int_equal(packages_count(ps).files, 3);
	assert_int_equal(packages_count(ps).files_bytes, 3000);
	assert_int_equal(packages_count(ps).files_failed, 2);
	assert_string_equal(seen.events, "hls.not_kept ");
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
	static const struct CMUnitTest tests[] = {
		T(test_L8_nothing_is_packaged_before_the_data_plane_said_what_it_holds),
		T(test_modes),
		T(test_always_takes_what_is_published_when_the_data_plane_comes),
		T(test_L1_numbers_of_redis_go_on_with_a_margin_where_it_may_have_run),
		T(test_L1_without_redis_numbers_begin_at_the_wall_clock),
		T(test_L1_what_the_data_plane_holds_counts_more_than_redis),
		T(test_L1_a_lost_worker_s_streams_go_on_at_the_numbers_that_it_told),
		T(test_a_report_of_a_worker_that_lost_it_is_passed_over),
		T(test_what_failed_waits_and_a_new_publisher_is_looked_at_at_once),
		T(test_what_ended_is_forgotten_and_begins_again_where_it_was_published_meanwhile),
		T(test_the_data_plane_s_end_closes_the_workers_and_keeps_the_numbers),
		T(test_answers_of_a_data_plane_that_is_gone_count_no_more),
		T(test_files_are_counted_and_lost_ones_told),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
