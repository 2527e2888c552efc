/* SPDX-License-Identifier: Apache-2.0 */
#include "session/hls_serve.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "core/shm.h"
#include "core/stream.h"
#include "session/events.h"
#include "session/hls_renditions.h"
#include "session/hls_viewers.h"
#include "session/http_server.h"
#include "session/path.h"
#include "session/wanted.h"

#define HOLD_TARGETS   3u /* a blocking request is held so many target durations (interop L11) */
#define SEGMENTS_AHEAD 2u /* and may be so far ahead of the newest segment */
#define FRESH_TARGETS  3u /* a playlist is served so long while no worker packages it */
#define WANTED_US      1000000ull /* between two events hls.wanted of a stream */
#define VIEWER_TARGETS 3u	  /* who asks for no playlist for so many is no viewer any more */
#define CACHED_TARGETS 6u	  /* how long an answer to a blocking request may be cached */

/* ---- answers ---- */

void hls_answer_begins(struct http_server *h)
{
	h->hls.begun = true;
	h->hls.bytes_before = h->session.conn->bytes_out;
	http_answer_begins(h);
}

void hls_refuse(struct http_server *h, unsigned status, enum reason why)
{
	bool missing = status == 404 || status == 410;

	core_count(h->session.core, missing ? CTR_HLS_NOT_FOUND : CTR_HLS_REFUSED, 1);
	hls_answer_begins(h);
	http_answer(h, status, status == 503 ? "Retry-After: 1\r\n" : "", reason_help(why), why);
}

/* Of its stream too, as long as that is live. */
static void count_bytes(struct http_server *h)
{
	struct session *s = &h->session;
	struct core *c = s->core;
	uint64_t n = s->conn->bytes_out - h->hls.bytes_before;
	struct stream *stream = s->about ? stream_find(c->engine->registry, s->about) : NULL;

	core_count(c, CTR_HLS_BYTES, n);
	if (!stream)
		return;
	shm_add(&shm_audience_of(c->engine->shm, stream->shm, c->id)->bytes_out, n);
	stream_put(stream, c);
}

void hls_answer_over(struct http_server *h)
{
	struct hls_answer *a = &h->hls;

	if (a->begun)
		count_bytes(h);
	segment_put(a->sending);
	*a = (struct hls_answer){0};
}

bool hls_answer_may_go_on(struct http_server *h)
{
	struct hls_answer *a = &h->hls;
	bool again = a->was_dropped;

	a->was_dropped =
		a->sending && atomic_load_explicit(&a->sending->dropped, memory_order_relaxed);
	return !(again && a->was_dropped);
}

/* ---- holding ---- */

/* The playlist has changed. */
static void changed(struct waiting *w)
{
	http_request_again(container_of(w, struct http_server, waiting));
}

bool hls_hold(struct http_server *h, uint64_t ms)
{
	struct session *s = &h->session;
	struct core *c = s->core;

	if (!ms || !s->about ||
	    !waiting_begin(&h->waiting, c, WAITING_FOR_SEGMENT, s->about, changed))
		return false;
	h->phase = HTTP_HOLDING;
	if (h->hls.held_until_us)
		return true; /* its deadline stands */
	h->hls.held_until_us = c->now_us + ms * 1000;
	core_count(c, CTR_HLS_HELD, 1);
	session_deadline(s, ms, REASON_HLS_LATE);
	return true;
}

void hls_give_up(struct http_server *h)
{
	bool blocking = h->hls.blocking;

	waiting_end(&h->waiting, h->session.core);
	core_count(h->session.core, CTR_HLS_LATE, 1);
	hls_answer_begins(h);
	http_answer(h, blocking ? 503 : 404, "Retry-After: 2\r\n", reason_help(REASON_HLS_LATE),
		    REASON_HLS_LATE);
	session_flush(&h->session);
}

