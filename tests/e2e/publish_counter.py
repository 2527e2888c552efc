#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""nginx asks whether somebody may publish: publish_counter.py PORT FILE.

One line each in FILE: "publish NAME ID MS" or "done NAME ID MS"; "busy NAME ID MS" where another publishes, who is refused;
"gone NAME ID MS" for the end of one that was refused, or whose end overtook its question, which then is "late".
"""
import http.server
import sys
import time
import urllib.parse

port, path = int(sys.argv[1]), sys.argv[2]
open(path, 'w').close()
active, gone = {}, set()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers.get('Content-Length', 0))).decode())
        name, client = form['name'][0], form['clientid'][0]
        if form['call'][0] == 'publish' and client in gone:
            word = 'late'
        elif form['call'][0] == 'publish':
            word = 'publish' if active.setdefault(name, client) == client else 'busy'
        else:
            word = 'done' if active.get(name) == client else 'gone'
        if word == 'done':
            del active[name]
        elif word == 'gone':
            gone.add(client)
        with open(path, 'a', encoding='utf-8') as f:
            f.write(f'{word} {name} {client} {time.monotonic_ns() // 1000000}\n')
        self.send_response(403 if word == 'busy' else 200)
        self.send_header('Content-Length', '0')
        self.end_headers()

    def log_message(self, *args):
        pass


http.server.HTTPServer.request_queue_size = 256
http.server.HTTPServer(('127.0.0.1', port), Handler).serve_forever()
