/* SPDX-License-Identifier: Apache-2.0 */
/* Runs in hls.folder: playlists, files that appear whole, retention (interop L2, L5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include "base/check.h"
#include "controlplane/worker/archive_run.h"

static char root[64];

static int make_root(void **state)
{
	snprintf(root, sizeof(root), "/tmp/millrace-archive.XXXXXX");
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

static int object(const char *text)
{
	int fd = memfd_create("object", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	return fd;
}

static void text_of(char *dst, size_t n, const struct archive_run *r, const char *name)
{
	char path[1800];
	FILE *from;

	snprintf(path, sizeof(path), "%s/%s", r->folder, name);
	from = fopen(path, "r");
	assert_non_null(from);
	dst[fread(dst, 1, n - 1, from)] = 0;
	fclose(from);
}

static bool there(const struct archive_run *r, const char *name)
{
	char path[1800];

	snprintf(path, sizeof(path), "%s/%s", r->folder, name);
	return !access(path, F_OK);
}

static void begin(struct archive_run *r, const char *stream)
{
	*r = (struct archive_run){.target_ms = 4000};
	assert_int_equal(archive_run_begin(r, root, stream, 17, 1769860800123), 0);
}

static void put(struct archive_run *r, int64_t seq, bool discontinuity)
{
	struct archive_segment s = {.seq = seq,
				    .duration_us = 4004000,
				    .pdt_ms = 1769860800123 + (seq - 17) * 4004,
				    .discontinuity = discontinuity};
	uint64_t bytes = 0;
	int fd = object("segment");

	assert_int_equal(archive_run_put(r, &s, fd, &bytes), 0);
	assert_int_equal(bytes, 7);
	close(fd);
}

static void test_a_run_is_an_event_and_then_a_recording(void **state)
{
	struct archive_run r;
	char text[2000];

	begin(&r, "default/live/a");
	assert_non_null(strstr(r.folder, "/default/live/a/20260131T120000Z-17"));
	put(&r, 17, true);
	put(&r, 18, false);
	text_of(text, sizeof(text), &r, "index.m3u8");
	assert_string_equal(text, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n"
				  "#EXT-X-MEDIA-SEQUENCE:17\n#EXT-X-PLAYLIST-TYPE:EVENT\n"
				  "#EXT-X-PROGRAM-DATE-TIME:2026-01-31T12:00:00.123Z\n"
				  "#EXTINF:4.004000,\n17.ts\n#EXTINF:4.004000,\n18.ts\n");
	/* One was not kept: what follows is no continuation (L2). */
	put(&r, 20, false);
	assert_int_equal(archive_run_end(&r), 0);
	text_of(text, sizeof(text), &r, "index.m3u8");
	assert_non_null(strstr(text, "#EXT-X-PLAYLIST-TYPE:VOD\n"));
	assert_non_null(strstr(text, "18.ts\n#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:"));
	assert_non_null(strstr(text, "20.ts\n#EXT-X-ENDLIST\n"));
	text_of(text, sizeof(text), &r, "18.ts");
	assert_string_equal(text, "segment");
	assert_false(there(&r, ".part"));
	archive_run_fini(&r);
}

static void test_sections_and_keys_stand_before_what_they_are_for(void **state)
{
	struct archive_run r = {.target_ms = 2000};
	struct archive_entry e[3] = {
		{.s = {.seq = 1, .duration_us = 2000000, .init = 1, .key = 2, .fmp4 = true}},
		{.s = {.seq = 2, .duration_us = 2000000, .init = 1, .key = 2, .fmp4 = true}},
		{.s = {.seq = 3,
		       .duration_us = 2000000,
		       .init = 2,
		       .fmp4 = true,
		       .discontinuity = true}},
	};
	char *text = NULL;
	size_t n;
	FILE *to = open_memstream(&text, &n);

	TAILQ_INIT(&r.entries);
	for (size_t i = 0; i < array_len(e); i++) {
		memset(e[i].s.iv, '0', 32);
		TAILQ_INSERT_TAIL(&r.entries, &e[i], link);
	}
	archive_playlist(to, &r, true);
	fclose(to);
	assert_non_null(strstr(
		text, "#EXT-X-MAP:URI=\"init-1.mp4\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"key-2\""));
	assert_non_null(strstr(
		text,
		"#EXT-X-DISCONTINUITY\n#EXT-X-KEY:METHOD=NONE\n#EXT-X-MAP:URI=\"init-2.mp4\"\n"));
	free(text);
}

static void test_what_is_too_old_goes_and_the_playlist_says_it(void **state)
{
	struct archive_run r;
	char text[2000];

	begin(&r, "default/live/b");
	for (int64_t seq = 17; seq < 21; seq++)
		put(&r, seq, false);
	archive_run_shorten(&r, 1769860800123 + 2 * 4004);
	put(&r, 21, false);
	text_of(text, sizeof(text), &r, "index.m3u8");
	assert_non_null(strstr(text, "#EXT-X-MEDIA-SEQUENCE:19\n#EXT-X-PROGRAM"));
	assert_false(there(&r, "18.ts"));
	assert_true(there(&r, "19.ts"));
	archive_run_fini(&r);
}

static void test_a_sweep_removes_old_runs_and_no_others(void **state)
{
	struct utimbuf old = {1000, 1000};
	struct archive_run gone, kept;
	char path[1800];

	begin(&gone, "default/live/gone");
	put(&gone, 17, false);
	begin(&kept, "default/live/kept");
	put(&kept, 17, false);
	snprintf(path, sizeof(path), "%s/index.m3u8", gone.folder);
	assert_int_equal(utime(path, &old), 0);
	archive_sweep(root, 2000);
	assert_int_not_equal(access(gone.folder, F_OK), 0);
	assert_true(there(&kept, "17.ts"));
	archive_run_fini(&gone);
	archive_run_fini(&kept);
}

static void test_U4_no_name_leads_out_of_the_folder(void **state)
{
	struct archive_run r;

	begin(&r, "default/../..//etc");
	assert_non_null(strstr(r.folder, "/default/_../_.."));
	assert_null(strstr(r.folder, "/../"));
	archive_run_fini(&r);
}

static void test_a_folder_that_is_gone_is_an_error_not_an_end(void **state)
{
	struct archive_segment s = {.seq = 18, .duration_us = 1};
	struct archive_run r;
	uint64_t bytes = 0;
	int fd = object("x");

	begin(&r, "default/live/c");
	snprintf(r.folder, sizeof(r.folder), "/proc/nowhere");
	assert_true(archive_run_put(&r, &s, fd, &bytes) < 0);
	assert_int_equal(bytes, 0);
	close(fd);
	archive_run_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_run_is_an_event_and_then_a_recording),
		cmocka_unit_test(test_sections_and_keys_stand_before_what_they_are_for),
		cmocka_unit_test(test_what_is_too_old_goes_and_the_playlist_says_it),
		cmocka_unit_test(test_a_sweep_removes_old_runs_and_no_others),
		cmocka_unit_test(test_U4_no_name_leads_out_of_the_folder),
		cmocka_unit_test(test_a_folder_that_is_gone_is_an_error_not_an_end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_root, remove_root);
}
