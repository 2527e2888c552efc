#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The command (C) cases of RTMP against the real data plane, chunk by chunk.

load lib

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

@test "C1: any order of calls, missing and repeated ones; every transaction has its answer" {
	dp_start
	script <<'PY'
import itertools
before = ('releaseStream', 'FCPublish', '_checkbw')
for n, order in enumerate(o for k in range(4) for o in itertools.permutations(before, k)):
    for create_first in False, True:
        p, name = Peer(), f'n{n}{create_first}'
        p.connect()
        msid = p.create_stream() if create_first else None
        for call in order:
            assert p.answer(p.call(call, None, name))[0] == '_result', (order, call)
            if call == 'FCPublish':
                p.until(lambda m: m.kind == COMMAND and m.amf()[0] == 'onFCPublish')
        msid = msid or p.create_stream()
        p.call('publish', None, name, 'live', msid=msid)
        p.status('NetStream.Publish.Start')
        p.fin()
PY
}

@test "C1: _checkbw before connect, unknown calls, repeated connect and createStream" {
	dp_start
	script <<'PY'
p = Peer()
assert p.answer(p.call('_checkbw', None))[0] == '_result'
p.connect()
assert p.answer(p.call('whatIsThis', None, 'x', 3, {'a': [1, None]}))[:2] == ['_result', None]
p.connect()
assert p.create_stream() >= 1 and p.create_stream() >= 1
assert p.answer(p.call('FCSubscribe', None, 'a'))[0] == '_result'
p.call('noAnswerWanted', None, txn=0)
p.call('publish', None, 'a', 'live', msid=1)
p.status('NetStream.Publish.Start')
PY
}

@test "C1: publish without connect or createStream" {
	dp_start
	script <<'PY'
p = Peer()
p.connect()
p.call('publish', None, 'a', 'live', msid=1)
p.status('NetStream.Publish.Start')
PY
}

@test "C2: publish without a type, with a known prefix, with the name in the application" {
	dp_start
	script <<'PY'
def published(app, *args):
    p = Peer()
    p.connect(app)
    p.call('publish', None, *args, msid=p.create_stream())
    p.status('NetStream.Publish.Start')
    return p
kept = [published('live', 'plain'), published('live', 'r', 'record'), published('live', 'ap', 'append'),
        published('live', 'flv:f'), published('live', 'mp4:m'), published('live/inapp', ''),
        published('live/sub/deep', ''), published('live/', 'slash', 'live')]
for key in 'plain', 'r', 'ap', 'f', 'm', 'inapp', 'sub/deep', 'slash':
    assert log_lines('event=publish ', f'stream=default/live/{key} '), key
p = Peer()
p.connect('')
p.call('publish', None, '', 'live', msid=p.create_stream())
p.status('NetStream.Publish.BadName')
p.ended('bad_name')
PY
}

@test "C5: FCUnpublish, closeStream, deleteStream and FIN in every order are one unpublish" {
	dp_start
	script <<'PY'
import itertools
calls = {'FCUnpublish': lambda p, name: p.call('FCUnpublish', None, name),
         'closeStream': lambda p, name: p.call('closeStream', None, msid=1),
         'deleteStream': lambda p, name: p.call('deleteStream', None, 1)}
names = []
for order in (o for k in range(4) for o in itertools.permutations(calls, k)):
    name = 'x'.join(order) or 'none'
    names.append(name)
    p = Peer().live(name)
    for call in order:
        calls[call](p, name)
        calls[call](p, name)
    if order:
        p.synced()
    p.fin()
for name in names:
    wait_log('session_end', f'stream=default/live/{name} ')
    assert len(log_lines('event=unpublish ', f'stream=default/live/{name} ')) == 1, name
    assert len(log_lines('event=publish ', f'stream=default/live/{name} ')) == 1, name
PY
}

@test "C5: the encoder publishes again on the same connection" {
	dp_start
	script <<'PY'
pub, view = live_and_watched()
for i in range(3):
    pub.call('FCUnpublish', None, 'a')
    pub.call('deleteStream', None, 1)
    view.ended('stream_ended')
    msid = pub.create_stream()
    pub.call('publish', None, 'a', 'live', msid=msid)
    pub.status('NetStream.Publish.Start')
    pub.video(0, AVC_HEADER)
    pub.audio(0, AAC_HEADER)
    pub.video(0, key(0))
    pub.synced()
    view = Peer().watch('a')
    pub.video(40, key(i))
    assert view.media(1) == [(VIDEO, 40, key(i))]
assert len(log_lines('event=publish ', 'stream=default/live/a ')) == 4
assert len(log_lines('event=unpublish ', 'stream=default/live/a ')) == 3
PY
}

