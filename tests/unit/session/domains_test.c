/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "base/check.h"
#include "base/clock.h"
#include "session/blocks.h"
#include "session/domains.h"

static struct quiet quiet;
static const struct config keeps = {.domain_running = "keep"};
static struct engine engine = {.quiet = &quiet, .cores_n = 1, .conf = &keeps};
static char path[] = "/tmp/millrace-domains-test.XXXXXX";

static void set(const char *name, const char *config)
{
	json_t *o = json_loads(config, 0, NULL);
	struct ctl_error e;

	assert_int_equal(domains_set(name, o, &e), 0);
	json_decref(o);
}

static void keep(const char *names)
{
	json_t *list = json_loads(names, 0, NULL);
	struct ctl_error e;

	assert_int_equal(domains_keep(list, &e), 0);
	json_decref(list);
}

static void file_is(const char *text)
{
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	int fd;

	quiet_init(&quiet, 1);
	strcpy(path + strlen(path) - 6, "XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	close(fd);
	unlink(path);
	return domains_start(&engine, path, false);
}

static int teardown(void **state)
{
	domains_fini();
	blocks_fini();
	unlink(path);
	return 0;
}

static const char *key_of(const char *host)
{
	static char key[STREAM_KEY_MAX];
	struct stream_name name = {.app = "live", .name = "a"};

	snprintf(name.domain, sizeof(name.domain), "%s", host);
	return domain_stream_key(key, &name);
}

static void test_names_map_to_their_center_and_none_is_made_up(void **state)
{
	assert_int_equal(domains_state(), DOMAINS_OPEN);
	assert_string_equal(key_of("push.x"), "default/live/a");
	set("push.x", "{\"type\":\"ingest\"}");
	set("play.x", "{\"type\":\"play\",\"center\":\"push.x\"}");
	set("alone.x", "{\"type\":\"play\"}");
	assert_int_equal(domains_state(), DOMAINS_SET);
	assert_string_equal(key_of("push.x"), "push.x/live/a");
	assert_string_equal(key_of("play.x"), "push.x/live/a");
	assert_string_equal(key_of("alone.x"), "alone.x/live/a");
	assert_string_equal(key_of("other.x"), "default/live/a");
	keep("[\"play.x\",\"never.x\"]");
	assert_null(domain_find("push.x"));
	assert_non_null(domain_find("play.x"));
	keep("[]");
	assert_int_equal(domains_state(), DOMAINS_OPEN);
}

static void test_a_reader_keeps_its_domain_until_it_passes_a_quiet_point(void **state)
{
	const struct domain *before;

	set("push.x", "{\"type\":\"ingest\",\"version\":1}");
	quiet_wake(&quiet, 0);
	before = domain_find("push.x");
	for (int i = 2; i < 20; i++) {
		char config[64];

		snprintf(config, sizeof(config), "{\"type\":\"ingest\",\"version\":%d}", i);
		set("push.x", config);
	}
	assert_int_equal(before->version, 1); /* sanitizers see it if it was freed */
	assert_int_equal(domain_find("push.x")->version, 19);
	quiet_sleep(&quiet, 0);
	domains_settle();
}

/* Goes through its turns as a core does, and looks at whole domains in each. */
static void *reader(void *arg)
{
	static char torn[] = "torn", moved[] = "moved";
	_Atomic bool *stop = arg;
	struct stream_name name = {.domain = "play.x", .app = "live", .name = "a"};
	char key[STREAM_KEY_MAX];

	while (!atomic_load(stop)) {
		const struct domain *d;

		quiet_wake(&quiet, 0);
		d = domain_find("push.x");
		if (d && (d->version != (int64_t)d->apps_n || strcmp(d->name, "push.x") != 0))
			return torn;
		domain_stream_key(key, &name);
		if (strcmp(key, "push.x/live/a") != 0)
			return moved;
		quiet_pass(&quiet, 0);
	}
	quiet_sleep(&quiet, 0);
	return NULL;
}

static void test_readers_on_another_thread_see_whole_domains(void **state)
{
	_Atomic bool stop = false;
	pthread_t thread;
	void *said;

	set("play.x", "{\"type\":\"play\",\"center\":\"push.x\"}");
	assert_int_equal(pthread_create(&thread, NULL, reader, &stop), 0);
	for (int i = 0; i < 2000; i++) {
		set("push.x",
		    i % 2 ? "{\"type\":\"ingest\",\"version\":1,\"apps\":{\"a\":{}}}"
			  : "{\"type\":\"ingest\",\"version\":2,\"apps\":{\"a\":{},\"b\":{}}}");
		if (i % 7 == 0)
			keep("[\"play.x\"]");
	}
	atomic_store(&stop, true);
	pthread_join(thread, &said);
	assert_null(said);
}

static void test_many_domains_are_found_and_bounded(void **state)
{
	char name[32];

	for (int i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "d%d.example.com", i);
		set(name, "{\"type\":\"ingest\"}");
	}
	for (int i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "d%d.example.com", i);
		assert_string_equal(domain_find(name)->name, name);
	}
	assert_null(domain_find("d600.example.com"));
}

