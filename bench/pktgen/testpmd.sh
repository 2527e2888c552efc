#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# testpmd.sh DEVICE [flows]: packets a second that a device takes from one CPU, for ten seconds. DEVICE as
# dpdk.device has it; with `flows`, of so many flows (flowgen) instead of one frame again and again.
set -eu
device=$1 flows=${2:-}
how=--vdev=$device
[[ $device != *:*.* ]] || how=--allow=$device
mode=(--forward-mode=txonly --txpkts=1514)
[ -z "$flows" ] || mode=(--forward-mode=flowgen "--flowgen-flows=$flows" --txpkts=1514)
pci=(--no-pci)
[[ $device != *:*.* ]] || pci=()
timeout --signal=INT 12 dpdk-testpmd --no-huge -m 256 --no-shconf --no-telemetry "${pci[@]}" -l 0,1 "$how" -- \
	"${mode[@]}" --stats-period=1 --total-num-mbufs=16384 --txd=1024 --rxd=1024 |
	awk '/Tx-pps/ { print $2 " packets/s" }'
