#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""net.backend dpdk against io_uring and against what the device can do; `make bench-dpdk`.

A node at one end of a veth pair, viewers in a network namespace at the other. Needs root, libdpdk's
drivers and dpdk-testpmd (package dpdk-dev). Writes a table to standard output.
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import meter

NODE, VIEWERS = "10.79.0.1", "10.79.0.2"
DEVICES = {"af_packet": "net_af_packet0,iface=mrb0", "af_xdp": "net_af_xdp0,iface=mrb0"}
LOSSES = (0, 0.1, 1, 3)
WAN_MBIT, WAN_SECONDS = 100, 10
FRAME = 1514


def run(*command, **more):
    return subprocess.run([str(c) for c in command], check=True, **more)


def kernel_address():
    """The node's address to the kernel, which sends there by CUBIC whatever the machine's default is."""
    run("ip", "addr", "add", NODE + "/24", "dev", "mrb0", "noprefixroute")
    run("ip", "route", "replace", "10.79.0.0/24", "dev", "mrb0", "src", NODE, "congctl", "lock", "cubic")


class Wire:
    """The namespace `mrbench`, and a veth pair into it."""

    def __enter__(self):
        self.__exit__()
        run("ip", "netns", "add", "mrbench")
        run("ip", "link", "add", "mrb0", "type", "veth", "peer", "name", "mrb1", "netns", "mrbench")
        run("ip", "link", "set", "mrb0", "addrgenmode", "none", "up")
        run("ethtool", "-K", "mrb0", "tso", "off", "gso", "off", "gro", "off", stdout=subprocess.DEVNULL)
        run("ip", "-n", "mrbench", "link", "set", "mrb1", "addrgenmode", "none", "up")
        run("ip", "-n", "mrbench", "addr", "add", VIEWERS + "/24", "dev", "mrb1")
        return self

    def __exit__(self, *_):
        subprocess.run(["ip", "netns", "del", "mrbench"], stderr=subprocess.DEVNULL, check=False)
        for name in ("mrb0", "mrw0", "mrw1"):
            subprocess.run(["ip", "link", "del", name], stderr=subprocess.DEVNULL, check=False)

    def give(self, backend):
        """The address to the kernel, or to the node itself; and packets as on a wire."""
        run("ip", "addr", "flush", "dev", "mrb0")
        on = "on" if backend == "uring" else "off"
        run("nsenter", "--net=/run/netns/mrbench", "ethtool", "-K", "mrb1", "tx", on,
            stdout=subprocess.DEVNULL)
        if backend == "uring":
            kernel_address()

    def lose(self, percent):
        rules = ["flush ruleset"]
        if percent:
            rules += ["add table netdev loss",
                      "add chain netdev loss wire { type filter hook ingress device mrb1 priority 0; }",
                      "add rule netdev loss wire numgen random mod 1000 < %d drop" % (percent * 10)]
        for rule in rules:
            run("nsenter", "--net=/run/netns/mrbench", "nft", rule)


