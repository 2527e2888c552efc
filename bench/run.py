#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what it costs to deliver live streams: Millrace, the bare limit, and nginx-rtmp.

The server has one CPU to itself; the publisher and the viewers have another. Cost is the server
process's CPU seconds per delivered Gbit, taken over a window in which every viewer is there. Each
case runs several times, all cases in turn, and the median counts. Writes JSON, a Markdown table and
plots to bench/results/, and compares with the previous result of the same machine.
"""
import argparse
import contextlib
import datetime
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import cases
import hls
import meter
import report

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


def certificate(folder):
    """Settings for one that signs itself, good for this run."""
    files = {"tls.certificate": os.path.join(folder, "bench.crt"),
             "tls.key": os.path.join(folder, "bench.key")}
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=bench",
                    "-out", files["tls.certificate"], "-keyout", files["tls.key"]],
                   check=True, capture_output=True)
    return ["%s=%s" % pair for pair in files.items()]


def end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# Viewers come by the address, forged URLs by the name that signs its own.
DOMAINS = {"domains": {
    "push.bench.test": {"type": "ingest"},
    "default": {"type": "play", "center": "push.bench.test"},
    "play.bench.test": {"type": "play", "center": "push.bench.test",
                        "auth": {"type": "a", "key1": "benchbench", "publish": False, "play": True}}},
    "blocks": []}


class Snapshot:
    """What a server has used up to a moment."""

    def __init__(self, bench, server, counters):
        self.at = time.monotonic()
        self.threads = meter.thread_seconds(server.pid)
        self.busy = meter.cpu_busy_seconds(bench.server_cpu)
        self.counters = counters.read() if counters else {}

    def since(self, earlier):
        used = {
            "window": round(self.at - earlier.at, 3),
            "cpu_seconds": round(sum(self.threads.values()) - sum(earlier.threads.values()), 4),
            "cpu_busy_seconds": round(self.busy - earlier.busy, 2),
            "thread_seconds": {k: round(v - earlier.threads.get(k, 0), 4)
                               for k, v in self.threads.items()},
        }
        for name in ("allocations", "sends", "sends_blocked", "loop_turns", "sent_bytes",
                     "messages_in", "message_bytes_in"):
            if name in self.counters:
                used[name] = [b - a for a, b in zip(earlier.counters[name], self.counters[name])]
        return used


class Bench:
    def __init__(self, args):
        self.args = args
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2:
            sys.exit("two CPUs are needed: one for the server, one for the load")
        self.server_cpu, self.load_cpu = cpus[0], cpus[1]

    def program(self, name):
        return os.path.join(self.args.build, name)

    def start(self, cpus, *command, **more):
        return subprocess.Popen(["taskset", "-c", str(cpus)] + [str(c) for c in command],
                                stdin=subprocess.DEVNULL, text=True, **more)

    def start_server(self, case, folder, log, stack):
        port, http, https, cpus = free_port(), free_port(), None, self.server_cpu
        if case["server"] == "limit":
            command = [self.program("bench/limit"), "--port", port,
                       "--tick-ms", cases.TICKS[case["tick"]], "--bit-rate", case["bit_rate"],
                       "--fps", self.args.fps, "--gop-ms", self.args.gop_ms]
        elif case["server"] == "nginx":
            conf = os.path.join(folder, "nginx.conf")
            with open(conf, "w") as f:
                f.write(hls.nginx_conf(case, port, self.args, stack) if case["protocol"] == "hls" else
                        NGINX_CONF % {"module": NGINX_MODULE, "port": port, "files": self.args.files,
                                      "connections": self.args.files - 64})
            command = ["nginx", "-p", folder, "-c", conf]
        else:
            sets = ["cores=%d" % case["cores"], "play.tick=" + case["tick"],
                    "pin_cores=" + ("true" if case["cores"] > 1 else "false"),
                    "rtmp.listen=127.0.0.1:%d" % port, "http.listen=127.0.0.1:%d" % http]
            if case["scenario"] == "forged":
                with open(os.path.join(folder, "domains.json"), "w") as f:
                    json.dump(DOMAINS, f)
            if case["protocol"] == "https":
                https = free_port()
                sets += certificate(folder) + ["https.listen=127.0.0.1:%d" % https]
            command = [self.program("millrace-dp"), "--state", folder]
            for s in sets + case["set"]:
                command += ["--set", s]
            if case["cores"] > 1:
                cpus = "%d,%d" % (self.server_cpu, self.load_cpu)
        server = self.start(cpus, *command, stdout=log, stderr=log)
        wait_for_port(port, server)
        publish = "rtmp://127.0.0.1:%d/live/bench" % port
        play = {"raw": "raw://127.0.0.1:%d" % port, "rtmp": publish,
                "flv": "http://127.0.0.1:%d/live/bench" % http,
                "hls": "http://127.0.0.1:%d/live/bench" % (port if case["server"] == "nginx" else http),
                "https": "https://127.0.0.1:%s/live/bench" % https}[case["protocol"]]
        if case["scenario"] == "forged":
            publish = publish.replace("/live/", "/live?vhost=push.bench.test/")
            case["http"] = "http://127.0.0.1:%d/live/bench" % http
        return server, publish, play

    def start_publisher(self, case, url, *more):
        return self.start(self.load_cpu, self.program("bench/publisher"), "--url", url,
                          "--streams", case["streams"], "--bit-rate", case["bit_rate"],
                          "--fps", self.args.fps, "--gop-ms", self.args.gop_ms, *case["publish"], *more,
                          stdout=subprocess.PIPE)

    def view(self, case, url, server, counters):
        """Runs the viewers; returns what they saw and what the server used meanwhile."""
        more = ["--streams", case["streams"], "--rate", case["rate"], "--settle", self.args.settle,
                "--sample", max(1, case["viewers"] // 80), *case["load"]]
        program, more = ("hls_load", []) if case["protocol"] == "hls" else ("loadgen", more)
        load = self.start(self.load_cpu, self.program("bench/" + program), "--url", url,
                          "--viewers", case["viewers"], "--seconds", case["seconds"], *more,
                          stdout=subprocess.PIPE)
        try:
            if load.stdout.readline() != "begin\n":
                raise RuntimeError("the load generator could not begin")
            before = Snapshot(self, server, counters)
            if load.stdout.readline() != "end\n":
                raise RuntimeError("the load generator failed")
            used = Snapshot(self, server, counters).since(before)
            used.update(resident_bytes=meter.resident_bytes(server.pid),
                        kernel_bytes=meter.kernel_bytes())
            seen = json.loads(load.stdout.readline())
        finally:
            end(load)
        seen.update(used)
        return seen

    def view_forged(self, case, url, server, counters):
        """The same beside requests that are refused: how many there were, and what they left in memory."""
        if case["forged"] == "none":
            return self.view(case, url, server, counters)
        before = meter.resident_bytes(server.pid)
        flood = self.start(self.load_cpu, "nice", "-n", 19, self.program("bench/forged"), "--url", case["http"],
                           stdout=subprocess.PIPE)
        try:
            time.sleep(3)
            early = meter.resident_bytes(server.pid)
            seen = self.view(case, url, server, counters)
            seen["growth_bytes"] = seen["resident_bytes"] - max(early, before)
        finally:
            flood.terminate()
            said = json.loads(flood.communicate()[0])
        seen["forged_a_minute"] = round(said["refused"] * 60 / said["seconds"])
        seen["forged_served"] = said["served"]
        return seen

    def ingest(self, case, server, counters):
        """Only publishers: what taking their streams in costs."""
        before = Snapshot(self, server, counters)
        time.sleep(case["seconds"])
        seen = Snapshot(self, server, counters).since(before)
        seen["resident_bytes"] = meter.resident_bytes(server.pid)
        return seen

    def churn(self, case, server, url):
        """Names that come and go; memory after a first fifth, when what is taken once has been, and at the end."""
        sizes = []
        begun = time.monotonic()
        for part in (case["streams"] // 5, case["streams"]):
            publisher = self.start_publisher(dict(case, streams=part), url, "--churn")
            if publisher.wait() != 0:
                raise RuntimeError("the publisher failed")
            time.sleep(case["after"])
            sizes.append(meter.resident_bytes(server.pid))
        return {"resident_bytes": sizes[1], "growth_bytes": sizes[1] - sizes[0],
                "window": round(time.monotonic() - begun, 1)}

    def measure(self, case, folder, server, publish, play, stack):
        counters = meter.Counters(server.pid) if case["server"] == "millrace" else None
        if case["scenario"] == "churn":
            return self.churn(case, server, publish)
        if case["protocol"] == "hls":
            if case["server"] == "millrace":
                hls.feed(case, folder, stack)
        elif case["server"] != "limit":
            publisher = self.start_publisher(case, publish)
            stack.callback(end, publisher)
            if publisher.stdout.readline() != "publishing\n":
                raise RuntimeError("the publisher could not begin")
            if case["scenario"] == "memory":
                # The log of a format is the stream's, not the viewers': it is there with the first.
                stack.callback(end, self.start(self.load_cpu, self.program("bench/loadgen"), "--url", play,
                                               "--viewers", 1, "--seconds", 600, stdout=subprocess.DEVNULL))
            time.sleep(case["before"])
        before, kernel = meter.resident_bytes(server.pid), meter.kernel_bytes()
        if not case["viewers"]:
            return self.ingest(case, server, counters)
        view = self.view_forged if case["scenario"] == "forged" else self.view
        seen = view(case, play, server, counters)
        gbit = seen["bytes"] * 8 / 1e9
        seen["cpu_per_gbit"] = round(seen["cpu_seconds"] / gbit, 5) if gbit else None
        seen["resident_growth"] = seen["resident_bytes"] - before
        seen["kernel_growth"] = seen["kernel_bytes"] - kernel
        return seen

    def run(self, case):
        with contextlib.ExitStack() as stack:
            folder = tempfile.mkdtemp(prefix="millrace-bench-")
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            log = stack.enter_context(open(os.path.join(folder, "log"), "w"))
            server, publish, play = self.start_server(case, folder, log, stack)
            stack.callback(end, server)
            seen = self.measure(case, folder, server, publish, play, stack)
            if case["server"] == "limit":
                end(server)
                log.flush()
                said = json.loads(meter.read(log.name).splitlines()[-1])
                seen["send_bytes"] = round(said["bytes"] / max(1, said["sends"]))
            elif "sends" in seen:
                seen["send_bytes"] = round(sum(seen["sent_bytes"]) / max(1, sum(seen["sends"])))
            seen["load_average"] = os.getloadavg()[0]
            return seen


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
    p.add_argument("--ticks", type=words(cases.TICKS), default=list(cases.TICKS))
    p.add_argument("--servers", type=words(["limit", "millrace", "nginx"]),
                   default=["limit", "millrace", "nginx"])
    p.add_argument("--scenarios", type=words(cases.SCENARIOS), default=list(cases.SCENARIOS))
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--seconds", type=int, help="length of the window")
    p.add_argument("--settle", type=int, default=1)
    p.add_argument("--bit-rate", type=int, default=2000000)
    p.add_argument("--fps", type=int, default=30)
    p.add_argument("--gop-ms", type=int, default=2000)
    p.add_argument("--share", type=int, default=0, metavar="NICE",
                   help="nice value of the whole session (-20..19) on a machine that is busy")
    p.add_argument("--out", default=os.path.join(meter.HERE, "results"))
    args = p.parse_args()
    full = args.form == "full"
    args.viewers = args.viewers or ([1000, 4000, 8000] if full else [1000])
    args.seconds = args.seconds or (6 if full else 4)  # whole GOPs
    args.files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (args.files, args.files))
    return args


def chosen_cases(args):
    have_nginx = shutil.which("nginx") and os.path.exists(NGINX_MODULE)
    if not have_nginx and "nginx" in args.servers:
        print("nginx with libnginx-mod-rtmp is not installed: left out", file=sys.stderr)
    return [c for c in cases.all_of(args)
            if c["server"] in args.servers and c["scenario"] in args.scenarios
            and (have_nginx or c["server"] != "nginx")]


def take_share(nice):
    """Of a CPU, as a session: a process's own nice value counts only within its session."""
    with contextlib.suppress(PermissionError):  # this process leads one already
        os.setsid()
    with open("/proc/self/autogroup", "w") as f:
        f.write(str(nice))


