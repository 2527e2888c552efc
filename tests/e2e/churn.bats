#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `make churn` in its short form; CHURN says how many connections.

load lib

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

churn() { # COUNT FIRST
	timeout $((120 + $1 / 50)) env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$TOP/tests/e2e" \
		python3 "$TOP/tests/e2e/churn.py" "$RTMP" "$HTTP" "$1" "$2"
}

value() { # NAME: the sum of its series
	curl -fsS "http://127.0.0.1:$API/metrics" |
		awk -v want="millrace_$1" '{ n = $1; sub(/\{.*/, "", n) } n == want { sum += $2; found = 1 } END { print sum + 0; exit !found }'
}

resident_kb() {
	awk '/^VmRSS/ { print $2 }' "/proc/$DP/status"
}

descriptors() {
	local all=("/proc/$DP/fd/"*)
	echo ${#all[@]}
}

# Only the encoder is left, and no stream but its own.
quiet() {
	[ "$(value connections)" = 1 ] && [ "$(value streams)" = 1 ]
}

back_to_normal() {
	quiet && [ "$(descriptors)" -le "$fds" ] && [ "$(resident_kb)" -le $((kb + 8192)) ]
}

# The kernel's count is read once a second.
no_more_counted() {
	[ "$(value tcp_connections)" -le 2 ]
}

@test "connections that come and go leave nothing: descriptors, memory, slots, maps" {
	n=${CHURN:-4000}
	# A slot that is not given back would soon be missed.
	printf 'cores: 2\nmemory:\n  arena: 256m\nlimits:\n  streams: 200\npublish:\n  hold: 100ms\n' >"$T/up.yaml"
	up
	DP=$(pid_of dp)
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	churn 1200 0
	within 30 quiet
	fds=$(descriptors) kb=$(resident_kb)
	churn "$n" 1200
	within 60 back_to_normal || {
		echo "# descriptors $fds to $(descriptors), resident kB $kb to $(resident_kb), connections $(value connections), streams $(value streams)"
		false
	}
	[ "$(value tcpstat_lost_total)" = 0 ]
	within 15 no_more_counted
	# One that was reset before it was accepted is none.
	[ "$(value accepts_total)" -ge $((n * 5 / 6)) ]
	[ "$(pid_of dp)" = "$DP" ]
	[ -z "${CHURN:-}" ] || echo "# $n connections: descriptors $fds to $(descriptors), resident kB $kb to $(resident_kb), arena $(value arena_used_bytes)" >&3
}
