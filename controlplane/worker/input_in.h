/* SPDX-License-Identifier: Apache-2.0 */
/* What input.c, which opens, and input_read.c share. Threads: as input.h. */
#ifndef WORKER_INPUT_IN_H
#define WORKER_INPUT_IN_H

#include "controlplane/worker/input.h"

/* What follows may take so long. */
void input_allow(struct input *in, int64_t ms);
/* A track's configuration, where it is a new one. */
void input_set_config(struct track *t, const uint8_t *p, size_t n);
/* Parameter sets in Annex B text become the track's record, if all are there. */
void input_learn_sets(struct input *in, enum track_kind kind, const uint8_t *p, size_t n);

/* Reads a packet into its queue; in->ended says what became of it. */
void input_read_one(struct input *in);
/* How much of a track is queued. */
int64_t input_span_us(const struct input_track *it);
/* Configurations that came beside a packet or inside it. */
void input_learn(struct input *in, enum track_kind kind, const AVPacket *p);
/* Nothing is left: 0 at the end, else -1 with the fault. */
int input_over(const struct input *in, struct fault *f);
void input_drop(struct input *in);

#endif
