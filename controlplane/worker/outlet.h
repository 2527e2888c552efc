/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What packaging hands to the data plane: packets of the HLS channel (api/hls.h), with objects as
 * sealed memory files beside them.
 *
 * A data plane that does not read makes packets wait, a bounded number of them; beyond that a
 * segment becomes a gap, parts and keys of it are left out, and this is counted. Nothing here waits.
 * Threads: one owner.
 */
#ifndef WORKER_OUTLET_H
#define WORKER_OUTLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct outlet;

struct outlet_ops {
	/* Something of that stream was refused; texts are borrowed. media_seq: -1 where none is said. */
	void (*refused)(void *arg, const char *stream, const char *code, const char *message,
			int64_t media_seq);
};

/* fd becomes its own. */
struct outlet *outlet_new(int fd, const struct outlet_ops *ops, void *arg);
void outlet_free(struct outlet *o);
/* Takes the reference to the packet and the descriptor (-1: none). */
void outlet_send(struct outlet *o, json_t *packet, int fd);
/* To be called when there may be something to read or room to write; false: the channel is closed. */
bool outlet_turn(struct outlet *o);
/* Whether packets wait for room. */
bool outlet_waiting(const struct outlet *o);
int outlet_fd(const struct outlet *o);
uint64_t outlet_gaps(const struct outlet *o);

/* A memory file that can be sealed; -errno. */
int object_open(void);
/* false: there is no memory for it. */
bool object_write(int fd, const uint8_t *p, size_t n);
/* From now on nobody can change it. 0 or -errno. */
int object_seal(int fd);

#endif
