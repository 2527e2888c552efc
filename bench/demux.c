/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/demux.h"

#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

#define FLV_FILE_HEADER 13
#define FLV_TAG_HEADER	11
#define FLV_TAG_TRAILER 4
#define STAMP_MAGIC	0x4d524231

void demux_init(struct demux *d, enum demux_kind kind,
		void (*frame)(void *user, const struct demux_frame *f), void *user)
{
	memset(d, 0, sizeof(*d));
	d->kind = kind;
	d->frame = frame;
	d->user = user;
	d->chunk_bytes = 128;
	d->skip = kind == DEMUX_FLV ? FLV_FILE_HEADER : 0;
}

/* ---- payload ---- */

static bool is_frame(const struct demux_msg *m)
{
	return (m->type == TRAFFIC_VIDEO || m->type == TRAFFIC_AUDIO) &&
	       m->bytes > traffic_head_bytes(m->type) && m->head[1] == 1;
}

static void message_end(struct demux *d, struct demux_msg *m)
{
	struct demux_frame f = {.msg.type = m->type, .damaged = m->damaged};

	m->open = false;
	if (d->kind == DEMUX_RTMP && m->type == 1 && m->bytes >= 4)
		d->chunk_bytes = max_of(1u, get_be32(m->head));
	if (!is_frame(m))
		return;
	f.damaged |= !traffic_head_read(m->head, &f.msg, &f.sent_us);
	d->frame(d->user, &f);
}

/* Bytes of the body behind the stamp. */
static void check_fill(struct demux_msg *m, const uint8_t *p, size_t n)
{
	struct traffic_msg msg = {.type = m->type};
	uint64_t sent_us;

	if (m->bytes > TRAFFIC_BODY_MAX || !traffic_head_read(m->head, &msg, &sent_us) ||
	    memcmp(p, traffic_fill(msg.number, m->bytes) + (m->at - traffic_head_bytes(m->type)),
		   n))
		m->damaged = true;
}

static void payload(struct demux *d, struct demux_msg *m, const uint8_t *p, size_t n)
{
	while (n) {
		const uint32_t head = traffic_head_bytes(m->type);
		size_t k = n;

		if (m->at < head) {
			k = min_of(n, (size_t)(head - m->at));
			memcpy(m->head + m->at, p, k);
		} else if (is_frame(m)) {
			check_fill(m, p, k);
			d->media = true;
		}
		m->at += (uint32_t)k;
		p += k;
		n -= k;
	}
	if (m->at == m->bytes)
		message_end(d, m);
}

/* ---- headers ---- */

static void message_begin(struct demux_msg *m, uint8_t type, uint32_t bytes)
{
	m->type = type;
	m->bytes = bytes;
	m->at = 0;
	m->damaged = false;
	m->open = true;
	memset(m->head, 0, sizeof(m->head));
}

static struct demux_msg *chunk_stream(struct demux *d, uint16_t id)
{
	for (unsigned i = 0; i < d->messages; i++)
		if (d->msg[i].chunk_stream == id)
			return &d->msg[i];
	if (d->messages == DEMUX_CHUNK_STREAMS)
		return NULL;
	d->msg[d->messages].chunk_stream = id;
	return &d->msg[d->messages++];
}

/* How long the chunk header in d->head is, as far as can be said; *m is set when it is known. */
static unsigned chunk_header_bytes(struct demux *d, struct demux_msg **m)
{
	static const unsigned fixed[4] = {11, 7, 3, 0};
	unsigned format = d->head[0] >> 6, low = d->head[0] & 63;
	unsigned basic = low == 0 ? 2 : low == 1 ? 3 : 1, bytes = basic + fixed[format];
	uint16_t id = (uint16_t)low;

	if (d->head_n < bytes)
		return bytes;
	if (low < 2)
		id = (uint16_t)(64 + d->head[1] + (low ? d->head[2] * 256 : 0));
	*m = chunk_stream(d, id);
	if (!*m)
		return bytes;
	if (format < 3)
		(*m)->extended = get_be24(d->head + basic) == 0xffffff;
	return bytes + ((*m)->extended ? 4 : 0);
}

static void chunk_header(struct demux *d, struct demux_msg *m)
{
	unsigned format = d->head[0] >> 6, low = d->head[0] & 63;
	unsigned basic = low == 0 ? 2 : low == 1 ? 3 : 1;

	if (format < 2)
		message_begin(m, d->head[basic + 6], get_be24(d->head + basic + 3));
	else if (!m->open)
		message_begin(m, m->type, m->bytes);
	d->now = m;
	d->chunk_left = min_of(d->chunk_bytes, m->bytes - m->at);
}

static void tag_header(struct demux *d)
{
	struct demux_msg *m = &d->msg[0];

	message_begin(m, d->head[0] & 0x1f, get_be24(d->head + 1));
	d->now = m;
	d->chunk_left = m->bytes;
}

/* Takes header bytes until there is one; how many were taken. */
static size_t header(struct demux *d, const uint8_t *p, size_t n)
{
	struct demux_msg *m = NULL;
	size_t used = 0;

	while (used < n) {
		unsigned need = FLV_TAG_HEADER;

		d->head[d->head_n++] = p[used++];
		if (d->kind == DEMUX_RTMP)
			need = chunk_header_bytes(d, &m);
		if (d->head_n < need)
			continue;
		d->head_n = 0;
		if (d->kind != DEMUX_RTMP)
			tag_header(d);
		else if (m)
			chunk_header(d, m);
		else
			d->broken = true;
		break;
	}
	return used;
}

void demux_feed(struct demux *d, const uint8_t *p, size_t n)
{
	while (n && !d->broken) {
		size_t k;

		if (d->skip) {
			k = min_of(n, (size_t)d->skip);
			d->skip -= (unsigned)k;
		} else if (!d->now) {
			k = header(d, p, n);
		} else {
			k = min_of(n, (size_t)d->chunk_left);
			payload(d, d->now, p, k);
			d->chunk_left -= (uint32_t)k;
		}
		if (d->now && !d->chunk_left) {
			/* An empty message ends with its header. */
			if (d->now->bytes == 0)
				message_end(d, d->now);
			d->now = NULL;
			d->skip = d->kind == DEMUX_RTMP ? 0 : FLV_TAG_TRAILER;
		}
		p += k;
		n -= k;
	}
}
