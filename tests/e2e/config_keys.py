#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Other values for the keys of a configuration, from their table.

config_keys.py CONFIG_DEF BASE    one line of JSON per key: {"Key", "When", "Content"}, Content being
BASE (lines of key=value) as YAML with another legal value of that key; and one each for all keys of a When together.
Texts are left out where only a person knows what would be legal (addresses, files, device names).
"""
import json
import re
import sys

WHEN = {'NOW': 'now', 'NEW': 'new_sessions', 'RESTART': 'restart'}
ALONE = ('net.backend',)  # together with others it is refused
VALUES = {'memory.block': '262144', 'hls.part': '200ms', 'play.tick_low': '15ms', 'play.tick_normal': '30ms',
          'play.tick_bulk': '75ms',
          'node': 'other',
          'http.cors_origin': 'https://x.example', 'drain.url': 'rtmp://x.example/live',
          'relay.deny': '192.0.2.0/24', 'proxy.trusted': '192.0.2.0/24', 'callback.key': 'abcdefgh12345678'}


def other(kind, key, now, low, high, help_text):
    if key in VALUES:
        return VALUES[key]
    if kind == 'BOOL':
        return 'false' if now == 'true' else 'true'
    if kind == 'ENUM':
        words = re.match(r'\{(.*?)\}', help_text)[1].split('|')
        return next(w for w in words if w != now)
    if kind in ('INT', 'MS', 'BYTES'):
        number = amount(now)
        for next_one in (number + 1, number - 1, number * 2, number // 2):
            if low <= next_one <= high and next_one != number:
                return f'{next_one}ms' if kind == 'MS' else str(next_one)
    return None


def amount(text):
    units = {'': 1, 'ms': 1, 's': 1000, 'm': 60000, 'h': 3600000, 'k': 1024}
    number, unit = re.fullmatch(r'(-?\d+)([a-z]*)', text).groups()
    return int(number) * units.get(unit, 1)


def yaml(settings):
    lines = [f'{key}: {value}' for key, value in settings.items() if '.' not in key]
    for section in dict.fromkeys(key.split('.')[0] for key in settings if '.' in key):
        lines.append(f'{section}:')
        lines += [f'  {key.split(".", 1)[1]}: {value}' for key, value in settings.items()
                  if key.startswith(section + '.')]
    return '\n'.join(lines) + '\n'


def main():
    table = re.findall(r'^CONF\(\w+, "([^"]+)", (\w+), ("[^"]*"|-?\d+), (-?\d+), (-?\d+), (\w+), "(.*)"\)$',
                       open(sys.argv[1], encoding='utf-8').read(), re.M)
    base = dict(line.split('=', 1) for line in sys.argv[2].split('\n') if line)
    together = {}
    for key, kind, default, low, high, when, help_text in table:
        value = other(kind, key, base.get(key, default.strip('"')) if kind != 'BOOL' or key in base
                      else ('true' if default == '1' else 'false'), int(low), int(high), help_text)
        if value is None:
            continue
        print(json.dumps({'Key': key, 'When': WHEN[when], 'Content': yaml({**base, key: value})}))
        if key not in ALONE:
            together.setdefault(when, {})[key] = value
    for when, settings in together.items():
        print(json.dumps({'Key': '', 'When': WHEN[when], 'Content': yaml({**base, **settings})}))


main()
