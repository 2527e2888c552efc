#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every operation of the object-storage API with everything that it can refuse, as a table.

The bucket is films, private, with the idle live channel c. Prints what was answered otherwise; needs what
oss_client.py needs.
"""
import contextlib
import os
import re
import sys

from oss_client import request

HOW = ('-v1', '-v4', '-q')


def config(inside='', beside=''):
    return (f'<LiveChannelConfiguration>{beside}<Target><Type>HLS</Type>{inside}</Target>'
            '</LiveChannelConfiguration>')


ONE, COUNT = '<FragDuration>1</FragDuration>', '<FragCount>1</FragCount>'
GET_VOD, POST_VOD = 'GET c?vod&startTime={}&endTime={}', 'POST c/p.m3u8?vod&startTime={}&endTime={}'

# Name: method, what it names, body. {ch}: the channel's name; those without one need none.
OPERATIONS = {
    'PutLiveChannel': ('PUT', '{ch}?live', config()),
    'PutLiveChannelStatus': ('PUT', '{ch}?live&status=enabled', None),
    'GetLiveChannelInfo': ('GET', '{ch}?live', None),
    'GetLiveChannelStat': ('GET', '{ch}?live&comp=stat', None),
    'GetLiveChannelHistory': ('GET', '{ch}?live&comp=history', None),
    'ListLiveChannel': ('GET', '?live', None),
    'DeleteLiveChannel': ('DELETE', '{ch}?live', None),
    'PostVodPlaylist': ('POST', '{ch}/p.m3u8?vod&startTime=1&endTime=2', None),
    'GetVodPlaylist': ('GET', '{ch}?vod&startTime=1&endTime=2', None),
    'GetObject': ('GET', '{ch}/none.ts', None),
    'HeadObject': ('HEAD', '{ch}/none.ts', None),
    'DeleteObject': ('DELETE', '{ch}/none.ts', None),
    'ListObjects': ('GET', '', None),
}
OF_A_CHANNEL = {'PutLiveChannelStatus', 'GetLiveChannelInfo', 'GetLiveChannelStat', 'GetLiveChannelHistory',
                'DeleteLiveChannel', 'PostVodPlaylist', 'GetVodPlaylist'}

# Request, status, code, EC: what one operation refuses.
OF_ONE = [
    ('PUT c?live&status=on', 400, 'InvalidArgument', '0017-00000255'),
    ('PUT c?live&status=', 400, 'InvalidArgument', '0017-00000255'),
    (('PUT c?live', config('', '<Status>on</Status>')), 400, 'InvalidArgument', '0044-00000002'),
    (('PUT c?live', config('', '<Snapshot><Interval>0</Interval></Snapshot>')), 400, 'InvalidArgument', '0044-00000005'),
    (('PUT c?live', config('', '<Snapshot><Interval>101</Interval></Snapshot>')), 400, 'InvalidArgument', '0044-00000005'),
    (('PUT c?live', config('', '<Snapshot><Interval>5</Interval></Snapshot>')), 501, 'NotImplemented', None),
    (('PUT c?live', config('<FragDuration>0</FragDuration>' + COUNT)), 400, 'InvalidArgument', '0044-00000014'),
    (('PUT c?live', config('<FragDuration>101</FragDuration>' + COUNT)), 400, 'InvalidArgument', '0044-00000014'),
    (('PUT c?live', config('<FragDuration>x</FragDuration>' + COUNT)), 400, 'InvalidArgument', '0044-00000014'),
    (('PUT c?live', config(COUNT)), 400, 'InvalidArgument', '0044-00000014'),
    (('PUT c?live', config(ONE + '<FragCount>0</FragCount>')), 400, 'InvalidArgument', '0044-00000015'),
    (('PUT c?live', config(ONE + '<FragCount>101</FragCount>')), 400, 'InvalidArgument', '0044-00000015'),
    (('PUT c?live', config(ONE)), 400, 'InvalidArgument', '0044-00000015'),
    (('PUT c?live', config('<PlaylistName>x.txt</PlaylistName>')), 400, 'InvalidArgument', '0044-00000018'),
    (('PUT c?live', config('<PlaylistName>a/b.m3u8</PlaylistName>')), 400, 'InvalidArgument', '0044-00000018'),
    (('PUT c?live', config(f'<PlaylistName>{"x" * 124}.m3u8</PlaylistName>')), 400, 'InvalidArgument', '0044-00000018'),
    (('PUT c?live', config('', f'<Description>{"x" * 129}</Description>')), 400, 'InvalidArgument', None),
    (('PUT c?live', '<LiveChannelConfiguration><Target><Type>FLV</Type></Target></LiveChannelConfiguration>'), 400,
     'InvalidArgument', None),
    (('PUT c?live', '<LiveChannel'), 400, 'MalformedXML', None),
    (('PUT c?live', '<Other/>'), 400, 'MalformedXML', None),
    ('PUT c?live', 400, 'MalformedXML', None),
    (('PUT a/b?live', config()), 400, 'InvalidObjectName', None),
    ('GET ?live&max-keys=0', 400, 'InvalidArgument', None),
    ('GET ?live&max-keys=1001', 400, 'InvalidArgument', None),
    ('GET ?max-keys=x', 400, 'InvalidArgument', None),
    ('GET ?delimiter=-', 501, 'NotImplemented', None),
    ('POST c/p.txt?vod&startTime=1&endTime=2', 400, 'InvalidArgument', None),
    ('GET c/none.ts', 404, 'NoSuchKey', None),
    ('HEAD c/none.ts', 404, None, None),
    ('GET .hidden', 400, 'InvalidObjectName', None),
    ('GET c?acl', 501, 'NotImplemented', None),
    ('PUT c/x.ts', 501, 'NotImplemented', None),
    ('POST c/x.ts', 501, 'NotImplemented', None),
    ('DELETE ', 501, 'NotImplemented', None),
]
for call in GET_VOD, POST_VOD:
    OF_ONE += [(call.format(start, end), 400, 'InvalidArgument', f'0044-00000{ec}') for start, end, ec in (
        ('', 2, 304), ('x', 2, 304), (-1, 2, 304), (1, '', 305), (1, 'x', 305), (3, 2, 306), (2, 2, 306),
        (1, 86402, 307), (1, 2, 308))]

wrong = 0


def expect(what, argv, status, code=None, ec=None):
    global wrong
    got, heads, body = request(argv)
    text = body.decode()
    said = [(re.search(f'<{tag}>([^<]*)', text) or ['', None])[1] for tag in ('Code', 'EC')]
    if argv[0] == 'HEAD':
        code = None
    fine = got == status and (code is None or said[0] == code) and (ec is None or said[1] == ec)
    if got >= 400 and argv[0] != 'HEAD':
        fine = fine and all(f'<{tag}>' in text for tag in ('Message', 'RequestId', 'HostId'))
    fine = fine and 'x-oss-request-id' in dict(heads)
    if not fine:
        wrong += 1
        print(f'{what}: {argv}: {status} {code} {ec} was expected, {got} {said} came')


@contextlib.contextmanager
def environment(**more):
    before = {k: os.environ.get(k) for k in more}
    os.environ.update(more)
    yield
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


def argv_of(operation, bucket='films', channel='c', how='-v1'):
    method, target, body = OPERATIONS[operation]
    return [method, bucket, target.format(ch=channel), *(['-b', body] if body else []), how]


def main():
    for name in OPERATIONS:
        expect(name + ' unsigned', argv_of(name, how='-n'), 403, 'AccessDenied')
        for how in HOW:
            with environment(OSS_SECRET='wrong'):
                expect(name + ' by a wrong secret', argv_of(name, how=how), 403, 'SignatureDoesNotMatch')
            with environment(OSS_ID='nobody'):
                expect(name + ' by nobody', argv_of(name, how=how), 403, 'InvalidAccessKeyId')
            expect(name + ' of no bucket', argv_of(name, bucket='other', how=how), 404, 'NoSuchBucket')
        for how in HOW[:2]:
            with environment(DATE='3600'):
                expect(name + ' too late', argv_of(name, how=how), 403, 'RequestTimeTooSkewed')
        with environment(DATE='-3600'):
            expect(name + ' over', argv_of(name, how='-q'), 403, 'AccessDenied')
        if name in OF_A_CHANNEL:
            expect(name + ' of no channel', argv_of(name, channel='none'), 404, 'NoSuchLiveChannel', '0026-00000021')
    for call, status, code, ec in OF_ONE:
        line, body = call if isinstance(call, tuple) else (call, None)
        method, target = line.split(' ')
        expect(line, [method, 'films', target, *(['-b', body] if body else [])], status, code, ec)
    for name in ('GetLiveChannelInfo', 'GetLiveChannelStat', 'GetLiveChannelHistory', 'ListLiveChannel', 'ListObjects',
                 'PutLiveChannel', 'PutLiveChannelStatus'):
        for how in HOW:
            expect(name, argv_of(name, how=how), 200)
    sys.exit(bool(wrong))


if __name__ == '__main__':
    main()
