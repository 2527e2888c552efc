#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# millrace doctor: what the machine supports, for people and for programs.

load lib

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

grade_of() { # what: its grade in $T/json
	jq -r --arg what "$1" '.findings[] | select(.what == $what) | .grade' "$T/json"
}

@test "the table and the JSON say the same, and every gap says what to do" {
	run -0 mr doctor
	[[ ${lines[0]} == AREA*WHAT*STATE*VALUE* ]]
	[[ $output == *"Millrace runs here."* ]]
	mr doctor --json >"$T/json"
	[ "$(jq '[.findings[] | select(.grade == "gap")] | length' "$T/json")" = "$(jq .gaps "$T/json")" ]
	[ "$(jq .missing "$T/json")" = 0 ]
	[ "$(jq '[.findings[] | select(.grade == "gap" and (.advice // "") == "")] | length' "$T/json")" = 0 ]
	[ "$(grep -c ' gap ' <<<"$output")" = "$(jq .gaps "$T/json")" ]
	[ "$(grade_of rings)" = good ]
}

@test "limits are those of whoever asks" {
	(ulimit -n 1000 && mr doctor --json >"$T/json")
	[ "$(grade_of 'open files')" = gap ]
	[ "$(jq -r '.findings[] | select(.what == "open files") | .value' "$T/json")" = "1000, at most 1000" ]
}

@test "without privileges the programs in the kernel are a gap and nothing else changes" {
	[ "$(id -u)" = 0 ] || skip "needs root to become nobody"
	cp "$BIN/millrace" "$T/millrace"
	chmod 755 "$T" "$T/millrace"
	setpriv --reuid 65534 --regid 65534 --clear-groups "$T/millrace" doctor --json >"$T/json"
	[ "$(grade_of 'right to load programs')" = gap ]
	[ "$(grade_of 'XDP (guard)')" = gap ]
	[ "$(jq .missing "$T/json")" = 0 ]
}

@test "nothing is taken but --json" {
	run -2 mr doctor now
	run -2 mr doctor --fix
	run -0 mr doctor --help
	[[ $output == *"changes nothing"* ]]
}
