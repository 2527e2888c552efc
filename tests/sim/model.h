/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a wire log ought to hold, kept apart from it: every byte, every message's start, every key
 * frame. The simulator's viewers are checked against this and never against the log itself.
 */
#ifndef TESTS_SIM_MODEL_H
#define TESTS_SIM_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/wlog.h"
#include "media/wire.h"

struct model_msg {
	uint64_t off, at_us;
	uint64_t headers; /* of a key frame: the generation it needs; 0: no key frame */
};

struct model {
	const struct wlog *log;
	uint8_t *bytes;
	struct model_msg *msg;
	uint64_t bytes_n, bytes_cap;
	size_t msgs, msgs_cap;
};

void model_fini(struct model *m);
/* A log that was filled before anybody looked: takes what is there; its first message is a key. */
void model_adopt(struct model *m, enum wire_format f, const struct wlog *log, uint64_t headers,
		 uint64_t now_us);
/*
 * The engine has dealt with `msg`: false where it left it out, else it is now the last message of the
 * log, byte for byte as the format says. headers: see struct model_msg.
 */
bool model_append(struct model *m, enum wire_format f, const struct wlog *log,
		  const struct msg *msg, uint64_t headers, uint64_t now_us);
/* Index of the message that holds byte off, searched from `hint` on; msgs at the end. */
size_t model_find(const struct model *m, uint64_t off, size_t hint);
bool model_is_boundary(const struct model *m, uint64_t off);
/* The key frame that begins at off, or NULL. */
const struct model_msg *model_key(const struct model *m, uint64_t off);

#endif
