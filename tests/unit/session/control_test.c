/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket from outside: its thread is the real one, the core is turned by the test. */
#include "tests/unit/session/remote.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "base/usock.h"
#include "session/control.h"

struct world {
	struct node *node;
	char folder[64], path[96];
	int fd; /* of the client */
	json_int_t id;
	json_t *event; /* the last one seen while waiting for an answer */
};

static json_t *receive(struct world *w, int *got_fd)
{
	static char text[CTL_PACKET_MAX];
	int got = -1;
	ssize_t n = 0;
	json_t *o;

	node_until(w->node, (n = usock_recv(w->fd, text, sizeof(text), &got)) != -EAGAIN);
	assert_true(n > 0);
	if (got_fd)
		*got_fd = got;
	else
		assert_int_equal(got, -1);
	o = json_loadb(text, (size_t)n, 0, NULL);
	assert_non_null(o);
	return o;
}

/* The answer to a request of that verb and these keys (a json_pack format without braces). */
static json_t *ask_fd(struct world *w, int *got_fd, const char *verb, json_t *keys)
{
	json_t *o = json_pack("{s:I, s:s}", "id", ++w->id, "verb", verb);
	char *text;

	json_object_update(o, keys);
	json_decref(keys);
	text = json_dumps(o, 0);
	json_decref(o);
	assert_int_equal(usock_send(w->fd, text, strlen(text), -1), strlen(text));
	free(text);
	while (true) {
		o = receive(w, got_fd);
		if (!json_object_get(o, "event"))
			break;
		json_decref(w->event);
		w->event = o;
	}
	assert_int_equal(json_integer_value(json_object_get(o, "id")), w->id);
	return o;
}

static json_t *ask(struct world *w, const char *verb, json_t *keys)
{
	return ask_fd(w, NULL, verb, keys);
}

/* "" for an answer without error, else its code. */
static const char *ask_code(struct world *w, const char *verb, json_t *keys)
{
	static char code[32];
	json_t *o = ask(w, verb, keys), *error = json_object_get(o, "error");

	assert_non_null(error);
	snprintf(code, sizeof(code), "%s",
		 json_is_null(error) ? "" : json_string_value(json_object_get(error, "code")));
	json_decref(o);
	return code;
}

static json_t *hello_keys(int version)
{
	return json_pack("{s:i, s:i, s:i}", "version", version, "reasons", REASON_MAX, "counters",
			 CTR_MAX);
}

static void say_hello(struct world *w)
{
	int fd = -1;
	json_t *o = ask_fd(w, &fd, "hello", hello_keys(CTL_VERSION));

	assert_true(json_is_null(json_object_get(o, "error")));
	assert_true(fd >= 0);
	close(fd);
	json_decref(o);
}

static int up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->node = node_new();
	relays_init(&w->node->engine);
	strcpy(w->folder, "/tmp/control_test.XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	snprintf(w->path, sizeof(w->path), "%s/dp.sock", w->folder);
	assert_int_equal(control_start(&w->node->engine, w->path, w->node->shm_fd, NULL, false), 0);
	w->fd = usock_connect(w->path);
	assert_true(w->fd >= 0);
	*state = w;
	return 0;
}

static int down(void **state)
{
	struct world *w = *state;

	control_stop();
	close(w->fd);
	node_free(w->node);
	relays_fini(NULL);
	assert_int_not_equal(access(w->path, F_OK), 0);
	rmdir(w->folder);
	json_decref(w->event);
	free(w);
	return 0;
}

/* ---- tests ---- */

