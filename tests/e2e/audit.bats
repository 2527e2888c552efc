#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Who changed what: every change by the API, done or refused, and nothing secret.

load lib

setup() {
	e2e_setup
	up
}

teardown() {
	e2e_teardown
}

rpc() {
	python3 "$BATS_TEST_DIRNAME/rpc_client.py" "$S/credentials.json" "http://127.0.0.1:$API/" POST "$@"
}

@test "the audit log says who, when, from where, before and after, survives kills and hides secrets" {
	rpc Action=AddLiveDomain DomainName=push.example.com LiveDomainType=liveEdge
	rpc Action=BatchSetLiveDomainConfigs DomainNames=push.example.com \
		'Functions=[{"functionName":"aliauth","functionArgs":[{"argName":"auth_type","argValue":"type_a"},{"argName":"auth_key1","argValue":"topsecretkey"}]}]'
	mr domain stop push.example.com
	rpc Action=AddLiveDomain DomainName=push.example.com LiveDomainType=liveEdge
	rpc Action=DeleteLiveDomain DomainName=push.example.com _secret=wrong
	rpc Action=DescribeLiveUserDomains
	kill -KILL "$(pid_of cp)" "$(pid_of redis)"
	within 20 up_ready
	id=$(jq -r .AccessKeyId "$S/credentials.json")
	within 10 eval 'api Action=DescribeAuditRecords | jq -e ".TotalNum == 4" >/dev/null'
	run -0 api Action=DescribeAuditRecords
	jq -e --arg id "$id" '[.AuditRecords[] | [.ActionName, .User, .Status]] ==
		[["AddLiveDomain", $id, 400], ["StopLiveDomain", "owner", 200], ["BatchSetLiveDomainConfigs", $id, 200], ["AddLiveDomain", $id, 200]]' <<<"$output"
	jq -e '.AuditRecords[1] | .Before["push.example.com"].status == "online" and .After["push.example.com"].status == "offline"' <<<"$output"
	jq -e '.AuditRecords[0] | .Code == "DomainAlreadyExist" and (.From | startswith("127.0.0.1")) and .Parameters.DomainName == "push.example.com"' <<<"$output"
	[[ $output != *topsecretkey* ]]
	[ "$(wc -l <"$S/audit.log")" = 4 ]
	[ "$(stat -c %a "$S/audit.log")" = 600 ]
	run ! grep -q topsecretkey "$S/audit.log"
	run -0 mr audit --user owner
	[[ $output == *StopLiveDomain* && $output != *AddLiveDomain* ]]
}

# rows ACTION: its records, newest first
rows() {
	api Action=DescribeAuditRecords "ActionName=$1" | jq -c '.AuditRecords[]'
}

# noted ACTION JQ: the newest record of it is as the expression says
noted() {
	rows "$1" | head -n 1 | jq -e "$2" >/dev/null || {
		echo "audit of $1: $(rows "$1" | head -n 1)" >&2
		return 1
	}
}

# create NAME [START END]: a task that nobody serves; prints its id
create() {
	api Action=CreateLivePullToPush Region=local "StartTime=$(utc "${2:-+1 hour}")" "EndTime=$(utc "${3:-+2 hours}")" SourceType=live SourceProtocol=rtmp \
		'SourceUrls=["rtmp://127.0.0.1:9/a/b?token=topsecret"]' "DstUrl=rtmp://127.0.0.1:9/dst/$1" | jq -er .TaskId
}

