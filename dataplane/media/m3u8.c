/* SPDX-License-Identifier: Apache-2.0 */
#include "media/m3u8.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/check.h"

#define SKIP_TARGETS 6u /* CAN-SKIP-UNTIL must be at least so many target durations */
#define HOLD_PARTS   3u /* PART-HOLD-BACK */
#define HOLD_TARGETS 3u /* HOLD-BACK */

/* What the tags written so far say about the segments that follow. */
struct writer {
	struct sink *out;
	const struct m3u8 *m;
	const struct m3u8_ask *ask;
	uint32_t init, key;
	uint8_t iv[16];
	bool iv_given;
};

/* ---- pieces ---- */

__attribute__((format(printf, 2, 3))) static void put(struct sink *out, const char *fmt, ...)
{
	char text[512];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	must(n >= 0 && (size_t)n < sizeof(text));
	out->write(out, text, (size_t)n);
}

/* Seconds with six digits: what players add up stays what was measured. */
static void put_seconds(struct sink *out, const char *tag, uint64_t us)
{
	put(out, "%s%" PRIu64 ".%06" PRIu64, tag, us / 1000000, us % 1000000);
}

/* NAME/file?query */
__attribute__((format(printf, 2, 3))) static void put_uri(const struct writer *w, const char *fmt,
							  ...)
{
	char file[64];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(file, sizeof(file), fmt, args);
	va_end(args);
	must(n > 0 && (size_t)n < sizeof(file));
	w->out->write(w->out, w->ask->name.p, w->ask->name.n);
	put(w->out, "/%s", file);
	if (w->ask->query.n) {
		put(w->out, "?");
		w->out->write(w->out, w->ask->query.p, w->ask->query.n);
	}
}

static const char *suffix(const struct m3u8 *m)
{
	return m->fmp4 ? "m4s" : "ts";
}

static void put_date(struct sink *out, int64_t ms)
{
	time_t s = (time_t)(ms / 1000);
	char text[32];
	struct tm tm;

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", gmtime_r(&s, &tm));
	put(out, "#EXT-X-PROGRAM-DATE-TIME:%s.%03uZ\n", text, (unsigned)(ms % 1000));
}

/* ---- what segments need ---- */

static void put_key(struct writer *w, uint32_t key, const uint8_t iv[16], bool iv_given)
{
	bool same_iv = iv_given == w->iv_given && (!iv_given || !memcmp(iv, w->iv, 16));

	if (key == w->key && (!key || same_iv))
		return;
	w->key = key;
	w->iv_given = iv_given;
	memcpy(w->iv, iv, sizeof(w->iv));
	if (!key) {
		put(w->out, "#EXT-X-KEY:METHOD=NONE\n");
		return;
	}
	put(w->out, "#EXT-X-KEY:METHOD=AES-128,URI=\"");
	put_uri(w, "%" PRIu32 ".key", key);
	put(w->out, "\"");
	if (iv_given) {
		put(w->out, ",IV=0x");
		for (unsigned i = 0; i < 16; i++)
			put(w->out, "%02x", iv[i]);
	}
	put(w->out, "\n");
}

/* A key applies to initialisation sections too, and ours are not encrypted (RFC 8216, 4.3.2.4). */
static void put_map(struct writer *w, uint32_t init)
{
	static const uint8_t none[16];

	if (!init || init == w->init)
		return;
	put_key(w, 0, none, false);
	w->init = init;
	put(w->out, "#EXT-X-MAP:URI=\"");
	put_uri(w, "init-%" PRIu32 ".mp4", init);
	put(w->out, "\"\n");
}

static void put_part(struct writer *w, const struct m3u8_part *p)
{
	put_map(w, p->init);
	put_key(w, p->key, p->iv, p->iv_given);
	put_seconds(w->out, "#EXT-X-PART:DURATION=", p->duration_us);
	put(w->out, ",URI=\"");
	put_uri(w, "%" PRIu64 ".%" PRIu32 ".%s", p->seq, p->part, suffix(w->m));
	put(w->out, "\"%s\n", p->independent ? ",INDEPENDENT=YES" : "");
}

