/* SPDX-License-Identifier: Apache-2.0 */
/* Who may publish to a live channel; playlists of what it recorded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/segindex.h"
#include "controlplane/channel_vod.h"
#include "controlplane/channels.h"

static const struct creds creds = {"id", "testsecretkey0123456789"};

static void assert_refused(const char *params, enum bucket_acl acl, int64_t now_s, const char *code)
{
	const char *text;
	const char *got =
		channel_refusal(params, "examplebucket", "test-channel", acl, &creds, now_s, &text);

	if (!code) {
		assert_null(got);
		return;
	}
	assert_non_null(got);
	assert_string_equal(got, code);
	assert_true(*text);
}

#define SIGNED                                                                             \
	"OSSAccessKeyId=id&Expires=1472201595&Signature=Wo8x2X0s1z6G%2FpjhcydDA9HadJk%3D&" \
	"playlistName=playlist.m3u8"

static void test_the_worked_example_of_a_signed_url(void **state)
{
	assert_refused(SIGNED, BUCKET_PRIVATE, 1472201594, NULL);
	assert_refused("vhost=examplebucket&" SIGNED, BUCKET_PRIVATE, 1472201594, NULL);
	assert_refused(SIGNED, BUCKET_PUBLIC_READ, 1472201596, "0002-00000805");
	assert_refused(SIGNED "&more=1", BUCKET_PRIVATE, 1472201594, "0002-00000807");
}

static void test_nobody_publishes_to_a_bucket_that_is_not_public(void **state)
{
	assert_refused("", BUCKET_PRIVATE, 1, "AccessDenied");
	assert_refused("", BUCKET_PUBLIC_READ, 1, "AccessDenied");
	assert_refused("", BUCKET_PUBLIC_WRITE, 1, NULL);
	assert_refused("OSSAccessKeyId=other", BUCKET_PRIVATE, 1, "InvalidAccessKeyId");
	assert_refused("OSSAccessKeyId=id", BUCKET_PRIVATE, 1, "0002-00000803");
	assert_refused("a=1&a=2", BUCKET_PUBLIC_WRITE, 1, "InvalidArgument");
	assert_refused("playlistName=..%2Fx.m3u8", BUCKET_PUBLIC_WRITE, 1, "InvalidArgument");
}

static void test_the_playlist_of_a_url(void **state)
{
	char name[129];

	channel_playlist(name, "a=1&playlistName=x.m3u8", "playlist.m3u8");
	assert_string_equal(name, "x.m3u8");
	channel_playlist(name, "playlistName=x.txt", "playlist.m3u8");
	assert_string_equal(name, "playlist.m3u8");
	channel_playlist(name, "%", "playlist.m3u8");
	assert_string_equal(name, "playlist.m3u8");
}

static void test_ranges(void **state)
{
	static const struct {
		const char *start, *end, *ec;
	} cases[] = {
		{"", "2", "-00000304"},	   {"x", "2", "-00000304"}, {"-1", "2", "-00000304"},
		{"1", "", "-00000305"},	   {"2", "2", "-00000306"}, {"1", "86402", "-00000307"},
		{"1", "9e9", "-00000305"}, {"1", "86401", NULL},
	};
	struct refusal r;
	int64_t start, end;

	for (size_t i = 0; i < array_len(cases); i++) {
		assert_int_equal(vod_range(cases[i].start, cases[i].end, &start, &end, &r),
				 !cases[i].ec);
		if (cases[i].ec)
			assert_non_null(strstr(r.message, cases[i].ec));
	}
}

static int on_path(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void test_a_playlist_of_what_overlaps_and_is_there(void **state)
{
	char root[] = "/tmp/millrace-vod.XXXXXX", path[100], name[SEGINDEX_NAME], *text;
	struct refusal r;
	size_t n;
	int fd;

	must(mkdtemp(root));
	assert_null(vod_playlist(root, 1000, 2000, &n, &r));
	assert_non_null(strstr(r.message, "-00000308"));
	fd = segindex_write_open(root);
	must(fd >= 0);
	for (int i = 0; i < 5; i++) {
		struct segline l = {1000000 + i * 2000, 2000000, 0};

		must(!segindex_add(fd, &l));
		snprintf(path, sizeof(path), "%s/%s", root, segindex_name(name, l.begin_ms));
		if (i != 2)
			close(open(path, O_CREAT | O_WRONLY, 0600));
	}
	close(fd);
	text = vod_playlist(root, 1003, 1008, &n, &r);
	assert_non_null(text);
	assert_string_equal(text, "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-MEDIA-SEQUENCE:0\n"
				  "#EXT-X-TARGETDURATION:2\n#EXTINF:2.000,\n1002000.ts\n"
				  "#EXT-X-DISCONTINUITY\n#EXTINF:2.000,\n1006000.ts\n"
				  "#EXT-X-ENDLIST\n");
	assert_int_equal(n, strlen(text));
	free(text);
	assert_null(vod_playlist(root, 1010, 1020, &n, &r));
	nftw(root, on_path, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_worked_example_of_a_signed_url),
		cmocka_unit_test(test_nobody_publishes_to_a_bucket_that_is_not_public),
		cmocka_unit_test(test_the_playlist_of_a_url),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_a_playlist_of_what_overlaps_and_is_there),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
