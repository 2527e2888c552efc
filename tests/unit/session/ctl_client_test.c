/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/usock.h"
#include "session/ctl_client.h"

struct pair {
	struct ctl_client c;
	int fd; /* the client's own end */
	json_t *id;
};

static int up(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd))
		return -1;
	ctl_client_open(&p->c, fd[0], 1);
	p->fd = fd[1];
	p->id = json_integer(7);
	*state = p;
	return 0;
}

static int down(void **state)
{
	struct pair *p = *state;

	ctl_client_close(&p->c);
	close(p->fd);
	json_decref(p->id);
	free(p);
	return 0;
}

/* The next packet, or NULL: none now. */
static json_t *take(struct pair *p, int *fd)
{
	static char text[CTL_PACKET_MAX];
	int got = -1;
	ssize_t n = usock_recv(p->fd, text, sizeof(text), &got);
	json_t *o;

	if (fd)
		*fd = got;
	else
		assert_int_equal(got, -1);
	if (n == -EAGAIN)
		return NULL;
	assert_true(n > 0);
	o = json_loadb(text, (size_t)n, 0, NULL);
	assert_non_null(o);
	return o;
}

static void test_an_answer_has_the_id_no_error_and_the_body(void **state)
{
	struct pair *p = *state;
	int sent = open("/dev/null", O_RDONLY | O_CLOEXEC), got;
	json_t *o;

	ctl_client_answer(&p->c, p->id, json_pack("{s:i}", "pid", 3), sent);
	close(sent);
	o = take(p, &got);
	assert_true(got >= 0);
	close(got);
	assert_int_equal(json_integer_value(json_object_get(o, "id")), 7);
	assert_true(json_is_null(json_object_get(o, "error")));
	assert_int_equal(json_integer_value(json_object_get(o, "pid")), 3);
	json_decref(o);
}

static void test_a_refusal_names_code_field_and_rule(void **state)
{
	struct pair *p = *state;
	struct ctl_error e;
	json_t *o, *error;

	ctl_error_set(&e, "bad_field", "url", "must be %s", "good");
	ctl_client_refuse(&p->c, NULL, &e);
	o = take(p, NULL);
	error = json_object_get(o, "error");
	assert_true(json_is_null(json_object_get(o, "id")));
	assert_string_equal(json_string_value(json_object_get(error, "code")), "bad_field");
	assert_string_equal(json_string_value(json_object_get(error, "field")), "url");
	assert_string_equal(json_string_value(json_object_get(error, "message")), "must be good");
	json_decref(o);
}

static void list_of(struct pair *p, size_t items, size_t bytes)
{
	json_t *list = json_array();
	char *text = malloc(bytes + 1);

	memset(text, 'x', bytes);
	text[bytes] = '\0';
	for (size_t i = 0; i < items; i++)
		json_array_append_new(list, json_pack("{s:i, s:s}", "n", (int)i, "text", text));
	free(text);
	ctl_client_list(&p->c, p->id, "streams", list);
}

/* Takes packets until one has no "more", sending on what is queued; number of packets. */
static unsigned list_take(struct pair *p, size_t items)
{
	unsigned packets = 0;
	size_t seen = 0;
	bool more = true;

	while (more) {
		json_t *o = take(p, NULL), *list;
		size_t i;
		json_t *item;

		if (!o) {
			assert_true(p->c.queued_n > 0);
			ctl_client_flush(&p->c);
			continue;
		}
		packets++;
		assert_int_equal(json_integer_value(json_object_get(o, "id")), 7);
		list = json_object_get(o, "streams");
		assert_true(json_is_array(list));
		json_array_foreach (list, i, item)
			assert_int_equal(json_integer_value(json_object_get(item, "n")), seen++);
		more = json_is_true(json_object_get(o, "more"));
		json_decref(o);
	}
	assert_int_equal(seen, items);
	assert_null(take(p, NULL));
	return packets;
}

static void test_a_long_list_is_split_into_packets_with_more(void **state)
{
	struct pair *p = *state;

	list_of(p, 0, 1);
	assert_int_equal(list_take(p, 0), 1);
	list_of(p, 3, 10);
	assert_int_equal(list_take(p, 3), 1);
	list_of(p, 1, CTL_PACKET_MAX - 200);
	assert_int_equal(list_take(p, 1), 1);
	for (size_t bytes = 650; bytes < 700; bytes++) {
		list_of(p, 1000, bytes);
		assert_true(list_take(p, 1000) > 5);
	}
}

static void test_while_answers_are_queued_the_next_request_waits(void **state)
{
	struct pair *p = *state;

	assert_true(ctl_client_ready(&p->c));
	list_of(p, 20000, 300);
	assert_true(p->c.queued_n > 0);
	assert_false(ctl_client_ready(&p->c));
	list_take(p, 20000);
	assert_int_equal(p->c.queued_n, 0);
	assert_true(ctl_client_ready(&p->c));
	p->c.asked = CTL_ASKED_MAX;
	assert_false(ctl_client_ready(&p->c));
}

static void test_a_slow_subscriber_loses_events_and_is_told_how_many(void **state)
{
	json_t *event = json_pack("{s:s, s:s}", "event", "stream.publish", "stream", "default/a/b");
	struct pair *p = *state;
	uint64_t sent = 0, seen = 0, lost = 0;
	json_t *o;

	while (p->c.lost < 5) {
		ctl_client_event(&p->c, event);
		sent++;
	}
	do {
		while ((o = take(p, NULL))) {
			const char *name = json_string_value(json_object_get(o, "event"));

			if (strcmp(name, "lost") == 0)
				lost += (uint64_t)json_integer_value(json_object_get(o, "count"));
			else
				seen++;
			json_decref(o);
		}
		if (!p->c.queued_n)
			break;
		ctl_client_flush(&p->c);
	} while (true);
	assert_int_equal(lost, 5);
	assert_int_equal(seen + lost, sent);
	assert_int_equal(p->c.lost, 0);
	json_decref(event);
}

static void test_a_client_that_is_gone_is_broken_not_deadly(void **state)
{
	struct pair *p = *state;

	close(p->fd);
	ctl_client_answer(&p->c, p->id, NULL, -1);
	assert_true(p->c.broken);
	p->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, up, down)
		T(test_an_answer_has_the_id_no_error_and_the_body),
		T(test_a_refusal_names_code_field_and_rule),
		T(test_a_long_list_is_split_into_packets_with_more),
		T(test_while_answers_are_queued_the_next_request_waits),
		T(test_a_slow_subscriber_loses_events_and_is_told_how_many),
		T(test_a_client_that_is_gone_is_broken_not_deadly),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
