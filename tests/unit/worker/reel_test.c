/* SPDX-License-Identifier: Apache-2.0 */
/* A live channel's folder: segments, index and playlist after writes, restarts, crashes, deletions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/segindex.h"
#include "controlplane/worker/reel.h"

static char root[64];

static int make_root(void **state)
{
	snprintf(root, sizeof(root), "/tmp/millrace-reel.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int on_path(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int remove_root(void **state)
{
	return nftw(root, on_path, 8, FTW_DEPTH | FTW_PHYS);
}

static struct reel *open_reel(unsigned window)
{
	int error;
	struct reel *r = reel_open(root, "playlist.m3u8", window, &error);

	assert_int_equal(error, 0);
	return r;
}

static void put(struct reel *r, const char *bytes, int64_t begin_ms, bool discontinuity)
{
	int fd = memfd_create("object", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, bytes, strlen(bytes)) == (ssize_t)strlen(bytes));
	reel_put(r, fd, begin_ms, 2000000, discontinuity);
	close(fd);
}

static const char *in_root(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static void assert_text(const char *name, const char *wanted)
{
	char text[2000];
	FILE *from = fopen(in_root(name), "r");

	assert_non_null(from);
	text[fread(text, 1, sizeof(text) - 1, from)] = 0;
	fclose(from);
	assert_string_equal(text, wanted);
}

#define HEAD(number) \
	"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-MEDIA-SEQUENCE:" number "\n#EXT-X-TARGETDURATION:2\n"
#define BREAKS(n)     "#EXT-X-DISCONTINUITY-SEQUENCE:" n "\n"
#define SEGMENT(name) "#EXTINF:2.000,\n" name ".ts\n"

static void test_the_playlist_holds_the_newest(void **state)
{
	struct reel *r = open_reel(2);

	put(r, "one", 1543895706266, false);
	assert_text("1543895706266.ts", "one");
	assert_text("playlist.m3u8", HEAD("0") BREAKS("0") SEGMENT("1543895706266"));
	put(r, "two", 1543895708266, false);
	put(r, "three", 1543895710266, true);
	assert_text("playlist.m3u8",
		    HEAD("1") BREAKS("0") SEGMENT("1543895708266") "#EXT-X-DISCONTINUITY\n" SEGMENT(
			    "1543895710266"));
	assert_text(".index", "1543895706266 0002000000 00000000\n"
			      "1543895708266 0002000000 00000000\n"
			      "1543895710266 0002000000 00000001\n");
	assert_int_equal(reel_stats(r)->files, 3);
	reel_close(r);
}

static void test_the_next_run_goes_on_behind_a_discontinuity(void **state)
{
	struct reel *r = open_reel(3);

	put(r, "one", 1543895706266, false);
	reel_close(r);
	r = open_reel(3);
	/* The clock was set back meanwhile. */
	put(r, "two", 1543895706000, false);
	assert_text("playlist.m3u8",
		    HEAD("0") BREAKS("0") SEGMENT("1543895706266") "#EXT-X-DISCONTINUITY\n" SEGMENT(
			    "1543895706267"));
	reel_close(r);
}

static void test_what_was_deleted_is_not_shown_again(void **state)
{
	struct reel *r = open_reel(3);

	put(r, "one", 1543895706266, false);
	put(r, "two", 1543895708266, false);
	reel_close(r);
	unlink(in_root("1543895706266.ts"));
	r = open_reel(3);
	put(r, "three", 1543895710266, false);
	assert_text("playlist.m3u8",
		    HEAD("1") BREAKS("0") SEGMENT("1543895708266") "#EXT-X-DISCONTINUITY\n" SEGMENT(
			    "1543895710266"));
	reel_close(r);
}

static void test_half_a_line_is_cut_off(void **state)
{
	struct reel *r = open_reel(3);
	int fd;

	put(r, "one", 1543895706266, false);
	reel_close(r);
	fd = open(in_root(".index"), O_WRONLY | O_APPEND);
	must(fd >= 0 && write(fd, "15438957", 8) == 8);
	close(fd);
	r = open_reel(3);
	put(r, "two", 1543895708266, false);
	assert_text(".index", "1543895706266 0002000000 00000000\n"
			      "1543895708266 0002000000 00000001\n");
	reel_close(r);
}

static void test_one_writer_at_a_time(void **state)
{
	struct reel *r = open_reel(3);
	int error;

	assert_null(reel_open(root, "playlist.m3u8", 3, &error));
	assert_int_equal(error, -EWOULDBLOCK);
	reel_close(r);
}

static void test_a_segment_that_could_not_be_kept_leaves_a_discontinuity(void **state)
{
	struct reel *r = open_reel(3);

	put(r, "one", 1543895706266, false);
	reel_put(r, -1, 1543895708266, 2000000, false);
	put(r, "three", 1543895710266, false);
	assert_int_equal(reel_stats(r)->failed, 1);
	assert_text("playlist.m3u8",
		    HEAD("0") BREAKS("0") SEGMENT("1543895706266") "#EXT-X-DISCONTINUITY\n" SEGMENT(
			    "1543895710266"));
	reel_close(r);
}

static void test_a_time_is_found(void **state)
{
	struct reel *r = open_reel(1);
	struct segline l[2000];
	int fd;

	put(r, "x", 1543895706000, false);
	reel_close(r);
	fd = segindex_write_open(root);
	must(fd >= 0);
	for (int i = 1; i < 1200; i++)
		must(!segindex_add(fd, &(struct segline){1543895706000 + i * 2000, 2000000, 0}));
	assert_int_equal(segindex_count(fd), 1200);
	assert_int_equal(segindex_lines(fd, 0, l, 2000), 1200);
	assert_int_equal(l[1199].begin_ms, 1543895706000 + 1199 * 2000);
	assert_int_equal(segindex_find(fd, 0), 0);
	assert_int_equal(segindex_find(fd, 1543895706000 + 2000), 1);
	assert_int_equal(segindex_find(fd, 1543895706000 + 700 * 2000 + 1), 700);
	assert_int_equal(segindex_find(fd, 1543895706000 + 1200 * 2000), 1200);
	close(fd);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, make_root, remove_root)
	static const struct CMUnitTest tests[] = {
		T(test_the_playlist_holds_the_newest),
		T(test_the_next_run_goes_on_behind_a_discontinuity),
		T(test_what_was_deleted_is_not_shown_again),
		T(test_half_a_line_is_cut_off),
		T(test_one_writer_at_a_time),
		T(test_a_segment_that_could_not_be_kept_leaves_a_discontinuity),
		T(test_a_time_is_found),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