/* The stream is live and somebody asks for it: the control plane may want to package it. */
static void want(struct stream *stream, uint64_t now_us)
{
	uint64_t last = atomic_load_explicit(&stream->hls_wanted_us, memory_order_relaxed);

	if (last && now_us < last + WANTED_US)
		return;
	if (atomic_compare_exchange_strong(&stream->hls_wanted_us, &last, now_us))
		event_hls(true, stream->key);
}

/* False: there is no such stream, and none that a triggered pull may bring. HEAD triggers nothing. */
static bool want_media(struct http_server *h, const struct stream_name *name, const char *key)
{
	struct core *c = h->session.core;
	struct stream *stream = stream_find(c->engine->registry, key);

	if (!stream)
		return h->auth.triggered && !h->head_only && wanted(c, key, name);
	want(stream, c->now_us);
	stream_put(stream, c);
	return true;
}

/* ---- playlists ---- */

/* What a request for a playlist gets now. */
enum verdict { GIVE, HOLD_FIRST, HOLD_NEXT, ABSENT, TOO_FAR };

/* RFC 8216bis, 6.2.5.2. */
static enum verdict judge_blocking(const struct m3u8 *m, uint32_t next_parts,
				   const struct hls_url *url)
{
	uint64_t next = m->media_seq + m->segs_n, msn = url->msn, part = url->msn_part;

	if (m->ended)
		return GIVE;
	if (msn > next + SEGMENTS_AHEAD - 1)
		return TOO_FAR;
	/* A part after a segment's last is the first one of the next. */
	if (url->has_part && m->segs_n && msn + 1 == next && part >= m->seg[m->segs_n - 1].parts) {
		msn = next;
		part = 0;
	}
	if (msn < next)
		return GIVE;
	if (msn == next && url->has_part && part < next_parts)
		return GIVE;
	return HOLD_NEXT;
}

static enum verdict judge(struct http_server *h, const struct hls_stream *s,
			  const struct stream_name *name, const char *key,
			  const struct hls_url *url)
{
	const struct hls_view *v = s ? hls_view(s) : NULL;
	uint64_t now_us = h->session.core->now_us;

	if (!v || !v->open) {
		bool live = want_media(h, name, key);

		if (!v || !hls_view_has_media(v))
			return live ? HOLD_FIRST : ABSENT;
		/* Packaged before, and the stream is live: what comes now is worth waiting for, unless
		 * the worker is gone for a moment only. */
		if (live && (v->list.ended || now_us > v->updated_us + FRESH_TARGETS * 1000000ull *
									       v->list.target_s))
			return HOLD_FIRST;
	}
	if (!hls_view_has_media(v))
		return HOLD_FIRST;
	return url->blocking ? judge_blocking(&v->list, hls_view_next_parts(v), url) : GIVE;
}

static void put_cache(struct http_server *h, const struct m3u8 *m, const struct hls_url *url)
{
	const char *who =
		*engine_conf(h->session.core->engine)->hls_viewer == 'o' ? "public" : "private";
	uint32_t seconds = m->part_us && !m->ended ? 0 : m->target_s / 2;

	if (url->blocking)
		seconds = CACHED_TARGETS * m->target_s;
	if (seconds)
		http_put(h, "Cache-Control: %s, max-age=%" PRIu32 "\r\n", who, seconds);
	else
		http_put(h, "Cache-Control: no-cache\r\n");
}

/* Head and body, whose length is known only when it is written: its place is filled in then. */
static void put_playlist(struct http_server *h, void (*body)(struct sink *out, void *arg),
			 void *arg)
{
	struct buf *out = &h->session.out;
	size_t length_at, start;
	char text[16];

	http_put(h, "Content-Type: application/vnd.apple.mpegurl\r\nContent-Length:");
	length_at = out->n;
	http_put(h, "%11s\r\n\r\n", "");
	start = out->n;
	body(&out->sink, arg);
	if (out->bad)
		return;
	snprintf(text, sizeof(text), "%11zu", out->n - start);
	memcpy(out->p + length_at, text, 11);
	core_count(h->session.core, CTR_HLS_PLAYLISTS, 1);
	if (h->head_only)
		out->n = start;
}

