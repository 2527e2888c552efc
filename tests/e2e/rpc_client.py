#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A generic RPC client written from the specification of the signature (version 1.0, HMAC-SHA1).

usage: rpc_client.py CREDENTIALS URL METHOD name=value...   (a later name wins; _key and _secret replace
the credentials). Prints the HTTP status and, on the second line, the body.
"""
import base64
import datetime
import hashlib
import hmac
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
import uuid


def encode(text):
    return urllib.parse.quote(text, safe='~')


def main():
    with open(sys.argv[1], encoding='utf-8') as f:
        credentials = json.load(f)
    url, method = sys.argv[2], sys.argv[3]
    now = datetime.datetime.now(datetime.timezone.utc)
    params = {
        'Format': 'JSON',
        'Version': '2016-11-01',
        'AccessKeyId': credentials['AccessKeyId'],
        'SignatureMethod': 'HMAC-SHA1',
        'SignatureVersion': '1.0',
        'SignatureNonce': str(uuid.uuid4()),
        'Timestamp': now.strftime('%Y-%m-%dT%H:%M:%SZ'),
    }
    for word in sys.argv[4:]:
        name, _, value = word.partition('=')
        params[name] = value
    secret = params.pop('_secret', credentials['AccessKeySecret'])
    params['AccessKeyId'] = params.pop('_key', params['AccessKeyId'])
    query = '&'.join(f'{encode(k)}={encode(v)}' for k, v in sorted(params.items()))
    text = f'{method}&{encode("/")}&{encode(query)}'
    digest = hmac.new((secret + '&').encode(), text.encode(), hashlib.sha1).digest()
    query += '&Signature=' + encode(base64.b64encode(digest).decode())
    if method == 'POST':
        request = urllib.request.Request(url, data=query.encode(), method='POST')
    else:
        request = urllib.request.Request(f'{url}?{query}', method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            print(answer.status)
            print(answer.read().decode())
    except urllib.error.HTTPError as error:
        print(error.code)
        print(error.read().decode())


if __name__ == '__main__':
    main()
