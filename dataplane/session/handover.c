/* SPDX-License-Identifier: Apache-2.0 */
#include "session/handover.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "core/shm.h"
#include "session/inner.h"
#include "session/relay.h"
#include "session/rtmp_server.h"

#define BRIDGE_AT      "127.0.0.1:0"
#define BRIDGE_BACKLOG 1024
#define SETTLE_US      1000000u /* a connection that was accepted last is counted by then */

static struct {
	struct engine *engine;
	struct listeners *listeners;
	struct handover_ops ops;
	char bridge[NET_ADDR_TEXT]; /* "": there is none yet */
	struct session_listener bridge_at;
	struct mail listen, leave[ENGINE_CORES_MAX];
	bool retired, over;
	uint64_t retired_us, until_us;
} handover;

void handover_init(struct engine *e, struct listeners *l, const struct handover_ops *ops)
{
	memset(&handover, 0, sizeof(handover));
	handover.engine = e;
	handover.listeners = l;
	handover.ops = *ops;
}

/* ---- offering ---- */

static void bridge_listen(struct mail *m, struct core *core)
{
	if (sessions_listen(core, &handover.bridge_at))
		log_warn("handover", "message=\"the bridge does not listen\"");
}

/* Its descriptor is the first core's from here on. 0 or -errno. */
static int bridge_open(void)
{
	union net_addr at;
	int fd, r;

	if (handover.bridge[0])
		return 0;
	r = net_addr_parse(&at, BRIDGE_AT);
	fd = r ? r : net_listener_open(&at, BRIDGE_BACKLOG);
	if (fd < 0)
		return fd;
	r = net_listener_address(fd, &at);
	if (r) {
		close(fd);
		return r;
	}
	handover.bridge_at = (struct session_listener){.ops = &rtmp_server_ops, .fd = fd, .at = at};
	net_addr_text(handover.bridge, &at);
	handover.listen.run = bridge_listen;
	mail_post(handover.engine->cores[0], &handover.listen);
	return 0;
}

static void send_socket(struct ctl_client *c, json_t *id, unsigned i, unsigned core)
{
	char at[NET_ADDR_TEXT];
	const struct listeners *l = handover.listeners;
	json_t *body =
		json_pack("{s:b, s:[{s:s, s:s, s:b, s:b, s:s, s:i}]}", "more", 1, "listeners",
			  "key", l->one[i].key, "protocol", l->one[i].ops->protocol, "tls",
			  l->one[i].tls != NULL, "anywhere", l->one[i].anywhere, "address",
			  net_addr_text(at, &l->one[i].at), "core", (int)core);

	ctl_client_answer(c, id, body, l->one[i].kept[core]);
}

bool handover_offer(struct ctl_client *c, json_t *id, int64_t version, struct ctl_error *e)
{
	const struct listeners *l = handover.listeners;
	int r;

	if (version != HANDOVER_VERSION || !l) {
		ctl_error_set(e, "not_ready", "version", "this data plane hands over by version %d",
			      HANDOVER_VERSION);
		return false;
	}
	for (unsigned i = 0; i < l->n; i++)
		if (!l->one[i].kept) {
			ctl_error_set(e, "unavailable", "", "a device is not handed over");
			return false;
		}
	r = handover.retired ? -EALREADY : bridge_open();
	if (r) {
		ctl_error_set(e, "unavailable", "", "%s", strerror(-r));
		return false;
	}
	for (unsigned i = 0; i < l->n; i++)
		for (unsigned core = 0; core < l->cores; core++)
			send_socket(c, id, i, core);
	ctl_client_answer(c, id,
			  json_pack("{s:[], s:i, s:s, s:s, s:s}", "listeners", "cores",
				    (int)l->cores, "bridge", handover.bridge, "pass_key",
				    inner_key(), "cgroup", handover.ops.cgroup),
			  -1);
	return true;
}

/* ---- retiring ---- */

static void leave(struct mail *m, struct core *core)
{
	sessions_leave(core);
}

bool handover_retire(uint64_t drain_ms, uint64_t now_us)
{
	struct engine *e = handover.engine;

	if (!handover.bridge[0])
		return false;
	if (handover.retired)
		return true;
	handover.retired = true;
	handover.retired_us = now_us;
	handover.until_us = now_us + drain_ms * 1000;
	log_info("handover", "state=retiring drain_ms=%" PRIu64, drain_ms);
	handover.ops.let_go();
	listeners_let_go(handover.listeners);
	for (unsigned i = 0; i < e->cores_n; i++) {
		handover.leave[i].run = leave;
		mail_post(e->cores[i], &handover.leave[i]);
	}
	relay_remove_pushes(e);
	return true;
}

bool handover_retired(void)
{
	return handover.retired;
}

/* Pulls are nobody: what they fetch has no viewer of its own right. */
static bool is_empty(const struct engine *e)
{
	uint64_t conns = 0, pulls = 0;

	for (unsigned i = 0; i < e->cores_n; i++) {
		const struct shm_core *c = shm_core_of(e->shm, i);

		conns += shm_get(&c->ctr[CTR_CONNS]);
		pulls += shm_get(&c->ctr[CTR_PULLS]);
	}
	return conns <= pulls;
}

void handover_tick(uint64_t now_us)
{
	bool late = now_us >= handover.until_us;

	if (!handover.retired || handover.over || now_us < handover.retired_us + SETTLE_US)
		return;
	if (!late && !is_empty(handover.engine))
		return;
	handover.over = true;
	log_info("handover", "state=over cause=%s", late ? "time" : "empty");
	kill(getpid(), SIGTERM);
}
