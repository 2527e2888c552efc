# SPDX-License-Identifier: Apache-2.0
"""A linter for live HLS: reads a playlist again and again and says what breaks a rule.

    hls_lint.py URL SECONDS        prints one line per breach; the exit status is 1 where there are some

Rules are those of RFC 8216 and its second edition, with the ids of the interop list (L1-L11). As a module:
Lint(url).look() once per version of the playlist, .breaches at the end.
"""

import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request


class Playlist:
    def __init__(self, text):
        self.text = text
        self.tags, self.segments, self.parts, self.hint = {}, [], [], None
        self.skipped, self.server = 0, {}
        self._read()

    @staticmethod
    def attributes(text):
        return {k: v.strip('"') for k, v in re.findall(r'([A-Z-]+)=("[^"]*"|[^,]*)', text)}

    def _read(self):
        now = {'disc': False, 'gap': False, 'pdt': None, 'map': None, 'key': None, 'parts': []}
        for line in self.text.split('\n'):
            tag, _, value = line.partition(':')
            if tag == '#EXT-X-DISCONTINUITY':
                now['disc'] = True
            elif tag == '#EXT-X-GAP':
                now['gap'] = True
            elif tag == '#EXT-X-PROGRAM-DATE-TIME':
                now['pdt'] = value
            elif tag == '#EXT-X-MAP':
                now['map'] = self.attributes(value)['URI']
            elif tag == '#EXT-X-KEY':
                key = self.attributes(value)
                now['key'] = key.get('URI') if key['METHOD'] != 'NONE' else None
            elif tag == '#EXTINF':
                now['duration'] = float(value.rstrip(','))
            elif tag == '#EXT-X-PART':
                now['parts'].append(self.attributes(value))
            elif tag == '#EXT-X-PRELOAD-HINT':
                self.hint = self.attributes(value)['URI']
            elif tag == '#EXT-X-SKIP':
                self.skipped = int(self.attributes(value)['SKIPPED-SEGMENTS'])
            elif tag == '#EXT-X-SERVER-CONTROL':
                self.server = self.attributes(value)
            elif line.startswith('#'):
                self.tags[tag] = value
            elif line:
                self.segments.append({**now, 'uri': line})
                now.update(disc=False, gap=False, pdt=None, parts=[])
        self.parts = now['parts']

    def number(self, tag, absent=0):
        return int(self.tags.get('#EXT-X-' + tag, absent))

    @property
    def first(self):
        return self.number('MEDIA-SEQUENCE') + self.skipped

    @property
    def next(self):
        return self.first + len(self.segments)

    @property
    def ended(self):
        return '#EXT-X-ENDLIST' in self.tags