@test "C6: media on message stream 0; a second publish on the connection is refused, the first goes on" {
	dp_start
	script <<'PY'
pub, view = live_and_watched()
pub.message(VIDEO, 40, key(1), 6, msid=0)
pub.message(VIDEO, 80, key(9), 6, msid=7)
second = pub.create_stream()
assert second > 1
pub.call('publish', None, 'b', 'live', msid=second)
assert pub.status()['level'] == 'error'
pub.call('deleteStream', None, second)
pub.video(120, key(2))
assert view.media(2) == [(VIDEO, 40, key(1)), (VIDEO, 120, key(2))]
PY
}

@test "C7: AMF3 commands and data, and a shared object" {
	dp_start
	script <<'PY'
p = Peer()
txn = p.call('connect', {'app': 'live', 'objectEncoding': 3}, amf3=True)
assert p.answer(txn)[2]['objectEncoding'] == 3
msid = p.answer(p.call('createStream', None, amf3=True))[2]
p.call('publish', None, 'a', 'live', msid=msid, amf3=True)
p.status('NetStream.Publish.Start')
p.message(SHARED3, 0, b'\0\0\0')
p.message(SHARED, 0, b'\0\0\0')
p.message(DATA3, 0, b'\0' + amf0('@setDataFrame', 'onMetaData', {'width': 320}), 5)
p.message(DATA3, 0, b'\x0a\x0b\x01', 5)
p.video(0, AVC_HEADER)
p.video(0, key(0))
p.synced()
view = Peer().play('a')
meta = view.until(lambda m: m.kind in (DATA, DATA3) and m.amf()[0] == 'onMetaData')
assert meta.kind == DATA and meta.amf()[1]['width'] == 320
assert view.media(2)[1] == (VIDEO, 0, key(0))
PY
}

@test "C8: odd AMF0 in metadata never ends a stream, in a command it does" {
	dp_start
	script <<'PY'
pub, view = live_and_watched()
wrong_count = Ecma(width=1)
wrong_count.count = 99
odd = [
    wrong_count,
    Raw(b'\x03' + member('a', 1) + b'\x00\x00' + b'\x09'),
    Raw(b'\x03' + member('a', 1) + b'\x09'),
    Raw(b'\x08\x00\x00\x00\x01' + member('a', 1)),
    {'list': [1, 'two', [3]], 'undefined': UNDEFINED, 'long': long_string('x' * 70000), 'when': date(1e12)},
    {'a': {'b': {'c': Ecma(d=[{'e': None}])}}},
    Raw(b'\x03' + (b'\x00\x01a\x03' * 500)),
    Raw(b'\x0d'), Raw(b'\x11\x0a'), Raw(b'\x02\xff\xff'), Raw(b''), Raw(b'\xff' * 50), OBJECT_END,
]
for i, value in enumerate(odd):
    pub.set_chunk_size(65536)
    pub.data('@setDataFrame', 'onMetaData', value, ts=i)
    pub.video(40 * i, key(i))
    assert view.media(1) == [(VIDEO, 40 * i, key(i))], value
for bad in b'', b'\x02', b'\x02\x00\x07conn', amf0('connect', 'one'), amf0(1, 2), amf0('connect', 1) + b'\x03\x00\x05a':
    p = Peer()
    p.message(COMMAND, 0, bad, 3, 0)
    p.ended('bad_command')
PY
}

@test "C9, C10: players get onMetaData itself, without duration and file size, with what is unknown" {
	dp_start
	script <<'PY'
pub = Peer().publish('a')
pub.data('@setDataFrame', 'onMetaData', Ecma(duration=12.5, filesize=99, width=320, mine='kept', encoder='enc'))
pub.video(0, AVC_HEADER)
pub.video(0, key(0))
pub.synced()
view = Peer().play('a')
name, info = view.until(lambda m: m.kind == DATA and m.amf()[0] != '|RtmpSampleAccess').amf()
assert name == 'onMetaData'
assert 'duration' not in info and 'filesize' not in info, info
assert (info['width'], info['mine'], info['encoder']) == (320, 'kept', 'enc')
assert 'Millrace' in info['server']
PY
}

