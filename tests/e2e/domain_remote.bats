#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What domains ask for and tell: remote authentication, triggered pulls, viewers, publishers.

load lib

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

# peers: a script with the names of domain_peer.py
peers() {
	{
		printf 'from domain_peer import *\nimport threading\nfrom concurrent.futures import ThreadPoolExecutor\n'
		cat
	} >"$T/peers.py"
	script <"$T/peers.py"
}

@test "remote authentication: publishers and players of every entry point wait for the answer" {
	dp_start --set cores=2
	peers <<'PY'
ctl = Domains()
ctl.ask('subscribe')
remote = {'publish': True, 'play': True, 'timeout_ms': 20000}
ctl.pair({'remote': remote}, {'remote': remote})
pool = ThreadPoolExecutor(8)
denied = "the operator's authentication server refused the client"
def question(asker, allow, ttl_ms=0, **keys):
    job = pool.submit(asker)
    ask = ctl.until('auth.ask', **keys)
    assert ask['address'].startswith('127.0.0.1:') and ask['app'] == 'live', ask
    assert not job.done()
    ctl.ask('auth.answer', ask=ask['ask'], allow=allow, ttl_ms=ttl_ms)
    return job.result(SECONDS)
source, refused = question(lambda: publisher('a', 'token=1'), True, kind='publish', domain=PUSH, params='token=1')
assert not refused
assert question(lambda: publishes('b'), False, kind='publish', name='b') == denied
for play in (rtmp_plays, flv_player, ws_player):
    say = denied if play is rtmp_plays else (403, denied)
    assert question(lambda: play('a', 't=2'), True, kind='play', domain=PLAY, params='t=2') is None
    assert question(lambda: play('a', 't=2'), False, kind='play') == say
assert question(lambda: flv_player('a', Referer='http://x.net/'), True, referer='http://x.net/') is None
nobody = ctl.ask('auth.answer', check=False, ask=77, allow=True, ttl_ms=0)
assert nobody['error']['code'] == 'not_found'
PY
}

@test "remote authentication: a burst is one question, the answer holds for its ttl, and no longer" {
	dp_start --set cores=4
	peers <<'PY'
ctl = Domains()
ctl.ask('subscribe')
ctl.pair(None, {'remote': {'play': True, 'timeout_ms': 20000, 'ttl_ms': 600000}})
source, _ = publisher()
pool = ThreadPoolExecutor(64)
jobs = [pool.submit(flv_player, 'a', 't=1') for _ in range(64)]
first = ctl.until('auth.ask')
wait_for(lambda: sum(j.running() for j in jobs) == 64)
ctl.ask('auth.answer', ask=first['ask'], allow=True, ttl_ms=-1)
assert [j.result(SECONDS) for j in jobs] == [None] * 64
assert [flv_player('a', 't=1') for _ in range(8)] == [None] * 8
job = pool.submit(flv_player, 'a', 't=2')
second = ctl.until('auth.ask')
assert second['params'] == 't=2' and second['ask'] != first['ask']
ctl.ask('auth.answer', ask=second['ask'], allow=False, ttl_ms=600000)
assert job.result(SECONDS)[0] == 403
assert flv_player('a', 't=2')[0] == 403
job = pool.submit(flv_player, 'a', 't=3')
ctl.ask('auth.answer', ask=ctl.until('auth.ask', params='t=3')['ask'], allow=True, ttl_ms=0)
assert job.result(SECONDS) is None
job = pool.submit(flv_player, 'a', 't=3')
ctl.ask('auth.answer', ask=ctl.until('auth.ask', params='t=3')['ask'], allow=True, ttl_ms=0)
assert job.result(SECONDS) is None
assert not [e for e in ctl.events if e['event'] == 'auth.ask']
PY
}

@test "remote authentication: without an answer the domain says what happens; who waits is bounded" {
	dp_start --set limits.asking=3
	peers <<'PY'
ctl = Domains()
late = "the operator's authentication server did not answer in time"
def remote(**more):
    ctl.pair(None, {'remote': {'play': True, **more}})
remote(timeout_ms=200)
source, _ = publisher()
assert flv_player() == (403, late) and rtmp_plays() == late
remote(timeout_ms=200, fail_open=True)
assert not flv_player() and not rtmp_plays()
remote(timeout_ms=20000)
held = [Peer() for _ in range(3)]
for i, p in enumerate(held):
    p.connect(tcUrl=f'rtmp://{PLAY}/live')
    p.call('play', None, f'a?{i}', msid=p.create_stream())
    p.synced()
assert flv_player('a', 'x=1') == (503, 'limits.asking is reached')
held[0].sock.close()
wait_log('session_end', f'peer={held[0].name} ')
remote(timeout_ms=200)
assert flv_player('a', 'x=1') == (403, late)
PY
}

