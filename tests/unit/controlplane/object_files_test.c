/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "controlplane/object_files.h"

static char folder[64];

static int begin(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/millrace-objects.XXXXXX");
	return !mkdtemp(folder) || object_bucket_make(folder, "bucket");
}

static int end(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void put(const char *key, const char *text)
{
	assert_int_equal(object_write(folder, "bucket", key, text, strlen(text)), 0);
}

static void shows(const char *key, const char *text)
{
	struct object_info info;
	char got[64] = "";
	int fd = object_open(folder, "bucket", key, &info);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, got, sizeof(got) - 1), strlen(text));
	assert_string_equal(got, text);
	assert_int_equal(info.bytes, strlen(text));
	assert_true(info.modified_ms > 1000000000000);
	assert_string_equal(info.key, key);
	close(fd);
}

/* keys: what the listing must hold, blanks between. */
static void lists(const char *prefix, const char *marker, bool delimited, unsigned max,
		  const char *keys, bool has_more)
{
	static struct object_info o[OBJECT_LIST_MAX];
	bool more = !has_more;
	int n = object_list(folder, "bucket", prefix, marker, delimited, max, o, &more);
	const char *at = keys;

	for (int i = 0; i < n; i++) {
		size_t key_n = strlen(o[i].key);

		assert_int_equal(strncmp(at, o[i].key, key_n), 0);
		at += key_n;
		at += strspn(at, " ");
	}
	assert_true(n >= 0 && !*at);
	assert_int_equal(more, has_more);
}

static void test_objects_are_written_read_replaced_and_deleted(void **state)
{
	struct object_info info;

	put("a/b/c.ts", "one");
	put("a/b/c.ts", "two");
	shows("a/b/c.ts", "two");
	put("plain", "");
	shows("plain", "");
	assert_int_equal(object_open(folder, "bucket", "a/b", &info), -ENOENT);
	assert_int_equal(object_open(folder, "bucket", "plain/x", &info), -ENOENT);
	assert_int_equal(object_open(folder, "nobody", "plain", &info), -ENOENT);
	assert_int_equal(object_bucket_remove(folder, "bucket"), -ENOTEMPTY);
	assert_int_equal(object_delete(folder, "bucket", "a/b/c.ts"), 0);
	assert_int_equal(object_delete(folder, "bucket", "a/b/c.ts"), 0);
	assert_int_equal(object_open(folder, "bucket", "a/b/c.ts", &info), -ENOENT);
	assert_int_equal(object_delete(folder, "bucket", "plain"), 0);
	/* The folders went with the last object. */
	assert_int_equal(object_bucket_remove(folder, "bucket"), 0);
	assert_int_equal(object_bucket_remove(folder, "bucket"), 0);
}

static void test_names_that_lead_elsewhere_are_no_names(void **state)
{
	static const char *const keys[] = {"",	"/a",	 "a/",	 "a//b",   "../x", "a/../b",
					   ".", "a/./b", ".hid", "a/.hid", "a\nb", "a\x7f"};
	static const char *const buckets[] = {"",     "ab",    "-ab", "ab-", "Abc",
					      "a.b.", "a/b/c", "..",  "a b"};
	struct object_info info;
	char path[256], longest[300];

	for (unsigned i = 0; i < array_len(keys); i++) {
		assert_false(object_key_fine(keys[i]));
		assert_int_equal(object_write(folder, "bucket", keys[i], "", 0), -EINVAL);
		assert_int_equal(object_open(folder, "bucket", keys[i], &info), -EINVAL);
		assert_int_equal(object_delete(folder, "bucket", keys[i]), -EINVAL);
	}
	for (unsigned i = 0; i < array_len(buckets); i++)
		assert_int_equal(object_bucket_make(folder, buckets[i]), -EINVAL);
	memset(longest, 'a', sizeof(longest));
	longest[256] = 0;
	assert_false(object_key_fine(longest));
	longest[255] = 0;
	assert_true(object_key_fine(longest));
	assert_true(object_key_fine("channel one/\xc3\xa4.m3u8"));

	snprintf(path, sizeof(path), "%s/bucket/link", folder);
	assert_int_equal(symlink("/etc", path), 0);
	assert_true(object_open(folder, "bucket", "link/passwd", &info) < 0);
	assert_true(object_open(folder, "bucket", "link", &info) < 0);
}

static void test_lists_are_sorted_cut_and_continued(void **state)
{
	put("ch/2.ts", "");
	put("ch/10.ts", "");
	put("ch/playlist.m3u8", "");
	put("ch-1/1.ts", "");
	put("other", "");
	lists("", "", false, 1000, "ch-1/1.ts ch/10.ts ch/2.ts ch/playlist.m3u8 other", false);
	lists("", "", false, 2, "ch-1/1.ts ch/10.ts", true);
	lists("", "ch/10.ts", false, 2, "ch/2.ts ch/playlist.m3u8", true);
	lists("", "ch/playlist.m3u8", false, 2, "other", false);
	lists("ch/", "", false, 10, "ch/10.ts ch/2.ts ch/playlist.m3u8", false);
	lists("ch", "", true, 10, "ch-1/ ch/", false);
	lists("", "", true, 10, "ch-1/ ch/ other", false);
	lists("", "ch/", true, 10, "other", false);
	lists("ch/1", "", true, 10, "ch/10.ts", false);
	lists("nothing", "", false, 10, "", false);
}

static void test_files_being_written_are_not_listed(void **state)
{
	char path[256];

	put("a.ts", "");
	snprintf(path, sizeof(path), "%s/bucket/.part-1", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	lists("", "", false, 10, "a.ts", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_objects_are_written_read_replaced_and_deleted,
						begin, end),
		cmocka_unit_test_setup_teardown(test_names_that_lead_elsewhere_are_no_names, begin,
						end),
		cmocka_unit_test_setup_teardown(test_lists_are_sorted_cut_and_continued, begin,
						end),
		cmocka_unit_test_setup_teardown(test_files_being_written_are_not_listed, begin,
						end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