@test "relay tasks: every change has its before and after, by the API, by a command and by schedule" {
	id=$(create one)
	noted CreateLivePullToPush ".User == \"owner\" and .Before[\"$id\"] == null and .After[\"$id\"].State == \"Idle\" and .Status == 200"
	api Action=UpdateLivePullToPush Region=local "TaskId=$id" CallbackUrl=http://127.0.0.1:9/new
	noted UpdateLivePullToPush ".Before[\"$id\"].CallbackURL == \"\" and .After[\"$id\"].CallbackURL == \"http://127.0.0.1:9/new\""
	api Action=UpdateLivePullToPush Region=local "TaskId=$id" "StartTime=$(utc now)"
	within 10 noted StartLivePullToPush ".User == \"schedule\" and .Before[\"$id\"].State == \"Idle\" and .After[\"$id\"].State == \"Starting\""
	api Action=StopLivePullToPush Region=local "TaskId=$id"
	noted StopLivePullToPush ".Before[\"$id\"].State != \"Offline\" and .After[\"$id\"].State == \"Offline\""
	redis-cli -s "$S/redis/redis.sock" XADD mr:cmd '*' Action restart Region local TaskId "$id" Correlation c1 >/dev/null
	within 10 noted RestartLivePullToPush ".User == \"node\" and .Status == 200 and .Before[\"$id\"].State == \"Offline\" and .After[\"$id\"].State == \"Starting\""
	api Action=DeleteLivePullToPush Region=local "TaskId=$id"
	noted DeleteLivePullToPush ".User == \"owner\" and .Before[\"$id\"].TaskId == \"$id\" and .After[\"$id\"] == null"
	id=$(create two now '+3 seconds')
	within 20 noted DeleteLivePullToPush ".User == \"schedule\" and .Before[\"$id\"].TaskId == \"$id\" and .After[\"$id\"] == null"
	run ! grep -q topsecret "$S/audit.log"
}

@test "every changing action of the API is in the audit log, done or refused, and no question is" {
	task=$(create all)
	declare -A given=(
		[AddLiveDomain]="DomainName=push.example.com LiveDomainType=liveEdge"
		[AddLiveDomainMapping]="PushDomain=push.example.com PullDomain=play.example.com"
		[BatchSetLiveDomainConfigs]='DomainNames=push.example.com Functions=[{"functionName":"live_publish","functionArgs":[{"argName":"policy","argValue":"replace"}]}]'
		[SetLiveStreamsNotifyUrlConfig]="DomainName=push.example.com NotifyUrl=http://127.0.0.1:9/"
		[SetLiveDomainMultiStreamConfig]="Domain=push.example.com Switch=on"
		[ForbidLiveStream]="DomainName=push.example.com AppName=live StreamName=a LiveStreamType=publisher"
		[AddLivePullStreamInfoConfig]="DomainName=play.example.com AppName=live StreamName=p SourceUrl=rtmp://127.0.0.1:9/a/b StartTime=$(utc '+1 hour') EndTime=$(utc '+2 hours')"
		[SetLiveLazyPullStreamInfoConfig]="DomainName=play.example.com AppName=live PullDomainName=127.0.0.1:9 PullProtocol=rtmp"
		[CreateApiUser]="UserName=someone Role=viewer"
		[CreateApiKey]="UserName=someone"
		[StopLivePullToPush]="Region=local TaskId=$task"
	)
	mr domain add play.example.com --type play --open
	mapfile -t actions < <(sed -n 's/^### \([A-Z][A-Za-z]*\)$/\1/p' "$TOP/controlplane/API.md")
	[ "${#actions[@]}" -gt 50 ]
	# What the others need comes first: the domain, and its mapping.
	for action in AddLiveDomain "${actions[@]}"; do
		read -ra params <<<"${given[$action]:-}"
		api "Action=$action" "${params[@]}" >"$T/answer"
		got=$(jq -r '.Code // ""' "$T/answer")
		case $action in
		Describe* | Query* | Generate* | List*)
			[ -z "$(rows "$action")" ]
			continue
			;;
		esac
		noted "$action" ".Code == \"$got\" and (.Status == 200) == (\"$got\" == \"\") and .User == \"owner\""
	done
	for action in "${!given[@]}"; do
		[ "$action" = StopLivePullToPush ] || rows "$action" | jq -se 'any(.Status == 200)' >/dev/null || {
			echo "$action was refused: $(rows "$action")" >&2
			return 1
		}
	done
	for action in AddLiveDomainMapping BatchSetLiveDomainConfigs SetLiveStreamsNotifyUrlConfig SetLiveDomainMultiStreamConfig AddLivePullStreamInfoConfig SetLiveLazyPullStreamInfoConfig CreateApiUser; do
		noted "$action" '(.Before | type) == "object" and (.After | type) == "object" and .Before != .After'
	done
}
