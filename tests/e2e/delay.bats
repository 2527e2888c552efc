#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# How far behind viewers are: where they start, and deliberate delay.

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
		printf 'from domain_peer import *\nfrom rtmp_script import *\n'
		cat
	} >"$T/peers.py"
	script <"$T/peers.py"
}

@test "players start as far back as their protocol's latency says, by every entry point" {
	dp_start --set cores=2 --set play.max_lag=1s
	peers <<'PY'
ctl = Domains()
ctl.pair()
ctl.set('back.example.com', type='play', center=PUSH, play={'rtmp_s': 2, 'flv_s': 1})
source, _ = publisher()
source.video(0, AVC_HEADER)
begun = time.monotonic()
for n in range(26):
    source.video(n * 100, key(n))
    time.sleep(max(0, begun + 0.1 * (n + 1) - time.monotonic()))
source.synced()
def places(body):
    return [n for n in range(26) if key(n) in body]
def rtmp(host):
    view, refused = rtmp_player(host=host)
    assert not refused
    got = view.media(2)[1][1] // 100
    # The rest at once, in order.
    assert [m[2] for m in view.media(25 - got)] == [key(i) for i in range(got + 1, 26)]
    return got
def flv(host, pictures, **headers):
    return places(fetch('/live/a.flv', host=host, read=60 + 120 * pictures, **headers)[2])[0]
late = (time.monotonic() - begun) * 10 - 26  # of the clock, on a busy machine
assert rtmp(PLAY) == 25
assert 0 <= rtmp('back.example.com') <= 6 + late
for headers in ({}, upgrade()):
    assert flv(PLAY, 1, **headers) == 25
    assert 8 <= flv('back.example.com', 2, **headers) <= 17 + (time.monotonic() - begun) * 10 - 26
PY
}

@test "a delay that does not fit into memory is refused by its reason" {
	dp_start --set stream.retain_bytes=1m --set stream.delay_bytes=1m
	peers <<'PY'
ctl = Domains()
ctl.pair()
ctl.set('late.example.com', type='play', center=PUSH, play={'delay_s': 60})
source, _ = publisher()
source.video(0, AVC_HEADER)
begun = time.monotonic()
for n in range(24):  # 40 kB a second; 2.4 MB a minute
    source.video(n * 100, key(n, 4000))
    time.sleep(max(0, begun + 0.1 * (n + 1) - time.monotonic()))
source.synced()
why = "the play domain's delay needs more of the stream than stream.delay_bytes or memory.arena holds"
assert rtmp_plays(host='late.example.com') == why
assert not rtmp_plays()
wait_log('session_end', 'reason=delay_memory')
# Of another format nothing is known before its log has some of the stream.
until = time.monotonic() + 10
while not (refused := flv_player(host='late.example.com')):
    assert time.monotonic() < until
assert why in refused[1], refused
PY
}

@test "a stream is deliberately late by one domain, kept for it longer than others, and its neighbours are not" {
	dp_start --set cores=2 --set stream.retain=4s --set play.max_lag=2s
	peers <<'PY'
ctl = Domains()
ctl.pair()
ctl.set('late.example.com', type='play', center=PUSH, play={'tick': 'low'}, streams={'live/a': {'play': {'delay_s': 16}}})
source, _ = publisher()
source.video(0, AVC_HEADER)
begun = time.monotonic()
sent = {}
def send(n):
    sent[n] = time.monotonic()
    source.video(n * 500, key(n))
late = None
for n in range(46):
    send(n)
    source.synced()
    if n == 36:  # 18 s: a key frame that is 16 s old is there
        late, refused = rtmp_player(host='late.example.com')
        now, _ = rtmp_player()
        assert now.media(2)[1][2] == key(36)
        first = late.media(2)[1]
        got = first[1] // 500
        assert first[2] == key(got)
        assert 16 <= time.monotonic() - sent[got] < 17.5, (got, time.monotonic() - sent[got])
    time.sleep(max(0, begun + 0.5 * (n + 1) - time.monotonic()))
for n in range(got + 1, got + 10):
    assert late.media(1)[0][2] == key(n)
    assert time.monotonic() - sent[n] >= 15.9, n
PY
}
