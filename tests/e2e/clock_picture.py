#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Grey pictures of 320x180, 25 a second in real time, on standard output: a clock to be published.

8 x 4 fields, white or black: 24 bits of Unix time in milliseconds, high ones first, and 8 to check them by
(the complement of its three bytes' exclusive or). browser/page.html reads it.
"""
import sys
import time

WIDTH, HEIGHT, RATE = 320, 180, 25


def picture(ms):
    ms &= 0xffffff
    check = ~(ms ^ ms >> 8 ^ ms >> 16) & 255
    bits = f'{ms:024b}{check:08b}'
    rows = [b''.join((b'\xeb' if bit == '1' else b'\x10') * (WIDTH // 8) for bit in bits[i:i + 8]) for i in range(0, 32, 8)]
    return b''.join(row * (HEIGHT // 4) for row in rows)


begin = time.monotonic()
n = 0
try:
    while True:
        sys.stdout.buffer.write(picture(int(time.time() * 1000)))
        sys.stdout.buffer.flush()
        n += 1
        time.sleep(max(0, begin + n / RATE - time.monotonic()))
except BrokenPipeError:
    sys.stderr.close()
