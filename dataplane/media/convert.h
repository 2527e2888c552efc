/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Variants: what a viewer gets otherwise than the publisher sent it.
 *
 * A variant leaves audio or video out (interop M12), or says HEVC in the other of its two ways:
 * codec id 12, or Enhanced RTMP's hvc1 (M18). Only tag headers change, coded media never does. What
 * the legacy way cannot say (HDR metadata, several tracks in a message) is left out there.
 * Threads: pure, any.
 */
#ifndef MEDIA_CONVERT_H
#define MEDIA_CONVERT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"
#include "media/codec.h"
#include "media/msg.h"

/* The source as it is, or some of these together; both of a pair never. */
enum variant {
	VARIANT_SOURCE = 0,
	VARIANT_HEVC_LEGACY = 1,
	VARIANT_HEVC_ENHANCED = 2,
	VARIANT_NO_AUDIO = 4,
	VARIANT_NO_VIDEO = 8,
	VARIANT_MAX, /* beyond every number that variant_of_params() gives */
};

/*
 * From a player's parameters: hevc=legacy|enhanced, audio=0|1, video=0|1. 0, or -EINVAL with *field
 * and *rule.
 */
int variant_of_params(const char *params, unsigned *variant, const char **field, const char **rule);
/*
 * What of a variant is left to do for video that is like this; NULL: none has come yet, and nothing
 * is spared.
 */
unsigned variant_needed(unsigned variant, const struct codec_info *video);
/* Whether viewers of a variant get messages of that type. */
bool variant_has(unsigned variant, uint8_t type);

#define CONVERT_HEAD_MAX 8

enum convert { CONVERT_SAME, CONVERT_DONE, CONVERT_LEAVE_OUT };

/* A converted message: a new head, then what follows the old one. */
struct converted {
	uint8_t head[CONVERT_HEAD_MAX], head_n;
	struct slice body; /* in the message */
};

/* HEVC video said the other way; all else is CONVERT_SAME. *out is set with CONVERT_DONE only. */
enum convert convert_video(const struct msg *m, bool enhanced, struct converted *out);
/*
 * The message as a variant's viewers get it. CONVERT_DONE: *out lies in `room`, until that is used
 * again. Without memory it is left out, and room->bad is set.
 */
enum convert convert_msg(unsigned variant, const struct msg *m, struct buf *room, struct msg *out);

#endif
