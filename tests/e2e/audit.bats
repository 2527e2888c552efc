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
