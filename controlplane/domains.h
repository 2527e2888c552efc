/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The domains of all nodes (a book of domain.h documents), the streams that nobody may publish, and
 * the data plane's copy of both.
 *
 * The data plane is told level-triggered: after each connect every domain.set and then domain.keep;
 * after a change what differs. Before it is told, STATE/domains.json (mode 0600, replaced as a
 * whole) has it: a data plane that starts alone reads it and never opens what was closed.
 *
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_DOMAINS_H
#define CONTROLPLANE_DOMAINS_H

#include "controlplane/book.h"
#include "controlplane/dp.h"

struct domains;

struct domains *domains_new(struct store *store, struct dp *dp, const char *state_dir);
/* After the store and the data plane's client are freed. */
void domains_free(struct domains *d);
struct book *domains_book(const struct domains *d);
/* Streams (domain/app/name) that nobody may publish: {"until_ms":n, "since_ms":n}; until 0: for ever. */
struct book *domains_blocks(const struct domains *d);
/*
 * Ingest domains beside the book's: name -> domain.set's config; takes the reference. Until it was
 * called once the data plane is told nothing. The book's are stronger.
 */
void domains_set_more(struct domains *d, json_t *more);
/* The data plane is there (again): it is told everything. */
void domains_up(struct domains *d);
/* Every two seconds or so. */
void domains_tick(struct domains *d);

/* NULL where there is no such domain. */
json_t *domains_get(const struct domains *d, const char *name);
/* The ingest domain's key of a stream that is asked for as domain/app/name; dst[n]; returns dst. */
char *domains_stream(const struct domains *d, char *dst, size_t n, const char *domain,
		     const char *app, const char *name);

#endif
