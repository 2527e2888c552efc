#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Tasks scheduled by other programs through the stream mr:cmd of Redis.

# shellcheck disable=SC2030,SC2031,SC2119,SC2120 # parameters are optional
load lib

setup() {
	e2e_setup
	up
	export REDIS="-s $S/redis/redis.sock"
	COMMAND=$TOP/configs/redis/command.sh
	DST=rtmp://127.0.0.1:$RTMP/live/b
}

teardown() {
	e2e_teardown
}

r() {
	# shellcheck disable=SC2086 # several words
	redis-cli $REDIS "$@"
}

# create [FIELD VALUE]...: the sample program of the documentation makes a task
create() {
	"$COMMAND" create Region local SourceType live SourceProtocol rtmp SourceUrls "[\"rtmp://127.0.0.1:$RTMP/live/a\"]" \
		DstUrl "$DST" StartTime "$(utc now)" EndTime "$(utc '+1 hour')" RetryInterval 1 RetryCount 1000 "$@"
}

count() {
	mr task list --json | jq '.tasks | length'
}

nothing_left() {
	[ "$(r XLEN mr:cmd)" = 0 ]
}

@test "the documented sample creates, stops, starts, restarts, updates and deletes a task" {
	fixture
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	run -0 create TaskId cup
	[ "$(jq -r .TaskId <<<"$output")" = cup ]
	within 10 task_is cup 1
	run -1 "$COMMAND" start Region local TaskId cup
	[ "$(jq -r .Code <<<"$output")" = OperationDenied.TaskStatus ]
	run -0 "$COMMAND" stop Region local TaskId cup
	task_is cup 3
	run -0 "$COMMAND" start Region local TaskId cup
	within 10 task_is cup 1
	run -0 "$COMMAND" restart Region local TaskId cup
	run -0 "$COMMAND" update Region local TaskId cup RepeatNumber 7
	[ "$(api Action=DescribeLivePullToPush Region=local TaskId=cup | jq .TaskInfo.RepeatNumber)" = 7 ]
	run -0 "$COMMAND" delete Region local TaskId cup
	[ "$(count)" = 0 ]
	within 5 nothing_left
}

@test "the same correlation again gets the same answer and does nothing" {
	export CORRELATION=once
	run -0 create
	first=$output
	run -0 create
	[ "$output" = "$first" ]
	[ "$(count)" = 1 ]
	run -0 "$COMMAND" delete Region local TaskId cup
	[ "$output" = "$first" ]
	[ "$(count)" = 1 ]
}

@test "what is malformed is refused with the rule, counted, and changes nothing" {
	run -1 "$COMMAND" explode Region local
	[ "$(jq -r .Code <<<"$output")" = InvalidAction.NotFound ]
	run -1 create RetryCount 1
	[[ "$(jq -r .Message <<<"$output")" == *twice* ]]
	run -1 "$COMMAND" create Region local
	[ "$(jq -r .Code <<<"$output")" = MissingParameter ]
	run -1 "$COMMAND" stop Region local TaskId nobody
	[ "$(jq -r .Status <<<"$output")" = 404 ]
	run -1 "$COMMAND" stop Region local TaskId "$(printf 'a\377b')"
	[[ "$(jq -r .Message <<<"$output")" == *UTF-8* ]]
	r XADD mr:cmd '*' Action stop TaskId a
	r XADD mr:cmd '*' x y
	within 5 nothing_left
	[ "$(count)" = 0 ]
	within 5 refused 7
	alive "$(pid_of cp)"
}

refused() {
	[ "$(r --raw HGET "$(r --raw KEYS 'mr:node:*')" CommandsRefused)" -ge "$1" ]
}

@test "commands sent while the control plane is dead are done when it is back, in order" {
	kill -STOP "$UP"
	kill -KILL "$(pid_of cp)"
	for n in 1 2 3; do
		DST=rtmp://127.0.0.1:$RTMP/live/d$n
		r XADD mr:cmd '*' Action create Correlation "c$n" Region local TaskId "t$n" SourceType live SourceProtocol rtmp \
			SourceUrls '["rtmp://127.0.0.1:1/live/a"]' DstUrl "$DST" StartTime "$(utc '+1 hour')" EndTime "$(utc '+2 hour')"
	done
	r XADD mr:cmd '*' Action delete Correlation c4 Region local TaskId t2
	kill -CONT "$UP"
	[ "$(r --raw BLPOP mr:cmd:reply:c4 15 | tail -n 1 | jq .Status)" = 200 ]
	[ "$(mr task list --json | jq -c '[.tasks[].TaskId] | sort')" = '["t1","t3"]' ]
}

@test "a command that was handed out and not answered is done again, once" {
	kill -STOP "$UP"
	kill -KILL "$(pid_of cp)"
	r XGROUP CREATE mr:cmd millrace 0 MKSTREAM || :
	node=$(r --raw KEYS 'mr:node:*')
	r XADD mr:cmd '*' Action create Correlation half Region local SourceType live SourceProtocol rtmp \
		SourceUrls '["rtmp://127.0.0.1:1/live/a"]' DstUrl "$DST" StartTime "$(utc '+1 hour')" EndTime "$(utc '+2 hour')"
	r XREADGROUP GROUP millrace "${node#mr:node:}" STREAMS mr:cmd '>'
	kill -CONT "$UP"
	[ "$(r --raw BLPOP mr:cmd:reply:half 15 | tail -n 1 | jq .Status)" = 200 ]
	within 15 up_ready
	[ "$(count)" = 1 ]
}
