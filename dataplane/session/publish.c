/* SPDX-License-Identifier: Apache-2.0 */
#include "session/publish.h"

#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "media/rtmp_in.h"
#include "session/backup.h"
#include "session/domains.h"
#include "session/events.h"

#define BACKUP_HOLD_MS 15000 /* until the next one's key frame, with room for long GOPs */
#define BACKUP_LOOK_MS 500   /* whether the group was ended */

/* ---- beginning and ending ---- */

void publish_begun(struct publish *p, struct stream *stream)
{
	struct session *s = p->session;
	char who[NET_ADDR_TEXT], name[600];

	p->stream = stream;
	p->begun_us = s->core->now_us;
	stream->publisher = p;
	if (p->backup)
		backup_begun(p);
	core_count(s->core, CTR_PUBLISHERS, 1);
	path_role(s, stream, p->pull ? ROLE_PULL : ROLE_PUBLISH);
	net_addr_text(who, &s->conn->peer);
	event_publish(p, stream->key);
	log_info("publish", "stream=%s protocol=%s peer=%s core=%u",
		 log_q(name, sizeof(name), stream->key), s->ops->protocol, who, s->core->id);
}

void publish_leave(struct publish *p, enum reason why, uint64_t hold_ms)
{
	struct stream *stream = p->stream;
	struct core *core = p->session->core;
	char name[600];

	publish_flush(p);
	p->stream = NULL;
	stream->publisher = NULL;
	core_uncount(core, CTR_PUBLISHERS, 1);
	log_info("unpublish", "stream=%s reason=%s hold_ms=%" PRIu64 " core=%u",
		 log_q(name, sizeof(name), stream->key), reason_name(why), hold_ms, core->id);
	/* Before the name can be had again: the next publisher's event must come after this one. */
	event_unpublish(p, stream->key, why, stream->internal);
	if (hold_ms)
		stream_hold(stream, core, why, hold_ms);
	else
		stream_end(stream, core, why);
}

uint64_t publish_hold_ms(struct core *c, const char *key, enum reason why)
{
	const struct config *conf = engine_conf(c->engine);
	uint64_t hold_ms = (uint64_t)domain_publish_of(key, conf).hold_ms;

	switch (why) {
	case REASON_UNPUBLISHED:
	case REASON_REMOTE_ENDED:
		return conf->publish_hold_stop ? hold_ms : 0;
	case REASON_KICKED: /* somebody wants the stream to end */
	case REASON_FORBIDDEN:
	case REASON_DOMAIN_UNKNOWN:
	case REASON_DOMAIN_DISABLED:
	case REASON_AUTH_REVOKED:
	case REASON_REMOVED:
	case REASON_SHUTDOWN:
	case REASON_FIRST_MEDIA_TIMEOUT: /* there is nothing to wait with */
	case REASON_NO_SEQUENCE_HEADER:
		return 0;
	default:
		return hold_ms;
	}
}

void publish_end(struct publish *p, enum reason why)
{
	uint64_t hold_ms = 0;

	publish_take_drop(p);
	/* Where it comes from, the end of a process looks like the end of a stream. */
	if (p->stream)
		hold_ms = publish_hold_ms(p->session->core, p->stream->key,
					  p->yields ? REASON_REMOTE_CLOSED : why);
	if (p->stream)
		publish_leave(p, why,
			      backup_follows(p, why) ? max_of(hold_ms, BACKUP_HOLD_MS) : hold_ms);
	/* After it: the stream is held when another one's turn comes. */
	if (p->backup)
		backup_leave(p, why);
	if (p->who)
		mem_free(&p->session->mem, p->who, strlen(p->who) + 1);
	p->who = NULL;
}

/* ---- messages ---- */

static void odd(struct publish *p)
{
	core_count(p->session->core, CTR_ODD_MESSAGES, 1);
}

