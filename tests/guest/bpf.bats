#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The programs of bpf/ on the oldest kernel that is supported: their own tests, none of which may skip.

bats_require_minimum_version 1.5.0

setup() {
	[ -n "${GUEST:-}" ] || skip "runs in the guest of tests/guest/run"
}

passes() { # NAME
	CMOCKA_MESSAGE_OUTPUT=tap run -0 "$MILLRACE_BUILD/tests/unit/bpf/$1_test"
	[[ $output == *"ok 1 "* ]]
	[[ $output != *[Ss]kip* ]]
}

@test "tcpstat" {
	passes tcpstat
}

@test "guard" {
	passes guard
}

@test "steer" {
	passes steer
}

@test "lookup" {
	passes lookup
}
