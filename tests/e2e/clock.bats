#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Schedules on a wall clock that is set, and on a machine that was down (interop P11).

load lib

setup() {
	e2e_setup
	nginx_start
	fixture
	background source ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmp://127.0.0.1:$NGX/src/a"
	SOURCE=$PID
	within 5 rtmp_plays "rtmp://127.0.0.1:$NGX/src/a"
	cc -shared -fPIC -O1 -o "$T/clock.so" "$BATS_TEST_DIRNAME/clock_shift.c"
	export CLOCK_SHIFT=$T/shift
	clock 0
}

teardown() {
	e2e_teardown
}

# clock SECONDS: Millrace's wall clock is that much ahead
clock() {
	python3 -c "import struct, sys
f = open(sys.argv[1], 'r+b' if int(sys.argv[3]) else 'w+b')
f.write(struct.pack('q', int(sys.argv[2]) * 1000))" "$CLOCK_SHIFT" "$1" "$([ -e "$CLOCK_SHIFT" ] && echo 1 || echo 0)"
}

up_shifted() {
	LD_PRELOAD=$T/clock.so ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0 "$@"
}

# task START END [k=v...]: its id is in $id
task() {
	local start=$1 end=$2
	shift 2
	id=$(relay_create "rtmp://127.0.0.1:$NGX/src/a" "rtmp://127.0.0.1:$NGX/dst/a" "StartTime=$(utc "$start")" \
		"EndTime=$(utc "$end")" RetryCount=100 "$@")
}

# Overrides the helper's own times.
relay_create() {
	local src=$1 dst=$2
	shift 2
	api Action=CreateLivePullToPush Region=local SourceType=live SourceProtocol=rtmp "SourceUrls=[\"$src\"]" "DstUrl=$dst" \
		RetryInterval=1 "$@" | jq -er .TaskId
}

gone() {
	[ "$(api Action=DescribeLivePullToPush Region=local "TaskId=$1" | jq -r .Code)" = InvalidTaskId.NotFound ]
}

@test "P11: a clock that is set over StartTime starts the task, one that is set back leaves it, over EndTime ends it" {
	up_shifted up
	task '+1 hour' '+3 hours'
	[ "$(task_status "$id")" = 0 ]
	clock 3601
	within 10 task_is "$id" 1
	# Back before its start: what runs goes on.
	clock -7200
	read -rt 6 <> <(:) || :
	task_is "$id" 1
	mr status --json | jq -e '[.streams[] | select(.pushes > 0)] | length == 1'
	clock 10801
	within 10 gone "$id"
	within 5 not rtmp_plays "rtmp://127.0.0.1:$NGX/dst/a"
}

@test "P11: intervals are not the wall clock's: a retry comes after its second, whatever the clock was set to" {
	up_shifted up
	task now '+9 hours'
	within 10 task_is "$id" 1
	kill -TERM "$SOURCE"
	within 20 task_is "$id" 2
	clock -7200
	used=$(retries)
	within 8 more_retries "$used"
	background source2 ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmp://127.0.0.1:$NGX/src/a"
	within 15 task_is "$id" 1
	clock 7200
	read -rt 6 <> <(:) || :
	task_is "$id" 1
}

retries() {
	api Action=DescribeLivePullToPush Region=local "TaskId=$id" | jq -r .RetriesUsed
}

more_retries() {
	[ "$(retries)" -ge $(($1 + 2)) ]
}

@test "P11: what began while the machine was down starts late, what ended is ended, with its callback" {
	ports 1
	local hook=${PORTS[0]}
	background hook python3 "$BATS_TEST_DIRNAME/hook_receiver.py" "$hook" "$T/hooks" ok
	within 5 listening "$hook"
	up_shifted up
	task '+1 hour' '+3 hours' TaskId=late
	api Action=CreateLivePullToPush Region=local SourceType=live SourceProtocol=rtmp "SourceUrls=[\"rtmp://127.0.0.1:$NGX/src/a\"]" \
		"DstUrl=rtmp://127.0.0.1:$NGX/dst/b" RetryInterval=1 TaskId=over "StartTime=$(utc '+1 hour')" "EndTime=$(utc '+90 minutes')" \
		"CallbackUrl=http://127.0.0.1:$hook/" | jq -e .TaskId
	kill -TERM "$UP"
	end_of "$UP" 15
	clock 7200
	up_shifted up_run
	within 10 task_is late 1
	within 10 gone over
	within 10 grep -q OverEndTime "$T/hooks"
}
