/* SPDX-License-Identifier: Apache-2.0 */
/* Playlists that are read again and again, from a file; time passes by moving the watch's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controlplane/worker/hlswatch.h"

struct world {
	char path[2][64];
	AVFormatContext *av;
	struct hlswatch w;
};

static void begin(struct world *x)
{
	for (int i = 0; i < 2; i++) {
		int fd;

		snprintf(x->path[i], sizeof(x->path[i]), "/tmp/hlswatch-test.XXXXXX");
		fd = mkstemp(x->path[i]);
		assert_true(fd >= 0);
		close(fd);
	}
	x->av = avformat_alloc_context();
	av_log_set_level(AV_LOG_QUIET);
	x->av->url = av_strdup("");
	hlswatch_begin(&x->w, x->av);
}

static void end(struct world *x)
{
	avformat_free_context(x->av);
	for (int i = 0; i < 2; i++)
		unlink(x->path[i]);
}

/* The file holds that text and is read to its end, a few bytes at a time. */
static void read_text(struct world *x, int file, const char *text)
{
	FILE *f = fopen(x->path[file], "w");
	unsigned char room[7];
	AVIOContext *pb = NULL;
	char url[80];

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	snprintf(url, sizeof(url), "file:%s", x->path[file]);
	assert_int_equal(x->av->io_open(x->av, &pb, url, AVIO_FLAG_READ, NULL), 0);
	while (avio_read(pb, room, sizeof(room)) > 0)
		;
	avio_close(pb);
}

static void pass(struct world *x, double seconds)
{
	x->w.changed_us -= (uint64_t)(seconds * 1e6);
}

#define LIST(sequence) "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:" sequence "\n"

static void test_a_playlist_that_stands_still_for_3_targets_is_stale(void **state)
{
	struct world x;

	begin(&x);
	read_text(&x, 0, LIST("7"));
	assert_int_equal(x.w.target_us, 4000000);
	pass(&x, 11);
	read_text(&x, 0, LIST("7"));
	assert_false(x.w.stale);
	pass(&x, 1.1);
	read_text(&x, 0, LIST("7"));
	assert_true(x.w.stale);
	assert_int_equal(x.w.changes, 0);
	end(&x);
}

static void test_one_that_changes_is_not_however_late_it_is_read(void **state)
{
	struct world x;

	begin(&x);
	read_text(&x, 0, LIST("7"));
	pass(&x, 60);
	read_text(&x, 0, LIST("8"));
	assert_false(x.w.stale);
	assert_int_equal(x.w.changes, 1);
	end(&x);
}

static void test_one_that_ends_is_not(void **state)
{
	struct world x;

	begin(&x);
	read_text(&x, 0, LIST("7") "#EXT-X-ENDLIST");
	pass(&x, 60);
	read_text(&x, 0, LIST("7") "#EXT-X-ENDLIST");
	assert_false(x.w.stale);
	end(&x);
}

static void test_several_are_told_apart_and_segments_are_not_looked_at(void **state)
{
	struct world x;

	begin(&x);
	read_text(&x, 0, LIST("7"));
	read_text(&x, 1, LIST("9"));
	pass(&x, 60);
	read_text(&x, 0, LIST("8"));
	read_text(&x, 1, LIST("9"));
	assert_false(x.w.stale);
	assert_int_equal(x.w.changes, 1);
	pass(&x, 60);
	read_text(&x, 1, "G" LIST("9"));
	assert_false(x.w.stale);
	read_text(&x, 0, LIST("8"));
	assert_true(x.w.stale);
	end(&x);
}

static void test_a_target_of_any_size_is_bounded(void **state)
{
	struct world x;

	begin(&x);
	read_text(&x, 0, "#EXTM3U\r\n#EXT-X-TARGETDURATION:-5\r\n");
	assert_int_equal(x.w.target_us, 1000000);
	read_text(&x, 0, "#EXTM3U\n#EXT-X-TARGETDURATION:99999999999999999999\n");
	assert_int_equal(x.w.target_us, 3600000000);
	end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_playlist_that_stands_still_for_3_targets_is_stale),
		cmocka_unit_test(test_one_that_changes_is_not_however_late_it_is_read),
		cmocka_unit_test(test_one_that_ends_is_not),
		cmocka_unit_test(test_several_are_told_apart_and_segments_are_not_looked_at),
		cmocka_unit_test(test_a_target_of_any_size_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
