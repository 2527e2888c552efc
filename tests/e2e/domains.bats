#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Domains: who may publish and play, by every entry point, through the control socket.

load lib
load domains

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

@test "U3: without a domain this machine is served, with one only its own names are" {
	dp_start --set cores=2
	peers <<'PY'
ctl = Domains()
Peer().live('a')
assert not flv_player() and not rtmp_plays() and not ws_player()
ctl.pair()
unknown = 'the host name is no domain of this node, or not one for publishing or playing'
for host in ('other.example.com', '127.0.0.1', 'localhost'):
    assert publishes('b', host=host) == unknown
    assert rtmp_plays(host=host) == unknown
    assert flv_player(host=host) == (403, unknown)
    assert ws_player(host=host) == (403, unknown)
assert publishes('b', host=PLAY) == unknown
assert flv_player(host=PUSH) == (403, unknown)
source, refused = publisher('b')
assert not refused
assert not flv_player('b') and not rtmp_plays('b') and not ws_player('b')
assert not flv_player('b', 'vhost=' + PLAY, host='127.0.0.1')
names = [s['stream'] for s in ctl.ask('stream.list')['streams']]
assert sorted(names) == ['default/live/a', 'push.example.com/live/b'], names
assert not flv_player('b', host='PLAY.example.com:8080')
assert sorted((d['domain'], d['type']) for d in ctl.ask('domain.list')['domains']) == [(PLAY, 'play'), (PUSH, 'ingest')]
ctl.set(PLAY, type='play', center=PUSH, enabled=False)
assert flv_player('b') == (403, 'the domain is switched off')
ctl.ask('domain.keep', domains=[PUSH])
assert flv_player('b') == (403, unknown)
ctl.ask('domain.keep', domains=[])
assert not flv_player()
PY
}

@test "signed URLs: every entry point, both keys, the window, and what is wrong is told" {
	dp_start --set cores=2
	peers <<'PY'
ctl = Domains()
sign = {'type': 'a', 'key1': PLAY_KEY, 'key2': 'another-key', 'window_s': 1800}
ctl.pair({'auth': {'type': 'a', 'key1': PUSH_KEY}}, {'auth': sign})
missing = 'the URL is not signed, or its signature cannot be read'
expired = "the URL's signature is out of date"
mismatch = "the URL's signature is not this domain's for this stream"
now = int(time.time())
assert publishes() == missing
assert publishes('a', signed('/live/a', PLAY_KEY)) == mismatch
assert publishes('a', signed('/live/b', PUSH_KEY)) == mismatch
assert publishes('a', signed('/live/a', PUSH_KEY, now - 1900)) == expired
source, refused = publisher('a', signed('/live/a', PUSH_KEY, now - 1700))
assert not refused, refused
for known in (PLAY_KEY, 'another-key'):
    assert not rtmp_plays('a', signed('/live/a', known))
    assert not flv_player('a', signed('/live/a.flv', known))
    assert not ws_player('a', signed('/live/a.flv', known))
for play, path in ((rtmp_plays, '/live/a'), (flv_player, '/live/a.flv'), (ws_player, '/live/a.flv')):
    say = (lambda text: text) if play is rtmp_plays else (lambda text: (403, text))
    assert play() == say(missing)
    assert play('a', 'auth_key=' + 'x' * 900) == say(missing)
    assert play('a', signed(path, PUSH_KEY)) == say(mismatch)
    assert play('a', signed('/live/a.m3u8', PLAY_KEY)) == say(mismatch)
    assert play('a', signed(path, PLAY_KEY, now - 1900)) == say(expired)
    assert play('a', 'audio=0&' + signed(path, PLAY_KEY, now + 3600)) is None
assert flv_player('a', 'auth_key=' + auth_key('/live/a.flv', PLAY_KEY).replace('-', '%2D')) is None
source, refused = publisher('caf\u00e9 1', signed('/live/caf%C3%A9%201', PUSH_KEY))
assert not refused, refused
encoded = '/live/caf%c3%a9%201.flv'
assert fetch(encoded + '?' + signed(encoded, PLAY_KEY))[1] == 200
ctl.set(PLAY, type='play', center=PUSH, auth={**sign, 'play': False})
assert not flv_player()
assert all(PLAY_KEY not in line and PUSH_KEY not in line for line in open(os.environ['DP_LOG']))
PY
}

