#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# net.backend dpdk: the node's own TCP on one end of a veth pair, the kernel's clients at the other
# end. See lib's wire for the picture; 10.77.0.1 is the device's here, and not the kernel's.

# shellcheck disable=SC2034

load lib
load wire

AT=10.77.0.1
AT6=fd77::1

needs() { # what is missing
	if [ "${CI:-}" = true ]; then
		echo "# $1, and CI=true allows no skipped test"
		return 1
	fi
	skip "$1"
}

setup() {
	[ -e "$BIN/millrace-net-dpdk.so" ] || needs "built without libdpdk"
	[ "$(id -u)" = 0 ] || needs "network namespaces need root"
	wire_setup
	ip -n "$A" addr flush dev wire
	in_ns "$A" sysctl -qw net.ipv6.conf.wire.disable_ipv6=1
	ip -n "$B" -6 addr add fd77::2/64 dev wire nodad
	# What the kernel hands to a veth has no finished checksums otherwise.
	in_ns "$B" ethtool -K wire tx off >/dev/null
}

teardown() {
	wire_teardown
	[ -z "${PAGES:-}" ] || echo "$PAGES" >/proc/sys/vm/nr_hugepages
}

# bypass [line of configuration...]: the node, on the device
bypass() {
	node "net: {backend: dpdk}" "domain: {open: true}" "tasks: {retry_interval_min: 1}" "cores: ${CORES:-1}" \
		"overload: {busy_share: 0, refuse_share: 0}" \
		"dpdk: {device: '${DEVICE:-net_af_packet0,iface=wire}', addresses: ${ADDRESSES:-$AT/24 $AT6/64}, huge_pages: ${HUGE:-false}, idle_us: 100${DPDK:+, $DPDK}}" "$@"
}

