# SPDX-License-Identifier: Apache-2.0
"""HLS for both servers: the same playlist and segments, from a worker's memory or as files in tmpfs."""
import os
import shutil
import sys
import tempfile
import threading
import time

import meter

TMPFS = "/dev/shm"
SEGMENT_SECONDS = 4
LISTED = 6

NGINX_CONF = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
worker_rlimit_nofile %(files)d;
events { worker_connections %(connections)d; }
http {
	access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
	types { application/vnd.apple.mpegurl m3u8; video/mp2t ts; }
	server { listen 127.0.0.1:%(port)d; root %(root)s; }
}
"""


def files(case):
    """A folder in tmpfs with live/bench.m3u8 and its segments."""
    root = tempfile.mkdtemp(prefix="millrace-bench-hls-", dir=TMPFS)
    os.makedirs(root + "/live/bench")
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:%d" % SEGMENT_SECONDS, "#EXT-X-MEDIA-SEQUENCE:0"]
    for i in range(LISTED):
        with open("%s/live/bench/%d.ts" % (root, i), "wb") as f:
            f.write(os.urandom(case["bit_rate"] * SEGMENT_SECONDS // 8))
        lines += ["#EXTINF:%d.000000," % SEGMENT_SECONDS, "bench/%d.ts" % i]
    with open(root + "/live/bench.m3u8", "w") as f:
        f.write("\n".join(lines) + "\n")
    return root


def feed(case, folder, stack):
    """Is the data plane's packaging worker: a new segment as often as a real one."""
    sys.path.append(os.path.join(meter.HERE, "..", "tests", "e2e"))
    os.environ["STATE"] = folder
    from hls_channel import Channel, Packager
    while not os.path.exists(folder + "/dp.sock"):  # it listens for players first
        time.sleep(0.05)
    packager = Packager(Channel(), "default/live/bench", target_ms=SEGMENT_SECONDS * 1000)
    data = os.urandom(case["bit_rate"] * SEGMENT_SECONDS // 8)
    over = threading.Event()

    def go_on():
        while not over.wait(SEGMENT_SECONDS if packager.seq >= LISTED else 0):
            packager.segment(data, SEGMENT_SECONDS * 1000000)

    thread = threading.Thread(target=go_on)
    thread.start()
    stack.callback(lambda: (over.set(), thread.join()))


def nginx_conf(case, port, args, stack):
    root = files(case)
    stack.callback(shutil.rmtree, root, ignore_errors=True)
    return NGINX_CONF % {"port": port, "root": root, "files": args.files, "connections": args.files - 64}
