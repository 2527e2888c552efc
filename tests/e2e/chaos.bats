#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `make chaos` in its short form, a minute and ten tasks; CHAOS_SECONDS, CHAOS_TASKS and CHAOS_SEED say otherwise.

load lib

@test "random kills of every process: tasks are where they should be, no callback lost, none out of order" {
	local seconds=${CHAOS_SECONDS:-60}
	fixture
	run timeout $((seconds + 400)) python3 "$TOP/tests/chaos/chaos.py" --seconds "$seconds" --tasks "${CHAOS_TASKS:-10}" \
		--seed "${CHAOS_SEED:-7}" --bin "$BIN"
	# shellcheck disable=SC2001 # every line
	sed 's/^/# /' <<<"$output" >&3
	[ "$status" -eq 0 ]
}
