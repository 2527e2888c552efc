# SPDX-License-Identifier: Apache-2.0
"""A scriptable RTMP peer for rtmp_*.bats and others: chunks are made by hand, answers are read strictly.

The writing side does only what a script says, so that it can be as odd as any encoder. The reading
side follows the specification to the letter and raises where the server does not. RTMP and DP_LOG in
the environment name the server's port and the data plane's log.
"""

import hashlib
import hmac
import itertools
import os
import socket
import struct
import time

SECONDS = 8  # until a script gives up waiting

SET_CHUNK_SIZE, ABORT, ACK, USER_CONTROL, WINDOW, BANDWIDTH = 1, 2, 3, 4, 5, 6
AUDIO, VIDEO, DATA3, SHARED3, COMMAND3, DATA, SHARED, COMMAND, AGGREGATE = 8, 9, 15, 16, 17, 18, 19, 20, 22
STREAM_BEGIN, STREAM_EOF, SET_BUFFER_LENGTH, PING, PONG = 0, 1, 3, 6, 7
MEDIA = (AUDIO, VIDEO, DATA)
EXTENDED = 0xFFFFFF


# --- AMF0 -----------------------------------------------------------------------------------------


class Raw(bytes):
    """Goes out as it is: for values that no honest encoder writes."""


class Ecma(dict):
    """An ECMA array; `count` is what its head claims."""

    count = 0


UNDEFINED = Raw(b'\x06')
OBJECT_END = Raw(b'\x00\x00\x09')


def long_string(text):
    return Raw(b'\x0c' + struct.pack('>I', len(text)) + text.encode())


def date(ms):
    return Raw(b'\x0b' + struct.pack('>dh', ms, 0))


def member(key, value):
    return struct.pack('>H', len(key)) + key.encode() + amf0(value)


def amf0(*values):
    out = b''
    for v in values:
        if isinstance(v, Raw):
            out += v
        elif v is None:
            out += b'\x05'
        elif isinstance(v, bool):
            out += bytes([1, v])
        elif isinstance(v, (int, float)):
            out += b'\x00' + struct.pack('>d', v)
        elif isinstance(v, str):
            out += b'\x02' + struct.pack('>H', len(v.encode())) + v.encode()
        elif isinstance(v, list):
            out += b'\x0a' + struct.pack('>I', len(v)) + amf0(*v)
        else:
            out += b'\x08' + struct.pack('>I', v.count) if isinstance(v, Ecma) else b'\x03'
            out += b''.join(member(k, x) for k, x in v.items()) + OBJECT_END
    return out


def amf0_value(b, at):
    kind, at = b[at], at + 1
    if kind == 0:
        v = struct.unpack_from('>d', b, at)[0]
        return int(v) if v.is_integer() else v, at + 8
    if kind == 1:
        return b[at] != 0, at + 1
    if kind == 2:
        n = struct.unpack_from('>H', b, at)[0]
        return b[at + 2:at + 2 + n].decode(), at + 2 + n
    if kind in (5, 6):
        return None, at
    if kind == 10:
        values = []
        n, at = struct.unpack_from('>I', b, at)[0], at + 4
        for _ in range(n):
            v, at = amf0_value(b, at)
            values.append(v)
        return values, at
    if kind == 11:
        return struct.unpack_from('>d', b, at)[0], at + 10
    if kind == 12:
        n = struct.unpack_from('>I', b, at)[0]
        return b[at + 4:at + 4 + n].decode(), at + 4 + n
    assert kind in (3, 8), f'AMF0 marker {kind}'
    at += 4 if kind == 8 else 0
    found = {}
    while b[at:at + 3] != OBJECT_END:
        n = struct.unpack_from('>H', b, at)[0]
        key = b[at + 2:at + 2 + n].decode()
        found[key], at = amf0_value(b, at + 2 + n)
    return found, at + 3


def amf0_read(b):
    values, at = [], 0
    while at < len(b):
        v, at = amf0_value(b, at)
        values.append(v)
    return values


