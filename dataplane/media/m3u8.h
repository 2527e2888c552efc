/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HLS playlists as text (RFC 8216 and its second edition, draft-pantos-hls-rfc8216bis).
 *
 * The writer holds no state: what a playlist must not do from one version to the next (sequence
 * numbers that go back, another target duration) is its owner's to keep, core/hls.h. URIs are
 * relative to the playlist at /app/NAME.m3u8: NAME/17.ts, NAME/17.3.m4s, NAME/init-1.mp4,
 * NAME/1.key, each with the query that the playlist was asked with (interop L10).
 *
 * Threads: pure, any.
 */
#ifndef MEDIA_M3U8_H
#define MEDIA_M3U8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct m3u8_segment {
	uint64_t seq;
	uint64_t duration_us;
	int64_t pdt_ms; /* wall clock of its first frame; 0: not known */
	uint32_t init;	/* 0: none */
	uint32_t key;	/* 0: not encrypted */
	uint32_t parts; /* that it was sent in */
	uint8_t iv[16];
	bool iv_given; /* else it is the sequence number */
	bool discontinuity, gap;
	bool independent;
};

struct m3u8_part {
	uint64_t seq;
	uint32_t part, init, key;
	uint32_t duration_us;
	uint8_t iv[16];
	bool iv_given, independent;
	bool discontinuity; /* part 0: before its segment */
};

struct m3u8 {
	bool fmp4, ended;
	uint32_t target_s, part_us; /* part_us 0: no parts */
	uint64_t media_seq;	    /* of seg[0], or of the next one where there is none */
	uint64_t disc_seq;	    /* discontinuities before seg[0] */
	unsigned segs_n, parts_n;
	const struct m3u8_segment *seg; /* consecutive numbers */
	const struct m3u8_part *part;	/* of the newest segments and of the next one, in order */
};

/* How far another rendition is (RFC 8216bis, 4.4.5.4). */
struct m3u8_report {
	struct slice name; /* percent-encoded */
	uint64_t msn;
	uint32_t part;
};

/* How one request wants it. */
struct m3u8_ask {
	struct slice name;  /* percent-encoded as in a path */
	struct slice query; /* to be carried by every URI, without '?'; n = 0: none */
	bool skip;	    /* _HLS_skip: a delta update where it is worth it */
	const struct m3u8_report *reports; /* of other renditions */
	unsigned reports_n;
};

/* The media playlist. */
void m3u8_write(struct sink *out, const struct m3u8 *m, const struct m3u8_ask *ask);
/* Of a playlist without an end, the number of its first segments that a delta update leaves out. */
unsigned m3u8_skipped(const struct m3u8 *m);
/* Duration of all its segments, and of the parts after the last one. */
uint64_t m3u8_duration_us(const struct m3u8 *m);

struct m3u8_variant {
	const char *codecs; /* "" where they are not known */
	uint32_t bandwidth, width, height, fps_milli;
};

/* A master playlist: its head, then a variant at `uri` at least. */
void m3u8_write_master(struct sink *out, bool independent, bool fmp4);
void m3u8_write_variant(struct sink *out, const struct m3u8_variant *v, const char *uri);
/* What is told of a playlist with parts to other renditions: msn and part; false: there is nothing. */
bool m3u8_newest(const struct m3u8 *m, uint64_t *msn, uint32_t *part);

/* Percent-encodes what may not stand in one part of a path, ':' too; dst[3 * n + 1]. */
size_t m3u8_encode_name(char *dst, struct slice name);
/*
 * The query that URIs carry: `params` without the directives _HLS_* and the parameter `without`,
 * with what may not stand in a quoted URI encoded. Bytes written to dst[n], or 0 where it is empty
 * or does not fit.
 */
size_t m3u8_carry(char *dst, size_t n, const char *params, const char *without);

#endif