@test "signed URLs: a playlist's token is good for its segments and from the master on, and for nothing else" {
	dp_start --set cores=2
	peers <<'PY'
import re
from hls_channel import Channel, Packager
ctl = Domains()
ctl.pair(None, {'auth': {'type': 'a', 'key1': PLAY_KEY}, 'referer': {'mode': 'allow', 'list': ['x.net'], 'empty': False}})
source, _ = publisher()
packager = Packager(Channel(ctl), PUSH + '/live/a')
for n in range(4):
    packager.segment(bytes([0x47]) * 188, 2000000)
def get(path, token, **headers):
    return fetch(f'{path}?{token}', **{'Referer': 'http://x.net/', 'Connection': 'close', **headers})[1:]
for entry in ('/live/a.m3u8', '/live/a/master.m3u8'):
    token = signed(entry, PLAY_KEY)
    status, text = get(entry, token)
    assert status == 200 and token.encode() in text, (status, text)
    media, text = get('/live/a.m3u8', token)
    segments = [line for line in text.decode().split('\n') if line and line[0] != '#']
    assert media == 200 and segments and all(line.endswith('?' + token) for line in segments), text
    assert get('/live/' + segments[-1].split('?')[0], token)[0] == 200
    assert get('/live/' + segments[-1].split('?')[0], token, Referer='http://y.net/')[0] == 403
    assert get('/live/b.m3u8', token)[0] == 403
segment = '/live/' + segments[-1].split('?')[0]
assert get(segment, '')[0] == 403 and get('/live/a.m3u8', '')[0] == 403
assert get('/live/a.m3u8', signed('/live/a.flv', PLAY_KEY))[0] == 403
assert get('/live/a.m3u8', signed('/live/a.m3u8', PLAY_KEY, int(time.time()) - 1900))[0] == 403
assert get(segment, signed(segment, PLAY_KEY))[0] == 200
PY
}

@test "keys rotate while viewers come and not one is refused" {
	dp_start --set cores=2
	peers <<'PY'
import threading
ctl = Domains()
def keys(first, second):
    ctl.set(PLAY, type='play', center=PUSH, auth={'type': 'a', 'key1': first, 'key2': second})
ctl.set(PUSH, type='ingest')
keys('key-number-0', 'key-number-1')
source, _ = publisher()
good, refused, stop, rounds = ['key-number-0'], [], threading.Event(), [0] * 4
def come(i):
    while not stop.is_set():
        got = flv_player('a', signed('/live/a.flv', good[0]))
        if got:
            refused.append(got)
        rounds[i] += 1
viewers = [threading.Thread(target=come, args=(i,)) for i in range(len(rounds))]
for v in viewers:
    v.start()
for n in range(1, 20):
    # URLs are made with a key that is known already, and it is taken back when none is under way.
    keys(good[0], f'key-number-{n}')
    good[0] = f'key-number-{n}'
    seen = list(rounds)
    wait_for(lambda: all(now > before + 1 for now, before in zip(rounds, seen)))
stop.set()
for v in viewers:
    v.join()
assert not refused, refused[:3]
PY
}

@test "lists: addresses of publishers and players, referers by HTTP" {
	dp_start
	peers <<'PY'
ctl = Domains()
denied = "the domain's address lists do not allow the client"
ctl.pair({'ip_publish': {'deny': ['127.0.0.0/8']}}, {'ip': {'allow': ['10.0.0.0/8', '::/0']}})
assert publishes() == denied
assert rtmp_plays() == denied and flv_player() == (403, denied) and ws_player() == (403, denied)
ctl.pair({'ip': {'allow': ['127.0.0.1']}}, {'ip': {'deny': ['::/0'], 'allow': []}})
source, refused = publisher()
assert not refused and not rtmp_plays() and not flv_player() and not ws_player()
page = 'the page that links to the stream may not do so'
def referer(mode, names, empty):
    ctl.set(PLAY, type='play', center=PUSH, referer={'mode': mode, 'list': names, 'empty': empty})
referer('allow', ['example.com', '*.example.org'], False)
for play in (flv_player, ws_player):
    assert play() == (403, page)
    for url, allowed in (('https://example.com/x', True), ('http://EXAMPLE.com:8080', True), ('http://a.b.example.org/', True),
                         ('http://www.example.com/', False), ('http://example.org/', False),
                         ('http://evil.net/?example.com', False), ('http://example.com@evil.net/', False),
                         ('http://evil.net#.example.org', False), ('evilexample.org', False)):
        assert (play(Referer=url) is None) == allowed, url
referer('deny', ['*.evil.net'], True)
assert not flv_player() and not flv_player(Referer='http://good.net')
assert flv_player(Referer='http://www.evil.net/x') == (403, page)
assert not rtmp_plays()
PY
}

