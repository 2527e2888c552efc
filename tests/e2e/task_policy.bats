#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What tasks can beyond the documented API: their own ids, retry policies, long times.

load lib

setup() {
	e2e_setup
	up
}

teardown() {
	e2e_teardown
}

create() { # k=v...: prints the answer; times are fixed, so that a second call is the same call
	api Action=CreateLivePullToPush Region=local "StartTime=$START" "EndTime=$END" SourceType=live SourceProtocol=rtmp \
		"SourceUrls=[\"rtmp://127.0.0.1:1/live/a\"]" "DstUrl=rtmp://127.0.0.1:$RTMP/live/b" "$@"
}

@test "a caller-chosen TaskId: the same creation is answered the same, another is refused, nothing doubles" {
	START=$(utc now) END=$(utc '+1 hour')
	id=cup_final.2026-$(printf 'x%.0s' {1..40})
	run -0 create "TaskId=$id"
	[ "$(jq -r .TaskId <<<"$output")" = "$id" ]
	[ "$(create "TaskId=$id" | jq -r .RetCode)" = 0 ]
	[ "$(create "TaskId=$id" RetryCount=7 | jq -r .Code)" = InvalidTaskId.Duplicate ]
	[ "$(create "TaskId=a b" | jq -r .Code)" = InvalidParameter ]
	[ "$(mr task list --json | jq '.tasks | length')" = 1 ]
	kill -KILL "$(pid_of cp)"
	within 15 up_ready
	[ "$(create "TaskId=$id" | jq -r .RetCode)" = 0 ]
	run -0 mr task delete "$id"
	[ "$(create "TaskId=$id" RetryCount=7 | jq -r .RetCode)" = 0 ]
}

@test "a task with an id of its own relays" {
	fixture
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	run -0 relay_create "rtmp://127.0.0.1:$RTMP/live/a" "rtmp://127.0.0.1:$RTMP/live/b" TaskId=cup
	within 10 task_is cup 1
	# It is taken over, not started anew, by the next control plane.
	kill -KILL "$(pid_of cp)"
	within 15 task_is cup 1
}

@test "RetryCount -1 never goes offline; exponential waits longer every time, and long after a final error" {
	START=$(utc now) END=$(utc '+1 hour')
	create TaskId=forever RetryCount=-1 RetryInterval=1 RetryPolicy=exponential RetryMaxInterval=2
	within 15 retried forever 3
	task_is forever 2
	api Action=CreateLivePullToPush Region=local "StartTime=$START" "EndTime=$END" SourceType=live SourceProtocol=rtmp \
		"SourceUrls=[\"rtmp://no-such-host.invalid/live/a\"]" "DstUrl=rtmp://127.0.0.1:$RTMP/live/c" \
		TaskId=final RetryInterval=1 RetryPolicy=exponential RetryMaxInterval=4000
	within 15 task_is final 2
	run -0 api Action=DescribeLivePullToPush Region=local TaskId=final
	[ "$(jq -r .Reason <<<"$output")" = dns_failed ]
	[ "$(date -d "$(jq -r .NextRetryTime <<<"$output")" +%s)" -gt $(($(date +%s) + 2900)) ]
	[ "$(create TaskId=bad RetryPolicy=sometimes | jq -r .Code)" = InvalidParameter ]
	[ "$(create TaskId=bad RetryPolicy=exponential RetryInterval=100 RetryMaxInterval=99 | jq -r .Code)" = InvalidParameter ]
	[ "$(create TaskId=bad RetryCount=-2 | jq -r .Code)" = InvalidParameter ]
}

retried() {
	[ "$(api Action=DescribeLivePullToPush Region=local "TaskId=$1" | jq -r .RetriesUsed)" -ge "$2" ]
}

@test "a task may last longer than 7 days" {
	START=$(utc '+1 day') END=$(utc '+400 days')
	run -0 create TaskId=long
	[ "$(jq -r .RetCode <<<"$output")" = 0 ]
}
