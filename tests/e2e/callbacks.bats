#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Event callbacks of tasks: at least once, in order per task, whatever the receiver or we do.

load lib

setup() {
	e2e_setup
	printf 'memory:\n  arena: 256m\ntasks:\n  retry_interval_min: 1\ncallback:\n  interval: 200ms\n  timeout: 1s\n' >"$T/up.yaml"
	up
	fixture
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	ports 1
	HOOK=${PORTS[0]}
}

teardown() {
	e2e_teardown
}

# receiver MODE: ok answers 200; failN answers 500 N times per event first; hang never answers
receiver() {
	background receiver python3 "$BATS_TEST_DIRNAME/hook_receiver.py" "$HOOK" "$T/hooks.jsonl" "$1"
	within 20 listening "$HOOK"
}

# shellcheck disable=SC2120 # more parameters are optional
task() {
	TASK=$(relay_create "rtmp://127.0.0.1:$RTMP/live/a" "rtmp://127.0.0.1:$RTMP/live/b" "CallbackUrl=http://127.0.0.1:$HOOK/cb" "$@")
}

# delivered FILTER: some accepted callback matches
delivered() {
	jq -se "any(.[]; .accepted and ($1))" "$T/hooks.jsonl" >/dev/null 2>&1
}

@test "Running and Exit events have the documented fields" {
	receiver ok
	task
	within 10 delivered '.body.TaskStatus == 1'
	run -0 mr task delete "$TASK"
	within 10 delivered '.body.TaskStatus == -1'
	jq -se --arg id "$TASK" '.[0] | .body.Event == "LivePullToPushRunning" and .body.TaskId == $id and (.body.EventTime | type == "string") and .body.TaskInfo.TaskId == $id and .method == "POST" and (.event_id | length > 0) and .attempt == "1"' "$T/hooks.jsonl"
	jq -se 'last | .body.TaskExitReason == "TriggerByUser" and .body.Event == "LivePullToPushExit"' "$T/hooks.jsonl"
}

@test "a receiver that fails gets the same event id again, with the next attempt" {
	receiver fail2
	task
	within 10 delivered '.body.TaskStatus == 1'
	jq -se '[.[] | select(.body.TaskStatus == 1)] | (map(.event_id) | unique | length) == 1 and map(.attempt) == ["1","2","3"]' "$T/hooks.jsonl"
}

@test "a receiver that hangs delays no other task" {
	receiver hang
	task
	ports 1
	slow=$HOOK
	HOOK=${PORTS[0]}
	mv "$T/hooks.jsonl" "$T/slow.jsonl" 2>/dev/null || :
	receiver ok
	TASK=$(relay_create "rtmp://127.0.0.1:$RTMP/live/a" "rtmp://127.0.0.1:$RTMP/live/c" "CallbackUrl=http://127.0.0.1:$HOOK/cb")
	within 6 delivered '.body.TaskStatus == 1'
	[ "$slow" != "$HOOK" ]
}

@test "undelivered callbacks survive kill -9 of the control plane and arrive in order" {
	printf 'memory:\n  arena: 256m\ntasks:\n  retry_interval_min: 1\ncallback:\n  interval: 1s\n  tries: 100\n' >"$T/up.yaml"
	kill -TERM "$UP"
	end_of "$UP" 10
	up_run
	publish d
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/d.flv"
	TASK=$(relay_create "rtmp://127.0.0.1:$RTMP/live/d" "rtmp://127.0.0.1:$RTMP/live/e" "CallbackUrl=http://127.0.0.1:$HOOK/cb")
	within 10 task_is "$TASK" 1
	run -0 mr task stop "$TASK"
	within 5 task_is "$TASK" 3
	kill -KILL "$(pid_of cp)"
	receiver ok
	within 20 delivered '.body.TaskStatus == 3'
	jq -se '[.[] | select(.accepted) | .body.TaskStatus] | (index(1) < index(3))' "$T/hooks.jsonl"
}

