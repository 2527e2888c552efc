#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Signatures of types B and C, lists of countries, and what becomes of who is there when rules change.

load lib
load domains

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

@test "signed URLs of type B: before the path, by every entry point, for publishing and playing" {
	dp_start --set cores=2
	peers <<'PY'
ctl = Domains()
ctl.pair({'auth': {'type': 'b', 'key1': PUSH_KEY}}, {'auth': {'type': 'b', 'key1': 'other-key', 'key2': PLAY_KEY}})
missing = 'the URL is not signed, or its signature cannot be read'
expired = "the URL's signature is out of date"
mismatch = "the URL's signature is not this domain's for this stream"
now = int(time.time())
def app(path, key, at=None):
    return before_b(path, key, at) + '/live'
assert publishes() == missing
assert publishes('a', signed('/live/a', PUSH_KEY)) == missing
assert publishes('a', app=app('/live/a', PLAY_KEY)) == mismatch
assert publishes('a', app=app('/live/a', PUSH_KEY, now - 1900)) == expired
source, refused = publisher('a', app=app('/live/a', PUSH_KEY))
assert not refused, refused
assert [s['stream'] for s in ctl.ask('stream.list')['streams']] == [PUSH + '/live/a']
for play, path, say in ((rtmp_plays, '/live/a', lambda t: t), (flv_player, '/live/a.flv', lambda t: (403, t)),
                        (ws_player, '/live/a.flv', lambda t: (403, t))):
    assert play() == say(missing)
    assert play(app=app(path, PUSH_KEY)) == say(mismatch)
    assert play(app=app(path, PLAY_KEY, now - 1900)) == say(expired)
    assert play(app='209913990000/' + '0' * 32 + '/live') == say(missing)
    assert play(app=app(path, PLAY_KEY)) is None
encoded = '/live/caf%C3%A9.flv'
source, refused = publisher('caf\u00e9', app=app('/live/caf%C3%A9', PUSH_KEY))
assert not refused, refused
assert fetch('/' + before_b(encoded, PLAY_KEY) + encoded)[1] == 200
PY
}

@test "signed URLs of type C: before the path and as KEY1 and KEY2" {
	dp_start
	peers <<'PY'
ctl = Domains()
ctl.pair({'auth': {'type': 'c', 'key1': PUSH_KEY}}, {'auth': {'type': 'c', 'key1': PLAY_KEY}})
now = int(time.time())
def app(path, key, at=None):
    return '/'.join(hash_c(path, key, at)) + '/live'
def query(path, key, at=None):
    return 'KEY1=%s&KEY2=%s' % hash_c(path, key, at)
assert 'not signed' in publishes()
assert 'out of date' in publishes('a', query('/live/a', PUSH_KEY, now - 1900))
source, refused = publisher('a', query('/live/a', PUSH_KEY))
assert not refused, refused
second, refused = publisher('b', app=app('/live/b', PUSH_KEY))
assert not refused, refused
for play, path in ((rtmp_plays, '/live/a'), (flv_player, '/live/a.flv'), (ws_player, '/live/a.flv')):
    assert play('a', query(path, PLAY_KEY)) is None
    assert play('a', app=app(path, PLAY_KEY)) is None
    assert 'not this domain' in str(play('a', query(path, PUSH_KEY)))
    assert 'not this domain' in str(play('b', app=app(path, PLAY_KEY)))
    assert 'out of date' in str(play('a', app=app(path, PLAY_KEY, now - 1900)))
PY
}

@test "a playlist signed before its path leads to segments that are signed too" {
	dp_start --set cores=2
	peers <<'PY'
from hls_channel import Channel, Packager
ctl = Domains()
source, packager = None, None
for kind, before in (('b', before_b), ('c', lambda *a: '/'.join(hash_c(*a)))):
    ctl.pair(None, {'auth': {'type': kind, 'key1': PLAY_KEY}})
    if not source:
        source, _ = publisher()
        packager = Packager(Channel(ctl), PUSH + '/live/a')
        for n in range(4):
            packager.segment(bytes([0x47]) * 188, 2000000)
    for entry in ('/live/a.m3u8', '/live/a/master.m3u8'):
        signature = '/' + before(entry, PLAY_KEY)
        assert fetch(signature + entry, Connection='close')[1] == 200
        status, text = fetch(signature + '/live/a.m3u8', Connection='close')[1:]
        segments = [line for line in text.decode().split('\n') if line and line[0] != '#']
        assert status == 200 and segments and all('/' in s and s[0] != '/' for s in segments), text
        assert fetch(f'{signature}/live/{segments[-1]}', Connection='close')[1] == 200
        assert fetch(f'/live/{segments[-1]}', Connection='close')[1] == 403
        assert fetch(signature + '/live/b.m3u8', Connection='close')[1] == 403
PY
}

