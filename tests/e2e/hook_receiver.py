#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A callback receiver for tests: hook_receiver.py PORT FILE MODE. One JSON line per request.

MODE: ok, failN (500 for the first N tries of each event), hang (reads and never answers), token
(200 where the query has token=good, 403 otherwise).
"""
import collections
import http.server
import json
import sys
import threading
import time

port, path, mode = int(sys.argv[1]), sys.argv[2], sys.argv[3]
tries = collections.Counter()
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        event = self.headers.get('X-Millrace-Event-Id', '')
        with lock:
            tries[event] += 1
            accepted = mode == 'ok' or (mode == 'token' and 'token=good' in self.path) or (mode.startswith('fail') and tries[event] > int(mode[4:]))
            with open(path, 'a', encoding='utf-8') as f:
                f.write(json.dumps({
                    'method': self.command, 'path': self.path, 'accepted': accepted,
                    'event_id': event, 'attempt': self.headers.get('X-Millrace-Attempt', ''),
                    'headers': {k.lower(): v for k, v in self.headers.items()},
                    'raw': body.decode(), 'body': json.loads(body) if body else None}) + '\n')
        if mode == 'hang':
            time.sleep(3600)
        self.send_response(200 if accepted else 403 if mode == 'token' else 500)
        self.send_header('Content-Length', '0')
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(('127.0.0.1', port), Handler)
server.daemon_threads = True
server.serve_forever()
