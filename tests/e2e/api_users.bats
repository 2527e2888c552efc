#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Users of the API: roles, domains, keys that are replaced while they are used, rates.

load lib

setup() {
	e2e_setup
	up
	mr domain add a.example.com --type ingest
	mr domain add b.example.com --type ingest
}

teardown() {
	e2e_teardown
}

# code KEYFILE k=v...: "200", or the error's Code
code() {
	local keys=$1
	shift
	python3 "$BATS_TEST_DIRNAME/rpc_client.py" "$keys" "http://127.0.0.1:$API/" GET "$@" | {
		read -r status
		read -r body
		[ "$status" = 200 ] && echo 200 || jq -r .Code <<<"$body"
	}
}

user() { # NAME ROLE [DOMAINS]
	api Action=CreateApiUser "UserName=$1" "Role=$2" "Domains=${3:-}" | jq -e '.Code == null'
}

key() { # NAME FILE
	api Action=CreateApiKey "UserName=$1" >"$2"
	jq -e '.AccessKeyId and .AccessKeySecret' "$2"
}

@test "a viewer only looks, an operator for some domains changes these, and an admin makes users" {
	user vera viewer
	user olaf operator a.example.com
	user anna admin
	for u in vera olaf anna; do key $u "$T/$u"; done
	[ "$(code "$T/vera" Action=DescribeLiveUserDomains)" = 200 ]
	[ "$(code "$T/vera" Action=StopLiveDomain DomainName=a.example.com)" = Forbidden.RAM ]
	[ "$(code "$T/vera" Action=DescribeLiveDomainConfigs DomainName=a.example.com)" = Forbidden.RAM ]
	[ "$(code "$T/olaf" Action=StopLiveDomain DomainName=a.example.com)" = 200 ]
	[ "$(code "$T/olaf" Action=StopLiveDomain DomainName=b.example.com)" = Forbidden.RAM ]
	[ "$(code "$T/olaf" Action=DescribeLivePullToPushList Region=local)" = Forbidden.RAM ]
	[ "$(code "$T/olaf" Action=CreateApiKey UserName=olaf)" = Forbidden.RAM ]
	[ "$(code "$T/anna" Action=CreateApiKey UserName=olaf)" = 200 ]
	run -0 mr audit --json
	jq -e --arg id "$(jq -r .AccessKeyId "$T/olaf")" 'any(.AuditRecords[]; .User == $id and .Code == "Forbidden.RAM" and .Parameters.DomainName == "b.example.com")' <<<"$output"
	run ! grep -q "$(jq -r .AccessKeySecret "$T/olaf")" "$S/audit.log"
}

@test "a key is replaced by another one without a refused request, and survives a restart" {
	user olaf operator
	key olaf "$T/one"
	[ "$(code "$T/one" Action=DescribeLiveUserDomains)" = 200 ]
	key olaf "$T/two"
	run -0 api Action=CreateApiKey UserName=olaf
	jq -e '.Code == "QuotaExceeded.AccessKey"' <<<"$output"
	kill -KILL "$(pid_of cp)"
	within 20 up_ready
	[ "$(code "$T/one" Action=DescribeLiveUserDomains)$(code "$T/two" Action=DescribeLiveUserDomains)" = 200200 ]
	api Action=DeleteApiKey UserName=olaf "KeyId=$(jq -r .AccessKeyId "$T/one")"
	[ "$(code "$T/one" Action=DescribeLiveUserDomains)" = InvalidAccessKeyId.NotFound ]
	[ "$(code "$T/two" Action=DescribeLiveUserDomains)" = 200 ]
	[ "$(code "$T/two" Action=DescribeLiveUserDomains _secret=wrong)" = SignatureDoesNotMatch ]
	api Action=DeleteApiUser UserName=olaf
	[ "$(code "$T/two" Action=DescribeLiveUserDomains)" = InvalidAccessKeyId.NotFound ]
}

@test "a key that asks too often is refused, others are not" {
	user vera viewer
	key vera "$T/vera"
	printf 'memory:\n  arena: 256m\napi:\n  rate: 2\n' >"$T/up.yaml"
	mr reload >/dev/null
	asks=()
	for _ in {1..12}; do
		code "$T/vera" Action=DescribeLiveUserDomains >>"$T/codes" &
		asks+=("$!")
	done
	wait "${asks[@]}"
	grep -q Throttling.User "$T/codes"
	grep -q 200 "$T/codes"
	[ "$(code "$S/credentials.json" Action=DescribeLiveUserDomains)" = 200 ]
	within 5 eval '[ "$(code "$T/vera" Action=DescribeLiveUserDomains)" = 200 ]'
}