class Lint:
    def __init__(self, url, fetch_media=True):
        self.url, self.fetch_media = url, fetch_media
        self.breaches, self.known, self.fetched, self.last = [], {}, set(), None
        self.versions = 0
        self.left = {}  # sequence number -> (uri, when it was listed last, how long it must stay)

    def say(self, case, text):
        line = f'{case}: {text}'
        if line not in self.breaches:
            self.breaches.append(line)

    def check(self, case, condition, text):
        if not condition:
            self.say(case, text)

    def get(self, url):
        """status, headers, body"""
        try:
            with urllib.request.urlopen(urllib.parse.urljoin(self.url, url), timeout=15) as r:
                return r.status, r.headers, r.read()
        except urllib.error.HTTPError as e:
            return e.code, e.headers, e.read()

    # --- one version ------------------------------------------------------------------------

    def look(self, query=''):
        join = '&' if '?' in self.url else '?'
        asked = time.monotonic()
        status, headers, body = self.get(self.url + (join + query if query else ''))
        if status == 503 and '_HLS_msn' in query:
            return None  # nothing came for three target durations
        if status != 200:
            return self.say('L1', f'the playlist is {status} {query}')
        self.versions += 1
        text = body.decode()
        self.check('L10', text.endswith('\n'), 'no newline at the end')
        self.check('form', text.startswith('#EXTM3U\n'), 'does not begin with #EXTM3U')
        self.check('form', 'mpegurl' in headers['Content-Type'], 'wrong content type of a playlist')
        p = Playlist(text)
        p.asked = asked
        self.cache_of_playlist(p, headers, query)
        if p.skipped:
            return self.delta(p)
        self.constants(p)
        self.numbers(p)
        self.durations(p)
        self.dates(p)
        self.low_latency(p)
        if self.fetch_media:
            self.media(p)
        self.removed(p)
        self.last = p
        return p

    def cache_of_playlist(self, p, headers, query):
        cache, target = headers['Cache-Control'] or '', p.number('TARGETDURATION', 1)
        age = re.search(r'max-age=(\d+)', cache)
        most = 6 * target if '_HLS_' in query else target / 2
        self.check('L6', 'no-cache' in cache or (age and int(age[1]) <= most), f'playlist is cached: {cache}')

    def constants(self, p):
        self.check('form', p.number('VERSION') >= 3, 'no EXT-X-VERSION')
        if self.last:
            self.check('L3', p.number('TARGETDURATION') == self.last.number('TARGETDURATION'),
                       'TARGETDURATION changed')

    def numbers(self, p):
        if self.last:
            self.check('L1', p.first >= self.last.first, f'MEDIA-SEQUENCE went back to {p.first} from {self.last.first}')
            self.check('L1', p.next >= self.last.next, f'segments vanished at the end: {p.next} < {self.last.next}')
        disc = p.number('DISCONTINUITY-SEQUENCE')
        self.check('L2', '#EXT-X-DISCONTINUITY-SEQUENCE' in p.tags, 'no DISCONTINUITY-SEQUENCE')
        for i, s in enumerate(p.segments):
            disc += s['disc']
            seq, what = p.first + i, (s['uri'], s['duration'], disc, s['gap'], s['map'], s['key'])
            self.check('L2', self.known.setdefault(seq, what) == what,
                       f'segment {seq} changed from {self.known[seq]} to {what}')

    def durations(self, p):
        target = p.number('TARGETDURATION')
        for i, s in enumerate(p.segments):
            self.check('L3', int(s['duration'] + 0.5) <= target, f'segment {p.first + i} lasts {s["duration"]}')
        total = sum(s['duration'] for s in p.segments)
        if self.last and p.first > self.last.first:
            self.check('L5', total >= 3 * target, f'segments were removed and only {total} s are left')

    def dates(self, p):
        for a, b in zip(p.segments, p.segments[1:]):
            if a['pdt'] and b['pdt'] and not b['disc']:
                at = [time.mktime(time.strptime(x['pdt'][:19], '%Y-%m-%dT%H:%M:%S')) + float('0' + x['pdt'][19:].rstrip('Z'))
                      for x in (a, b)]
                self.check('L4', abs(at[1] - at[0] - a['duration']) < 0.2,
                           f'dates and durations differ: {a["pdt"]} + {a["duration"]} is not {b["pdt"]}')

    def low_latency(self, p):
        if '#EXT-X-PART-INF' not in p.tags:
            self.check('L11', not any(s['parts'] for s in p.segments), 'parts without EXT-X-PART-INF')
            return
        most = float(Playlist.attributes(p.tags['#EXT-X-PART-INF'])['PART-TARGET'])
        self.check('L11', p.server.get('CAN-BLOCK-RELOAD') == 'YES', 'no CAN-BLOCK-RELOAD')
        self.check('L11', float(p.server.get('PART-HOLD-BACK', 0)) >= 3 * most - 1e-6, 'PART-HOLD-BACK is too small')
        self.check('L11', float(p.server.get('CAN-SKIP-UNTIL', 0)) >= 6 * p.number('TARGETDURATION'), 'CAN-SKIP-UNTIL')
        self.check('L11', p.ended or p.hint, 'no preload hint')
        for s in p.segments:
            length = sum(float(x['DURATION']) for x in s['parts'])
            self.check('L11', not s['parts'] or abs(length - s['duration']) < 0.05,
                       f'{s["uri"]}: parts last {length} and it {s["duration"]}')
        for x in [x for s in p.segments for x in s['parts']] + p.parts:
            self.check('L11', float(x['DURATION']) <= most + 1e-6, f'a part lasts {x["DURATION"]}')

    def delta(self, p):
        """A delta update joined to what was known is the whole."""
        self.check('L11', p.skipped <= len(self.known), 'more skipped than was known')
        for i, s in enumerate(p.segments):
            seq = p.first + i
            if seq in self.known:
                self.check('L11', self.known[seq][:2] == (s['uri'], s['duration']), f'delta update: {seq} differs')
        return p

    # --- what it names ----------------------------------------------------------------------

    def media(self, p):
        for i, s in enumerate(p.segments):
            if s['uri'] in self.fetched:
                continue
            self.fetched.add(s['uri'])
            status, headers, body = self.get(s['uri'])
            if s['gap']:
                self.check('gap', status == 404, f'a gap is served: {s["uri"]}')
                continue
            self.check('L5', status == 200, f'{s["uri"]} is listed and {status}')
            self.check('L6', 'immutable' in (headers['Cache-Control'] or ''), f'{s["uri"]} may not be cached')
            self.check('L6', headers['ETag'], f'{s["uri"]} has no ETag')
            if status == 200 and not s['key']:
                self.content(s, body)
            for x in s['parts'] if not s['key'] else []:
                self.check('L11', self.get(x['URI'])[0] == 200, f'{x["URI"]} is listed and not there')

    def content(self, s, body):
        if s['map']:
            self.check('L4', body[4:8] in (b'styp', b'moof', b'sidx', b'prft'), f'{s["uri"]} is no fragment')
            status, _, head = self.get(s['map'])
            self.check('M8', status == 200 and head[4:8] == b'ftyp', f'{s["map"]} is no initialisation section')
            return
        pids = [(body[o + 1] & 31) << 8 | body[o + 2] for o in range(0, len(body) - 187, 188)]
        self.check('L4', len(body) % 188 == 0 and all(body[o] == 0x47 for o in range(0, len(body), 188)),
                   f'{s["uri"]} is no transport stream')
        self.check('L4', 0 in pids[:3] and (pids[0] in (0, 17)), f'{s["uri"]} does not begin with a PAT')

    def removed(self, p):
        """What left the playlist stays for the playlist's length and its own (L5)."""
        now, length = time.monotonic(), sum(s['duration'] for s in p.segments)
        if self.last:
            for i in range(min(p.first - self.last.first, len(self.last.segments))):
                s = self.last.segments[i]
                if not s['gap']:
                    self.left[self.last.first + i] = (s['uri'], self.last.asked, length)
        for seq, (uri, since, stays) in list(self.left.items()):
            if now - since > stays:
                del self.left[seq]
            elif now - since > stays * 0.6:
                del self.left[seq]
                status = self.get(uri)[0]
                self.check('L5', status == 200, f'{uri} left {now - since:.1f} s ago and is {status}')

    # --- a run ------------------------------------------------------------------------------

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (self.last and self.last.ended):
            p = self.look()
            if p and p.server.get('CAN-BLOCK-RELOAD') and not p.ended:
                self.look(f'_HLS_msn={p.next}&_HLS_part={len(p.parts)}')
                self.look('_HLS_skip=YES')
            else:
                time.sleep(0.3)


def main():
    lint = Lint(sys.argv[1])
    lint.run(float(sys.argv[2]))
    print('\n'.join(lint.breaches))
    print(f'{lint.versions} versions, {len(lint.known)} segments', file=sys.stderr)
    return 1 if lint.breaches or not lint.known else 0


if __name__ == '__main__':
    sys.exit(main())
