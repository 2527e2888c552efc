#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# net.backend dpdk on network adapters, which qemu emulates: what a vdev never does, DMA from the
# logs' huge pages by physical address (uio) and through an IOMMU (vfio), cut segments and checksums
# by the adapter. The kernel's client is on the same wire (tests/guest/run).

load ../e2e/lib

CLIENT=0000:00:10.0 E1000E=0000:00:11.0 VMXNET3=0000:00:12.0 VIRTIO=0000:00:13.0
AT=10.77.0.1

setup_file() {
	[ -n "${GUEST:-}" ] || return 0
	modules failover net_failover virtio_net uio uio_pci_generic irqbypass vfio iommufd vfio_virqfd vfio_iommu_type1 \
		vfio-pci-core vfio-pci
	drive "$CLIENT" virtio-pci
	local name
	name=$(basename /sys/bus/pci/devices/"$CLIENT"/virtio*/net/*)
	ip link set "$name" name client
	ip addr add 10.77.0.2/24 dev client
	ip link set client up
	echo 320 >/proc/sys/vm/nr_hugepages
}

setup() {
	[ -n "${GUEST:-}" ] || skip "runs in the guest of tests/guest/run"
	[ -e "$MILLRACE_BUILD/millrace-net-dpdk.so" ] || skip "built without libdpdk"
	e2e_setup
}

teardown() {
	[ -z "${GUEST:-}" ] || e2e_teardown
}

# modules NAME...: loads them from the guest's kernel, unless they are there or this kernel has them in another one
modules() {
	local name file
	for name; do
		file=$(find "$GUEST_MODULES" -name "$name.ko*")
		[ -z "$file" ] || [ -d "/sys/module/${name//-/_}" ] || busybox insmod "$file"
	done
}

drive() { # ADDRESS DRIVER: no other one has it from now on
	local device=/sys/bus/pci/devices/$1
	[ ! -e "$device/driver" ] || echo "$1" >"$device/driver/unbind"
	echo "$2" >"$device/driver_override"
	echo "$1" >/sys/bus/pci/drivers_probe
	[ "$(basename "$(readlink "$device/driver")")" = "$2" ]
}

bypass() { # ADDRESS [option...]
	local address=$1
	shift
	ports 2
	RTMP=${PORTS[0]} HTTP=${PORTS[1]}
	dp_run --set domain.open=true --set cores=1 --set net.backend=dpdk --set "dpdk.device=$address" \
		--set dpdk.addresses="$AT/24" --set memory.pages=huge --set memory.arena=64m --set stream.retain=6s --set play.max_lag=3s \
		--set dpdk.idle_us=1000 --set rtmp.handshake_timeout=60s --set "rtmp.listen=127.0.0.1:$RTMP $AT:$RTMP" --set "http.listen=127.0.0.1:$HTTP $AT:$HTTP" "$@"
}

logged() { # PATTERN
	grep -Eq "$1" "$T/dp.log"
}

counted() { # NAME
	python3 - "$DP" "$1" <<-PY
		import sys
		sys.path.insert(0, '$TOP/bench')
		import meter
		print(sum(meter.Counters(int(sys.argv[1])).read()[sys.argv[2]]))
	PY
}

received() {
	cat /sys/class/net/client/statistics/rx_packets
}

published_and_played() { # over the wire, both ways
	fixture
	background publish ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmp://$AT:$RTMP/live/a"
	within 60 flv_plays "http://$AT:$HTTP/live/a.flv"
	curl -s --max-time 20 -o "$T/a.flv" "http://$AT:$HTTP/live/a.flv" || [ $? -eq 28 ]
	packets "$T/a.flv" 4 >"$T/flv.txt"
	same_packets "$T/flv.txt"
}

# cuts: of what the node counts as one packet, the adapter made several
cuts() {
	local before seen
	before=$(counted packets_sent) seen=$(received)
	published_and_played
	[ $(($(counted packets_sent) - before)) -lt $(($(received) - seen)) ]
}

@test "e1000e by uio: the adapter reads the log by physical address, and computes checksums" {
	drive "$E1000E" uio_pci_generic
	bypass "$E1000E"
	logged 'event=dpdk .*checksums=device tso=none chains=yes .*iova=pa'
	published_and_played
}

@test "e1000e by vfio: the same through an IOMMU" {
	drive "$E1000E" vfio-pci
	bypass "$E1000E"
	logged 'event=dpdk .*checksums=device tso=none chains=yes .*iova=va'
	published_and_played
}

@test "e1000e without its help: dpdk.offloads=false" {
	drive "$E1000E" vfio-pci
	bypass "$E1000E" --set dpdk.offloads=false
	logged 'event=dpdk .*checksums=own tso=none '
	published_and_played
}

@test "vmxnet3 by uio: it cuts bursts, too" {
	drive "$VMXNET3" uio_pci_generic
	bypass "$VMXNET3"
	logged 'event=dpdk .*checksums=device tso=device chains=yes .*iova=pa'
	cuts
}

@test "vmxnet3 by vfio" {
	drive "$VMXNET3" vfio-pci
	bypass "$VMXNET3"
	logged 'event=dpdk .*checksums=device tso=device .*iova=va'
	cuts
}

@test "virtio-net by vfio" {
	drive "$VIRTIO" vfio-pci
	bypass "$VIRTIO"
	logged 'event=dpdk .*chains=yes .*iova=va'
	published_and_played
}

@test "without huge pages behind the logs an adapter is refused, and the key is named" {
	drive "$E1000E" vfio-pci
	run -1 millrace-dp --state "$S" --set cores=1 --set net.backend=dpdk --set "dpdk.device=$E1000E" \
		--set dpdk.addresses="$AT/24" --set memory.arena=63m
	[[ $output == *memory.pages* ]]
}
