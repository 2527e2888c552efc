#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Hostile and broken peers: their connection ends with a counted reason, and nobody else notices.

load lib

setup() {
	e2e_setup
	dp_start --set rtmp.handshake_timeout=1500ms --set http.request_timeout=1500ms --set play.stall_timeout=3s
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	packets "rtmp://127.0.0.1:$RTMP/live/a" 6 >"$T/witness.txt" &
	WITNESS=$!
}

teardown() {
	e2e_teardown
}

witness_saw_everything() {
	wait "$WITNESS"
	same_packets "$T/witness.txt"
	alive "$DP"
}

ended_with() { # reason: the data plane's log has an end line with it
	grep -q "reason=$1" "$T/dp.log"
}

# send PORT FILE: sends the bytes and waits for the server to close
send() {
	timeout 10 python3 - "$1" "$2" <<'PY'
import socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5)
s.settimeout(8)
try:
    s.sendall(open(sys.argv[2], 'rb').read())
    while s.recv(65536):
        pass
except (ConnectionResetError, BrokenPipeError):
    pass
PY
}

@test "T1: HTTP, TLS and noise on the RTMP port end with not_rtmp and a guess" {
	printf 'GET / HTTP/1.1\r\n\r\n' >"$T/b"
	send "$RTMP" "$T/b"
	printf '\x16\x03\x01\x02\x00\x01' >"$T/b"
	send "$RTMP" "$T/b"
	within 3 ended_with not_rtmp
	grep -q 'looks_like=http' "$T/dp.log"
	grep -q 'looks_like=tls' "$T/dp.log"
	witness_saw_everything
}

@test "T4: a handshake that never goes on ends at its deadline" {
	head -c 700 /dev/zero | sed 's/^/\x03/' >"$T/b"
	send "$RTMP" "$T/b"
	within 3 ended_with handshake_timeout
	witness_saw_everything
}

@test "H13: a request that never ends, a huge one and a garbage one" {
	printf 'GET /live/a.flv HTTP/1.1\r\nHost: x\r\n' >"$T/b"
	send "$HTTP" "$T/b"
	within 3 ended_with request_timeout
	{
		printf 'GET /live/a.flv HTTP/1.1\r\nX: '
		head -c 100000 /dev/zero | tr '\0' a
	} >"$T/b"
	send "$HTTP" "$T/b"
	head -c 3000 /dev/urandom >"$T/b"
	send "$HTTP" "$T/b"
	within 3 ended_with bad_http
	witness_saw_everything
}

@test "random bytes after a good handshake end with a named reason" {
	for seed in 1 2 3 4 5 6; do
		python3 - "$seed" >"$T/b" <<'PY'
import random, sys
r = random.Random(int(sys.argv[1]))
sys.stdout.buffer.write(b'\x03' + bytes(3072) + r.randbytes(4000))
PY
		send "$RTMP" "$T/b"
	done
	within 3 ended_with 'bad_\(chunk\|command\|control\)\|reason=message_too_big\|reason=handshake_timeout'
	witness_saw_everything
}

@test "a viewer that stops reading is skipped or closed, the others get every packet" {
	timeout 20 python3 - "$HTTP" >"$T/stuck" <<'PY' &
import socket, sys, select
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.connect(('127.0.0.1', int(sys.argv[1])))
s.sendall(b'GET /live/a.flv HTTP/1.1\r\nHost: x\r\n\r\n')
s.recv(1000)
p = select.poll()
p.register(s, select.POLLHUP | select.POLLERR)
print('closed' if p.poll(18000) else 'still open')
PY
	stuck=$!
	witness_saw_everything
	wait $stuck
	grep -q closed "$T/stuck"
	within 1 ended_with 'send_stalled\|reason=too_slow'
}
