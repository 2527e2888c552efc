/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The job "package": many streams as HLS in one process, one thread and an event loop.
 *
 * The first packet (job.h) says where streams are played and brings the HLS channel (api/hls.h) as
 * its descriptor:
 *
 *   {"kind":"package","play":"http://127.0.0.1:8080","folder":"","retain_ms":0,"log":"info"}
 *
 * Later ones:
 *
 *   {"package":"start","stream":"default/live/a","pass":"..","format":"auto","segment_ms":4000,
 *    "part_ms":0,"gop_ms":0,"media_seq":17,"disc_seq":2,"encrypt":false,"key_segments":10,
 *    "hurry":false}
 *   {"package":"stop","stream":"default/live/a","end":false}
 *
 * Back go, on every change and with every segment, and about once a second while files are kept
 *
 *   {"event":"package","stream":"..","state":"connecting|probing|running|ended|failed",
 *    "reason":"..","detail":"..","media_seq":18,"disc_seq":2,"segments":1,"bytes":0,"dropped":0}
 *   {"event":"archive","files":0,"bytes":0,"failed":0,"reason":"none"}
 *
 * Files, bytes and failures are those since the last word. media_seq is the number of the next segment. A stream that ended or failed is gone from here. The
 * process ends when either channel closes.
 */
#ifndef WORKER_PACKAGE_H
#define WORKER_PACKAGE_H

#include "controlplane/worker/job.h"

void package_run(struct job *j);

#endif
