#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A server of the operator's decides who publishes and who plays.

load lib

setup() {
	e2e_setup
	up
	ports 1
	ASKED=${PORTS[0]}
	mr domain add push.example.com --type ingest --open
	mr domain add play.example.com --type play --open --ingest push.example.com
	mr domain set push.example.com,play.example.com remote_auth "remote_auth_addr=http://127.0.0.1:$ASKED/ask?k=v" remote_auth_ttl=60
	fixture
}

teardown() {
	e2e_teardown
}

receiver() { # MODE
	background receiver python3 "$BATS_TEST_DIRNAME/hook_receiver.py" "$ASKED" "$T/asked.jsonl" "$1"
	within 5 listening "$ASKED"
}

sends() { # NAME TOKEN
	background "sends-$1" ffmpeg -v error -re -stream_loop -1 -i "$AV" -c copy -f flv \
		"rtmp://127.0.0.1:$RTMP/live/$1?vhost=push.example.com&token=$2"
}

live() {
	mr stream list --json | jq -e --arg k "push.example.com/live/$1" 'any(.streams[]; .stream == $k)' >/dev/null
}

status_of() { # NAME TOKEN: what a player by HTTP gets
	curl -s -o /dev/null -w '%{http_code}' --max-time 2 -H 'Host: play.example.com' "http://127.0.0.1:$HTTP/live/$1.flv?token=$2" || true
}

asked() { # how often, by kind
	jq -rs --arg a "action=$1" '[.[] | select(.path | contains($a))] | length' "$T/asked.jsonl"
}

@test "publishers and players with the token are let in, others are refused, and an answer counts for its time" {
	receiver token
	sends a bad
	end_of "$PID" 10
	run ! live a
	sends a good
	within 10 live a
	within 5 eval '[ "$(status_of a good)" = 200 ]'
	[ "$(status_of a bad)" = 403 ]
	n=$(asked play)
	for _ in 1 2 3; do [ "$(status_of a good)" = 200 ]; done
	[ "$(asked play)" = "$n" ]
	jq -se 'any(.[]; .method == "GET" and (.path | test("^/ask\\?k=v&action=publish&domain=push.example.com&app=live&stream=a&address=127\\.0\\.0\\.1.*token=good")))' "$T/asked.jsonl"
}

@test "a server that hangs refuses by default and lets in with pass, without holding anybody else" {
	receiver hang
	[ "$(status_of a good)" = 403 ]
	mr domain set push.example.com remote_auth "remote_auth_addr=http://127.0.0.1:$ASKED/" remote_auth_timeout_action=pass
	sends a any
	within 10 live a
	mr domain unset play.example.com remote_auth
	within 5 eval '[ "$(status_of a any)" = 200 ]'
}

@test "no server at all is no answer" {
	[ "$(status_of a good)" = 403 ]
	mr domain set play.example.com remote_auth "remote_auth_addr=http://127.0.0.1:$ASKED/" remote_auth_timeout_action=pass
	within 5 eval '[ "$(status_of a good)" = 404 ]'
}
