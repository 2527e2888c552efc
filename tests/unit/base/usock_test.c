/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/usock.h"

struct place {
	char dir[64], path[128];
};

static int setup(void **state)
{
	struct place *at = calloc(1, sizeof(*at));

	strcpy(at->dir, "/tmp/usock_test.XXXXXX");
	if (!mkdtemp(at->dir))
		return -1;
	snprintf(at->path, sizeof(at->path), "%s/s", at->dir);
	*state = at;
	return 0;
}

static int teardown(void **state)
{
	struct place *at = *state;

	unlink(at->path);
	rmdir(at->dir);
	free(at);
	return 0;
}

static void test_packets_keep_their_bounds_and_carry_a_descriptor(void **state)
{
	struct place *at = *state;
	int listener = usock_listen(at->path), client = usock_connect(at->path);
	int server = usock_accept(listener), got, ends[2];
	char text[64];

	assert_true(listener >= 0 && client >= 0 && server >= 0);
	assert_int_equal(usock_recv(server, text, sizeof(text), &got), -EAGAIN);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(usock_send(client, "one", 3, -1), 3);
	assert_int_equal(usock_send(client, "two!", 4, ends[1]), 4);
	close(ends[1]);

	assert_int_equal(usock_recv(server, text, sizeof(text), &got), 3);
	assert_int_equal(got, -1);
	assert_int_equal(usock_recv(server, text, sizeof(text), &got), 4);
	assert_memory_equal(text, "two!", 4);
	assert_true(got >= 0);
	assert_true(fcntl(got, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(got, "x", 1), 1);
	assert_int_equal(read(ends[0], text, 1), 1);
	close(got);
	close(ends[0]);

	close(client);
	assert_int_equal(usock_recv(server, text, sizeof(text), &got), 0);
	assert_int_equal(usock_send(server, "late", 4, -1), -EPIPE);
	close(server);
	close(listener);
}

static void test_a_packet_that_is_too_long_is_lost_alone(void **state)
{
	struct place *at = *state;
	int listener = usock_listen(at->path), client = usock_connect(at->path);
	int server = usock_accept(listener), got;
	char text[8];

	assert_int_equal(usock_send(client, "123456789", 9, 0), 9);
	assert_int_equal(usock_send(client, "12345678", 8, -1), 8);
	assert_int_equal(usock_recv(server, text, sizeof(text), &got), -EMSGSIZE);
	assert_int_equal(got, -1);
	assert_int_equal(usock_recv(server, text, sizeof(text), &got), 8);
	close(client);
	close(server);
	close(listener);
}

static void test_a_slow_reader_gives_EAGAIN(void **state)
{
	struct place *at = *state;
	int listener = usock_listen(at->path), client = usock_connect(at->path);
	int server = usock_accept(listener);
	static const char packet[4096];
	ssize_t rc;

	do {
		rc = usock_send(client, packet, sizeof(packet), -1);
	} while (rc > 0);
	assert_int_equal(rc, -EAGAIN);
	close(client);
	close(server);
	close(listener);
}

static void test_the_file_is_for_the_owner_only(void **state)
{
	struct place *at = *state;
	mode_t old = umask(0);
	int listener = usock_listen(at->path);
	struct stat st;

	umask(old);
	assert_true(listener >= 0);
	assert_int_equal(stat(at->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	close(listener);
}

static void test_a_stale_file_is_replaced_and_a_live_one_is_not(void **state)
{
	struct place *at = *state;
	int first = usock_listen(at->path), second;

	assert_int_equal(usock_listen(at->path), -EADDRINUSE);
	close(first); /* the file stays, as after a crash */
	assert_int_equal(usock_connect(at->path), -ECONNREFUSED);
	second = usock_listen(at->path);
	assert_true(second >= 0);
	close(second);
}

static void test_other_files_are_left_alone(void **state)
{
	struct place *at = *state;
	int fd = open(at->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	struct stat st;

	close(fd);
	assert_int_equal(usock_listen(at->path), -ENOTSOCK);
	assert_int_equal(stat(at->path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void test_names_that_cannot_be(void **state)
{
	char longest[256];

	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	longest[0] = '/';
	assert_int_equal(usock_listen(longest), -ENAMETOOLONG);
	assert_int_equal(usock_connect(longest), -ENAMETOOLONG);
	assert_int_equal(usock_connect(""), -EINVAL);
	assert_int_equal(usock_connect("/nonexistent/s"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_packets_keep_their_bounds_and_carry_a_descriptor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_packet_that_is_too_long_is_lost_alone, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_slow_reader_gives_EAGAIN, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_file_is_for_the_owner_only, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_stale_file_is_replaced_and_a_live_one_is_not,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_files_are_left_alone, setup, teardown),
		cmocka_unit_test(test_names_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
