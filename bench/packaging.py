#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures packaging as HLS with everything running: what a stream costs the worker, how soon the first
playlist of an on-demand stream comes, and how old a picture is when hls.js shows it with low latency.

    package   N streams of 1 Mb/s (H.264 and AAC as bench/publisher makes them, 2 s GOP), one worker:
              its CPU time, and the streams that one core of it would take
    start     streams with a 2 s GOP, asked for at different places of their GOP: milliseconds to the first
              playlist, the first of all with the worker's start
    latency   a clock in the picture (tests/e2e/clock_picture.py), 1 s segments, 200 ms parts: milliseconds
              from the camera to the screen; needs Chromium and tests/e2e/browser/install.sh

Prints one JSON object, with the marks and whether they are met.
"""
import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import meter

TOP = os.path.dirname(meter.HERE)
E2E = os.path.join(TOP, "tests", "e2e")
BIT_RATE = 1000000
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def free_ports(n):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


def until(seconds, what):
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            sys.exit("packaging: waited %d s in vain" % seconds)
        time.sleep(0.05)


class Node:
    """`millrace up` in a folder of its own, and what publishes to it."""

    def __init__(self, build, stack, *settings):
        self.build = build
        self.stack = stack
        self.state = tempfile.mkdtemp(prefix="millrace-bench-")
        stack.callback(shutil.rmtree, self.state, ignore_errors=True)
        self.rtmp, self.http, api = free_ports(3)
        with open(self.state + "/bench.yaml", "w", encoding="ascii") as f:
            f.write("memory:\n  arena: 3g\n")
        command = [os.path.join(build, "millrace"), "up", "--state", self.state, "--config", self.state + "/bench.yaml"]
        for name, port in (("rtmp", self.rtmp), ("http", self.http), ("api", api)):
            command += ["--" + name, "127.0.0.1:%d" % port]
        for s in settings:
            command += ["--set", s]
        self.background(*command)
        until(20, self.is_up)

    def background(self, *command, **more):
        process = subprocess.Popen(command, **{**QUIET, **more})
        self.stack.callback(self.end, process)
        return process

    @staticmethod
    def end(process):
        process.send_signal(signal.SIGTERM)
        process.wait()

    def ask(self, *words):
        got = subprocess.run([os.path.join(self.build, "millrace"), "--state", self.state, *words, "--json"],
                             capture_output=True, text=True, check=False)
        return json.loads(got.stdout) if got.returncode == 0 else {}

    def is_up(self):
        status = self.ask("status")
        return status.get("dataplane", {}).get("connected") and status["redis"]["connected"]

    def url(self, name):
        return "http://127.0.0.1:%d/live/%s.m3u8" % (self.http, name)

    def publish(self, name, **options):
        command = [os.path.join(self.build, "bench/publisher"), "--url",
                   "rtmp://127.0.0.1:%d/live/%s" % (self.rtmp, name), "--bit-rate", BIT_RATE, "--gop-ms", 2000]
        for key, value in options.items():
            command += ["--" + key.replace("_", "-"), value]
        publisher = self.background(*map(str, command), stdout=subprocess.PIPE, text=True)
        if publisher.stdout.readline() != "publishing\n":
            sys.exit("packaging: the publisher could not begin")

    def packages(self):
        return self.ask("hls", "list").get("packages", [])


def package(args, stack):
    node = Node(args.build, stack, "hls.mode=always", "hls.streams_per_worker=10000", "hls.memory=8g", "hls.segment=2s",
                "hls.window=3", "stream.retain=4s", "play.max_lag=2s")
    node.publish("bench", streams=args.streams, tick_ms=20)
    until(60, lambda: sum(p["segments"] > 1 for p in node.packages()) == args.streams)
    pid = node.packages()[0]["pid"]
    begun, cpu = time.monotonic(), meter.cpu_seconds(pid)
    time.sleep(args.seconds)
    used, window = meter.cpu_seconds(pid) - cpu, time.monotonic() - begun
    held = [p.get("held", {}) for p in node.packages()]
    share = used / window
    return {"streams": args.streams, "worker_cpu": round(share, 4), "streams_per_core": round(args.streams / share),
            "worker_mib": meter.resident_bytes(pid) >> 20, "mark": "1000 streams a core",
            "met": args.streams / share >= 1000 and all(h.get("segments", 0) > 2 for h in held)}


def first_playlist(url):
    begun = time.monotonic()
    with urllib.request.urlopen(url, timeout=20) as answer:
        if b"#EXTINF" not in answer.read():
            sys.exit("packaging: a playlist without a segment")
    return (time.monotonic() - begun) * 1000


def start(args, stack):
    node = Node(args.build, stack)
    names = ["s%d" % i for i in range(10)]
    for name in names:
        node.publish(name)
        time.sleep(0.2)  # at another place of its GOP
    time.sleep(3)  # the log holds a GOP
    took = [first_playlist(node.url(name)) for name in names]
    rest = sorted(took[1:])
    return {"with_worker_start_ms": round(took[0]), "median_ms": round(rest[len(rest) // 2]), "most_ms": round(rest[-1]),
            "mark": "500 ms", "met": max(took) <= 500}


def latency(args, stack):
    browser = os.path.join(TOP, "build", "tests", "browser")
    if not shutil.which("chromium") or not os.path.exists(browser + "/node_modules/hls.js"):
        return {"skipped": "tests/e2e/browser/install.sh has not run"}
    node = Node(args.build, stack, "hls.segment=1s", "hls.part=200ms")
    clock = node.background("python3", E2E + "/clock_picture.py", stdout=subprocess.PIPE)
    node.background("ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "gray", "-s", "320x180", "-r", "25", "-i", "-",
                    "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100", "-c:v", "libx264", "-preset", "ultrafast",
                    "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "25", "-c:a", "aac", "-flush_packets", "1",
                    "-f", "flv", "rtmp://127.0.0.1:%d/live/clock" % node.rtmp, stdin=clock.stdout)
    until(20, lambda: node.ask("stream", "list").get("streams"))
    played = subprocess.run(["node", E2E + "/browser/play.mjs", browser, "ll", node.url("clock")], capture_output=True,
                            text=True, timeout=90, check=True)
    report = json.loads(played.stdout)
    return {"median_ms": report["age_ms"], "p95_ms": report["age_p95_ms"], "pictures": report["aged"], "mark": "2500 ms",
            "met": report["error"] is None and report["age_ms"] < 2500}


PARTS = {"package": package, "start": start, "latency": latency}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default=os.path.join(TOP, "build"))
    p.add_argument("--parts", default=",".join(PARTS), help="of package,start,latency")
    p.add_argument("--streams", type=int, default=200)
    p.add_argument("--seconds", type=int, default=12, help="length of package's window")
    args = p.parse_args()
    result = {}
    for part in args.parts.split(","):
        with contextlib.ExitStack() as stack:
            result[part] = PARTS[part](args, stack)
    result["load_average"] = os.getloadavg()[0]
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
