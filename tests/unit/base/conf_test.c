/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/conf.h"

/* Loads the text as a file; the message with "FILE" in place of its name. */
static int load(struct config *c, const char *text, size_t n, char *message, size_t size)
{
	char path[] = "/tmp/conf_test.XXXXXX";
	int fd = mkstemp(path), rc;
	struct conf_error e = {""};
	const char *rest = e.text;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), n);
	close(fd);
	rc = conf_load(c, path, &e);
	unlink(path);
	if (!strncmp(e.text, path, strlen(path)))
		rest = e.text + strlen(path);
	snprintf(message, size, "%s%s", rest == e.text ? "" : "FILE", rest);
	return rc;
}

static int load_text(struct config *c, const char *text, char *message, size_t size)
{
	return load(c, text, strlen(text), message, size);
}

static void test_every_default_obeys_its_own_rule(void **state)
{
	size_t n;
	const struct conf_key *k = conf_keys(&n);
	struct config c, again;
	struct conf_error e;
	char text[1100];

	conf_defaults(&c);
	assert_int_equal(conf_check(&c, &e), 0);
	memset(&again, 0, sizeof(again));
	for (size_t i = 0; i < n; i++) {
		conf_value_text(&c, &k[i], text, sizeof(text));
		assert_int_equal(conf_set(&again, k[i].path, text, &e), 0);
	}
	assert_memory_equal(&c, &again, sizeof(c));
	assert_int_equal(c.http_request_bytes, 8192);
	assert_int_equal(c.callback_timeout, 5000);
	assert_string_equal(c.rtmp_listen, "127.0.0.1:1935");
}

static void test_a_file_sets_nested_and_dotted_keys(void **state)
{
	struct config c;
	char message[512];

	assert_int_equal(load_text(&c,
				   "cores: 2\n"
				   "rtmp:\n"
				   "  listen: \":1935 [::1]:1936\"\n"
				   "  window: 1m\n"
				   "http:\n"
				   "log.level: debug\n"
				   "pin_cores: false\n"
				   "play: {max_lag: 1500ms}\n",
				   message, sizeof(message)),
			 0);
	assert_int_equal(c.cores, 2);
	assert_string_equal(c.rtmp_listen, ":1935 [::1]:1936");
	assert_int_equal(c.rtmp_window, 1 << 20);
	assert_string_equal(c.log_level, "debug");
	assert_int_equal(c.pin_cores, 0);
	assert_int_equal(c.play_max_lag, 1500);
}

static void test_nothing_in_a_file_means_defaults(void **state)
{
	static const char *const texts[] = {"", "\n", "# only a comment\n", "---\n", "rtmp:\n"};
	struct config c, d;
	char message[512];

	conf_defaults(&d);
	for (size_t i = 0; i < array_len(texts); i++) {
		assert_int_equal(load_text(&c, texts[i], message, sizeof(message)), 0);
		assert_memory_equal(&c, &d, sizeof(c));
	}
	assert_int_equal(conf_load(&c, NULL, &(struct conf_error){""}), 0);
	assert_memory_equal(&c, &d, sizeof(c));
}

