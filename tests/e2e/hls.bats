#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# HLS as the data plane serves it: a script is the packaging worker, the segments are ffmpeg's.

load lib

setup() {
	e2e_setup
	fixture
}

teardown() {
	e2e_teardown
}

# feed: runs the script on standard input; it is the worker, and the player
feed() {
	script MEDIA="$T/media" AV="$AV" URL="http://127.0.0.1:$HTTP/live/a.m3u8"
}

@test "ffmpeg and GStreamer play what a worker hands over, MPEG-TS and fragmented MP4" {
	dp_start --set hls.mode=always
	feed <<'PY'
import subprocess
from hls_channel import *
channel = Channel()
for fmt in 'ts', 'fmp4':
    media, init = segments(os.environ['MEDIA'] + fmt, os.environ['AV'], fmt, 2, 6)
    p = Packager(channel, f'default/live/{fmt}', fmt, 2100, codecs='avc1.64001e,mp4a.40.2', bandwidth=500000)
    if init:
        p.init(1, init)
    for data, us in media[:6]:
        p.segment(data, us, init=1 if init else 0)
    p.end()
    assert channel.quiet()
    base = os.environ['URL'].replace('a.m3u8', fmt)
    for url in base + '.m3u8', base + '/master.m3u8':
        got = subprocess.run(['ffprobe', '-v', 'error', '-count_packets', '-show_entries', 'stream=codec_name,nb_read_packets',
                              '-of', 'csv=p=0', url], capture_output=True, text=True, timeout=30)
        assert not got.stderr, got.stderr
        assert sorted(set(got.stdout.split())) == sorted(['h264,360', got.stdout.split()[-1]]), got.stdout
        assert int(got.stdout.split()[-1].split(',')[1]) > 400, got.stdout
    gst = subprocess.run(['gst-launch-1.0', '-q', 'souphttpsrc', f'location={base}.m3u8', '!', 'hlsdemux', '!',
                          'fakesink', 'sync=false'], capture_output=True, text=True, timeout=30)
    assert gst.returncode == 0, gst.stderr
PY
}

@test "L1-L6, L10: a linter finds nothing over worker restarts, a lost publisher and a change of codec" {
	dp_start --set hls.mode=always --set hls.window=4
	feed <<'PY'
from hls_channel import *
from hls_lint import Lint
media, _ = segments(os.environ['MEDIA'], os.environ['AV'], 'ts', 1, 30)
lint = Lint(os.environ['URL'] + '?token=a%22b')
channel = Channel()
p = Packager(channel, 'default/live/a', target_ms=1100, media_seq=17, disc_seq=3)
def more(n, **keys):
    for _ in range(n):
        data, us = media[p.seq % 30]
        p.segment(data, us, **keys)
        keys = {}
        assert channel.quiet()
        lint.look()
more(8)
more(3, discontinuity=True)                  # the publisher came back
p.gap(1000000)
more(3)
channel.close()                              # the worker died
lint.look()
channel = Channel(channel.control)
wrong = channel.wrong({'hls': 'open', 'stream': 'default/live/a', 'format': 'ts', 'target_ms': 1100,
                       'media_seq': 20, 'disc_seq': 3})
assert wrong['code'] == 'conflict' and wrong['field'] == 'media_seq', wrong
p = Packager(channel, 'default/live/a', target_ms=1100, media_seq=p.seq)
more(4)
p.close()                                    # nobody asked for a while
assert channel.quiet()
lint.look()
p = Packager(channel, 'default/live/a', target_ms=1000, media_seq=p.seq + 2)
more(9)
p.end()
assert channel.quiet()
lint.look()
assert lint.last.ended and not lint.breaches, lint.breaches
assert lint.versions == 30, lint.versions
assert lint.last.number('DISCONTINUITY-SEQUENCE') >= 5, lint.last.text
assert all('token=a%22b' in s['uri'] for s in lint.last.segments)
PY
}

