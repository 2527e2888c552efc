#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The transport (T) cases of RTMP against the real data plane, chunk by chunk.

load lib

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

@test "T2: S0S1S2 come before C2, and C2 may be glued to connect" {
	dp_start
	script <<'PY'
p = Peer(handshake=False)
c1 = bytes(8) + b'1' * 1528
p.raw(b'\x03' + c1)
s = p.take(3073)
assert s[1537:] == c1
connect = amf0('connect', 1, {'app': 'live'})
p.raw(s[1:1537] + head(0, 3, 0, len(connect), COMMAND) + connect)
assert p.answer(1)[0] == '_result'
p.publish('a')
PY
}

@test "T2: handshake and connect in one segment, C2 being no echo" {
	dp_start
	script <<'PY'
p = Peer(handshake=False)
connect = amf0('connect', 1, {'app': 'live'})
p.raw(b'\x03' + bytes(1536) + b'x' * 1536 + head(0, 3, 0, len(connect), COMMAND) + connect)
p.take(3073)
assert p.answer(1)[0] == '_result'
PY
}

@test "T2: everything in segments of one byte" {
	dp_start
	script <<'PY'
p = Peer(handshake=False)
send = p.raw
p.raw = lambda b: [send(b[i:i + 1]) for i in range(len(b))]
p.raw(b'\x03' + bytes(1536))
p.raw(p.take(3073)[1:1537])
p.publish('a')
p.video(0, AVC_HEADER)
p.video(0, key(0))
assert Peer().play('a').media(2) == [(VIDEO, 0, AVC_HEADER), (VIDEO, 0, key(0))]
PY
}

@test "T3: both digest schemes are answered in their own, an unsigned or version-0 C1 is echoed" {
	dp_start
	script <<'PY'
for seed in range(8):
    for scheme in (1, 2):
        p = Peer(handshake=False)
        c1 = signed_c1(scheme, seed)
        p.raw(b'\x03' + c1)
        s = p.take(3073)
        assert is_signed_answer(c1, s[1:1537], s[1537:], scheme), f'scheme {scheme} seed {seed}'
        p.raw(b'c' * 1536)
        p.connect()
unsigned = bytes(4) + bytes([9, 0, 124, 2]) + b'u' * 1528
zero = bytearray(signed_c1(1))
zero[4:8] = bytes(4)
for c1 in unsigned, bytes(zero):
    p = Peer(handshake=False)
    p.raw(b'\x03' + c1)
    assert p.take(3073)[1537:] == c1
    p.raw(b'c' * 1536)
    p.connect()
PY
}

@test "T5: chunk stream ids of two and three bytes" {
	dp_start
	script <<'PY'
pub, view = live_and_watched()
sent = []
for i, (csid, wide) in enumerate([(63, 0), (64, 0), (65, 1), (319, 0), (318, 1), (320, 0), (321, 0), (65599, 0)]):
    body = key(i, 300)
    parts = [body[:128], body[128:256], body[256:]]
    pub.raw(basic(0, csid, wide) + head(0, 3, i * 40, len(body), VIDEO, 1)[1:] + basic(3, csid, wide).join(parts))
    sent.append((VIDEO, i * 40, body))
assert view.media(len(sent)) == sent
PY
}

@test "T5: too many open chunk streams end the connection, and the reason says so" {
	dp_start
	script <<'PY'
p = Peer()
for csid in range(10, 80):
    p.raw(head(0, csid, 0, 1, 99) + b'x')
p.ended('too_many_chunk_streams')
PY
}

@test "T6: a fresh chunk stream may begin with type 1; with type 2 or 3 it is an error" {
	dp_start
	script <<'PY'
p = Peer()
p.raw(head(1, 2, 0, 6, USER_CONTROL) + struct.pack('>HI', PING, 7))
assert p.until(lambda m: m.kind == USER_CONTROL).data == struct.pack('>HI', PONG, 7)
for fmt in 2, 3:
    p = Peer()
    p.raw(head(fmt, 20, 40) + b'x')
    p.ended('bad_chunk')
PY
}

