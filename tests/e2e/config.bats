#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The configuration, changed while everything runs: checked, compared, applied to both processes or to none.

load lib

setup() {
	e2e_setup
	common=$'memory:\n  arena: 256m\nredis:\n  url: ""\n'
	printf '%s' "$common" >"$T/up.yaml"
}

teardown() {
	e2e_teardown
}

# file NAME TEXT: a configuration with that below what all have
file() {
	printf '%s%s' "$common" "$2" >"$T/$1.yaml"
}

cors() { # what a new HTTP request is answered with
	curl -s -o /dev/null -D - "http://127.0.0.1:$HTTP/live/none.flv" | tr -d '\r' | sed -n 's/^Access-Control-Allow-Origin: //p'
}

last_audit() { # jq filter
	api Action=DescribeAuditRecords PageSize=1 | jq -r ".AuditRecords[0] | $1"
}

@test "a file is checked by itself, and what is wrong with it is named" {
	file good $'play:\n  tick: low\n'
	run -0 millrace config check "$T/good.yaml"
	[ "$output" = "$T/good.yaml: good" ]
	file bad $'play:\n  tock: low\n'
	run -2 millrace config check "$T/bad.yaml"
	[[ $output == *"bad.yaml:6:"*'unknown key "play.tock"; did you mean "play.tick"?'* ]]
	run -2 millrace config check "$T/none.yaml"
	[[ $output == *"none.yaml"*"No such file"* ]]
}