static void test_each_mistake_has_its_line_and_leaves_the_caller_unchanged(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"cores: 1\n\nrtmp.lisen: x\n",
		 "FILE:3: unknown key \"rtmp.lisen\"; did you mean \"rtmp.listen\"?"},
		{"rtmp:\n  lisen: x\n",
		 "FILE:2: unknown key \"rtmp.lisen\"; did you mean \"rtmp.listen\"?"},
		{"rtpm:\n  listen: x\n", "FILE:1: unknown key \"rtpm\"; did you mean \"rtmp\"?"},
		{"zzzzzz: 1\n",
		 "FILE:1: unknown key \"zzzzzz\"; `millrace config --sample` lists all keys"},
		{"\n\nrtmp:\n  chunk_size: 5\n",
		 "FILE:4: rtmp.chunk_size: 5 is not allowed: must be a "
		 "whole number from 128 to 65536"},
		{"cores: two\n",
		 "FILE:1: cores: two is not allowed: must be a whole number from 0 to "
		 "256"},
		{"cores: 99999999999999999999\n",
		 "FILE:1: cores: 99999999999999999999 is not allowed: "
		 "must be a whole number from 0 to 256"},
		{"pin_cores: 1\n", "FILE:1: pin_cores: 1 is not allowed: must be true or false"},
		{"log: {level: loud}\n", "FILE:1: log.level: loud is not allowed: must be one of "
					 "error|warn|info|debug"},
		{"callback: {timeout: 5}\n",
		 "FILE:1: callback.timeout: 5 is not allowed: must be a "
		 "duration (250ms, 10s, 2m, 1h) from 100ms to 1m"},
		{"rtmp: {window: 1x}\n",
		 "FILE:1: rtmp.window: 1x is not allowed: must be a size (512, "
		 "64k, 16m, 1g) from 32k to 1g"},
		{"rtmp: {listen: localhost}\n",
		 "FILE:1: rtmp.listen: localhost is not allowed: must be "
		 "ADDRESS:PORT, [IPV6]:PORT or :PORT, several separated by spaces"},
		{"cores: 1\nnode: a\ncores: 2\n",
		 "FILE:3: duplicate key \"cores\"; it already stands on line 1"},
		{"rtmp: {listen: \":1\"}\nrtmp.listen: \":2\"\n",
		 "FILE:2: duplicate key \"rtmp.listen\"; it already stands on line 1"},
		{"cores: [1, 2]\n", "FILE:1: cores: must be one value, not a list"},
		{"cores: {a: 1}\n", "FILE:1: cores: must be one value, not a section"},
		{"rtmp: 5\n", "FILE:1: \"rtmp\" is a section: its keys belong below it, indented"},
		{"- a\n- b\n", "FILE:1: must hold keys and values, one \"key: value\" per line"},
		{"[a]: 1\n", "FILE:1: a key must be a plain word"},
		{"cores: 1\n---\nnode: a\n", "FILE:3: a second YAML document; one file holds one"},
		{"node: \"a\\0b\"\n", "FILE:1: node: the value holds a NUL byte"},
		{"play: {max_lag: 19s}\n",
		 "FILE: play.max_lag: must be at most half of stream.retain"},
		{"memory: {block: 100000}\n", "FILE: memory.block: must be a power of two"},
		{"proxy: {trusted: 10.0.0.0/8 10.0.0.0/33}\n",
		 "FILE: proxy.trusted: 10.0.0.0/33 is no range of addresses: must be like "
		 "10.0.0.0/8 or ::1"},
		{"redis: {url: localhost}\n",
		 "FILE: redis.url: must be redis://[user:password@]host[:port][/db], "
		 "redis+sentinel://[user:password@]host[:port][,...]/master[/db] or unix:///path, or "
		 "empty for a private Redis; TLS (rediss://) is not served: use stunnel"},
	};
	struct config c, before;
	char message[512];

	memset(&c, 0x5a, sizeof(c));
	before = c;
	for (size_t i = 0; i < array_len(cases); i++) {
		assert_int_equal(load_text(&c, cases[i].text, message, sizeof(message)), -EINVAL);
		assert_string_equal(message, cases[i].message);
		assert_memory_equal(&c, &before, sizeof(c));
	}
}

static void test_broken_yaml_names_the_line(void **state)
{
	static const char *const texts[] = {"cores: 1\nrtmp: [1\n", "cores: 1\n\tnode: x\n",
					    "cores: 1\nnode: \xff\xfe\n"};
	struct config c;
	char message[512];

	for (size_t i = 0; i < array_len(texts); i++) {
		assert_int_equal(load_text(&c, texts[i], message, sizeof(message)), -EINVAL);
		assert_memory_equal(message, "FILE:", 5);
		assert_non_null(strstr(message, "not YAML: "));
	}
	assert_memory_equal(message, "FILE:2: ", 8);
}

static void test_anchors_and_cycles_end(void **state)
{
	struct config c;
	char message[512];

	assert_int_equal(load_text(&c, "rtmp: &a\n  rtmp: *a\n", message, sizeof(message)),
			 -EINVAL);
	assert_int_equal(load_text(&c,
				   "stream: {media_timeout: &t 5s}\nrelay: {media_timeout: *t}\n",
				   message, sizeof(message)),
			 0);
	assert_int_equal(c.relay_media_timeout, 5000);
}

static void test_random_bytes_never_crash_and_always_explain(void **state)
{
	static const char alphabet[] = "rtmp.listen:cores \n\n--- []{}&*\"'#|>\t\x80\xc3\0\x01";
	struct config c;
	char text[200], message[512];
	unsigned seed = 11;

	for (unsigned round = 0; round < 2000; round++) {
		size_t n = (unsigned)rand_r(&seed) % sizeof(text);

		for (size_t i = 0; i < n; i++)
			text[i] = alphabet[(unsigned)rand_r(&seed) % (sizeof(alphabet) - 1)];
		message[0] = '\0';
		if (load(&c, text, n, message, sizeof(message)))
			assert_memory_equal(message, "FILE:", 5);
	}
}

static void test_files_that_cannot_be_read(void **state)
{
	struct config c;
	struct conf_error e;

	assert_int_equal(conf_load(&c, "/nonexistent.yaml", &e), -ENOENT);
	assert_string_equal(e.text, "cannot read the configuration /nonexistent.yaml: No such file "
				    "or directory");
	assert_int_equal(conf_load(&c, "/tmp", &e), -EISDIR);
	assert_int_equal(conf_load(&c, "/dev/zero", &e), -EFBIG);
}

