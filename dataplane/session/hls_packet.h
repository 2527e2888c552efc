/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet of the HLS channel (api/hls.h), checked for form before anything happens.
 *
 * Every key must be known and of its type, the first that is not is named with its rule. Threads: any, no
 * state.
 */
#ifndef SESSION_HLS_PACKET_H
#define SESSION_HLS_PACKET_H

#include "core/hls.h"
#include "media/stream_name.h"
#include "session/ctl_request.h"

enum hls_verb { HLS_VERB_OPEN, HLS_VERB_PUT, HLS_VERB_CLOSE, HLS_VERB_END };

struct hls_packet {
	json_t *json; /* owned; what is below points into it */
	enum hls_verb verb;
	bool wants_fd;
	char stream[STREAM_KEY_MAX]; /* "" until it is known */
	struct hls_open open;
	struct hls_put put;
};

/* 0, or -EINVAL with *e; in both cases hls_packet_fini() follows. */
int hls_packet_parse(struct hls_packet *p, const void *text, size_t n, struct ctl_error *e);
void hls_packet_fini(struct hls_packet *p);

#endif