# statuses [PATH]: the TaskStatus of what was accepted (at PATH), in order
statuses() {
	jq -sr --arg p "${1:-}" '[.[] | select(.accepted and ($p == "" or .path == $p)) | .body.TaskStatus | tostring] | join(" ")' "$T/hooks.jsonl"
}

# between START END SOURCE PATH: a task with one retry that tells PATH; its id is in TASK
between() {
	TASK=$(api Action=CreateLivePullToPush Region=local "StartTime=$(utc "$1")" "EndTime=$(utc "$2")" SourceType=live SourceProtocol=rtmp \
		"SourceUrls=[\"rtmp://127.0.0.1:$RTMP/live/$3\"]" "DstUrl=rtmp://127.0.0.1:$RTMP/live/h" RetryInterval=1 RetryCount=1 \
		"CallbackUrl=http://127.0.0.1:$HOOK/$4" | jq -er .TaskId)
}

# No event for Idle, one for each change to Running, Recovering and Offline, in their order, one for Exit.
@test "the life of a task as it is told: what, in which order, with which reasons, and what is not told" {
	receiver ok
	publish g
	SOURCE=$PID
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/g.flv"
	between '+3 sec' '+1 hour' g one
	task_is "$TASK" 0
	within 15 delivered '.body.TaskStatus == 1'
	kill -TERM "$SOURCE"
	within 40 delivered '.body.TaskStatus == 3'
	publish g
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/g.flv"
	api Action=RestartLivePullToPush Region=local "TaskId=$TASK" | jq -e .TaskId
	within 15 told "1 2 3 1"
	api Action=StopLivePullToPush Region=local "TaskId=$TASK" | jq -e .TaskId
	within 10 told "1 2 3 1 3"
	# Another address counts for later events only, none for none.
	api Action=UpdateLivePullToPush Region=local "TaskId=$TASK" CallbackUrl= | jq -e '.RetCode == 0'
	api Action=RestartLivePullToPush Region=local "TaskId=$TASK" | jq -e .TaskId
	within 15 task_is "$TASK" 1
	api Action=UpdateLivePullToPush Region=local "TaskId=$TASK" "CallbackUrl=http://127.0.0.1:$HOOK/two" | jq -e '.RetCode == 0'
	api Action=DeleteLivePullToPush Region=local "TaskId=$TASK" | jq -e '.RetCode == 0'
	within 10 delivered '.body.TaskStatus == -1'
	[ "$(statuses /one)" = "1 2 3 1 3" ]
	[ "$(statuses /two)" = -1 ]
	jq -se --arg id "$TASK" 'def all_of(f): map(f) | all; [.[] | select(.accepted)] |
		all_of(.method == "POST" and (.headers["content-type"] | startswith("application/json")) and .attempt == "1")
		and all_of(.body | .TaskId == $id and .TaskInfo.TaskId == $id and (.TaskInfo | has("StartTime")) and (.EventTime | test("^[0-9]+$")))
		and (map(.event_id) | length == (unique | length))
		and all_of(.headers | has("ali-live-signature") or has("x-millrace-signature") | not)
		and (.[:5] | all_of(.body.Event == "LivePullToPushRunning"))
		and (map(.body.TaskInvalidReason) == [null, null, "RetryTimesOffline", null, "TriggerByUser", null])
		and (last.body | .Event == "LivePullToPushExit" and .TaskExitReason == "TriggerByUser" and (.TaskExitTime | type == "number"))' "$T/hooks.jsonl"
}

told() {
	[ "$(statuses)" = "$1" ]
}

@test "the end of a task's time is told as its exit, and nothing after it" {
	receiver ok
	between now '+8 sec' a cb
	within 20 delivered '.body.Event == "LivePullToPushExit"'
	jq -se 'last | .body | .TaskStatus == -1 and .TaskExitReason == "OverEndTime" and (has("TaskInvalidReason") | not)' "$T/hooks.jsonl"
	within 5 gone "$TASK"
	[ "$(statuses)" = "1 -1" ]
}

gone() {
	[ "$(api Action=DescribeLivePullToPush Region=local "TaskId=$1" | jq -r .TaskStatus)" = null ]
}
