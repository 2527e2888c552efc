/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket between the data plane and its clients.
 *
 * Unix SOCK_SEQPACKET at STATE/dp.sock, mode 0600; one JSON object per packet, at most
 * CTL_PACKET_MAX bytes.
 *   request  {"id":7,"verb":"stream.kick","stream":"default/live/a"}
 *   answer   {"id":7,"error":null,...}
 *            {"id":7,"error":{"code":"not_found","field":"stream","message":"..."}}
 *   long answers come as several packets with the same id; all but the last have "more":true and
 *   each holds a part of the one list
 *   event    {"event":"pull.state","key":...}, only to clients that subscribed
 * Error codes: bad_request (the packet), bad_field (field and message say which rule),
 * unknown_verb, not_found, conflict (exists with other keys), limit, not_ready (no hello yet, or
 * contracts differ), unavailable.
 *
 * Events
 *   stream.publish    stream:s publisher:s protocol:s internal:b address:s? domain:s? app:s? name:s?
 *                     params:s? host:s?      of encoders; values of secret parameters are masked
 *                     change:s?     lost, no_data or manual: why a backup publisher took over
 *   stream.unpublish  stream:s reason:s internal:b duration_ms:i bytes:i
 *   publish.refused   stream:s reason:s address:s missed:i     an encoder, by a configured domain; 50 a second
 *                     and core at most, missed says how many were left out before it
 *   stream.wanted     stream:s domain:s params:s     a viewer of a triggered pull asks for a stream that
 *                     is not live and waits; once a second and stream at most
 *   stream.unwatched  stream:s     nobody has watched a triggered pull for pull.idle_ms
 *   viewer.start      id:s stream:s domain:s protocol:s address:s params:s     where viewer_events is on
 *   viewer.stop       id:s stream:s domain:s protocol:s address:s reason:s duration_ms:i bytes:i
 *                     HLS: with hls.viewer; bytes is 0, they are fetched by whoever caches
 *   auth.ask          ask:i kind:s domain:s app:s name:s params:s address:s protocol:s referer:s?
 *                     kind is publish or play; to be answered by the verb auth.answer
 *   pull.state        id:s state:s reason:s detail:s
 *   push.state        id:s state:s reason:s detail:s
 *   hls.wanted        stream:s    somebody asks for a live stream that is not packaged; at most
 *                                 once a second for each stream
 *   hls.idle          stream:s    nobody has asked for hls.idle (or the domain's), which matters on demand; again after
 *                                 each further hls.idle
 *   state is one of connecting, running, waiting, failed. A slow subscriber loses events, not the
 *   data plane its time: it then gets {"event":"lost","count":n} and must list again.
 */
#ifndef API_CTL_H
#define API_CTL_H

#include <stdint.h>

#define CTL_VERSION    1
#define CTL_PACKET_MAX 131072

enum ctl_verb {
#define VERB(sym, name, request, answer, help) CTL_VERB_##sym,
#include "api/ctl.def"
#undef VERB
	CTL_VERB_MAX,
};

#endif
