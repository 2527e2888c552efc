#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Pulled-stream relay tasks between foreign servers: nginx-rtmp sends, Millrace relays, nginx-rtmp
# receives.

load lib

setup() {
	e2e_setup
	nginx_start
}

teardown() {
	e2e_teardown
}

relay_of() { # name: publishes it at the source and relays it; sets TASK
	publish_to_source "$1"
	TASK=$(relay_create "rtmp://127.0.0.1:$NGX/src/$1" "rtmp://127.0.0.1:$NGX/dst/$1")
}

publish_to_source() {
	fixture
	background "publish-$1" ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmp://127.0.0.1:$NGX/src/$1"
	SOURCE=$PID
}

@test "the packets at the destination are the packets of the source" {
	up
	relay_of a
	within 10 task_is "$TASK" 1
	packets "rtmp://127.0.0.1:$NGX/dst/a" 4 >"$T/dst.txt"
	same_packets "$T/dst.txt"
	run -0 mr task show "$TASK"
	[[ $output == *Running* ]]
}

@test "an HTTP-FLV source is relayed" {
	up
	publish live
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/live.flv"
	TASK=$(relay_create "http://127.0.0.1:$HTTP/live/live.flv" "rtmp://127.0.0.1:$NGX/dst/f")
	within 10 task_is "$TASK" 1
	packets "rtmp://127.0.0.1:$NGX/dst/f" 4 >"$T/dst.txt"
	same_packets "$T/dst.txt"
}

@test "a relay back into the same node plays there" {
	up
	relay_of a
	TASK=$(relay_create "rtmp://127.0.0.1:$NGX/src/a" "rtmp://127.0.0.1:$RTMP/live/copy")
	within 10 task_is "$TASK" 1
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/copy.flv"
}

@test "a source that is away: Recovering with the reason, Running when it comes back" {
	up
	relay_of a
	within 10 task_is "$TASK" 1
	kill -TERM "$SOURCE"
	within 20 task_is "$TASK" 2
	run -0 api Action=DescribeLivePullToPush Region=local "TaskId=$TASK"
	[ "$(jq -r .TaskInvalidReason <<<"$output")" = PullStreamFailed ]
	publish_to_source a
	within 20 task_is "$TASK" 1
}

@test "P3: Describe tells since when media flows, how much, how old it is, on which node, and what interrupted it" {
	up
	publish_to_source a
	within 8 rtmp_plays "rtmp://127.0.0.1:$NGX/src/a"
	TASK=$(relay_create "rtmp://127.0.0.1:$NGX/src/a" "rtmp://127.0.0.1:$NGX/dst/a" RetryCount=100)
	within 10 task_is "$TASK" 1
	within 10 described '.InBps > 100000 and .OutBps > 100000 and .LastMediaAgeMs >= 0 and .LastMediaAgeMs < 5000'
	described '.FirstMediaTime != "" and .RunningSince != "" and .StateSince == .RunningSince and .Reconnects == 0 and .LastReason == ""'
	described ".Node == \"$(mr status --json | jq -r .node)\""
	kill -TERM "$SOURCE"
	within 20 task_is "$TASK" 2
	described '.Reason != "" and .LastReason == .Reason and .RunningSince == ""'
	publish_to_source a
	within 20 task_is "$TASK" 1
	described '.Reason == "" and .LastReason != "" and .Reconnects == 1'
	mr task stop "$TASK"
	described '.Node == "" and .Reason == "stopped" and .Reconnects == 1'
}

described() { # CONDITION
	api Action=DescribeLivePullToPush Region=local "TaskId=$TASK" >"$T/described.log"
	jq -e "$1" "$T/described.log" >/dev/null
}

@test "retries used up: Offline, and a restart starts it again" {
	up
	TASK=$(relay_create "rtmp://127.0.0.1:1/src/nobody" "rtmp://127.0.0.1:$NGX/dst/x" RetryCount=2)
	within 20 task_is "$TASK" 3
	run -0 api Action=DescribeLivePullToPush Region=local "TaskId=$TASK"
	[ "$(jq -r .TaskInvalidReason <<<"$output")" = PullStreamFailed ]
	[[ $output == *connect_refused* ]]
	publish_to_source back
	run -0 api Action=UpdateLivePullToPush Region=local "TaskId=$TASK" "SourceUrls=[\"rtmp://127.0.0.1:$NGX/src/back\"]"
	run -0 mr task restart "$TASK"
	within 15 task_is "$TASK" 1
}

@test "a destination that refuses: PushStreamFailed, and other tasks of the source go on" {
	up
	relay_of a
	good=$TASK
	within 10 task_is "$good" 1
	TASK=$(relay_create "rtmp://127.0.0.1:$NGX/src/a" "rtmp://127.0.0.1:$NGX/closed/a" RetryCount=1)
	within 20 task_is "$TASK" 3
	run -0 api Action=DescribeLivePullToPush Region=local "TaskId=$TASK"
	[ "$(jq -r .TaskInvalidReason <<<"$output")" = PushStreamFailed ]
	task_is "$good" 1
	packets "rtmp://127.0.0.1:$NGX/dst/a" 3 >"$T/dst.txt"
	same_packets "$T/dst.txt"
}

@test "a source whose connection stays open but stalls is found by the age of its media" {
	printf 'memory:\n  arena: 256m\ntasks:\n  retry_interval_min: 1\nrelay:\n  media_timeout: 2s\n' >"$T/up.yaml"
	up
	relay_of a
	within 10 task_is "$TASK" 1
	kill -STOP "$SOURCE"
	within 10 task_is "$TASK" 2
	run -0 api Action=DescribeLivePullToPush Region=local "TaskId=$TASK"
	[[ $output == *media_timeout* ]]
	kill -CONT "$SOURCE"
	within 15 task_is "$TASK" 1
}

@test "stop, start and delete: the destination ends and comes back" {
	up
	relay_of a
	within 10 task_is "$TASK" 1
	within 10 rtmp_plays "rtmp://127.0.0.1:$NGX/dst/a"
	run -0 mr task stop "$TASK"
	within 5 task_is "$TASK" 3
	run ! rtmp_plays "rtmp://127.0.0.1:$NGX/dst/a"
	run -0 mr task restart "$TASK"
	within 10 task_is "$TASK" 1
	within 10 rtmp_plays "rtmp://127.0.0.1:$NGX/dst/a"
	run -0 mr task delete "$TASK"
	within 5 no_relay_legs
}

no_relay_legs() {
	[ "$(mr status --json | jq '[.streams[] | select(.internal)] | length')" = 0 ]
}

@test "a task starts at its start time and is deleted at its end time" {
	up
	publish_to_source t
	answer=$(api Action=CreateLivePullToPush Region=local "StartTime=$(utc '+3 seconds')" "EndTime=$(utc '+8 seconds')" \
		SourceType=live SourceProtocol=rtmp "SourceUrls=[\"rtmp://127.0.0.1:$NGX/src/t\"]" "DstUrl=rtmp://127.0.0.1:$NGX/dst/t")
	TASK=$(jq -r .TaskId <<<"$answer")
	task_is "$TASK" 0
	within 10 task_is "$TASK" 1
	within 10 gone "$TASK"
}

gone() {
	[ "$(api Action=DescribeLivePullToPush Region=local "TaskId=$1" | jq -r '.Code // empty')" != "" ]
}
