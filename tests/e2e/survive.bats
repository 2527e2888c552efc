#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What must hold (architecture, section 10): any process may be killed at any moment.

load lib

setup() {
	e2e_setup
	nginx_start
	up
	fixture
	background source ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmp://127.0.0.1:$NGX/src/a"
	TASK=$(relay_create "rtmp://127.0.0.1:$NGX/src/a" "rtmp://127.0.0.1:$NGX/dst/a")
	within 15 task_is "$TASK" 1
}

teardown() {
	e2e_teardown
}

# kill_during NAME: a viewer of the destination plays for 8 s; NAME is killed at a random moment
kill_during() {
	local victim
	victim=$(pid_of "$1")
	packets "rtmp://127.0.0.1:$NGX/dst/a" 8 >"$T/dst.txt" &
	local player=$!
	read -rt "1.$((RANDOM % 900 + 100))" <> <(:) || :
	kill -KILL "$victim"
	wait $player
}

@test "kill -9 of the control plane: the relay and its viewers do not notice; tasks are all there after" {
	kill_during cp
	same_packets "$T/dst.txt"
	within 15 up_ready
	within 10 task_is "$TASK" 1
	run -0 mr task list --json
	[ "$(jq '.tasks | length' <<<"$output")" = 1 ]
}

@test "kill -9 of Redis: the relay and its viewers do not notice; tasks are all there after" {
	kill_during redis
	same_packets "$T/dst.txt"
	within 15 up_ready
	within 10 task_is "$TASK" 1
}

@test "kill -9 of the data plane: the task comes back by itself and costs no retry" {
	kill -KILL "$(pid_of dp)"
	within 20 rtmp_flows
	within 10 task_is "$TASK" 1
	run -0 api Action=DescribeLivePullToPush Region=local "TaskId=$TASK"
	packets "rtmp://127.0.0.1:$NGX/dst/a" 3 >"$T/dst.txt"
	same_packets "$T/dst.txt"
}

rtmp_flows() {
	task_is "$TASK" 1 && rtmp_plays "rtmp://127.0.0.1:$NGX/dst/a"
}

@test "kill -9 of everything at once: after the next start the task runs again" {
	kill -KILL "$(pid_of cp)" "$(pid_of dp)" "$(pid_of redis)" "$UP"
	end_of "$UP" 5
	within 5 not listening "$RTMP"
	up_run
	within 15 task_is "$TASK" 1
}

@test "kill -9 of millrace up leaves no process behind" {
	children=$(pgrep -P "$UP")
	kill -KILL "$UP"
	for pid in $children; do
		end_of "$pid" 6
	done
}

@test "kill -9 of the data plane while all of it starts: it is started again" {
	local killer
	kill -TERM "$UP"
	end_of "$UP" 10
	(until pid=$(pgrep -of "millrace-dp --state $S "); do :; done && kill -KILL "$pid") &
	killer=$!
	up_run
	wait "$killer"
	grep -q 'dp was ended by signal 9; starting it again' "$T/up.log"
	within 15 task_is "$TASK" 1
}
