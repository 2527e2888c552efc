/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The channels on which packaging workers hand over HLS segments (api/hls.h).
 *
 * Each channel is one worker's and owns the streams that were opened on it. A worker that breaks the
 * rules is told so; one that is gone leaves its streams to be taken up by another.
 *
 * Threads: the control thread.
 */
#ifndef SESSION_HLS_CHANNEL_H
#define SESSION_HLS_CHANNEL_H

#include <jansson.h>

#include "core/core.h"

/* 0 or -errno. */
int hls_channels_start(struct engine *e);
/* Closes every channel; fine when they were not started. */
void hls_channels_stop(void);
/* Readable when there is something for hls_channels_serve(). */
int hls_channels_fd(void);
/* One packet of each channel that has some, so that none keeps the others waiting. */
void hls_channels_serve(void);
/* A new channel; the worker's end, which is the caller's to close. 0 or -errno. */
int hls_channel_open(int *theirs);
/* For the verb hls.list. */
json_t *hls_channel_streams(void);
/* Says which streams are idle and tidies up; a few times a second. */
void hls_channels_tick(uint64_t now_us);

#endif
