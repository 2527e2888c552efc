/* SPDX-License-Identifier: Apache-2.0 */
#include "session/hls_serve.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "media/http_range.h"
#include "session/http_server.h"

#define HOLD_TARGETS 3u /* a part in advance is waited for so many target durations (interop L11) */
#define PARTS_AHEAD  1u /* beyond the next one */

/* What an answer says about an object. */
struct object {
	struct segment *segment;
	const char *type, *cache;
	char etag[48], modified[40];
};

static const char forever[] = "public, max-age=31536000, immutable";

static void describe(struct object *o, const struct http_server *h)
{
	const struct engine *e = h->session.core->engine;
	time_t at = (time_t)(o->segment->wall_ms / 1000);
	struct tm tm;

	/* The start makes it another one after a restart. */
	snprintf(o->etag, sizeof(o->etag), "\"%" PRIx64 "-%" PRIx64 "\"", e->shm->start_wall_ms,
		 o->segment->serial);
	strftime(o->modified, sizeof(o->modified), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&at, &tm));
}

static bool is_text(struct slice value, const char *text)
{
	return value.n == strlen(text) && !memcmp(value.p, text, value.n);
}

/* Whether the list of If-None-Match holds our tag, weak or not, or is "*". */
static bool lists_etag(struct slice list, const char *etag)
{
	return is_text(list, "*") || memmem(list.p, list.n, etag, strlen(etag));
}

/* RFC 9110, 13: the client has it already. */
static bool is_unchanged(const struct object *o, const struct http_head *head)
{
	struct slice tags = http_header_get(head, "If-None-Match");

	if (tags.p)
		return lists_etag(tags, o->etag);
	return is_text(http_header_get(head, "If-Modified-Since"), o->modified);
}

static enum http_range range_of(const struct object *o, const struct http_head *head,
				uint64_t *first, uint64_t *last)
{
	struct slice range = http_header_get(head, "Range"),
		     same = http_header_get(head, "If-Range");

	if (!range.p || head->method != HTTP_GET)
		return HTTP_RANGE_WHOLE;
	if (same.p && !is_text(same, o->etag) && !is_text(same, o->modified))
		return HTTP_RANGE_WHOLE;
	return http_range_parse(range, o->segment->n, first, last);
}

static void put_head(struct http_server *h, unsigned status, const struct object *o)
{
	http_put_status(h, status);
	http_put(h,
		 "Cache-Control: %s\r\nETag: %s\r\nLast-Modified: %s\r\nAccept-Ranges: bytes\r\n",
		 o->cache, o->etag, o->modified);
}

static void send_object(struct http_server *h, const struct http_head *head, struct object *o)
{
	uint64_t n = o->segment->n, first = 0, last = n - 1;
	enum http_range range;

	describe(o, h);
	range = range_of(o, head, &first, &last);
	hls_answer_begins(h);
	if (is_unchanged(o, head)) {
		put_head(h, 304, o);
		http_put(h, "\r\n");
		return;
	}
	if (range == HTTP_RANGE_UNSATISFIABLE) {
		put_head(h, 416, o);
		http_put(h, "Content-Range: bytes */%" PRIu64 "\r\nContent-Length: 0\r\n\r\n", n);
		return;
	}
	put_head(h, range == HTTP_RANGE_PART ? 206 : 200, o);
	if (range == HTTP_RANGE_PART)
		http_put(h, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n", first,
			 last, n);
	http_put(h, "Content-Type: %s\r\nContent-Length: %" PRIu64 "\r\n\r\n", o->type,
		 last - first + 1);
	core_count(h->session.core, CTR_HLS_OBJECTS, 1);
	if (h->head_only)
		return;
	h->hls.sending = segment_get(o->segment);
	session_body(&h->session, (struct slice){o->segment->p + first, last - first + 1});
}

/* ---- which one ---- */

static struct segment *find(const struct hls_view *v, const struct hls_url *url)
{
	const struct m3u8_segment *m;
	struct segment *object = NULL;

	switch (url->what) {
	case HLS_OF_SEGMENT:
		m = hls_view_segment(v, url->number, &object);
		return m && (m->init > 0) == url->fmp4 ? object : NULL;
	case HLS_OF_PART:
		return hls_view_part(v, url->number, url->part);
	case HLS_OF_INIT:
		return hls_view_init(v, (uint32_t)url->number);
	case HLS_OF_KEY:
		return hls_view_key(v, (uint32_t)url->number);
	default:
		return NULL;
	}
}

/* A part that is hinted at, or the one after it (RFC 8216bis, 6.2.6). */
static bool is_coming(const struct hls_view *v, const struct hls_url *url)
{
	uint32_t next = hls_view_next_parts(v);

	return v->open && v->list.part_us && url->what == HLS_OF_PART &&
	       url->number == v->list.media_seq + v->list.segs_n && url->part >= next &&
	       url->part <= next + PARTS_AHEAD;
}

static bool has_gone(const struct hls_view *v, const struct hls_url *url)
{
	return (url->what == HLS_OF_SEGMENT || url->what == HLS_OF_PART) &&
	       url->number < v->first_seq;
}

static const char *type_of(const struct hls_url *url)
{
	if (url->what == HLS_OF_KEY)
		return "application/octet-stream";
	if (url->what == HLS_OF_INIT || url->fmp4)
		return "video/mp4";
	return "video/mp2t";
}

/* It is held; it may have come just before. */
static void look_again(struct http_server *h, const struct http_head *head,
		       const struct hls_url *url, struct object *o)
{
	struct core *c = h->session.core;
	struct hls_stream *s = hls_find(c->engine->hls, h->session.about);

	h->hls.blocking = true;
	o->segment = s ? find(hls_view(s), url) : NULL;
	if (!o->segment)
		return;
	waiting_end(&h->waiting, c);
	send_object(h, head, o);
}

void hls_object(struct http_server *h, const struct http_head *head, const struct hls_stream *s,
		const struct hls_url *url)
{
	const struct hls_view *v = s ? hls_view(s) : NULL;
	struct object o = {.type = type_of(url)};

	o.cache = url->what == HLS_OF_KEY ? "no-store" : forever;
	o.segment = v ? find(v, url) : NULL;
	if (o.segment)
		send_object(h, head, &o);
	else if (v && is_coming(v, url) && hls_hold(h, HOLD_TARGETS * 1000ull * v->list.target_s))
		look_again(h, head, url, &o);
	else if (v && has_gone(v, url))
		hls_refuse(h, 410, REASON_HLS_GONE);
	else
		hls_refuse(h, 404, REASON_STREAM_NOT_FOUND);
}
