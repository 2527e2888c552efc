/* SPDX-License-Identifier: Apache-2.0 */
/* A server that relay legs connect to: a listening socket on loopback, played by the test. */
#ifndef TESTS_UNIT_SESSION_REMOTE_H
#define TESTS_UNIT_SESSION_REMOTE_H

#include <netinet/in.h>
#include <stdio.h>

#include "session/event_queue.h"
#include "session/leg.h"
#include "session/relay.h"
#include "tests/unit/session/rtmp_peer.h"

struct remote {
	struct node *node;
	int fd;
	uint16_t port;
};

/* On a loopback address; false: this machine has none of that family. */
static inline bool remote_open_at(struct remote *r, struct node *n, const char *address)
{
	socklen_t len = sizeof(union net_addr);
	union net_addr at;

	assert_int_equal(net_addr_parse(&at, address), 0);
	*r = (struct remote){.node = n};
	r->fd = socket(at.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->fd < 0 || bind(r->fd, &at.sa, len)) {
		close(r->fd);
		return false;
	}
	assert_int_equal(listen(r->fd, 16), 0);
	assert_int_equal(getsockname(r->fd, &at.sa, &len), 0);
	r->port = ntohs(at.in.sin_port);
	return true;
}

static inline void remote_open(struct remote *r, struct node *n)
{
	assert_true(remote_open_at(r, n, "127.0.0.1:0"));
}

static inline void remote_close(struct remote *r)
{
	close(r->fd);
}

/* The next connection of a leg. */
static inline void remote_accept(struct remote *r, struct peer *p)
{
	int fd = -1;

	node_until(r->node, (fd = accept4(r->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0);
	*p = (struct peer){.node = r->node, .fd = fd};
}

/* The same with the RTMP handshake; messages are read and sent with the functions of rtmp_peer.h. */
static inline void remote_accept_rtmp(struct remote *r, struct rtmp_peer *out)
{
	static const uint8_t noise[RTMP_HS_HALF];
	struct peer *p = &out->peer;
	struct rtmp_hs hs;

	memset(out, 0, sizeof(*out));
	out->mem.max = 64 << 20;
	rtmp_in_init(&out->in, &out->mem, 1 << 24, 64);
	remote_accept(r, p);
	rtmp_hs_server(&hs, noise, 0);
	while (!rtmp_hs_done(&hs)) {
		int taken;

		node_until(p->node, peer_take(p));
		assert_false(p->eof);
		taken = rtmp_hs_feed(&hs, p->in + p->read_n, p->in_n - p->read_n);
		assert_true(taken > 0);
		p->read_n += (size_t)taken;
		if (hs.out_len)
			peer_send(p, hs.out, hs.out_len);
		hs.out_len = 0;
	}
}

/* Accepts connect and createStream, which gets that id; returns with the leg's publish or play. */
static inline void remote_until(struct rtmp_peer *r, uint32_t stream_id, enum rtmp_cmd_kind kind,
				struct rtmp_cmd *out)
{
	struct rtmp_cmd cmd;

	rtmp_peer_expect(r, RTMP_CMD_CONNECT, &cmd);
	rtmp_peer_call(r, 0, rtmp_cmd_connect_result, &cmd);
	rtmp_peer_expect(r, RTMP_CMD_CREATE_STREAM, &cmd);
	rtmp_peer_call(r, 0, rtmp_cmd_result_number, cmd.txn, stream_id);
	rtmp_peer_expect(r, kind, out);
	assert_int_equal(r->last.stream_id, stream_id);
}

/* ---- legs ---- */

static inline void leg_create(struct node *n, bool push, const char *id, const char *stream,
			      const char *url)
{
	struct relay_spec spec = {.push = push};
	const char *rule = "";
	bool conflict = true;

	snprintf(spec.id, sizeof(spec.id), "%s", id);
	snprintf(spec.stream, sizeof(spec.stream), "%s", stream);
	snprintf(spec.url, sizeof(spec.url), "%s", url);
	assert_int_equal(relay_create(&n->engine, &spec, &conflict, &rule), REASON_NONE);
	assert_false(conflict);
}

#define leg_to(n, push, id, stream, fmt, ...)                     \
	do {                                                      \
		char url_[2048];                                  \
		snprintf(url_, sizeof(url_), fmt, ##__VA_ARGS__); \
		leg_create(n, push, id, stream, url_);            \
	} while (0)

/* The leg's text under `key` in the list, "" if there is no such leg; valid until the next call. */
static inline const char *leg_text(struct node *n, bool push, const char *id, const char *key)
{
	static char text[512];
	json_t *list = relay_list(&n->engine, push), *leg;
	size_t i;

	text[0] = '\0';
	json_array_foreach (list, i, leg) {
		const char *value = json_string_value(json_object_get(leg, key));

		if (strcmp(json_string_value(json_object_get(leg, "id")), id) == 0 && value)
			snprintf(text, sizeof(text), "%s", value);
	}
	json_decref(list);
	return text;
}

/* Its numbers. */
static inline struct shm_relay *leg_numbers(struct node *n, bool push, const char *id)
{
	json_t *list = relay_list(&n->engine, push), *leg;
	struct shm_relay *found = NULL;
	size_t i;

	json_array_foreach (list, i, leg)
		if (strcmp(json_string_value(json_object_get(leg, "id")), id) == 0)
			found = shm_relay_of(n->engine.shm, (unsigned)json_integer_value(
								    json_object_get(leg, "slot")));
	json_decref(list);
	assert_non_null(found);
	return found;
}

#define leg_until(n, push, id, state) \
	node_until(n, strcmp(leg_text(n, push, id, "state"), state) == 0)

/* Failed with that reason, at last. */
#define leg_fails(n, push, id, why)                                                     \
	do {                                                                            \
		leg_until(n, push, id, "failed");                                       \
		assert_string_equal(leg_text(n, push, id, "reason"), reason_name(why)); \
	} while (0)

static inline int relay_setup(void **state)
{
	struct node *n = node_new();

	*state = n;
	return relays_init(&n->engine) || event_queue_open();
}

/* As main does it: sessions let go of their legs before the legs go. */
static inline int relay_teardown(void **state)
{
	node_free(*state);
	relays_fini(NULL);
	event_queue_close();
	return 0;
}

#endif
