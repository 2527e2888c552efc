/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client of the control socket: its packets out, answers and events alike.
 *
 * What the socket does not take is queued; while a client has queued packets or CTL_ASKED_MAX
 * questions open, its requests are not read, so answers are bounded by what it asked. Events beyond
 * the bound are dropped, and it is told how many.
 *
 * Threads: the control thread.
 */
#ifndef SESSION_CTL_CLIENT_H
#define SESSION_CTL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "session/ctl_request.h"

#define CTL_ASKED_MAX  16
#define CTL_QUEUED_MAX 1024 /* packets, beyond which events are dropped */

struct ctl_packet;

struct ctl_client {
	int fd;		 /* -1: a free place */
	uint32_t serial; /* tells one user of a place from the next */
	bool hello, subscribed, broken;
	unsigned queued_n, asked;
	uint64_t lost;
	STAILQ_HEAD(, ctl_packet) queued;
};

void ctl_client_open(struct ctl_client *c, int fd, uint32_t serial);
void ctl_client_close(struct ctl_client *c);
/* Sends queued packets as far as the socket takes them. */
void ctl_client_flush(struct ctl_client *c);
/* Whether its next request may be read. */
bool ctl_client_ready(const struct ctl_client *c);
/* {"id":id,"error":null, and body's keys}; body is consumed and may be NULL. pass_fd: -1 or a
 * descriptor that travels along and stays the caller's. */
void ctl_client_answer(struct ctl_client *c, json_t *id, json_t *body, int pass_fd);
void ctl_client_refuse(struct ctl_client *c, json_t *id, const struct ctl_error *e);
/* A list in as many packets as it needs; the list is consumed. */
void ctl_client_list(struct ctl_client *c, json_t *id, const char *key, json_t *list);
/* For subscribers; event is borrowed. */
void ctl_client_event(struct ctl_client *c, const json_t *event);
void ctl_client_lost(struct ctl_client *c, uint64_t count);

#endif
