/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way into the data plane: an ordinary RTMP publisher by libavformat's rtmp protocol, which takes
 * an FLV byte stream.
 *
 * Sequence headers go out when a track's configuration is new. Threads: one.
 */
#ifndef WORKER_OUTPUT_H
#define WORKER_OUTPUT_H

#include <libavformat/avio.h>

#include "controlplane/worker/job.h"
#include "controlplane/worker/unit.h"

struct output {
	struct job *job;
	AVIOContext *av; /* NULL: not open */
	uint64_t deadline_us;
	bool closing;
	unsigned told[TRACKS]; /* the configuration that was sent last */
	enum track_codec codec[TRACKS];
};

/* 0, or -1 with the fault. */
int output_open(struct output *o, struct job *job, const struct track tracks[TRACKS],
		struct fault *f);
/* The next item begins: its configurations are sent whatever was before. */
void output_renew(struct output *o);
/* The unit's times are the output's. 0, or -1 with the fault. */
int output_write(struct output *o, const struct track *t, const struct unit *u, struct fault *f);
/*
 * Says that the stream ends, where it is open; idempotent. A process that has lost its control plane
 * says nothing: the data plane then holds the stream for the successor (publish.hold).
 */
void output_close(struct output *o);

#endif
