#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Publishers that come twice, vanish and come back: publish.policy and publish.hold, on several cores.

load lib

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

# events STREAM: its publish and unpublish lines in the log, in order, "publish" or "unpublish reason"
events() {
	sed -En 's/.* event=(publish|unpublish) stream="?default\/live\/'"$1"'"? (protocol|reason)=([a-z_]+).*/\1 \3/p' "$T/dp.log" |
		sed 's/^publish .*/publish/'
}

# in_order STREAM: publish and unpublish by turns, publish first; prints how often it was published
in_order() {
	events "$1" | awk 'NR % 2 ? $1 != "publish" : $1 != "unpublish" { exit 1 } NR % 2 { n++ } END { print n }'
}

@test "C4: by default a second publisher is refused, whoever it is" {
	dp_start --set cores=2
	script <<'PY'
first, view = live_and_watched()
for token in ('', '?token=x'):
    second = Peer()
    second.connect()
    second.call('publish', None, 'a' + token, 'live', msid=second.create_stream())
    refusal = second.status('NetStream.Publish.BadName')
    assert refusal['level'] == 'error' and 'already publishing' in refusal['description']
    second.ended('stream_busy')
first.video(40, inter(1))
assert view.media(1) == [(VIDEO, 40, inter(1))]
PY
	[ "$(in_order a)" = 1 ]
}

@test "C4: replace_same lets the same address and parameters take over, and nobody else" {
	dp_start --set cores=2 --set publish.policy=replace_same
	script <<'PY'
first = Peer().live('a?token=1')
view = Peer().watch('a')
other = Peer()
other.connect()
other.call('publish', None, 'a?token=2', 'live', msid=other.create_stream())
other.status('NetStream.Publish.BadName')
for _ in range(6):
    last, first = first, Peer().live('a?token=1')
    last.ended('replaced')
    kind, ts, data = view.media(1)[0]
    assert (kind, data) == (VIDEO, key(0)), (kind, ts, data)
PY
	[ "$(in_order a)" = 7 ]
	[ "$(events a | grep -c replaced)" = 6 ]
}

@test "C4: replace lets the newest take over, its viewers stay, and events stand in order" {
	dp_start --set cores=4 --set publish.policy=replace
	script <<'PY'
control = Control()
control.ask('subscribe')
first = Peer().live('a?token=0')
views = [Peer().watch('a') for _ in range(4)]
before = 0
for n in range(1, 9):
    last, first = first, Peer().live(f'a?token={n}')
    last.ended('replaced')
    for view in views:
        kind, ts, data = view.media(1)[0]
        assert (kind, data) == (VIDEO, key(0)) and ts > before, (kind, ts, before)
    before = ts
first.call('deleteStream', None, 1)
for n in range(9):
    e = control.event()
    assert e['event'] == 'stream.publish' and e['publisher'].startswith('127.0.0.1:'), e
    e = control.event()
    assert e['event'] == 'stream.unpublish', e
    assert e['reason'] == ('replaced' if n < 8 else 'unpublished'), e
for view in views:
    view.status('NetStream.Play.UnpublishNotify')
PY
}

@test "C4: two that come at the same moment leave one publisher and a stream that works" {
	dp_start --set cores=4 --set publish.policy=replace
	script <<'PY'
import threading
Peer().live('a')
view = Peer().watch('a')
for _ in range(10):
    peers = [Peer() for _ in range(4)]
    for p in peers:
        p.connect()
        p.create_stream()
    threads = [threading.Thread(target=p.call, args=('publish', None, 'a', 'live'), kwargs={'msid': 1}) for p in peers]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
control = Control()
wait_for(lambda: len([s for s in control.ask('stream.list')['streams'] if s.get('publisher')]) == 1)
last = Peer().live('a')
assert view.media(1)[0][2] == key(0)
PY
	[ -n "$(in_order a)" ]
}

@test "H6: viewers stay when a publisher vanishes and comes back, with one time line" {
	dp_start --set cores=4 --set publish.hold=20s
	script <<'PY'
first, view = live_and_watched()
flv = socket.create_connection(('127.0.0.1', int(os.environ['HTTP'])))
flv.sendall(b'GET /live/a.flv HTTP/1.0\r\n\r\n')
before = 0
for n in range(1, 6):
    first.sock.close()
    wait_for(lambda: len(log_lines('event=unpublish ', 'default/live/a')) == n)
    first = Peer().publish('a')
    # another clock, the same headers: viewers have them
    first.video(9_000_000 * n, AVC_HEADER)
    first.audio(9_000_000 * n, AAC_HEADER)
    first.video(9_000_000 * n, key(n))
    first.audio(9_000_000 * n + 10, sound(n))
    first.video(9_000_000 * n + 40, inter(n))
    got = view.media(3)
    assert [m[2] for m in got] == [key(n), sound(n), inter(n)], got
    start = got[0][1]
    assert before < start < before + 8000 and got[1][1] == start + 10 and got[2][1] == start + 40, got
    before = got[2][1]
    # who joins now begins with this publisher
    joiner = Peer().play('a')
    assert [m[2] for m in joiner.media(3)] == [AVC_HEADER, AAC_HEADER, key(n)]
    joiner.sock.close()
data = b''
while data.count(key(5)[9:]) < 1:
    more = flv.recv(65536)
    assert more, 'the HTTP-FLV viewer was sent away'
    data += more
PY
	[ "$(in_order a)" = 6 ]
}