@test "T7: type 3 begins a new message by the last delta, or by the time field of a type 0" {
	dp_start
	script <<'PY'
pub, view = live_and_watched()
a, b, c, d, e = (sound(i) for i in range(5))
pub.raw(head(0, 20, 500, len(a), AUDIO, 1) + a)
pub.raw(head(1, 20, 23, len(b), AUDIO) + b)
pub.raw(head(3, 20) + c)
pub.raw(head(2, 20, 10) + d)
pub.raw(head(3, 20) + e)
assert [x[1:] for x in view.media(5)] == [(500, a), (523, b), (546, c), (556, d), (566, e)]
pub.raw(head(0, 21, 800, len(a), AUDIO, 1) + a)
pub.raw(head(3, 21) + b)
assert [x[1:] for x in view.media(2)] == [(800, a), (1600, b)]
PY
}

@test "T8: extended timestamps, repeated or not on every chunk, arrive the same and leave repeated" {
	dp_start
	script <<'PY'
for name, repeat in ('repeats', True), ('omits', False):
    pub, view = live_and_watched(name, EXTENDED - 2)
    sent = [(VIDEO, EXTENDED + n, key(n, 1000)) for n in (-1, 0, 1, 2, 40, 80, 900)]
    for kind, ts, body in sent:
        pub.message(kind, ts, body, 6, repeat=repeat)
    assert view.media(len(sent)) == sent, name
# Longer than the server's chunks: the reader of this script demands the repeated time.
pub, view = live_and_watched('long', EXTENDED)
pub.set_chunk_size(65536)
long = (VIDEO, EXTENDED + 5, key(1, 200000))
pub.message(*long, 6)
assert view.media(1) == [long]
PY
}

@test "T9: an extended value of a type 1 header is a delta, and type 3 adds it again" {
	dp_start
	script <<'PY'
pub = Peer().publish('a')
h = AVC_HEADER
pub.raw(head(0, 6, 1000, len(h), VIDEO, 1) + h)
pub.raw(head(1, 6, 0x1000000, len(h), VIDEO) + h)
pub.raw(head(1, 6, 0x1000000, len(key(0)), VIDEO) + key(0))
pub.raw(head(2, 6, 40) + inter(1))
pub.synced()
assert Peer().play('a').media(3)[1:] == [(VIDEO, 0x2000000 + 1000, key(0)), (VIDEO, 0x2000000 + 1040, inter(1))]
pub = Peer().publish('b')
pub.raw(head(0, 6, 1000, len(key(0)), VIDEO, 1) + h.ljust(len(key(0)), b'\0'))
pub.raw(head(1, 6, 0x1000000, len(key(0)), VIDEO) + h.ljust(len(key(0)), b'\0'))
pub.raw(head(3, 6) + struct.pack('>I', 0x1000000) + key(0))
pub.synced()
assert Peer().play('b').media(2)[1] == (VIDEO, 0x2000000 + 1000, key(0))
PY
}

@test "T10: type 0 inside a message discards what came of it; again and again it ends the connection" {
	dp_start
	script <<'PY'
pub, view = live_and_watched()
for i in range(3):
    pub.raw(head(0, 6, 40, 500, VIDEO, 1) + b'\x27' * 128)
    pub.message(VIDEO, 40 + i, key(i, 300), 6)
assert view.media(3) == [(VIDEO, 40 + i, key(i, 300)) for i in range(3)]
try:
    for _ in range(1000):
        pub.raw(head(0, 6, 40, 500, VIDEO, 1) + b'\x27' * 128)
except OSError:
    pass
wait_log('session_end', f'peer={pub.name} ', 'reason=bad_chunk ')
PY
}

@test "T11: another length or type inside a message is an error" {
	dp_start
	script <<'PY'
for n, kind in (501, VIDEO), (500, AUDIO):
    pub = Peer().publish(f'a{n}')
    pub.raw(head(0, 6, 0, 500, VIDEO, 1) + b'\x17' * 128 + head(1, 6, 0, n, kind))
    pub.ended('bad_chunk')
PY
}

