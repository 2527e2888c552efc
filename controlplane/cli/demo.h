/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `up --demo` adds: a test picture with a tone, published by ffmpeg as live/demo, and a relay
 * task that pulls it and pushes it as live/relay.
 */
#ifndef CLI_DEMO_H
#define CLI_DEMO_H

#include <stdbool.h>

#include <jansson.h>

#include "controlplane/cli/child.h"
#include "controlplane/cli/cli.h"

struct demo {
	char source[320], destination[320]; /* RTMP URLs */
	char trouble[512]; /* what the last try to create the task met; empty: nothing */
	bool hurried;	   /* a task that waited for its source was restarted once */
};

/* reach: HOST:PORT of the RTMP listener. Fills in ffmpeg's arguments too. */
void demo_init(struct demo *d, struct child *ffmpeg, const char *reach);
/*
 * Creates the relay task when the source is live and no good one is there; one of an earlier demo
 * that went offline or had other addresses is deleted. Call with each fresh status.
 */
void demo_tick(struct demo *d, const struct cli *cli, const json_t *status);

#endif
