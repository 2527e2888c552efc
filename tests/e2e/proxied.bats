#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Load balancers in front: who is believed, and that the client's address is then known everywhere.

load lib

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

@test "T1: PROXY 1 and 2 from a trusted address name the client on RTMP, in whole or byte by byte" {
	dp_start --set 'proxy.trusted=127.0.0.0/8 ::1'
	script <<'PY'
V2 = bytes.fromhex('0d0a0d0a000d0a515549540a')
v4 = V2 + b'\x21\x11\x00\x0c' + bytes([198, 51, 100, 7, 127, 0, 0, 1]) + struct.pack('>HH', 4711, 1935)
v6 = (V2 + b'\x21\x21\x00\x24' + socket.inet_pton(socket.AF_INET6, '2001:db8::7') +
      socket.inet_pton(socket.AF_INET6, '::1') + struct.pack('>HH', 4712, 1935))
local = V2 + b'\x20\x00\x00\x00'
heads = [(b'PROXY TCP4 203.0.113.9 127.0.0.1 5000 1935\r\n', '203.0.113.9:5000'),
         (v4, '198.51.100.7:4711'), (v6, '[2001:db8::7]:4712'), (local, '127.0.0.1:'), (b'', '127.0.0.1:')]
control = Control()
for n, (proxy, name) in enumerate(heads):
    for cut in (False, True):
        p = Peer(handshake=False)
        for part in ([proxy[i:i + 1] for i in range(len(proxy))] if cut else [proxy]):
            p.raw(part)
        p.raw(b'\x03' + bytes(1536))
        p.raw(p.take(3073)[1:1537])
        p.publish(f's{n}{cut}')
        shown = control.ask('stream.show', stream=f'default/live/s{n}{cut}')['publisher']
        assert shown.startswith(name), (shown, name)
PY
}

@test "T1: a PROXY head from anybody else is not RTMP, and a broken one neither" {
	dp_start
	script <<'PY'
p = Peer(handshake=False)
p.raw(b'PROXY TCP4 203.0.113.9 127.0.0.1 5000 1935\r\n')
p.ended('not_rtmp')
assert log_lines('not_rtmp', 'looks_like=proxy')
PY
	kill -TERM "$DP"
	end_of "$DP" 5
	dp_run --set proxy.trusted=127.0.0.1
	script <<'PY'
for bad in (b'PROXY TCP4 203.0.113.999 127.0.0.1 5000 1935\r\n', b'PROXY' * 40, b'GET / HTTP/1.1\r\n'):
    p = Peer(handshake=False)
    p.raw(bad)
    p.ended('not_rtmp')
PY
}

@test "H12: X-Forwarded-For and X-Real-IP count only from trusted addresses, the nearest untrusted one wins" {
	dp_start --set 'proxy.trusted=127.0.0.1 10.0.0.0/8'
	cat >"$T/asks.py" <<'PY'
control = Control()
first = Peer().live('a')
def viewer(head):
    s = socket.create_connection(('127.0.0.1', int(os.environ['HTTP'])), 8)
    s.sendall(head + b'\r\n')
    s.recv(1)
    address = control.ask('viewer.list')['viewers'][0]['address']
    s.close()
    wait_for(lambda: not control.ask('viewer.list')['viewers'])
    return address
get = b'GET /live/a.flv HTTP/1.1\r\nHost: x\r\n'
PY
	script < <(cat "$T/asks.py" - <<'PY'
for head, address in (
        (b'X-Forwarded-For: 198.51.100.1\r\n', '198.51.100.1:0'),
        (b'X-Forwarded-For: 1.1.1.1, 198.51.100.2\r\n', '198.51.100.2:0'),
        (b'X-Forwarded-For: 1.1.1.1, 198.51.100.3, 10.1.2.3\r\n', '198.51.100.3:0'),
        (b'X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 198.51.100.4,10.1.2.3\r\n', '198.51.100.4:0'),
        (b'x-forwarded-for: [2001:db8::5]:1234\r\n', '[2001:db8::5]:0'),
        (b'X-Forwarded-For: 198.51.100.6:99\r\n', '198.51.100.6:0'),
        (b'X-Forwarded-For: nonsense, 10.1.2.3\r\n', '10.1.2.3:0'),
        (b'X-Real-IP: 198.51.100.8\r\n', '198.51.100.8:0'),
        (b'X-Real-IP: 1.1.1.1\r\nX-Forwarded-For: 198.51.100.9\r\n', '198.51.100.9:0')):
    got = viewer(get + head)
    assert got == address, (head, got)
got = viewer(b'PROXY TCP4 203.0.113.9 127.0.0.1 5000 8080\r\n' + get + b'X-Forwarded-For: 1.1.1.1\r\n')
assert got == '203.0.113.9:5000', got
PY
	)
	kill -TERM "$DP"
	end_of "$DP" 5
	dp_run
	script < <(cat "$T/asks.py" - <<'PY'
assert viewer(get + b'X-Forwarded-For: 198.51.100.1\r\nX-Real-IP: 198.51.100.1\r\n').startswith('127.0.0.1:')
PY
	)
}

