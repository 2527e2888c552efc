#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Serves a folder by HTTP with byte ranges; prints its port.

range_server.py FOLDER    GET /NAME, with Range; each request is one line of FOLDER/requests
"""
import http.server
import os
import re
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        path = os.path.join(sys.argv[1], os.path.basename(self.path.split('?')[0]))
        wanted = self.headers.get('Range', '')
        with open(os.path.join(sys.argv[1], 'requests'), 'a', encoding='utf-8') as f:
            f.write(f'{self.path} {wanted}\n')
        if not os.path.isfile(path):
            self.send_error(404)
            return
        size = os.path.getsize(path)
        m = re.fullmatch(r'bytes=(\d+)-(\d*)', wanted)
        first, last = (int(m[1]), int(m[2]) if m[2] else size - 1) if m else (0, size - 1)
        last = min(last, size - 1)
        if first > last:
            self.send_response(416)
            self.send_header('Content-Range', f'bytes */{size}')
            self.send_header('Content-Length', '0')
            self.end_headers()
            return
        self.send_response(206 if m else 200)
        self.send_header('Accept-Ranges', 'bytes')
        self.send_header('Content-Length', str(last - first + 1))
        if m:
            self.send_header('Content-Range', f'bytes {first}-{last}/{size}')
        self.end_headers()
        self.send_part(path, first, last - first + 1)

    def send_part(self, path, first, n):
        with open(path, 'rb') as f:
            f.seek(first)
            while n > 0:
                part = f.read(min(n, 65536))
                try:
                    self.wfile.write(part)
                except OSError:
                    self.close_connection = True
                    return
                n -= len(part)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that has seen enough is nothing to tell."""


server = Server(('127.0.0.1', 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
