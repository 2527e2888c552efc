#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What viewers notice of a flood of SYNs, with the packet guard and without; `make bench-flood`.

A node in one network namespace; viewers, and SYNs from forged addresses, in another, a veth pair
between them. The node and the kernel's work on what comes in (RPS) have the first CPU; publisher,
viewers and flood the second, as cards drop by XDP on the CPU of their queue. Needs root. Writes a
table to standard output.
"""
import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
FLOOD = os.path.join(HERE, "..", "tests", "e2e", "syn_flood.py")
NODE, VIEWERS, FORGED = "10.79.0.1", "10.79.0.2", "10.78"
RTMP, HTTP, API = 19935, 18935, 18936
GUARD = "  guard: wire\n  guard_rate: 20\n  guard_burst: 20\n  guard_allow: %s/32\n" % VIEWERS
CASES = (("no flood", "", False), ("flood", "", True), ("flood, guard", GUARD, True))


def run(*command, **more):
    return subprocess.run([str(c) for c in command], check=True, text=True, **more)


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Wire:
    """Two namespaces and the pair between them, both ends called "wire"."""

    def __init__(self):
        self.node, self.viewers = "mrfn%d" % os.getpid(), "mrfv%d" % os.getpid()

    def __enter__(self):
        for name in (self.node, self.viewers):
            run("ip", "netns", "add", name)
        run("ip", "-n", self.node, "link", "add", "wire", "type", "veth", "peer", "name", "wire",
            "netns", self.viewers)
        for name, address in ((self.node, NODE), (self.viewers, VIEWERS)):
            run("ip", "-n", name, "addr", "add", address + "/24", "dev", "wire")
            for link in ("lo", "wire"):
                run("ip", "-n", name, "link", "set", link, "up")
            run("nsenter", "--net=/run/netns/" + name, "ethtool", "-K", "wire", "tso", "off",
                "gso", "off", "gro", "off", stdout=subprocess.DEVNULL)
        # Answers to the forged have a way, as they would to strangers.
        run("ip", "-n", self.node, "route", "add", FORGED + ".0.0/16", "via", VIEWERS)
        run("ip", "netns", "exec", self.node, "sh", "-c",
            "echo 1 > /sys/class/net/wire/queues/rx-0/rps_cpus")
        return self

    def __exit__(self, *_):
        for name in (self.node, self.viewers):
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)

    def start(self, where, cpu, *command, **more):
        return subprocess.Popen(["nsenter", "--net=/run/netns/" + where, "taskset", "-c", str(cpu)] +
                                [str(c) for c in command], stdin=subprocess.DEVNULL, text=True, **more)

    def sent(self):
        """Packets that left the viewers' end."""
        said = run("ip", "-n", self.viewers, "-s", "-j", "link", "show", "wire", capture_output=True)
        return json.loads(said.stdout)[0]["stats64"]["tx"]["packets"]


class Node:
    def __init__(self, args, wire, guard):
        self.folder = tempfile.mkdtemp(prefix="mr-flood-")
        conf = os.path.join(self.folder, "up.yaml")
        with open(conf, "w") as f:
            f.write("cores: 1\npin_cores: false\ndomain: {open: true}\noverload:\n  busy_share: 0\n"
                    "  refuse_share: 0\nmemory:\n  arena: 512m\n")
            f.write("bpf:\n" + guard if guard else "")
        self.log = open(os.path.join(self.folder, "log"), "w")
        self.up = wire.start(wire.node, 0, os.path.join(args.build, "millrace"), "up", "--state",
                             os.path.join(self.folder, "state"), "--config", conf, "--rtmp", ":%d" % RTMP,
                             "--http", ":%d" % HTTP, "--api", "127.0.0.1:%d" % API,
                             stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 60
        while self.metric('millrace_up{part="dataplane"}') != 1:
            if self.up.poll() is not None or time.monotonic() > deadline:
                sys.exit("the node does not start; see " + self.log.name)
            time.sleep(0.2)

    def metric(self, name):
        said = subprocess.run(["curl", "-fsS", "--unix-socket", os.path.join(self.folder, "state", "api.sock"),
                               "http://localhost/metrics"], capture_output=True, text=True, check=False)
        for line in said.stdout.splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        return None

    def close(self):
        end(self.up)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def measure(args, wire, guard, flooded):
    """One window: what the viewers saw, SYNs a second, those that the guard dropped a second."""
    node = Node(args, wire, guard)
    others = []
    try:
        if guard and node.metric("millrace_guard_on") != 1:
            sys.exit("the packet guard cannot be loaded here")
        publisher = wire.start(wire.node, 1, os.path.join(args.build, "bench/publisher"), "--url",
                               "rtmp://127.0.0.1:%d/live/bench" % RTMP, stdout=subprocess.PIPE)
        others.append(publisher)
        publisher.stdout.readline()
        if flooded:
            others.append(wire.start(wire.viewers, 1, sys.executable, FLOOD, NODE, HTTP, FORGED,
                                     10**9, args.rate, stdout=subprocess.DEVNULL))
        load = wire.start(wire.viewers, 1, os.path.join(args.build, "bench/loadgen"), "--url",
                          "http://%s:%d/live/bench" % (NODE, HTTP), "--viewers", args.viewers,
                          "--seconds", args.seconds, stdout=subprocess.PIPE)
        others.append(load)
        if load.stdout.readline() != "begin\n":
            sys.exit("the viewers could not begin")
        sent = wire.sent()
        load.stdout.readline()
        sent = wire.sent() - sent
        seen = json.loads(load.stdout.readline())
        dropped = node.metric('millrace_guard_packets_total{verdict="rate"}') or 0
        return seen, sent / args.seconds, dropped
    finally:
        for process in reversed(others):
            end(process)
        node.close()


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", default="build")
    p.add_argument("--viewers", type=int, default=200)
    p.add_argument("--seconds", type=int, default=10)
    p.add_argument("--rate", type=int, default=20000, help="SYNs a second")
    p.add_argument("--runs", type=int, default=3)
    args = p.parse_args()
    print("%d viewers of 2 Mb/s, %d SYNs a second, medians of %d; packets are the viewers' too\n" %
          (args.viewers, args.rate, args.runs))
    print("| case | latency p50 ms | p99 ms | first frame p99 ms | skips | viewers gone | packets/s in "
          "| dropped by the guard |")
    print("|---|---|---|---|---|---|---|---|")
    with Wire() as wire:
        for name, guard, flooded in CASES:
            runs = [measure(args, wire, guard, flooded) for _ in range(args.runs)]

            def of(pick):
                return statistics.median(pick(*r) for r in runs)
            print("| %s | %.1f | %.1f | %.1f | %d | %d | %.0f | %.0f |" % (
                name, of(lambda s, _p, _d: s["latency_us"]["p50"]) / 1e3,
                of(lambda s, _p, _d: s["latency_us"]["p99"]) / 1e3,
                of(lambda s, _p, _d: s["first_frame_us"]["p99"]) / 1e3,
                of(lambda s, _p, _d: s["skips"]), of(lambda s, _p, _d: args.viewers - s["watching"]),
                of(lambda _s, p, _d: p), of(lambda _s, _p, d: d)), flush=True)


if __name__ == "__main__":
    main()