struct media_body {
	const struct m3u8 *list;
	struct m3u8_ask ask;
};

static void media_body(struct sink *out, void *arg)
{
	const struct media_body *b = arg;

	m3u8_write(out, b->list, &b->ask);
}

/* The query that the playlist's URIs carry. */
static struct slice carried(char *dst, size_t n, const struct http_server *h,
			    const struct stream_name *name)
{
	bool full = *engine_conf(h->session.core->engine)->hls_viewer == 'f';
	size_t used = m3u8_carry(dst, n, name->params, full ? "" : HLS_VIEWER_PARAM);

	return (struct slice){(const uint8_t *)dst, used};
}

struct encoded_name {
	char text[3 * sizeof(((struct stream_name *)0)->name) + 1];
};

static struct slice encode(struct encoded_name *dst, const char *name)
{
	size_t n = m3u8_encode_name(dst->text, (struct slice){(const uint8_t *)name, strlen(name)});

	return (struct slice){(const uint8_t *)dst->text, n};
}

/* How far the other renditions are. */
static unsigned reports(const struct http_server *h, struct m3u8_report out[HLS_RENDITIONS_MAX],
			struct encoded_name names[HLS_RENDITIONS_MAX])
{
	struct hls_rendition all[HLS_RENDITIONS_MAX];
	unsigned n = hls_renditions(h->session.core, h->session.about, all), told = 0;

	for (unsigned i = 0; i < n; i++) {
		struct m3u8_report *r = &out[told];

		if (all[i].asked || !m3u8_newest(&all[i].view->list, &r->msn, &r->part))
			continue;
		r->name = encode(&names[told++], all[i].name);
	}
	return told;
}

static void answer_media(struct http_server *h, const struct hls_view *v,
			 const struct stream_name *name, const struct hls_url *url)
{
	struct m3u8_report others[HLS_RENDITIONS_MAX];
	struct encoded_name encoded, names[HLS_RENDITIONS_MAX];
	char query[3 * sizeof(name->params)];
	struct media_body b = {&v->list, {.skip = url->skip, .reports = others}};

	b.ask.name = encode(&encoded, name->name);
	b.ask.query = carried(query, sizeof(query), h, name);
	if (v->list.part_us && h->session.about)
		b.ask.reports_n = reports(h, others, names);
	hls_answer_begins(h);
	http_put_status(h, 200);
	put_cache(h, &v->list, url);
	put_playlist(h, media_body, &b);
}

struct master_body {
	struct hls_rendition all[HLS_RENDITIONS_MAX];
	unsigned n;
	const char *up;	  /* the media playlists are one level above: "../", or "" */
	const char *more; /* their query, with its '?', or "" */
};

/* Bits per second of the segment that has most; it must be said (RFC 8216, 4.3.4.2). */
static uint32_t peak_bandwidth(const struct hls_view *v)
{
	uint64_t most = 1;
	struct segment *object;

	for (unsigned i = 0; i < v->list.segs_n; i++) {
		const struct m3u8_segment *m = &v->list.seg[i];

		if (hls_view_segment(v, m->seq, &object) && object)
			most = max_of(most, object->n * 8000000ull / m->duration_us);
	}
	return (uint32_t)min_of(most, (uint64_t)UINT32_MAX);
}

static void master_body(struct sink *out, void *arg)
{
	const struct master_body *b = arg;
	bool fmp4 = false;

	for (unsigned i = 0; i < b->n; i++)
		fmp4 |= b->all[i].view->list.fmp4;
	m3u8_write_master(out, true, fmp4);
	for (unsigned i = 0; i < b->n; i++) {
		struct m3u8_variant variant = b->all[i].view->variant;
		struct encoded_name name;
		char uri[sizeof(name) + 3 * sizeof(((struct stream_name *)0)->params) + 80];

		if (!variant.bandwidth)
			variant.bandwidth = peak_bandwidth(b->all[i].view);
		encode(&name, b->all[i].name);
		snprintf(uri, sizeof(uri), "%s%s.m3u8%s", b->up, name.text, b->more);
		m3u8_write_variant(out, &variant, uri);
	}
}