@test "C12: text data, cue points and unknown data are relayed in their place" {
	dp_start
	script <<'PY'
pub, view = live_and_watched()
odd = [('onTextData', {'text': 'hello', 'track': 1}), ('onCuePoint', {'name': 'ad', 'time': 4}),
       ('onFI', {'sd': '2026', 'st': '10:00'}), ('somethingElse', [1, 2])]
for i, values in enumerate(odd):
    pub.video(40 * i, key(i))
    pub.data(*values, ts=40 * i)
for i, values in enumerate(odd):
    assert view.media(1) == [(VIDEO, 40 * i, key(i))]
    assert view.until(lambda m: m.kind in MEDIA).amf() == list(values)
PY
}

@test "C13: the messages inside an aggregate, by their own times" {
	dp_start
	script <<'PY'
def tag(kind, ts, body, back=None):
    inner = bytes([kind]) + len(body).to_bytes(3, 'big') + (ts & 0xFFFFFF).to_bytes(3, 'big') + bytes([ts >> 24]) + bytes(3)
    return inner + body + struct.pack('>I', len(body) + 11 if back is None else back)
pub, view = live_and_watched()
text = amf0('onTextData', {'text': 'x'})
pub.message(AGGREGATE, 1000, tag(VIDEO, 500, key(1)) + tag(AUDIO, 523, sound(1), back=77) +
            tag(DATA, 530, text) + tag(99, 535, b'?') + tag(VIDEO, 540, inter(2)), 6)
assert view.media(4, MEDIA) == [(VIDEO, 1000, key(1)), (AUDIO, 1023, sound(1)), (DATA, 1030, text), (VIDEO, 1040, inter(2))]
pub.message(AGGREGATE, 2000, tag(VIDEO, 0x1000500, key(3)) + tag(AUDIO, 0x1000517, sound(3))[:30], 6)
pub.message(AGGREGATE, 2100, b'\x09\xff', 6)
pub.video(2200, key(4))
assert view.media(2) == [(VIDEO, 2000, key(3)), (VIDEO, 2200, key(4))]
PY
}

@test "C14: start arguments, getStreamLength, seek, receiveAudio and onBWDone of players" {
	dp_start
	script <<'PY'
pub = Peer().live('a')
for args in (), (-2,), (-1,), (0,), (-2, -1, True), (-1000, -1000, 0):
    view = Peer()
    view.connect()
    assert view.answer(view.call('getStreamLength', None, 'a'))[1:] == [None, 0]
    msid = view.create_stream()
    view.call('play', None, 'a', *args, msid=msid)
    view.status('NetStream.Play.Reset')
    view.status('NetStream.Play.Start')
    assert view.media(3)[2] == (VIDEO, 0, key(0))
    for call in ('seek', 5000), ('receiveAudio', True), ('receiveVideo', True), ('onBWDone',):
        assert view.answer(view.call(call[0], None, *call[1:], msid=msid))[0] == '_result'
pub.video(40, key(1))
assert view.media(1) == [(VIDEO, 40, key(1))]
PY
}

@test "C14: a paused player gets nothing; it resumes without a gap, or at a newer key frame" {
	dp_start
	script <<'PY'
pub, view = live_and_watched()
other = Peer().watch('a')
def pause():
    view.call('pause', None, True, 0, msid=1)
    view.status('NetStream.Pause.Notify')
    return len(view.seen)
def resume(since):
    view.synced()
    assert not [m for m in view.seen[since:] if m.kind in MEDIA]
    view.call('pause', None, False, 0, msid=1)
    view.status('NetStream.Unpause.Notify')
def sent(pictures):
    for i, picture in pictures:
        pub.video(40 * i, picture(i))
    return other.media(len(pictures))
since = pause()
missed = sent([(i, inter) for i in range(1, 10)])
resume(since)
assert view.media(9) == missed
since = pause()
missed = sent([(10, inter), (11, key), (12, inter), (13, key), (14, inter)])
resume(since)
assert view.media(2) == missed[3:]
assert sent([(15, inter)]) == view.media(1)
PY
}

@test "C16: connect says what is forwarded to peers that ask for enhanced RTMP, and only to them" {
	dp_start
	script <<'PY'
plain = Peer().connect()[1]
assert 'capsEx' not in plain and 'fourCcList' not in plain
rich = Peer().connect(fourCcList=['hvc1', 'av01'], capsEx=15)[1]
assert rich['fourCcList'] == ['*'] and rich['videoFourCcInfoMap'] == {'*': 4}
assert rich['capsEx'] & 4
PY
}
