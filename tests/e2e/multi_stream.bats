#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Backup publishers of one name: they stand by, take over at a key frame, by themselves or by hand.

load lib

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

peers() { # script on standard input
	{
		cat <<'PY'
from domain_peer import *
from rtmp_script import *
KEY = PUSH + '/live/a'

def two(ctl, **more):
    """A publisher and one that stands by, both with headers; and a viewer that saw the first key frame."""
    ctl.pair({'backup': {'on': True, **more}})
    first, second = publisher()[0], publisher()[0]
    for p, n in ((first, 1), (second, 2)):
        p.video(0, AVC_HEADER)
        p.video(0, key(n))
        p.synced()
    view = rtmp_player('a')[0]
    assert view.media(2, (VIDEO,))[1][2] == key(1)
    return first, second, view

def masters(ctl):
    return [p['master'] for p in ctl.ask('stream.publishers', stream=KEY)['publishers']]
PY
		cat
	} | script
}

@test "C4: a publisher that stands by takes over at its key frame when an operator says so, and back" {
	dp_start --set cores=2 --set publish.backup_after=60000ms
	peers <<'PY'
ctl = Domains()
ctl.ask('subscribe')
first, second, view = two(ctl)
assert masters(ctl) == [True, False]
second.video(40, inter(2))
second.synced()
ctl.ask('stream.switch', stream=KEY, sequence=2)
second.video(80, inter(3))      # not before a key frame
second.synced()
first.video(40, inter(1))
assert view.media(1, (VIDEO,))[0][2] == inter(1)
second.video(120, key(3))
assert view.media(1, (VIDEO,))[0][2] in (key(3), AVC_HEADER)
wait_for(lambda: masters(ctl) == [False, True])
e = ctl.until('stream.unpublish')
assert e['reason'] == 'switched', e
e = ctl.until('stream.publish')
assert e['change'] == 'manual', e
last = 0
first.video(80, inter(4))       # thrown away
second.video(160, inter(5))
while (got := view.media(1, (VIDEO,))[0])[2] in (key(3), AVC_HEADER):
    last = got[1]
assert got[2] == inter(5), got
ctl.ask('stream.switch', stream=KEY, sequence=1)
first.video(120, key(6))
while (got := view.media(1, (VIDEO,))[0])[2] == AVC_HEADER:
    pass
assert got[2] == key(6) and got[1] > last, got
assert ctl.ask('stream.switch', check=False, stream=KEY, sequence=9)['error']['code'] == 'not_found'
PY
}

@test "H6, C4: viewers stay when the publisher is lost or silent, and the switch is by hand only where it is to be" {
	dp_start --set cores=2 --set publish.backup_after=300ms --set publish.hold=0ms
	peers <<'PY'
import time
ctl = Domains()
ctl.ask('subscribe')
first, second, view = two(ctl, manual=['live/a'])
until = time.monotonic() + 0.6
while time.monotonic() < until:
    second.video(40, key(7))
    second.synced()
assert masters(ctl) == [True, False]
ctl.set(PUSH, type='ingest', backup={'on': True})
second.video(80, key(8))        # the first one has been silent for long enough
wait_for(lambda: masters(ctl) == [False, True])
ctl.until('stream.publish', change='no_data')
while view.media(1, (VIDEO,))[0][2] != key(8):
    pass
second.sock.close()
ctl.until('stream.unpublish')
first.video(80, key(9))
ctl.until('stream.publish', change='lost')
while view.media(1, (VIDEO,))[0][2] != key(9):
    pass
third = publisher()[0]
assert masters(ctl) == [True, False]
ctl.ask('stream.kick', stream=KEY)   # an operator means the stream
first.ended('kicked')
third.ended('kicked')
view.status('NetStream.Play.UnpublishNotify')
PY
}

@test "C4: four publishers at most, each refused and each gone leaves nothing behind" {
	dp_start --set cores=2
	peers <<'PY'
ctl = Domains()
ctl.set(PUSH, type='ingest', backup={'on': True})
for _ in range(3):
    some = [publisher() for _ in range(5)]
    assert [bool(refused) for _, refused in some] == [False] * 4 + [True], some
    assert len(masters(ctl)) == 4
    for p, _ in some:
        p.sock.close()
    wait_for(lambda: masters(ctl) == [])
ctl.set(PUSH, type='ingest')
first = publisher()[0]
assert publisher()[1] == 'already publishing'
assert masters(ctl) == []
PY
}

