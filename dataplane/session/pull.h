/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every pull does with the messages it fetches, whatever protocol brings them.
 *
 * The local stream appears with the first audio, video or metadata: a server that accepts "play" of
 * a stream it does not have makes no empty stream here. The leg runs once a frame has come that a
 * decoder can use (interop P3).
 *
 * Threads: the leg's core.
 */
#ifndef SESSION_PULL_H
#define SESSION_PULL_H

#include "session/leg.h"
#include "session/publish.h"

struct pull {
	struct leg_session *owner;
	struct publish publish;
	bool begun, video_header, audio_header, running;
};

void pull_init(struct pull *p, struct leg_session *owner);
/* Any message; NONE or why the session must end. */
enum reason pull_message(struct pull *p, const struct msg *m);
/* After each batch of input. */
void pull_flush(struct pull *p);
/* For ops->deadline: the deadline that passed, or NONE after setting the next one. */
enum reason pull_deadline(struct pull *p);
/* From ops->ending. */
void pull_end(struct pull *p, enum reason why);

#endif
