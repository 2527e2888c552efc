/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "session/listeners.h"

static const struct session_ops one = {.protocol = "one"}, two = {.protocol = "two"};

static void test_every_core_gets_a_socket_of_the_same_port(void **state)
{
	struct session_listener at[3][SESSION_LISTENERS_MAX];
	union net_addr a;
	struct listeners l;
	char text[512];

	listeners_init(&l, 3);
	assert_int_equal(
		listeners_add(&l, "k", "127.0.0.1:0 127.0.0.2:0", &one, text, sizeof(text)), 0);
	assert_int_equal(listeners_add(&l, "other", "127.0.0.1:0", &two, text, sizeof(text)), 0);
	for (unsigned core = 0; core < 3; core++) {
		assert_int_equal(listeners_take(&l, core, at[core]), 3);
		assert_ptr_equal(at[core][1].ops, &one);
		assert_ptr_equal(at[core][2].ops, &two);
		assert_int_equal(net_listener_address(at[core][0].fd, &a), 0);
		assert_int_not_equal(a.in.sin_port, 0);
		assert_int_equal(a.in.sin_port, l.one[0].at.in.sin_port);
	}
	listeners_text(&l, "k", text, sizeof(text));
	assert_non_null(strstr(text, "127.0.0.1:"));
	assert_non_null(strstr(text, " 127.0.0.2:"));
	for (unsigned core = 0; core < 3; core++)
		for (unsigned i = 0; i < 3; i++)
			close(at[core][i].fd);
	listeners_fini(&l);
}

static void test_a_taken_port_names_key_and_address(void **state)
{
	struct listeners l, other;
	char text[512], address[NET_ADDR_TEXT];

	listeners_init(&l, 1);
	assert_int_equal(listeners_add(&l, "k", "127.0.0.1:0", &one, text, sizeof(text)), 0);
	listeners_text(&l, "k", address, sizeof(address));
	listeners_init(&other, 2);
	assert_true(listeners_add(&other, "rtmp.listen", address, &one, text, sizeof(text)) < 0);
	assert_non_null(strstr(text, "rtmp.listen"));
	assert_non_null(strstr(text, address));
	assert_non_null(strstr(text, "choose another port"));
	listeners_fini(&other);
	listeners_fini(&l);
}

static void test_an_address_of_another_machine_is_refused(void **state)
{
	struct listeners l;
	char text[512];

	listeners_init(&l, 1);
	assert_true(listeners_add(&l, "k", "192.0.2.1:9", &one, text, sizeof(text)) < 0);
	assert_non_null(strstr(text, "no such address"));
	listeners_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_core_gets_a_socket_of_the_same_port),
		cmocka_unit_test(test_a_taken_port_names_key_and_address),
		cmocka_unit_test(test_an_address_of_another_machine_is_refused),
	};

	return cmocka_run_group_tests_name("session/listeners", tests, NULL, NULL);
}
