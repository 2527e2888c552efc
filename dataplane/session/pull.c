/* SPDX-License-Identifier: Apache-2.0 */
#include "session/pull.h"

#include "media/codec.h"
#include "media/rtmp_in.h"

void pull_init(struct pull *p, struct leg_session *owner)
{
	*p = (struct pull){.owner = owner};
}

static bool begins_stream(const struct msg *m)
{
	struct slice payload;

	if (m->type == MSG_DATA || m->type == MSG_DATA_AMF3)
		return codec_data(m, &payload) == DATA_METADATA;
	return msg_is_media(m) || m->type == MSG_AGGREGATE;
}

static enum reason begin(struct pull *p)
{
	struct leg *leg = p->owner->leg;
	enum reason why =
		publish_begin(&p->publish, &p->owner->session, leg->stream, leg->internal, true);

	if (why != REASON_NONE)
		return why;
	p->begun = true;
	p->publish.yields = leg->bridge;
	return pull_deadline(p);
}

/* Looks at headers and frames only until the first usable frame has come. */
static void watch_start(struct pull *p, const struct msg *m)
{
	bool *header = m->type == MSG_VIDEO ? &p->video_header : &p->audio_header;
	struct codec_info info;

	if (!codec_inspect(m, &info))
		return;
	if (info.header)
		*header = true;
	if (!info.frame || (info.needs_header && !*header))
		return;
	p->running = true;
	leg_running(p->owner->leg);
}

static void count(struct pull *p, const struct msg *m)
{
	struct shm_relay *shm = p->owner->leg->shm;

	shm_add(&shm->bytes, m->len);
	shm_add(&shm->messages, 1);
	if (msg_is_media(m) || m->type == MSG_AGGREGATE)
		shm_set(&shm->last_media_us, p->owner->session.core->now_us);
}

enum reason pull_message(struct pull *p, const struct msg *m)
{
	enum reason why;

	if (!p->begun) {
		if (!begins_stream(m))
			return REASON_NONE;
		why = begin(p);
		if (why != REASON_NONE)
			return why;
	}
	count(p, m);
	publish_message(&p->publish, m);
	if (!p->running) {
		struct msg part;
		uint32_t off = 0;

		if (msg_is_media(m))
			watch_start(p, m);
		else if (m->type == MSG_AGGREGATE)
			while (!p->running && rtmp_aggregate_next(m, &off, &part) > 0)
				if (msg_is_media(&part))
					watch_start(p, &part);
	}
	return REASON_NONE;
}

void pull_flush(struct pull *p)
{
	if (p->begun)
		publish_flush(&p->publish);
}

enum reason pull_deadline(struct pull *p)
{
	uint64_t next_ms = 0;
	enum reason why;

	if (!p->begun)
		return REASON_FIRST_MEDIA_TIMEOUT;
	why = publish_watch(&p->publish, &next_ms);
	if (why == REASON_NONE)
		session_deadline(&p->owner->session, next_ms, REASON_MEDIA_TIMEOUT);
	return why;
}

void pull_end(struct pull *p, enum reason why)
{
	publish_end(&p->publish, why);
}
