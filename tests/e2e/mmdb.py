#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a small database of countries in MaxMind's format: mmdb.py FILE RANGE=CC...

The format: a binary tree over the address's bits (records of 24 bits, two to a node), 16 zero bytes, the
data that records point to, and behind a mark a map about it all. IPv4 lies below 96 zero bits.
"""

import ipaddress
import os
import sys

MARK = b'\xab\xcd\xefMaxMind.com'


def text(value):
    data = value.encode()
    return bytes([2 << 5 | len(data)]) + data


def number(value, kind, size):
    data = value.to_bytes(size, 'big')
    return (bytes([kind << 5 | size]) if kind < 8 else bytes([size, kind - 7])) + data


def table(pairs):
    return bytes([7 << 5 | len(pairs)]) + b''.join(text(k) + v for k, v in pairs)


def main():
    path, ranges = sys.argv[1], [a.split('=') for a in sys.argv[2:]]
    nodes = [[None, None]]  # a child: None, a node's number, or a country
    for net, country in ranges:
        net = ipaddress.ip_network(net)
        at, length = int(net.network_address), net.prefixlen + (96 if net.version == 4 else 0)
        node = 0
        for i in range(length):
            bit = at >> 127 - i & 1
            if i == length - 1:
                nodes[node][bit] = country
            else:
                if not isinstance(nodes[node][bit], int):
                    nodes.append([nodes[node][bit]] * 2)
                    nodes[node][bit] = len(nodes) - 1
                node = nodes[node][bit]
    data, places = b'', {}
    for country in dict.fromkeys(c for _, c in ranges):
        places[country] = len(data)
        data += table([('country', table([('iso_code', text(country))]))])

    def record(child):
        value = len(nodes) if child is None else child if isinstance(child, int) else len(nodes) + 16 + places[child]
        return value.to_bytes(3, 'big')

    about = table([
        ('binary_format_major_version', number(2, 5, 2)), ('binary_format_minor_version', number(0, 5, 2)),
        ('build_epoch', number(1, 9, 8)), ('database_type', text('Test-Country')),
        ('description', table([('en', text('a test'))])), ('ip_version', number(6, 5, 2)),
        ('languages', bytes([0, 4])), ('node_count', number(len(nodes), 6, 4)), ('record_size', number(24, 5, 2))])
    # Beside it and renamed: who has mapped the old one goes on reading it.
    with open(path + '.new', 'wb') as f:
        f.write(b''.join(record(c) for node in nodes for c in node) + bytes(16) + data + MARK + about)
    os.rename(path + '.new', path)


main()
