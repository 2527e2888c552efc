/* SPDX-License-Identifier: Apache-2.0 */
#include "session/hls_channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "api/hls.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/usock.h"
#include "core/shm.h"
#include "session/domains.h"
#include "session/events.h"
#include "session/waiting.h"
#include "session/hls_packet.h"

#define SAY_US		1000000u
#define PACKETS_AT_ONCE 16 /* of one channel in a turn */

#define IDLE_LOOK_US 500000u

static struct {
	struct engine *engine;
	int epoll;
	int fd[HLS_CHANNELS_MAX]; /* -1: a free place */
	uint64_t said_us[HLS_CHANNELS_MAX];
	uint64_t refused; /* packets */
	uint64_t idle_us; /* when idle streams were looked for */
} all = {.epoll = -1};

/* What owns the streams of a channel: its place. */
static const void *owner_of(unsigned i)
{
	return &all.fd[i];
}

static void channel_close(unsigned i)
{
	hls_disown(all.engine->hls, owner_of(i), clock_us());
	close(all.fd[i]);
	all.fd[i] = -1;
	log_info("hls_channel_end", "channel=%u", i);
}

/* ---- packets --------------------------------------------------------------------------------- */

/* What is wrong with a packet; a worker that does not read loses the answer, not us the time. */
static void complain(unsigned i, const char *stream, const struct ctl_error *e, int64_t media_seq)
{
	json_t *answer = json_pack("{s:{s:s, s:s, s:s}, s:o}", "error", "code", e->code, "field",
				   e->field, "message", e->message, "stream", ctl_text(stream));
	char *text;

	if (answer && media_seq >= 0)
		json_object_set_new(answer, "media_seq", json_integer(media_seq));
	text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	if (text && usock_send(all.fd[i], text, strlen(text), -1) < 0)
		log_debug("hls_channel_deaf", "channel=%u", i);
	free(text);
	json_decref(answer);
}

static int fault_is(struct ctl_error *e, const struct hls_fault *f, int64_t *media_seq)
{
	*media_seq = f->media_seq;
	return ctl_error_set(e, f->code, f->field, "%s", f->message);
}

/* The object beside the packet. *full: there is no room for it. */
static int take(int fd, struct hls_put *put, bool *full, struct ctl_error *e)
{
	struct engine *engine = all.engine;

	switch (segment_take(&engine->hls->store, fd, HLS_OBJECT_MAX,
			     (size_t)engine_conf(engine)->hls_memory, &put->object)) {
	case SEGMENT_OK:
		return 0;
	case SEGMENT_NOT_SEALED:
		return ctl_error_set(
			e, "bad_request", "",
			"a memfd with F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_WRITE must "
			"travel beside it");
	case SEGMENT_BAD_SIZE:
		return ctl_error_set(e, "bad_request", "", "the memfd must have 1 to %d bytes",
				     HLS_OBJECT_MAX);
	case SEGMENT_NO_ROOM:
		break;
	}
	*full = true;
	return put->kind == HLS_SEGMENT ? 0 : ctl_error_set(e, "limit", "", "hls.memory is full");
}

static int put(struct hls_stream *s, struct hls_packet *p, int fd, struct ctl_error *e,
	       int64_t *media_seq)
{
	struct hls_fault f;
	bool full = false;

	if (p->wants_fd && take(fd, &p->put, &full, e))
		return -EINVAL;
	if (hls_put(all.engine->hls, s, &p->put, full, clock_us(), &f))
		return fault_is(e, &f, media_seq);
	return full ? ctl_error_set(e, "limit", "", "hls.memory is full: the segment is a gap") : 0;
}

static int packet_run(unsigned i, struct hls_packet *p, int fd, struct ctl_error *e,
		      int64_t *media_seq)
{
	struct hls *hls = all.engine->hls;
	struct hls_stream *s;
	struct hls_fault f;

	if (p->verb == HLS_VERB_OPEN)
		return hls_open(hls, &p->open, owner_of(i), clock_us(), &f)
			       ? fault_is(e, &f, media_seq)
			       : 0;
	s = hls_find(hls, p->stream);
	if (!s || s->owner != owner_of(i))
		return ctl_error_set(e, "not_found", "stream", "is not open on this channel");
	switch (p->verb) {
	case HLS_VERB_CLOSE:
		hls_close(hls, s, clock_us());
		return 0;
	case HLS_VERB_END:
		hls_end(hls, s, clock_us());
		return 0;
	default:
		return put(s, p, fd, e, media_seq);
	}
}

/* A worker that is wrong all the time does not fill the log. */
static void say_refused(unsigned i, const char *stream, const struct ctl_error *e)
{
	char stream_q[600], message_q[700];
	uint64_t now_us = clock_us();

	if (all.said_us[i] && now_us < all.said_us[i] + SAY_US)
		return;
	all.said_us[i] = now_us;
	log_warn("hls_refused", "channel=%u stream=%s code=%s field=%s message=%s", i,
		 log_q(stream_q, sizeof(stream_q), stream), e->code, e->field,
		 log_q(message_q, sizeof(message_q), e->message));
}

static void packet_take(unsigned i, const char *text, size_t n, int fd)
{
	int64_t media_seq = -1;
	struct hls_packet p;
	struct ctl_error e;

	if (hls_packet_parse(&p, text, n, &e) || packet_run(i, &p, fd, &e, &media_seq)) {
		all.refused++;
		say_refused(i, p.stream, &e);
		complain(i, p.stream, &e, media_seq);
	}
	hls_packet_fini(&p);
}