static void put_segment(struct writer *w, const struct m3u8_segment *s,
			const struct m3u8_part *part, unsigned parts_n)
{
	if (s->discontinuity)
		put(w->out, "#EXT-X-DISCONTINUITY\n");
	put_map(w, s->init);
	if (!s->gap)
		put_key(w, s->key, s->iv, s->iv_given);
	if (s->pdt_ms > 0)
		put_date(w->out, s->pdt_ms);
	for (unsigned i = 0; i < parts_n; i++)
		put_part(w, &part[i]);
	if (s->gap)
		put(w->out, "#EXT-X-GAP\n");
	put_seconds(w->out, "#EXTINF:", s->duration_us);
	put(w->out, ",\n");
	put_uri(w, "%" PRIu64 ".%s", s->seq, suffix(w->m));
	put(w->out, "\n");
}

/* ---- the playlist ---- */

uint64_t m3u8_duration_us(const struct m3u8 *m)
{
	uint64_t us = 0, next = m->media_seq + m->segs_n;

	for (unsigned i = 0; i < m->segs_n; i++)
		us += m->seg[i].duration_us;
	for (unsigned i = 0; i < m->parts_n; i++)
		us += m->part[i].seq == next ? m->part[i].duration_us : 0;
	return us;
}

unsigned m3u8_skipped(const struct m3u8 *m)
{
	uint64_t left = m3u8_duration_us(m), until = SKIP_TARGETS * 1000000ull * m->target_s;
	unsigned n = 0;

	while (!m->ended && n < m->segs_n && left >= until + m->seg[n].duration_us)
		left -= m->seg[n++].duration_us;
	return n;
}

static unsigned version(const struct m3u8 *m)
{
	if (m->part_us)
		return 9; /* EXT-X-SKIP */
	return m->fmp4 ? 6 : 3;
}

static bool all_independent(const struct m3u8 *m)
{
	for (unsigned i = 0; i < m->segs_n; i++)
		if (!m->seg[i].independent && !m->seg[i].gap)
			return false;
	return true;
}

static void put_header(struct sink *out, const struct m3u8 *m)
{
	put(out, "#EXTM3U\n#EXT-X-VERSION:%u\n#EXT-X-TARGETDURATION:%" PRIu32 "\n", version(m),
	    m->target_s);
	if (m->part_us) {
		put(out,
		    "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=%" PRIu32
		    ".0,HOLD-BACK=%" PRIu32 ".0",
		    SKIP_TARGETS * m->target_s, HOLD_TARGETS * m->target_s);
		put_seconds(out, ",PART-HOLD-BACK=", HOLD_PARTS * (uint64_t)m->part_us);
		put_seconds(out, "\n#EXT-X-PART-INF:PART-TARGET=", m->part_us);
		put(out, "\n");
	}
	put(out, "#EXT-X-MEDIA-SEQUENCE:%" PRIu64 "\n#EXT-X-DISCONTINUITY-SEQUENCE:%" PRIu64 "\n",
	    m->media_seq, m->disc_seq);
	if (all_independent(m))
		put(out, "#EXT-X-INDEPENDENT-SEGMENTS\n");
}

/* Parts of the segment `seq` at the start of part[0..n). */
static unsigned parts_of(const struct m3u8_part *part, unsigned n, uint64_t seq)
{
	unsigned k = 0;

	while (k < n && part[k].seq == seq)
		k++;
	return k;
}

/* The segment that is still being made: its parts, and what comes next. */
static void put_next(struct writer *w, const struct m3u8_part *part, unsigned n)
{
	uint64_t seq = w->m->media_seq + w->m->segs_n;

	if (n && part[0].discontinuity)
		put(w->out, "#EXT-X-DISCONTINUITY\n");
	for (unsigned i = 0; i < n; i++)
		put_part(w, &part[i]);
	put(w->out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"");
	put_uri(w, "%" PRIu64 ".%u.%s", seq, n, suffix(w->m));
	put(w->out, "\"\n");
}

static void put_report(struct sink *out, const struct m3u8_ask *ask, const struct m3u8_report *r)
{
	put(out, "#EXT-X-RENDITION-REPORT:URI=\"");
	out->write(out, r->name.p, r->name.n);
	put(out, ".m3u8");
	if (ask->query.n) {
		put(out, "?");
		out->write(out, ask->query.p, ask->query.n);
	}
	put(out, "\",LAST-MSN=%" PRIu64 ",LAST-PART=%" PRIu32 "\n", r->msn, r->part);
}