static void test_addresses(void **state)
{
	static const char *const good[] = {"127.0.0.1:1", ":0", "[::]:65535", "a-b.c:80",
					   " 1.2.3.4:5   [::1]:6 "};
	static const char *const bad[] = {"",	     " ",	    "1",      ":",     ":65536",
					  "1.2.3:4", "256.1.1.1:1", "::1:80", "[::1]", "[::1]80",
					  "[x]:1",   "a b:1",	    "h:1x",   "h/x:1", ":-1"};
	struct config c;
	struct conf_error e;

	conf_defaults(&c);
	for (size_t i = 0; i < array_len(good); i++)
		assert_int_equal(conf_set(&c, "rtmp.listen", good[i], &e), 0);
	for (size_t i = 0; i < array_len(bad); i++)
		assert_int_equal(conf_set(&c, "rtmp.listen", bad[i], &e), -EINVAL);
}

static void test_numbers_and_their_units(void **state)
{
	static const struct {
		const char *key, *text;
		int rc;
	} cases[] = {
		{"rtmp.window", "64K", 0},	  {"rtmp.window", "65536", 0},
		{"rtmp.window", "1gb", -EINVAL},  {"rtmp.window", "-1", -EINVAL},
		{"memory.arena", "1t", 0},	  {"memory.arena", "9999999999g", -EINVAL},
		{"play.max_lag", "1500ms", 0},	  {"play.max_lag", "2s", 0},
		{"play.max_lag", "2 s", -EINVAL}, {"play.max_lag", "1500", -EINVAL},
		{"cores", " 1", -EINVAL},	  {"cores", "1 ", -EINVAL},
		{"cores", "0x1", -EINVAL},	  {"cores", "", -EINVAL},
		{"node", "a\nb", -EINVAL},	  {"node", "", 0},
	};
	struct config c;
	struct conf_error e;

	conf_defaults(&c);
	for (size_t i = 0; i < array_len(cases); i++)
		assert_int_equal(conf_set(&c, cases[i].key, cases[i].text, &e), cases[i].rc);
}

static void test_ticks_must_fit_the_tick_wheel(void **state)
{
	struct config c;
	struct conf_error e;

	conf_defaults(&c);
	c.tick_normal = 40; /* does not divide 150 */
	assert_int_equal(conf_check(&c, &e), -EINVAL);
	assert_non_null(strstr(e.text, "play.tick_normal"));
	c.tick_normal = 5; /* shorter than the low class */
	assert_int_equal(conf_check(&c, &e), -EINVAL);
	c.tick_normal = 30;
	assert_int_equal(conf_check(&c, &e), 0);
}

static void test_U7_address_ranges_must_be_ranges(void **state)
{
	struct conf_error e;
	struct config c;

	conf_defaults(&c);
	assert_int_equal(conf_set(&c, "relay.deny", "10.0.0.0/8 ::1", &e), 0);
	assert_int_equal(conf_set(&c, "proxy.trusted", "fe80::/10", &e), 0);
	assert_int_equal(conf_check(&c, &e), 0);
	assert_int_equal(conf_set(&c, "relay.deny", "10.0.0.0/8 10.0.0.0/33", &e), 0);
	assert_int_equal(conf_check(&c, &e), -EINVAL);
	assert_non_null(strstr(e.text, "relay.deny: 10.0.0.0/33"));
	assert_int_equal(conf_set(&c, "relay.deny", "", &e), 0);
	assert_int_equal(conf_set(&c, "proxy.trusted", "localhost", &e), 0);
	assert_int_equal(conf_check(&c, &e), -EINVAL);
	assert_non_null(strstr(e.text, "proxy.trusted: localhost"));
}

static void test_C15_nodes_to_redirect_to_must_be_urls_of_nodes(void **state)
{
	static const char *const good[] = {"", " ", "rtmp://b.example:1935",
					   "http://10.0.0.2:80 https://[::1]:443 rtmps://b:443"};
	static const char *const bad[] = {"b.example:1935",
					  "rtmp://b.example",
					  "rtmp://:1935",
					  "rtmp://b.example:1935/live",
					  "http://b:1 http://c:1",
					  "ftp://b:1",
					  "http://"};
	struct conf_error e;
	struct config c;

	conf_defaults(&c);
	for (size_t i = 0; i < array_len(good); i++) {
		assert_int_equal(conf_set(&c, "drain.redirect", good[i], &e), 0);
		assert_int_equal(conf_check(&c, &e), 0);
	}
	for (size_t i = 0; i < array_len(bad); i++) {
		assert_int_equal(conf_set(&c, "drain.redirect", bad[i], &e), 0);
		assert_int_equal(conf_check(&c, &e), -EINVAL);
		assert_non_null(strstr(e.text, "drain.redirect"));
	}
}