# call k=v...: the body of a signed call
call() {
	python3 "$BATS_TEST_DIRNAME/rpc_client.py" "$S/credentials.json" "http://127.0.0.1:$API/" GET "$@"
}

ok() {
	run -0 call "$@"
	[ "${lines[0]}" = 200 ] || {
		echo "# $* -> $output" >&2
		return 1
	}
}

no() { # STATUS CODE k=v...
	local http=$1 code=$2
	shift 2
	run -0 call "$@"
	[ "${lines[0]}" = "$http" ] && [ "$(jq -r .Code <<<"${lines[1]}")" = "$code" ] || {
		echo "# $* -> $output" >&2
		return 1
	}
}

upstreams() { # FILTER: whether it holds for the list's only stream
	api Action=QueryLiveDomainMultiStreamList Domain=play.example.com | jq -e ".OnlineStreams[0] | $1" >/dev/null
}

sends() { # NAME
	background "sends-$1" ffmpeg -v error -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmp://127.0.0.1:$RTMP/live/a?vhost=push.example.com"
}

@test "the API allows two encoders, lists and switches them, and tells of each switch" {
	printf 'memory:\n  arena: 256m\ncallback:\n  interval: 200ms\n  publish_after: 100ms\n' >"$T/up.yaml"
	up
	mr domain add push.example.com --type ingest --open
	mr domain add play.example.com --type play --open --ingest push.example.com
	fixture
	ports 1
	HOOK=${PORTS[0]}
	background receiver python3 "$BATS_TEST_DIRNAME/hook_receiver.py" "$HOOK" "$T/hooks.jsonl" ok
	within 5 listening "$HOOK"
	ok Action=SetLiveStreamsNotifyUrlConfig DomainName=push.example.com "NotifyUrl=http://127.0.0.1:$HOOK/cb" "SwitchNotifyUrl=http://127.0.0.1:$HOOK/switch"
	ok Action=SetLiveDomainMultiStreamConfig Domain=play.example.com Switch=on
	no 404 InvalidDomain.NotFound Action=SetLiveDomainMultiStreamConfig Domain=other.example.com Switch=on
	no 400 InvalidParameter Action=SetLiveDomainMultiStreamConfig Domain=play.example.com Switch=maybe
	ok Action=SetLiveDomainMultiStreamOptimalMode Domain=push.example.com AppName=live StreamName=a OptimalMode=off
	sends first
	first=$PID
	within 10 upstreams '.UpstreamList | length == 1'
	sends second
	within 10 upstreams '.OptimalMode == "off" and (.UpstreamList | map(.MasterFlag)) == [true, false] and .UpstreamList[1].UpstreamIp == "127.0.0.1"'
	no 404 InvalidUpstream.NotFound Action=SetLiveDomainMultiStreamMaster Domain=play.example.com AppName=live StreamName=a UpstreamSequence=a_AliRewrite_7
	no 400 InvalidParameter Action=SetLiveDomainMultiStreamMaster Domain=play.example.com AppName=live StreamName=a UpstreamSequence=b_AliRewrite_2
	ok Action=SetLiveDomainMultiStreamMaster Domain=play.example.com AppName=live StreamName=a UpstreamSequence=a_AliRewrite_2
	within 15 upstreams '(.UpstreamList | map(.MasterFlag)) == [false, true] and .ChangeLogs[0].ChangeReason == "merge cut manually"'
	kill -INT "$first"
	within 10 upstreams '.UpstreamList | length == 1 and .[0].MasterFlag'
	within 10 eval 'jq -es "[.[] | select(.path == \"/switch\") | .body] | length == 1 and .[0].Event == \"PublisherSwitched\" and .[0].Reason == \"manual\" and .[0].StreamName == \"a\"" "$T/hooks.jsonl" >/dev/null'
	[ "$(jq -rs '[.[] | select(.path | test("publish_done"))] | length' "$T/hooks.jsonl")" = 0 ]
}