@test "lists of countries: by a database that a reload replaces, unknown addresses are in no list" {
	python3 "$BATS_TEST_DIRNAME/mmdb.py" "$T/geo.mmdb" 127.0.0.0/9=CN 127.128.0.0/16=US ::1/128=DE
	printf 'domain:\n  country_database: %s/geo.mmdb\n' "$T" >"$T/dp.yaml"
	dp_start --config "$T/dp.yaml" --set cores=2
	peers T="$T" <<'PY'
import subprocess
denied = "the domain's lists of countries do not allow the client's"
ctl = Domains()
ctl.pair()
source, _ = publisher()
def play(address):
    s = socket.create_connection(('127.0.0.1', int(os.environ['HTTP'])), SECONDS, (address, 0))
    s.sendall(f'GET /live/a.flv HTTP/1.1\r\nHost: {PLAY}\r\n\r\n'.encode())
    return int(s.recv(4096).split()[1])
def answers():
    return [play(a) for a in ('127.0.0.1', '127.128.0.1', '127.129.0.1')]
def rules(**lists):
    ctl.set(PLAY, type='play', center=PUSH, country=lists)
rules()
assert answers() == [200, 200, 200]
rules(allow=['CN', 'DE'])
assert answers() == [200, 403, 403]
rules(deny=['CN'])
assert answers() == [403, 200, 200]
assert rtmp_plays() == denied and ws_player() == (403, denied) and flv_player() == (403, denied)
rules(allow=['CN', 'US'], deny=['US'])
assert answers() == [200, 403, 403]
ctl.set(PUSH, type='ingest', country={'deny': ['CN']})
assert publishes('b') == denied
mmdb = os.path.dirname(os.path.abspath(__import__('ctl').__file__)) + '/mmdb.py'
subprocess.run(['python3', mmdb, os.environ['T'] + '/geo.mmdb', '127.0.0.0/8=US'], check=True)
ctl.ask('reload')
assert not publishes('b')
assert answers() == [403, 403, 403]
with open(os.environ['T'] + '/geo.mmdb', 'w') as f:
    f.write('this is no database')
answer = ctl.ask('reload', False)
assert 'domain.country_database' in answer['error']['message'], answer
assert answers() == [403, 403, 403]
PY
	run millrace-dp --state "$S/other" --set "domain.country_database=$T/none"
	[ "$status" != 0 ]
	[[ $output == *"domain.country_database: $T/none: No such file"* ]]
}

@test "who is there stays when rules change, with domain.running cut only those are closed whom it concerns" {
	printf 'domain:\n  running: keep\n' >"$T/dp.yaml"
	dp_start --config "$T/dp.yaml" --set cores=2 --set publish.hold=10s
	peers T="$T" <<'PY'
ctl = Domains()
ctl.ask('subscribe')
def play_rules(key1, key2='', **more):
    ctl.set(PLAY, **{'type': 'play', 'center': PUSH, 'auth': {'type': 'a', 'key1': key1, 'key2': key2}, **more})
def there():
    return sorted(v['protocol'] for v in ctl.ask('viewer.list')['viewers'])
def closed(reason, n):
    wait_for(lambda: sum(f'reason={reason}' in line and 'event=session_end' in line for line in open(os.environ['DP_LOG'])) == n)
ctl.set(PUSH, type='ingest')
source, _ = publisher()
play_rules('first-key', 'second-key')
views = [rtmp_player('a', signed('/live/a', k))[0] for k in ('first-key', 'second-key')]
views += [fetch('/live/a.flv?' + signed('/live/a.flv', k))[0] for k in ('first-key', 'second-key')]
everybody = ['http-flv', 'http-flv', 'rtmp', 'rtmp']
assert there() == everybody, there()
play_rules('other-key', enabled=False)
ctl.set(PUSH, type='ingest', enabled=False)
assert there() == everybody  # they answered after the change had come to the cores
play_rules('first-key', 'second-key')
ctl.set(PUSH, type='ingest')
with open(os.environ['T'] + '/dp.yaml', 'w') as f:
    f.write('domain:\n  running: cut\n')
ctl.ask('reload')
play_rules('second-key', 'third-key')
wait_for(lambda: there() == ['http-flv', 'rtmp'])
closed('auth_revoked', 2)
play_rules('third-key', 'second-key')
play_rules('third-key', 'second-key')
assert there() == ['http-flv', 'rtmp']
play_rules('third-key', 'second-key', enabled=False)
wait_for(lambda: there() == [])
closed('domain_disabled', 2)
play_rules('third-key')
view, refused = rtmp_player('a', signed('/live/a', 'third-key'))
assert not refused
ctl.ask('domain.keep', domains=[PUSH])
wait_for(lambda: there() == [])
closed('domain_unknown', 1)
ctl.set(PUSH, type='ingest', enabled=False)
# At once, although publish.hold would keep it: nobody may publish it again.
assert ctl.until('stream.unpublish', stream=PUSH + '/live/a')['reason'] == 'domain_disabled'
wait_for(lambda: ctl.ask('stream.list')['streams'] == [])
PY
}
