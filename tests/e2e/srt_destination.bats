#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Tasks that push by SRT: a worker sends MPEG-TS on.

load lib
load clips

setup() {
	e2e_setup
	up
	ports 1
	SRT=${PORTS[0]}
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
}

teardown() {
	e2e_teardown
}

# listener NAME: takes what comes at $SRT into $T/NAME.ts
listener() {
	background "listener-$1" ffmpeg -v warning -y -i "srt://127.0.0.1:$SRT?mode=listener" -c copy -f mpegts "$T/$1.ts"
	LISTENER=$PID
}

grown() { # FILE BYTES
	[ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -ge "$2" ]
}

@test "an SRT destination gets the stream, is left when it goes away and comes back" {
	listener one
	TASK=$(relay_create "rtmp://127.0.0.1:$RTMP/live/a" "srt://127.0.0.1:$SRT?streamid=secret-word")
	within 20 task_is "$TASK" 1
	within 20 grown "$T/one.ts" 400000
	[ "$(described "$TASK" OutBps)" -gt 100000 ]
	kill -TERM "$LISTENER"
	within 20 task_is "$TASK" 2
	[ "$(described "$TASK" TaskInvalidReason)" = PushStreamFailed ]
	continuous "$T/one.ts" 110
	listener two
	within 20 task_is "$TASK" 1
	within 20 grown "$T/two.ts" 100000
	run ! grep -r secret-word "$S/log"
}

@test "SRT beside RTMP: each destination by itself" {
	listener one
	TASK=$(relay_create "rtmp://127.0.0.1:$RTMP/live/a" "rtmp://127.0.0.1:$RTMP/live/b" "DstUrls=[\"srt://127.0.0.1:$SRT\"]")
	within 20 second_is Running
	within 20 grown "$T/one.ts" 100000
	kill -TERM "$LISTENER"
	within 20 second_is Retrying
	task_is "$TASK" 1
	rtmp_plays "rtmp://127.0.0.1:$RTMP/live/b"
	listener two
	within 20 second_is Running
	worker=$(pgrep -P "$(pid_of cp)" -x millrace-worker)
	kill -KILL "$worker"
	within 10 another_worker "$worker"
	run -0 mr task delete "$TASK"
	within 10 not pgrep -P "$(pid_of cp)" -x millrace-worker
}

another_worker() {
	local now
	now=$(pgrep -P "$(pid_of cp)" -x millrace-worker) && [ "$now" != "$1" ]
}

second_is() {
	[ "$(described "$TASK" 'Destinations[1].State')" = "$1" ]
}

@test "an SRT destination may not listen" {
	run -0 api Action=CreateLivePullToPush Region=local "StartTime=$(utc now)" "EndTime=$(utc '+1 hour')" SourceType=live \
		SourceProtocol=rtmp 'SourceUrls=["rtmp://h/a/b"]' 'DstUrl=srt://h:9000?mode=listener'
	[[ $(jq -r .Message <<<"$output") == *"mode other than caller"* ]]
}