def run_all(bench, results):
    turns = max(r["case"]["runs"] for r in results)
    for turn in range(turns):
        for r in results:
            c = r["case"]
            if turn >= c["runs"]:
                continue
            try:
                seen = bench.run(c)
            except RuntimeError as e:
                print("%s: %s" % (report.name_of(c), e), file=sys.stderr, flush=True)
                continue
            r["runs"].append(seen)
            print("%d/%d %s: %s s/Gbit" % (turn + 1, c["runs"], report.name_of(c),
                                           seen.get("cpu_per_gbit", "-")), flush=True)


def main():
    args = arguments()
    results = [{"case": c, "runs": []} for c in chosen_cases(args)]
    if not results:
        sys.exit("no case is left")
    if args.share:
        take_share(args.share)
    begun = time.monotonic()
    run_all(Bench(args), results)
    results = [r for r in results if r["runs"]]
    for r in results:
        r["median"] = report.medians(r)
    result = {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M"),
        "machine": meter.machine(),
        "settings": {k: getattr(args, k) for k in ("form", "runs", "seconds", "settle", "fps",
                                                   "gop_ms", "share")},
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "results": results,
    }
    base = report.write(result, args.out)
    with open(base + ".md") as f:
        print("\n" + f.read())
    print("written: %s.json, .md and plots" % os.path.relpath(base))


if __name__ == "__main__":
    main()
