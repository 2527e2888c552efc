/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How publishing went, by domain and minute: the field's codes and how often each came.
 *
 *   200 accepted   3 no data came any more   401 bad name   403 not allowed   500 we failed
 *   501 refused for another reason (the name is taken, a limit)   502 the authentication was too slow
 *
 * The data plane tells of refusals at a bounded rate with the number of those that it left out; they
 * count as the one that follows them. A minute that is over becomes a row of the domain's history, on each
 * node. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_PUBLISH_CODES_H
#define CONTROLPLANE_PUBLISH_CODES_H

#include <jansson.h>

#include "controlplane/cp.h"

struct publish_codes;

struct publish_codes *publish_codes_new(struct cp *cp);
/* Before the store is freed: the minute that is not over is kept too. */
void publish_codes_free(struct publish_codes *p);
/* Events of the data plane. */
void publish_codes_event(struct publish_codes *p, const char *name, const json_t *event);
/* Every two seconds or so. */
void publish_codes_tick(struct publish_codes *p);
/* {"t":ms,"codes":{"200":n}} of a domain's minute that is not over; a new reference or NULL. */
json_t *publish_codes_now(const struct publish_codes *p, const char *domain);
/* The code of a reason why a publisher was refused or ended; 0: none, it ended well. Pure. */
int publish_code(const char *reason, bool refused);

#endif
