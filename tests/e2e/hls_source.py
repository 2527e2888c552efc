#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A live HLS source made of segments that are there already; prints its port.

hls_source.py FOLDER    FOLDER/0.ts, 1.ts, ... of a second each; a.m3u8 shows the last four of those that time has
                        brought. FOLDER/missing: a number that is not there (404). While FOLDER/still exists the
                        playlist stands still, and begins anew after it. Each request is a line of FOLDER/requests
"""
import http.server
import os
import sys
import time

FOLDER = sys.argv[1]
SHOWN = 4
state = {'since': time.monotonic(), 'still': None}


def path(name):
    return os.path.join(FOLDER, name)


def playlist():
    if os.path.exists(path('still')):
        state['still'] = state['still'] or time.monotonic()
    elif state['still']:
        state.update(since=time.monotonic(), still=None)
    first = int((state['still'] or time.monotonic()) - state['since'])
    lines = ['#EXTM3U', '#EXT-X-VERSION:3', '#EXT-X-TARGETDURATION:1', f'#EXT-X-MEDIA-SEQUENCE:{first}']
    for i in range(first, first + SHOWN):
        lines += ['#EXTINF:1.0,', f'{i}.ts']
    return '\n'.join(lines + ['']).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def body(self, name):
        if name == 'a.m3u8':
            return playlist()
        if os.path.exists(path('missing')):
            with open(path('missing'), encoding='ascii') as f:
                if name == f.read().strip() + '.ts':
                    return None
        if not os.path.exists(path(name)):
            return None
        with open(path(name), 'rb') as f:
            return f.read()

    def do_GET(self):
        name = os.path.basename(self.path)
        body = self.body(name)
        with open(path('requests'), 'a', encoding='utf-8') as f:
            f.write(f'{name} {404 if body is None else 200}\n')
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