/* up: the media playlist is one level above. viewer: an identity for it to carry, or "". */
static void answer_master(struct http_server *h, const struct hls_view *v,
			  const struct stream_name *name, const char *key, bool up,
			  const char *viewer)
{
	char query[3 * sizeof(name->params)], more[sizeof(query) + 64];
	struct master_body b = {.up = up ? "../" : "", .more = more};
	int n = (int)m3u8_carry(query, sizeof(query), name->params, HLS_VIEWER_PARAM);

	snprintf(more, sizeof(more), "%s%.*s%s%s%s", n || *viewer ? "?" : "", n, query,
		 n && *viewer ? "&" : "", *viewer ? HLS_VIEWER_PARAM "=" : "", viewer);
	b.n = hls_renditions(h->session.core, key, b.all);
	hls_answer_begins(h);
	http_put_status(h, 200);
	if (*viewer)
		http_put(h, "Cache-Control: no-store\r\n");
	else
		put_cache(h, &v->list, &(struct hls_url){.what = HLS_MASTER});
	put_playlist(h, master_body, &b);
}

/* With hls.viewer, who comes without an identity gets one (interop L7). */
static void answer_playlist(struct http_server *h, const struct hls_view *v,
			    const struct stream_name *name, const struct hls_url *url,
			    const char *key)
{
	bool counted = *engine_conf(h->session.core->engine)->hls_viewer != 'o';
	char viewer[HLS_VIEWER_TEXT] = "", address[NET_ADDR_TEXT] = "";
	struct hls_viewer_ask asked = {
		.key = key,
		.params = name->params,
		.life_us = VIEWER_TARGETS * 1000000ull * v->list.target_s,
		.domain = h->auth.tells ? name->domain : NULL,
		.address = address,
	};
	enum reason why = REASON_NONE;
	bool made = false;

	if (counted && asked.domain && h->session.conn)
		net_addr_text(address, &h->session.conn->peer);
	if (counted)
		why = hls_viewer_seen(h->session.core, &asked, viewer, &made);
	if (why != REASON_NONE)
		hls_refuse(h, 503, why);
	else if (url->what == HLS_MASTER || made)
		answer_master(h, v, name, key, url->what == HLS_MASTER, viewer);
	else
		answer_media(h, v, name, url);
}

/* A master playlist is there when one of the renditions is. */
static struct hls_stream *find_playlist(const struct core *c, const char *key,
					const struct hls_url *url)
{
	struct hls_stream *s = hls_find(c->engine->hls, key);
	struct hls_rendition all[HLS_RENDITIONS_MAX];

	if (url->what == HLS_MASTER && hls_renditions(c, key, all))
		s = hls_find(c->engine->hls, all[0].key);
	return s;
}

static void playlist(struct http_server *h, const struct hls_stream *s,
		     const struct stream_name *name, const struct hls_url *url, const char *key)
{
	uint64_t wait_ms = (uint64_t)engine_conf(h->session.core->engine)->hls_wait +
			   (h->auth.triggered ? h->auth.pull_wait_ms : 0);
	enum verdict verdict = judge(h, s, name, key, url);
	bool held = false;

	if (verdict == HOLD_FIRST && !h->head_only)
		held = hls_hold(h, wait_ms);
	if (verdict == HOLD_NEXT)
		held = hls_hold(h, HOLD_TARGETS * 1000ull * hls_view(s)->list.target_s);
	if (held) {
		h->hls.blocking = verdict == HOLD_NEXT;
		/* It may have come just before. */
		s = find_playlist(h->session.core, key, url);
		verdict = judge(h, s, name, key, url);
		if (verdict == HOLD_FIRST || verdict == HOLD_NEXT)
			return;
		waiting_end(&h->waiting, h->session.core);
	}
	if (verdict == GIVE)
		answer_playlist(h, hls_view(s), name, url, key);
	else if (verdict == TOO_FAR)
		hls_refuse(h, 400, REASON_HLS_AHEAD);
	else if (verdict == HOLD_NEXT)
		hls_refuse(h, 503, REASON_HLS_LATE);
	else
		hls_refuse(h, 404, REASON_STREAM_NOT_FOUND);
}

