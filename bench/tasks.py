#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the task API with many scheduled tasks: how long a creation, a page of the list and a
fuzzy search take (median and 99th percentile, milliseconds), and the control plane's memory.

Everything runs on one machine with the private Redis; the client is one connection to the owner's
socket, one call after the other. Prints one JSON object.
"""
import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Owner(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def call(self, action, **params):
        params.update(Action=action, Version="2016-11-01", Region="local")
        began = time.perf_counter()
        self.request("GET", "/?" + urllib.parse.urlencode(params))
        answer = self.getresponse()
        body = json.loads(answer.read())
        if answer.status != 200:
            sys.exit(f"{action}: {body}")
        return body, (time.perf_counter() - began) * 1000


def spread(times):
    times = sorted(times)
    return {"p50_ms": round(times[len(times) // 2], 2), "p99_ms": round(times[len(times) * 99 // 100], 2)}


def resident_mib(name, parent):
    pids = subprocess.run(["pgrep", "-P", str(parent), "-x", name], capture_output=True, text=True, check=True)
    with open(f"/proc/{pids.stdout.split()[0]}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) // 1024 for line in f if line.startswith("VmRSS"))


def measure(owner, tasks):
    def create(i):
        return owner.call("CreateLivePullToPush", TaskName=f"match {i}", SourceType="live", SourceProtocol="rtmp",
                          StartTime="2099-01-01T00:00:00Z", EndTime="2099-01-02T00:00:00Z",
                          SourceUrls=f'["rtmp://source.example/live/{i}"]', DstUrl=f"rtmp://target.example/live/{i}")[1]

    result = {"tasks": tasks, "create": spread([create(i) for i in range(tasks)])}
    pages = max(tasks // 100, 1)
    result["page_of_100"] = spread([owner.call("DescribeLivePullToPushList", PageSize=100, PageNumber=i % pages + 1)[1]
                                    for i in range(200)])
    result["fuzzy_search"] = spread([owner.call("DescribeLivePullToPushList", TaskName=f"CH {i}")[1]
                                     for i in range(200)])
    return result


def main():
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--tasks", type=int, default=10000)
    tasks = args.parse_args().tasks
    with tempfile.TemporaryDirectory(prefix="millrace-bench.") as state:
        with open(f"{state}/bench.yaml", "w", encoding="ascii") as f:
            f.write(f"memory:\n  arena: 64m\ntasks:\n  running: {tasks + 1}\n")
        up = subprocess.Popen([f"{TOP}/build/millrace", "up", "--state", state, "--config", f"{state}/bench.yaml",
                               "--rtmp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--api", "127.0.0.1:0"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            owner, deadline = Owner(f"{state}/api.sock"), time.monotonic() + 20
            while time.monotonic() < deadline:
                try:
                    owner.call("DescribeLivePullToPushList")
                    break
                except (OSError, SystemExit):
                    owner.close()
                    time.sleep(0.1)
            result = measure(owner, tasks)
            result["control_plane_mib"] = resident_mib("millrace-cp", up.pid)
            print(json.dumps(result, indent=1))
        finally:
            up.send_signal(signal.SIGTERM)
            up.wait()


if __name__ == "__main__":
    main()