# --- media ----------------------------------------------------------------------------------------

_SPS = bytes.fromhex('6742c00dd9014196')
_PPS = bytes.fromhex('68cb83cb20')
AVC_HEADER = (bytes.fromhex('1700000000') + b'\x01' + _SPS[1:4] + b'\xff\xe1' + struct.pack('>H', len(_SPS)) +
              _SPS + b'\x01' + struct.pack('>H', len(_PPS)) + _PPS)
AAC_HEADER = bytes.fromhex('af001210')


def _filling(n, size):
    return (hashlib.sha256(str(n).encode()).digest() * (size // 32 + 1))[:size]


def key(n, size=100):
    """The n-th picture, a key frame; its bytes are its own."""
    return b'\x17\x01\x00\x00\x00' + struct.pack('>I', size + 1) + b'\x65' + _filling(n, size)


def inter(n, size=100):
    return b'\x27\x01\x00\x00\x00' + struct.pack('>I', size + 1) + b'\x41' + _filling(n, size)


def sound(n, size=60):
    return b'\xaf\x01' + _filling(-n - 1, size)


# --- chunks ---------------------------------------------------------------------------------------


def basic(fmt, csid, wide=False):
    """wide: three bytes although two would do."""
    if csid < 64:
        return bytes([fmt << 6 | csid])
    if csid < 320 and not wide:
        return bytes([fmt << 6, csid - 64])
    return bytes([fmt << 6 | 1]) + struct.pack('<H', csid - 64)


def head(fmt, csid, ts=0, n=0, kind=0, msid=0):
    """A chunk header; a time that needs it is extended."""
    out = basic(fmt, csid)
    if fmt == 3:
        return out
    out += min(ts, EXTENDED).to_bytes(3, 'big')
    if fmt < 2:
        out += n.to_bytes(3, 'big') + bytes([kind])
    if fmt == 0:
        out += struct.pack('<I', msid)
    return out + (struct.pack('>I', ts) if ts >= EXTENDED else b'')


class Closed(Exception):
    """The server closed the connection."""


class Message:
    def __init__(self, kind, ts, msid, data):
        self.kind, self.ts, self.msid, self.data = kind, ts, msid, data

    def amf(self):
        return amf0_read(self.data[1:] if self.kind in (COMMAND3, DATA3) else self.data)

    def __repr__(self):
        return f'<type {self.kind} ts {self.ts} msid {self.msid} {self.data[:24].hex()} ({len(self.data)})>'


_PLAYER_KEY = b'Genuine Adobe Flash Player 001'
_SERVER_KEY = b'Genuine Adobe Flash Media Server 001'
_KEY_TAIL = bytes.fromhex('f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae')


def _hmac(k, b):
    return hmac.new(k, b, hashlib.sha256).digest()


def digest_at(half, scheme):
    """Where the digest of C1 or S1 lies: scheme 1 has its block first, scheme 2 the key's."""
    field = 8 if scheme == 1 else 772
    return field + 4 + sum(half[field:field + 4]) % 728


def half_digest(half, at, k):
    return _hmac(k, half[:at] + half[at + 32:])


def signed_c1(scheme, seed=b'c1'):
    half = bytearray(struct.pack('>I', 0) + bytes([9, 0, 124, 2]) + _filling(seed, 1528))
    at = digest_at(half, scheme)
    half[at:at + 32] = half_digest(half, at, _PLAYER_KEY)
    return bytes(half)


def is_signed_answer(c1, s1, s2, scheme):
    """Whether S1 and S2 answer C1 in its scheme."""
    at, mine = digest_at(s1, scheme), digest_at(c1, scheme)
    proof = _hmac(_SERVER_KEY + _KEY_TAIL, c1[mine:mine + 32])
    return s1[at:at + 32] == half_digest(s1, at, _SERVER_KEY) and s2[-32:] == _hmac(proof, s2[:-32])


# --- the peer -------------------------------------------------------------------------------------


class Peer:
    def __init__(self, handshake=True, sock=None):
        """sock: a connection that is there already."""
        self.sock = sock or socket.create_connection(('127.0.0.1', int(os.environ['RTMP'])), SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.name = '%s:%d' % self.sock.getsockname()
        self.buf, self.taken, self.sent = b'', 0, 0
        self.chunk_out, self.chunk_in = 128, 128
        self.streams = {}
        self.seen = []
        self.txn = itertools.count(1)
        if handshake:
            c1 = bytes(8) + _filling('c1', 1528)
            self.raw(b'\x03' + c1)
            s = self.take(1 + 1536 + 1536)
            assert s[0] == 3 and s[1537:] == c1, 'S0S1S2 is not the answer of the simple handshake'
            self.raw(s[1:1537])

    # writing

    def raw(self, b):
        self.sock.sendall(b)
        self.sent += len(b)

    def message(self, kind, ts, data, csid=4, msid=1, fmt=0, repeat=True):
        """One message in chunks; repeat: an extended time stands on every chunk (T8)."""
        again = basic(3, csid) + (struct.pack('>I', ts) if repeat and ts >= EXTENDED else b'')
        parts = [data[i:i + self.chunk_out] for i in range(0, len(data), self.chunk_out)] or [b'']
        self.raw(head(fmt, csid, ts, len(data), kind, msid) + again.join(parts))

    def control(self, kind, data):
        self.message(kind, 0, data, 2, 0)

    def set_chunk_size(self, n):
        self.control(SET_CHUNK_SIZE, struct.pack('>I', n))
        self.chunk_out = n

    def call(self, name, *args, msid=0, txn=None, amf3=False):
        """Sends a command and returns its transaction id."""
        txn = next(self.txn) if txn is None else txn
        body = amf0(name, txn, *args)
        self.message(COMMAND3 if amf3 else COMMAND, 0, b'\0' * amf3 + body, 3, msid)
        return txn

    def data(self, *values, ts=0):
        self.message(DATA, ts, amf0(*values), 5)

    def video(self, ts, data):
        self.message(VIDEO, ts, data, 6)

    def audio(self, ts, data):
        self.message(AUDIO, ts, data, 4)

    def fin(self):
        self.sock.shutdown(socket.SHUT_WR)

    # reading

    def take(self, n):
        while len(self.buf) < n:
            try:
                more = self.sock.recv(262144)
            except ConnectionResetError:
                more = b''
            if not more:
                raise Closed(f'{self.name} after {self.taken + len(self.buf)} bytes')
            self.buf += more
        out, self.buf = self.buf[:n], self.buf[n:]
        self.taken += n
        return out

    def _chunk_head(self):
        first = self.take(1)[0]
        fmt, csid = first >> 6, first & 63
        if csid == 0:
            csid = 64 + self.take(1)[0]
        elif csid == 1:
            csid = 64 + struct.unpack('<H', self.take(2))[0]
        cs = self.streams.setdefault(csid, {'got': b'', 'field': None})
        assert fmt == 0 or cs['field'] is not None, f'csid {csid} begins with a type {fmt}'
        if fmt < 3:
            assert not cs['got'], f'a type {fmt} inside a message'
            cs['field'] = int.from_bytes(self.take(3), 'big')
            if fmt < 2:
                cs['n'] = int.from_bytes(self.take(3), 'big')
                cs['kind'] = self.take(1)[0]
            if fmt == 0:
                cs['msid'] = struct.unpack('<I', self.take(4))[0]
        if cs['field'] == EXTENDED:
            value = struct.unpack('>I', self.take(4))[0]
            assert fmt < 3 or value == cs['value'], 'the extended time is not repeated (T8)'
        else:
            value = cs['field']
        if not cs['got']:
            cs['ts'] = value if fmt == 0 else cs['ts'] + value & 0xFFFFFFFF
        cs['value'] = value
        return cs

    def read(self):
        """The next message."""
        while True:
            cs = self._chunk_head()
            cs['got'] += self.take(min(self.chunk_in, cs['n'] - len(cs['got'])))
            if len(cs['got']) < cs['n']:
                continue
            m = Message(cs['kind'], cs['ts'], cs['msid'], cs['got'])
            cs['got'] = b''
            if m.kind == SET_CHUNK_SIZE:
                self.chunk_in = struct.unpack('>I', m.data)[0]
            self.seen.append(m)
            return m

    def until(self, wanted):
        """The next message that `wanted` accepts; what comes before it is in self.seen."""
        while True:
            m = self.read()
            if wanted(m):
                return m

    def answer(self, txn):
        """What the server says to a transaction: name, then the arguments behind the id."""
        values = self.until(lambda m: m.kind == COMMAND and m.amf()[0] in ('_result', '_error') and
                            m.amf()[1] == txn).amf()
        return values[:1] + values[2:]

    def status(self, code=None):
        """The next onStatus, which must be `code` where one is given."""
        m = self.until(lambda m: m.kind == COMMAND and m.amf()[0] == 'onStatus')
        info = m.amf()[3]
        assert code in (None, info['code']), info
        return info

    def media(self, n, kinds=(AUDIO, VIDEO)):
        """The next n messages of these kinds as (type, time, payload)."""
        out = []
        for _ in range(n):
            m = self.until(lambda m: m.kind in kinds)
            out.append((m.kind, m.ts, m.data))
        return out

    def synced(self):
        """Everything sent so far has been taken by the server."""
        assert self.answer(self.call('getStreamLength', None, 'x'))[0] == '_result'

    # whole conversations

    def connect(self, app='live', **more):
        host = f'rtmp://127.0.0.1:{os.environ["RTMP"]}/{app}'
        txn = self.call('connect', {'app': app, 'tcUrl': host, **more})
        result = self.answer(txn)
        assert result[2]['code'] == 'NetConnection.Connect.Success', result
        return result

    def create_stream(self):
        return self.answer(self.call('createStream', None))[2]

    def publish(self, name, app='live'):
        self.connect(app)
        msid = self.create_stream()
        self.call('publish', None, name, 'live', msid=msid)
        self.status('NetStream.Publish.Start')
        return self

    def live(self, name, at=0):
        """Publishes, and has sent headers and a first key frame at this time."""
        self.publish(name)
        self.video(at, AVC_HEADER)
        self.audio(at, AAC_HEADER)
        self.video(at, key(0))
        self.synced()
        return self

    def play(self, name, app='live', *args):
        self.connect(app)
        msid = self.create_stream()
        self.call('play', None, name, *args, msid=msid)
        self.status('NetStream.Play.Reset')
        self.status('NetStream.Play.Start')
        return self

    def watch(self, name, at=0):
        """Plays what live() began; from here on its media are what is sent from now on."""
        self.play(name)
        first = self.media(3)
        assert first == [(VIDEO, at, AVC_HEADER), (AUDIO, at, AAC_HEADER), (VIDEO, at, key(0))], first
        return self

    def ended(self, reason):
        """The server closes this connection, and its log names this reason."""
        try:
            while True:
                self.read()
        except Closed:
            pass
        wait_log('session_end', f'peer={self.name} ', f'reason={reason} ')


def live_and_watched(name='a', at=0):
    """A publisher and a player that is up to date."""
    return Peer().live(name, at), Peer().watch(name, at)


def log_lines(*parts):
    with open(os.environ['DP_LOG'], encoding='utf-8') as f:
        return [line for line in f if all(p in line for p in parts)]


def wait_for(what, seconds=SECONDS):
    """Until what() is true; the caller's condition is the event, the pause only spares the CPU."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, 'it did not happen in time'
        time.sleep(0.02)
    return found


def wait_log(*parts):
    try:
        wait_for(lambda: log_lines(*parts))
    except AssertionError:
        raise AssertionError(f'the log has no line with {parts}') from None


def rss_kb():
    with open(f'/proc/{os.environ["DP"]}/status', encoding='ascii') as f:
        return next(int(line.split()[1]) for line in f if line.startswith('VmRSS'))