class Wan:
    """The veth pair cut in two, and bench/wan between the halves: a path of WAN_MBIT with a queue of its
    bandwidth-delay product."""

    def __init__(self, args, rtt_ms, loss, seed):
        for near, far, netns in (("mrb0", "mrw0", None), ("mrb1", "mrw1", "mrbench")):
            subprocess.run(["ip"] + (["-n", netns] if netns else []) + ["link", "del", near],
                           stderr=subprocess.DEVNULL, check=False)
            run("ip", "link", "add", far, "type", "veth", "peer", "name", near, *(("netns", netns) if netns else ()))
            run("ip", "link", "set", far, "addrgenmode", "none", "up")
            at = ["nsenter", "--net=/run/netns/" + netns] if netns else []
            run(*at, "ip", "link", "set", near, "addrgenmode", "none", "up")
            for name, where in ((far, []), (near, at)):
                run(*where, "ethtool", "-K", name, "tx", "off", "tso", "off", "gso", "off", "gro", "off",
                    stdout=subprocess.DEVNULL)
        run("ip", "-n", "mrbench", "addr", "add", VIEWERS + "/24", "dev", "mrb1")
        self.process = subprocess.Popen(
            args.first + ["taskset", "-c", str(args.load_cpu), os.path.join(args.build, "bench/wan"), "mrw0", "mrw1",
             "--delay-us", str(rtt_ms * 500), "--rate-mbit", str(WAN_MBIT), "--queue-bytes",
             str(WAN_MBIT * rtt_ms * 125), "--loss-ppm", "%d" % (loss * 10000), "--seed", str(seed)],
            stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def end(self):
        self.process.terminate()
        return self.process.communicate()[0].strip()


class Node:
    """A data plane on the first CPU, and its publisher."""

    def __init__(self, args, wire, backend, bit_rate):
        self.folder = tempfile.mkdtemp(prefix="mr-bench-")
        self.log = open(os.path.join(self.folder, "log"), "w")
        if wire:
            wire.give(backend)
        sets = ["cores=1", "play.tick=low", "pin_cores=false", "domain.open=true", "overload.busy_share=0",
                "overload.refuse_share=0", "memory.arena=1g", "stream.retain=4s", "play.max_lag=2s",
                "play.max_skips=0", "rtmp.listen=127.0.0.1:19935",
                "http.listen=%s:18935 127.0.0.1:18935" % NODE]
        if backend != "uring":
            sets += ["net.backend=dpdk", "dpdk.device=" + DEVICES[backend], "dpdk.huge_pages=false",
                     "dpdk.addresses=%s/24" % NODE, "dpdk.memory=128m", "dpdk.queue_frames=2048"]
            if args.real_time:
                sets.append("dpdk.idle_us=20")  # leaves something to others
        command = args.first + ["taskset", "-c", str(args.server_cpu), os.path.join(args.build, "millrace-dp"),
                   "--state", self.folder]
        for s in sets:
            command += ["--set", s]
        self.processes = [subprocess.Popen(command, stdout=self.log, stderr=self.log)]
        try:
            self.begin(args, bit_rate)
        except BaseException:
            self.end()
            raise

    def begin(self, args, bit_rate):
        self.wait_for("event=start ")
        self.pid = self.processes[0].pid
        self.counters = meter.Counters(self.pid)
        self.processes.append(subprocess.Popen(
            args.first + ["taskset", "-c", str(args.load_cpu), os.path.join(args.build, "bench/publisher"), "--url",
             "rtmp://127.0.0.1:19935/live/bench", "--streams", "1", "--bit-rate", str(bit_rate)],
            stdout=subprocess.DEVNULL, stderr=self.log))
        self.wait_for("event=publish ")

    def wait_for(self, text):
        for _ in range(200):
            with open(self.log.name) as f:
                if text in f.read():
                    return
            if self.processes[0].poll() is not None:
                break
            time.sleep(0.1)
        with open(self.log.name) as f:
            raise RuntimeError("the node did not start:\n" + f.read())

    def read(self):
        return {k: sum(v) for k, v in self.counters.read().items()}

    def end(self):
        for p in reversed(self.processes):
            p.send_signal(signal.SIGTERM)
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                p.kill()
        self.log.close()
        shutil.rmtree(self.folder)


def resident(pid):
    """Bytes of memory without the logs' arena (memory.arena, 1g): that grows with time, not with viewers."""
    total, arena = 0, False
    with open("/proc/%d/smaps" % pid) as f:
        for line in f:
            if line.startswith("Size:"):
                arena = int(line.split()[1]) == 1 << 20
            elif line.startswith("Rss:") and not arena:
                total += int(line.split()[1]) * 1024
    return total


def watch(args, viewers, seconds):
    """The load generator, beginning. It says when all watch, and when that was for so long."""
    return subprocess.Popen(
        args.first + ["nsenter", "--net=/run/netns/mrbench", "taskset", "-c", str(args.load_cpu),
         os.path.join(args.build, "bench/loadgen"), "--url", "http://%s:18935/live/bench" % NODE, "--viewers",
         str(viewers), "--rate", "2000", "--seconds", str(seconds), "--settle", "4", "--sample", "20"],
        stdout=subprocess.PIPE, text=True)


def fan_out(args, wire, backend):
    """What so many viewers cost, and what the wire carried for it."""
    node = Node(args, wire, backend, args.bit_rate)
    few = max(args.viewers // 5, 1)
    try:
        for _ in range(2):  # the first touches what all share
            with watch(args, few, 2) as load:
                load.stdout.readline()
                load.stdout.readline()
                fixed = resident(node.pid)
                load.stdout.read()
    except BaseException:
        node.end()
        raise
    load = watch(args, args.viewers, args.seconds)
    try:
        if load.stdout.readline() != "begin\n":
            raise RuntimeError("the load generator could not begin")
        before, cpu, begun = node.read(), meter.cpu_seconds(node.pid), time.time()
        if load.stdout.readline() != "end\n":
            raise RuntimeError("the load generator failed")
        after, cpu = node.read(), meter.cpu_seconds(node.pid) - cpu
        window = time.time() - begun
        full = resident(node.pid)
        seen = json.loads(load.stdout.read())
    finally:
        load.wait()
        node.end()
    used = {k: after[k] - before[k] for k in after}
    # A polling core is always on its CPU: of that, the share in which it found something to do.
    busy = cpu
    if backend != "uring":
        busy = cpu * min(1, used["busy_microseconds"] / 1e6 / window)
    return {"busy_s": busy, "gbit": used["sent_bytes"] * 8 / 1e9,
            "packets": used["packets_sent"], "fixed": fixed,
            "memory": (full - fixed) / (args.viewers - few), "seen": seen}


def memory(args, wire, backend):
    """Bytes for each further viewer between one and five thousand: what all share, and what a joiner leaves to the
    next one, was touched before."""
    node = Node(args, wire, backend, 30000)
    sizes = {}
    try:
        for viewers in (1000, 1000, 5000):
            with watch(args, viewers, 3) as load:
                load.stdout.readline()
                load.stdout.readline()
                sizes[viewers] = resident(node.pid), node.read()["connections"]
                load.stdout.read()
    finally:
        node.end()
    (few, few_n), (many, many_n) = sizes[1000], sizes[5000]
    return {"few": few, "bytes": (many - few) / (many_n - few_n), "connections": many_n}


def testpmd(args, device):
    """Packets a second that the device takes from one CPU that does nothing else."""
    out = subprocess.run(
        ["timeout", "--signal=INT", "8", "dpdk-testpmd", "--no-huge", "-m", "256", "--no-shconf",
         "--no-telemetry", "--no-pci", "-l", "%d,%d" % (args.load_cpu, args.server_cpu), "--main-lcore",
         str(args.load_cpu), "--vdev=" + DEVICES[device], "--", "--forward-mode=txonly",
         "--txpkts=%d" % FRAME, "--stats-period=1", "--txd=2048", "--rxd=2048", "--total-num-mbufs=16384"],
        capture_output=True, text=True, check=False).stdout
    rates = [int(n) for n in re.findall(r"Tx-pps:\s+(\d+)", out)]
    return max(rates) if rates else 0


def waited(pid):
    """Seconds that the threads were on a CPU, and that they were ready and had none."""
    on = ready = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
            values = f.read().split()
        on, ready = on + int(values[0]) / 1e9, ready + int(values[1]) / 1e9
    return on, ready


def throughput(args, wire, backend, loss, seconds=6, bit_rate=0):
    """What one viewer gets of a stream that is faster than anybody reads; every frame is checked."""
    node = Node(args, wire, backend, bit_rate or args.flood)
    try:
        if wire:
            wire.lose(loss)
        before = waited(node.pid)
        got = subprocess.run(
            args.first + ["nsenter", "--net=/run/netns/mrbench", "taskset", "-c", str(args.load_cpu),
             os.path.join(args.build, "bench/loadgen"), "--url", "http://%s:18935/live/bench" % NODE,
             "--viewers", "1", "--settle", "1", "--seconds", str(seconds), "--sample", "1"],
            capture_output=True, text=True, check=True)
        after = waited(node.pid)
        seen = json.loads(got.stdout.splitlines()[-1])
        on, ready = after[0] - before[0], after[1] - before[1]
        return {"rate": seen["bytes"] * 8 / 1e6 / seen["seconds"], "waited": ready / (on + ready),
                "damaged": seen["damaged"]}
    finally:
        if wire:
            wire.lose(0)
        node.end()


def long_path(args, backend, rtt_ms, loss, seed):
    """The same over a Wan. Both senders compute their checksums and send single segments."""
    wan = Wan(args, rtt_ms, loss, seed)
    try:
        if backend == "uring":
            kernel_address()
        # Faster than either can be, and not so fast that a viewer counts as stalled.
        most = min(1.5 * WAN_MBIT, 4 * 1.22 * 1448 * 8 / (rtt_ms * 1e3 * max(loss / 100, 1e-6) ** 0.5))
        return throughput(args, None, backend, loss, WAN_SECONDS, int(most * 1e6))
    finally:
        wan.end()


def report_fan_out(args, wire):
    print("## %d viewers of %.1f Mb/s by HTTP-FLV, one core\n" % (args.viewers, args.bit_rate / 1e6))
    print("| network | CPU s/Gbit | packets in a CPU second | testpmd txonly | share | MB with a fifth of them |"
          " bytes for each further one | faults |\n|---|---|---|---|---|---|---|---|")
    for backend in ["uring"] + list(DEVICES):
        r = fan_out(args, wire, backend)
        most = testpmd(args, backend) if backend in DEVICES else 0
        pps = r["packets"] / r["busy_s"]
        print("| %s | %.3f | %s | %s | %s | %.1f | %d | %s |" % (
            backend, r["busy_s"] / r["gbit"], "%d" % pps if most else "", most or "",
            "%.2f" % (pps / most) if most else "", r["fixed"] / 1e6, r["memory"], r["seen"]["lost"] + r["seen"]["damaged"]))
        sys.stdout.flush()


def report_memory(args, wire):
    print("\n## Memory, without the logs' arena\n")
    print("| network | MB with 1,000 viewers | bytes for each further one up to 5,000 | connections then |\n|---|---|---|---|")
    for backend in ("uring", "af_packet"):
        r = memory(args, wire, backend)
        print("| %s | %.1f | %d | %d |" % (backend, r["few"] / 1e6, r["bytes"], r["connections"]))
        sys.stdout.flush()


def report_loss(args, wire):
    print("\n## Mb/s of one viewer under loss; the kernel sends (CUBIC), and this program's TCP sends\n")
    print("In brackets the share of its time in which the node was ready to run and had no CPU: the kernel's TCP\n"
          "answers ACKs without it, this program's cannot.\n")
    print("| loss | kernel | own, af_packet | own / kernel | damaged frames |\n|---|---|---|---|---|")
    for loss in LOSSES:
        kernel = throughput(args, wire, "uring", loss)
        own = throughput(args, wire, "af_packet", loss)
        print("| %g %% | %.0f (%.2f) | %.0f (%.2f) | %.2f | %d |" % (
            loss, kernel["rate"], kernel["waited"], own["rate"], own["waited"],
            own["rate"] / kernel["rate"] if kernel["rate"] else 0, kernel["damaged"] + own["damaged"]))
        sys.stdout.flush()


def report_long_path(args):
    print("\n## Mb/s of one viewer over %d Mb/s with a queue of one round trip (`bench/wan`)\n" % WAN_MBIT)
    print("The node alone on one CPU; path, viewer and publisher on the other. Both senders meet the same losses.\n")
    print("| RTT | loss | kernel (CUBIC) | own, af_packet | own / kernel | damaged frames |\n|---|---|---|---|---|---|")
    for rtt_ms in (2, 20, 100):
        for loss in LOSSES:
            kernel, own = [], []
            for seed in (1, 2):
                kernel.append(long_path(args, "uring", rtt_ms, loss, seed))
                own.append(long_path(args, "af_packet", rtt_ms, loss, seed))
            rate = {name: sum(r["rate"] for r in got) / len(got) for name, got in (("kernel", kernel), ("own", own))}
            print("| %d ms | %g %% | %.1f | %.1f | %.2f | %d |" % (
                rtt_ms, loss, rate["kernel"], rate["own"], rate["own"] / max(rate["kernel"], 0.01),
                sum(r["damaged"] for r in kernel + own)))
            sys.stdout.flush()


def report_null(args):
    """The TCP alone, against clients in the same process; its clock is its own CPU time."""
    print("## The TCP without a device: viewers of one stream of 300 kb/s on one core, RTT 20 ms\n")
    print("Times are CPU time of the TCP's calls: handshakes and a request answered (joins), log bytes out, ACKs in.\n"
          "Session, device and checksums are not in them. A core carries what has a load below 1.\n")
    print("| viewers | tick | TSO | load | turn p99 | turn p99.9 | late p99 | ns a segment | Gbit a CPU second |"
          " joins a CPU second | bytes a viewer |\n|---|---|---|---|---|---|---|---|---|---|---|")
    for viewers, tick, tso in ((50000, 50, 0), (200000, 50, 0), (200000, 150, 0), (200000, 150, 1)):
        out = subprocess.run(
            [os.path.join(args.build, "bench/tcp_null"), "--viewers", str(viewers), "--tick-ms", str(tick), "--tso",
             str(tso), "--seconds", "4"], capture_output=True, text=True, check=True).stdout
        r = json.loads(out)
        print("| %d | %d ms | %s | %.2f | %.1f ms | %.1f ms | %.1f ms | %.0f | %.1f | %.0f | %.0f |" % (
            viewers, tick, "yes" if tso else "no", r["load"], r["turn_us"]["p99"] / 1e3,
            r["turn_us"]["p999"] / 1e3, r["late_us"]["p99"] / 1e3, r["ns_per_segment"], r["gbit_per_cpu_second"],
            r["joins_per_cpu_second"], r["tcp_bytes_per_viewer"]))
        sys.stdout.flush()
    print()


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--build", default="build")
    p.add_argument("--viewers", type=int, default=500)
    p.add_argument("--bit-rate", type=int, default=1000000)
    p.add_argument("--flood", type=int, default=200000000)
    p.add_argument("--seconds", type=int, default=8)
    p.add_argument("--only", choices=("fan-out", "loss", "null", "long-path", "memory"))
    p.add_argument("--real-time", action="store_true",
                   help="everything that is measured goes before other work on the machine")
    args = p.parse_args()
    args.first = ["chrt", "--rr", "1"] if args.real_time else []
    cpus = sorted(os.sched_getaffinity(0))
    if os.getuid() or len(cpus) < 2:
        sys.exit("needs root and two CPUs")
    args.server_cpu, args.load_cpu = cpus[0], cpus[1]
    m = meter.machine()
    print("# net.backend dpdk, %s\n\n%s, %d CPUs, Linux %s; load %.1f at the start\n" % (
        time.strftime("%Y-%m-%d"), m["cpu"], m["cpus"], m["kernel"], os.getloadavg()[0]))
    if args.only in (None, "null"):
        report_null(args)
    with Wire() as wire:
        if args.only in (None, "fan-out"):
            report_fan_out(args, wire)
        if args.only in (None, "memory"):
            report_memory(args, wire)
        if args.only in (None, "loss"):
            report_loss(args, wire)
        if args.only in (None, "long-path"):
            report_long_path(args)


if __name__ == "__main__":
    main()
