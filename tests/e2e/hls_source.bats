#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# HLS as the source of a relay task: a script shows a live playlist of segments that ffmpeg has cut.

load lib

setup() {
	e2e_setup
	fixture
	mkdir "$T/source"
	ffmpeg -v error -i "$AV" -t 40 -c copy -f segment -segment_time 1 -segment_format mpegts "$T/source/%d.ts"
	background source python3 "$BATS_TEST_DIRNAME/hls_source.py" "$T/source"
	within 5 [ -s "$T/source.log" ]
	printf 'memory:\n  arena: 256m\ntasks:\n  retry_interval_min: 1\nrelay:\n  media_timeout: 3s\n' >"$T/up.yaml"
	up
	TASK=$(relay_create "http://127.0.0.1:$(cat "$T/source.log")/a.m3u8" "rtmp://127.0.0.1:$RTMP/live/copy")
}

teardown() {
	e2e_teardown
}

asked() { # NAME STATUS: of the source, by the relay
	grep -qx "$1 $2" "$T/source/requests"
}

@test "L12: a segment that an HLS source does not have is a gap: the task runs on, and so does its viewer" {
	within 20 task_is "$TASK" 1
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/copy.flv"
	background viewer curl -s -o "$T/viewer.flv" "http://127.0.0.1:$HTTP/live/copy.flv"
	viewer=$PID
	last=$(sed -n 's/^\([0-9]*\)\.ts 200$/\1/p' "$T/source/requests" | sort -n | tail -1)
	echo $((last + 3)) >"$T/source/missing"
	within 10 asked "$((last + 3)).ts" 404
	size=$(stat -c %s "$T/viewer.flv")
	within 10 asked "$((last + 5)).ts" 200
	within 10 eval "[ \$(stat -c %s '$T/viewer.flv') -gt $((size + 20000)) ]"
	alive "$viewer"
	task_is "$TASK" 1
}

@test "L12: an HLS playlist that stands still is a failure with its reason, one that begins anew is a new source" {
	within 20 task_is "$TASK" 1
	touch "$T/source/still"
	within 15 task_is "$TASK" 2
	run -0 api Action=DescribeLivePullToPush Region=local "TaskId=$TASK"
	[ "$(jq -r .TaskInvalidReason <<<"$output")" = PullStreamFailed ]
	rm "$T/source/still"
	within 20 task_is "$TASK" 1
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/copy.flv"
}