@test "a difference is shown with when it counts, and shows no secrets" {
	up
	file next $'http:\n  cors_origin: https://a.example\ncores: 2\nlimits:\n  waiting: 77\ncallback:\n  key: verysecret\n'
	run -0 mr config diff "$T/next.yaml"
	[[ $output =~ http.cors_origin\ +\*\ +https://a.example\ +for\ new\ sessions ]]
	[[ $output =~ cores\ +0\ +2\ +at\ the\ next\ start ]]
	[[ $output =~ limits.waiting\ +10000\ +77\ +now ]]
	[[ $output =~ callback.key && $output != *verysecret* ]]
	[ "$(mr config diff "$T/up.yaml")" = "nothing differs" ]
	[ "$(cors)" = '*' ]
}

@test "what is applied counts at once in both processes, cuts nobody off, and is in the file and the audit log" {
	up
	publish a
	within 10 stream_live live/a
	background viewer curl -s -o "$T/out" "http://127.0.0.1:$HTTP/live/a.flv"
	viewer=$PID
	within 10 test -s "$T/out"
	file next $'http:\n  cors_origin: https://a.example\ncores: 2\napi:\n  rate: 5\ncallback:\n  key: verysecret\n'
	run -0 mr config apply "$T/next.yaml"
	[[ $output =~ http.cors_origin && $output =~ api.rate && $output =~ cores ]]
	[ "$(cors)" = https://a.example ]
	cmp "$T/next.yaml" "$T/up.yaml"
	[ "$(cat "$T/up.yaml.previous")" = "$(printf '%s' "$common")" ]
	# What needs a restart is still to come; the rest is in force.
	[ "$(mr config diff --json | jq -c '[.Changes[].Key]')" = '["cores"]' ]
	[ "$(last_audit .ActionName)" = ApplyNodeConfiguration ]
	[ "$(last_audit '.Before["http.cors_origin"] + " " + .After["http.cors_origin"]')" = '* https://a.example' ]
	not grep -q verysecret "$S/audit.log"
	within 10 eval "[ \$(stat -c %s $T/out) -gt $(($(stat -c %s "$T/out") + 50000)) ]"
	alive "$viewer"
}

@test "what one of the processes refuses changes nothing in either, nor in the file" {
	up
	file next $'http:\n  cors_origin: https://a.example\napi:\n  rate: 5\nlog:\n  access: /nowhere/at/all.log\n'
	run -1 mr config apply "$T/next.yaml"
	[[ $output == *"the data plane refused it, nothing was changed"*"/nowhere/at/all.log"* ]]
	[ "$(cat "$T/up.yaml")" = "$(printf '%s' "$common")" ]
	[ "$(cors)" = '*' ]
	[ "$(mr config diff)" = "nothing differs" ]
	[ "$(last_audit .Status)" = 400 ]
	file next $'play:\n  tick: fast\n'
	run -1 mr config apply "$T/next.yaml"
	[[ $output == *"up.yaml:6: play.tick: fast is not allowed"* ]]
	[ "$(cat "$T/up.yaml")" = "$(printf '%s' "$common")" ]
	# A change that can be made follows as if nothing had been.
	file next $'http:\n  cors_origin: https://b.example\n'
	mr config apply "$T/next.yaml"
	[ "$(cors)" = https://b.example ]
}

@test "SIGHUP and the API do the same with the file as it is" {
	up
	file up $'http:\n  cors_origin: https://a.example\napi:\n  rate: 5\n'
	kill -HUP "$(pid_of cp)"
	within 10 eval '[ "$(cors)" = https://a.example ]'
	within 10 eval '[ "$(mr config diff)" = "nothing differs" ]'
	within 10 eval '[ "$(last_audit ".User + .ActionName")" = nodeApplyNodeConfiguration ]'
	file up $'http:\n  cors_origin: https://b.example\n'
	[ "$(api Action=DescribeNodeConfiguration | jq -c '[.Changes[] | [.Key, .To, .Effect]]')" = '[["http.cors_origin","https://b.example","new_sessions"],["api.rate","0","now"]]' ]
	api Action=ApplyNodeConfiguration | jq -e '.Changes | length == 2'
	[ "$(cors)" = https://b.example ]
	# By itself the data plane reads it too.
	file up $'http:\n  cors_origin: https://c.example\n'
	kill -HUP "$(pid_of dp)"
	within 10 eval '[ "$(cors)" = https://c.example ]'
	alive "$(pid_of cp)"
}

@test "a data plane that was away gets the change when it is back; a content that is none is named" {
	up
	old=$(pid_of dp)
	kill -KILL "$old"
	file next $'http:\n  cors_origin: https://a.example\n'
	mr config apply "$T/next.yaml"
	within 20 up_ready
	within 10 eval '[ "$(cors)" = https://a.example ]'
	run -0 api Action=ApplyNodeConfiguration "Content=$(printf 'play:\n  tick: low\nplay:\n  tick: low\n')"
	jq -e '.Code == "InvalidConfiguration" and (.Message | test("already stands on line 2"))' <<<"$output"
}

@test "every key counts when its table says so: now, for new sessions, or at the next start" {
	common=$'memory:\n  arena: 268435456\n'
	printf '%s' "$common" >"$T/up.yaml"
	up
	python3 "$BATS_TEST_DIRNAME/config_keys.py" "$TOP/dataplane/api/config.def" memory.arena=268435456 >"$T/keys"
	while IFS= read -r line; do
		[ -n "$(jq -r .Key <<<"$line")" ] || continue
		out=$(api Action=DescribeNodeConfiguration "Content=$(jq -r .Content <<<"$line")")
		jq -e --argjson want "$line" '[.Changes[]? | [.Key, .Effect]] == [[$want.Key, $want.When]]' <<<"$out" >/dev/null || {
			echo "$line: $out" >&2
			return 1
		}
	done <"$T/keys"
	for when in new_sessions now restart; do
		content=$(jq -r --arg when "$when" 'select(.Key == "" and .When == $when) | .Content' "$T/keys")
		api Action=ApplyNodeConfiguration "Content=$content" >"$T/applied"
		jq -e --arg when "$when" '.Changes | length > 10 and any(.Effect == $when)' "$T/applied" || {
			cat "$T/applied" >&2
			return 1
		}
		# In force are all but those that wait for a start, in either process.
		api Action=DescribeNodeConfiguration | jq -e 'all(.Changes[]; .Effect == "restart")'
		STATE=$S python3 -c 'import sys, json; sys.path.insert(0, sys.argv[1]); import ctl; print(json.dumps(ctl.Control().ask("reload")))' "$BATS_TEST_DIRNAME" >"$T/reload"
		jq -e '.applied == []' "$T/reload"
		[ "$when" = restart ] || jq -e '.later == []' "$T/reload"
	done
	api Action=DescribeNodeConfiguration | jq -e '.Changes | length > 10'
	jq -e '.later | index("cores") and index("rtmp.chunk_size")' "$T/reload"
}
