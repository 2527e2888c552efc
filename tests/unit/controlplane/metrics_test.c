/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "controlplane/metrics_process.h"
#include "controlplane/metrics_streams.h"
#include "tests/unit/controlplane/shm_writer.h"

/* ---- text ---------------------------------------------------------------------------------- */

static void expect_label(const char *text, const char *want)
{
	char out[64];

	assert_string_equal(metrics_label(out, sizeof(out), text), want);
}

static void test_labels_are_escaped(void **state)
{
	expect_label("default/live/a", "default/live/a");
	expect_label("a\"b\\c\nd", "a\\\"b\\\\c\\nd");
	expect_label("\xe4\xbd\xa0", "\xe4\xbd\xa0");
	expect_label("x\xff", "x%FF");
}

static void test_a_long_label_is_cut_between_characters(void **state)
{
	char out[16];

	metrics_label(out, sizeof(out), "aaaaaaaaaa\xe4\xbd\xa0\xe4\xbd\xa0");
	assert_string_equal(out, "aaaaaaaaaa");
}

/* What was written so far, as text; the buffer is empty again. */
static const char *taken(struct evbuffer *b)
{
	static char text[65536];
	int n = evbuffer_remove(b, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = 0;
	return text;
}

static void test_a_series_has_the_labels_of_its_row(void **state)
{
	struct evbuffer *b = evbuffer_new();

	metric_put(b, M_STREAM_VIEWERS, 3, "a/\"b\"/c", "rtmp");
	assert_string_equal(
		taken(b),
		"millrace_stream_viewers{stream=\"a/\\\"b\\\"/c\",protocol=\"rtmp\"} 3\n");
	metric_one(b, M_CALLBACKS_PENDING, 2);
	assert_string_equal(taken(b),
			    "# HELP millrace_callbacks_pending callbacks that wait for delivery\n"
			    "# TYPE millrace_callbacks_pending gauge\n"
			    "millrace_callbacks_pending 2\n");
	evbuffer_free(b);
}

static uint64_t a_million(const void *arg, uint32_t core, enum counter c)
{
	return 1000000 + core;
}

static void test_counters_are_exact_and_microseconds_become_seconds(void **state)
{
	struct evbuffer *b = evbuffer_new();
	const char *text;

	metric_counter(b, CTR_BUSY_US, 2, a_million, NULL);
	text = taken(b);
	assert_non_null(strstr(text, "# TYPE millrace_busy_seconds_total counter\n"));
	assert_non_null(strstr(text, "\nmillrace_busy_seconds_total{core=\"1\"} 1.000001\n"));
	metric_counter(b, CTR_BYTES_OUT, 2, a_million, NULL);
	assert_non_null(strstr(taken(b), "\nmillrace_sent_bytes_total{core=\"1\"} 1000001\n"));
	evbuffer_free(b);
}

static void test_the_reference_names_everything_once(void **state)
{
	char *text = NULL, name[128], full[METRIC_NAME_MAX];
	size_t n;
	FILE *f = open_memstream(&text, &n);

	metrics_doc(f);
	fclose(f);
	for (unsigned c = 0; c < CTR_MAX; c++) {
		snprintf(name, sizeof(name), "| `%s` |", metric_counter_name(full, c));
		assert_non_null(strstr(text, name));
	}
	for (unsigned r = 1; r < REASON_MAX; r++) {
		snprintf(name, sizeof(name), "| `%s` |", reason_name(r));
		assert_non_null(strstr(text, name));
	}
	/* No two rows share a name. */
	for (char *row = strstr(text, "| `"); row; row = strstr(row + 3, "| `")) {
		size_t len = strcspn(row + 3, "`") + 4;

		assert_true(len < sizeof(name));
		memcpy(name, row, len);
		name[len] = 0;
		assert_null(strstr(row + 3, name));
	}
	free(text);
}

/* ---- streams ------------------------------------------------------------------------------- */

/* Three streams of two domains; b is the busiest, then c. */
struct three {
	struct writer w;
	struct shm *shm;
	struct streams *words;
	struct evbuffer *out;
};

static void three_begin(struct three *t)
{
	static const char *const names[] = {"x/live/a", "x/live/b", "y/live/c"};
	static const unsigned bytes[] = {125, 1250, 500};

	begin(&t->w);
	for (unsigned i = 0; i < STREAMS; i++)
		go_live(&t->w, i, names[i]);
	t->shm = attach(&t->w);
	shm_sample(t->shm, 1 * S_US);
	for (unsigned i = 0; i < STREAMS; i++) {
		shm_add(&stream_at(&t->w, i)->bytes_in, bytes[i]);
		shm_add(&audience_at(&t->w, i, i % CORES)->viewers_flv, i + 1);
	}
	shm_sample(t->shm, 2 * S_US);
	t->words = streams_new(NULL);
	t->out = evbuffer_new();
}

static void three_end(struct three *t)
{
	evbuffer_free(t->out);
	streams_free(t->words);
	shm_detach(t->shm);
	end(&t->w);
}

static void test_the_busiest_streams_have_series_and_the_rest_is_summed(void **state)
{
	struct three t;
	const char *text;

	three_begin(&t);
	metrics_streams(t.shm, t.words, NULL, 1, t.out);
	text = taken(t.out);
	assert_non_null(strstr(text, "\nmillrace_streams 3\n"));
	assert_non_null(strstr(text, "\nmillrace_streams_rest 2\n"));
	assert_non_null(strstr(
		text, "\nmillrace_stream_received_bytes_per_second{stream=\"x/live/b\"} 1250\n"
		      "millrace_stream_received_bytes_per_second{stream=\"rest\"} 625\n"));
	assert_non_null(
		strstr(text, "millrace_stream_viewers{stream=\"rest\",protocol=\"http-flv\"} 4\n"));
	assert_non_null(
		strstr(text, "\nmillrace_stream_received_bytes_total{stream=\"x/live/b\"} "));
	assert_null(strstr(text, "x/live/a"));
	assert_null(strstr(text, "received_bytes_total{stream=\"rest\"}"));
	three_end(&t);
}

static void test_domains_are_summed_and_bounded_too(void **state)
{
	struct three t;
	const char *text;

	three_begin(&t);
	metrics_streams(t.shm, t.words, NULL, 2, t.out);
	text = taken(t.out);
	assert_non_null(strstr(text, "\nmillrace_domain_streams{domain=\"x\"} 2\n"));
	assert_non_null(strstr(text, "\nmillrace_domain_streams{domain=\"y\"} 1\n"));
	metrics_streams(t.shm, t.words, NULL, 1, t.out);
	text = taken(t.out);
	assert_non_null(strstr(text, "\nmillrace_domain_streams{domain=\"x\"} 2\n"
				     "millrace_domain_streams{domain=\"rest\"} 1\n"));
	metrics_streams(t.shm, t.words, NULL, 0, t.out);
	text = taken(t.out);
	assert_non_null(strstr(text, "\nmillrace_domain_streams{domain=\"rest\"} 3\n"));
	assert_non_null(strstr(text, "\nmillrace_streams_rest 3\n"));
	three_end(&t);
}

static void test_a_filter_leaves_the_others_out(void **state)
{
	struct three t;
	const char *text;

	three_begin(&t);
	metrics_streams(t.shm, t.words, "y/live/c", 10, t.out);
	text = taken(t.out);
	assert_non_null(strstr(text, "stream=\"y/live/c\""));
	assert_null(strstr(text, "x/live"));
	assert_null(strstr(text, "\nmillrace_streams "));
	three_end(&t);
	assert_true(metrics_stream_wanted("x/live/a", "x/live/*"));
	assert_true(metrics_stream_wanted("x/live/a", "*"));
	assert_false(metrics_stream_wanted("x/live/a", "x/live"));
	assert_false(metrics_stream_wanted("x/live/a", ""));
}

static void test_the_inside_of_a_task_is_no_stream_but_holds_memory(void **state)
{
	struct three t;
	const char *text;

	three_begin(&t);
	shm_set(&stream_at(&t.w, 1)->internal, 1);
	shm_set(&stream_at(&t.w, 1)->log_bytes, 4096);
	metrics_streams(t.shm, t.words, NULL, 10, t.out);
	text = taken(t.out);
	assert_null(strstr(text, "x/live/b"));
	assert_non_null(strstr(text, "\nmillrace_streams 2\n"));
	assert_non_null(strstr(text, "\nmillrace_arena_used_bytes 4096\n"));
	three_end(&t);
}

/* ---- processes ----------------------------------------------------------------------------- */

static void test_a_process_is_read_from_proc(void **state)
{
	struct process_view v, with_a_pipe;
	int ends[2];

	assert_true(process_read(getpid(), &v));
	assert_true(v.resident_bytes > 100000);
	assert_true(v.max_fds >= v.open_fds);
	assert_int_equal(pipe(ends), 0);
	assert_true(process_read(getpid(), &with_a_pipe));
	assert_true(with_a_pipe.open_fds == v.open_fds + 2);
	close(ends[0]);
	close(ends[1]);
	assert_false(process_read(-1, &v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_labels_are_escaped),
		cmocka_unit_test(test_a_long_label_is_cut_between_characters),
		cmocka_unit_test(test_a_series_has_the_labels_of_its_row),
		cmocka_unit_test(test_counters_are_exact_and_microseconds_become_seconds),
		cmocka_unit_test(test_the_reference_names_everything_once),
		cmocka_unit_test(test_the_busiest_streams_have_series_and_the_rest_is_summed),
		cmocka_unit_test(test_domains_are_summed_and_bounded_too),
		cmocka_unit_test(test_a_filter_leaves_the_others_out),
		cmocka_unit_test(test_the_inside_of_a_task_is_no_stream_but_holds_memory),
		cmocka_unit_test(test_a_process_is_read_from_proc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
