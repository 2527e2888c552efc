/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of several sources is shown (interop P4): number 0 is the primary, the others are its backups in
 * their order, PICK_SLATE is the film for the time when there is none.
 *
 *   shown source ends, or is silent for silent_us --> the first other one that can be shown, or the slate
 *   a backup is shown --> an earlier source, when that has flowed for return_us and a key frame has just come
 *   the slate is shown --> the first source that can be shown
 *
 * What can be shown flows and begins with a key frame. Threads: pure, any.
 */
#ifndef WORKER_PICK_H
#define WORKER_PICK_H

#include <stdbool.h>
#include <stdint.h>

#define PICK_SLATE    (-1)
#define PICK_SOURCES  4
#define PICK_FRESH_US 200000 /* a key frame that came so recently is no step back in time */

struct pick_source {
	uint64_t since_us; /* it flows without a break since then; 0: it does not */
	uint64_t last_us;  /* when its newest frame came */
	uint64_t head_us;  /* when the frame that would be shown first came; 0: there is none */
	bool head_key;	   /* and that is a key frame */
	bool fits;	   /* its codecs are those of what was shown before */
};

struct pick_rules {
	uint64_t silent_us, return_us; /* return_us UINT64_MAX: never */
};

/* What is to be shown instead of `shown`; the same: nothing changes. */
int pick_next(const struct pick_source *s, unsigned n, int shown, const struct pick_rules *rules,
	      uint64_t now_us);

#endif
