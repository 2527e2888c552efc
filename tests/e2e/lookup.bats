#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bpf.lookup: many addresses and ports on few listeners. A node in one network namespace, its peers in
# another.

load lib
load wire

setup() {
	wire_setup
	for at in 10.77.0.9 10.77.0.10; do
		ip -n "$A" addr add "$at/32" dev wire
	done
}

teardown() {
	wire_teardown
}

answers() { # URL
	in_ns "$B" curl -s --max-time 5 -o /dev/null "$1"
}

needs_lookup() {
	is kernel_program 'program="lookup"' '== 1' || skip "the program cannot be loaded here: $(grep -h kernel_program "$T/up.log" "$S"/log/*.log)"
}

plays() { # URL
	timeout -k 2 20 nsenter --net="/run/netns/$B" ffprobe -v error -rw_timeout 15000000 -show_entries packet=pts -read_intervals '%+#2' "$1" >/dev/null
}

@test "publishers and viewers come by places that nobody listens at" {
	node 'domain: {open: true}' 'cores: 2' 'bpf:' '  lookup: rtmp=10.77.0.8/30:2935 http=0.0.0.0/0:8099'
	needs_lookup
	run in_ns "$A" ss -Hltn 'sport = :2935 or sport = :8099'
	[ -z "$output" ]
	fixture
	background publish nsenter --net="/run/netns/$B" ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f flv \
		"rtmp://10.77.0.9:2935/live/a"
	within 10 stream_live live/a
	for at in 10.77.0.1 10.77.0.9 10.77.0.10; do
		plays "http://$at:8099/live/a.flv"
	done
	plays rtmp://10.77.0.10:2935/live/a
	# The listeners' own addresses are what they were, and other places are nobody's.
	plays "http://10.77.0.1:$HTTP/live/a.flv"
	run -7 answers http://10.77.0.1:2935/
}

@test "who comes by a place is a stranger, though its listener is the loopback's" {
	node 'bpf:' '  lookup: http=10.77.0.0/24:8099'
	needs_lookup
	publish_in_a
	[ "$(in_ns "$B" curl -s --max-time 5 -o /dev/null -w '%{http_code}' http://10.77.0.9:8099/live/a.flv)" = 403 ]
}

@test "places come back after a drain" {
	node 'domain: {open: true}' 'bpf:' '  lookup: http=10.77.0.9:8099'
	needs_lookup
	within 5 answers http://10.77.0.9:8099/
	mr drain on
	within 10 not answers http://10.77.0.9:8099/
	mr drain off
	within 10 answers http://10.77.0.9:8099/
}

@test "a place that is none is named" {
	run -1 millrace-dp --state "$S" --set "bpf.lookup=rtmp=10.0.0.0/8"
	[[ $output == *"bpf.lookup: "*rtmp=10.0.0.0/8*": must be kind=addresses:port"* ]]
}
