#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small RTSP server over TCP for the end-to-end tests; prints its port.

rtsp_server.py FILE    each player gets FILE in real time; ffmpeg makes the RTP packets
"""
import os
import re
import select
import socket
import socketserver
import subprocess
import sys
import tempfile
import time


class Player(socketserver.StreamRequestHandler):
    def handle(self):
        # RTP and RTCP of two tracks: four ports, in channel order
        socks = self.ports()
        video, audio = socks[0].getsockname()[1], socks[2].getsockname()[1]
        with tempfile.TemporaryDirectory() as folder:
            sdp = os.path.join(folder, 'sdp')
            # It goes when its player does, and when this program is killed.
            child = subprocess.Popen(
                ['setpriv', '--pdeathsig', 'KILL', 'ffmpeg', '-v', 'error', '-re', '-stream_loop', '-1', '-i', sys.argv[1],
                 '-map', '0:v', '-c', 'copy', '-f', 'rtp', f'rtp://127.0.0.1:{video}',
                 '-map', '0:a', '-c', 'copy', '-f', 'rtp', f'rtp://127.0.0.1:{audio}',
                 '-sdp_file', sdp], stdin=subprocess.DEVNULL)
            try:
                while not os.path.exists(sdp) or not os.path.getsize(sdp):
                    time.sleep(0.05)
                time.sleep(0.1)
                self.talk(socks, open(sdp, encoding='utf-8').read())
            except OSError:
                pass
            finally:
                child.kill()
                child.wait()

    @staticmethod
    def ports():
        """Even ports for RTP with the next ones for RTCP."""
        socks = []
        while len(socks) < 4:
            rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            rtp.bind(('127.0.0.1', 0))
            port = rtp.getsockname()[1]
            rtcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                if port % 2:
                    continue
                rtcp.bind(('127.0.0.1', port + 1))
            except OSError:
                continue
            socks += [rtp, rtcp]
        return socks

    rbufsize = 0  # what select() says about the socket is all there is

    def talk(self, socks, sdp):
        tracks = iter(range(9))
        sdp = re.sub(r'^(SDP:|c=.*)\r?\n', '', sdp, flags=re.M)
        sdp = re.sub(r'^(m=\w+) \d+', r'\1 0', sdp, flags=re.M)
        sdp = re.sub(r'^(a=rtpmap:.*)$', lambda m: f'{m[1].strip()}\r\na=control:track{next(tracks)}', sdp, flags=re.M)
        playing = False
        while True:
            ready = select.select([self.connection] + (socks if playing else []), [], [])[0]
            for s in ready:
                if s is self.connection:
                    verb = self.request_line(sdp)
                    if not verb or verb == 'TEARDOWN':
                        return
                    playing = playing or verb == 'PLAY'
                else:
                    data = s.recv(65536)
                    self.wfile.write(b'$' + bytes([socks.index(s)]) + len(data).to_bytes(2, 'big') + data)

    def request_line(self, sdp):
        """Answers one request; its verb, "RTCP" for a report of the player, "" at the end."""
        first = self.rfile.read(1)
        if first == b'$':
            head = self.rfile.read(3)
            self.rfile.read(int.from_bytes(head[1:], 'big'))
            return 'RTCP'
        verb, url = ((first + self.rfile.readline()).decode().split() + ['', ''])[:2]
        headers = {}
        while (line := self.rfile.readline().strip()):
            name, _, value = line.decode().partition(':')
            headers[name.lower()] = value.strip()
        more, body = '', ''
        if verb == 'DESCRIBE':
            body = sdp
            more = f'Content-Type: application/sdp\r\nContent-Base: {url}/\r\n'
        elif verb == 'SETUP':
            more = f"Transport: {headers['transport']}\r\nSession: 1\r\n"
        elif verb == 'PLAY':
            more = 'Session: 1\r\n'
        elif verb == 'OPTIONS':
            more = 'Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n'
        if verb:
            self.wfile.write((f"RTSP/1.0 200 OK\r\nCSeq: {headers.get('cseq')}\r\n{more}"
                              f'Content-Length: {len(body)}\r\n\r\n{body}').encode())
        return verb


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


server = Server(('127.0.0.1', 0), Player)
print(server.server_address[1], flush=True)
server.serve_forever()
