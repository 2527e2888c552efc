#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Kernel TLS, which this machine's kernel may not have: the kernel encrypts what viewers and pushes get.

load ../e2e/lib

setup_file() {
	[ -z "${GUEST:-}" ] || modules ctr crypto_null gf128mul ghash-generic gcm tls
}

setup() {
	[ -n "${GUEST:-}" ] || skip "runs in the guest of tests/guest/run"
	e2e_setup
	ca
	issue one.example 127.0.0.1
	ports 4
	# shellcheck disable=SC2034 # lib uses them
	RTMP=${PORTS[0]} HTTP=${PORTS[1]} RTMPS=${PORTS[2]} HTTPS=${PORTS[3]}
}

teardown() {
	[ -z "${GUEST:-}" ] || e2e_teardown
}

# modules NAME...: loads them from the guest's kernel; one may be built in (6.12 has ctr inside)
modules() {
	local name
	for name; do
		grep -rqs --include=modules.builtin "/$name.ko" "$GUEST_MODULES" ||
			busybox insmod "$(find "$GUEST_MODULES" -name "$name.ko*")"
	done
}

tls_run() {
	dp_run --set "rtmps.listen=127.0.0.1:$RTMPS" --set "https.listen=127.0.0.1:$HTTPS" \
		--set "tls.certificate=$T/one.example.crt" --set "tls.key=$T/one.example.key" "$@"
}

# opened KIND: connections that the kernel's own statistics count
opened() {
	awk -v kind="Tls$1" '$1 == kind {print $2}' /proc/net/tls_stat
}

https_plays() { # SECONDS FILE
	curl -s --cacert "$T/ca.crt" --max-time "$1" "https://127.0.0.1:$HTTPS/live/a.flv" -o "$2" || [ $? -eq 28 ]
}

@test "the kernel encrypts for HTTPS viewers, and packets are the published ones" {
	tls_run
	publish a
	within 60 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	[ "$(opened TxSw)" -eq 0 ]
	https_plays 20 "$T/a.flv"
	[ "$(opened TxSw)" -ge 1 ]
	packets "$T/a.flv" 4 >"$T/https.txt"
	same_packets "$T/https.txt"
}

@test "a push by RTMPS is encrypted by the kernel, and packets arrive as they were published" {
	tls_run --set tls.verify=false
	publish a
	within 60 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	before=$(opened TxSw)
	script <<-PY
		from ctl import Control
		Control().ask('push.create', leg='p', stream='default/live/a', url='rtmps://127.0.0.1:$RTMPS/live/b')
	PY
	within 60 flv_plays "http://127.0.0.1:$HTTP/live/b.flv"
	[ "$(opened TxSw)" -gt "$before" ]
	curl -s --max-time 20 "http://127.0.0.1:$HTTP/live/b.flv" -o "$T/b.flv" || [ $? -eq 28 ]
	packets "$T/b.flv" 4 >"$T/push.txt"
	same_packets "$T/push.txt"
}

@test "tls.kernel=false leaves the kernel's TLS alone" {
	tls_run --set tls.kernel=false
	publish a
	within 60 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	before=$(opened TxSw)
	https_plays 5 "$T/a.flv"
	[ -s "$T/a.flv" ]
	[ "$(opened TxSw)" -eq "$before" ]
}
