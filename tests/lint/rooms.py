#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks rooms (who may include whom) and doors (which library in which file).

The table is the architecture's; a line of output is a breach, none means clean.
"""
import re
import subprocess
import sys

# room -> rooms it may include besides itself
MAY = {
    'dataplane/api': [],
    'dataplane/base': ['dataplane/api'],
    'dataplane/media': ['dataplane/base', 'dataplane/api'],
    'dataplane/core': ['dataplane/base', 'dataplane/media', 'dataplane/api'],
    'dataplane/net': ['dataplane/base', 'dataplane/api'],
    'dataplane/session': ['dataplane/base', 'dataplane/media', 'dataplane/core',
                          'dataplane/net', 'dataplane/api'],
    'dataplane': ['dataplane/base', 'dataplane/media', 'dataplane/core', 'dataplane/net',
                  'dataplane/session', 'dataplane/api', 'bpf'],
    'bpf': ['dataplane/base'],
    'controlplane/cli': ['dataplane/base', 'dataplane/api'],
    'controlplane/worker': ['dataplane/base', 'dataplane/api'],
    'controlplane': ['dataplane/base', 'dataplane/api', 'bpf'],
}
# The session room sees the network through one header only.
NET_HEADERS = {'dataplane/session': {'net/net.h'}, 'dataplane': {'net/net.h'}}
# base knows the configuration table and nothing else of the contract.
API_HEADERS = {'dataplane/base': {'api/config.h', 'api/config.def'},
               'dataplane/media': {'api/reasons.h', 'api/config.h'},
               'dataplane/net': {'api/counters.h', 'api/reasons.h', 'api/counters.def'}}
# library header pattern -> where it may be included
DOORS = [
    (r'^(liburing|linux/io_uring)', r'^(dataplane/net/uring|bench/|controlplane/cli/doctor_kernel)'),
    (r'^rte_', r'^dataplane/net/dpdk'),
    (r'^hiredis/', r'^controlplane/store_redis'),
    (r'^libav', r'^controlplane/worker/'),
    (r'^libxml/', r'^controlplane/oss_xml'),
    (r'^bpf/(bpf|libbpf|btf)|^linux/bpf', r'^(bpf/|tests/unit/bpf/|controlplane/cli/doctor_bpf|dataplane/net/uring_path)'),
    (r'^openssl/ssl', r'^(dataplane/net/tls|controlplane/tls|tests/unit/net/|bench/tls)'),
    (r'^openssl/', r'^(dataplane/base|dataplane/media|dataplane/net/tls|controlplane/|bench/|tests/)'),
    (r'^yaml\.h', r'^dataplane/base/conf'),
    (r'^curl/', r'^controlplane/'),
    (r'^event2?/|^event\.h', r'^(controlplane/|tests/unit/controlplane/)'),
    (r'^maxminddb', r'^dataplane/session/country'),
    (r'^jansson', r'^(dataplane/session/|controlplane/|bench/|tests/)'),
    (r'^(sys/socket|netinet/|arpa/|netdb)', r'^(bpf/|dataplane/net/|dataplane/base/usock|controlplane/|bench/|tests/)'),
    (r'^pthread', r'^(dataplane/(core|session|net)/|dataplane/main|controlplane/worker/(archive|feed|spool|switch)\.[ch]|bench/|tests/)'),
]


def room_of(path):
    parts = path.split('/')
    for depth in (2, 1):
        name = '/'.join(parts[:depth])
        if len(parts) > depth and name in MAY:
            return name
    return None


def target_room(inc):
    head = inc.split('/')[0]
    if head in ('api', 'base', 'media', 'core', 'net', 'session'):
        return 'dataplane/' + head
    if head == 'bpf':
        return 'bpf'
    if head == 'controlplane':
        folder = '/'.join(inc.split('/')[:2])
        return folder if folder in MAY else 'controlplane'
    return None


def main():
    files = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard', '*.c', '*.h'],
                           capture_output=True, text=True, check=True).stdout.split()
    bad = 0

    def say(path, line, text):
        nonlocal bad
        bad += 1
        print(f'{path}:{line}: {text}')

    for path in files:
        room = room_of(path)
        with open(path, encoding='utf-8') as f:
            text = f.read()
        if not text.startswith('/* SPDX-License-Identifier: '):
            say(path, 1, 'the first line must be the SPDX line')
        for number, line in enumerate(text.split('\n'), 1):
            m = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not m:
                if re.match(r'\s*//', line):
                    say(path, number, 'comments are /* */')
                continue
            inc = m.group(2)
            for pattern, where in DOORS:
                if re.match(pattern, inc):
                    if not re.match(where, path):
                        say(path, number, f'<{inc}> has its door elsewhere ({where})')
                    break
            target = target_room(inc) if m.group(1) == '"' else None
            if room is None or target is None or target == room:
                continue
            if target not in MAY[room]:
                say(path, number, f'{room} may not include {target} ({inc})')
            elif target == 'dataplane/net' and inc not in NET_HEADERS.get(room, {inc}):
                say(path, number, f'{room} sees the network through net/net.h only ({inc})')
            elif target == 'dataplane/api' and inc not in API_HEADERS.get(room, {inc}):
                say(path, number, f'{room} may not include {inc}')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