/* ---- the request ---- */

/* What the connection carries is counted as the stream's; a player seldom changes it. */
static void note_path(struct session *s, const char *key)
{
	struct stream *stream = stream_find(s->core->engine->registry, key);

	if (!stream)
		return;
	if (s->path.shm != stream->shm || s->path.gen != shm_get(&stream->shm->gen))
		path_role(s, stream, ROLE_HLS);
	stream_put(stream, s->core);
}

static void note_request(struct hls_stream *s, uint64_t now_us)
{
	atomic_store_explicit(&s->asked_us, now_us, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->requests, 1, memory_order_relaxed);
}

/* "off", "on_demand" or "always": the domain's word, or else the configuration's. */
static bool is_off(const struct http_server *h)
{
	if (h->auth.hls != DOMAIN_UNSET)
		return h->auth.hls == DOMAIN_HLS_OFF;
	return !strcmp(engine_conf(h->session.core->engine)->hls_mode, "off");
}

static void go(struct http_server *h, const struct http_head *head, const struct stream_name *name,
	       const struct hls_url *url, const char *key)
{
	struct core *c = h->session.core;
	struct hls_stream *stream = find_playlist(c, key, url);

	if (is_off(h)) {
		hls_refuse(h, 404, REASON_HLS_OFF);
		return;
	}
	if (!h->hls.held_until_us) {
		note_path(&h->session, key);
		if (stream)
			note_request(stream, c->now_us);
	}
	if (url->what == HLS_PLAYLIST || url->what == HLS_MASTER)
		playlist(h, stream, name, url, key);
	else
		hls_object(h, head, stream, url);
}

/* Remote authentication has answered. */
static void answered(struct auth *a, const struct stream_name *name, enum reason why)
{
	struct http_server *h = container_of(a, struct http_server, auth);

	h->hls.allowed = why == REASON_NONE;
	if (h->hls.allowed) {
		http_request_again(h);
	} else {
		hls_refuse(h, auth_http_status(why), why);
		session_flush(&h->session);
	}
}

/* NONE and not pending: key is the stream's. Who was held, or allowed from afar, is not asked again. */
static enum reason ask(struct http_server *h, const struct http_head *head,
		       struct stream_name *name, char key[STREAM_KEY_MAX])
{
	struct auth_request question = {
		.kind = AUTH_PLAY,
		.name = name,
		.path = http_path(head),
		.suffix = "m3u8",
		.referer = http_header_get(head, "Referer"),
	};

	char prefix[SIGN_PREFIX_MAX];

	if (!h->hls.allowed)
		return auth_check(&h->auth, &h->session, &question, key, answered);
	if (!h->session.about)
		return REASON_NO_MEMORY;
	auth_take_prefix(name, prefix);
	snprintf(key, STREAM_KEY_MAX, "%s", h->session.about);
	return REASON_NONE;
}

void hls_serve(struct http_server *h, const struct http_head *head, struct stream_name *name,
	       const struct hls_url *url)
{
	struct session *s = &h->session;
	char key[STREAM_KEY_MAX];
	enum reason why;

	s->protocol = "hls";
	h->keep = !head->close && !h->cut && sessions_stay(h->session.core);
	if (url->bad) {
		hls_refuse(h, 400, REASON_BAD_PARAMETER);
		return;
	}
	why = ask(h, head, name, key);
	if (why != REASON_NONE) {
		hls_refuse(h, auth_http_status(why), why);
	} else if (auth_is_pending(&h->auth)) {
		h->phase = HTTP_HOLDING;
		session_deadline(s, 0, REASON_NONE); /* the question has its own */
	} else {
		h->hls.allowed = true;
		go(h, head, name, url, key);
	}
}
