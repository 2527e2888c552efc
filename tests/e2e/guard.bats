#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The packet guard at a node's interface: lists, rates, a flood.

load lib
load wire

setup() {
	wire_setup
}

teardown() {
	wire_teardown
}

guarded_node() { # [line of bpf:...]
	node 'domain: {open: true}' 'bpf:' '  guard: wire' "$@"
	is guard_on '' '== 1' || skip "the program cannot be loaded here: $(grep -h kernel_program "$S"/log/*.log)"
}

# asks SECONDS: the viewer's namespace gets an answer by HTTP within that time
asks() {
	in_ns "$B" curl -s --max-time "$1" -o /dev/null "http://10.77.0.1:$HTTP/live/none.flv"
}

knocks() {
	asks 10
}

blocked() {
	not asks 1
}

xdp_mode() { # 1: by the driver, 2: generic, empty: nothing is attached
	ip -n "$A" -j link show wire | jq -r '.[0].xdp.mode // empty'
}

@test "a range is denied, allowed and removed; entries outlive the process; nothing is left at the end" {
	guarded_node
	[ "$(xdp_mode)" = 1 ]
	knocks
	run -0 mr guard deny 10.77.0.0/24
	[[ $output == *"10.77.0.0/24"*deny*operator* ]]
	blocked
	is guard_packets_total 'verdict="denied"' '> 0'
	# The longest prefix decides.
	mr guard allow 10.77.0.2
	knocks
	is guard_packets_total 'verdict="allowed"' '> 0'
	mr guard remove 10.77.0.2
	blocked
	run -1 mr guard remove 10.77.0.2
	[[ $output == *"not listed"* ]]
	run -1 mr guard deny 10.77.0.300
	[[ $output == *"10.77.0.300"* ]]
	# Its own interface and every other port stay as they are.
	in_ns "$B" ping -c 1 -W 2 10.77.0.1 >/dev/null
	old=$(pid_of cp)
	kill -KILL "$old"
	within 20 up_ready
	within 5 is guard_on '' '== 1'
	mr guard list | grep -q '^10.77.0.0/24 *deny *operator'
	blocked
	mr guard remove 10.77.0.0/24
	knocks
	kill "$UP"
	end_of "$UP" 10
	[ -z "$(xdp_mode)" ]
}

@test "lists of the configuration, and their change by reload" {
	guarded_node '  guard_deny: 10.77.0.2'
	blocked
	sed -i 's/  guard_deny: .*/  guard_deny: 192.0.2.0\/24/' "$T/up.yaml"
	mr reload
	knocks
	run -0 mr guard list --json
	jq -e '.entries == [{"range": "192.0.2.0/24", "verdict": "deny", "from": "configuration"}]' <<<"$output"
	sed -i 's/  guard_deny: .*/  guard_deny: 192.0.2.0\/99/' "$T/up.yaml"
	run -1 mr reload
	[[ $output == *bpf.guard_deny*192.0.2.0/99* ]]
}

@test "only listed addresses may come" {
	guarded_node '  guard_only_listed: true' '  guard_allow: 10.77.0.9'
	blocked
	is guard_packets_total 'verdict="unlisted"' '> 0'
	mr guard allow 10.77.0.0/30
	knocks
}

@test "an interface that is not there: the node runs without the guard and says why" {
	node 'domain: {open: true}' 'bpf:' '  guard: nosuch0'
	is guard_on '' '== 0'
	run -0 mr guard list
	[[ $output == *off*nosuch0* ]]
	knocks
}

@test "a flood of connections does not disturb a viewer" {
	guarded_node '  guard_rate: 20' '  guard_burst: 20'
	publish_in_a
	view viewer
	within 10 has "$T/viewer.flv" 50000
	before=$(value accepts_total 'core="0"')
	before=$((before + $(value accepts_total 'core="1"' || echo 0)))
	in_ns "$B" timeout 60 python3 "$TOP/tests/e2e/syn_flood.py" 10.77.0.1 "$RTMP" 10.78 60000 >"$T/flood"
	echo "flood: $(cat "$T/flood"); $(mr guard list | head -1)"
	is guard_packets_total 'verdict="rate"' '> 30000'
	# What the kernel had to answer: a few per prefix, and the viewer's own segments pass all the time.
	size=$(stat -c %s "$T/viewer.flv")
	within 10 has "$T/viewer.flv" $((size + 50000))
	is stream_skips_total 'stream="default/live/a"' '== 0'
	knocks
	after=$(value accepts_total 'core="0"')
	after=$((after + $(value accepts_total 'core="1"' || echo 0)))
	[ $((after - before)) -lt 50 ]
}
