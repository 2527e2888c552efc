/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet guard of this node (bpf/guard.h): which interfaces, ports and rates, from the
 * configuration; which addresses, from the configuration and from operators.
 *
 * An operator's entry for a range is stronger than the configuration's for the same range; of
 * different ranges the longest prefix decides. Operators' entries are kept in STATE/guard.list and
 * are there again after a restart.
 *
 * The guard protects while this process runs, and takes a second to come back after it was killed.
 * Threads: the event loop's; no clock inside.
 */
#ifndef CONTROLPLANE_GUARD_H
#define CONTROLPLANE_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#include "api/config.h"
#include "bpf/guard_abi.h"

struct guard;

/* Before privileges are dropped. Never NULL: what is not configured, or cannot be loaded, is off. */
struct guard *guard_new(const struct config *conf, const char *state_dir);
void guard_free(struct guard *g);
/* Lists, ports and rates of a configuration that was read again. */
void guard_configure(struct guard *g, const struct config *conf);
/* Whether it guards; if not, why: "" where no interface is configured. */
bool guard_is_on(const struct guard *g);
const char *guard_trouble(const struct guard *g);
/*
 * An operator's entry: "10.0.0.0/8", "fc00::/7" or an address; GUARD_NONE takes it away. 0, or -EINVAL
 * (no range), -ENOENT (there is none to take away), -ENOSPC, -errno of saving, with a sentence in err.
 */
int guard_set(struct guard *g, const char *range, enum guard_verdict verdict, char *err, size_t n);
/* Every entry, operators' last. */
void guard_each(const struct guard *g,
		void (*each)(void *arg, const char *range, enum guard_verdict verdict,
			     bool configured),
		void *arg);
/* Packets so far, false where it is off. */
bool guard_counts(struct guard *g, uint64_t counts[GUARD_COUNTS]);

#endif
