#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Ingest callbacks: each start and end of a stream is told in the documented form, at least once and
# in order, whatever the receiver or we do.

load lib

setup() {
	e2e_setup
	printf 'memory:\n  arena: 256m\npublish:\n  hold: 0ms\ncallback:\n  interval: 200ms\n  timeout: 1s\n  publish_after: 300ms\n' >"$T/up.yaml"
	up
	mr domain add push.example.com --type ingest --open
	ports 1
	HOOK=${PORTS[0]}
	api Action=SetLiveStreamsNotifyUrlConfig DomainName=push.example.com "NotifyUrl=http://127.0.0.1:$HOOK/cb?from=test" \
		NotifyReqAuth=yes NotifyAuthKey=abcdefgh12345678 "ExceptionNotifyUrl=http://127.0.0.1:$HOOK/odd"
}

teardown() {
	e2e_teardown
}

receiver() { # MODE
	background receiver python3 "$BATS_TEST_DIRNAME/hook_receiver.py" "$HOOK" "$T/hooks.jsonl" "$1"
	within 5 listening "$HOOK"
}

# sends NAME: an encoder of the domain; its process id is in $PID
sends() {
	fixture
	background "sends-$1" ffmpeg -v error -re -stream_loop -1 -i "$AV" -c copy -f flv \
		"rtmp://127.0.0.1:$RTMP/live/$1?vhost=push.example.com&token=x%2Fy"
}

# told ACTION...: the accepted callbacks' actions, in order, without repeats of an event id
told() {
	local want="$*"
	[ "$(actions)" = "$want" ]
}

actions() {
	jq -rs '[.[] | select(.accepted and .method == "GET")] | unique_by(.event_id) as $u | [.[] | .event_id] as $order |
		[$u[] | {i: (.event_id as $e | $order | index($e)), a: (.path | capture("action=(?<a>[a-z_]+)").a)}] | sort_by(.i) | map(.a) | join(" ")' "$T/hooks.jsonl" 2>/dev/null
}

# query N NAME: a parameter of the Nth accepted callback
query() {
	python3 - "$T/hooks.jsonl" "$1" "$2" <<'PY'
import json, sys, urllib.parse
rows = [json.loads(l) for l in open(sys.argv[1])]
rows = [r for r in rows if r['accepted'] and r['method'] == 'GET']
print(urllib.parse.parse_qs(urllib.parse.urlsplit(rows[int(sys.argv[2])]['path']).query, keep_blank_values=True)[sys.argv[3]][0])
PY
}

live() { # NAME
	mr stream list --json | jq -e --arg k "push.example.com/live/$1" 'any(.streams[]; .stream == $k)' >/dev/null
}

@test "publish and publish_done carry the documented keys, signed by ALI-LIVE-SIGNATURE" {
	receiver ok
	sends a
	within 10 told publish
	kill -INT "$PID"
	within 10 told publish publish_done
	[ "$(query 0 id) $(query 0 app) $(query 0 appname) $(query 0 ip) $(query 0 from)" = "a push.example.com live 127.0.0.1 test" ]
	[ "$(query 0 width)x$(query 0 height)" = 320x180 ]
	[ -n "$(query 0 node)" ] && [ "$(query 0 time)" -gt 1700000000 ]
	run ! query 1 width
	query 0 usrargs
	query 1 usrargs
	time=$(jq -rs '.[0].headers["ali-live-timestamp"]' "$T/hooks.jsonl")
	want=$(printf 'push.example.com|%s|abcdefgh12345678' "$time" | md5sum | cut -d' ' -f1)
	[ "$(jq -rs '.[0].headers["ali-live-signature"]' "$T/hooks.jsonl")" = "$want" ]
	[ "$(jq -rs '[.[] | select(.method == "POST")] | length' "$T/hooks.jsonl")" = 0 ]
}

@test "a publisher that leaves before its time is told to nobody" {
	mr reload >/dev/null
	receiver ok
	sed -i 's/publish_after: 300ms/publish_after: 60s/' "$T/up.yaml"
	mr reload >/dev/null
	sends short
	within 10 live short
	kill -INT "$PID"
	within 10 not live short
	sed -i 's/publish_after: 60s/publish_after: 0ms/' "$T/up.yaml"
	mr reload >/dev/null
	sends long
	within 10 told publish
	[ "$(query 0 id)" = long ]
}

@test "with callback.publish_when media the start is told when media came" {
	sed -i 's/publish_after: 300ms/publish_when: media/' "$T/up.yaml"
	mr reload >/dev/null
	receiver ok
	sends a
	within 10 told publish
	[ "$(query 0 width)" = 320 ]
}

