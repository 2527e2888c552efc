#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Publishes an MP4 file by Enhanced RTMP in real time, packet by packet as they stand in it.

    enhanced.py FILE NAME      to live/NAME at port $RTMP

ffmpeg of Debian 12 writes neither AV1 nor VP9 nor Opus into FLV. Video may be H.264, AV1 or VP9, sound AAC or Opus.
"""
import json
import subprocess
import sys
import time

from rtmp_script import Ecma, Peer

FOURCC = {'av1': b'av01', 'vp9': b'vp09', 'opus': b'Opus'}
START, FRAMES, FRAMES_X = 0, 1, 3


def probe(path, entries, *more):
    found = subprocess.run(['ffprobe', '-v', 'error', '-of', 'json', '-show_entries', entries, *more, path],
                           capture_output=True, check=True).stdout
    return json.loads(found)


def hexdump(text):
    """The bytes of ffprobe's dump."""
    return b''.join(bytes.fromhex(line[10:50].replace(' ', '')) for line in text.strip().split('\n'))


def box(data, name):
    """The content of the first box of that name."""
    at = data.index(name) - 4
    return data[at + 8:at + int.from_bytes(data[at:at + 4], 'big')]


def video_tag(codec, header, key, delay_ms):
    frame = 0x10 if key else 0x20
    if codec == 'h264':
        return bytes([frame | 7, not header]) + delay_ms.to_bytes(3, 'big')
    return bytes([0x80 | frame | (START if header else FRAMES_X)]) + FOURCC[codec]


def audio_tag(codec, header):
    if codec == 'aac':
        return bytes([0xaf, not header])
    return bytes([0x90 | (START if header else FRAMES)]) + FOURCC[codec]


def main():
    path, name = sys.argv[1:]
    with open(path, 'rb') as f:
        data = f.read()
    streams = probe(path, 'stream=codec_type,codec_name,extradata,width,height', '-show_data')['streams']
    packets = probe(path, 'packet=stream_index,pts_time,dts_time,flags,size,pos')['packets']
    peer = Peer().publish(name)
    peer.set_chunk_size(65536)
    video = next(s for s in streams if s['codec_type'] == 'video')
    peer.data('@setDataFrame', 'onMetaData', Ecma(width=video['width'], height=video['height']))
    for s in streams:
        config = box(data, b'vpcC') if s['codec_name'] == 'vp9' else hexdump(s['extradata'])
        if s['codec_type'] == 'video':
            peer.video(0, video_tag(s['codec_name'], True, True, 0) + config)
        else:
            peer.audio(0, audio_tag(s['codec_name'], True) + config)
    packets.sort(key=lambda p: float(p['dts_time']))
    first, begun = float(packets[0]['dts_time']), time.monotonic()
    for p in packets:
        s, at = streams[p['stream_index']], float(p['dts_time']) - first
        time.sleep(max(0, begun + at - time.monotonic()))
        body = data[int(p['pos']):int(p['pos']) + int(p['size'])]
        delay_ms = round((float(p['pts_time']) - float(p['dts_time'])) * 1000)
        if s['codec_type'] == 'video':
            peer.video(round(at * 1000), video_tag(s['codec_name'], False, 'K' in p['flags'], delay_ms) + body)
        else:
            peer.audio(round(at * 1000), audio_tag(s['codec_name'], False) + body)


if __name__ == '__main__':
    main()