@test "T12: audio between the chunks of a large video message, on both sides" {
	dp_start
	script <<'PY'
pub, view = live_and_watched()
big = key(1, 100000)
parts = [big[i:i + 128] for i in range(0, len(big), 128)]
sounds = [sound(i) for i in range(5)]
pub.raw(head(0, 6, 40, len(big), VIDEO, 1) + parts[0])
for i, part in enumerate(parts[1:]):
    if i % 100 == 0 and sounds[i // 100:]:
        s = sounds[i // 100]
        pub.raw(head(0, 4, 20 + i // 100, len(s), AUDIO, 1) + s)
    pub.raw(head(3, 6) + part)
assert view.media(6) == [(AUDIO, 20 + i, s) for i, s in enumerate(sounds)] + [(VIDEO, 40, big)]
PY
}

@test "T13: chunk size 0 is ignored, a high bit too, huge is cut, and it holds for open chunk streams" {
	dp_start
	script <<'PY'
pub, view = live_and_watched()
body = key(1, 999)
pub.raw(head(0, 6, 40, len(body), VIDEO, 1) + body[:128])
pub.control(SET_CHUNK_SIZE, struct.pack('>I', 400))
pub.raw(head(3, 6) + body[128:528] + head(3, 6) + body[528:928])
pub.control(SET_CHUNK_SIZE, bytes(4))
pub.raw(head(3, 6) + body[928:])
pub.control(SET_CHUNK_SIZE, struct.pack('>I', 0x80000000 | 200))
pub.chunk_out = 200
pub.video(80, body)
pub.control(SET_CHUNK_SIZE, b'\xff\xff\xff\xff')
pub.chunk_out = 0xFFFFFF
pub.video(120, body)
assert view.media(3) == [(VIDEO, 40 + 40 * i, body) for i in range(3)]
p = Peer()
p.control(SET_CHUNK_SIZE, b'\x01\x02')
p.ended('bad_control')
PY
}

@test "T14: a declared length costs nothing until its bytes come, and a real 3 MB key frame passes" {
	dp_start
	script <<'PY'
pub, view = live_and_watched()
before = rss_kb()
liars = [Peer().publish(f'liar{i}') for i in range(40)]
for p in liars:
    p.raw(head(0, 6, 0, 0xFFFFFF, VIDEO, 1) + b'\x17' * 128)
    p.control(USER_CONTROL, struct.pack('>HI', PING, 1))
    p.until(lambda m: m.kind == USER_CONTROL and m.data[1] == PONG)
grown = rss_kb() - before
# A sanitizer keeps memory of its own.
assert 'SANITIZER' in os.environ or grown < 40 * 512, f'{grown} KiB for 40 liars'
big = key(1, 3000000)
pub.video(40, big)
assert view.media(1) == [(VIDEO, 40, big)]
PY
}

@test "T14: a message beyond limits.message_bytes ends the connection" {
	dp_start --set limits.message_bytes=1m
	script <<'PY'
pub = Peer().publish('a')
pub.raw(head(0, 6, 0, 1048577, VIDEO, 1) + b'\x17')
pub.ended('message_too_big')
PY
}

@test "T15: Abort drops what came of a message, and the connection goes on" {
	dp_start
	script <<'PY'
pub, view = live_and_watched()
pub.raw(head(0, 6, 40, 500, VIDEO, 1) + b'\x27' * 128)
pub.control(ABORT, struct.pack('>I', 6))
body = key(1)
pub.raw(head(1, 6, 10, len(body), VIDEO) + body)
pub.control(ABORT, struct.pack('>I', 6))
pub.control(ABORT, struct.pack('>I', 999))
pub.video(90, key(2))
got = view.media(2)
assert [x[2] for x in got] == [body, key(2)] and got[1][1] == 90, got
p = Peer()
p.control(ABORT, b'\x01')
p.ended('bad_control')
PY
}

@test "T16: whatever a peer acknowledges, sending goes on" {
	dp_start
	script <<'PY'
pub, view = live_and_watched()
for i, acked in enumerate((0, 0xF0000000, 0xFFFFFFFF, 5, 0x80000000, 0x7FFFFFFF)):
    view.control(ACK, struct.pack('>I', acked))
    view.control(WINDOW, struct.pack('>I', (0, 1, 0xFFFFFFFF)[i % 3]))
    view.control(BANDWIDTH, struct.pack('>IB', 1, i % 3))
    pub.video(40 * i, key(i, 5000))
    assert view.media(1) == [(VIDEO, 40 * i, key(i, 5000))]
PY
}

@test "T17: acknowledgements come unasked, and as often as the peer's window wants" {
	dp_start --set rtmp.window=200000
	script <<'PY'
def acks_of(p):
    for i in range(30):
        p.video(40 * i, inter(i, 20000))
    p.synced()
    return [struct.unpack('>I', m.data)[0] for m in p.seen if m.kind == ACK]
unasked, asked = Peer().live('a'), Peer().live('b')
asked.control(WINDOW, struct.pack('>I', 50000))
few, many = acks_of(unasked), acks_of(asked)
assert 2 <= len(few) <= 3, few
assert 8 <= len(many) <= 12, many
for acks, p, window in (few, unasked, 200000), (many, asked, 50000):
    assert acks == sorted(set(acks)) and acks[-1] <= p.sent, acks
    assert p.sent - acks[-1] < window * 2, (acks, p.sent)
PY
}

@test "T18: pings are answered; buffer lengths of any size and unknown events are ignored" {
	dp_start
	script <<'PY'
for role in 'publisher', 'player':
    p = Peer().live('a') if role == 'publisher' else Peer().watch('a')
    p.control(USER_CONTROL, struct.pack('>HII', SET_BUFFER_LENGTH, 1, 3000))
    p.control(USER_CONTROL, struct.pack('>HI', SET_BUFFER_LENGTH, 1))
    for event in 0x1A, 0x1B, 31, 32, 999:
        p.control(USER_CONTROL, struct.pack('>HI', event, 1))
        p.control(USER_CONTROL, struct.pack('>H', event))
    p.control(USER_CONTROL, b'')
    p.control(USER_CONTROL, struct.pack('>HI', PING, 0xCAFEBABE))
    pong = p.until(lambda m: m.kind == USER_CONTROL and m.data[:2] != struct.pack('>H', STREAM_BEGIN))
    assert pong.data == struct.pack('>HI', PONG, 0xCAFEBABE), pong
    if role == 'publisher':
        pub = p
PY
}

@test "T18: StreamBegin before Play.Start, StreamEOF at the end" {
	dp_start
	script <<'PY'
pub, view = live_and_watched()
order = [m.data[:2] if m.kind == USER_CONTROL else m.amf()[3]['code'] for m in view.seen
         if m.kind == USER_CONTROL or m.kind == COMMAND and m.amf()[0] == 'onStatus']
assert order == [b'\0\0', 'NetStream.Play.Reset', 'NetStream.Play.Start'], order
pub.call('deleteStream', None, 1)
eof = view.until(lambda m: m.kind == USER_CONTROL)
assert eof.data == struct.pack('>HI', STREAM_EOF, 1)
view.status('NetStream.Play.UnpublishNotify')
view.ended('stream_ended')
PY
}

@test "T19: a publisher whose media stops is closed although its connection lives" {
	dp_start --set stream.media_timeout=1s --set stream.first_media_timeout=1s
	script <<'PY'
def alive_but_silent(p, reason):
    end = time.monotonic() + SECONDS
    try:
        while time.monotonic() < end:
            p.control(USER_CONTROL, struct.pack('>HI', PING, 1))
            p.data('onTextData', {'text': 'still here'})
            p.until(lambda m: m.kind == USER_CONTROL)
            time.sleep(0.05)
        raise AssertionError('still open')
    except (Closed, OSError):
        wait_log('session_end', f'peer={p.name} ', f'reason={reason} ')
alive_but_silent(Peer().live('a'), 'media_timeout')
alive_but_silent(Peer().publish('b'), 'first_media_timeout')
PY
}

@test "M1: times beyond 24, 31 and 32 bits go on modulo 2^32" {
	dp_start
	script <<'PY'
for at in 0xFFFFF0, 0x7FFFFF00, 0xFFFFFF00:
    pub, view = live_and_watched(hex(at), at)
    sent = [(VIDEO, at + 40 * i & 0xFFFFFFFF, key(i)) for i in range(1, 20)]
    for kind, ts, body in sent:
        pub.video(ts, body)
    assert view.media(len(sent)) == sent, hex(at)
PY
}