/*
 * Notes since when somebody could decode more if a sequence header came (interop M6). What cannot be
 * decoded is left out by stream_append().
 */
static void note_headers(struct publish *p, const struct msg *m)
{
	bool *have = m->type == MSG_VIDEO ? &p->video_header : &p->audio_header;
	struct codec_info info;

	if (*have || !codec_inspect(m, &info))
		return;
	*have = info.header || (info.frame && !info.needs_header);
	if (*have)
		p->no_header_since_us = 0;
	else if (info.frame && !p->no_header_since_us)
		p->no_header_since_us = p->last_media_us;
}

static void append(struct publish *p, const struct msg *m)
{
	if (msg_is_media(m) && m->len) {
		p->last_media_us = p->session->core->now_us;
		if (!p->first_media_us)
			p->first_media_us = p->last_media_us;
		note_headers(p, m);
	}
	if (p->backup && backup_message(p, m))
		return;
	p->appended = true;
	/* Without memory the message is gone and counted, and the stream goes on. */
	stream_append(p->stream, p->session->core, m);
}

/* The messages inside an aggregate; a malformed rest is left out (interop C13). */
static void aggregate(struct publish *p, const struct msg *m)
{
	uint32_t off = 0;
	struct msg inner;
	int r;

	while ((r = rtmp_aggregate_next(m, &off, &inner)) > 0) {
		if (inner.type == MSG_AGGREGATE)
			odd(p);
		else
			append(p, &inner);
	}
	if (r < 0)
		odd(p);
}

void publish_message(struct publish *p, const struct msg *m)
{
	if (!p->stream && !p->backup)
		odd(p);
	else if (m->type == MSG_AGGREGATE)
		aggregate(p, m);
	else
		append(p, m);
}

void publish_flush(struct publish *p)
{
	if (!p->stream || !p->appended)
		return;
	p->appended = false;
	stream_flush(p->stream, p->session->core);
}

/* ---- watching ---- */

/* Moves *next_ms to when `since_us` is limit_ms old; true if it is. */
static bool overdue(uint64_t now_us, uint64_t since_us, int64_t limit_ms, uint64_t *next_ms)
{
	uint64_t age_ms = now_us > since_us ? (now_us - since_us) / 1000 : 0;

	if (age_ms >= (uint64_t)limit_ms)
		return true;
	if ((uint64_t)limit_ms - age_ms < *next_ms)
		*next_ms = (uint64_t)limit_ms - age_ms;
	return false;
}

enum reason publish_watch(struct publish *p, uint64_t *next_ms)
{
	const struct config *conf = engine_conf(p->session->core->engine);
	int64_t first = p->pull ? conf->relay_start_timeout : conf->stream_first_media_timeout;
	int64_t dead = p->pull ? conf->relay_media_timeout : conf->stream_media_timeout;
	uint64_t now_us = p->session->core->now_us;

	/* Asked often enough that whichever limit comes to count is not passed by much. */
	*next_ms = (uint64_t)max_of(dead / 4, 250);
	if (!p->stream && !p->backup)
		return REASON_NONE;
	if (p->backup && backup_over(p) != REASON_NONE)
		return backup_over(p);
	if (p->backup)
		*next_ms = min_of(*next_ms, (uint64_t)BACKUP_LOOK_MS);
	if (p->pull && !p->internal)
		unwatched_look(&p->unwatched, p->session->core, p->stream, next_ms);
	if (!p->first_media_us)
		return overdue(now_us, p->begun_us, first, next_ms) ? REASON_FIRST_MEDIA_TIMEOUT
								    : REASON_NONE;
	if (overdue(now_us, p->last_media_us, dead, next_ms))
		return REASON_MEDIA_TIMEOUT;
	if (p->pull && p->no_header_since_us &&
	    overdue(now_us, p->no_header_since_us, conf->stream_no_header_timeout, next_ms))
		return REASON_NO_SEQUENCE_HEADER;
	return REASON_NONE;
}
