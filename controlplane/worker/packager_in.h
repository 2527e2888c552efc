/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of a packager: packager.c connects and probes, packager_run.c cuts and hands over.
 */
#ifndef WORKER_PACKAGER_IN_H
#define WORKER_PACKAGER_IN_H

#include <sys/queue.h>

#include "controlplane/worker/cut.h"
#include "controlplane/worker/mediatime.h"
#include "controlplane/worker/objects.h"
#include "controlplane/worker/packager.h"
#include "controlplane/worker/segmenter.h"

/* A frame kept while probing. */
struct kept {
	TAILQ_ENTRY(kept) link;
	struct flv_item item;
	int64_t arrived_us; /* wall clock */
	bool smooth;
	int64_t dts_us;
	uint8_t data[];
};

struct packager {
	struct packager_world world;
	char stream[512], pass[64], format[8];
	int64_t segment_us, part_us, gop_us, key_segments;
	bool encrypt, archived, hurry;
	struct packager_report report;

	struct flvsource source;
	uint64_t again_us; /* when to connect again */
	unsigned refusals; /* of the data plane, forgotten after some segments */

	struct track track[TRACKS];
	struct annexb annexb;
	bool seen[TRACKS];	   /* frames of it came since probing began */
	double fps, width, height; /* as the metadata says */
	TAILQ_HEAD(kept_list, kept) kept;
	size_t kept_bytes;
	uint64_t probing_us, running_us;
	uint32_t first_ms, key_ms;
	unsigned keys, frames;

	struct mediatime time;
	struct wall wall;
	struct cut cut;
	struct segmenter *segmenter;
	struct objects objects;
	bool fmp4, opened, broken; /* opened: at the data plane; broken: a discontinuity is next */
	int64_t target_us;
	char codecs[2 * CODECS_ROOM];
	uint32_t init;

	bool segment_open, independent, discontinuity, part_independent;
	int64_t segment_start_us, part_start_us, fragment_us, pdt_ms;
	unsigned part;
	int64_t key, key_left; /* its number, 0: none; segments that it is still good for */
	uint8_t key_bytes[OBJECT_KEY_BYTES];
	uint64_t run; /* of the archive */

	bool held; /* MP4: a picture is held until its duration is known */
	struct unit held_unit;
	uint8_t *held_data;
	size_t held_room;
};

/* Enough was seen: muxer, playlist; the kept frames go through. false: it cannot be carried. */
bool packager_begin(struct packager *p);
/* A frame's place on the time line; false: a jump. */
bool packager_time(struct packager *p, const struct flv_item *it, int64_t *dts_us);
/* A frame of the running stream. smooth: as packager_time() said. */
void packager_frame(struct packager *p, const struct flv_item *it, int64_t dts_us, bool smooth);
/* What is open becomes a segment; the next one is a discontinuity. */
void packager_break(struct packager *p);
/* At the data plane: the playlist stays, something else may follow. */
void packager_close(struct packager *p);
/* The first segment is ended where it is, if there is enough of it. */
void packager_hurry(struct packager *p);
/* Nothing was opened: the next segment opens the playlist anew. */
void packager_forget_muxer(struct packager *p);
void packager_tell_news(struct packager *p);

#endif