@test "edits while it plays: who is there stays, who comes later is asked again" {
	dp_start --set cores=2
	peers <<'PY'
ctl = Domains()
ctl.pair()
source, _ = publisher()
view, refused = rtmp_player()
assert not refused
ctl.pair({'auth': {'type': 'a', 'key1': PUSH_KEY}}, {'auth': {'type': 'a', 'key1': PLAY_KEY}})
assert flv_player()[0] == 403 and publishes('b')
bad = ctl.set(PLAY, check=False, type='play', center=PUSH, auth={'type': 'a', 'key1': 'x'})['error']
assert (bad['code'], bad['field']) == ('bad_field', 'config.auth.key1'), bad
assert 'x' not in bad['message'].split()
assert flv_player()[0] == 403  # nothing of it was applied
assert {v['stream'] for v in ctl.ask('viewer.list')['viewers']} == {'push.example.com/live/a'}
ctl.ask('domain.keep', domains=[])
view.sock.settimeout(0.2)
try:
    assert ended(view) is None
except TimeoutError:
    pass
PY
}

@test "forbidden streams: the publisher is cut at once and refused until the block is gone" {
	dp_start --set cores=2
	peers <<'PY'
ctl = Domains()
ctl.ask('subscribe')
ctl.pair()
source, _ = publisher()
stream = PUSH + '/live/a'
ctl.ask('block.set', stream=stream, until_ms=0, reason='copyright')
assert ended(source)
assert ctl.until('stream.unpublish', stream=stream)['reason'] == 'forbidden'
forbidden = 'an operator has forbidden to publish the stream'
assert publishes() == forbidden
assert not publishes('b')
assert ctl.ask('block.list')['blocks'] == [{'stream': stream, 'until_ms': 0, 'reason': 'copyright'}]
ctl.ask('block.remove', stream=stream)
assert not publishes()
ctl.ask('block.set', stream=stream, until_ms=int(time.time() * 1000) + 400)
deadline = time.monotonic() + SECONDS
while publishes() == forbidden:
    assert time.monotonic() < deadline
assert ctl.ask('block.list')['blocks'] == []
PY
}

@test "a data plane that starts reads STATE/domains.json and never opens what was closed" {
	cat >"$S/domains.json" <<'JSON'
{"domains": {"push.example.com": {"type": "ingest", "auth": {"type": "a", "key1": "pushKeyPushKey01"}},
             "play.example.com": {"type": "play", "center": "push.example.com", "version": 3}},
 "blocks": [{"stream": "push.example.com/live/bad", "until_ms": 0}]}
JSON
	dp_start
	peers <<'PY'
ctl = Domains()
assert {d['domain']: d['version'] for d in ctl.ask('domain.list')['domains']} == {PUSH: 0, PLAY: 3}
assert publishes() and publishes('a', host='127.0.0.1')
assert not publishes('a', signed('/live/a', PUSH_KEY))
assert 'forbidden' in publishes('bad', signed('/live/bad', PUSH_KEY))
PY
	kill "$DP"
	end_of "$DP" 5
	echo '{"domains": {"push.example.com": {"type": "ingest", "auht": {}}}}' >"$S/domains.json"
	dp_run
	peers <<'PY'
assert publishes('a', host='127.0.0.1') and publishes()
assert any('event=domains' in line and 'auht' in line for line in open(os.environ['DP_LOG']))
ctl = Domains()
ctl.pair()
assert not publishes()
PY
}
