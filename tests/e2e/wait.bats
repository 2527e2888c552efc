#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# play.wait: players that come before their stream, on several cores.

load lib

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

@test "H5: a waiting HTTP player gets no byte before its stream is there, then all of it" {
	dp_start --set cores=4 --set play.wait=30s
	script <<'PY'
players = []
for _ in range(8):
    s = socket.create_connection(('127.0.0.1', int(os.environ['HTTP'])), 8)
    s.sendall(b'GET /live/a.flv HTTP/1.1\r\nHost: x\r\n\r\n')
    players.append(s)
players[0].settimeout(0.5)
try:
    assert False, players[0].recv(1)
except TimeoutError:
    players[0].settimeout(8)
Peer().live('other')
first = Peer().live('a')
for s in players:
    got = b''
    while key(0) not in got:
        got += s.recv(65536)
    assert got.startswith(b'HTTP/1.1 200 OK\r\n') and b'\r\n\r\nFLV\x01' in got
PY
}

@test "H5: the wait ends with 404, HEAD does not wait, and who leaves is forgotten" {
	dp_start --set play.wait=1s
	run -0 curl -s -o "$T/body" -w '%{http_code} %{time_total}' --max-time 8 "http://127.0.0.1:$HTTP/live/a.flv"
	[[ $output =~ ^404\ [1-3]\. ]]
	run -0 curl -s -I -o /dev/null -w '%{http_code} %{time_total}' --max-time 8 "http://127.0.0.1:$HTTP/live/a.flv"
	[[ $output == 404\ 0.* ]]
	run -28 curl -s --max-time 0.3 "http://127.0.0.1:$HTTP/live/a.flv"
	script <<'PY'
wait_log('session_end', 'protocol=http-flv', 'reason=peer_')
Peer().live('a')
Peer().watch('a')
PY
}

@test "C14: an RTMP player is not told StreamNotFound before the wait is over" {
	dp_start --set cores=4 --set play.wait=1500ms
	script <<'PY'
def ask(name):
    p = Peer()
    p.connect()
    p.call('play', None, name, msid=p.create_stream())
    return p
early = [ask('a') for _ in range(6)]
never = ask('b')
begun = time.monotonic()
first = Peer().live('a')
for p in early:
    p.status('NetStream.Play.Reset')
    p.status('NetStream.Play.Start')
    assert [m[2] for m in p.media(3)] == [AVC_HEADER, AAC_HEADER, key(0)]
assert not [m for m in never.seen if b'StreamNotFound' in m.data]
never.status('NetStream.Play.StreamNotFound')
assert time.monotonic() - begun > 1
never.ended('stream_not_found')
PY
}

@test "C14: a player may leave, or ask for something else, while it waits" {
	dp_start --set play.wait=30s
	script <<'PY'
p = Peer()
p.connect()
p.call('play', None, 'a', msid=p.create_stream())
p.call('publish', None, 'b', msid=1)
p.status('NetStream.Publish.Failed')
p.call('deleteStream', None, 1)
p.ended('left')
q = Peer()
q.connect()
q.call('play', None, 'a', msid=q.create_stream())
q.synced()
q.sock.close()
wait_log('session_end', q.name, 'reason=peer_')
Peer().live('a')
PY
}

@test "P6: players beyond limits.waiting are told at once, those that wait are served" {
	dp_start --set play.wait=30s --set limits.waiting=2
	script <<'PY'
waiting = []
for _ in range(2):
    p = Peer()
    p.connect()
    p.call('play', None, 'a', msid=p.create_stream())
    p.synced()
    waiting.append(p)
third = Peer()
third.connect()
third.call('play', None, 'a', msid=third.create_stream())
third.status('NetStream.Play.StreamNotFound')
first = Peer().live('a')
for p in waiting:
    p.status('NetStream.Play.Reset')
PY
}
