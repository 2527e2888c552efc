#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Log lines: their forms, the journal's priorities, the access log.

load lib

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

# visit: one request that ends, its URL being unknown
visit() {
	curl -s --max-time 5 -o /dev/null "http://127.0.0.1:$HTTP/live/none.flv"
}

lines() { # FILE
	wc -l 2>/dev/null <"$1" || echo 0
}

has_lines() { # FILE N
	[ "$(lines "$1")" -ge "$2" ]
}

@test "JSON by setting: every line of both processes is an object with the same keys as before" {
	printf 'memory:\n  arena: 256m\nlog:\n  format: json\n' >"$T/up.yaml"
	up
	publish a
	within 10 stream_live live/a
	visit
	within 5 grep -q '"event":"session_end"' "$S/log/dp.log"
	for log in dp cp; do
		jq -es 'length > 2 and all(.ts and .level and .event and .proc == "'$log'")' "$S/log/$log.log"
	done
	jq -es 'any(.event == "publish" and .stream == "default/live/a" and (.core | type) == "number")' "$S/log/dp.log"
	jq -es 'any(.event == "session_end" and .reason == "stream_not_found" and (.id | type) == "string" and .out > 0 and has("duration_ms") and has("rtt_us") and has("retransmits") and has("skips") and has("lag_ms"))' "$S/log/dp.log"
	# A reload changes the form of the next line.
	sed -i 's/json/logfmt/' "$T/up.yaml"
	mr reload
	visit
	within 5 grep -q '^ts=.* event=session_end ' "$S/log/dp.log"
}

@test "the journal gets priorities in front of the lines" {
	: >"$T/dp.log"
	export JOURNAL_STREAM
	JOURNAL_STREAM=$(stat -c %d:%i "$T/dp.log")
	dp_start
	grep -q '^<6>ts=.* event=start ' "$T/dp.log"
	run ! grep -v '^<[3467]>ts=' "$T/dp.log"
}

@test "the access log has a line for every session, however many end in a second" {
	dp_start --set "log.access=$T/access.txt"
	for _ in $(seq 1 5); do
		seq -f "url=http://127.0.0.1:$HTTP/live/none%g.flv" 1 20 | curl -s --max-time 10 -o /dev/null -H 'Connection: close' -K -
	done
	within 10 has_lines "$T/access.txt" 100
	[ "$(grep -c ' event=session_end .* reason=stream_not_found in=[0-9]* out=[0-9]* duration_ms=[0-9]* skips=0 lag_ms=0 rtt_us=[0-9]* segments=[0-9]* retransmits=[0-9]* core=' "$T/access.txt")" = 100 ]
	run ! grep -q session_end "$T/dp.log"
}

@test "the access log is opened again at SIGHUP, and turned over at its size" {
	dp_start --set "log.access=$T/access.txt" --set log.access_bytes=2k
	visit
	within 5 has_lines "$T/access.txt" 1
	mv "$T/access.txt" "$T/moved"
	kill -HUP "$DP"
	within 5 test -e "$T/access.txt"
	visit
	within 5 has_lines "$T/access.txt" 1
	[ "$(lines "$T/moved")" = 1 ]
	for _ in $(seq 1 12); do visit; done
	within 5 test -e "$T/access.txt.1"
	[ "$(stat -c %s "$T/access.txt.1")" -le 2048 ]
	[ "$(stat -c %s "$T/access.txt")" -le 2048 ]
	run millrace-dp --state "$T/other" --set "log.access=$T/no/such/folder/x" --set rtmp.listen=127.0.0.1:0
	[ "$status" -ne 0 ]
	[[ $output == *log.access*"No such file"* ]]
}
