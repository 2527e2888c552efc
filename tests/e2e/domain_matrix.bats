#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Each rule of a domain at each entry point: what it lets in, what it refuses, and by which reason.

load lib

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

@test "domain x function x entry point" {
	python3 "$BATS_TEST_DIRNAME/mmdb.py" "$T/geo.mmdb" 127.0.0.0/8=CN
	dp_start --set cores=2 --set "domain.country_database=$T/geo.mmdb"
	script <<'PY'
from domain_peer import *
from hls_channel import Channel, Packager
ctl = Domains()
ctl.pair()
source, _ = publisher()
packager = Packager(Channel(ctl), PUSH + '/live/a')
for n in range(4):
    packager.segment(bytes([0x47]) * 188, 2000000)

def hls(params='', app='live', host=PLAY, **headers):
    _, status, body = fetch(f'/{app}/a.m3u8' + (params and '?' + params), host, Connection='close', **headers)
    return None if status == 200 else (status, body.decode().strip())
def segment(params='', app='live', host=PLAY, **headers):
    _, status, body = fetch(f'/{app}/a/1.ts' + (params and '?' + params), host, Connection='close', **headers)
    return None if status in (200, 404, 410) else (status, body.decode().strip())
# Each: how it asks, what is signed for it, whether it is HTTP.
players = {
    'rtmp': (lambda **k: rtmp_plays('a', k.get('params', ''), k.get('host', PLAY), k.get('app', 'live')), '/live/a', False),
    'flv': (lambda **k: flv_player('a', **k), '/live/a.flv', True),
    'ws': (lambda **k: ws_player('a', **k), '/live/a.flv', True),
    'hls': (hls, '/live/a.m3u8', True),
    'segment': (segment, '/live/a.m3u8', True),
}
publishers = {'publish': (lambda **k: publishes('b', k.get('params', ''), k.get('host', PUSH), k.get('app', 'live')), '/live/b', False)}

def sign(kind, path, key, at=None):
    """What a URL needs to be signed: params or app."""
    if kind == 'a':
        return {'params': signed(path, key, at)}
    if kind == 'b':
        return {'app': before_b(path, key, at) + '/live'}
    hash_, stamp = hash_c(path, key, at)
    return {'params': f'KEY1={hash_}&KEY2={stamp}'} if kind == 'c' else {'app': f'{hash_}/{stamp}/live'}

def said(answer, http):
    return answer[1] if http and answer else answer
def check(who, rule, ask, http, want, **how):
    got = ask(**how)
    assert not http or not got or got[0] == 403, (who, rule, got)
    assert said(got, http) == want, (who, rule, how, got, want)

now = int(time.time())
lists = {
    'ip': ({'allow': ['127.0.0.0/8']}, {'deny': ['127.0.0.1']}, "the domain's address lists do not allow the client"),
    'country': ({'allow': ['CN']}, {'deny': ['CN']}, "the domain's lists of countries do not allow the client's"),
}
cases = 0
for domain, points in ((PUSH, publishers), (PLAY, players)):
    base = {'type': 'ingest'} if domain == PUSH else {'type': 'play', 'center': PUSH}
    for who, (ask, path, http) in points.items():
        def rules(**more):
            ctl.set(domain, **base, **more)
        for rule, (fine, bad, why) in lists.items():
            rules(**{rule: fine})
            check(who, rule, ask, http, None)
            rules(**{rule: bad})
            check(who, rule, ask, http, why)
            cases += 2
        rules(enabled=False)
        check(who, 'enabled', ask, http, 'the domain is switched off')
        for kind in ('a', 'b', 'c', 'c before'):
            rules(auth={'type': kind[0], 'key1': 'first-key', 'key2': 'second-key'})
            for key in ('first-key', 'second-key'):
                check(who, kind, ask, http, None, **sign(kind, path, key))
            check(who, kind, ask, http, 'the URL is not signed, or its signature cannot be read')
            check(who, kind, ask, http, "the URL's signature is out of date", **sign(kind, path, 'first-key', now - 1900))
            check(who, kind, ask, http, "the URL's signature is not this domain's for this stream", **sign(kind, path, 'third-key'))
            check(who, kind, ask, http, "the URL's signature is not this domain's for this stream", **sign(kind, path + 'x', 'first-key'))
            cases += 6
        rules(auth={'type': 'a', 'key1': 'first-key', 'publish': False, 'play': False})
        check(who, 'auth is off', ask, http, None)
        if domain == PLAY:
            page = 'the page that links to the stream may not do so' if http else None
            rules(referer={'mode': 'allow', 'list': ['good.net'], 'empty': False})
            check(who, 'referer', ask, http, page)
            if http:
                check(who, 'referer', ask, http, None, Referer='http://good.net/x')
                check(who, 'referer', ask, http, page, Referer='http://bad.net/x')
            rules(referer={'mode': 'deny', 'list': ['bad.net'], 'empty': True})
            check(who, 'referer', ask, http, None)
        rules()
        check(who, 'the other domain', ask, http, 'the host name is no domain of this node, or not one for publishing or playing',
              host='other.example.com')
        check(who, 'nothing', ask, http, None)
        cases += 4
ctl.ask('block.set', stream=PUSH + '/live/b', until_ms=0)
assert publishes('b') == 'an operator has forbidden to publish the stream'
assert cases > 150, cases
PY
}