static void channel_read(unsigned i)
{
	char packet[HLS_PACKET_MAX];
	struct ctl_error e;

	for (unsigned k = 0; k < PACKETS_AT_ONCE; k++) {
		int fd = -1;
		ssize_t n = usock_recv(all.fd[i], packet, sizeof(packet), &fd);

		if (n > 0) {
			packet_take(i, packet, (size_t)n, fd);
		} else if (n == -EMSGSIZE) {
			ctl_error_set(&e, "bad_request", "", "longer than %d bytes",
				      HLS_PACKET_MAX);
			all.refused++;
			complain(i, "", &e, -1);
		}
		if (fd >= 0)
			close(fd);
		if (n == -EAGAIN)
			return;
		if (n <= 0 && n != -EMSGSIZE) {
			channel_close(i);
			return;
		}
	}
}

static void changed(struct engine *e, const char *key)
{
	waiting_notify(e, WAITING_FOR_SEGMENT, key);
}

int hls_channels_start(struct engine *e)
{
	all.engine = e;
	e->hls->changed = changed;
	for (unsigned i = 0; i < HLS_CHANNELS_MAX; i++)
		all.fd[i] = -1;
	all.epoll = epoll_create1(EPOLL_CLOEXEC);
	return all.epoll < 0 ? -errno : 0;
}

void hls_channels_stop(void)
{
	if (all.epoll < 0)
		return;
	for (unsigned i = 0; i < HLS_CHANNELS_MAX; i++)
		if (all.fd[i] >= 0)
			channel_close(i);
	close(all.epoll);
	all.epoll = -1;
}

int hls_channels_fd(void)
{
	return all.epoll;
}

void hls_channels_serve(void)
{
	struct epoll_event ev[HLS_CHANNELS_MAX];
	int n = epoll_wait(all.epoll, ev, HLS_CHANNELS_MAX, 0);

	for (int k = 0; k < n; k++)
		if (all.fd[ev[k].data.u32] >= 0)
			channel_read(ev[k].data.u32);
}

int hls_channel_open(int *theirs)
{
	struct epoll_event ev = {.events = EPOLLIN};
	unsigned i = 0;
	int fd[2], r;

	while (i < HLS_CHANNELS_MAX && all.fd[i] >= 0)
		i++;
	if (i == HLS_CHANNELS_MAX)
		return -EMFILE;
	r = usock_pair(fd);
	if (r)
		return r;
	ev.data.u32 = i;
	if (epoll_ctl(all.epoll, EPOLL_CTL_ADD, fd[0], &ev)) {
		r = -errno;
		close(fd[0]);
		close(fd[1]);
		return r;
	}
	all.fd[i] = fd[0];
	*theirs = fd[1];
	log_info("hls_channel", "channel=%u", i);
	return 0;
}

/* ---- lists and time -------------------------------------------------------------------------- */

/* Bytes of what the stream holds: each object of its view once. */
static uint64_t bytes_of(const struct hls_view *v)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < v->segs_n; i++)
		n += v->seg_object[i] ? v->seg_object[i]->n : 0;
	for (unsigned i = 0; i < v->parts_n; i++)
		n += v->part_object[i]->n;
	for (unsigned i = 0; i < v->inits_n; i++)
		n += v->init[i].object->n;
	return n;
}

static json_t *stream_json(const struct hls_stream *s, uint64_t now_us)
{
	const struct hls_view *v = hls_view(s);
	uint64_t asked_us =
		atomic_load_explicit(&((struct hls_stream *)s)->asked_us, memory_order_relaxed);
	uint64_t requests =
		atomic_load_explicit(&((struct hls_stream *)s)->requests, memory_order_relaxed);

	return json_pack("{s:o, s:s, s:i, s:i, s:I, s:I, s:I, s:I, s:I}", "stream",
			 ctl_text(s->key), "kind", v->list.fmp4 ? "fmp4" : "ts", "segments",
			 (int)v->segs_n, "parts", (int)v->parts_n, "bytes", (json_int_t)bytes_of(v),
			 "media_seq", (json_int_t)(v->list.media_seq + v->list.segs_n), "disc_seq",
			 (json_int_t)hls_discontinuities(v), "requests", (json_int_t)requests,
			 "idle_ms",
			 (json_int_t)(now_us > asked_us ? (now_us - asked_us) / 1000 : 0));
}

json_t *hls_channel_streams(void)
{
	uint64_t now_us = clock_us();
	json_t *list = json_array();
	struct hls_stream *s;

	TAILQ_FOREACH (s, &all.engine->hls->streams, all)
		json_array_append_new(list, stream_json(s, now_us));
	return list;
}

/* Nobody asks any more: the control plane may stop packaging it, if that is how it is packaged. */
static void say_idle(uint64_t now_us)
{
	uint64_t otherwise_ms = (uint64_t)engine_conf(all.engine)->hls_idle;
	struct hls_stream *s;

	if (now_us < all.idle_us + IDLE_LOOK_US)
		return;
	all.idle_us = now_us;
	TAILQ_FOREACH (s, &all.engine->hls->streams, all) {
		uint64_t asked_us = atomic_load_explicit(&s->asked_us, memory_order_relaxed);

		if (!s->owner || now_us < max_of(asked_us, s->told_us) +
						  domain_hls_idle_ms(s->key, otherwise_ms) * 1000)
			continue;
		s->told_us = now_us;
		event_hls(false, s->key);
	}
}

void hls_channels_tick(uint64_t now_us)
{
	say_idle(now_us);
	hls_settle(all.engine->hls, now_us);
	shm_set(&all.engine->shm->hls_bytes, all.engine->hls->store.used);
	shm_set(&all.engine->shm->hls_refused, all.refused);
}
