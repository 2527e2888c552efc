/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HLS channel: how packaging workers hand segments to the data plane.
 *
 * Unix SOCK_SEQPACKET. The data plane makes it (verb hls.channel, api/ctl.def) and takes nothing on it
 * but the packets below, so a worker that has it can do no more than that. One JSON object per packet,
 * at most HLS_PACKET_MAX bytes; where it says fd, a memfd travels beside it: sealed with F_SEAL_SHRINK,
 * F_SEAL_GROW and F_SEAL_WRITE, its size is the object's, 1 to HLS_OBJECT_MAX bytes.
 *
 *   {"hls":"open","stream":s,"format":"ts|fmp4","target_ms":i,"part_ms":i,"media_seq":i,"disc_seq":i,
 *    "codecs":s,"bandwidth":i,"width":i,"height":i,"fps":n}
 *        the stream is packaged from here on. It must not be open on another channel. target_ms:
 *        no segment is longer (rounded to seconds it becomes EXT-X-TARGETDURATION, and no
 *        EXTINF may round to more); part_ms: no part is longer; 0: no parts. media_seq: number of the next
 *        segment, disc_seq: discontinuities before it; where the data plane still knows the stream,
 *        media_seq below its own is refused and a higher one makes gaps. What follows a stream that
 *        was packaged before begins with a discontinuity by itself. part_ms, codecs, bandwidth (bits
 *        per second), width, height and fps may be missing.
 *   {"hls":"init","stream":s,"init":i} + fd
 *        fmp4 only: an initialisation section; segments and parts name it. Its number, as a key's, is
 *        the worker's own, counts anew with each open, and is not the one in playlists.
 *   {"hls":"key","stream":s,"key":i} + fd
 *        16 bytes, AES-128; i from 1
 *   {"hls":"part","stream":s,"seq":i,"part":i,"duration_us":i,"independent":b,"init":i,
 *    "discontinuity":b?,"key":i?,"iv":s?} + fd
 *        of the next segment; parts count from 0. discontinuity, key and iv must be what its
 *        segment will say.
 *   {"hls":"segment","stream":s,"seq":i,"duration_us":i,"pdt_ms":i,"discontinuity":b?,"init":i?,
 *    "key":i?,"iv":s?,"independent":b?} + fd
 *        always the whole of it, also after its parts. pdt_ms: wall clock of its first frame. key 0 or
 *        missing: not encrypted; iv: 32 hexadecimal digits, missing: the sequence number.
 *        independent, true if missing: begins with a key frame.
 *   {"hls":"gap","stream":s,"seq":i,"duration_us":i,"pdt_ms":i?}
 *        a segment that will not come
 *   {"hls":"close","stream":s}
 *        packaging pauses (nobody asks, the worker leaves); the playlist stays served for a while
 *   {"hls":"end","stream":s}
 *        the stream has ended for good: EXT-X-ENDLIST
 *
 * There is an answer only where something is wrong:
 *   {"error":{"code":s,"field":s,"message":s},"stream":s,"media_seq":i?}
 * Codes are those of api/ctl.h: bad_request, bad_field (field and message say which rule), not_found
 * (no open stream of that name on this channel), conflict (open elsewhere, or media_seq is too low:
 * media_seq then is the number to open with), limit (hls.memory; a segment became a gap and its number
 * is used up). Numbers are consecutive; a packet that is refused for another reason changes nothing.
 * Closing the channel closes its streams.
 */
#ifndef API_HLS_H
#define API_HLS_H

#define HLS_CHANNELS_MAX 64
#define HLS_PACKET_MAX	 4096
#define HLS_OBJECT_MAX	 268435456

#endif
