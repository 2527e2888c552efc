#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what it costs to deliver live streams: Millrace, the bare limit, and nginx-rtmp.

The server has one CPU to itself; the publisher and the viewers have another. Cost is the server
process's CPU seconds per delivered Gbit, taken over a window in which every viewer is there. Each
case runs several times, all cases in turn, and the median counts. Writes JSON and a Markdown table
to bench/results/.
"""
import argparse
import contextlib
import datetime
import glob
import json
import os
import platform
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TICKS = {"low": 10, "normal": 50, "bulk": 150}
NGINX_MODULE = "/usr/lib/nginx/modules/ngx_rtmp_module.so"
NGINX_CONF = """
load_module %(module)s;
daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
worker_rlimit_nofile %(files)d;
events { worker_connections %(connections)d; }
rtmp { server { listen 127.0.0.1:%(port)d; application live { live on; } } }
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, process):
    for _ in range(200):
        if process.poll() is not None:
            sys.exit("the server ended at once: %s" % " ".join(process.args))
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit("the server does not listen: %s" % " ".join(process.args))


def end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# ---- what the system says about a process -----------------------------------------------------


def cpu_seconds(pid):
    """Time on a CPU of every thread, in nanoseconds where the kernel says so."""
    total = 0
    for task in glob.glob("/proc/%d/task/*" % pid):
        try:
            with open(task + "/schedstat") as f:
                total += int(f.read().split()[0]) / 1e9
        except FileNotFoundError:
            with open(task + "/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def resident_bytes(pid):
    with open("/proc/%d/statm" % pid) as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_busy_seconds(cpu):
    """What was not idle on a CPU: shows work that no process was charged with."""
    with open("/proc/stat") as f:
        for line in f:
            if line.startswith("cpu%d " % cpu):
                v = [int(x) for x in line.split()[1:]]
                return (sum(v[:8]) - v[3] - v[4]) / os.sysconf("SC_CLK_TCK")
    return 0.0


def machine():
    model, memory = "unknown", 0
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo") as f:
        memory = int(f.readline().split()[1]) // 1024
    return {
        "cpu": model,
        "cpus": os.cpu_count(),
        "memory_mib": memory,
        "kernel": platform.release(),
        "architecture": platform.machine(),
    }


# ---- one run ----------------------------------------------------------------------------------


class Bench:
    def __init__(self, args):
        self.args = args
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2:
            sys.exit("two CPUs are needed: one for the server, one for the load")
        self.server_cpu, self.load_cpu = cpus[0], cpus[1]

    def program(self, name):
        return os.path.join(self.args.build, name)

    def start(self, cpu, *command, **more):
        return subprocess.Popen(["taskset", "-c", str(cpu)] + [str(c) for c in command],
                                stdin=subprocess.DEVNULL, text=True, **more)

    def start_server(self, case, folder, log):
        port, http = free_port(), free_port()
        if case["server"] == "limit":
            command = [self.program("bench/limit"), "--port", port, "--tick-ms", TICKS[case["tick"]],
                       "--bit-rate", case["bit_rate"], "--fps", self.args.fps,
                       "--gop-ms", self.args.gop_ms]
        elif case["server"] == "nginx":
            conf = os.path.join(folder, "nginx.conf")
            with open(conf, "w") as f:
                f.write(NGINX_CONF % {"module": NGINX_MODULE, "port": port,
                                      "files": self.args.files, "connections": self.args.files - 64})
            command = ["nginx", "-p", folder, "-c", conf]
        else:
            command = [self.program("millrace-dp"), "--state", folder, "--set", "cores=1",
                       "--set", "pin_cores=false", "--set", "play.tick=" + case["tick"],
                       "--set", "rtmp.listen=127.0.0.1:%d" % port,
                       "--set", "http.listen=127.0.0.1:%d" % http]
        server = self.start(self.server_cpu, *command, stdout=log, stderr=log)
        wait_for_port(port, server)
        publish = "rtmp://127.0.0.1:%d/live/bench" % port
        play = {"raw": "raw://127.0.0.1:%d" % port, "rtmp": publish,
                "flv": "http://127.0.0.1:%d/live/bench" % http}[case["protocol"]]
        return server, publish, play

    def start_publisher(self, case, url):
        publisher = self.start(self.load_cpu, self.program("bench/publisher"), "--url", url,
                               "--streams", case["streams"], "--bit-rate", case["bit_rate"],
                               "--fps", self.args.fps, "--gop-ms", self.args.gop_ms,
                               stdout=subprocess.PIPE)
        if publisher.stdout.readline() != "publishing\n":
            sys.exit("the publisher could not begin: %s" % case)
        return publisher

    def view(self, case, url, server):
        """Runs the viewers; returns what they saw and what the server used meanwhile."""
        load = self.start(self.load_cpu, self.program("bench/loadgen"), "--url", url,
                          "--viewers", case["viewers"], "--streams", case["streams"],
                          "--rate", self.args.rate, "--seconds", self.args.seconds,
                          "--settle", self.args.settle,
                          "--sample", max(1, case["viewers"] // 80), stdout=subprocess.PIPE)
        try:
            if load.stdout.readline() != "begin\n":
                sys.exit("the load generator could not begin: %s" % case)
            cpu, busy = cpu_seconds(server.pid), cpu_busy_seconds(self.server_cpu)
            if load.stdout.readline() != "end\n":
                sys.exit("the load generator failed: %s" % case)
            cpu = cpu_seconds(server.pid) - cpu
            busy = cpu_busy_seconds(self.server_cpu) - busy
            resident = resident_bytes(server.pid)
            seen = json.loads(load.stdout.readline())
        finally:
            end(load)
        seen.update(cpu_seconds=round(cpu, 4), cpu_busy_seconds=round(busy, 2),
                    resident_bytes=resident)
        return seen

    def run(self, case):
        with contextlib.ExitStack() as stack:
            folder = tempfile.mkdtemp(prefix="millrace-bench-")
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            log = stack.enter_context(open(os.path.join(folder, "log"), "w"))
            server, publish, play = self.start_server(case, folder, log)
            stack.callback(end, server)
            if case["server"] != "limit":
                stack.callback(end, self.start_publisher(case, publish))
                time.sleep(case["before"])
            before = resident_bytes(server.pid)
            seen = self.view(case, play, server)
        gbit = seen["bytes"] * 8 / 1e9
        seen["cpu_per_gbit"] = round(seen["cpu_seconds"] / gbit, 5) if gbit else None
        seen["resident_per_viewer"] = round((seen["resident_bytes"] - before) / case["viewers"])
        return seen


# ---- which cases ------------------------------------------------------------------------------


def case_of(server, protocol, tick, viewers, args, **more):
    case = {"scenario": "fan-out", "server": server, "protocol": protocol, "tick": tick,
            "viewers": viewers, "streams": 1, "bit_rate": args.bit_rate, "before": 1}
    case.update(more)
    return case


def cases_of(args):
    cases = []
    for viewers in args.viewers:
        for tick in args.ticks:
            cases.append(case_of("limit", "raw", tick, viewers, args))
            cases.append(case_of("millrace", "rtmp", tick, viewers, args))
            if args.form == "full" or tick == "normal":
                cases.append(case_of("millrace", "flv", tick, viewers, args))
        cases.append(case_of("nginx", "rtmp", None, viewers, args))
    if args.form == "full":
        for streams, viewers in ((1, 4000), (1000, 4000)):
            cases.append(case_of("millrace", "rtmp", "normal", viewers, args, streams=streams,
                                 bit_rate=500000, scenario="streams"))
        for server, protocol in (("limit", "raw"), ("millrace", "rtmp")):
            cases.append(case_of(server, protocol, "bulk", 15000, args, bit_rate=500000,
                                 scenario="capacity"))
        # The log is as long as it gets before the first viewer comes: what is added is theirs.
        cases.append(case_of("millrace", "rtmp", "normal", 4000, args, before=25, scenario="memory"))
    if not (shutil.which("nginx") and os.path.exists(NGINX_MODULE)):
        print("nginx with libnginx-mod-rtmp is not installed: left out", file=sys.stderr)
        cases = [c for c in cases if c["server"] != "nginx"]
    return cases


# ---- the report -------------------------------------------------------------------------------


def medians(runs):
    def of(get):
        values = [get(r) for r in runs if get(r) is not None]
        return statistics.median(values) if values else None

    return {
        "cpu_per_gbit": of(lambda r: r["cpu_per_gbit"]),
        "server_cpu": of(lambda r: r["cpu_seconds"] / r["seconds"]),
        "client_cpu": of(lambda r: r["client_cpu"]),
        "watching": of(lambda r: r["watching"]),
        "bit_rate": of(lambda r: r["viewer_bit_rate_median"]),
        "bit_rate_min": of(lambda r: r["viewer_bit_rate_min"]),
        "latency_p50_ms": of(lambda r: r["latency_us"]["p50"] / 1000),
        "latency_p99_ms": of(lambda r: r["latency_us"]["p99"] / 1000),
        "first_p99_ms": of(lambda r: r["first_frame_us"]["p99"] / 1000),
        "silent_over_1s": of(lambda r: r["silent_over_1s"]),
        "resident_per_viewer": of(lambda r: r["resident_per_viewer"]),
        "skips": sum(r["skips"] for r in runs),
        "faults": sum(r["lost"] + r["damaged"] + r["gone"] for r in runs),
    }


def same_but(case, results, server):
    """The result of the same load on another server, at the same tick where it has one."""
    for r in results:
        c = r["case"]
        if c["server"] == server and c["tick"] in (case["tick"], None) and all(
                c[k] == case[k] for k in ("scenario", "viewers", "streams", "bit_rate")):
            return r["median"]["cpu_per_gbit"]
    return None


def remark(result):
    case, m = result["case"], result["median"]
    remarks = []
    if m["faults"]:
        remarks.append("%d faults" % m["faults"])
    if m["watching"] < case["viewers"]:
        remarks.append("%d viewers only" % m["watching"])
    if m["bit_rate_min"] < 0.9 * case["bit_rate"]:
        remarks.append("slowest viewer got %.0f %%" % (100 * m["bit_rate_min"] / case["bit_rate"]))
    if m["skips"]:
        remarks.append("%d skips" % m["skips"])
    if m["server_cpu"] > 0.95:
        remarks.append("server's CPU full")
    if m["client_cpu"] > 0.95:
        remarks.append("generator's CPU full")
    return "; ".join(remarks)


def ratio(a, b):
    return "%.2f" % (a / b) if a and b else "-"


def number(value, form):
    return form % value if value is not None else "-"


HEADINGS = ["load", "server", "tick", "viewers", "CPU s/Gbit", "of the limit", "of nginx-rtmp",
            "latency p50 / p99 ms", "first frame p99 ms", "bytes/viewer", "remarks"]


def table(results):
    rows = ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
    for r in results:
        c, m = r["case"], r["median"]
        watched = c["server"] != "limit"
        rows.append("| " + " | ".join([
            "%s, %d x %.1f Mb/s" % (c["scenario"], c["streams"], c["bit_rate"] / 1e6),
            c["server"] + (" " + c["protocol"] if c["protocol"] != "raw" else ""),
            "%s %d ms" % (c["tick"], TICKS[c["tick"]]) if c["tick"] else "each message",
            str(c["viewers"]),
            number(m["cpu_per_gbit"], "%.4f"),
            ratio(m["cpu_per_gbit"], same_but(c, results, "limit")),
            ratio(m["cpu_per_gbit"], same_but(c, results, "nginx")),
            "%.1f / %.1f" % (m["latency_p50_ms"], m["latency_p99_ms"]) if watched else "-",
            number(m["first_p99_ms"], "%.1f") if watched else "-",
            "%d" % m["resident_per_viewer"] if c["scenario"] == "memory" else "-",
            remark(r)]) + " |")
    return rows


def markdown(report):
    m, s = report["machine"], report["settings"]
    lines = ["# Benchmark of %s" % report["date"], "",
             "%(cpu)s, %(cpus)d CPUs, %(memory_mib)d MiB, Linux %(kernel)s." % m,
             "",
             "%(fps)d frames/s, GOP %(gop_ms)d ms; %(runs)d runs of %(seconds)d s each, medians; "
             "server on one CPU, publisher and viewers on another, over loopback." % s,
             ""]
    return "\n".join(lines + table(report["results"])) + "\n"


def write(report, folder):
    os.makedirs(folder, exist_ok=True)
    base = os.path.join(folder, "%s-%s" % (report["date"].replace(":", "").replace(" ", "-"),
                                           report["settings"]["form"]))
    with open(base + ".json", "w") as f:
        json.dump(report, f, indent=1)
        f.write("\n")
    with open(base + ".md", "w") as f:
        f.write(markdown(report))
    return base


# ---- main -------------------------------------------------------------------------------------


def words(known):
    def parse(text):
        chosen = text.split(",")
        if not set(chosen) <= set(known):
            raise argparse.ArgumentTypeError("known words: " + ", ".join(known))
        return chosen
    return parse


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--build", default="build", help="where the programs are")
    p.add_argument("--form", choices=["quick", "full"], default="quick")
    p.add_argument("--viewers", type=lambda t: [int(v) for v in t.split(",")])
    p.add_argument("--ticks", type=words(TICKS), default=list(TICKS))
    p.add_argument("--servers", type=words(["limit", "millrace", "nginx"]),
                   default=["limit", "millrace", "nginx"])
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--seconds", type=int, help="length of the window")
    p.add_argument("--settle", type=int, default=1)
    p.add_argument("--rate", type=int, default=500, help="joins a second")
    p.add_argument("--bit-rate", type=int, default=2000000)
    p.add_argument("--fps", type=int, default=30)
    p.add_argument("--gop-ms", type=int, default=2000)
    p.add_argument("--out", default=os.path.join(HERE, "results"))
    args = p.parse_args()
    full = args.form == "full"
    args.viewers = args.viewers or ([1000, 4000, 8000] if full else [1000])
    args.seconds = args.seconds or (15 if full else 5)
    args.files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (args.files, args.files))
    return args


def main():
    args = arguments()
    bench = Bench(args)
    results = [{"case": c, "runs": []} for c in cases_of(args) if c["server"] in args.servers]
    for turn in range(args.runs):
        for r in results:
            seen = bench.run(r["case"])
            r["runs"].append(seen)
            c = r["case"]
            print("%d/%d %-8s %-8s %-4s %-6s %5d viewers: %s s/Gbit" % (
                turn + 1, args.runs, c["scenario"], c["server"], c["protocol"], c["tick"] or "",
                c["viewers"], seen["cpu_per_gbit"]), flush=True)
    for r in results:
        r["median"] = medians(r["runs"])
    report = {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M"),
        "machine": machine(),
        "settings": {k: getattr(args, k) for k in ("form", "runs", "seconds", "settle", "rate",
                                                   "fps", "gop_ms")},
        "results": results,
    }
    print("\n" + markdown(report))
    print("written: %s.json and .md" % os.path.relpath(write(report, args.out)))


if __name__ == "__main__":
    main()