static void test_rules_come_from_application_domain_and_configuration(void **state)
{
	static struct config conf = {
		.publish_policy = "replace", .publish_hold = 3000, .play_tick = "low"};
	struct domain_publish p;
	struct domain_play play;

	p = domain_publish_of("push.x/live/a", &conf);
	assert_true(p.policy == DOMAIN_REPLACE && p.hold_ms == 3000);
	set("push.x", "{\"type\":\"ingest\",\"publish\":{\"policy\":\"reject\"},\"apps\":{\"a/b\":"
		      "{\"publish\":{\"hold_ms\":5},\"play\":{\"tick\":\"bulk\"}}}}");
	p = domain_publish_of("push.x/live/a", &conf);
	assert_true(p.policy == DOMAIN_REJECT && p.hold_ms == 3000);
	p = domain_publish_of("push.x/a/b/c", &conf);
	assert_true(p.policy == DOMAIN_REJECT && p.hold_ms == 5);
	play = domain_play_rules(domain_find("push.x"), "a/b", "s", &conf);
	assert_true(play.tick == 2 && play.delay_s == 0 && play.hls == DOMAIN_UNSET);
	set("play.x",
	    "{\"type\":\"play\",\"center\":\"push.x\",\"play\":{\"flv_s\":4,\"delay_s\":20},\"apps\":{"
	    "\"b\":{\"play\":{\"delay_s\":30}},\"a\":{\"play\":{\"rtmp_s\":8}}},\"streams\":{\"b/x\":"
	    "{\"play\":{\"delay_s\":0}},\"a/x\":{\"play\":{\"delay_s\":60}}}}");
	play = domain_play_rules(domain_find("play.x"), "a", "x", &conf);
	assert_true(play.delay_s == 60 && play.rtmp_s == 8 && play.flv_s == 4 && !play.tick_given);
	play = domain_play_rules(domain_find("play.x"), "b", "x", &conf);
	assert_true(play.delay_s == 0 && play.rtmp_s == 0);
	play = domain_play_rules(domain_find("play.x"), "b", "y", &conf);
	assert_int_equal(play.delay_s, 30);
	assert_int_equal(domain_wish("push.x/a/x").keep_s, 60);
	assert_int_equal(domain_wish("push.x/b/x").keep_s, 0);
	assert_int_equal(domain_wish("push.x/c/x").keep_s, 20);
	assert_int_equal(domain_wish("push.x/b/x").back_s, 4);
	assert_int_equal(domain_wish("push.y/a/x").keep_s, 0);
	play = domain_play_rules(NULL, "a/b", "s", &conf);
	assert_int_equal(play.tick, 0);
}

static void test_the_idle_time_of_triggered_pulls_is_the_longest_of_a_center(void **state)
{
	assert_int_equal(domain_pull_idle_ms("push.x/live/a"), 0);
	set("a.x", "{\"type\":\"play\",\"center\":\"push.x\",\"pull\":{\"mode\":\"triggered\","
		   "\"idle_ms\":5000}}");
	set("b.x", "{\"type\":\"play\",\"center\":\"push.x\",\"pull\":{\"mode\":\"triggered\","
		   "\"idle_ms\":9000}}");
	set("c.x", "{\"type\":\"play\",\"center\":\"push.x\"}");
	assert_int_equal(domain_pull_idle_ms("push.x/live/a"), 9000);
	assert_int_equal(domain_pull_idle_ms("other.x/live/a"), 0);
}

