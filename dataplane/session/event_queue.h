/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events on their way from the cores to the control thread: a bounded queue without a lock.
 *
 * Each slot carries a number that says whose turn it is, so that producers only compete for a
 * position (after D. Vyukov's bounded queue). A full queue drops the event and counts it. The
 * reader's descriptor becomes readable once per batch.
 *
 * Threads: event_push from any; the rest on the control thread.
 */
#ifndef SESSION_EVENT_QUEUE_H
#define SESSION_EVENT_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

enum event_kind {
	EVENT_PUBLISH,
	EVENT_UNPUBLISH,
	EVENT_PULL,
	EVENT_PUSH,
	EVENT_AUTH_ASK,
	EVENT_WANTED,
	EVENT_UNWATCHED,
	EVENT_VIEWER_START,
	EVENT_VIEWER_STOP,
	EVENT_HLS_WANTED,
	EVENT_HLS_IDLE,
	EVENT_REFUSED,
};

/* What only some events say; from malloc(). */
struct event_more {
	char domain[128], app[128], stream[256], params[1024], referer[512];
	char id[20];  /* of a viewer */
	bool publish; /* auth.ask */
};

struct event {
	uint8_t kind;
	uint8_t why;	   /* enum reason */
	bool internal;	   /* streams */
	const char *state; /* relays, and why a publisher took over; static text */
	char name[512];	   /* stream key or leg id */
	char detail[192];  /* publisher's address; what the remote side said */
	char protocol[24];
	uint64_t number; /* of a question */
	uint64_t duration_ms, bytes;
	struct event_more
		*more; /* or NULL; owned: by the queue from event_push() on, then by the taker */
};

/* 0 or -errno. Events before it are dropped. */
int event_queue_open(void);
/* Events after it are dropped; a core may just be pushing one, so the descriptor stays. */
void event_queue_close(void);
/* Readable when there is something to take. */
int event_queue_fd(void);
void event_push(const struct event *e);
/* Before taking what is there. */
void event_queue_heard(void);
bool event_take(struct event *out);
/* Events dropped since the last call. */
uint64_t event_queue_lost(void);

#endif
