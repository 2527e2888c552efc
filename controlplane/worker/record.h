/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The job "channel": one live channel's stream becomes objects in its folder (reel.h).
 *
 *   {"kind":"channel","play":"http://127.0.0.1:8080","stream":"a.oss.example/live/c","pass":"..",
 *    "folder":"OBJECTS/a/c","playlist":"playlist.m3u8","frag_ms":5000,"frag_count":3,"log":"info"}
 *
 * Back go, on every change and about once a second,
 *
 *   {"event":"channel","state":"connecting|probing|running|ended|failed","reason":"..","detail":"..",
 *    "segments":1,"bytes":0,"dropped":0,"not_kept":0,"disk":"none",
 *    "video_bytes":0,"audio_bytes":0,"pictures":0,"audio_rate":44100}
 *
 * segments, bytes: written; video_bytes, audio_bytes, pictures: read; all since the job began.
 *
 * It ends with the stream, or when it cannot be carried: H.264 is required, sound is AAC or dropped.
 * A disk that waits holds up this process and nothing else.
 */
#ifndef WORKER_RECORD_H
#define WORKER_RECORD_H

#include "controlplane/worker/job.h"

void record_run(struct job *j);

#endif
