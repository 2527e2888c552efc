/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/elementary.h"

#include <stdio.h>

#include "base/bytes.h"
#include "base/check.h"

#define START_CODE 4

enum { AVC_IDR = 5, AVC_SPS = 7, AVC_AUD = 9 };
enum { HEVC_IRAP = 16, HEVC_IRAP_LAST = 23, HEVC_VPS = 32, HEVC_SPS, HEVC_PPS, HEVC_AUD };

/* ---- parameter sets ------------------------------------------------------------------------------ */

static void put_unit(struct wr *w, const uint8_t *p, size_t n)
{
	wr_be32(w, 1);
	wr_bytes(w, p, n);
}

static void take_sets(struct rd *r, struct wr *w, unsigned count)
{
	for (unsigned i = 0; i < count && !r->bad; i++) {
		size_t n = rd_be16(r);
		const uint8_t *p = rd_take(r, n);

		if (p && n)
			put_unit(w, p, n);
	}
}

/* ISO/IEC 14496-15 5.3.3.1 */
static void read_avcc(struct annexb *a, struct rd *r, struct wr *w)
{
	rd_take(r, 4);
	a->length_bytes = (rd_u8(r) & 3u) + 1;
	take_sets(r, w, rd_u8(r) & 0x1f);
	take_sets(r, w, rd_u8(r));
}

/* ISO/IEC 14496-15 8.3.3.1 */
static void read_hvcc(struct annexb *a, struct rd *r, struct wr *w)
{
	unsigned arrays;

	rd_take(r, 21);
	a->length_bytes = (rd_u8(r) & 3u) + 1;
	arrays = rd_u8(r);
	for (unsigned i = 0; i < arrays && !r->bad; i++) {
		rd_u8(r);
		take_sets(r, w, rd_be16(r));
	}
}

int annexb_init(struct annexb *a, const struct track *t)
{
	struct rd r = rd_of(t->config, t->config_n);
	struct wr w = wr_of(a->sets, sizeof(a->sets));

	a->codec = t->codec;
	if (t->codec == CODEC_HEVC)
		read_hvcc(a, &r, &w);
	else
		read_avcc(a, &r, &w);
	a->sets_n = wr_len(&w);
	return r.bad || w.bad || !a->sets_n || a->length_bytes == 3 ? -1 : 0;
}

/* ---- units --------------------------------------------------------------------------------------- */

static bool next_unit(const struct annexb *a, struct rd *r, struct slice *unit)
{
	size_t n = 0;

	if (!rd_left(r))
		return false;
	for (unsigned i = 0; i < a->length_bytes; i++)
		n = n << 8 | rd_u8(r);
	unit->p = rd_take(r, n);
	unit->n = n;
	return !r->bad;
}

static unsigned type_of(const struct annexb *a, struct slice unit)
{
	if (!unit.n)
		return 0xff;
	return a->codec == CODEC_HEVC ? unit.p[0] >> 1 & 0x3f : unit.p[0] & 0x1f;
}

static bool is_key_type(const struct annexb *a, unsigned type)
{
	if (a->codec == CODEC_HEVC)
		return type >= HEVC_IRAP && type <= HEVC_IRAP_LAST;
	return type == AVC_IDR;
}

bool annexb_is_key(const struct annexb *a, const uint8_t *p, size_t n)
{
	struct rd r = rd_of(p, n);
	struct slice unit;

	while (next_unit(a, &r, &unit))
		if (is_key_type(a, type_of(a, unit)))
			return true;
	return false;
}

size_t annexb_room(const struct annexb *a, size_t n)
{
	/* The shortest unit is a length and a byte. */
	return n + n / (a->length_bytes + 1) * (START_CODE - a->length_bytes) + a->sets_n + 16;
}

struct picture {
	bool key, sets;
};

static bool look(const struct annexb *a, const uint8_t *p, size_t n, struct picture *out)
{
	unsigned sps = a->codec == CODEC_HEVC ? HEVC_SPS : AVC_SPS, units = 0;
	struct rd r = rd_of(p, n);
	struct slice unit;

	*out = (struct picture){0};
	while (next_unit(a, &r, &unit)) {
		unsigned type = type_of(a, unit);

		out->key = out->key || is_key_type(a, type);
		out->sets = out->sets || type == sps;
		units += unit.n > 0;
	}
	return !r.bad && units;
}

