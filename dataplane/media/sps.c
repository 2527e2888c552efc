/* SPDX-License-Identifier: Apache-2.0 */
#include "media/sps.h"

#include "media/bits.h"

#define SIZE_LIMIT    65535
#define POC_CYCLE_MAX 255
#define SPS_ID_MAX    31
#define HEVC_SUBS_MAX 6 /* sps_max_sub_layers_minus1 */

enum chroma { CHROMA_MONO = 0, CHROMA_420 = 1, CHROMA_422 = 2, CHROMA_444 = 3 };

/* Luma samples per chroma sample: the units that cropping is written in. */
static uint32_t sub_width(uint32_t chroma)
{
	return chroma == CHROMA_420 || chroma == CHROMA_422 ? 2 : 1;
}

static uint32_t sub_height(uint32_t chroma)
{
	return chroma == CHROMA_420 ? 2 : 1;
}

/* Four crop values in units of unit_x and unit_y, then the sizes that are left. */
static bool cropped(struct bits *b, uint64_t w, uint64_t h, uint32_t unit_x, uint32_t unit_y,
		    uint32_t *width, uint32_t *height)
{
	uint64_t crop_x = 0, crop_y = 0;

	if (bits_u1(b)) {
		crop_x = bits_ue(b);
		crop_x = (crop_x + bits_ue(b)) * unit_x;
		crop_y = bits_ue(b);
		crop_y = (crop_y + bits_ue(b)) * unit_y;
	}
	if (b->bad || crop_x >= w || crop_y >= h)
		return false;
	w -= crop_x;
	h -= crop_y;
	if (w > SIZE_LIMIT || h > SIZE_LIMIT)
		return false;
	*width = (uint32_t)w;
	*height = (uint32_t)h;
	return true;
}

static bool h264_has_chroma(uint32_t profile)
{
	static const uint8_t with[] = {100, 110, 122, 244, 44,	83, 86,
				       118, 128, 138, 139, 134, 135};

	return memchr(with, (int)profile, sizeof(with)) != NULL;
}

static void h264_scaling_list(struct bits *b, unsigned n)
{
	uint8_t last = 8, next = 8;

	while (n-- && !b->bad) {
		if (next)
			next = (uint8_t)(last + (uint32_t)bits_se(b));
		if (next)
			last = next;
	}
}

/* chroma_format_idc and what follows it in high profiles; ChromaArrayType. */
static uint32_t h264_chroma(struct bits *b)
{
	uint32_t chroma = bits_ue(b);
	bool planes = chroma == CHROMA_444 && bits_u1(b);

	if (chroma > CHROMA_444)
		b->bad = true;
	bits_ue(b); /* bit_depth_luma_minus8 */
	bits_ue(b); /* bit_depth_chroma_minus8 */
	bits_u1(b); /* qpprime_y_zero_transform_bypass_flag */
	if (bits_u1(b)) {
		unsigned lists = chroma == CHROMA_444 ? 12 : 8;

		for (unsigned i = 0; i < lists && !b->bad; i++) {
			if (bits_u1(b))
				h264_scaling_list(b, i < 6 ? 16 : 64);
		}
	}
	return planes ? CHROMA_MONO : chroma;
}

static void h264_picture_order(struct bits *b)
{
	uint32_t type = bits_ue(b), cycle;

	if (type == 0) {
		bits_ue(b); /* log2_max_pic_order_cnt_lsb_minus4 */
	} else if (type == 1) {
		bits_u1(b); /* delta_pic_order_always_zero_flag */
		bits_se(b); /* offset_for_non_ref_pic */
		bits_se(b); /* offset_for_top_to_bottom_field */
		cycle = bits_ue(b);
		if (cycle > POC_CYCLE_MAX)
			b->bad = true;
		while (cycle-- && !b->bad)
			bits_se(b);
	} else if (type != 2) {
		b->bad = true;
	}
}

bool sps_h264_size(struct slice nal, uint32_t *width, uint32_t *height)
{
	struct bits b = bits_of(nal, true);
	uint32_t profile, chroma = CHROMA_420, fields;
	uint64_t w, h;

	if ((bits_u(&b, 8) & 0x1f) != 7)
		return false;
	profile = bits_u(&b, 8);
	bits_skip(&b, 16); /* constraint flags, level */
	if (bits_ue(&b) > SPS_ID_MAX)
		return false;
	if (h264_has_chroma(profile))
		chroma = h264_chroma(&b);
	bits_ue(&b); /* log2_max_frame_num_minus4 */
	h264_picture_order(&b);
	bits_ue(&b); /* max_num_ref_frames */
	bits_u1(&b); /* gaps_in_frame_num_value_allowed_flag */
	w = (bits_ue(&b) + 1ull) * 16;
	h = (bits_ue(&b) + 1ull) * 16;
	fields = bits_u1(&b) ? 1 : 2; /* frame_mbs_only_flag */
	if (fields == 2)
		bits_u1(&b); /* mb_adaptive_frame_field_flag */
	bits_u1(&b);	     /* direct_8x8_inference_flag */
	return cropped(&b, w, h * fields, sub_width(chroma), sub_height(chroma) * fields, width,
		       height);
}

/* profile_tier_level(1, subs): nothing in it tells a size. */
static void hevc_profile_tier_level(struct bits *b, uint32_t subs)
{
	uint8_t present[HEVC_SUBS_MAX];

	bits_skip(b, 88 + 8); /* general profile and level */
	for (uint32_t i = 0; i < subs; i++)
		present[i] = (uint8_t)bits_u(b, 2);
	if (subs)
		bits_skip(b, 2 * (8 - subs)); /* reserved_zero_2bits */
	for (uint32_t i = 0; i < subs; i++)
		bits_skip(b, (present[i] & 2 ? 88 : 0) + (present[i] & 1 ? 8 : 0));
}

bool sps_hevc_size(struct slice nal, uint32_t *width, uint32_t *height)
{
	struct bits b = bits_of(nal, true);
	uint32_t subs, chroma;
	uint64_t w, h;

	if ((bits_u(&b, 16) >> 9 & 0x3f) != 33)
		return false;
	bits_u(&b, 4); /* sps_video_parameter_set_id */
	subs = bits_u(&b, 3);
	bits_u1(&b); /* sps_temporal_id_nesting_flag */
	if (subs > HEVC_SUBS_MAX)
		return false;
	hevc_profile_tier_level(&b, subs);
	bits_ue(&b); /* sps_seq_parameter_set_id */
	chroma = bits_ue(&b);
	if (chroma > CHROMA_444)
		return false;
	if (chroma == CHROMA_444)
		bits_u1(&b); /* separate_colour_plane_flag */
	w = bits_ue(&b);
	h = bits_ue(&b);
	return cropped(&b, w, h, sub_width(chroma), sub_height(chroma), width, height);
}
