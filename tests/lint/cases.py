#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every interoperability case has a test that names it: in a @test of bats, or in a function test_... of cmocka."""
import re
import subprocess
import sys

# The kinds of cases and how many there are: transport, commands, URLs, media, HTTP, HLS, pull and push.
CASES = {'T': 19, 'C': 17, 'U': 7, 'M': 23, 'H': 13, 'L': 12, 'P': 13}
NAME = re.compile(r'^@test "(.*)" \{$|^static void (test_\w+)\(', re.M)
RANGE = re.compile(r'\b([TCUMHLP])(\d+)-\1?(\d+)\b')
ONE = re.compile(r'\b([TCUMHLP])(\d+)\b')


def named(text):
    for kind, first, last in RANGE.findall(text):
        yield from ((kind, i) for i in range(int(first), int(last) + 1))
    yield from ((kind, int(i)) for kind, i in ONE.findall(text))


def main():
    files = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard', 'tests/*.bats', 'tests/*.c'],
                           capture_output=True, text=True, check=True).stdout.split()
    found = set()
    for file in files:
        with open(file, encoding='utf-8', errors='replace') as f:
            for bats, cmocka in NAME.findall(f.read()):
                found.update(named(bats or cmocka.replace('_', ' ')))
    missing = [f'{kind}{i}' for kind, n in CASES.items() for i in range(1, n + 1) if (kind, i) not in found]
    if missing:
        print('no test names', *missing)
    return 1 if missing else 0


sys.exit(main())
