#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# OnPlay and OnStop: one of each for every viewer, in this order, however it ends.

load lib

setup() {
	e2e_setup
	printf 'memory:\n  arena: 256m\ndomain:\n  running: cut\npublish:\n  hold: 0ms\n' >"$T/up.yaml"
	up
	ports 1
	HOOK=${PORTS[0]}
	background receiver python3 "$BATS_TEST_DIRNAME/hook_receiver.py" "$HOOK" "$T/hooks.jsonl" ok
	within 10 listening "$HOOK"
	mr domain add push.example.com --type ingest --open
	mr domain add play.example.com --type play --ingest push.example.com --open
	mr domain set play.example.com viewer_notify "notify_url=http://127.0.0.1:$HOOK/viewers"
}

teardown() {
	e2e_teardown
}

told() { # EVENT N: so many callbacks of that event
	[ "$(jq -s --arg e "$1" '[.[] | select(.body.Event == $e)] | length' "$T/hooks.jsonl" 2>/dev/null)" = "$2" ]
}

# views NAME [query]: a viewer of play.example.com by HTTP-FLV; its process id is in $PID
views() {
	background "views-$1" curl -sN -o /dev/null "http://127.0.0.1:$HTTP/live/$1.flv?vhost=play.example.com&${2:-}"
}

sends() { # NAME
	fixture
	background "sends-$1" ffmpeg -v error -re -stream_loop -1 -i "$AV" -c copy -f flv \
		"rtmp://127.0.0.1:$RTMP/live/$1?vhost=push.example.com"
	within 15 eval "mr stream list --json | jq -e 'any(.streams[]; .stream == \"push.example.com/live/$1\")'"
}

viewer_of() { # NAME: the id of its only viewer
	mr viewer list --json | jq -er --arg s "push.example.com/live/$1" '.viewers[] | select(.stream == $s) | .id'
}

@test "one OnPlay and one OnStop with the reason: left, closed by an operator, stream over, domain off" {
	sends a
	sends b
	publisher=$PID
	views a token=x
	within 10 told OnPlay 1
	kill "$PID"
	within 10 told OnStop 1
	views a
	within 10 told OnPlay 2
	mr viewer kick "$(viewer_of a)"
	within 10 told OnStop 2
	views b
	within 10 told OnPlay 3
	kill -INT "$publisher"
	within 10 told OnStop 3
	views a
	within 10 told OnPlay 4
	mr domain stop play.example.com
	within 10 told OnStop 4
	mr domain start play.example.com
	# Who is refused is told of by nobody.
	run -22 curl -sf --max-time 5 -o /dev/null "http://127.0.0.1:$HTTP/live/none.flv?vhost=play.example.com"
	views a
	within 10 told OnPlay 5
	jq -es '[.[].body] | group_by(.ViewerId) | length == 5 and
		(map([.[].Event] == ["OnPlay", "OnStop"]) | map(select(.)) | length) == 4 and
		all(.[][]; .DomainName == "play.example.com" and .AppName == "live" and .Protocol == "http-flv")' "$T/hooks.jsonl"
	[ "$(jq -rs '[.[].body | select(.Event == "OnStop") | .Reason | sub("peer_.*"; "left")] | join(" ")' "$T/hooks.jsonl")" = "left kicked stream_ended domain_disabled" ]
	jq -es '[.[].body | select(.Event == "OnStop")] | all(.[]; .DurationMs >= 0 and .Bytes > 0)' "$T/hooks.jsonl"
	[ "$(jq -rs '.[0].body.UsrArgs' "$T/hooks.jsonl")" = 'vhost=play.example.com&token=***' ]
}
