# SPDX-License-Identifier: Apache-2.0
"""The worker's side of the HLS channel (dataplane/api/hls.h), for test scripts, and real segments."""

import array
import fcntl
import json
import os
import pathlib
import re
import socket
import subprocess

from ctl import Control

F_ADD_SEALS = 1033
SEALS = 1 | 2 | 4 | 8  # seal, shrink, grow, write


def memfd(data, seals=SEALS):
    fd = os.memfd_create('segment', os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    if seals:
        fcntl.fcntl(fd, F_ADD_SEALS, seals)
    return fd


class Channel:
    def __init__(self, control=None):
        self.control = control or Control()
        self.control.ids += 1
        self.control.sock.send(json.dumps({'id': self.control.ids, 'verb': 'hls.channel'}).encode())
        while True:
            text, fds, _, _ = socket.recv_fds(self.control.sock, 1 << 20, 1)
            answer = json.loads(text)
            if answer.get('id') == self.control.ids:
                break
            self.control.events.append(answer)
        assert not answer['error'] and len(fds) == 1, answer
        self.sock = socket.socket(fileno=fds[0])
        self.sock.settimeout(8)

    def send(self, packet, data=None, fd=None):
        mine = memfd(data) if data is not None else fd
        beside = [] if mine is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [mine]))]
        self.sock.sendmsg([json.dumps(packet).encode()], beside)
        if data is not None:
            os.close(mine)

    def error(self):
        """The next answer, which is always an error."""
        return json.loads(self.sock.recv(65536))

    def wrong(self, packet, data=None, fd=None):
        """The error that a packet gets."""
        self.send(packet, data, fd)
        return self.error()['error']

    def quiet(self):
        """Whether the data plane has dealt with everything without an error."""
        # Packets are dealt with in their order: what comes before the answer to this one is about others.
        self.send({'hls': 'close', 'stream': 'default/nobody/quiet'})
        return self.error()['stream'] == 'default/nobody/quiet'

    def close(self):
        self.sock.close()


class Packager:
    """One stream on a channel; numbers count by themselves."""

    def __init__(self, channel, stream, fmt='ts', target_ms=2000, part_ms=0, media_seq=0, disc_seq=0, **more):
        self.channel, self.stream, self.fmt, self.seq, self.parts = channel, stream, fmt, media_seq, 0
        self.pdt = 1700000000000
        channel.send({'hls': 'open', 'stream': stream, 'format': fmt, 'target_ms': target_ms, 'part_ms': part_ms,
                      'media_seq': media_seq, 'disc_seq': disc_seq, **more})

    def init(self, number, data):
        self.channel.send({'hls': 'init', 'stream': self.stream, 'init': number}, data)

    def key(self, number, data):
        self.channel.send({'hls': 'key', 'stream': self.stream, 'key': number}, data)

    def part(self, data, us, independent=True, **more):
        self.channel.send({'hls': 'part', 'stream': self.stream, 'seq': self.seq, 'part': self.parts,
                           'duration_us': us, 'independent': independent, **more}, data)
        self.parts += 1

    def segment(self, data, us, **more):
        self.channel.send({'hls': 'segment', 'stream': self.stream, 'seq': self.seq, 'duration_us': us,
                           'pdt_ms': self.pdt, **more}, data)
        self.pdt += us // 1000
        self.seq += 1
        self.parts = 0

    def gap(self, us):
        self.channel.send({'hls': 'gap', 'stream': self.stream, 'seq': self.seq, 'duration_us': us})
        self.pdt += us // 1000
        self.seq += 1

    def close(self):
        self.channel.send({'hls': 'close', 'stream': self.stream})

    def end(self):
        self.channel.send({'hls': 'end', 'stream': self.stream})


def segments(folder, source, fmt='ts', seconds=2, count=12):
    """[(bytes, microseconds)] of real media, and the initialisation section (fmp4) or None."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    more = ['-hls_segment_type', 'fmp4', '-hls_fmp4_init_filename', 'init.mp4'] if fmt == 'fmp4' else []
    subprocess.run(['ffmpeg', '-v', 'error', '-y', '-i', source, '-t', str(seconds * count), '-c', 'copy',
                    '-f', 'hls', '-hls_time', str(seconds), '-hls_list_size', '0', *more,
                    '-hls_segment_filename', str(folder / f'%03d.{"m4s" if more else "ts"}'),
                    str(folder / 'list.m3u8')], check=True)
    text = (folder / 'list.m3u8').read_text()
    found = [(re.sub(r'.*/', '', name), float(d)) for d, name in re.findall(r'#EXTINF:([\d.]+),\s*\n(\S+)', text)]
    init = (folder / 'init.mp4').read_bytes() if more else None
    return [((folder / name).read_bytes(), round(d * 1e6)) for name, d in found], init
