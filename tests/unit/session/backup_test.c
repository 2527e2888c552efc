/* SPDX-License-Identifier: Apache-2.0 */
/* Encoders that stand by, on one core; across cores: tests/e2e/multi_stream.bats. */
#include "tests/unit/session/rtmp_peer.h"

#include "session/auth_remote.h"
#include "session/backup.h"
#include "session/blocks.h"
#include "session/domains.h"
#include "session/event_queue.h"

#define KEY "default/live/a"

static int up(void **state)
{
	struct node *n = node_new();
	json_t *o = json_loads("{\"type\":\"ingest\",\"backup\":{\"on\":true}}", 0, NULL);
	struct ctl_error e;
	int r;

	*state = n;
	if (event_queue_open() || domains_start(&n->engine, "/nonexistent/domains.json", false))
		return -1;
	r = domains_set("default", o, &e);
	json_decref(o);
	return r;
}

static int down(void **state)
{
	struct node *n = *state;

	event_queue_close();
	event_queue_lost();
	core_turn(&n->core, n->now_us);
	quiet_sleep(&n->quiet, 0);
	auth_remote_fini();
	domains_fini();
	blocks_fini();
	node_free(n);
	return 0;
}

/* Metadata so short that its buffer is larger than it: to be kept as it is. */
static void headers(struct rtmp_peer *r, int64_t ts_ms)
{
	static const uint8_t data[] = {2,   0,	 10,  'o', 'n', 'M', 'e', 't', 'a',
				       'D', 'a', 't', 'a', 3,	0,   0,	  9};

	rtmp_peer_msg(r, MSG_DATA, 1, ts_ms, data, sizeof(data));
	rtmp_peer_gop(r, ts_ms, true);
}

static bool is_master(unsigned sequence)
{
	json_t *list = backup_list(KEY), *one;
	bool is = false;
	size_t i;

	json_array_foreach (list, i, one)
		if (json_integer_value(json_object_get(one, "sequence")) == sequence)
			is = json_is_true(json_object_get(one, "master"));
	json_decref(list);
	return is;
}

static void test_C4_who_takes_over_replays_the_headers_that_it_keeps(void **state)
{
	struct node *n = *state;
	struct rtmp_peer first, second;
	struct stream *s;

	rtmp_peer_publish(&first, n, "a");
	rtmp_peer_publish(&second, n, "a");
	headers(&first, 0);
	headers(&second, 0);
	for (unsigned turn = 0; turn < 3; turn++) {
		unsigned next = turn % 2 ? 1 : 2;

		assert_true(backup_switch(KEY, next));
		rtmp_peer_gop(next == 1 ? &first : &second, 100 * (turn + 1), false);
		node_until(n, is_master(next));
	}
	s = stream_find(n->engine.registry, KEY);
	assert_non_null(s);
	assert_int_equal(shm_get(&s->shm->video_codec), CODEC_H264);
	stream_put(s, &n->core);
	rtmp_peer_close(&second);
	rtmp_peer_close(&first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_C4_who_takes_over_replays_the_headers_that_it_keeps, up, down),
	};

	return cmocka_run_group_tests_name("session/backup", tests, NULL, NULL);
}