size_t annexb_write(const struct annexb *a, uint8_t *dst, const uint8_t *p, size_t n)
{
	static const uint8_t avc_aud[] = {AVC_AUD, 0xf0}, hevc_aud[] = {HEVC_AUD << 1, 1, 0x50};
	bool hevc = a->codec == CODEC_HEVC;
	unsigned aud = hevc ? HEVC_AUD : AVC_AUD;
	struct wr w = wr_of(dst, annexb_room(a, n));
	struct rd r = rd_of(p, n);
	struct picture pic;
	struct slice unit;

	if (!look(a, p, n, &pic))
		return 0;
	put_unit(&w, hevc ? hevc_aud : avc_aud, hevc ? sizeof(hevc_aud) : sizeof(avc_aud));
	if (pic.key && !pic.sets)
		wr_bytes(&w, a->sets, a->sets_n);
	while (next_unit(a, &r, &unit))
		if (unit.n && type_of(a, unit) != aud)
			put_unit(&w, unit.p, unit.n);
	return w.bad ? 0 : wr_len(&w);
}

/* ---- AAC ----------------------------------------------------------------------------------------- */

static const unsigned aac_rates[] = {96000, 88200, 64000, 48000, 44100, 32000, 24000,
				     22050, 16000, 12000, 11025, 8000,	7350};

struct bits {
	const uint8_t *p;
	size_t n, at; /* at: in bits */
	bool bad;
};

static unsigned take_bits(struct bits *b, unsigned count)
{
	unsigned v = 0;

	for (; count; count--, b->at++) {
		if (b->at / 8 >= b->n) {
			b->bad = true;
			return 0;
		}
		v = v << 1 | (b->p[b->at / 8] >> (7 - b->at % 8) & 1u);
	}
	return v;
}

static unsigned take_object(struct bits *b)
{
	unsigned object = take_bits(b, 5);

	return object == 31 ? 32 + take_bits(b, 6) : object;
}

static unsigned take_rate(struct bits *b, unsigned *index)
{
	*index = take_bits(b, 4);
	if (*index == 15)
		return take_bits(b, 24);
	return *index < array_len(aac_rates) ? aac_rates[*index] : 0;
}

/* ISO/IEC 14496-3 1.6.2.1 */
int aac_config_read(struct aac_config *c, const uint8_t *p, size_t n)
{
	static const uint8_t speakers[] = {0, 1, 2, 3, 4, 5, 6, 8};
	struct bits b = {p, n, 0, false};
	unsigned index, config;

	*c = (struct aac_config){.object = take_object(&b)};
	c->rate = take_rate(&b, &c->rate_index);
	config = take_bits(&b, 4);
	if (c->object == 5 || c->object == 29) {
		c->extension = c->object;
		take_rate(&b, &index);
		c->object = take_object(&b);
	}
	c->channels = config < array_len(speakers) ? speakers[config] : 0;
	return b.bad || !c->rate || !c->object ? -1 : 0;
}

bool adts_header(uint8_t dst[ADTS_BYTES], const struct aac_config *c, size_t n)
{
	size_t whole = n + ADTS_BYTES;
	unsigned channels = c->channels == 8 ? 7 : c->channels;

	if (c->object < 1 || c->object > 4 || c->rate_index > 12 || whole > 0x1fff)
		return false;
	dst[0] = 0xff;
	dst[1] = 0xf1;
	dst[2] = (uint8_t)((c->object - 1) << 6 | c->rate_index << 2 | channels >> 2);
	dst[3] = (uint8_t)((channels & 3) << 6 | whole >> 11);
	dst[4] = (uint8_t)(whole >> 3);
	dst[5] = (uint8_t)((whole & 7) << 5 | 0x1f);
	dst[6] = 0xfc;
	return true;
}

/* ---- other audio --------------------------------------------------------------------------------- */

/* ISO/IEC 11172-3 2.4.1.3, 13818-3 */
int mp3_read(const uint8_t *p, size_t n, int *rate, int *channels)
{
	static const int rates[] = {44100, 48000, 32000};
	unsigned version, index;

	if (n < 4 || p[0] != 0xff || (p[1] & 0xe0) != 0xe0)
		return -1;
	version = p[1] >> 3 & 3;
	index = p[2] >> 2 & 3;
	if (version == 1 || index == 3 || (p[1] >> 1 & 3) != 1)
		return -1;
	*rate = rates[index] >> (version == 3 ? 0 : version == 2 ? 1 : 2);
	*channels = p[3] >> 6 == 3 ? 1 : 2;
	return 0;
}

/* RFC 6716 3.1, 3.2: samples at 48 kHz. */
static int opus_samples(const uint8_t *p, size_t n)
{
	static const int silk[] = {480, 960, 1920, 2880}, hybrid[] = {480, 960};
	unsigned config = p[0] >> 3, code = p[0] & 3;
	int one = config < 12	? silk[config & 3]
		  : config < 16 ? hybrid[config & 1]
				: 120 << (config & 3);

	if (code < 3)
		return code ? 2 * one : one;
	return n > 1 ? one * (p[1] & 0x3f) : 0;
}

