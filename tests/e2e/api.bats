#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The API as a generic RPC client sees it: signatures, errors, parameters, states.

load lib

setup_file() {
	e2e_setup
	up
	export T S RTMP HTTP API UP
	printf '%s\n' "${PIDS[@]}" >"$T/pids"
}

teardown_file() {
	mapfile -t PIDS <"$T/pids"
	# shellcheck disable=SC2034 # read by e2e_teardown
	BATS_TEST_COMPLETED=1
	e2e_teardown
}

# rpc METHOD [k=v...]: a signed call by a client written from the specification; prints status and body
rpc() {
	python3 "$BATS_TEST_DIRNAME/rpc_client.py" "$S/credentials.json" "http://127.0.0.1:$API/" "$@"
}

create_args() {
	printf '%s\n' Region=cn-beijing "StartTime=$(utc '+1 hour')" "EndTime=$(utc '+2 hours')" SourceType=live \
		SourceProtocol=rtmp 'SourceUrls=["rtmp://127.0.0.1:9/a/b"]' "DstUrl=rtmp://127.0.0.1:9/c/$RANDOM$RANDOM"
}

create() { # [k=v...]: later keys win
	local args
	mapfile -t args < <(create_args)
	rpc POST Action=CreateLivePullToPush "${args[@]}" "$@"
}

@test "a signed create, describe, list, update, stop, delete by GET and POST" {
	run -0 create TaskName=morning RetryCount=5 RetryInterval=90
	[[ ${lines[0]} == 200 ]]
	id=$(jq -er .TaskId <<<"${lines[1]}")
	[ "$(jq -r .RetCode <<<"${lines[1]}")" = 0 ]
	jq -e '.RequestId | test("^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$")' <<<"${lines[1]}"
	run -0 rpc GET Action=DescribeLivePullToPush Region=cn-beijing "TaskId=$id"
	jq -e '.TaskStatus == 0 and .TaskInfo.TaskName == "morning" and .TaskInfo.RetryCount == 5 and .TaskInfo.RetryInterval == 90' <<<"${lines[1]}"
	run -0 rpc GET Action=DescribeLivePullToPushList Region=cn-beijing TaskName=morn
	jq -e --arg id "$id" '.Total == 1 and .PageNumber == 1 and .PageSize == 10 and .TaskList[0].TaskId == $id' <<<"${lines[1]}"
	run -0 rpc GET Action=UpdateLivePullToPush Region=cn-beijing "TaskId=$id" CallbackUrl=http://127.0.0.1:9/cb
	[ "${lines[0]}" = 200 ]
	run -0 rpc GET Action=DescribeLivePullToPush Region=cn-beijing "TaskId=$id"
	jq -e '.TaskInfo.CallbackURL == "http://127.0.0.1:9/cb"' <<<"${lines[1]}"
	run -0 rpc GET Action=StopLivePullToPush Region=cn-beijing "TaskId=$id"
	[ "${lines[0]}" != 200 ]
	run -0 rpc GET Action=DeleteLivePullToPush Region=cn-beijing "TaskId=$id"
	[ "${lines[0]}" = 200 ]
	run -0 rpc GET Action=DescribeLivePullToPush Region=cn-beijing "TaskId=$id"
	[ "${lines[0]}" = 404 ]
}

@test "a wrong secret, a wrong key, an old timestamp and a repeated nonce are refused" {
	run -0 rpc GET Action=DescribeLivePullToPushList Region=x _secret=wrong
	[ "${lines[0]}" = 403 ]
	[[ ${lines[1]} == *SignatureDoesNotMatch* ]]
	run -0 rpc GET Action=DescribeLivePullToPushList Region=x _key=nobody
	[ "${lines[0]}" -ge 400 ]
	[[ ${lines[1]} == *InvalidAccessKeyId* ]]
	run -0 rpc GET Action=DescribeLivePullToPushList Region=x Timestamp=2020-01-01T00:00:00Z
	[[ ${lines[1]} == *Timestamp* ]]
	run -0 rpc GET Action=DescribeLivePullToPushList Region=x SignatureNonce=once-and-again
	[ "${lines[0]}" = 200 ]
	run -0 rpc GET Action=DescribeLivePullToPushList Region=x SignatureNonce=once-and-again
	[[ ${lines[1]} == *SignatureNonce* ]]
	run -0 curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$API/?Action=DescribeLivePullToPushList&Version=2016-11-01&Region=x"
	[ "$output" -ge 400 ]
}

