#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Callbacks that were not delivered: signed, listed, replayed, dropped.

load lib

setup() {
	e2e_setup
	printf 'memory:\n  arena: 256m\ntasks:\n  retry_interval_min: 1\ncallback:\n  interval: 50ms\n  timeout: 1s\n  tries: 2\n  key: secret-key-1234\n' >"$T/up.yaml"
	up
	ports 1
	HOOK=${PORTS[0]}
	# A source that refuses: the task goes offline at once, which is an event.
	TASK=$(relay_create "rtmp://127.0.0.1:1/live/a" "rtmp://127.0.0.1:$RTMP/live/b" \
		"CallbackUrl=http://user:secret@127.0.0.1:$HOOK/cb" RetryCount=0)
	within 10 task_is "$TASK" 3
}

teardown() {
	e2e_teardown
}

receiver() {
	background receiver python3 "$BATS_TEST_DIRNAME/hook_receiver.py" "$HOOK" "$T/hooks.jsonl" ok
	within 20 listening "$HOOK"
}

dead() {
	[ "$(mr callback list --json | jq '[.callbacks[] | select(.state == "dead")] | length')" = "$1" ]
}

delivered() {
	jq -se "any(.[]; .accepted and ($1))" "$T/hooks.jsonl" >/dev/null 2>&1
}

@test "a callback that nobody takes is listed as dead, with the reason and without the password" {
	within 5 dead 1
	run -0 mr callback list
	[[ $output == *"$TASK"*dead* ]]
	[[ $output != *secret@* ]]
	mr callback list --json | jq -e '.callbacks[0] | .tries == 2 and (.why | length > 0) and (.body | fromjson | .TaskStatus == 3)'
}

@test "replay delivers it with the same event id, signed; it is listed no more" {
	within 5 dead 1
	event=$(mr callback list --json | jq -r '.callbacks[0].id')
	receiver
	run -0 mr callback replay "$event"
	within 5 delivered '.body.TaskStatus == 3'
	[ "$(jq -sr '.[0].event_id' "$T/hooks.jsonl")" = "$event" ]
	within 5 dead 0
	python3 - "$T/hooks.jsonl" <<'PY'
import hashlib, hmac, json, sys
got = json.loads(open(sys.argv[1]).readline())
h, key = got['headers'], 'secret-key-1234'
t = h['ali-live-timestamp']
assert h['ali-live-signature'] == hashlib.md5(f'127.0.0.1|{t}|{key}'.encode()).hexdigest()
assert h['x-millrace-signature'] == 'sha256=' + hmac.new(key.encode(), f'{t}.{got["raw"]}'.encode(), 'sha256').hexdigest()
PY
}

@test "drop forgets dead ones; an unknown event is an error" {
	within 5 dead 1
	run -1 mr callback drop no-such-event
	run -0 mr callback drop all
	dead 0
	run -1 mr callback replay no-such-event
}

@test "a replayed callback survives kill -9 of the control plane" {
	within 5 dead 1
	kill -TERM "$UP"
	end_of "$UP" 10
	sed -i 's/tries: 2/tries: 1000/; s/50ms/1s/' "$T/up.yaml"
	up_run
	run -0 mr callback replay all
	dead 0
	kill -KILL "$(pid_of cp)"
	receiver
	within 15 delivered '.body.TaskStatus == 3'
}
