/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Picture size from a sequence parameter set.
 *
 * Hostile and odd sets give false, never an error of the stream (interop M19).
 * Source: ISO/IEC 14496-10, 7.3.2.1.1; ISO/IEC 23008-2, 7.3.2.2.1. Threads: pure, any.
 */
#ifndef MEDIA_SPS_H
#define MEDIA_SPS_H

#include "base/bytes.h"

/* nal begins with the NAL unit header. Sizes are after cropping, 1..65535. */
bool sps_h264_size(struct slice nal, uint32_t *width, uint32_t *height);
bool sps_hevc_size(struct slice nal, uint32_t *width, uint32_t *height);

#endif