@test "P5, P6: a triggered pull is asked for once, its viewers wait, unknown names are remembered" {
	dp_start --set cores=4
	peers <<'PY'
ctl = Domains()
ctl.ask('subscribe')
ctl.pair(None, {'pull': {'mode': 'triggered', 'wait_ms': 20000, 'negative_ms': 60000}})
pool = ThreadPoolExecutor(64)
stream = PUSH + '/live/a'
begun = time.monotonic()
jobs = [pool.submit(flv_player if i % 2 else rtmp_plays, 'a', 'token=7') for i in range(48)]
asked = ctl.until('stream.wanted')
assert (asked['stream'], asked['domain'], asked['params']) == (stream, PLAY, 'token=7'), asked
wait_for(lambda: sum(j.running() for j in jobs) == 48)
assert not any(j.done() for j in jobs)
source, _ = publisher()
assert [j.result(SECONDS) for j in jobs] == [None] * 48
again = [e for e in ctl.events if e['event'] == 'stream.wanted']
assert len(again) <= time.monotonic() - begun, again
_, status, _ = fetch('/live/none.flv', host='127.0.0.1')
assert status == 403
ctl.pair(None, {'pull': {'mode': 'triggered', 'wait_ms': 300, 'negative_ms': 60000}})
assert flv_player('none') == (404, 'no such stream is live')
assert ctl.until('stream.wanted', stream=PUSH + '/live/none')
begun = time.monotonic()
assert flv_player('none')[0] == 404 and rtmp_plays('none')
assert time.monotonic() - begun < 0.25
ctl.ask('version')
assert not [e for e in ctl.events if e['event'] == 'stream.wanted']
PY
	run -0 curl -s -o /dev/null -I -w '%{http_code}' --max-time 8 -H 'Host: play.example.com' "http://127.0.0.1:$HTTP/live/head.flv"
	[ "$output" = 404 ]
}

@test "a triggered pull that nobody watches is told of" {
	dp_start --set cores=2
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	peers <<'PY'
ctl = Domains()
ctl.ask('subscribe')
ctl.pair(None, {'pull': {'mode': 'triggered', 'idle_ms': 1000}})
port = os.environ['HTTP']
ctl.set('old.example.com', type='play', center='default')
ctl.ask('pull.create', leg='p', url=f'http://127.0.0.1:{port}/live/a.flv?vhost=old.example.com', stream=PUSH + '/live/b')
ctl.until('pull.state', id='p', state='running')
watching, status, _ = fetch('/live/b.flv', read=1000)
assert status == 200
begun = time.monotonic()
ctl.sock.settimeout(2.2)
try:
    assert False, ctl.until('stream.unwatched')
except TimeoutError:
    ctl.sock.settimeout(SECONDS)
watching.close()
assert ctl.until('stream.unwatched', stream=PUSH + '/live/b')
PY
}

@test "viewers and publishers are told of, secrets masked" {
	dp_start
	peers <<'PY'
ctl = Domains()
ctl.ask('subscribe')
ctl.pair({'auth': {'type': 'a', 'key1': PUSH_KEY}}, {'viewer_events': True})
source, _ = publisher('a', 'callback_x=1&' + signed('/live/a', PUSH_KEY))
told = ctl.until('stream.publish')
assert told['address'] == source.name and told['params'] == 'callback_x=1&auth_key=***', told
assert (told['domain'], told['host'], told['app'], told['name']) == (PUSH, PUSH, 'live', 'a')
source.video(0, AVC_HEADER)
source.video(0, key(0))
source.synced()
view, status, _ = fetch('/live/a.flv?token=1&x=2', read=40)
start = ctl.until('viewer.start')
assert (start['stream'], start['domain'], start['protocol']) == (PUSH + '/live/a', PLAY, 'http-flv')
assert start['params'] == 'token=***&x=2' and start['address'].startswith('127.0.0.1:')
view.close()
stop = ctl.until('viewer.stop', id=start['id'])
assert stop['bytes'] > 40 and stop['reason'].startswith('peer_') and stop['duration_ms'] >= 0
assert flv_player('nothing')[0] == 404
source.sock.close()
gone = ctl.until('stream.unpublish')
assert gone['bytes'] > 3000 and gone['duration_ms'] >= 0
assert not [e for e in ctl.events if e['event'].startswith('viewer.')]
PY
}

