/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The job of this process, and the channel to the control plane that gave it.
 *
 * Descriptor JOB_FD is a SOCK_SEQPACKET socket with one JSON object per packet. The first packet is
 * the job:
 *
 *   {"kind":"live"|"list"|"push"|"probe", "urls":[..], "protocol":"srt", "output":"rtmp://..", "repeat":0,
 *    "file":0, "offset_ms":0, "round":0, "connect_ms":5000, "media_ms":10000,
 *    "deny":"10.0.0.0/8", "ca":"", "verify":true, "log":"info", "files":"",
 *    "slate":"", "switch_ms":3000, "return_ms":30000, "wary":false}
 *
 * Later ones change it: {"repeat":3}; {"next":[..],"now":false,"number":1}, a list that is played
 * after this round, or at once. Back go
 *
 *   {"event":"connecting"}  {"event":"running"}
 *   {"event":"position","file":0,"offset_ms":0,"round":0,"bytes":0}       about once a second
 *   {"event":"list","number":1}                       the next list is played, from its first file
 *   {"event":"skipped","file":2,"reason":"remote_not_found","detail":".."}
 *   {"event":"source","number":0,"reason":"none"}     which of several is shown; -1: the slate, -2: none
 *   {"event":"probed","duration_ms":0,"video":"h264","width":0,"height":0,"audio":"aac","rate":0,"channels":0}
 *   {"event":"failed","reason":"..","detail":"..","output":false}         then the process ends
 *   {"event":"finished"}                                                  then the process ends
 *
 * A job of the kind "package" is described in package.h, its further packets come by job_take();
 * one of the kind "channel" in record.h.
 *
 * A URL is http(s), what the protocol says, "local:PATH" below the folder "files", or "missing:ID",
 * which fails.
 * When the channel is closed, or at SIGTERM, the job stops: job_stopping(). URLs come by this way
 * and not as arguments because they hold secrets (interop U5).
 * Threads: one, but job_stopping() may be asked from any call-back.
 */
#ifndef WORKER_JOB_H
#define WORKER_JOB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "api/reasons.h"

#define JOB_FD	       3
#define JOB_URLS       30
#define JOB_PACKET_MAX 131072

enum job_kind { JOB_LIVE, JOB_LIST, JOB_PROBE, JOB_PUSH, JOB_PACKAGE, JOB_CHANNEL };

struct job {
	enum job_kind kind;
	char *url[JOB_URLS];
	unsigned urls;
	char *protocol, *output, *deny, *ca;
	char *files; /* folder of local sources; "": there are none */
	bool verify;
	int64_t repeat; /* more rounds after the first; -1: for ever */
	char *next_url[JOB_URLS];
	unsigned next_urls; /* 0: no list waits */
	int64_t next_number;
	bool next_now;
	int64_t file, offset_ms, round;
	int64_t connect_ms, media_ms;
	char *slate;		      /* shown while no source is there; "": nothing */
	int64_t switch_ms, return_ms; /* of several sources (pick.h); return_ms -1: never */
	bool wary;		      /* the source stood still when it was left */
	const atomic_bool *stop; /* of a thread beside the job's own: what stops it; else NULL */
	int log_level;
	/* package: the descriptor that came with the first packet, -1: none; where files are kept */
	int outlet;
	char *folder;
	int64_t retain_ms;
	/* channel: the stream, its pass, and what becomes of it in folder */
	char *stream, *pass, *playlist;
	int64_t frag_ms, frag_count;
};

/* Why something did not work, in words that may be shown. */
struct fault {
	enum reason reason;
	char detail[160];
};

/* Waits for the first packet; false: it is not a job. */
bool job_receive(struct job *j);
void job_free(struct job *j);
/* Takes what has come; true: the job is to stop. Cheap enough for every frame. */
bool job_stopping(struct job *j);
/* The next packet, or NULL: none now; of a package job, whose packets job_stopping() leaves. */
json_t *job_take(void);
/* A list waits; takes what has come. */
bool job_has_next(struct job *j);
/* The list that waits, if any, takes the place of the one that was played, and that is said. */
void job_take_next(struct job *j);
/* The channel is closed: nobody said that the stream is to end. */
bool job_orphaned(void);
/* Waits until then (clock_us()), taking what comes; true: the job is to stop. */
bool job_wait(struct job *j, uint64_t until_us);

void job_say(const char *event);
void job_say_position(int64_t file, int64_t offset_ms, int64_t round, uint64_t bytes);
void job_say_probed(int64_t duration_ms, const char *video, int width, int height,
		    const char *audio, int rate, int channels);
void job_say_source(int number, enum reason why);
void job_say_skipped(int64_t file, const struct fault *f);
void job_say_failed(const struct fault *f, bool output);
/* Takes the reference. false: the control plane does not read. */
bool job_say_packet(json_t *packet);

#endif
