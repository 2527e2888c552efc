#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The programs of bpf/ on the oldest kernel that is supported, and on a newer one: their own tests,
# none of which may skip; and a node that has them all.

load ../e2e/lib

setup() {
	[ -n "${GUEST:-}" ] || skip "runs in the guest of tests/guest/run"
}

teardown() {
	[ -z "${T:-}" ] || e2e_teardown
}

passes() { # NAME
	CMOCKA_MESSAGE_OUTPUT=tap run -0 "$MILLRACE_BUILD/tests/unit/bpf/$1_test"
	[[ $output == *"ok 1 "* ]]
	[[ $output != *[Ss]kip* ]]
}

value() { # NAME LABELS
	curl -fsS --unix-socket "$S/api.sock" http://localhost/metrics |
		awk -v want="millrace_$1${2:+{$2\}}" '$1 == want { print $2; found = 1 } END { exit !found }'
}

is() {
	local v
	v=$(value "$1" "$2") || return 1
	awk -v v="$v" "BEGIN { exit !(v $3) }"
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

@test "trace" {
	passes trace
}

# Nothing but the two that are needed: everything takes long here.
node() {
	dp_start --set cores=2
	background cp millrace-cp --state "$S"
	within 20 value up 'part="dataplane"'
}

@test "a node: its connecting and a stuck viewer's stall are in /metrics" {
	e2e_setup
	node
	for program in tcpstat trace steer; do
		within 10 is kernel_program "program=\"$program\"" '== 1'
	done
	publish a
	within 60 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	script <<-PY
		from ctl import Control
		Control().ask('push.create', leg='p', stream='default/live/a', url='rtmp://127.0.0.1:$RTMP/live/b')
	PY
	within 20 is tcp_connect_seconds_count '' '>= 1'
	stalls=$(value tcp_send_stall_seconds_count '')
	# A viewer that reads nothing until the server finds no room, and goes.
	background stuck python3 -c '
import socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.connect(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"GET /live/a.flv HTTP/1.0\r\n\r\n")
time.sleep(3600)' "$HTTP"
	stuck=$PID
	within 20 is stream_viewers 'stream="default/live/a",protocol="http-flv"' '== 1'
	# More than its connection takes unread.
	before=$(value stream_received_bytes_total 'stream="default/live/a"')
	within 30 is stream_received_bytes_total 'stream="default/live/a"' "> $before + 500000"
	kill "$stuck"
	within 20 is tcp_send_stall_seconds_count '' "> $stalls"
}
