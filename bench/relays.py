#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures running relay tasks on one machine: RTMP to RTMP in the data plane, and assets by workers.

  ffmpeg -> peer live/source -> Millrace: --tasks pulls and pushes -> peer live/dN
                  a film (30 s) -> Millrace: --vod workers         -> peer live/vN

The peer is another Millrace with a state folder of its own and is not counted. Prints one JSON object:
how long it takes from the first creation until every task runs, then, over --seconds, CPU (share of one
core) and memory of every program, and whether any task left Running. A connection is a descriptor: the
limit (ulimit -n) must be above three for each task.
"""
import argparse
import glob
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

from tasks import TOP, Owner

TICK = os.sysconf("SC_CLK_TCK")
PARTS = ("millrace-dp", "millrace-cp", "millrace-worker", "redis-server")


def ports(n):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    numbers = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return numbers


class Node:
    def __init__(self, state, text, rtmp):
        os.mkdir(state)
        with open(f"{state}.yaml", "w", encoding="ascii") as f:
            f.write(text)
        http = ports(1)[0]
        self.up = subprocess.Popen([f"{TOP}/build/millrace", "up", "--state", state, "--config", f"{state}.yaml", "--rtmp",
                                    f"127.0.0.1:{rtmp}", "--http", f"127.0.0.1:{http}", "--api", "127.0.0.1:0"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.owner = Owner(f"{state}/api.sock")
        wait(60, lambda: self.ready(), "a node")

    def ready(self):
        try:
            status = self.local("/local/status?tasks=0")
            return status["dataplane"]["connected"] and status["redis"]["connected"]
        except OSError:
            self.owner.close()
            return False

    def local(self, path, method="GET"):
        self.owner.request(method, path)
        return json.loads(self.owner.getresponse().read())

    def states(self):
        """State -> how many tasks."""
        found, skip, total = {}, 0, 1
        while skip < total:
            status = self.local(f"/local/status?skip={skip}")
            total = status["totals"]["tasks"]
            for row in status["tasks"]:
                found[row["State"]] = found.get(row["State"], 0) + 1
            skip += 1000
        return found

    def usage(self):
        """Program -> [processes, seconds of CPU, MiB]: what stands below `millrace up`."""
        of = {name: [0, 0.0, 0] for name in PARTS}
        below = {self.up.pid}
        for stat in sorted(glob.glob("/proc/[0-9]*/stat"), key=lambda p: int(p.split("/")[2])):
            try:
                with open(stat, encoding="utf-8") as f:
                    head, tail = f.read().rsplit(") ", 1)
                pid, name, rest = int(head.split(" (", 1)[0]), head.split(" (", 1)[1], tail.split()
                if int(rest[1]) not in below or name not in of:
                    continue
                below.add(pid)
                with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                    pss = next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
            except OSError:
                continue
            used = of[name]
            of[name] = [used[0] + 1, used[1] + (int(rest[11]) + int(rest[12])) / TICK, used[2] + pss / 1024]
        return of


def wait(seconds, ready, what):
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            sys.exit(f"{what} is not ready after {seconds} s")
        time.sleep(0.2)


def create(node, name, kind, source, dst):
    more = {"SourceProtocol": "rtmp"} if kind == "live" else {"RepeatNumber": -1}
    node.owner.call("CreateLivePullToPush", TaskId=name, SourceType=kind, SourceUrls=json.dumps([source]), DstUrl=dst,
                    StartTime="2020-01-01T00:00:00Z", EndTime="2099-01-01T00:00:00Z", RetryCount=-1, RetryInterval=1, **more)


def measure(node, peer, args):
    began = time.monotonic()
    for i in range(args.tasks):
        create(node, f"d{i}", "live", f"{peer}/live/source", f"{peer}/live/d{i}")
    for i in range(args.vod):
        create(node, f"v{i}", "vod", "film", f"{peer}/live/v{i}")
    created = time.monotonic()
    wanted = args.tasks + args.vod
    wait(args.patience, lambda: node.states().get("Running", 0) == wanted, "every task")
    result = {"relays": args.tasks, "vod": args.vod, "created_s": round(created - began, 1),
              "all_running_s": round(time.monotonic() - began, 1)}
    before, since = node.usage(), time.monotonic()
    time.sleep(args.seconds)
    after, span = node.usage(), time.monotonic() - since
    for name in PARTS:
        result[name] = {"processes": after[name][0], "cores": round((after[name][1] - before[name][1]) / span, 3),
                        "mib": round(after[name][2])}
    status = node.local("/local/status?tasks=0")["totals"]
    result.update(in_mbps=round(status["in_bps"] / 1e6, 1), out_mbps=round(status["out_bps"] / 1e6, 1), states=node.states())
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--vod", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--patience", type=int, default=300)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="millrace-bench.") as folder:
        film, (port, own) = f"{folder}/film.flv", ports(2)
        subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=30", "-f", "lavfi", "-i",
                        "sine=duration=30", "-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-b:v", "268k", "-maxrate",
                        "268k", "-minrate", "268k", "-bufsize", "268k", "-x264-params", "nal-hrd=cbr", "-c:a", "aac", "-b:a", "32k", film], check=True)
        total = args.tasks + args.vod
        peer = f"rtmp://127.0.0.1:{port}"
        procs = [Node(f"{folder}/peer", "memory: {arena: 4g}\n", port)]
        source = subprocess.Popen(["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", film, "-c", "copy", "-f", "flv",
                                   f"{peer}/live/source"], stdin=subprocess.DEVNULL)
        try:
            node = Node(f"{folder}/node", f"memory: {{arena: 4g}}\ntasks: {{running: {total}, retry_interval_min: 1}}\n"
                        f"asset: {{folder: {folder}}}\n", own)
            procs.append(node)
            node.local("/local/asset/add?" + urllib.parse.urlencode({"id": "film", "file": "film.flv"}), "POST")
            print(json.dumps(measure(node, peer, args), indent=1))
        finally:
            source.terminate()
            for p in reversed(procs):
                p.up.send_signal(signal.SIGTERM)
            for p in procs:
                p.up.wait()


if __name__ == "__main__":
    main()
