#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# One task, several destinations (DstUrls): each by itself.

load lib

setup() {
	e2e_setup
	up
	nginx_start
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
}

teardown() {
	e2e_teardown
}

described() { # JQ
	api Action=DescribeLivePullToPush Region=local "TaskId=$TASK" | jq -r "$1"
}

dest_is() { # NUMBER STATE
	[ "$(described ".Destinations[$1].State")" = "$2" ]
}

dst() {
	echo "rtmp://127.0.0.1:$NGX/dst/$1"
}

dead() { # an address where nobody listens
	ports 1
	echo "rtmp://127.0.0.1:${PORTS[0]}/dst/x"
}

@test "P8 every destination gets the same bytes; one that is dead is tried and given up by itself" {
	TASK=$(relay_create "rtmp://127.0.0.1:$RTMP/live/a" "$(dst one)" "DstUrls=[\"$(dst two)\",\"$(dead)\"]" RetryCount=1)
	within 10 task_is "$TASK" 1
	within 10 dest_is 0 Running
	within 10 dest_is 1 Running
	packets "$(dst one)" 3 >"$T/one" &
	reader=$!
	packets "$(dst two)" 3 >"$T/two"
	wait "$reader"
	same_packets "$T/one"
	same_packets "$T/two"
	within 15 dest_is 2 Failed
	[ "$(described '.Destinations[2].Reason')" = connect_refused ]
	[ "$(described '.Destinations[2].RetriesUsed')" = 1 ]
	[ "$(described .RetriesUsed)" = 0 ]
	[ "$(described '.Destinations[1].OutBps > 100000')" = true ]
	task_is "$TASK" 1
	run -0 curl -s "http://127.0.0.1:$API/metrics"
	grep -q "millrace_leg_state{task=\"$TASK\",leg=\"push.1\"} 3" <<<"$output"
	grep -q "millrace_leg_bytes_total{task=\"$TASK\",leg=\"push\"}" <<<"$output"
}

@test "P8 a destination that goes away comes back while the others go on" {
	TASK=$(relay_create "rtmp://127.0.0.1:$RTMP/live/a" "rtmp://127.0.0.1:$RTMP/live/own" "DstUrls=[\"$(dst two)\"]")
	within 10 dest_is 0 Running
	within 10 dest_is 1 Running
	kill -TERM "$NGINX"
	within 10 dest_is 1 Retrying
	rtmp_plays "rtmp://127.0.0.1:$RTMP/live/own"
	task_is "$TASK" 1
	nginx_run
	within 20 dest_is 1 Running
	rtmp_plays "$(dst two)"
	# The control plane may die: the next one takes the legs over and knows the states.
	kill -KILL "$(pid_of cp)"
	within 15 up_ready
	within 10 task_is "$TASK" 1
	within 10 dest_is 1 Running
	[ "$(described '.Destinations[1].RetriesUsed')" -ge 1 ]
}

@test "no destination left: the task recovers, then is offline; callbacks say which destination" {
	ports 1
	HOOK=${PORTS[0]}
	background receiver python3 "$TOP/tests/e2e/hook_receiver.py" "$HOOK" "$T/hooks.jsonl" ok
	within 5 listening "$HOOK"
	TASK=$(relay_create "rtmp://127.0.0.1:$RTMP/live/a" "$(dst one)" "DstUrls=[\"$(dst two)\"]" RetryCount=1 \
		"CallbackUrl=http://127.0.0.1:$HOOK/")
	within 10 dest_is 0 Running
	within 10 dest_is 1 Running
	kill -TERM "$NGINX"
	within 10 task_is "$TASK" 2
	within 15 task_is "$TASK" 3
	[ "$(described .TaskInvalidReason)" = PushStreamFailed ]
	nginx_run
	run -0 mr task restart "$TASK"
	within 10 task_is "$TASK" 1
	within 10 dest_is 1 Running
	within 10 told "$(dst two)" Failed
	told "$(dst one)" Running
}

told() { # URL STATE: a callback said so
	jq -es --arg u "$1" --arg s "$2" \
		'any(.[].body; .Event == "LivePullToPushDestination" and .Destination.DstUrl == $u and .Destination.State == $s)' \
		"$T/hooks.jsonl" >/dev/null
}

@test "destinations belong to one task, once, and are checked; they change while stopped" {
	run -0 api Action=CreateLivePullToPush Region=local "StartTime=$(utc '+1 hour')" "EndTime=$(utc '+2 hours')" SourceType=live \
		SourceProtocol=rtmp 'SourceUrls=["rtmp://h/a/b"]' "DstUrl=$(dst one)" "DstUrls=[\"$(dst two)\"]"
	TASK=$(jq -er .TaskId <<<"$output")
	refused InvalidDstUrl.Duplicate "DstUrl=$(dst two)"
	refused InvalidDstUrl.Duplicate "DstUrl=$(dst three)" "DstUrls=[\"$(dst one)\"]"
	refused InvalidDstUrl.Duplicate "DstUrl=$(dst three)" "DstUrls=[\"$(dst three)\"]"
	refused InvalidParameter "DstUrl=$(dst three)" 'DstUrls=["http://h/a/b"]'
	refused InvalidParameter "DstUrl=$(dst three)" 'DstUrls=["rtmp://h/a/b"]'
	refused InvalidParameter "DstUrl=$(dst three)" "DstUrls=[$(printf '"rtmp://h/a/%d",' {1..7})\"rtmp://h/a/8\"]"
	[ "$(api Action=DescribeLivePullToPushList Region=local DstUrl=dst/two | jq .Total)" = 1 ]
	[ "$(api Action=UpdateLivePullToPush Region=local "TaskId=$TASK" "DstUrls=[\"$(dst four)\"]" | jq -r .RetCode)" = 0 ]
	refused InvalidDstUrl.Duplicate "DstUrl=$(dst four)"
	[ "$(api Action=UpdateLivePullToPush Region=local "TaskId=$TASK" DstUrls=[] | jq -r .RetCode)" = 0 ]
	[ "$(described .Destinations)" = null ]
}

refused() { # CODE k=v...
	local code=$1
	shift
	run -0 api Action=CreateLivePullToPush Region=local "StartTime=$(utc now)" "EndTime=$(utc '+1 hour')" SourceType=live \
		SourceProtocol=rtmp 'SourceUrls=["rtmp://h/a/b"]' "$@"
	[ "$(jq -r .Code <<<"$output")" = "$code" ] || {
		echo "# $output" >&2
		return 1
	}
}
