/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands from outside: reads the stream mr:cmd as one consumer of the group "millrace".
 *
 * A second connection, because it waits in XREADGROUP. First come the entries that this node was
 * given before and did not finish, then new ones, and from time to time those of a node that left
 * them lying for BUS_LEFT_MS. A batch is handed over entry by entry; the next one is read only after
 * bus_more(). Threads: the event loop's.
 */
#ifndef CONTROLPLANE_STORE_REDIS_BUS_H
#define CONTROLPLANE_STORE_REDIS_BUS_H

#include <stdbool.h>
#include <stddef.h>

#define BUS_STREAM  "mr:cmd"
#define BUS_GROUP   "millrace"
#define BUS_BATCH   16
#define BUS_LEFT_MS 10000

struct event_base;
struct evdns_base;
struct bus;

struct bus_field {
	const char *name, *value;
	size_t name_n, value_n; /* what Redis holds may contain anything */
};

struct bus_ops {
	/* One entry, n fields; again: it was handed out before and may have been done. */
	void (*entry)(void *arg, const char *id, const struct bus_field *f, size_t n, bool again);
	/* Everything of a batch was handed over (it may have been empty): bus_more() is awaited. */
	void (*batch)(void *arg);
};

/* As store_new(). Nothing is read before the first bus_more(). */
struct bus *bus_new(struct event_base *base, struct evdns_base *dns, const char *url,
		    const char *node, const struct bus_ops *ops, void *arg, char *err,
		    size_t err_n);
void bus_free(struct bus *b);
/* All that was handed over is finished, or will come again after bus_restart(). */
void bus_more(struct bus *b);
/* Entries that are not finished come again. */
void bus_restart(struct bus *b);

#endif