@test "a killed encoder is an exception too" {
	receiver ok
	sends a
	within 10 told publish
	kill -KILL "$PID"
	within 15 told publish publish_done
	within 5 eval 'jq -se "any(.[]; .method == \"POST\" and .path == \"/odd\" and .body.Event == \"PublishInterrupted\" and .body.StreamName == \"a\" and (.body.Reason | length > 0))" "$T/hooks.jsonl" >/dev/null'
}

@test "what began and ended while the control plane was killed is told when it is back" {
	receiver ok
	sends a
	within 10 told publish
	first=$PID
	kill -KILL "$(pid_of cp)"
	kill -INT "$first"
	end_of "$first" 5
	sends b
	within 20 up_ready
	within 10 eval 'actions | grep -q publish_done'
	within 10 eval '[ "$(actions | tr " " "\n" | grep -cx publish)" = 2 ]'
	[ "$(actions | tr ' ' '\n' | grep -cx publish_done)" = 1 ]
}

@test "a callback that could not be delivered survives kills of the control plane and comes once the receiver is there" {
	printf 'memory:\n  arena: 256m\npublish:\n  hold: 0ms\ncallback:\n  interval: 200ms\n  tries: 1000\n  publish_after: 0ms\n' >"$T/up.yaml"
	mr reload >/dev/null
	sends a
	within 10 eval 'mr callback list | grep -q waiting'
	kill -KILL "$(pid_of cp)"
	within 20 up_ready
	kill -INT "$PID"
	within 10 eval '[ "$(mr callback list --json | jq ".callbacks | length")" = 2 ]'
	receiver ok
	within 20 told publish publish_done
	within 5 eval '[ "$(mr callback list --json | jq ".callbacks | length")" = 0 ]'
}

@test "tries that are used up are a dead letter and a record, and replay delivers it" {
	printf 'memory:\n  arena: 256m\npublish:\n  hold: 0ms\ncallback:\n  interval: 10ms\n  tries: 2\n  publish_after: 0ms\n' >"$T/up.yaml"
	mr reload >/dev/null
	sends a
	within 10 eval 'mr callback list | grep -q dead'
	run -0 api Action=DescribeLiveStreamsNotifyRecords DomainName=push.example.com "StartTime=$(utc '-1 hour')" "EndTime=$(utc '+1 hour')" Status=failed
	jq -e '.TotalNum == 1 and (.NotifyRecordsInfo.LiveStreamNotifyRecordsInfo[0] | .NotifyType == "publish" and .StreamName == "a" and .NotifyResult == "failed" and (.NotifyContent | fromjson | .action == "publish"))' <<<"$output"
	receiver ok
	mr callback replay all
	within 10 told publish
	within 5 eval '[ "$(api Action=DescribeLiveStreamsNotifyRecords DomainName=push.example.com "StartTime=$(utc "-1 hour")" "EndTime=$(utc "+1 hour")" | jq .TotalNum)" = 2 ]'
	run -0 api Action=DescribeLiveStreamsNotifyRecords DomainName=push.example.com "StartTime=$(utc '-9 days')" "EndTime=$(utc '+1 hour')"
	jq -e '.Code == "InvalidParameter"' <<<"$output"
}

@test "a configuration with a bad key is refused, shown and deleted" {
	run -0 api Action=SetLiveStreamsNotifyUrlConfig DomainName=push.example.com NotifyUrl=http://a/ NotifyReqAuth=yes
	jq -e '.Code == "MissingParameter" and (.Message | test("NotifyAuthKey"))' <<<"$output"
	run -0 api Action=SetLiveStreamsNotifyUrlConfig DomainName=push.example.com NotifyUrl=ftp://a/
	jq -e '.Code == "InvalidParameter" and (.Message | test("NotifyUrl"))' <<<"$output"
	run -0 api Action=DescribeLiveStreamsNotifyUrlConfig DomainName=push.example.com
	jq -e '.LiveStreamsNotifyConfig | .NotifyReqAuth == "yes" and .NotifyAuthKey == "abcdefgh12345678"' <<<"$output"
	api Action=DeleteLiveStreamsNotifyUrlConfig DomainName=push.example.com
	run -0 api Action=DescribeLiveStreamsNotifyUrlConfig DomainName=push.example.com
	jq -e '.LiveStreamsNotifyConfig | .NotifyUrl == "" and .NotifyReqAuth == "no"' <<<"$output"
}
