/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "controlplane/domain_sums.h"
#include "tests/unit/controlplane/shm_writer.h"

struct site {
	struct writer w;
	struct shm *shm;
	struct domain_sums *d;
	struct evbuffer *out;
};

static void site_open(struct site *s, size_t most)
{
	begin(&s->w);
	s->shm = attach(&s->w);
	assert_non_null(s->shm);
	s->d = domain_sums_new(most, "");
	s->out = evbuffer_new();
}

static void site_close(struct site *s)
{
	evbuffer_free(s->out);
	domain_sums_free(s->d);
	shm_detach(s->shm);
	end(&s->w);
}

static void receive(struct site *s, unsigned slot, unsigned bytes)
{
	shm_add(&stream_at(&s->w, slot)->bytes_in, bytes);
}

static void stop(struct site *s, unsigned slot)
{
	shm_add(&stream_at(&s->w, slot)->gen, 1);
}

/* As the data plane takes a slot again. */
static void begin_another(struct site *s, unsigned slot, const char *name)
{
	struct shm_stream *st = stream_at(&s->w, slot);

	memset((char *)st + sizeof(st->gen), 0, s->w.head->stream_slot_bytes - sizeof(st->gen));
	go_live(&s->w, slot, name);
}

/* The domain's received bytes as they are written; -1: it has no series. */
static long received(struct site *s, const char *domain)
{
	char text[8192], want[128];
	const char *at;
	int n;

	domain_sums_put(s->d, s->out);
	n = evbuffer_remove(s->out, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	snprintf(want, sizeof(want), "millrace_domain_received_bytes_total{domain=\"%s\"} ",
		 domain);
	at = strstr(text, want);
	return at ? atol(at + strlen(want)) : -1;
}

static void what_was_counted_is_kept_for_the_next_process(void **state)
{
	char path[] = "/tmp/domain_sums.XXXXXX";
	struct site s;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	unlink(path);
	site_open(&s, 2);
	domain_sums_free(s.d);
	s.d = domain_sums_new(2, path);
	go_live(&s.w, 0, "one/live/a");
	go_live(&s.w, 1, "one/live/b");
	receive(&s, 0, 100);
	receive(&s, 1, 10);
	domain_sums_note(s.d, s.shm);
	domain_sums_free(s.d);
	/* While nobody looks one goes on, and the other goes on and ends. */
	receive(&s, 0, 100);
	receive(&s, 1, 10);
	stop(&s, 1);
	s.d = domain_sums_new(2, path);
	assert_int_equal(received(&s, "one"), 110);
	domain_sums_note(s.d, s.shm);
	assert_int_equal(received(&s, "one"), 220);
	domain_sums_free(s.d);
	/* Another data plane: what its slots have is new. */
	s.w.head->start_wall_ms++;
	shm_detach(s.shm);
	s.shm = attach(&s.w);
	s.d = domain_sums_new(2, path);
	domain_sums_note(s.d, s.shm);
	assert_int_equal(received(&s, "one"), 420);
	unlink(path);
	site_close(&s);
}

static void a_file_that_is_no_json_is_begun_anew(void **state)
{
	char path[] = "/tmp/domain_sums.XXXXXX";
	struct site s;
	int fd = mkstemp(path);

	assert_int_equal(write(fd, "{\"sums\":", 8), 8);
	close(fd);
	site_open(&s, 2);
	domain_sums_free(s.d);
	s.d = domain_sums_new(2, path);
	go_live(&s.w, 0, "one/live/a");
	receive(&s, 0, 100);
	domain_sums_note(s.d, s.shm);
	assert_int_equal(received(&s, "one"), 100);
	domain_sums_free(s.d);
	s.d = domain_sums_new(2, path);
	assert_int_equal(received(&s, "one"), 100);
	unlink(path);
	site_close(&s);
	unlink(path);
}

static void streams_of_a_domain_are_summed_from_their_beginning(void **state)
{
	struct site s;

	site_open(&s, 10);
	go_live(&s.w, 0, "x/live/a");
	go_live(&s.w, 1, "x/live/b");
	receive(&s, 0, 100);
	domain_sums_note(s.d, s.shm);
	assert_int_equal(received(&s, "x"), 100);
	receive(&s, 0, 1);
	receive(&s, 1, 10);
	domain_sums_note(s.d, s.shm);
	domain_sums_note(s.d, s.shm);
	assert_int_equal(received(&s, "x"), 111);
	assert_int_equal(received(&s, "rest"), -1);
	site_close(&s);
}

static void an_ended_stream_counts_to_its_last_byte(void **state)
{
	struct site s;

	site_open(&s, 10);
	go_live(&s.w, 0, "x/live/a");
	receive(&s, 0, 100);
	domain_sums_note(s.d, s.shm);
	receive(&s, 0, 5);
	stop(&s, 0);
	domain_sums_note(s.d, s.shm);
	domain_sums_note(s.d, s.shm);
	assert_int_equal(received(&s, "x"), 105);
	site_close(&s);
}

static void a_slot_that_has_another_stream_counts_anew(void **state)
{
	struct site s;

	site_open(&s, 10);
	go_live(&s.w, 0, "x/live/a");
	receive(&s, 0, 100);
	domain_sums_note(s.d, s.shm);
	stop(&s, 0);
	begin_another(&s, 0, "y/live/a");
	receive(&s, 0, 7);
	domain_sums_note(s.d, s.shm);
	assert_int_equal(received(&s, "x"), 100);
	assert_int_equal(received(&s, "y"), 7);
	site_close(&s);
}

static void another_data_plane_goes_on_and_the_same_one_is_not_counted_twice(void **state)
{
	struct site s;

	site_open(&s, 10);
	go_live(&s.w, 0, "x/live/a");
	receive(&s, 0, 100);
	domain_sums_note(s.d, s.shm);
	shm_detach(s.shm);
	s.shm = attach(&s.w);
	domain_sums_note(s.d, s.shm);
	assert_int_equal(received(&s, "x"), 100);
	shm_detach(s.shm);
	s.w.head->pid++;
	s.shm = attach(&s.w);
	domain_sums_note(s.d, s.shm);
	assert_int_equal(received(&s, "x"), 200);
	site_close(&s);
}

static void domains_beyond_the_bound_are_the_rest(void **state)
{
	struct site s;

	site_open(&s, 1);
	go_live(&s.w, 0, "x/live/a");
	go_live(&s.w, 1, "y/live/a");
	go_live(&s.w, 2, "z/live/a");
	for (unsigned i = 0; i < 3; i++)
		receive(&s, i, 10);
	domain_sums_note(s.d, s.shm);
	assert_int_equal(received(&s, "x"), 10);
	assert_int_equal(received(&s, "rest"), 20);
	assert_int_equal(received(&s, "y"), -1);
	site_close(&s);
}

static void the_inside_of_relay_tasks_is_nobodys(void **state)
{
	struct site s;

	site_open(&s, 10);
	go_live(&s.w, 0, "x/live/a");
	shm_set(&stream_at(&s.w, 0)->internal, 1);
	receive(&s, 0, 10);
	domain_sums_note(s.d, s.shm);
	assert_int_equal(received(&s, "x"), -1);
	site_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_counted_is_kept_for_the_next_process),
		cmocka_unit_test(a_file_that_is_no_json_is_begun_anew),
		cmocka_unit_test(streams_of_a_domain_are_summed_from_their_beginning),
		cmocka_unit_test(an_ended_stream_counts_to_its_last_byte),
		cmocka_unit_test(a_slot_that_has_another_stream_counts_anew),
		cmocka_unit_test(another_data_plane_goes_on_and_the_same_one_is_not_counted_twice),
		cmocka_unit_test(domains_beyond_the_bound_are_the_rest),
		cmocka_unit_test(the_inside_of_relay_tasks_is_nobodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