/* ISO/IEC 14496-3, RFC 7845 5.1, RFC 9639 8.2 */
void audio_describe(struct track *t)
{
	const uint8_t *c = t->config;
	struct aac_config aac;

	if (t->codec == CODEC_AAC && !aac_config_read(&aac, c, t->config_n)) {
		t->rate = (int)aac.rate;
		t->channels = aac.channels ? (int)aac.channels : 2;
	} else if (t->codec == CODEC_OPUS) {
		t->rate = 48000;
		t->channels = t->config_n > 9 ? c[9] : 2;
	} else if (t->codec == CODEC_FLAC && t->config_n >= 42) {
		t->rate = (int)(get_be24(c + 18) >> 4);
		t->channels = (c[20] >> 1 & 7) + 1;
	}
}

int audio_samples(const struct track *t, const uint8_t *p, size_t n)
{
	switch (t->codec) {
	case CODEC_AAC:
		return 1024;
	case CODEC_MP3:
		return t->rate >= 32000 ? 1152 : 576;
	case CODEC_OPUS:
		return n ? opus_samples(p, n) : 0;
	case CODEC_FLAC: /* "fLaC", a block's head, then the least and the largest block */
		return t->config_n >= 12 && get_be16(t->config + 8) == get_be16(t->config + 10)
			       ? get_be16(t->config + 8)
			       : 0;
	default:
		return 0;
	}
}

/* ---- names --------------------------------------------------------------------------------------- */

static uint32_t reversed(uint32_t v)
{
	uint32_t r = 0;

	for (int i = 0; i < 32; i++)
		r |= (v >> i & 1) << (31 - i);
	return r;
}

/* ISO/IEC 14496-15 annex E.3 */
static void name_hevc(char *dst, const struct track *t)
{
	static const char spaces[] = "\0ABC";
	const uint8_t *c = t->config;
	char space[2] = {0};
	int n, last = 11;

	if (t->config_n < 23)
		return;
	space[0] = spaces[c[1] >> 6];
	n = snprintf(dst, CODECS_ROOM, "hvc1.%s%u.%X.%c%u", space, c[1] & 0x1fu,
		     reversed(get_be32(c + 2)), c[1] & 0x20 ? 'H' : 'L', c[12]);
	while (last >= 6 && !c[last])
		last--;
	for (int i = 6; i <= last; i++)
		n += snprintf(dst + n, CODECS_ROOM - (size_t)n, ".%X", c[i]);
}

/* AV1 in ISO base media, section 5: the parts that must be there. */
static void name_av1(char *dst, const struct track *t)
{
	const uint8_t *c = t->config;
	unsigned depth;

	if (t->config_n < 4)
		return;
	depth = c[2] & 0x40 ? (c[2] & 0x20 ? 12 : 10) : 8;
	snprintf(dst, CODECS_ROOM, "av01.%u.%02u%c.%02u", (unsigned)c[1] >> 5, c[1] & 0x1fu,
		 c[2] & 0x80 ? 'H' : 'M', depth);
}

static void name_aac(char *dst, const struct track *t)
{
	struct aac_config c;

	if (!aac_config_read(&c, t->config, t->config_n))
		snprintf(dst, CODECS_ROOM, "mp4a.40.%u", c.extension ? c.extension : c.object);
}

const char *codecs_name(char dst[CODECS_ROOM], const struct track *t)
{
	const uint8_t *c = t->config;

	dst[0] = 0;
	switch (t->codec) {
	case CODEC_H264:
		if (t->config_n >= 4)
			snprintf(dst, CODECS_ROOM, "avc1.%02x%02x%02x", c[1], c[2], c[3]);
		break;
	case CODEC_HEVC:
		name_hevc(dst, t);
		break;
	case CODEC_AV1:
		name_av1(dst, t);
		break;
	case CODEC_VP9: /* version and flags come first */
		if (t->config_n >= 7)
			snprintf(dst, CODECS_ROOM, "vp09.%02u.%02u.%02u", c[4], c[5],
				 (unsigned)c[6] >> 4);
		break;
	case CODEC_AAC:
		name_aac(dst, t);
		break;
	case CODEC_MP3:
		snprintf(dst, CODECS_ROOM, "mp4a.40.34");
		break;
	case CODEC_OPUS:
		snprintf(dst, CODECS_ROOM, "opus");
		break;
	case CODEC_FLAC:
		snprintf(dst, CODECS_ROOM, "fLaC");
		break;
	default:
		break;
	}
	return dst;
}