static void test_the_socket_is_the_owners_alone(void **state)
{
	struct world *w = *state;
	struct stat st;

	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_hello_is_first_compares_contracts_and_hands_out_the_counters(void **state)
{
	struct world *w = *state;
	struct shm_head *head;
	int fd = -1;
	json_t *o;

	assert_string_equal(ask_code(w, "stream.list", json_object()), "not_ready");
	assert_string_equal(ask_code(w, "version", json_object()), "");
	assert_string_equal(ask_code(w, "hello", hello_keys(CTL_VERSION + 1)), "not_ready");
	assert_string_equal(ask_code(w, "stream.list", json_object()), "not_ready");
	o = ask_fd(w, &fd, "hello", hello_keys(CTL_VERSION));
	assert_int_equal(json_integer_value(json_object_get(o, "cores")), 1);
	json_decref(o);
	head = mmap(NULL, sizeof(*head), PROT_READ, MAP_SHARED, fd, 0);
	assert_true(head != MAP_FAILED);
	assert_int_equal(head->magic, SHM_MAGIC);
	munmap(head, sizeof(*head));
	close(fd);
}

static void test_bad_packets_get_an_answer_and_the_client_goes_on(void **state)
{
	struct world *w = *state;
	static char big[CTL_PACKET_MAX + 16];
	int room = 1 << 20;
	json_t *o;

	assert_int_equal(usock_send(w->fd, "nonsense", 8, -1), 8);
	o = receive(w, NULL);
	assert_true(json_is_null(json_object_get(o, "id")));
	assert_true(json_is_object(json_object_get(o, "error")));
	json_decref(o);
	setsockopt(w->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	memset(big, ' ', sizeof(big));
	assert_int_equal(usock_send(w->fd, big, sizeof(big), -1), sizeof(big));
	o = receive(w, NULL);
	assert_true(json_is_object(json_object_get(o, "error")));
	json_decref(o);
	say_hello(w);
}

static void publish(struct rtmp_peer *r, struct node *n)
{
	struct rtmp_cmd cmd;

	rtmp_peer_open(r, n);
	rtmp_peer_call(r, 0, rtmp_cmd_connect, 1, "live", "rtmp://127.0.0.1/live", true);
	rtmp_peer_expect(r, RTMP_CMD_RESULT, &cmd);
	rtmp_peer_call(r, 0, rtmp_cmd_create_stream, 2);
	rtmp_peer_expect(r, RTMP_CMD_RESULT, &cmd);
	rtmp_peer_call(r, 1, rtmp_cmd_publish, 3, "a");
	rtmp_peer_status(r, "status", "NetStream.Publish.Start");
}

static const char *event_text(const json_t *event, const char *key)
{
	const char *text = json_string_value(json_object_get(event, key));

	return text ? text : "";
}

static void test_a_stream_is_listed_shown_kicked_and_told_to_subscribers(void **state)
{
	struct world *w = *state;
	struct rtmp_peer r;
	json_t *o, *one;

	say_hello(w);
	assert_string_equal(ask_code(w, "subscribe", json_object()), "");
	publish(&r, w->node);
	o = receive(w, NULL);
	assert_string_equal(event_text(o, "event"), "stream.publish");
	assert_string_equal(event_text(o, "stream"), "default/live/a");
	assert_string_equal(event_text(o, "protocol"), "rtmp");
	json_decref(o);

	o = ask(w, "stream.list", json_object());
	one = json_array_get(json_object_get(o, "streams"), 0);
	assert_string_equal(event_text(one, "stream"), "default/live/a");
	assert_non_null(strstr(event_text(one, "publisher"), "127.0.0.1:"));
	json_decref(o);

	o = ask(w, "stream.show", json_pack("{s:s}", "stream", "live/a"));
	assert_string_equal(event_text(o, "protocol"), "rtmp");
	json_decref(o);
	assert_string_equal(ask_code(w, "stream.show", json_pack("{s:s}", "stream", "live/b")),
			    "not_found");
	assert_string_equal(ask_code(w, "stream.kick", json_pack("{s:s}", "stream", "live")),
			    "bad_field");
	assert_string_equal(ask_code(w, "stream.kick", json_pack("{s:s}", "stream", "live/a")), "");
	peer_until_eof(&r.peer);
	assert_int_equal(node_closes(w->node, REASON_KICKED), 1);
	assert_string_equal(ask_code(w, "stream.kick", json_pack("{s:s}", "stream", "live/a")),
			    "not_found");
	/* It came while the answers were awaited. */
	assert_string_equal(event_text(w->event, "event"), "stream.unpublish");
	assert_string_equal(event_text(w->event, "reason"), "kicked");
	rtmp_peer_close(&r);
}

static void test_a_viewer_is_listed_and_kicked_by_its_id(void **state)
{
	struct world *w = *state;
	struct rtmp_peer r;
	struct peer p;
	char id[20] = "";

	say_hello(w);
	publish(&r, w->node);
	peer_open(&p, w->node, 1);
	peer_send(&p, "GET /live/a.flv HTTP/1.1\r\nHost: x\r\n\r\n", 37);
	node_until(w->node, (peer_take(&p), p.in_n > 0));
	while (!id[0]) {
		json_t *o = ask(w, "viewer.list", json_pack("{s:s}", "stream", "live/a"));
		const json_t *one = json_array_get(json_object_get(o, "viewers"), 0);

		snprintf(id, sizeof(id), "%s", event_text(one, "id"));
		if (id[0])
			assert_string_equal(event_text(one, "protocol"), "http-flv");
		json_decref(o);
	}
	assert_string_equal(ask_code(w, "viewer.kick", json_pack("{s:s}", "viewer", "x")),
			    "bad_field");
	assert_string_equal(ask_code(w, "viewer.kick", json_pack("{s:s}", "viewer", "ffff00")),
			    "not_found");
	assert_string_equal(ask_code(w, "viewer.kick", json_pack("{s:s}", "viewer", id)), "");
	peer_until_eof(&p);
	assert_string_equal(ask_code(w, "viewer.kick", json_pack("{s:s}", "viewer", id)),
			    "not_found");
	peer_close(&p);
	rtmp_peer_close(&r);
}

static json_t *leg_keys(const char *leg, const char *stream, const char *url)
{
	return json_pack("{s:s, s:s, s:s}", "leg", leg, "stream", stream, "url", url);
}

static void test_relays_are_created_once_listed_and_removed(void **state)
{
	struct world *w = *state;
	json_t *o;

	say_hello(w);
	assert_string_equal(ask_code(w, "subscribe", json_object()), "");
	assert_string_equal(
		ask_code(w, "push.create", leg_keys("p", "live/a", "rtmp://127.0.0.1:1/a/b")), "");
	o = receive(w, NULL);
	assert_string_equal(event_text(o, "event"), "push.state");
	assert_string_equal(event_text(o, "state"), "waiting");
	json_decref(o);
	assert_string_equal(
		ask_code(w, "push.create", leg_keys("p", "live/a", "rtmp://127.0.0.1:1/a/b")), "");
	assert_string_equal(
		ask_code(w, "push.create", leg_keys("p", "live/a", "rtmp://127.0.0.1:1/a/c")),
		"conflict");
	assert_string_equal(
		ask_code(w, "pull.create", leg_keys("p", "live/a", "srt://127.0.0.1:9000")),
		"bad_field");
	assert_string_equal(
		ask_code(w, "pull.create", leg_keys("a/b", "live/a", "rtmp://127.0.0.1/a/c")),
		"bad_field");
	w->node->conf.limit_relays = 1;
	assert_string_equal(
		ask_code(w, "pull.create", leg_keys("q", "live/b", "rtmp://127.0.0.1:1/a/c")),
		"limit");
	o = ask(w, "push.list", json_object());
	assert_int_equal(json_array_size(json_object_get(o, "pushes")), 1);
	json_decref(o);
	assert_string_equal(ask_code(w, "push.remove", json_pack("{s:s}", "leg", "p")), "");
	assert_string_equal(ask_code(w, "push.remove", json_pack("{s:s}", "leg", "p")), "");
	o = ask(w, "push.list", json_object());
	assert_int_equal(json_array_size(json_object_get(o, "pushes")), 0);
	json_decref(o);
}

static void test_C17_drain_refuses_new_connections_until_it_is_off(void **state)
{
	struct world *w = *state;
	struct rtmp_peer r;

	say_hello(w);
	assert_string_equal(ask_code(w, "drain", json_pack("{s:b}", "on", 1)), "");
	assert_string_equal(ask_code(w, "drain", json_pack("{s:b}", "on", 0)), "");
	publish(&r, w->node);
	rtmp_peer_close(&r);
}

static void test_several_clients_are_served_and_one_that_leaves_harms_nobody(void **state)
{
	struct world *w = *state;
	int other[80], first = w->fd;

	say_hello(w);
	for (size_t i = 0; i < array_len(other); i++)
		other[i] = usock_connect(w->path);
	/* A place is free again as soon as its client has gone. */
	for (size_t i = 0; i < array_len(other); i++)
		close(other[i]);
	assert_string_equal(ask_code(w, "stream.list", json_object()), "");
	do {
		w->fd = usock_connect(w->path);
	} while (w->fd < 0);
	say_hello(w);
	close(w->fd);
	w->fd = first;
	assert_string_equal(ask_code(w, "stream.list", json_object()), "");
}

static void test_a_second_data_plane_cannot_take_the_socket(void **state)
{
	struct world *w = *state;

	assert_int_equal(usock_listen(w->path), -EADDRINUSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, up, down)
		T(test_the_socket_is_the_owners_alone),
		T(test_hello_is_first_compares_contracts_and_hands_out_the_counters),
		T(test_bad_packets_get_an_answer_and_the_client_goes_on),
		T(test_a_stream_is_listed_shown_kicked_and_told_to_subscribers),
		T(test_a_viewer_is_listed_and_kicked_by_its_id),
		T(test_relays_are_created_once_listed_and_removed),
		T(test_C17_drain_refuses_new_connections_until_it_is_off),
		T(test_several_clients_are_served_and_one_that_leaves_harms_nobody),
		T(test_a_second_data_plane_cannot_take_the_socket),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