@test "H6: headers that changed over a return go out, those that are gone are gone" {
	dp_start --set publish.hold=20s
	script <<'PY'
first, view = live_and_watched()
first.sock.close()
wait_log('event=unpublish ')
first = Peer().publish('a')
other = AVC_HEADER[:-1] + b'\x21'
first.video(0, other)
first.video(0, key(1))
assert [m[2] for m in view.media(2)] == [other, key(1)]
joiner = Peer().play('a')
assert [m[2] for m in joiner.media(2)] == [other, key(1)]
PY
}

@test "H6: after the hold the stream ends for its viewers, and the name is free" {
	dp_start --set publish.hold=700ms
	script <<'PY'
first, view = live_and_watched()
first.sock.close()
begun = time.monotonic()
view.status('NetStream.Play.UnpublishNotify')
assert 0.5 < time.monotonic() - begun < 5
view.ended('stream_ended')
again = Peer().live('a')
Peer().watch('a')
PY
}

@test "H6: a publisher that says goodbye ends its stream at once, unless publish.hold_on_unpublish" {
	dp_start --set publish.hold=20s
	script <<'PY'
first, view = live_and_watched()
first.call('FCUnpublish', None, 'a')
view.status('NetStream.Play.UnpublishNotify')
# on the same connection again (C5)
first.call('publish', None, 'b', 'live', msid=1)
first.status()
PY
	kill -TERM "$DP"
	end_of "$DP" 5
	dp_run --set publish.hold=20s --set publish.hold_on_unpublish=true
	script <<'PY'
first, view = live_and_watched('c')
first.call('deleteStream', None, 1)
first.synced()
second = Peer().publish('c')
second.video(0, AVC_HEADER)
second.video(0, key(7))
assert view.media(1)[0][2] == key(7)
PY
}

@test "H6: a kicked publisher is not waited for, and a held stream can be kicked" {
	dp_start --set publish.hold=20s
	script <<'PY'
first, view = live_and_watched()
control = Control()
control.ask('stream.kick', stream='default/live/a')
first.ended('kicked')
view.status('NetStream.Play.UnpublishNotify')
first, view = live_and_watched('b')
first.sock.close()
wait_log('event=unpublish ', 'live/b')
assert 'publisher' not in control.ask('stream.show', stream='default/live/b')
control.ask('stream.kick', stream='default/live/b')
view.status('NetStream.Play.UnpublishNotify')
PY
}

@test "P9: a push keeps its connection to the destination while the source is away" {
	dp_start --set cores=2 --set publish.hold=20s
	ports 2
	background far millrace-dp --state "$T/far" --set "rtmp.listen=127.0.0.1:${PORTS[0]}" \
		--set "http.listen=127.0.0.1:${PORTS[1]}" --set memory.arena=64m
	within 10 listening "${PORTS[0]}"
	script FAR="${PORTS[0]}" FAR_LOG="$T/far.log" <<'PY'
first = Peer().live('a')
control = Control()
control.ask('push.create', leg='p', stream='default/live/a', url=f'rtmp://127.0.0.1:{os.environ["FAR"]}/far/b')
def far(*parts):
    return [l for l in open(os.environ['FAR_LOG']) if all(p in l for p in parts)]
wait_for(lambda: far('event=publish ', 'far/b'))
near, os.environ['RTMP'] = os.environ['RTMP'], os.environ['FAR']
view = Peer().play('b', 'far')
os.environ['RTMP'] = near
assert view.media(3)[2][2] == key(0)
for n in range(1, 4):
    first.sock.close()
    wait_for(lambda: len(log_lines('event=unpublish ', 'default/live/a')) == n)
    first = Peer().publish('a')
    first.video(5000 * n, AVC_HEADER)
    first.video(5000 * n, key(n))
    assert view.media(1)[0][2] == key(n)
assert len(far('event=publish ')) == 1 and not far('event=unpublish ')
PY
}

@test "T19: media that stops on an open connection frees the name after stream.media_timeout" {
	dp_start --set stream.media_timeout=1s --set publish.hold=0ms
	script <<'PY'
first, view = live_and_watched()
first.ended('media_timeout')
view.status('NetStream.Play.UnpublishNotify')
Peer().live('a')
PY
}