@test "H12: caps count the client behind the balancer, not the balancer" {
	dp_start --set proxy.trusted=127.0.0.1 --set limits.connections_per_address=2
	script <<'PY'
def come(address):
    p = Peer(handshake=False)
    p.raw(b'PROXY TCP4 %s 127.0.0.1 5000 1935\r\n\x03' % address + bytes(1536))
    return p
kept = [come(b'198.51.100.1') for _ in range(2)] + [come(b'198.51.100.2') for _ in range(2)]
for p in kept:
    p.take(3073)
third = come(b'198.51.100.1')
try:
    third.take(1)
    raise SystemExit('the third connection of one client was taken')
except Closed:
    pass
wait_log('peer=198.51.100.1:5000', 'reason=cap_address')
kept[0].sock.close()
wait_log('session_end', 'peer=198.51.100.1:5000', 'reason=peer_')
come(b'198.51.100.1').take(3073)
s = socket.create_connection(('127.0.0.1', int(os.environ['HTTP'])), 8)
s.sendall(b'GET /live/a.flv HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.2\r\n\r\n')
assert s.recv(65536).startswith(b'HTTP/1.1 503 ')
PY
}

# tls_start [option...]: with listeners of RTMPS and HTTPS at $RTMPS and $HTTPS, which a script finds there too
tls_start() {
	ca
	issue one.example 127.0.0.1
	ports 4
	# shellcheck disable=SC2034 # for lib.bash
	RTMP=${PORTS[0]} HTTP=${PORTS[1]}
	export RTMPS=${PORTS[2]} HTTPS=${PORTS[3]} CA=$T/ca.crt
	dp_run --set "rtmps.listen=127.0.0.1:$RTMPS" --set "https.listen=127.0.0.1:$HTTPS" \
		--set "tls.certificate=$T/one.example.crt" --set "tls.key=$T/one.example.key" "$@"
}

# secure: what scripts on TLS begin with
secure() {
	cat - <<'PY'
import ssl
context = ssl.create_default_context(cafile=os.environ['CA'])
V2 = bytes.fromhex('0d0a0d0a000d0a515549540a')
v1 = b'PROXY TCP4 203.0.113.9 127.0.0.1 5000 443\r\n'
v2 = V2 + b'\x21\x11\x00\x0c' + bytes([198, 51, 100, 7, 127, 0, 0, 1]) + struct.pack('>HH', 4711, 443)
def tls(port, head, cut=False):
    s = socket.create_connection(('127.0.0.1', int(os.environ[port])), 8)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for part in ([head[i:i + 1] for i in range(len(head))] if cut else [head]):
        s.sendall(part)
    return context.wrap_socket(s, server_hostname='127.0.0.1')
PY
}

@test "T1: PROXY 1 and 2 come before the ClientHello on RTMPS, HTTPS and WSS" {
	tls_start --set proxy.trusted=127.0.0.1
	script < <(secure && cat <<'PY'
control = Control()
for n, (proxy, name) in enumerate(((v1, '203.0.113.9:5000'), (v2, '198.51.100.7:4711'),
                                   (V2 + b'\x20\x00\x00\x00', '127.0.0.1:'), (b'', '127.0.0.1:'))):
    for cut in (False, True):
        stream = f's{n}{cut}'
        p = Peer(sock=tls('RTMPS', proxy, cut)).live(stream)
        shown = control.ask('stream.show', stream=f'default/live/{stream}')['publisher']
        assert shown.startswith(name), (shown, name)
        for more in (b'', b'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'
                     b'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'):
            s = tls('HTTPS', proxy, cut)
            s.sendall(b'GET /live/%s.flv HTTP/1.1\r\nHost: x\r\n%s\r\n' % (stream.encode(), more))
            assert s.recv(12) == b'HTTP/1.1 %d' % (101 if more else 200)
            viewers = control.ask('viewer.list')['viewers']
            assert [v['address'].startswith(name) for v in viewers] == [True], viewers
            s.close()
            wait_for(lambda: not control.ask('viewer.list')['viewers'])
PY
	)
	curl -s --cacert "$T/ca.crt" --haproxy-protocol --max-time 5 -o /dev/null -w '%{http_code}' \
		"https://127.0.0.1:$HTTPS/live/none.flv" | grep -x 404
}

@test "T1: by TLS a PROXY head from anybody else, or a broken one, is a failed handshake" {
	tls_start
	script < <(secure && cat <<'PY'
for port in ('RTMPS', 'HTTPS'):
    try:
        tls(port, v1)
        raise SystemExit('a head from a stranger was believed')
    except (ssl.SSLError, OSError):
        pass
wait_log('session_end', 'reason=tls_handshake')
PY
	)
	kill -TERM "$DP"
	end_of "$DP" 5
	tls_start --set proxy.trusted=127.0.0.1
	script < <(secure && cat <<'PY'
for head in (b'PROXY TCP4 203.0.113.999 127.0.0.1 5000 443\r\n', b'PROXY' * 40, V2 + b'\xff' * 40):
    try:
        tls('RTMPS', head)
        raise SystemExit('a broken head was believed')
    except (ssl.SSLError, OSError):
        pass
wait_log('session_end', 'reason=tls_handshake')
PY
	)
}

@test "T1: by TLS addresses and caps are the client's, and a head that never ends has the handshake's deadline" {
	tls_start --set proxy.trusted=127.0.0.1 --set limits.connections_per_address=1 --set rtmp.handshake_timeout=1s
	script < <(secure && cat <<'PY'
first = tls('RTMPS', v1)
try:
    tls('RTMPS', v1)
    raise SystemExit('the second connection of one client was taken')
except (ssl.SSLError, OSError):
    pass
wait_log('peer=203.0.113.9:5000', 'reason=cap_address')
tls('RTMPS', v2)
slow = socket.create_connection(('127.0.0.1', int(os.environ['RTMPS'])), 8)
slow.sendall(v2[:20])
assert slow.recv(1) == b''
PY
	)
}