void m3u8_write(struct sink *out, const struct m3u8 *m, const struct m3u8_ask *ask)
{
	struct writer w = {.out = out, .m = m, .ask = ask};
	static const struct m3u8_part none; /* m->part may be NULL where there are no parts */
	const struct m3u8_part *part = m->parts_n ? m->part : &none;
	const struct m3u8_part *parts_end = part + m->parts_n;
	unsigned first = ask->skip ? m3u8_skipped(m) : 0;

	put_header(out, m);
	if (first)
		put(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS=%u\n", first);
	while (part < parts_end && part->seq < m->media_seq + first)
		part++;
	for (unsigned i = first; i < m->segs_n; i++) {
		unsigned n = parts_of(part, (unsigned)(parts_end - part), m->seg[i].seq);

		put_segment(&w, &m->seg[i], part, m->ended ? 0 : n);
		part += n;
	}
	if (m->ended)
		put(out, "#EXT-X-ENDLIST\n");
	else if (m->part_us)
		put_next(&w, part, (unsigned)(parts_end - part));
	for (unsigned i = 0; i < ask->reports_n && m->part_us && !m->ended; i++)
		put_report(out, ask, &ask->reports[i]);
}

bool m3u8_newest(const struct m3u8 *m, uint64_t *msn, uint32_t *part)
{
	const struct m3u8_part *last = m->parts_n ? &m->part[m->parts_n - 1] : NULL;

	if (!m->part_us || !last)
		return false;
	*msn = last->seq;
	*part = last->part;
	return true;
}

/* ---- the master playlist ---- */

static bool is_quotable(const char *text)
{
	for (; *text; text++)
		if (*text == '"' || (unsigned char)*text < 0x20)
			return false;
	return true;
}

void m3u8_write_master(struct sink *out, bool independent, bool fmp4)
{
	put(out, "#EXTM3U\n#EXT-X-VERSION:%u\n%s", fmp4 ? 6 : 3,
	    independent ? "#EXT-X-INDEPENDENT-SEGMENTS\n" : "");
}

void m3u8_write_variant(struct sink *out, const struct m3u8_variant *v, const char *uri)
{
	put(out, "#EXT-X-STREAM-INF:BANDWIDTH=%" PRIu32, v->bandwidth);
	if (*v->codecs && is_quotable(v->codecs))
		put(out, ",CODECS=\"%.200s\"", v->codecs);
	if (v->width && v->height)
		put(out, ",RESOLUTION=%" PRIu32 "x%" PRIu32, v->width, v->height);
	if (v->fps_milli)
		put(out, ",FRAME-RATE=%" PRIu32 ".%03" PRIu32, v->fps_milli / 1000,
		    v->fps_milli % 1000);
	put(out, "\n");
	out->write(out, uri, strlen(uri));
	put(out, "\n");
}

/* ---- names and queries ---- */

static size_t put_escape(char *dst, uint8_t c)
{
	static const char digits[] = "0123456789ABCDEF";

	dst[0] = '%';
	dst[1] = digits[c >> 4];
	dst[2] = digits[c & 15];
	return 3;
}

size_t m3u8_encode_name(char *dst, struct slice name)
{
	size_t n = 0;

	for (size_t i = 0; i < name.n; i++) {
		uint8_t c = name.p[i];

		if (c < 0x80 && (isalnum(c) || strchr("-._~", c)))
			dst[n++] = (char)c;
		else
			n += put_escape(dst + n, c);
	}
	dst[n] = '\0';
	return n;
}

static bool is_carried(struct slice param, const char *without)
{
	size_t n = strlen(without);

	if (param.n >= 5 && !memcmp(param.p, "_HLS_", 5))
		return false;
	return param.n && !(param.n > n && !memcmp(param.p, without, n) && param.p[n] == '=');
}

size_t m3u8_carry(char *dst, size_t n, const char *params, const char *without)
{
	size_t used = 0;

	while (*params) {
		struct slice param = {(const uint8_t *)params, strcspn(params, "&")};

		params += param.n + (params[param.n] == '&');
		if (!is_carried(param, without))
			continue;
		if (used + 2 + 3 * param.n > n)
			return 0;
		if (used)
			dst[used++] = '&';
		for (size_t i = 0; i < param.n; i++) {
			uint8_t c = param.p[i];

			if (c > 0x20 && c < 0x7f && !strchr("\"<>\\^`{|}#", c))
				dst[used++] = (char)c;
			else
				used += put_escape(dst + used, c);
		}
	}
	return used;
}
