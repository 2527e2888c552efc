#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the kernel's programs and TCP_INFO say of the paths to viewers, against what the other end
# saw. A node in one network namespace, viewers in another, a veth pair between them.

load lib
load wire

setup() {
	wire_setup
}

teardown() {
	wire_teardown
}

# field NAME: of the viewer's line at its end
field() {
	grep 'event=session_end.*protocol=http-flv' "$T/up.log" "$S"/log/*.log 2>/dev/null | tail -1 | grep -o " $1=[^ ]*" | cut -d= -f2
}

ended() {
	[ -n "$(field reason)" ]
}

lose() { # one packet in so many, on its way into B
	in_ns "$B" nft add table inet loss
	in_ns "$B" nft 'add chain inet loss in { type filter hook input priority 0; }'
	in_ns "$B" nft add rule inet loss in iifname wire numgen random mod "$1" 0 counter drop
}

OTHER='protocol="other",direction="none"'
OUT='stream="default/live/a",protocol="http-flv",direction="out"'

needs_tcpstat() {
	is kernel_program 'program="tcpstat"' '== 1' || skip "the program cannot be loaded here: $(grep -h kernel_program "$T/up.log" "$S"/log/*.log)"
}

@test "retransmits: those of TCP_INFO, while packets are lost on the way" {
	node 'domain: {open: true}'
	needs_tcpstat
	publish_in_a
	lose 20
	view viewer
	within 30 has "$T/viewer.flv" 600000
	# While something is sent.
	within 10 is domain_retransmit_ratio 'domain="default"' '>= 0'
	kill "$PID"
	within 10 ended
	[ "$(field retransmits)" -gt 0 ]
	# The last look is when the connection is closed for good.
	within 10 is stream_tcp_segments_sent_total "$OUT" ">= $(field segments)"
	sent=$(value stream_tcp_segments_sent_total "$OUT") again=$(value stream_tcp_segments_retransmitted_total "$OUT")
	[ "$((sent - $(field segments)))" -le 4 ]
	[ "$((again - $(field retransmits)))" -le 4 ] && [ "$again" -ge "$(field retransmits)" ]
	is stream_tcp_segments_lost_total "$OUT" "<= $again"
	# Every one of them was looked at: the histogram has looks with repeats in them.
	bucket=$(value stream_retransmit_ratio_bucket 'stream="default/live/a",le="0"') all=$(value stream_retransmit_ratio_count 'stream="default/live/a"')
	[ "$all" -gt "$bucket" ]
}

received() { # bytes and packets of B's interface
	ip -n "$B" -s -j link show wire | jq -r '.[0].stats64.rx | "\(.bytes) \(.packets)"'
}

@test "bytes on the wire: what the other end's interface received" {
	node 'domain: {open: true}'
	needs_tcpstat
	publish_in_a
	within 10 is tcp_connections 'protocol="rtmp",direction="in"' '== 1'
	other=$(value tcp_wire_bytes_total "$OTHER")
	read -r bytes packets < <(received)
	view viewer
	within 30 has "$T/viewer.flv" 600000
	kill "$PID"
	within 10 ended
	within 10 is tcp_connections 'protocol="http-flv",direction="out"' '== 0'
	read -r bytes2 packets2 < <(received)
	seen=$((bytes2 - bytes - 14 * (packets2 - packets)))
	# What goes out until the kernel looks at the connection again counts for no stream.
	counted=$(($(value stream_tcp_wire_bytes_total "$OUT") + $(value tcp_wire_bytes_total "$OTHER") - other))
	# ARP and the answer of the handshake are the interface's alone.
	echo "seen $seen counted $counted"
	[ "$counted" -le "$seen" ] && [ $((seen - counted)) -lt 300 ]
	[ "$counted" -gt "$(stat -c %s "$T/viewer.flv")" ]
	# The domain's, which outlives the stream, has it too, and what its publisher was answered.
	wire=$(value stream_tcp_wire_bytes_total "$OUT")
	kill "$PUBLISHER"
	within 15 not value stream_tcp_wire_bytes_total "$OUT"
	within 10 is domain_tcp_wire_bytes_total 'domain="default"' ">= $wire"
	within 10 is domain_joins_total 'domain="default"' '== 1'
}

@test "round-trip times: as the connection itself has them" {
	node 'domain: {open: true}'
	needs_tcpstat
	publish_in_a
	view viewer
	within 20 is stream_rtt_seconds_count 'stream="default/live/a"' '>= 3'
	sum=$(value stream_rtt_seconds_sum 'stream="default/live/a"') n=$(value stream_rtt_seconds_count 'stream="default/live/a"')
	is domain_rtt_seconds 'domain="default"' '> 0'
	kill "$PID"
	within 10 ended
	echo "mean $sum / $n, at the end $(field rtt_us) us"
	awk -v mean="$(awk "BEGIN { print $sum / $n * 1e6 }")" -v last="$(field rtt_us)" \
		'BEGIN { exit !(mean > 0 && last > 0 && mean < 50 * last + 20000 && last < 50 * mean + 20000) }'
	is stream_join_seconds_count 'stream="default/live/a"' '== 1'
	is stream_lag_seconds_count 'stream="default/live/a"' '>= 1'
}

@test "without the program TCP_INFO gives the same figures" {
	node 'domain: {open: true}' 'bpf:' '  tcpstat: false'
	is kernel_program 'program="tcpstat"' '== 0'
	publish_in_a
	view viewer
	within 10 has "$T/viewer.flv" 1
	lose 20 # from now on: what the handshake lost is not the stream's
	# While it plays, connections are asked in turn.
	within 20 is stream_tcp_segments_sent_total "$OUT" '> 50'
	within 20 has "$T/viewer.flv" 400000
	kill "$PID"
	within 10 ended
	within 5 is stream_tcp_segments_sent_total "$OUT" "== $(field segments)"
	is stream_tcp_segments_retransmitted_total "$OUT" "== $(field retransmits)"
	is stream_rtt_seconds_count 'stream="default/live/a"' '>= 2'
}

@test "figures survive the control plane, and connections that come and go leave nothing" {
	node 'domain: {open: true}'
	needs_tcpstat
	publish_in_a
	within 10 is tcp_connections 'protocol="rtmp",direction="in"' '== 1'
	in_ns "$B" timeout 60 python3 - "$RTMP" "$HTTP" <<'PY'
import socket, sys
for i in range(1500):
    s = socket.create_connection(('10.77.0.1', int(sys.argv[1 + i % 2])), 5)
    if i % 3 == 0 and i % 2:
        s.sendall(b'GET /live/a.flv HTTP/1.0\r\n\r\n')
        s.recv(1000)
    s.close()
PY
	within 15 is tcp_connections 'protocol="http-flv",direction="out"' '== 0'
	within 15 is tcp_connections 'protocol="other",direction="none"' '<= 1'
	within 5 is stream_joins_total 'stream="default/live/a"' '>= 100'
	is tcpstat_lost_total '' '== 0'
	sent=$(value tcp_segments_sent_total 'protocol="http-flv",direction="out"')
	kill -KILL "$(pid_of cp)"
	within 20 is tcp_segments_sent_total 'protocol="http-flv",direction="out"' ">= $sent"
	# The stream ends: its series go, what it did stays in the node's.
	kill "$PUBLISHER"
	within 15 not value stream_tcp_segments_sent_total "$OUT"
	is tcp_segments_sent_total 'protocol="http-flv",direction="out"' ">= $sent"
}

@test "a core for each connection by load: all of them are steered" {
	node 'domain: {open: true}' 'cores: 2'
	is kernel_program 'program="steer"' '== 1' || skip "the program cannot be loaded here"
	publish_in_a
	for i in 1 2 3 4 5 6; do view "v$i"; done
	within 10 is stream_viewers 'stream="default/live/a",protocol="http-flv"' '== 6'
	within 5 is steered_connections_total 'by="program"' '>= 6'
	[ "$(value connections 'core="0"')" -ge 1 ]
	[ "$(value connections 'core="1"')" -ge 1 ]
}
