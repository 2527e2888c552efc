/* SPDX-License-Identifier: Apache-2.0 */
/* What a task may relay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "controlplane/job_spec.h"
#include "controlplane/sources.h"

static struct task *task_of(const char *type, const char *protocol, const char *urls)
{
	struct task *t = task_new();

	task_text(&t->id, "5e2a577a-f331-42c0-addd-4035f94102f6");
	task_text(&t->source_type, type);
	task_text(&t->source_protocol, protocol);
	task_text(&t->source_urls, urls);
	task_text(&t->dst_url, "rtmp://dst/live/a");
	return t;
}

/* rule: a part of the message; NULL: it is fine. */
static void check(const char *type, const char *protocol, const char *urls, int64_t file,
		  const char *rule)
{
	struct task *t = task_of(type, protocol, urls);
	struct refusal r;

	t->file_index = file;
	if ((sources_check(t, &r) && destinations_check(t, &r)) == !rule) {
		if (rule)
			assert_non_null(strstr(r.message, rule));
	} else {
		fail_msg("%s %s %s", type, protocol, urls);
	}
	task_free(t);
}

static void test_live_has_one_url_of_its_protocol(void **state)
{
	check("live", "rtmp", "[\"rtmp://h/live/a\"]", 0, NULL);
	check("live", "http-flv", "[\"https://h/live/a.flv\"]", 0, NULL);
	check("live", "srt", "[\"srt://h:9000?streamid=x&latency=200000\"]", 0, NULL);
	check("live", "rtsp", "[\"rtsp://user:word@h/cam\"]", 0, NULL);
	check("live", "hls", "[\"https://h/live/a.m3u8\"]", 0, NULL);
	check("live", "http-ts", "[\"http://h/a.ts\"]", 0, NULL);
	check("live", "", "[\"rtmp://h/live/a\"]", 0, "SourceProtocol is missing");
	check("live", "dash", "[\"http://h/a.mpd\"]", 0, "is not known");
	check("live", "srt", "[\"http://h/a\"]", 0, "must begin with srt://");
	check("live", "rtsp", "[\"srt://h/a\"]", 0, "must begin with rtsp://");
	check("live", "rtmp", "[\"rtmp://h/a/b\",\"rtmp://h/a/c\"]", 0, "exactly 1 URL");
	check("live", "rtmp", "[\"rtmp://dst/live/a\"]", 0, "DstUrl");
	check("live", "srt", "[\"srt://h:9?mode=listener\"]", 0, "other than caller");
	check("live", "srt", "[\"srt://h:9?a=b&mode=rendezvous\"]", 0, "other than caller");
	check("live", "srt", "[\"srt://h:9?mode=caller\"]", 0, NULL);
}

static void test_files_are_mp4_or_flv_by_http(void **state)
{
	check("url", "", "[\"http://h/a.mp4\",\"https://h/b.FLV?sign=1\"]", 1, NULL);
	check("url", "srt", "[\"http://h/a.mp4\"]", 0, NULL);
	check("url", "", "[\"http://h/a.mp4\",\"http://h/b.mkv\"]", 0, "number 1");
	check("url", "", "[\"http://h/a?x=.mp4\"]", 0, "must end with");
	check("url", "", "[\"file:///a.mp4\"]", 0, "must begin with http");
	check("url", "", "[\"concat:http://h/a.mp4\"]", 0, "must begin with http");
	check("url", "", "[\"http://h/a.mp4\"]", 1, "FileIndex");
	check("vod", "", "[\"abc\",\"d-1.x\"]", 1, NULL);
	check("vod", "", "[\"http://h/a.mp4\"]", 0, "must hold ids of assets");
}

/* ---- what a worker is told --------------------------------------------------------------------- */

static json_t *spec_of(struct task *t, const char *rtmp_listen)
{
	struct config conf = {.relay_connect_timeout = 5000, .relay_media_timeout = 10000};

	snprintf(conf.rtmp_listen, sizeof(conf.rtmp_listen), "%s", rtmp_listen);
	return job_spec(t, &conf, NULL, "key");
}

static void test_a_worker_goes_on_where_the_list_was(void **state)
{
	struct task *t = task_of("url", "", "[\"http://h/a.mp4\",\"http://h/b.mp4\"]");
	json_t *spec;

	t->current_file = 1;
	t->current_offset_s = 7;
	t->current_round = 3;
	spec = spec_of(t, "127.0.0.1:1935");
	assert_string_equal(json_string_value(json_object_get(spec, "kind")), "list");
	assert_int_equal(json_integer_value(json_object_get(spec, "file")), 1);
	assert_int_equal(json_integer_value(json_object_get(spec, "offset_ms")), 7000);
	assert_int_equal(json_integer_value(json_object_get(spec, "round")), 3);
	json_decref(spec);
	t->current_file = 2; /* the list has become shorter */
	spec = spec_of(t, "127.0.0.1:1935");
	assert_int_equal(json_integer_value(json_object_get(spec, "file")), 0);
	assert_int_equal(json_integer_value(json_object_get(spec, "offset_ms")), 0);
	json_decref(spec);
	task_free(t);
}

static void test_a_worker_reaches_the_data_plane_wherever_it_listens(void **state)
{
	static const struct {
		const char *listen, *begins;
	} lines[] = {
		{"127.0.0.1:1935", "rtmp://127.0.0.1:1935/task/"},
		{"0.0.0.0:1936 [::]:1936", "rtmp://127.0.0.1:1936/task/"},
		{":1935", "rtmp://127.0.0.1:1935/task/"},
		{"[::]:1937", "rtmp://[::1]:1937/task/"},
		{"192.0.2.1:1935", "rtmp://192.0.2.1:1935/task/"},
	};
	struct task *t = task_of("live", "srt", "[\"srt://h:9\"]");

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		json_t *spec = spec_of(t, lines[i].listen);
		const char *output = json_string_value(json_object_get(spec, "output"));

		assert_memory_equal(output, lines[i].begins, strlen(lines[i].begins));
		assert_non_null(strstr(output, "?vhost=_relay&pass="));
		assert_null(strstr(output, "key"));
		json_decref(spec);
	}
	task_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_live_has_one_url_of_its_protocol),
		cmocka_unit_test(test_files_are_mp4_or_flv_by_http),
		cmocka_unit_test(test_a_worker_goes_on_where_the_list_was),
		cmocka_unit_test(test_a_worker_reaches_the_data_plane_wherever_it_listens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
