#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The command line about users of the API and about what domains pull.

load lib

setup() {
	e2e_setup
	up
}

teardown() {
	e2e_teardown
}

# rpc FILE k=v...: as the owner of the key pair in FILE
rpc() {
	local file=$1
	shift
	python3 "$BATS_TEST_DIRNAME/rpc_client.py" "$file" "http://127.0.0.1:$API/" POST "$@"
}

@test "user: a user is made, gets keys that work, is listed and shown without secrets, and is removed" {
	run -2 mr user add ann
	[[ $output == *--role* ]]
	run -1 mr user add ann --role king
	[[ $output == *Role* ]]
	mr user add ann --role viewer --domains one.example.com,two.example.com
	run -1 mr user add ann --role viewer
	mr user key add ann --json >"$T/key.json"
	run -0 mr user key add ann
	[[ $output == *AccessKeySecret* ]]
	run -1 mr user key add ann
	rpc "$T/key.json" Action=DescribeLiveDomainDetail DomainName=one.example.com | jq -se '.[1].Code == "InvalidDomain.NotFound"'
	run -0 mr user list
	[[ $output == *ann*viewer*one.example.com,\ two.example.com*$(jq -r .AccessKeyId "$T/key.json")* ]]
	[[ $output != *$(jq -r .AccessKeySecret "$T/key.json")* ]]
	run -0 mr user show ann --json
	jq -e '.Role == "viewer" and (.AccessKeyIds | length) == 2' <<<"$output"
	run -1 mr user show bob
	run -2 mr user key rotate ann
	mr user key remove ann "$(jq -r .AccessKeyId "$T/key.json")"
	run rpc "$T/key.json" Action=DescribeLiveUserDomains
	[[ $output == *InvalidAccessKeyId* ]]
	mr user remove ann
	run -1 mr user remove ann
	[ "$(mr user list --json | jq '.Users | length')" = 0 ]
}

@test "pull: windows and triggers are set, changed, listed and removed; what is wrong is named" {
	mr domain add play.example.com --type play --open
	mr pull add play.example.com/live/a rtmp://127.0.0.1:9/a/b http://127.0.0.1:9/a.m3u8 --until +2h
	run -1 mr pull add play.example.com/live/a rtmp://127.0.0.1:9/a/b
	run -1 mr pull add play.example.com/live/b ftp://127.0.0.1:9/a/b
	[[ $output == *SourceUrl* ]]
	run -1 mr pull add play.example.com/live/b rtmp://127.0.0.1:9/a/b --until +8d
	[[ $output == *EndTime* ]]
	run -2 mr pull add play.example.com/live/b rtmp://127.0.0.1:9/a/b --until soon
	run -2 mr pull add nonsense rtmp://127.0.0.1:9/a/b
	run -2 mr pull add play.example.com/live/b
	mr pull edit play.example.com/live/a srt://127.0.0.1:9 --from +1h --until +2h
	run -1 mr pull edit play.example.com/live/none srt://127.0.0.1:9
	mr pull trigger play.example.com 127.0.0.1:9 127.0.0.1:10 --protocol hls --app src --idle 5
	mr pull trigger play.example.com/live cluster
	run -0 mr pull list play.example.com
	[[ $output == *play.example.com/live/a*srt://127.0.0.1:9* && $output == *"ali_all_app/*"*"while played"*"hls 127.0.0.1:9;127.0.0.1:10 src"* && $output == *"live/*"*cluster* ]]
	mr pull list play.example.com --json | jq -e '(.LiveAppRecordList.LiveAppRecord | length) == 1 and (.LiveLazyPullConfigList.LiveLazyPullConfig | length) == 2'
	mr pull untrigger play.example.com/live
	mr pull untrigger play.example.com
	run -1 mr pull untrigger play.example.com
	mr pull remove play.example.com/live/a
	run -1 mr pull remove play.example.com/live/a
	[ "$(mr pull list play.example.com | wc -l)" = 1 ]
}

@test "user and pull stand in the help, in the manual page and in the completion" {
	for command in 'user add' 'user list' 'user show' 'user key' 'user remove' 'pull add' 'pull edit' 'pull list' 'pull remove' 'pull trigger' 'pull untrigger'; do
		# shellcheck disable=SC2086 # two words
		mr $command --help | grep -q '^Usage: millrace '
		grep -Eq "(^.B |fB)${command% *} ([a-z]+.fR.|.fB)?${command#* }" "$TOP/configs/man/millrace.1" || grep -q "|.fB${command#* } " "$TOP/configs/man/millrace.1"
	done
	# shellcheck source=/dev/null
	PATH=$BIN:$PATH source "$TOP/configs/completion/millrace.bash"
	millrace() { "$BIN/millrace" "$@"; }
	COMP_CWORD=2 COMP_WORDS=(millrace user "")
	_millrace
	[[ " ${COMPREPLY[*]} " == *" add "* && " ${COMPREPLY[*]} " == *" key "* ]]
	COMP_WORDS=(millrace pull t)
	_millrace
	[ "${COMPREPLY[*]}" = trigger ]
}