@test "L11: parts, blocking reloads, hints and delta updates hold what they promise" {
	dp_start --set hls.mode=always --set hls.window=12
	feed <<'PY'
import threading
from hls_channel import *
from hls_lint import Lint
media, init = segments(os.environ['MEDIA'], os.environ['AV'], 'fmp4', 1, 20)
channel = Channel()
p = Packager(channel, 'default/live/a', 'fmp4', 1100, 250)
p.init(1, init)
def segment(parts=4):
    data, us = media[p.seq % 20]
    for i in range(parts):
        p.part(data[len(data) * i // parts:len(data) * (i + 1) // parts], us // parts, i == 0, init=1)
    p.segment(data, us, init=1)
for _ in range(14):
    segment()
assert channel.quiet()
lint = Lint(os.environ['URL'])
answers = []
for turn in range(4):
    now = lint.look()
    assert lint.look('_HLS_skip=YES').skipped > 0
    hint, reload = now.hint, f'_HLS_msn={now.next}&_HLS_part=0'
    waits = [threading.Thread(target=lambda: answers.append(lint.get(hint)[0])),
             threading.Thread(target=lambda: answers.append(len(lint.look(reload).parts)))]
    for t in waits:
        t.start()
    data, us = media[p.seq % 20]
    p.part(data[:len(data) // 4], us // 4, True, init=1)
    for t in waits:
        t.join(10)
    assert sorted(answers) == [1, 200], answers
    answers.clear()
    for i in range(1, 4):
        p.part(data[len(data) * i // 4:len(data) * (i + 1) // 4], us // 4, False, init=1)
    p.segment(data, us, init=1)
    assert channel.quiet()
assert not lint.breaches, lint.breaches
assert lint.get(os.environ['URL'] + '?_HLS_msn=999')[0] == 400
PY
}

@test "L8, L11: the first player of a live stream asks for it, waits, and is answered; later nobody asks" {
	dp_start --set hls.mode=on_demand --set hls.idle=5s
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	feed <<'PY'
import threading
from hls_channel import *
from hls_lint import Lint
media, _ = segments(os.environ['MEDIA'], os.environ['AV'], 'ts', 2, 3)
channel = Channel()
channel.control.ask('subscribe')
lint, answers = Lint(os.environ['URL']), []
assert lint.get(os.environ['URL'].replace('/a.', '/none.'))[0] == 404
first = threading.Thread(target=lambda: answers.append(lint.look()))
first.start()
while (event := channel.control.event())['event'] != 'hls.wanted':
    pass
assert event['stream'] == 'default/live/a', event
p = Packager(channel, 'default/live/a', target_ms=2100)
p.segment(*media[0])
first.join(10)
assert len(answers[0].segments) == 1 and not lint.breaches, lint.breaches
while (event := channel.control.event())['event'] != 'hls.idle':
    pass
assert event['stream'] == 'default/live/a', event
PY
}

@test "what does not fit hls.memory, is not sealed, or is no packet harms nobody" {
	dp_start --set hls.mode=always --set hls.memory=16m
	feed <<'PY'
from hls_channel import *
from hls_lint import Lint
channel = Channel()
p = Packager(channel, 'default/live/a', target_ms=2000)
for _ in range(3):
    p.segment(b'\x47' + bytes(187), 2000000)
assert channel.quiet()
p.segment(bytes(17 << 20), 2000000)
assert channel.error()['error']['code'] == 'limit'
p.segment(b'\x47' + bytes(187), 2000000)
assert channel.quiet()
look = Lint(os.environ['URL'], fetch_media=False).look()
assert [s['gap'] for s in look.segments] == [False, False, False, True, False], look.text
whole = {'hls': 'segment', 'stream': 'default/live/a', 'seq': 5, 'duration_us': 1, 'pdt_ms': 1}
loose = memfd(b'x', seals=0)
for packet, fd, code in ((whole, loose, 'bad_request'), (whole, None, 'bad_request'), ({**whole, 'seq': 9}, None, 'bad_request'),
                         ({**whole, 'stream': 'default/live/b'}, None, 'not_found'), ({**whole, 'more': 1}, None, 'bad_field'),
                         ({**whole, 'seq': 'x'}, None, 'bad_field'), ({'hls': 'dance'}, None, 'bad_request'),
                         ([], None, 'bad_request')):
    wrong = channel.wrong(packet, fd=fd)
    assert wrong['code'] == code, (packet, wrong)
assert channel.wrong({**whole, 'seq': 9}, b'x')['field'] == 'seq'
channels = [Channel(channel.control) for _ in range(63)]
assert channel.control.ask('hls.channel', check=False)['error']['code'] == 'limit'
p.segment(b'\x47' + bytes(187), 2000000)
assert channel.quiet()
PY
}

@test "by HTTPS: kept connections, whole segments" {
	ca
	issue host 127.0.0.1
	ports 1
	https=${PORTS[0]}
	dp_start --set hls.mode=always --set "https.listen=127.0.0.1:$https" --set "tls.certificate=$T/host.crt" \
		--set "tls.key=$T/host.key"
	feed <<'PY'
from hls_channel import *
media, _ = segments(os.environ['MEDIA'], os.environ['AV'], 'ts', 2, 6)
channel = Channel()
p = Packager(channel, 'default/live/a', target_ms=2100)
for data, us in media[:6]:
    p.segment(data, us)
assert channel.quiet()
PY
	curl -sS --fail --cacert "$T/ca.crt" -w '%{num_connects}\n' -o "$T/list" "https://127.0.0.1:$https/live/a.m3u8" \
		-o "$T/4.ts" "https://127.0.0.1:$https/live/a/4.ts" -o "$T/5.ts" "https://127.0.0.1:$https/live/a/5.ts" >"$T/connects"
	[ "$(awk '{n += $1} END {print n}' "$T/connects")" = 1 ]
	cmp "$T/4.ts" "$T/media/004.ts"
	cmp "$T/5.ts" "$T/media/005.ts"
	grep -qx 'a/5.ts' "$T/list"
}

@test "a master playlist lists the renditions that are packaged; those with parts report on each other" {
	dp_start --set hls.mode=always --set hls.renditions=_720,_360
	feed <<'PY'
import re, subprocess
from hls_channel import *
from hls_lint import Lint
media, init = segments(os.environ['MEDIA'], os.environ['AV'], 'fmp4', 1, 6)
channel = Channel()
for name, width, rate in ('a_360', 640, 500000), ('a_720', 1280, 2000000), ('a_7', 64, 1), ('b_720', 64, 1):
    p = Packager(channel, 'default/live/' + name, 'fmp4', 1100, 550, codecs='avc1.64001e,mp4a.40.2', bandwidth=rate,
                 width=width, height=width * 9 // 16)
    p.init(1, init)
    for data, us in media[:4]:
        p.part(data[:len(data) // 2], us // 2, True, init=1)
        p.part(data[len(data) // 2:], us // 2, False, init=1)
        p.segment(data, us, init=1)
assert channel.quiet()
lint = Lint(os.environ['URL'])
for name in 'a', 'a_720', 'a_360':
    _, _, master = lint.get(f'/live/{name}/master.m3u8?k=v')
    variants = re.findall(r'RESOLUTION=(\d+)x.*\n(.*)\n', master.decode())
    assert variants == [('1280', '../a_720.m3u8?k=v'), ('640', '../a_360.m3u8?k=v')], master
text = lint.get('/live/a_720.m3u8?k=v')[2].decode()
assert '#EXT-X-RENDITION-REPORT:URI="a_360.m3u8?k=v",LAST-MSN=3,LAST-PART=1\n' in text, text
assert text.count('RENDITION-REPORT') == 1, text
assert 'RENDITION' not in lint.get('/live/b_720.m3u8')[2].decode()
got = subprocess.run(['ffprobe', '-v', 'error', '-show_entries', 'program=program_id', '-of', 'csv=p=0',
                      os.environ['URL'].replace('a.m3u8', 'a/master.m3u8')], capture_output=True, text=True, timeout=30)
assert len(got.stdout.split()) == 2, got
PY
}
