#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# pktgen.sh [--show] DEVICE ADDRESS PORT MAC [percent [seconds]]
# A SYN flood at line rate from 65,536 addresses of 198.18.0.0/16, by DPDK's Pktgen, at ADDRESS:PORT behind MAC.
# DEVICE is a PCI address that is bound to vfio-pci; percent is of the line rate. --show prints Pktgen's commands
# instead of running them. Ends after `seconds` and prints what the port sent. Only against your own machines.
set -eu
show=
[ "${1:-}" != --show ] || { show=1 && shift; }
[ $# -ge 4 ] || {
	sed -n '3,6s/^# //p' "$0" >&2
	exit 2
}
device=$1 address=$2 port=$3 mac=$4 percent=${5:-100} seconds=${6:-30}

commands() {
	cat <<COMMANDS
off
set 0 count 0
set 0 rate $percent
set 0 burst 64
range 0 type ipv4
range 0 proto tcp
range 0 tcp flag set syn
range 0 dst mac $mac $mac $mac 00:00:00:00:00:00
range 0 src ip 198.18.0.0 198.18.0.0 198.18.255.255 0.0.0.1
range 0 dst ip $address $address $address 0.0.0.0
range 0 src port 1024 1024 65535 1
range 0 dst port $port $port $port 0
range 0 size 64 64 64 0
enable 0 range
start 0
delay $((seconds * 1000))
stop 0
delay 1000
page stats
quit
COMMANDS
}

[ -z "$show" ] || {
	commands
	exit
}
command -v pktgen >/dev/null || {
	echo "pktgen is not installed: Debian has none; build the release that fits your DPDK" >&2
	exit 1
}
script=$(mktemp --suffix=.pkt)
trap 'rm -f "$script"' EXIT
commands >"$script"
# One core for the display, one that sends on port 0.
pktgen -l 0-1 -a "$device" -- -P -m '1.0' -f "$script"
