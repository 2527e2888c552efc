# SPDX-License-Identifier: Apache-2.0
"""Many HTTP-FLV players at once: flv_crowd.py PORT HOST PATH VIEWERS SECONDS.

All connect before the first of them asks; each is served when it has an FLV header and 8 KiB more. Those
that are stay until all are. Prints how many were.
"""
import resource
import selectors
import socket
import sys
import time

port, host, path, viewers, seconds = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
ready = selectors.DefaultSelector()
players = [socket.create_connection(("127.0.0.1", port)) for _ in range(viewers)]
got = {}
for s in players:
    s.setblocking(False)
    got[s] = b""
    ready.register(s, selectors.EVENT_READ)
for s in players:
    s.send(request)
deadline, served = time.monotonic() + seconds, 0
while served < viewers and got and time.monotonic() < deadline:
    for key, _ in ready.select(0.2):
        s = key.fileobj
        piece = s.recv(65536)
        got[s] += piece
        begun = got[s].find(b"\r\n\r\nFLV\x01") >= 0
        if begun and len(got[s]) > 8192:
            served += 1
        elif piece:
            continue
        ready.unregister(s)
        del got[s]
print(served)
