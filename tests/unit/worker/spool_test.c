/* SPDX-License-Identifier: Apache-2.0 */
/* Segments that wait for a disk: in order, whole, and what is too much is left out and said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "controlplane/worker/spool.h"

#define BEGIN_MS 1543895706266
#define LONG_US	 20000000

static char root[64];

static int make_root(void **state)
{
	snprintf(root, sizeof(root), "/tmp/millrace-spool.XXXXXX");
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

static const char *in_root(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static struct spool *open_spool(void)
{
	int error;
	struct reel *r = reel_open(root, "playlist.m3u8", 100, &error);

	assert_non_null(r);
	return spool_new(r);
}

static void put(struct spool *s, int64_t number, off_t bytes)
{
	int fd = memfd_create("object", MFD_CLOEXEC);

	must(fd >= 0 && !ftruncate(fd, bytes));
	spool_put(s, fd, BEGIN_MS + number * 1000, 1000000, false);
	close(fd);
}

static unsigned count(const char *name, const char *word)
{
	char text[20000];
	FILE *from = fopen(in_root(name), "r");
	unsigned n = 0;

	assert_non_null(from);
	text[fread(text, 1, sizeof(text) - 1, from)] = 0;
	fclose(from);
	for (const char *p = text; (p = strstr(p, word)); p++)
		n++;
	return n;
}

/*
 * The disk stands still: the part that a reel writes is a pipe that nobody reads, and its writer waits
 * in open() until somebody does.
 */
static void stop_disk(void)
{
	must(!mkfifo(in_root(".part"), 0600));
}

/* It goes on: the pipe has a reader, cannot be synced, and is removed by the writer. Close what it is. */
static int go_on(void)
{
	int fd = open(in_root(".part"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	must(fd >= 0);
	return fd;
}

static void test_all_is_written_in_order(void **state)
{
	struct spool *s = open_spool();

	for (int i = 0; i < 20; i++)
		put(s, i, 1000);
	spool_drain(s, LONG_US);
	assert_int_equal(spool_stats(s).files, 20);
	assert_int_equal(spool_stats(s).failed, 0);
	assert_int_equal(count("playlist.m3u8", "EXTINF"), 20);
	assert_int_equal(count("playlist.m3u8", "DISCONTINUITY\n"), 0);
	spool_free(s);
}

static void
test_a_disk_that_stands_still_holds_nobody_up_and_what_is_too_much_is_left_out(void **state)
{
	struct spool *s = open_spool();
	int fd;

	put(s, 0, 1000);
	spool_drain(s, LONG_US);
	spool_free(s);
	s = open_spool();
	stop_disk();
	put(s, 1, 1000); /* the one that the writer is stuck with */
	for (int i = 2; i < 12; i++)
		put(s, i, SPOOL_BYTES / 8);
	assert_int_equal(spool_stats(s).failed, 3);
	assert_int_equal(spool_stats(s).error, -ETIMEDOUT);
	assert_int_equal(count("playlist.m3u8", "EXTINF"), 1);
	fd = go_on();
	while (spool_stats(s).files < 7)
		poll(NULL, 0, 1);
	put(s, 12, 1000);
	spool_drain(s, LONG_US);
	close(fd);
	assert_int_equal(spool_stats(s).files, 8);
	assert_int_equal(spool_stats(s).failed, 4); /* and what was written into the pipe */
	/* Behind the first run, and where three are missing. */
	assert_int_equal(count("playlist.m3u8", "EXTINF"), 9);
	assert_int_equal(count("playlist.m3u8", "DISCONTINUITY\n"), 2);
	spool_free(s);
}

static void test_what_cannot_be_written_in_time_is_given_up_and_counted(void **state)
{
	struct spool *s = open_spool();
	int fd;

	stop_disk();
	for (int i = 0; i < 3; i++)
		put(s, i, 1000);
	spool_drain(s, 1000);
	assert_in_range(spool_stats(s).failed, 2, 3);
	fd = go_on();
	spool_drain(s, LONG_US);
	spool_free(s);
	close(fd);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, make_root, remove_root)
	static const struct CMUnitTest tests[] = {
		T(test_all_is_written_in_order),
		T(test_a_disk_that_stands_still_holds_nobody_up_and_what_is_too_much_is_left_out),
		T(test_what_cannot_be_written_in_time_is_given_up_and_counted),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
