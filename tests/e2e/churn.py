# SPDX-License-Identifier: Apache-2.0
"""Connections that come and go: churn.py RTMP HTTP COUNT FIRST.

All kinds in turn, from number FIRST on: nothing said, half a handshake and a reset, a publisher of a name of
its own, players of live/a by HTTP-FLV and RTMP, a player of a name that nobody publishes. Every one that asks
for something must get it.
"""
import os
import socket
import struct
import sys
from concurrent.futures import ThreadPoolExecutor

rtmp, http, count, first = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
os.environ['RTMP'] = rtmp
from rtmp_script import AVC_HEADER, VIDEO, Peer, key  # noqa: E402 (it reads the port)


def open_to(port):
    return socket.create_connection(('127.0.0.1', int(port)), 20)


def silent(n):
    open_to(rtmp).close()


def half_a_handshake(n):
    s = open_to(rtmp)
    s.sendall(b'\x03' + bytes(500))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    s.close()


def publisher(n):
    p = Peer(sock=open_to(rtmp)).publish(f'churn{n}')
    p.video(0, AVC_HEADER)
    p.video(40, key(0))
    p.sock.close()


def get(path, want, least):
    with open_to(http) as s:
        s.sendall(f'GET {path} HTTP/1.1\r\nHost: a\r\n\r\n'.encode())
        got = b''
        while len(got) < least:
            part = s.recv(65536)
            assert part, f'{path}: closed after {len(got)} bytes'
            got += part
        assert got.startswith(want), got[:100]


def http_player(n):
    get('/live/a.flv', b'HTTP/1.1 200', 6000)


def nobody(n):
    get(f'/live/none{n}.flv', b'HTTP/1.1 404', 20)


def rtmp_player(n):
    p = Peer(sock=open_to(rtmp)).play('a')
    p.until(lambda m: m.kind == VIDEO)
    p.sock.close()


KINDS = (silent, half_a_handshake, publisher, http_player, nobody, rtmp_player)
with ThreadPoolExecutor(4) as pool:
    for _ in pool.map(lambda n: KINDS[n % len(KINDS)](n), range(first, first + count), chunksize=64):
        pass
