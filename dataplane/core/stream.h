/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream and the registry that finds it by name.
 *
 *   absent --publish--> live --publisher ends--> ended --last reference--> freed
 *                       live --hold--> held (live without a publisher) --resume--> live
 *                                      held --its time is over--> ended
 *
 * A name is in the registry while its stream is live. An ended stream is out of the registry (a new
 * publisher makes a new one); viewers that still hold it drain its logs and leave. To viewers a held
 * stream is a live one in which nothing happens (interop H6); the next publisher goes on with it, on
 * any core: stream_hand_over() makes that one its home.
 *
 * The home core (the publisher's) is the only writer: it calls stream_append(), which serialises the
 * message once into every open wire log. The RTMP log is always open; another format is opened when
 * first asked for, by mail to the home core, and filled from the newest key frame on, so that its
 * first viewer joins at once.
 *
 * Sequence headers and metadata are kept apart as messages (struct stream_headers), replaced as a
 * whole and reclaimed at quiet points: a joiner's private prefix is made from them, with the time of
 * the key frame it joins at (interop H7).
 *
 * Threads: registry functions from any thread (a short mutex; never on the delivery path);
 * stream_append and friends on the home core; readers as core/wlog.h says.
 */
#ifndef CORE_STREAM_H
#define CORE_STREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "api/counters.h"
#include "api/reasons.h"
#include "core/core.h"
#include "core/wlog.h"
#include "media/codec.h"
#include "media/convert.h"
#include "media/msg.h"

#define STREAM_HEADERS_MAX	24 /* several tracks of each kind */
#define STREAM_HEADER_BYTES_MAX 65536u

/* Immutable once published. */
struct stream_headers {
	uint64_t gen;			  /* grows with every change */
	struct stream_headers *next_free; /* retired list */
	uint64_t stamp;
	unsigned n;
	/* In sending order: metadata first, then video, then audio headers. */
	struct {
		uint8_t type;
		uint32_t off, len; /* into data */
	} msg[STREAM_HEADERS_MAX];
	uint8_t data[];
};

/* A log's kind: a wire format, and what its viewers get otherwise than it came. */
#define STREAM_LOGS_MAX (WIRE_MAX * VARIANT_MAX)
static inline unsigned stream_log_kind(enum wire_format f, unsigned variant)
{
	return variant * WIRE_MAX + f;
}
static inline enum wire_format stream_kind_format(unsigned kind)
{
	return (enum wire_format)(kind % WIRE_MAX);
}
static inline unsigned stream_kind_variant(unsigned kind)
{
	return kind / WIRE_MAX;
}

enum stream_state { STREAM_LIVE, STREAM_ENDED };

struct stream {
	char key[512];	       /* domain/app/name */
	bool internal;	       /* the inside of a relay task */
	_Atomic unsigned home; /* core that writes; moves only while held */
	unsigned slot;	       /* in shared memory */
	struct shm_stream *shm;
	struct engine *engine;
	_Atomic uint32_t refs;
	_Atomic uint32_t state;
	_Atomic uint32_t end_reason; /* enum reason, once ended */
	_Atomic bool held;
	_Atomic uint64_t hls_wanted_us; /* when somebody asked for it as HLS in vain */
	_Atomic(struct wlog *) log[STREAM_LOGS_MAX];
	_Atomic uint64_t audio_until_us, video_until_us; /* stream_flows() */
	_Atomic(struct stream_headers *) headers;
	/* home core only */
	struct stream_writer *writer;
	void *publisher; /* who publishes, as the session room knows it; NULL: held */
	void *claim;	 /* held: for whom it came to this core */
	struct timer hold;
	uint8_t hold_why; /* enum reason */
	struct mail bury;
	struct timer grave;
	uint64_t grave_stamp;
	/* registry only */
	struct stream *hash_next;
	LIST_ENTRY(stream) all;
};

struct registry;
/* streams_max: as many slots as shared memory has. NULL without memory. */
struct registry *registry_new(struct engine *e, unsigned streams_max);
/* Frees every stream that is left as well: the cores must have stopped. NULL is fine. */
void registry_free(struct registry *r);
/* Live streams now. */
unsigned registry_count(struct registry *r);
/* The live stream of that name with a reference, or NULL. Any thread. */
struct stream *stream_find(struct registry *r, const char *key);
/*
 * A new live stream of that name, homed on `home`, with one reference for the publisher. 0,
 * or -EEXIST (already publishing), -ENOSPC (limits.streams), -ENOMEM, -EINVAL (no or too long a
 * name). Called on the home core.
 */
int stream_publish(struct registry *r, struct core *home, const char *key, bool internal,
		   struct stream **out);
/* The publisher is gone: out of the registry, viewers drain. Home core. Drops its reference. */
void stream_end(struct stream *s, struct core *home, enum reason why);
/* The same, but for hold_ms viewers stay and another publisher may go on; then it ends with `why`. */
void stream_hold(struct stream *s, struct core *home, enum reason why, uint64_t hold_ms);
/*
 * A held stream gets a new home, which must resume it or hold it again; `claim` tells it that nobody
 * else was faster. On its home core, which must not write to it any more.
 */
void stream_hand_over(struct stream *s, struct core *home, struct core *to, void *claim);
/* A publisher goes on with a held stream, with the reference of the one before it. Home core. */
void stream_resume(struct stream *s, struct core *home);
/*
 * Its home core now; it may be another one a moment later. Said by name because gcc 12 makes a plain
 * load, not an atomic one, of an _Atomic that is an array's index.
 */
static inline struct core *stream_home(const struct stream *s)
{
	return s->engine
		->cores[atomic_load_explicit(&((struct stream *)s)->home, memory_order_acquire)];
}
static inline bool stream_is_held(const struct stream *s)
{
	return atomic_load_explicit(&((struct stream *)s)->held, memory_order_acquire);
}
struct stream *stream_get(struct stream *s);
/* Any thread; core is the caller's, or NULL. The last one frees it: on the home core, after a quiet
 * point. */
void stream_put(struct stream *s, struct core *core);
static inline bool stream_is_live(const struct stream *s)
{
	return atomic_load_explicit(&((struct stream *)s)->state, memory_order_acquire) ==
	       STREAM_LIVE;
}

/*
 * One message from the publisher (audio, video or data), home core only. Caches headers, marks key
 * frames, appends to every open log. Visible to viewers after stream_flush().
 *
 * Video that nobody can decode is left out and counted: before its sequence header (interop M6), before
 * the first key frame, and after a gap until the next one. A stream without video gets a key mark
 * about every second, so that it can be joined (M10).
 * 0, or -ENOMEM (the message and all history are dropped, the stream goes on; LOG_FULL is counted).
 */
int stream_append(struct stream *s, struct core *home, const struct msg *m);
/* Publishes what was appended, trims; once per batch of input. */
void stream_flush(struct stream *s, struct core *home);

/*
 * The log of a kind, opening it if need be. Returns it at once if open, or opened right here on the
 * home core; else NULL, and done->mail.run() is mailed to `core` when it is open, or cannot be
 * (the stream has ended, no memory): stream->log[kind] tells. A reference is held until run().
 */
struct stream_open {
	struct mail mail;				/* run set by the caller */
	void (*run)(struct mail *m, struct core *core); /* the same, while the mail is under way */
	struct stream *stream;
	struct core *core;
	unsigned kind;
};
struct wlog *stream_log(struct stream *s, struct core *core, unsigned kind,
			struct stream_open *done);

/* Present headers, valid until the core's next quiet point; NULL: none yet. */
const struct stream_headers *stream_headers(const struct stream *s);

/*
 * What of a variant its viewers need as the stream is now: where the source is already as they ask,
 * they share its log. Any core.
 */
unsigned stream_variant(const struct stream *s, unsigned wanted);
/*
 * Whether audio or video (type) flowed at that time, which a key frame has: it came within 10 s
 * before it, its header within a second before it, or later (interop M11, M12). Where it did not,
 * whoever joins at that key frame needs no header: it goes into the logs before what comes next.
 * Any core.
 */
bool stream_flows(const struct stream *s, uint8_t type, uint64_t at_us);

/* Calls back for each live stream with a reference held during the call; any thread. */
void registry_each(struct registry *r, void (*each)(void *arg, struct stream *s), void *arg);

#endif