static void count_key(void *arg, const struct conf_key *k)
{
	snprintf(arg, 256, "%s%s", strcmp(k->path, "cores") ? "" : "cores ",
		 strcmp(k->path, "http.cors_origin") ? "" : "cors");
}

static void test_diff_names_what_changed(void **state)
{
	struct config a, b;
	char seen[256] = "";

	conf_defaults(&a);
	b = a;
	conf_diff(&a, &b, count_key, seen);
	assert_string_equal(seen, "");
	strcpy(b.http_cors, "https://x");
	conf_diff(&a, &b, count_key, seen);
	assert_string_equal(seen, "cors");
}

/* The sample as it is, and with every line uncommented, is the defaults. */
static void test_the_sample_holds_every_key_with_its_default(void **state)
{
	char *text = NULL, message[512], *edited;
	size_t n = 0, keys, found = 0, m = 0;
	FILE *f = open_memstream(&text, &n);
	struct config c, d;

	conf_write_sample(f);
	fclose(f);
	conf_defaults(&d);
	assert_int_equal(load(&c, text, n, message, sizeof(message)), 0);
	assert_memory_equal(&c, &d, sizeof(c));

	edited = malloc(n + 1);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char *mark = strstr(line, "# "), *name = mark ? mark + 2 : line;
		size_t word = strspn(name, "abcdefghijklmnopqrstuvwxyz_");

		if (mark && word && !strncmp(name + word, ": ", 2)) {
			memmove(mark, name, strlen(name) + 1);
			found++;
		}
		m += (size_t)sprintf(edited + m, "%s\n", line);
	}
	conf_keys(&keys);
	assert_int_equal(found, keys);
	assert_int_equal(load(&c, edited, m, message, sizeof(message)), 0);
	assert_memory_equal(&c, &d, sizeof(c));
	free(edited);
	free(text);
}

static void test_state_folder(void **state)
{
	struct config c;
	char dir[64];

	conf_defaults(&c);
	strcpy(c.state_dir, "/var/tmp/x");
	assert_int_equal(conf_state_dir(&c, dir, sizeof(dir)), 0);
	assert_string_equal(dir, "/var/tmp/x");
	assert_int_equal(conf_state_dir(&c, dir, 5), -ENAMETOOLONG);
}

static void test_a_content_is_checked_as_a_file_of_that_name(void **state)
{
	static const char good[] = "play:\n  tick: low\n", bad[] = "\nplay:\n  tock: low\n";
	struct conf_error e = {""};
	struct config c;

	assert_int_equal(conf_load_text(&c, "n.yaml", good, strlen(good), &e), 0);
	assert_string_equal(c.play_tick, "low");
	assert_int_equal(conf_load_text(&c, "n.yaml", bad, strlen(bad), &e), -EINVAL);
	assert_memory_equal(e.text, "n.yaml:3: ", 10);
	assert_string_equal(c.play_tick, "low");
}

static void test_values_are_shown_without_secrets(void **state)
{
	const struct conf_key *k;
	struct config c;
	char text[1100];
	size_t n;

	conf_defaults(&c);
	strcpy(c.callback_key, "secret");
	strcpy(c.redis_url, "redis://u:secret@h/1");
	k = conf_keys(&n);
	for (; n; n--, k++) {
		conf_value_shown(&c, k, text, sizeof(text));
		assert_null(strstr(text, "secret"));
	}
	assert_string_equal(conf_when_text(CONF_NEW), "new_sessions");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_content_is_checked_as_a_file_of_that_name),
		cmocka_unit_test(test_values_are_shown_without_secrets),
		cmocka_unit_test(test_every_default_obeys_its_own_rule),
		cmocka_unit_test(test_a_file_sets_nested_and_dotted_keys),
		cmocka_unit_test(test_nothing_in_a_file_means_defaults),
		cmocka_unit_test(test_each_mistake_has_its_line_and_leaves_the_caller_unchanged),
		cmocka_unit_test(test_broken_yaml_names_the_line),
		cmocka_unit_test(test_anchors_and_cycles_end),
		cmocka_unit_test(test_random_bytes_never_crash_and_always_explain),
		cmocka_unit_test(test_files_that_cannot_be_read),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_numbers_and_their_units),
		cmocka_unit_test(test_ticks_must_fit_the_tick_wheel),
		cmocka_unit_test(test_U7_address_ranges_must_be_ranges),
		cmocka_unit_test(test_C15_nodes_to_redirect_to_must_be_urls_of_nodes),
		cmocka_unit_test(test_diff_names_what_changed),
		cmocka_unit_test(test_the_sample_holds_every_key_with_its_default),
		cmocka_unit_test(test_state_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
