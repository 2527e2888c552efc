#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client of the object-storage API, written from its documentation.

    oss_client.py METHOD BUCKET [OBJECT[?QUERY]] [-b BODY] [-H 'Name: value']... [-v1|-v4|-q|-n]

OSS_AT (host:port), OSS_ID, OSS_SECRET, OSS_HOST (virtual hosts: BUCKET.OSS_HOST). Prints
the status, a line of each header, an empty line, the body. -v1, -v4: how it is signed (V1); -q:
signed in the query; -n: not at all. DATE shifts the clock by that many seconds.

    oss_client.py url BUCKET CHANNEL [EXPIRES [name=value]...]    a signed RTMP URL's query
"""
import base64
import hashlib
import hmac
import http.client
import os
import sys
import time
import urllib.parse

SUB = {'acl', 'comp', 'endTime', 'live', 'location', 'startTime', 'status', 'vod', 'uploads', 'tagging'}


def quote(text, safe=''):
    return urllib.parse.quote(text, safe=safe + '-_.~')


def sign_v1(method, resource, query, heads, stamp, secret):
    oss = ''.join(f'{k}:{v}\n' for k, v in sorted((k.lower(), v) for k, v in heads.items()) if k.startswith('x-oss-'))
    sub = sorted((k, v) for k, v in query if k in SUB)
    if sub:
        resource += '?' + '&'.join(k + (f'={v}' if v else '') for k, v in sub)
    text = '\n'.join((method, heads.get('Content-MD5', ''), heads.get('Content-Type', ''), stamp, oss + resource))
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()


def sign_v4(method, resource, query, heads, now, key, secret):
    stamp = time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))
    day, region = stamp[:8], 'local'
    heads['x-oss-date'] = stamp
    heads['x-oss-content-sha256'] = 'UNSIGNED-PAYLOAD'
    canon = '&'.join(quote(k) + (f'={quote(v)}' if v else '') for k, v in sorted(query))
    lines = ''.join(f'{k.lower()}:{v.strip()}\n' for k, v in sorted(heads.items(), key=lambda h: h[0].lower())
                    if k.lower().startswith('x-oss-') or k.lower() in ('content-type', 'content-md5'))
    request = '\n'.join((method, quote(resource, '/'), canon, lines, '', 'UNSIGNED-PAYLOAD'))
    scope = f'{day}/{region}/oss/aliyun_v4_request'
    text = '\n'.join(('OSS4-HMAC-SHA256', stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
    k = ('aliyun_v4' + secret).encode()
    for part in (day, region, 'oss', 'aliyun_v4_request'):
        k = hmac.new(k, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(k, text.encode(), hashlib.sha256).hexdigest()
    return f'OSS4-HMAC-SHA256 Credential={key}/{scope},Signature={signature}'


def request(argv):
    """status, headers as a list, body"""
    method, bucket, rest = argv[0], argv[1], argv[2:]
    target, body, extra, how = '', None, {}, '-v1'
    while rest:
        word = rest.pop(0)
        if word == '-b':
            body = rest.pop(0)
        elif word == '-H':
            name, value = rest.pop(0).split(': ', 1)
            extra[name] = value
        elif word.startswith('-'):
            how = word
        else:
            target = word
    obj, _, text = target.partition('?')
    query = [tuple((p + '=').split('=')[:2]) for p in text.split('&') if p]
    key, secret = os.environ['OSS_ID'], os.environ['OSS_SECRET']
    now = time.time() + float(os.environ.get('DATE', 0))
    heads = dict(extra)
    resource = f'/{bucket}/{obj}'
    if how == '-v1':
        heads['Date'] = time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime(now))
        heads['Authorization'] = f'OSS {key}:' + sign_v1(method, resource, query, heads, heads['Date'], secret)
    elif how == '-v4':
        heads['Authorization'] = sign_v4(method, resource, query, heads, now, key, secret)
    elif how == '-q':
        until = str(int(now) + 60)
        signature = sign_v1(method, resource, query, heads, until, secret)
        query += [('OSSAccessKeyId', key), ('Expires', until), ('Signature', signature)]
    host = os.environ.get('OSS_HOST')
    path = '/' + quote(obj, '/') if host else f'/{bucket}/' + quote(obj, '/')
    if host:
        heads['Host'] = f'{bucket}.{host}'
    if query:
        path += '?' + '&'.join(quote(k) + (f'={quote(v)}' if v else '') for k, v in query)
    c = http.client.HTTPConnection(os.environ['OSS_AT'], timeout=20)
    c.request(method, path, body, heads)
    r = c.getresponse()
    return r.status, r.getheaders(), r.read()


def call(argv):
    status, heads, body = request(argv)
    print(status)
    for name, value in heads:
        print(f'{name}: {value}')
    print(flush=True)
    sys.stdout.buffer.write(body)


def rtmp_query(bucket, channel, expires=None, *params):
    expires = expires or str(int(time.time()) + 600)
    key, secret = os.environ['OSS_ID'], os.environ['OSS_SECRET']
    lines = ''.join(f'{k}:{v}\n' for k, v in sorted(p.split('=', 1) for p in params))
    text = f'{expires}\n{lines}/{bucket}/{channel}'
    signature = base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()
    print('&'.join([f'OSSAccessKeyId={key}', f'Expires={expires}', 'Signature=' + quote(signature), *params]))


if __name__ == '__main__':
    if sys.argv[1] == 'url':
        rtmp_query(*sys.argv[2:])
    else:
        call(sys.argv[1:])