@test "L7 HLS viewers with an identity are told of" {
	dp_start --set hls.viewer=playlist
	peers <<'PY'
from hls_channel import Channel, Packager
ctl = Domains()
ctl.ask('subscribe')
ctl.pair(None, {'viewer_events': True})
source, _ = publisher('a')
source.video(0, AVC_HEADER)
source.video(0, key(0))
source.synced()
p = Packager(Channel(), PUSH + '/live/a', target_ms=1000)
p.segment(b'x', 1000000)
assert p.channel.quiet()
_, status, body = fetch('/live/a.m3u8?token=1', read=100)
mine = [line for line in body.decode().split('\n') if 'hls_viewer=' in line][0]
start = ctl.until('viewer.start')
assert mine.endswith('hls_viewer=' + start['id']), (mine, start)
assert (start['stream'], start['domain'], start['protocol']) == (PUSH + '/live/a', PLAY, 'hls'), start
assert start['params'] == 'token=***' and start['address'].startswith('127.0.0.1:'), start
assert fetch('/live/' + mine, read=100)[1] == 200
stop = ctl.until('viewer.stop', id=start['id'])   # it asks no more
assert stop['reason'] == 'idle_timeout' and stop['duration_ms'] >= 3000, stop
assert not [e for e in ctl.events if e['event'].startswith('viewer.')]
PY
}

@test "a session ends with its signature where the domain says so" {
	dp_start
	peers <<'PY'
ctl = Domains()
sign = lambda secret, cut: {'auth': {'type': 'a', 'key1': secret, 'window_s': 1, 'cut': cut}}
ctl.pair(sign(PUSH_KEY, False), sign(PLAY_KEY, True))
source, _ = publisher('a', signed('/live/a', PUSH_KEY))
view, refused = rtmp_player('a', signed('/live/a', PLAY_KEY))
flv, status, _ = fetch('/live/a.flv?' + signed('/live/a.flv', PLAY_KEY))
ctl.pair(sign(PUSH_KEY, True), sign(PLAY_KEY, True))
other, refused = publisher('b', signed('/live/b', PUSH_KEY))
assert not refused
for p in (view, other):
    p.ended('auth_expired')
while flv.recv(65536):
    pass
wait_log('session_end', 'protocol=http-flv', 'reason=auth_expired')
source.synced()
PY
}

@test "C4, H6: a domain and an application have their own policy for publishers" {
	dp_start --set cores=2
	peers <<'PY'
ctl = Domains()
ctl.pair({'publish': {'policy': 'replace', 'hold_ms': 0}, 'apps': {'strict': {'publish': {'policy': 'reject'}}}})
first, _ = publisher()
second, refused = publisher()
assert not refused
first.ended('replaced')
third, _ = publisher(app='strict')
assert publisher(app='strict')[1] == 'already publishing'
second.sock.close()
wait_log('event=unpublish', 'live/a', 'reason=peer_', 'hold_ms=0')
ctl.set(PUSH, type='ingest', publish={'hold_ms': 7000})
third.sock.close()
wait_log('event=unpublish', 'strict/a', 'hold_ms=7000')
PY
}

@test "forged URLs take no memory: of signatures, of remote authentication, of unknown streams" {
	dp_start --set log.level=error
	peers <<'PY'
ctl = Domains()
ctl.pair({'auth': {'type': 'a', 'key1': PUSH_KEY}}, {'auth': {'type': 'a', 'key1': PLAY_KEY}})
ctl.set('ask.example.com', type='play', center=PUSH, remote={'play': True, 'timeout_ms': 10})
ctl.set('pull.example.com', type='play', center=PUSH, pull={'mode': 'triggered', 'wait_ms': 1})
def forged(i):
    assert flv_player(f'a{i}', signed(f'/live/a{i}.flv', 'forged'))[0] == 403
    assert flv_player('a', f't={i}', host='ask.example.com')[0] == 403
    assert flv_player(f'p{i}', host='pull.example.com')[0] == 404
pool = ThreadPoolExecutor(32)
list(pool.map(forged, range(3000)))  # the tables of fixed size are in memory now
before = rss_kb()
list(pool.map(forged, range(3000, 6000)))
assert 'SANITIZER' in os.environ or rss_kb() - before < 1500, (before, rss_kb())
PY
}
