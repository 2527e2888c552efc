/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of the data plane, played as HTTP-FLV over a socket that never blocks.
 *
 *   closed --open--> asking --answer 200, FLV head--> flowing
 *   any --close, or it ended--> closed
 *
 * Bytes are read into room that all sources share; only what is left of a tag is kept.
 * Threads: all sources of a process belong to one thread.
 */
#ifndef WORKER_FLVSOURCE_H
#define WORKER_FLVSOURCE_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "controlplane/worker/flvread.h"
#include "controlplane/worker/job.h"

struct flvsource_place {
	struct sockaddr_storage address;
	socklen_t n;
	char host[160];
};

enum flvsource_state { FLVSOURCE_CLOSED, FLVSOURCE_ASKING, FLVSOURCE_HEAD, FLVSOURCE_FLOWING };

struct flvsource {
	int fd;
	enum flvsource_state state;
	bool audio, video; /* as the FLV head promises */
	uint8_t *left;	   /* of a tag */
	size_t left_n, asked_n;
	char request[1024]; /* what of it is not sent yet, from asked_n on */
};

/* The place of "http://host:port"; false: it is none. */
bool flvsource_place(struct flvsource_place *place, const char *url);

void flvsource_init(struct flvsource *s);
/* stream: domain/app/name. 0 or -errno. */
int flvsource_open(struct flvsource *s, const struct flvsource_place *place, const char *stream,
		   const char *pass);
void flvsource_close(struct flvsource *s);
/*
 * Takes what has come, a bounded piece: item() for each tag, whose bytes are valid until it returns
 * and which must not close the source. true: there may be more; false: it ended, f says why.
 */
bool flvsource_turn(struct flvsource *s, void (*item)(void *arg, const struct flv_item *it),
		    void *arg, struct fault *f);

#endif
