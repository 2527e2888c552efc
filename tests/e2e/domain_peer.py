# SPDX-License-Identifier: Apache-2.0
"""Publishers and players of domains, by every entry point, for domains.bats."""

import base64
import hashlib
import os
import socket
import time

from ctl import Control
from rtmp_script import Closed, Peer, SECONDS

PUSH, PLAY = 'push.example.com', 'play.example.com'
PUSH_KEY, PLAY_KEY = 'pushKeyPushKey01', 'playKeyPlayKey01'


def auth_key(path, key, at=None, rand='0', uid='0'):
    """Type A; path with its suffix, as it is in the URL."""
    at = int(time.time()) if at is None else at
    return f'{at}-{rand}-{uid}-' + hashlib.md5(f'{path}-{at}-{rand}-{uid}-{key}'.encode()).hexdigest()


def signed(path, key, at=None):
    return 'auth_key=' + auth_key(path, key, at)


def before_b(path, key, at=None):
    """Type B: what stands before the path."""
    at = int(time.time()) if at is None else at
    minute = time.strftime('%Y%m%d%H%M', time.gmtime(at + 8 * 3600))
    return f'{minute}/' + hashlib.md5(f'{key}{minute}{path}'.encode()).hexdigest()


def hash_c(path, key, at=None):
    """Type C: hash and time."""
    stamp = f'{int(time.time()) if at is None else at:X}'
    return hashlib.md5(f'{key}{path}{stamp}'.encode()).hexdigest(), stamp


class Domains(Control):
    def set(self, domain, check=True, **config):
        return self.ask('domain.set', check, domain=domain, config=config)

    def pair(self, push=None, play=None):
        """An ingest and a play domain with these rules."""
        self.set(PUSH, type='ingest', **(push or {}))
        self.set(PLAY, type='play', center=PUSH, **(play or {}))

    def until(self, event, **keys):
        """The next event of that name with these values; others are passed over."""
        while True:
            got = self.event()
            if got['event'] == event and all(got.get(k) == v for k, v in keys.items()):
                return got


def publisher(stream='a', params='', host=PUSH, app='live'):
    """Asks to publish: the peer, and the description of a refusal or None."""
    p = Peer()
    p.connect(app, tcUrl=f'rtmp://{host}/{app}')
    msid = p.create_stream()
    p.call('publish', None, stream + (params and '?' + params), 'live', msid=msid)
    info = p.status()
    return p, None if info['level'] == 'status' else info['description']


def rtmp_player(stream='a', params='', host=PLAY, app='live'):
    p = Peer()
    p.connect(app, tcUrl=f'rtmp://{host}/{app}')
    msid = p.create_stream()
    p.call('play', None, stream + (params and '?' + params), msid=msid)
    info = p.status()
    return p, None if info['level'] == 'status' else info['description']


def fetch(path, host=PLAY, read=0, **headers):
    """A GET: socket, status and the first bytes behind the head (a refusal's text, or `read` bytes)."""
    s = socket.create_connection(('127.0.0.1', int(os.environ['HTTP'])), SECONDS)
    lines = ''.join(f'{k.replace("_", "-")}: {v}\r\n' for k, v in headers.items())
    s.sendall(f'GET {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n'.encode())
    got = b''
    while b'\r\n\r\n' not in got:
        more = s.recv(65536)
        assert more, got
        got += more
    head, body = got.split(b'\r\n\r\n', 1)
    status = int(head.split()[1])
    while len(body) < (read if status in (101, 200) else 1):
        more = s.recv(65536)
        if not more:
            break
        body += more
    return s, status, body


def upgrade():
    return {'Upgrade': 'websocket', 'Connection': 'Upgrade', 'Sec_WebSocket_Version': '13',
            'Sec_WebSocket_Key': base64.b64encode(os.urandom(16)).decode()}


def flv_player(stream='a', params='', host=PLAY, app='live', **headers):
    _, status, body = fetch(f'/{app}/{stream}.flv' + (params and '?' + params), host, **headers)
    return None if status == 200 else (status, body.decode().strip())


def ws_player(stream='a', params='', host=PLAY, app='live', **headers):
    _, status, body = fetch(f'/{app}/{stream}.flv' + (params and '?' + params), host, **upgrade(), **headers)
    return None if status == 101 else (status, body.decode().strip())


def rtmp_plays(stream='a', params='', host=PLAY, app='live'):
    return rtmp_player(stream, params, host, app)[1]


def publishes(stream='a', params='', host=PUSH, app='live'):
    return publisher(stream, params, host, app)[1]


def ended(peer):
    """The server closes the connection; what it said before is read."""
    try:
        while True:
            peer.read()
    except Closed:
        return True
