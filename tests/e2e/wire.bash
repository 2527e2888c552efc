# SPDX-License-Identifier: Apache-2.0
# A node in a network namespace of its own, A (10.77.0.1), its peers in another, B (10.77.0.2), and a
# veth pair between them, both ends called "wire". To be loaded behind lib.
# shellcheck shell=bash disable=SC2034

# To be called by setup() and teardown().
wire_setup() {
	[ "$(id -u)" = 0 ] || skip "network namespaces need root"
	e2e_setup
	A=mra$$ B=mrb$$
	ip netns add "$A"
	ip netns add "$B"
	ip -n "$A" link add wire type veth peer name wire netns "$B"
	ip -n "$A" addr add 10.77.0.1/24 dev wire
	ip -n "$B" addr add 10.77.0.2/24 dev wire
	for ns in "$A" "$B"; do
		ip -n "$ns" link set lo up
		ip -n "$ns" link set wire addrgenmode none
		ip -n "$ns" link set wire up
		# Packets as they would be on a wire, not aggregates.
		in_ns "$ns" ethtool -K wire tso off gso off gro off >/dev/null
	done
}

wire_teardown() {
	[ -n "${T:-}" ] || return 0
	e2e_teardown
	ip netns del "$A"
	ip netns del "$B"
	[ -z "${W:-}" ] || ip netns del "$W"
}

# The wire becomes a long path: bench/wan with these options, in a namespace of its own, between two wires.
wire_stretch() { # [option...]
	W=mrw$$
	ip netns add "$W"
	ip -n "$A" link del wire
	wire_half near "$A"
	wire_half far "$B"
	ip -n "$B" addr add 10.77.0.2/24 dev wire
	background wan nsenter --net="/run/netns/$W" "$BIN/bench/wan" near far "$@"
	within 10 grep -q ready "$T/wan.log"
}

wire_half() { # NAME NAMESPACE
	ip -n "$W" link add "$1" type veth peer name wire netns "$2"
	wire_half_up "$W" "$1"
	wire_half_up "$2" wire
}

wire_half_up() { # NAMESPACE NAME
	ip -n "$1" link set "$2" addrgenmode none up
	in_ns "$1" ethtool -K "$2" tx off tso off gso off gro off >/dev/null
}

# Not `ip netns exec`, which hides the cgroups.
in_ns() {
	local ns=$1
	shift
	nsenter --net="/run/netns/$ns" "$@"
}

node() { # [option...]: `millrace up` in A
	local i
	ports 3
	RTMP=${PORTS[0]} HTTP=${PORTS[1]} API=${PORTS[2]}
	printf 'memory:\n  arena: 256m\n' >"$T/up.yaml"
	for i in "$@"; do
		printf '%s\n' "$i" >>"$T/up.yaml"
	done
	background up nsenter --net="/run/netns/$A" millrace up --state "$S" --config "$T/up.yaml" \
		--rtmp ":$RTMP" --http ":$HTTP" --api "127.0.0.1:$API"
	UP=$PID
	within 20 up_ready
}

publish_in_a() {
	fixture
	background publish nsenter --net="/run/netns/$A" ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f flv \
		"rtmp://127.0.0.1:$RTMP/live/a"
	PUBLISHER=$PID
	within 10 stream_live live/a
}

view() { # NAME [curl option...]: an HTTP-FLV viewer in B
	local name=$1
	shift
	background "$name" nsenter --net="/run/netns/$B" curl -sN -o "$T/$name.flv" "$@" "http://10.77.0.1:$HTTP/live/a.flv"
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

has() { # FILE BYTES
	[ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -ge "$2" ]
}