@test "the owner's status shows tasks page by page, so that many thousand do not hold up the rest" {
	local before
	before=$(mr task list --json | jq '.tasks | length')
	for i in 1 2 3; do create "TaskId=page$i"; done
	run -0 curl -s --unix-socket "$S/api.sock" "http://localhost/local/status?tasks=1&skip=$((before + 1))"
	jq -e --argjson n $((before + 3)) '[.tasks[].TaskId] == ["page2"] and .totals.tasks == $n' <<<"$output"
	run -0 curl -s --unix-socket "$S/api.sock" 'http://localhost/local/status?tasks=1001'
	[[ $(jq -r .Message <<<"$output") == *tasks*1000* ]]
	[ "$(mr task list --json | jq '.tasks | length')" = $((before + 3)) ]
}

# refused PARAMETER RULE-PART k=v...: the answer is 400 and names the parameter and the rule
refused() {
	local parameter=$1 part=$2 before after
	shift 2
	before=$(mr task list --json | jq '.tasks | length')
	run -0 create "$@"
	echo "# $output"
	[ "${lines[0]}" = 400 ]
	[[ $(jq -r .Message <<<"${lines[1]}") == *"$parameter"* ]]
	[[ $(jq -r .Message <<<"${lines[1]}") == *$part* ]]
	jq -e 'has("RequestId") and has("HostId") and has("Code")' <<<"${lines[1]}"
	after=$(mr task list --json | jq '.tasks | length')
	[ "$before" = "$after" ]
}

@test "bad parameters: 400 with the name, the rule and the value; nothing changes" {
	refused SourceType live SourceType=video
	refused SourceProtocol rtmp SourceProtocol=gopher
	refused SourceUrls JSON 'SourceUrls=rtmp://x/y'
	refused SourceUrls 1 'SourceUrls=["rtmp://a/b/c","rtmp://a/b/d"]'
	refused DstUrl rtmp DstUrl=http://example.com/x
	refused DstUrl 2000 "DstUrl=rtmp://h/a/$(printf 'x%.0s' {1..2100})"
	refused EndTime StartTime "EndTime=$(utc '-1 hour')"
	refused StartTime yyyy StartTime=yesterday
	refused RetryCount '' RetryCount=-5
	refused RetryInterval 300 RetryInterval=301
	refused RetryInterval '' RetryInterval=abc
	refused CallbackUrl http CallbackUrl=ftp://x
	refused SourceProtocol '' SourceProtocol=
}

@test "unknown action, wrong version, missing parameters" {
	run -0 rpc GET Action=MakeCoffee
	[ "${lines[0]}" -ge 400 ]
	[[ ${lines[1]} == *MakeCoffee* ]]
	run -0 rpc GET Action=DescribeLivePullToPushList Region=x Version=1999-01-01
	[ "${lines[0]}" = 400 ]
	[[ ${lines[1]} == *Version* ]]
	run -0 rpc GET Action=DescribeLivePullToPush Region=x
	[ "${lines[0]}" = 400 ]
	[[ ${lines[1]} == *TaskId* ]]
	run -0 rpc GET Action=DescribeLivePullToPush TaskId=x
	[[ ${lines[1]} == *Region* ]]
}

@test "one destination belongs to one task" {
	run -0 create DstUrl=rtmp://127.0.0.1:9/one/only
	[ "${lines[0]}" = 200 ]
	run -0 create DstUrl=rtmp://127.0.0.1:9/one/only
	[ "${lines[0]}" = 400 ]
	[[ ${lines[1]} == *DstUrl* ]]
}

@test "healthz and metrics" {
	run -0 curl -s "http://127.0.0.1:$API/healthz"
	jq -e . <<<"$output"
	curl -s "http://127.0.0.1:$API/metrics" >"$T/metrics"
	grep -q '^# TYPE millrace_' "$T/metrics"
	grep -q '^millrace_accepts_total' "$T/metrics"
}

@test "the credentials file is private and holds no default secret" {
	[ "$(stat -c %a "$S/credentials.json")" = 600 ]
	[ "$(jq -r .AccessKeySecret "$S/credentials.json" | wc -c)" -ge 30 ]
	[ "$(stat -c %a "$S/api.sock")" = 600 ]
}
