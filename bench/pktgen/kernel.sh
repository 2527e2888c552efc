#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kernel.sh INTERFACE ADDRESS MAC [bytes [threads [seconds [packets a second of each thread]]]]
# UDP packets from the kernel's own generator (module pktgen), one queue of INTERFACE and one CPU for each
# thread, from 256 addresses of 198.18.0.0/24. Prints what each thread handed to the device. Only against
# your own machines.
set -eu
[ $# -ge 3 ] || {
	sed -n '3,6s/^# //p' "$0" >&2
	exit 2
}
interface=$1 address=$2 mac=$3 bytes=${4:-64} threads=${5:-1} seconds=${6:-10} rate=${7:-0}
at=/proc/net/pktgen
[ -e $at ] || modprobe pktgen

tell() { # FILE WORDS...: one command of the generator
	local file=$1
	shift
	echo "$*" >"$at/$file"
}

tell pgctrl reset
for ((i = 0; i < threads; i++)); do
	device=$interface@$i
	tell "kpktgend_$i" "add_device $device"
	tell "$device" count 0
	tell "$device" "pkt_size $((bytes - 4))" # the checksum is the card's
	tell "$device" delay 0
	[ "$rate" = 0 ] || tell "$device" "ratep $rate"
	tell "$device" "dst $address"
	tell "$device" "dst_mac $mac"
	tell "$device" src_min 198.18.0.0
	tell "$device" src_max 198.18.0.255
	tell "$device" "queue_map_min $i"
	tell "$device" "queue_map_max $i"
done

# It starts with this write, which returns when it is stopped.
tell pgctrl start &
started=$!
sleep "$seconds"
tell pgctrl stop
wait "$started" || true
for ((i = 0; i < threads; i++)); do
	awk -v who="thread $i:" '/pps/ { print who, $0 }' "$at/$interface@$i"
done
tell pgctrl reset