static void test_the_idle_time_of_hls_is_the_longest_of_a_center(void **state)
{
	set("a.x", "{\"type\":\"play\",\"center\":\"push.x\",\"play\":{\"hls_idle_ms\":5000},"
		   "\"apps\":{\"vod\":{\"play\":{\"hls_idle_ms\":7000}}}}");
	set("b.x", "{\"type\":\"play\",\"center\":\"push.x\",\"play\":{\"hls_idle_ms\":6000}}");
	set("off.x", "{\"type\":\"play\",\"center\":\"push.x\",\"enabled\":false}");
	assert_int_equal(domain_hls_idle_ms("push.x/live/a", 60000), 6000);
	assert_int_equal(domain_hls_idle_ms("push.x/vod/a", 60000), 7000);
	assert_int_equal(domain_hls_idle_ms("other.x/live/a", 60000), 60000);
	set("c.x", "{\"type\":\"play\",\"center\":\"push.x\"}");
	assert_int_equal(domain_hls_idle_ms("push.x/live/a", 60000), 60000);
	assert_int_equal(domain_hls_idle_ms("push.x/live/a", 1000), 6000);
}

static void test_a_snapshot_that_cannot_be_read_closes_everything(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"domains\":[]}",
		"{\"domains\":{\"a.x\":{\"type\":\"ingest\"},\"b.x\":{}}}",
		"{\"domains\":{},\"blocks\":{}}",
		"{\"domains\":{},\"blocks\":[{\"stream\":\"\"}]}"};

	for (size_t i = 0; i < array_len(bad); i++) {
		domains_fini();
		file_is(bad[i]);
		assert_int_not_equal(domains_start(&engine, path, false), 0);
		assert_int_equal(domains_state(), DOMAINS_CLOSED);
		assert_null(domain_find("a.x"));
	}
	set("b.x", "{\"type\":\"ingest\"}");
	assert_int_equal(domains_state(), DOMAINS_SET);
	domains_fini();
	file_is("{\"domains\":{\"a.x\":{\"type\":\"ingest\"}},"
		"\"blocks\":[{\"stream\":\"a.x/live/b\",\"until_ms\":0}]}");
	assert_int_equal(domains_start(&engine, path, true), 0);
	assert_non_null(domain_find("a.x"));
	assert_true(blocks_has("a.x/live/b"));
	domains_fini();
	unlink(path);
	assert_int_equal(domains_start(&engine, path, true), 0);
	assert_int_equal(domains_state(), DOMAINS_CLOSED);
	keep("[]");
	assert_int_equal(domains_state(), DOMAINS_OPEN);
}

static void test_blocks_end_by_the_clock_and_are_bounded(void **state)
{
	int64_t now_ms = (int64_t)clock_wall_ms();
	struct ctl_error e;
	char key[32];

	assert_int_equal(blocks_set("x/live/a", 0, "", &e), 0);
	assert_int_equal(blocks_set("x/live/b", now_ms + 3600000, "why", &e), 0);
	assert_int_equal(blocks_set("x/live/c", now_ms - 1, "", &e), 0);
	assert_int_not_equal(blocks_set("x/live/d", -1, "", &e), 0);
	assert_true(blocks_has("x/live/a") && blocks_has("x/live/b"));
	assert_false(blocks_has("x/live/c") || blocks_has("x/live/d"));
	assert_int_equal(blocks_set("x/live/a", now_ms - 1, "", &e), 0);
	assert_false(blocks_has("x/live/a"));
	for (int i = 1; i < BLOCKS_MAX; i++) {
		snprintf(key, sizeof(key), "x/live/%d", i);
		assert_int_equal(blocks_set(key, i < 3 ? now_ms + 1 : 0, "", &e), 0);
	}
	while ((int64_t)clock_wall_ms() <= now_ms + 1)
		;
	assert_int_equal(blocks_set("x/live/more", 0, "", &e), 0); /* ends what is over */
	assert_int_equal(blocks_set("x/live/still", 0, "", &e), 0);
	assert_int_not_equal(blocks_set("x/live/full", 0, "", &e), 0);
	assert_string_equal(e.code, "limit");
	blocks_remove("x/live/more");
	assert_int_equal(blocks_set("x/live/full", 0, "", &e), 0);
}

int main(void)
{
#define t(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		t(test_names_map_to_their_center_and_none_is_made_up),
		t(test_a_reader_keeps_its_domain_until_it_passes_a_quiet_point),
		t(test_readers_on_another_thread_see_whole_domains),
		t(test_many_domains_are_found_and_bounded),
		t(test_rules_come_from_application_domain_and_configuration),
		t(test_the_idle_time_of_triggered_pulls_is_the_longest_of_a_center),
		t(test_the_idle_time_of_hls_is_the_longest_of_a_center),
		t(test_a_snapshot_that_cannot_be_read_closes_everything),
		t(test_blocks_end_by_the_clock_and_are_bounded),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
