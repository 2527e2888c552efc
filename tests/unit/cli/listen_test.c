/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "controlplane/cli/listen.h"

static void test_how_this_machine_reaches_a_listener(void **state)
{
	static const struct {
		const char *listen, *reach;
	} cases[] = {
		{"127.0.0.1:1935", "127.0.0.1:1935"}, {":1935", "127.0.0.1:1935"},
		{"0.0.0.0:80", "127.0.0.1:80"},	      {"[::]:80", "[::1]:80"},
		{"[fe80::1]:80", "[fe80::1]:80"},     {" host.example:1 :2", "host.example:1"},
	};
	char text[300];

	for (size_t i = 0; i < array_len(cases); i++) {
		listen_reach(cases[i].listen, text, sizeof(text));
		assert_string_equal(text, cases[i].reach);
	}
}

static void test_a_port_in_use_names_its_owner(void **state)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	socklen_t n = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char addresses[64], why[512], pid[32];

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
	snprintf(addresses, sizeof(addresses), " 127.0.0.1:0  127.0.0.1:%u", ntohs(sa.sin_port));
	assert_false(listen_free(addresses, "rtmp", why, sizeof(why)));
	snprintf(pid, sizeof(pid), "(pid %d)", (int)getpid());
	assert_non_null(strstr(why, " is in use by listen_test "));
	assert_non_null(strstr(why, pid));
	assert_non_null(strstr(why, "--rtmp ADDR:PORT"));
	close(fd);
	assert_true(listen_free(addresses, "rtmp", why, sizeof(why)));
}

static void test_an_address_of_another_machine_is_named(void **state)
{
	char why[512];

	assert_false(listen_free("192.0.2.1:0", "http", why, sizeof(why)));
	assert_memory_equal(why, "192.0.2.1:0: this machine has no such address", 45);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_how_this_machine_reaches_a_listener),
		cmocka_unit_test(test_a_port_in_use_names_its_owner),
		cmocka_unit_test(test_an_address_of_another_machine_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
