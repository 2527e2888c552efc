/* SPDX-License-Identifier: Apache-2.0 */
#include "session/takeover.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "api/ctl.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/usock.h"
#include "media/stream_name.h"
#include "session/handover.h"
#include "session/inner.h"
#include "session/relay.h"

#define SOCKETS_MAX    (SESSION_LISTENERS_MAX * ENGINE_CORES_MAX)
#define ANSWER_US      10000000u
#define BRIDGE_WAIT_US 3000000u
#define LAST_WAIT_US   10000000u /* for bridges to end after the other side has */
#define LOOK_MS	       100

struct heirloom {
	char key[32], protocol[24];
	bool tls, anywhere;
	union net_addr at;
	int fd; /* -1: taken */
};

static struct {
	int fd; /* the other side's control socket */
	struct engine *engine;
	struct heirloom *socket;
	unsigned sockets;
	char bridge[NET_ADDR_TEXT], pass_key[80], cgroup[1100];
	pthread_t thread;
	bool following;
	_Atomic bool under_way, stop;
	struct call {
		struct mail mail;
		_Atomic bool posted;
	} call[ENGINE_CORES_MAX];
} takeover = {.fd = -1};

static char packet[CTL_PACKET_MAX];

/* ---- talking ---- */

/* NULL: nothing in time, or the other side is gone (*gone). */
static json_t *receive(int timeout_ms, int *fd, bool *gone)
{
	struct pollfd p = {.fd = takeover.fd, .events = POLLIN};
	ssize_t n;

	*fd = -1;
	*gone = false;
	if (poll(&p, 1, timeout_ms) <= 0)
		return NULL;
	n = usock_recv(takeover.fd, packet, sizeof(packet), fd);
	*gone = n == 0 || (n < 0 && n != -EAGAIN && n != -EMSGSIZE);
	return n > 0 ? json_loadb(packet, (size_t)n, 0, NULL) : NULL;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static void on_event(const json_t *event);

/* Sends a request (consumed), and gives each packet of its answer to `each`. 0, or -errno with err. */
static int ask(json_t *request, void (*each)(const json_t *answer, int fd), char *err, size_t err_n)
{
	uint64_t until_us = clock_us() + ANSWER_US;
	char *text = json_dumps(request, JSON_COMPACT);
	ssize_t r = text ? usock_send(takeover.fd, text, strlen(text), -1) : -ENOMEM;
	bool gone = false, more = true;
	int fd;

	free(text);
	json_decref(request);
	snprintf(err, err_n, "%s", r < 0 ? strerror((int)-r) : "it does not answer");
	while (r >= 0 && more && !gone && clock_us() < until_us) {
		json_t *answer = receive(LOOK_MS, &fd, &gone), *error;

		if (!answer)
			continue;
		error = json_object_get(answer, "error");
		if (json_object_get(answer, "event")) {
			on_event(answer);
		} else if (json_is_object(error)) {
			snprintf(err, err_n, "%s: %s", text_of(error, "code"),
				 text_of(error, "message"));
			r = -EPROTO;
		} else {
			more = json_is_true(json_object_get(answer, "more"));
			each(answer, fd);
			fd = -1;
		}
		if (fd >= 0)
			close(fd);
		json_decref(answer);
	}
	return r < 0 ? (int)r : more ? -ETIMEDOUT : 0;
}

/* ---- the sockets ---- */

static void take_socket(const json_t *o, int fd)
{
	struct heirloom *h = &takeover.socket[takeover.sockets];

	if (takeover.sockets == SOCKETS_MAX || net_addr_parse(&h->at, text_of(o, "address"))) {
		close(fd);
		return;
	}
	snprintf(h->key, sizeof(h->key), "%s", text_of(o, "key"));
	snprintf(h->protocol, sizeof(h->protocol), "%s", text_of(o, "protocol"));
	h->tls = json_is_true(json_object_get(o, "tls"));
	h->anywhere = json_is_true(json_object_get(o, "anywhere"));
	h->fd = fd;
	takeover.sockets++;
}

static int cores_there;

static void on_offer(const json_t *answer, int fd)
{
	if (fd >= 0)
		take_socket(json_array_get(json_object_get(answer, "listeners"), 0), fd);
	if (!json_object_get(answer, "bridge"))
		return;
	cores_there = (int)json_integer_value(json_object_get(answer, "cores"));
	snprintf(takeover.bridge, sizeof(takeover.bridge), "%s", text_of(answer, "bridge"));
	snprintf(takeover.pass_key, sizeof(takeover.pass_key), "%s", text_of(answer, "pass_key"));
	snprintf(takeover.cgroup, sizeof(takeover.cgroup), "%s", text_of(answer, "cgroup"));
}

static void on_nothing(const json_t *answer, int fd)
{
	if (fd >= 0)
		close(fd);
}

int takeover_ask(const char *path, unsigned cores, char *err, size_t n)
{
	int r;

	takeover.fd = usock_connect(path);
	if (takeover.fd == -ENOENT || takeover.fd == -ECONNREFUSED)
		return -ENOENT;
	if (takeover.fd < 0) {
		snprintf(err, n, "%s", strerror(-takeover.fd));
		return takeover.fd;
	}
	takeover.socket = calloc(SOCKETS_MAX, sizeof(*takeover.socket));
	must(takeover.socket);
	r = ask(json_pack("{s:i, s:s, s:i}", "id", 1, "verb", "handover", "version",
			  HANDOVER_VERSION),
		on_offer, err, n);
	if (!r && cores_there > (int)cores) {
		/* A socket without a core would keep who comes to it waiting for ever. */
		snprintf(err, n, "it has %d cores, and this one %u: a restart is needed for fewer",
			 cores_there, cores);
		r = -EINVAL;
	}
	takeover.under_way = !r;
	return r;
}

bool takeover_under_way(void)
{
	return takeover.under_way;
}

const char *takeover_cgroup(void)
{
	return takeover.cgroup;
}

static bool same_place(const struct heirloom *h, const struct takeover_place *p)
{
	char a[NET_ADDR_TEXT], b[NET_ADDR_TEXT];

	if (h->fd < 0 || h->tls != p->tls || h->anywhere != p->anywhere || strcmp(h->key, p->key) ||
	    strcmp(h->protocol, p->protocol))
		return false;
	if (p->anywhere)
		return h->at.sa.sa_family == p->at.sa.sa_family;
	return !strcmp(net_addr_text(a, &h->at), net_addr_text(b, &p->at));
}

int takeover_socket(const struct takeover_place *p)
{
	for (unsigned i = 0; i < takeover.sockets; i++) {
		struct heirloom *h = &takeover.socket[i];
		int fd = h->fd;

		if (!same_place(h, p))
			continue;
		h->fd = -1;
		return fd;
	}
	return -1;
}

/* ---- the bridge ---- */

static size_t escape(char *dst, size_t n, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~/";
	size_t used = 0;

	for (; *text && used + 4 < n; text++)
		used += (size_t)snprintf(dst + used, n - used,
					 strchr(plain, *text) ? "%c" : "%%%02X", (uint8_t)*text);
	return used;
}

/* A name with a percent sign may be one whose bytes JSON cannot carry: it is not known here. */
static void bridge(const char *stream, const char *protocol)
{
	char key[STREAM_KEY_MAX], secret[sizeof(takeover.pass_key) + STREAM_KEY_MAX];
	char app[400], name[800], pass[DIGEST_TEXT], id[DIGEST_TEXT];
	struct relay_spec spec = {.bridge = true};
	struct stream_name n;
	const char *rule = "";
	enum reason why;
	bool conflict;

	if (strstr(protocol, "pull") || strchr(stream, '%') || stream_name_key(&n, stream, &rule) ||
	    inner_name(&n))
		return;
	snprintf(secret, sizeof(secret), "%s%s", takeover.pass_key, stream_key(key, &n));
	escape(app, sizeof(app), n.app);
	escape(name, sizeof(name), n.name);
	snprintf(spec.id, sizeof(spec.id), "upgrade.%s", digest_text(id, key));
	snprintf(spec.stream, sizeof(spec.stream), "%s", key);
	snprintf(spec.url, sizeof(spec.url), "rtmp://%s/%s/%s?vhost=%s&pass=%s", takeover.bridge,
		 app, name, n.domain, digest_text(pass, secret));
	why = relay_create(takeover.engine, &spec, &conflict, &rule);
	if (why != REASON_NONE)
		log_warn("takeover", "stream=%s reason=%s", key, reason_name(why));
}

static void on_event(const json_t *event)
{
	if (!strcmp(text_of(event, "event"), "stream.publish") &&
	    !json_is_true(json_object_get(event, "internal")))
		bridge(text_of(event, "stream"), text_of(event, "protocol"));
}

static void on_streams(const json_t *answer, int fd)
{
	const json_t *one;
	size_t i;

	on_nothing(answer, fd);
	json_array_foreach (json_object_get(answer, "streams"), i, one)
		bridge(text_of(one, "stream"), text_of(one, "protocol"));
}

/* Until every stream is here: a viewer that comes should find it. */
static void wait_for_bridges(void)
{
	uint64_t until_us = clock_us() + BRIDGE_WAIT_US;
	unsigned not_yet;
	bool gone = false;
	int fd;

	while (relay_bridges(takeover.engine, &not_yet) && not_yet && clock_us() < until_us &&
	       !gone) {
		json_t *event = receive(LOOK_MS, &fd, &gone);

		on_nothing(event, fd);
		if (event)
			on_event(event);
		json_decref(event);
	}
}

static void resume(struct mail *m, struct core *core)
{
	atomic_store(&container_of(m, struct call, mail)->posted, false);
	sessions_resume(core);
}

static void look(struct mail *m, struct core *core)
{
	atomic_store(&container_of(m, struct call, mail)->posted, false);
	sessions_look(core);
}

/* A core that has not come to the last one yet is left out. */
static void call_cores(struct engine *e, void (*what)(struct mail *m, struct core *core))
{
	for (unsigned i = 0; i < e->cores_n; i++) {
		struct call *c = &takeover.call[i];

		if (atomic_exchange(&c->posted, true))
			continue;
		c->mail.run = what;
		mail_post(e->cores[i], &c->mail);
	}
}

static void *follow(void *arg)
{
	uint64_t until_us = 0;
	unsigned not_yet;
	bool gone = false;
	int fd;

	pthread_setname_np(pthread_self(), "dp-takeover");
	while (!atomic_load(&takeover.stop) && !gone) {
		json_t *event = receive(LOOK_MS, &fd, &gone);

		on_nothing(event, fd);
		if (event)
			on_event(event);
		json_decref(event);
		relay_bridges(takeover.engine, &not_yet);
		call_cores(takeover.engine, look);
	}
	until_us = clock_us() + LAST_WAIT_US;
	while (!atomic_load(&takeover.stop) && clock_us() < until_us &&
	       relay_bridges(takeover.engine, &not_yet))
		poll(NULL, 0, LOOK_MS);
	log_info("takeover", "state=over");
	return NULL;
}

/* ---- the whole ---- */

static void let_go_of_sockets(void)
{
	for (unsigned i = 0; i < takeover.sockets; i++)
		if (takeover.socket[i].fd >= 0)
			close(takeover.socket[i].fd);
	free(takeover.socket);
	takeover.socket = NULL;
	takeover.sockets = 0;
}

void takeover_begin(struct engine *e, uint64_t drain_ms)
{
	char err[300] = "", text[400];
	unsigned not_yet, bridges;
	int r;

	takeover.engine = e;
	r = ask(json_pack("{s:i, s:s}", "id", 2, "verb", "subscribe"), on_nothing, err,
		sizeof(err));
	if (!r)
		r = ask(json_pack("{s:i, s:s}", "id", 3, "verb", "stream.list"), on_streams, err,
			sizeof(err));
	if (!r)
		wait_for_bridges();
	takeover.under_way = false;
	call_cores(e, resume);
	if (!r)
		r = ask(json_pack("{s:i, s:s, s:I}", "id", 4, "verb", "retire", "drain_ms",
				  (json_int_t)drain_ms),
			on_nothing, err, sizeof(err));
	let_go_of_sockets();
	bridges = relay_bridges(e, &not_yet);
	if (r)
		log_warn("takeover", "state=begun message=%s", log_q(text, sizeof(text), err));
	else
		log_info("takeover", "state=begun streams=%u drain_ms=%" PRIu64, bridges, drain_ms);
	takeover.following = !pthread_create(&takeover.thread, NULL, follow, NULL);
}

void takeover_end(void)
{
	atomic_store(&takeover.stop, true);
	if (takeover.following)
		pthread_join(takeover.thread, NULL);
	takeover.following = false;
	if (takeover.fd >= 0)
		close(takeover.fd);
	takeover.fd = -1;
}
