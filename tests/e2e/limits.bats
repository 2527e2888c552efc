#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Every cap: what the client sees, which reason is counted, and that nobody else is hurt.

load lib

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

refused_then_served() { # reason, at its cap with a publisher, a viewer and one more connection
	script REASON="$1" <<'PY'
import urllib.error, urllib.request
first, view = live_and_watched()
third = Peer()
fourth = Peer()
name, info = fourth.answer(fourth.call('connect', {'app': 'live'}))[::2]
assert (name, info['code']) == ('_error', 'NetConnection.Connect.Rejected'), info
wait_log('refused', f'peer={fourth.name}', f'reason={os.environ["REASON"]}')
wait_log('session_end', fourth.name, f'reason={os.environ["REASON"]}')
asked = urllib.request.Request(f'http://127.0.0.1:{os.environ["HTTP"]}/live/a.flv')
try:
    urllib.request.urlopen(asked, timeout=8)
    raise SystemExit('a request beyond the cap was served')
except urllib.error.HTTPError as e:
    assert (e.code, e.headers['Retry-After']) == (503, '5'), e
first.video(40, inter(1))
assert view.media(1) == [(VIDEO, 40, inter(1))]
third.sock.close()
wait_log('session_end', third.name, 'reason=peer_closed')
Peer().watch('a')
PY
}

@test "limits.connections: one too many is told so, and the next is welcome when one has gone" {
	dp_start --set limits.connections=3 --set cores=2
	within 5 no_connection_is_left
	refused_then_served cap_connections
}

@test "limits.connections_per_address: the same for one address" {
	dp_start --set limits.connections_per_address=3 --set cores=2
	within 5 no_connection_is_left
	refused_then_served cap_address
}

# The connections by which the test waited for the ports are over.
no_connection_is_left() {
	[ "$(grep -c 'event=session_end' "$T/dp.log")" -ge 0 ] && ! ss -Htn "sport = :$RTMP or sport = :$HTTP" state established | grep -q .
}

@test "limits.streams: a publisher too many is told why, and its name is free for later" {
	dp_start --set limits.streams=2 --set publish.hold=0ms
	script <<'PY'
first, view = live_and_watched()
second = Peer().live('b')
third = Peer()
third.connect()
third.call('publish', None, 'c', 'live', msid=third.create_stream())
info = third.status('NetStream.Publish.Failed')
assert info['level'] == 'error' and 'limits.streams' in info['description'], info
third.ended('cap_streams')
first.video(40, inter(1))
assert view.media(1) == [(VIDEO, 40, inter(1))]
second.sock.close()
wait_log('event=unpublish', 'live/b')
def again():
    p = Peer()
    p.connect()
    p.call('publish', None, 'c', 'live', msid=p.create_stream())
    return p.status()['code'] == 'NetStream.Publish.Start'
wait_for(again)
PY
}

@test "limits.viewers_per_stream: RTMP gets Play.Failed, HTTP 503, each with the rule" {
	dp_start --set limits.viewers_per_stream=1 --set cores=2
	script <<'PY'
first, view = live_and_watched()
p = Peer()
p.connect()
p.call('play', None, 'a', msid=p.create_stream())
info = p.status('NetStream.Play.Failed')
assert info['level'] == 'error' and 'limits.viewers_per_stream' in info['description'], info
p.ended('cap_viewers')
s = socket.create_connection(('127.0.0.1', int(os.environ['HTTP'])), 8)
s.sendall(b'GET /live/a.flv HTTP/1.0\r\n\r\n')
got = b''
while more := s.recv(65536):
    got += more
assert got.startswith(b'HTTP/1.1 503 ') and b'limits.viewers_per_stream' in got, got
wait_log('session_end', 'protocol=http-flv', 'reason=cap_viewers')
first.video(40, inter(1))
assert view.media(1) == [(VIDEO, 40, inter(1))]
PY
}

@test "overload: a busy core stretches ticks, then refuses new viewers; those that are there get everything" {
	dp_start --set overload.busy_share=1 --set overload.refuse_share=1 --set cores=1
	script <<'PY'
import threading
first, view = live_and_watched()
on, sent = True, [0]
busy = Peer().live('busy')
def flood():
    while on:
        for _ in range(200):
            busy.video(sent[0], inter(sent[0], 64))
            sent[0] += 1
worker = threading.Thread(target=flood, daemon=True)
worker.start()
wait_log('event=load', 'level=full', 'was=high')
s = socket.create_connection(('127.0.0.1', int(os.environ['HTTP'])), 8)
s.sendall(b'GET /live/a.flv HTTP/1.1\r\nHost: x\r\n\r\n')
got = s.recv(65536)
assert got.startswith(b'HTTP/1.1 503 ') and b'\r\nRetry-After: 5\r\n' in got, got
p = Peer()
p.connect()
p.call('play', None, 'a', msid=p.create_stream())
info = p.status('NetStream.Play.Failed')
assert info['level'] == 'error' and info['description'] == 'server is full', info
p.ended('overload')
for n in range(1, 20):
    first.video(n * 40, inter(n))
assert view.media(19) == [(VIDEO, n * 40, inter(n)) for n in range(1, 20)]
on = False
worker.join()
PY
}

@test "memory.arena: streams that find it full lose history, not their viewers" {
	dp_start --set memory.arena=16m --set cores=2 --set stream.retain=60s
	script <<'PY'
import threading
pairs = [live_and_watched(name) for name in ('a', 'b', 'c')]
seen = []
def watch(view):
    view.until(lambda m: m.kind == VIDEO and m.data == key(4000))
    seen.append(view)
watchers = [threading.Thread(target=watch, args=(view,), daemon=True) for _, view in pairs]
for w in watchers:
    w.start()
control = Control()
def at_rest():
    viewers = control.ask('viewer.list')['viewers']
    assert len(viewers) == 3
    return all(v['lag_ms'] == 0 for v in viewers) and viewers
for n in range(1, 25):
    for first, _ in pairs:
        first.video(n * 40, key(n, 400_000))
        first.synced()
    viewers = wait_for(at_rest)
assert sum(v['bytes'] for v in viewers) < 3 * 24 * 400_000, 'the arena was never full'
for first, _ in pairs:
    first.video(4000, key(4000))
for w in watchers:
    w.join(8)
assert len(seen) == 3
for name in ('a', 'b', 'c'):
    assert Peer().play(name).media(1, (VIDEO,))[0][2] == AVC_HEADER
PY
}
