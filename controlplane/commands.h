/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks scheduled through Redis: commands of the stream mr:cmd (REDIS.md), one after the other.
 *
 * A command has the fields Action (create, update, start, stop, restart, delete), Correlation (its
 * id, chosen by the sender) and the parameters of the API's action of that name, with the same
 * checks. Its answer is what the API would answer plus Correlation and Status, on the list
 * mr:cmd:reply:<Correlation>.
 *
 * At least once, and idempotent: an answer is kept for a day under mr:cmd:done:<Correlation>, and a
 * command whose answer is kept is answered again, not done again. Between doing and answering a
 * crash makes it come again; then a creation finds its own task (its TaskId comes from the
 * Correlation if none was given), and what a stop or delete finds done is done.
 *
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_COMMANDS_H
#define CONTROLPLANE_COMMANDS_H

#include <stdint.h>

#include "controlplane/cp.h"

struct commands;

struct commands_count {
	uint64_t done, refused; /* answered; of them with an error, malformed ones included */
};

/* As bus_new(). */
struct commands *commands_new(struct cp *cp, struct evdns_base *dns, const char *url, char *err,
			      size_t err_n);
/* After the store is freed: what waits for it has ended. */
void commands_free(struct commands *cs);
/* Once a second: begins, or goes on, when tasks can be changed. */
void commands_tick(struct commands *cs);
struct commands_count commands_count(const struct commands *cs);

#endif
