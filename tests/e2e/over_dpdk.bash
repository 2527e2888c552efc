#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs end-to-end tests with net.backend dpdk: over_dpdk.bash FILE.bats [bats option...]. Needs root.
#
# In a network namespace of its own there is a veth pair: one end is the device of every data plane
# that a test starts, the other the kernel's. Connections of the tests' clients to 127.0.0.1 at the
# ports of a data plane are sent to the device (lib's dpdk_ports), so that they pass both TCPs. One test
# at a time: they share the device.
set -eu

if [ -z "${MILLRACE_NET:-}" ]; then
	exec env MILLRACE_NET=dpdk unshare -n "$0" "$@"
fi
ip link set lo up
ip link add mr0 type veth peer name mr1
ip link set mr0 addrgenmode none up
ip link set mr1 addrgenmode none up
ip addr add 10.78.0.1/24 dev mr1
sysctl -qw net.ipv4.conf.mr0.arp_ignore=8 net.ipv4.conf.mr1.rp_filter=0 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.all.route_localnet=1
ethtool -K mr1 tx off tso off gso off >/dev/null
nft -f - <<'NFT'
table ip mr {
	set ports { type inet_service; }
	chain out { type nat hook output priority -100; ip daddr 127.0.0.1 tcp dport @ports dnat to 10.78.0.2; }
}
NFT
exec bats --tap -j 1 "$@"