dp_log() {
	cat "$T/up.log" "$S"/log/*.log 2>/dev/null
}

total() { # NAME CONDITION: of the sum over the cores
	curl -fsS --unix-socket "$S/api.sock" http://localhost/metrics |
		awk -v n="millrace_$1" '{ split($1, a, "{") } a[1] == n { v += $2 } END { exit !(v '"$2"') }'
}

logged() { # pattern
	dp_log | grep -q "$1"
}

publish_over() { # NAME [address]
	fixture
	background "publish-$1" nsenter --net="/run/netns/$B" ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f flv \
		"rtmp://${2:-$AT}:$RTMP/live/$1"
	within 15 stream_live "live/$1"
}

packets_over() { # URL SECONDS
	timeout $(($2 + 20)) nsenter --net="/run/netns/$B" ffmpeg -v error -rw_timeout 15000000 -i "$1" -t "$2" -c copy -f framemd5 - \
		2>>"$T/packets.log" | grep -v '^#' | awk -F', *' '{print $1, $5, $6}'
}

played_is_published() { # NAME [address]
	local at=${2:-$AT}
	packets_over "rtmp://$at:$RTMP/live/$1" 4 >"$T/rtmp.txt" &
	packets_over "http://$at:$HTTP/live/$1.flv" 4 >"$T/flv.txt"
	wait $!
	same_packets "$T/rtmp.txt"
	same_packets "$T/flv.txt"
}

grows() { # FILE: it gets longer
	local before
	before=$(stat -c %s "$1")
	within "${2:-10}" has "$1" $((before + 20000))
}

@test "dpdk: what is published over the device is played over it, RTMP and HTTP-FLV" {
	bypass
	publish_over a
	played_is_published a
	logged 'event=start.*net=dpdk'
	within 10 total packets_received_total '> 100'
	total packets_sent_total '> 100'
}

@test "dpdk: the same by IPv6" {
	bypass
	publish_over a "[$AT6]"
	played_is_published a "[$AT6]"
}

@test "dpdk: four cores share a device that spreads packets in its own way" {
	DEVICE=net_af_packet0,iface=wire,qpairs=4 CORES=4 bypass
	publish_over a
	for i in 1 2 3 4 5 6; do
		view "viewer$i"
	done
	played_is_published a
	for i in 1 2 3 4 5 6; do
		within 15 has "$T/viewer$i.flv" 100000
	done
}

@test "dpdk: a device that takes one segment per packet" {
	DEVICE=net_af_xdp0,iface=wire bypass
	logged 'event=dpdk .*chains=no'
	publish_over a
	played_is_published a
}

# DPDK's own test program as a cable between a device of the node's kind and the wire.
cable() { # DEVICE
	in_ns "$A" ip link set wire promisc on
	background cable nsenter --net="/run/netns/$A" dpdk-testpmd --no-huge -m 128 --no-shconf --no-telemetry --no-pci \
		--file-prefix="cable$$" -l 0,1 --vdev="$1" --vdev=net_af_packet0,iface=wire -- --forward-mode=io --auto-start \
		--total-num-mbufs=8192 --rxd=256 --txd=256 --stats-period=60
}

@test "dpdk: over memif" {
	command -v dpdk-testpmd >/dev/null || needs "dpdk-testpmd is not installed"
	cable "net_memif0,role=server,socket=$T/memif.sock,socket-abstract=no"
	within 15 test -S "$T/memif.sock"
	DEVICE="net_memif0,role=client,socket=$T/memif.sock,socket-abstract=no" bypass
	publish_over a
	played_is_published a
}

@test "dpdk: over virtio-user and vhost, whose other end does not see the logs" {
	command -v dpdk-testpmd >/dev/null || needs "dpdk-testpmd is not installed"
	cable "net_vhost0,iface=$T/vhost.sock"
	within 15 test -S "$T/vhost.sock"
	DEVICE="net_virtio_user0,path=$T/vhost.sock" bypass
	logged 'event=dpdk .*chains=no'
	publish_over a
	played_is_published a
}

@test "dpdk: loopback and the device are one node" {
	bypass
	publish_in_a
	packets_over "http://$AT:$HTTP/live/a.flv" 4 >"$T/flv.txt"
	same_packets "$T/flv.txt"
	nsenter --net="/run/netns/$A" curl -s --max-time 4 "http://127.0.0.1:$HTTP/live/a.flv" | head -c 20000 | wc -c | grep -qx 20000
}

@test "dpdk: a relay task pulls and pushes over the device" {
	bypass
	nginx_in_b
	fixture
	background publish-src nsenter --net="/run/netns/$B" ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmp://127.0.0.1:$NGX/src/a"
	TASK=$(relay_create "rtmp://10.77.0.2:$NGX/src/a" "rtmp://10.77.0.2:$NGX/dst/a")
	within 20 task_is "$TASK" 1
	packets_over "rtmp://127.0.0.1:$NGX/dst/a" 4 >"$T/dst.txt"
	same_packets "$T/dst.txt"
	# The kernel of A has no address on the wire: it was not the kernel.
	[ -z "$(ip -n "$A" -4 addr show dev wire)" ]
}

nginx_in_b() {
	# shellcheck disable=SC2034 # what nginx_start reads
	NGX_BY=(nsenter --net="/run/netns/$B") NGX_AT=0.0.0.0
	listening() { nsenter --net="/run/netns/$B" bash -c "exec 9<>/dev/tcp/127.0.0.1/$1" 2>/dev/null; }
	nginx_start
}

@test "dpdk: nobody there, nobody listening, and the way is unknown: each its reason" {
	bypass
	nobody=$(relay_create "rtmp://10.77.0.2:9/src/a" "rtmp://10.77.0.2:9/dst/a")
	silent=$(relay_create "rtmp://10.77.0.77:1935/src/a" "rtmp://10.77.0.2:9/dst/b")
	within 20 task_says "$nobody" connect_refused
	within 20 task_says "$silent" connect_timeout
}

task_says() {
	mr task show "$1" --json | grep -q "$2"
}

captured_play() { # plays with everything on the wire in $T/wire.pcap
	rm -f "$T/capture.log"
	background capture nsenter --net="/run/netns/$B" tshark -q -i wire -w "$T/wire.pcap" -f "tcp"
	within 10 grep -q Capturing "$T/capture.log"
	local capture=$PID
	played_is_published a
	kill -INT "$capture"
	end_of "$capture" 10
}

shark() { # FILTER: how many packets of ours it fits
	tshark -r "$T/wire.pcap" -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE -Y "ip.src == $AT && $1" 2>/dev/null | wc -l
}

@test "dpdk: a capture of a session shows no bad checksum, no repeated segment and no full window" {
	command -v tshark >/dev/null || needs "tshark is not installed"
	bypass
	publish_over a
	# Nothing gets lost on this wire. A client that is not run for a while acknowledges late and is
	# asked again; not again and again in each of three sessions.
	for _ in 1 2 3; do
		captured_play
		[ "$(shark tcp.analysis.retransmission)" -gt 3 ] || break
	done
	[ "$(shark tcp.analysis.retransmission)" -le 3 ]
	[ "$(shark tcp)" -gt 200 ]
	[ "$(shark 'tcp.checksum.status == "Bad"')" = 0 ]
	[ "$(shark 'ip.checksum.status == "Bad"')" = 0 ]
	[ "$(shark tcp.analysis.spurious_retransmission)" = 0 ]
	[ "$(shark tcp.analysis.window_full)" = 0 ]
	[ "$(shark _ws.malformed)" = 0 ]
}

@test "dpdk: packets that get lost are sent again, and the viewer gets every byte" {
	bypass
	publish_over a
	in_ns "$B" nft add table inet loss
	in_ns "$B" nft 'add chain inet loss in { type filter hook input priority 0; }'
	in_ns "$B" nft add rule inet loss in iifname wire numgen random mod 30 0 counter drop
	played_is_published a
	within 10 total resent_bytes_total '> 1000'
}

long_lossy_path() { # [line of configuration...]
	[ -x "$BIN/bench/wan" ] || needs "without build/bench/wan"
	wire_stretch --delay-us 20000 --rate-mbit 20 --queue-bytes 100000 --loss-ppm 10000 --loss-back-ppm 10000
	bypass "$@"
	publish_over a
	played_is_published a
	within 10 total resent_bytes_total '> 1000'
}

@test "dpdk: over 40 ms with losses both ways every byte arrives, by hash" {
	long_lossy_path
}

@test "dpdk: the same where losses are found by duplicates, not by time" {
	long_lossy_path "tcp: {rack: false}"
}

@test "dpdk: a link that goes down and comes back" {
	bypass
	publish_in_a
	view viewer
	within 15 has "$T/viewer.flv" 50000
	ip -n "$B" link set wire down
	sleep_for_link
	ip -n "$B" link set wire up
	ip -n "$B" -6 addr add fd77::2/64 dev wire nodad 2>/dev/null || :
	grows "$T/viewer.flv" 20
	alive "$PID"
}

# Time is what the case is about: the viewer's bytes are missing for a while.
sleep_for_link() {
	read -rt 1.5 <> <(:) || :
}

@test "dpdk: a neighbour that gets another link address is found again" {
	bypass
	publish_in_a
	view viewer
	within 15 has "$T/viewer.flv" 50000
	ip -n "$B" link set wire address 02:77:00:00:00:99
	grows "$T/viewer.flv" 40
	alive "$PID"
}

@test "dpdk: echo, IPv4 and IPv6" {
	command -v ping >/dev/null || needs "ping is not installed"
	bypass
	in_ns "$B" ping -c 3 -i 0.1 -W 5 "$AT"
	in_ns "$B" ping -c 3 -i 0.1 -W 5 "$AT6"
	in_ns "$B" ping -c 2 -i 0.1 -W 5 -s 1472 "$AT"
}

@test "dpdk: in a VLAN, and nowhere else" {
	DPDK="vlan: 7" bypass
	in_ns "$B" timeout 30 python3 - "$AT" <<'PY'
import socket, struct, sys, time
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind(('wire', 0))
wire.settimeout(0.2)
mac, us, them = wire.getsockname()[4], socket.inet_aton('10.77.0.2'), socket.inet_aton(sys.argv[1])

def answered(vlan, within):
    tag = struct.pack('!HH', 0x8100, vlan) if vlan else b''
    ask = b'\xff' * 6 + mac + tag + struct.pack('!HHHBBH', 0x806, 1, 0x800, 6, 4, 1) + mac + us + bytes(6) + them
    until = time.time() + within
    while time.time() < until:
        wire.send(ask.ljust(64, b'\0'))
        try:
            while True:
                got, where = wire.recvfrom(2000)
                # The kernel takes the tag of what comes in; the rest is the answer.
                if where[2] != socket.PACKET_OUTGOING and b'\0\2' + got[6:12] + them + mac + us in got:
                    return True
        except socket.timeout:
            pass
    return False

assert answered(7, 10)
assert not answered(8, 1)
assert not answered(0, 1)
PY
}

@test "dpdk: what is not ours goes to the kernel by the exception device" {
	command -v ping >/dev/null || needs "ping is not installed"
	DPDK="exception: 'net_tap0,iface=mrx'" bypass
	# A's kernel would hear the same frames from the wire itself.
	in_ns "$A" nft add table netdev deaf
	in_ns "$A" nft 'add chain netdev deaf in { type filter hook ingress device wire priority 0; policy drop; }'
	ip -n "$A" addr add 10.77.0.9/24 dev mrx
	ip -n "$A" link set mrx up
	in_ns "$B" ping -c 3 -i 0.2 -W 5 10.77.0.9
	publish_over a
	played_is_published a
}

@test "dpdk: killed with SIGKILL, it comes back, and so does the encoder" {
	bypass
	publish_over a
	kill -KILL "$(pid_of dp)"
	within 20 up_ready
	publish_over b
	played_is_published b
}

@test "dpdk: a connection from before a SIGKILL is reset at its next byte" {
	bypass
	# The kernel knows nothing of it, so nobody resets it while the node is gone.
	background before nsenter --net="/run/netns/$B" python3 -c "
import os, socket, time
s = socket.create_connection(('$AT', $HTTP))
print('open', flush=True)
while not os.path.exists('$T/back'):
    time.sleep(0.05)
s.settimeout(20)
s.sendall(b'GET /live/a.flv HTTP/1.1\r\n')
try:
    print('got', s.recv(1), flush=True)
except ConnectionResetError:
    print('reset', flush=True)"
	within 15 grep -q open "$T/before.log"
	old=$(pid_of dp)
	kill -KILL "$old"
	within 10 not alive "$old"
	within 20 up_ready
	: >"$T/back"
	within 25 grep -q reset "$T/before.log"
}

free_pages() {
	awk '/^HugePages_Free/ { print $2 }' /proc/meminfo
}

pages_taken() { # NUMBER of those that were free before
	[ $((FREE - $(free_pages))) -eq "$1" ]
}

@test "dpdk: huge pages of a node that was killed with SIGKILL are free again" {
	PAGES=$(cat /proc/sys/vm/nr_hugepages)
	echo $((PAGES + 256)) 2>/dev/null >/proc/sys/vm/nr_hugepages || needs "huge pages cannot be reserved"
	[ "$(cat /proc/sys/vm/nr_hugepages)" = $((PAGES + 256)) ] || needs "no 512 MiB of memory for huge pages"
	FREE=$(free_pages)
	HUGE=true bypass
	taken=$((FREE - $(free_pages)))
	[ "$taken" -gt 0 ]
	old=$(pid_of dp)
	kill -KILL "$old"
	within 10 not alive "$old"
	# Its successor has as many: once, not twice.
	within 20 pages_taken "$taken"
	publish_over a
	kill -KILL "$UP" "$(pid_of dp)"
	within 20 pages_taken 0
}

@test "dpdk: a flood of SYNs costs a viewer nothing, and new ones come in" {
	bypass
	publish_in_a
	view viewer
	within 15 has "$T/viewer.flv" 50000
	background flood nsenter --net="/run/netns/$B" "$TOP/bench/pktgen/synflood.sh" wire "$AT" "$HTTP" 4
	flood=$PID
	packets_over "http://$AT:$HTTP/live/a.flv" 2 >"$T/flv.txt"
	alive "$flood"
	grows "$T/viewer.flv"
	end_of "$flood" 40
	grep -Eq '^[0-9]{4,} SYNs' "$T/flood.log"
	same_packets "$T/flv.txt"
	grows "$T/viewer.flv"
}

@test "dpdk: a viewer that stops reading is closed, and the memory of its bytes comes back" {
	bypass "play: {stall_timeout: 2s, max_lag: 1s}" "stream: {retain: 2s}"
	publish_in_a
	background stuck nsenter --net="/run/netns/$B" python3 -c "
import socket, time
s = socket.create_connection(('$AT', $HTTP))
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.sendall(b'GET /live/a.flv HTTP/1.1\r\nHost: x\r\n\r\n')
time.sleep(60)"
	within 40 logged 'session_end.*protocol=http-flv.*reason=send_stalled'
	view viewer
	within 15 has "$T/viewer.flv" 50000
}

@test "dpdk: configured, but not built: it says so" {
	cp "$BIN/millrace-dp" "$T/millrace-dp"
	run -1 timeout 10 "$T/millrace-dp" --state "$S" --set net.backend=dpdk --set dpdk.device=net_null0 --set dpdk.addresses=10.0.0.2/24
	[[ $output == *"net.backend: this build has no dpdk backend"* ]]
	[[ $output == *"libdpdk-dev"* ]]
}

@test "dpdk: a configuration that cannot be names its key" {
	dpdk() { run -1 timeout 20 nsenter --net="/run/netns/$A" millrace-dp --state "$S" --set net.backend=dpdk --set dpdk.huge_pages=false "$@"; }
	dpdk
	[[ $output == *"dpdk.addresses"* ]]
	dpdk --set dpdk.addresses=10.0.0.2/24
	[[ $output == *"dpdk.device: must name one"* ]]
	dpdk --set dpdk.addresses=10.0.0.2/24 --set dpdk.gateways=192.0.2.1
	[[ $output == *"dpdk.gateways: 192.0.2.1"* ]]
	dpdk --set dpdk.addresses=10.0.0.2/24 --set dpdk.device=net_af_packet0,iface=nothere
	[[ $output == *"nothere: no such device"* ]]
	dpdk --set dpdk.addresses=10.0.0.2/24 --set dpdk.device=net_af_packet0,iface=wire --set cores=3
	[[ $output == *"1 receive and 1 transmit queues, too few for 3 cores"* ]]
	dpdk --set dpdk.addresses=10.0.0.2/24 --set dpdk.device=net_null0 --set rtmp.listen=10.0.0.2:0
	[[ $output == *"TLS and port 0 are for the kernel's addresses"* ]]
}
