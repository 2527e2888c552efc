/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams that this node pulls for its domains: in windows of time (regular), or while somebody plays
 * them (triggered).
 *
 *   wanted --pull.create--> on --running--> running --ended--> waiting --pause--> on, next source
 *   on, running --not wanted any more--> gone
 *
 * A stream has one pull on a node, however many ask (interop P5). A regular one is wanted within its
 * window and tries its sources in turn for as long; of several nodes it runs on the one that holds
 * `mr:pull:{stream}` (string, PX). A triggered one begins with stream.wanted, tries each source
 * once, and ends with stream.unwatched; one that runs keeps its origins until then, whatever is
 * edited. One that ran and was interrupted is tried again for half a minute, for the viewers whom the
 * stream's hold keeps; where the origin is another node of this Redis, whichever has the stream by then.
 *
 * A source that the data plane cannot read (HLS, MPEG-TS by HTTP, SRT, RTSP) is brought by a worker, which
 * publishes it like an encoder with a pass of our own; everything else is the same.
 *
 * Level-triggered: pull.list after each connect says which pulls there are, and `mr:pulling:<node>` (hash,
 * PX) what triggered ones are pulled from, for a control plane that comes back. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_PULLS_H
#define CONTROLPLANE_PULLS_H

#include "controlplane/book.h"
#include "controlplane/cp.h"

struct jobs;
struct pulls;

/* worker: path of millrace-worker. */
struct pulls *pulls_new(struct cp *cp, const char *worker);
/* After the store and the data plane's client are freed. */
void pulls_free(struct pulls *p);
/* Of regular pulls: "domain/app/name" (as it was asked for) -> {"source","start","end"}. */
struct book *pulls_book(const struct pulls *p);
/* The workers of pulls whose source the data plane cannot read. */
const struct jobs *pulls_jobs(const struct pulls *p);
/* The data plane is there (again). */
void pulls_up(struct pulls *p);
void pulls_event(struct pulls *p, const char *name, const json_t *event);
/* Once a second. */
void pulls_tick(struct pulls *p);
/* The source that a stream (by its key) is being pulled from; "": none. */
const char *pulls_using(const struct pulls *p, const char *key);

/* Whether the stream is pulled from another node of this Redis. */
bool pulls_is_edge(const struct pulls *p, const char *key);

#endif
