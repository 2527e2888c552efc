/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An upgrade, at the data plane that goes: its sockets become another process's, and those that it
 * serves stay for a while.
 *
 *   serving --handover_offer--> offered --handover_retire--> retiring --empty, or time is up--> SIGTERM
 *
 * Offered: both processes have the listening sockets and the kernel gives a connection to whoever
 * accepts first, so none is refused at any moment. The other one may die here: nothing has changed.
 * Retiring: this one accepts nobody, has ended its pushes (the other one makes them) and given up the
 * control socket. Its streams go on, and the other one fetches them at the bridge, a listener on the
 * loopback, by the passes of session/inner.h (session/takeover.h is the other end).
 *
 * Threads: handover_init() main, before control_start(); the rest the control thread.
 */
#ifndef SESSION_HANDOVER_H
#define SESSION_HANDOVER_H

#include "session/ctl_client.h"
#include "session/listeners.h"

/* Of the verb; the two builds must have the same. */
#define HANDOVER_VERSION 1

struct handover_ops {
	const char *cgroup;   /* where programs in the kernel count; "": nowhere */
	void (*let_go)(void); /* the programs leave the listening sockets */
};

void handover_init(struct engine *e, struct listeners *l, const struct handover_ops *ops);
/* Answers the request `id` of c with the sockets; false with *e. */
bool handover_offer(struct ctl_client *c, json_t *id, int64_t version, struct ctl_error *e);
/* False: nothing was offered. */
bool handover_retire(uint64_t drain_ms, uint64_t now_us);
bool handover_retired(void);
/* A few times a second: ends the process when nobody is left, or at the end of drain_ms. */
void handover_tick(uint64_t now_us);

#endif
