#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bench/pktgen/kernel.sh: the kernel's generator, which is a module.

bats_require_minimum_version 1.5.0

setup() {
	[ -n "${GUEST:-}" ] || skip "runs in the guest of tests/guest/run"
	busybox insmod "$(find "$GUEST_MODULES" -name 'veth.ko*')"
	busybox insmod "$(find "$GUEST_MODULES" -name 'pktgen.ko*')"
	ip link add made type veth peer name seen
	ip link set made up
	ip link set seen up
}

received() {
	ip -s -j link show seen | jq '.[0].stats64.rx.packets'
}

@test "packets of the kernel's generator come out at the other end of the pair" {
	before=$(received)
	run -0 bench/pktgen/kernel.sh made 198.18.1.1 "$(cat /sys/class/net/seen/address)" 128 1 3
	[[ $output =~ "thread 0: "*([0-9]+)pps ]]
	[ $(($(received) - before)) -gt 1000 ]
}
