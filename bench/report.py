#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""From runs to figures: medians, the marks, the tables, the change since the last result.

    bench/report.py bench/results/DATE-full.json    writes the Markdown and the plots again
"""
import glob
import json
import math
import os
import statistics
import sys

import plot
from cases import SCENARIOS, TICKS

# What makes two results, of different dates, the same case.
IDENTITY = ("scenario", "server", "protocol", "tick", "viewers", "streams", "bit_rate", "cores",
            "programs", "forged")
SRS_MERGED = 0.054    # CPU s/Gbit, 350 ms; measured elsewhere, as are the bare limits beside it
SRS_LIMITS = {133: 0.022, 33: 0.066}


def name_of(case):
    words = [case["scenario"], case["server"], case["protocol"], case["tick"] or "each message",
             "%d viewers" % case["viewers"]]
    if case["streams"] > 1:
        words.append("%d streams" % case["streams"])
    if case["cores"] > 1:
        words.append("%d cores" % case["cores"])
    if case.get("programs"):
        words.append("programs " + case["programs"])
    if case.get("forged"):
        words.append("forged URLs: " + case["forged"])
    return " ".join(words)


# ---- medians ----------------------------------------------------------------------------------


def medians(result):
    runs, case = result["runs"], result["case"]

    def of(get):
        try:
            values = [get(r) for r in runs]
        except (KeyError, ZeroDivisionError):
            return None
        values = [v for v in values if v is not None]
        return statistics.median(values) if values else None

    def percentiles(key):
        parts = [k for k in runs[0].get(key, {}) if k not in ("count", "max")]
        return {k: of(lambda r: r[key][k] / 1000) for k in parts}

    costs = [r["cpu_per_gbit"] for r in runs if r.get("cpu_per_gbit")]
    return {
        "cpu_per_gbit": of(lambda r: r["cpu_per_gbit"]),
        "cpu_per_gbit_least": min(costs) if costs else None,
        "send_bytes": of(lambda r: r["send_bytes"]),
        "server_cpu": of(lambda r: r["cpu_seconds"] / r["window"]),
        "client_cpu": of(lambda r: r["client_cpu"]),
        "watching": of(lambda r: r["watching"]),
        "bit_rate": of(lambda r: r["viewer_bit_rate_median"]),
        "bit_rate_min": of(lambda r: r["viewer_bit_rate_min"]),
        "latency_ms": percentiles("latency_us"),
        "first_ms": percentiles("first_frame_us"),
        "silent_over_1s": of(lambda r: r["silent_over_1s"]),
        "allocations": of(lambda r: sum(r["allocations"])),
        "messages_in": of(lambda r: sum(r["messages_in"]) / r["window"]),
        "resident_per_viewer": of(lambda r: r["resident_growth"] / case["viewers"]),
        "kernel_per_viewer": of(lambda r: r["kernel_growth"] / case["viewers"]),
        "resident_growth": of(lambda r: r["resident_growth"]),
        "growth_bytes": of(lambda r: r["growth_bytes"]),
        "forged_a_minute": of(lambda r: r["forged_a_minute"]),
        "forged_served": of(lambda r: r["forged_served"]),
        "remote_cost": remote_cost(runs) if case["cores"] > 1 else None,
        "skips": sum(r.get("skips", 0) for r in runs),
        "slow_skips": sum(r.get("slow_skips", 0) for r in runs),
        "slow_lost": sum(r.get("slow_lost", 0) for r in runs),
        "late": sum(r.get("late", 0) for r in runs),
        "faults": sum(r.get("lost", 0) + r.get("damaged", 0) + r.get("gone", 0) for r in runs),
    }


def remote_cost(runs):
    """
    CPU per bit on the core that the publisher is not on, over that on its own. One of the two also
    carries the load generator: runs with the publisher on the one and on the other core weigh alike.
    """
    at = {0: [], 1: []}
    for r in runs:
        home = 0 if r["messages_in"][0] else 1
        cost = [r["thread_seconds"]["core-%d" % i] / max(1, r["sent_bytes"][i]) for i in (0, 1)]
        at[home].append(cost[1 - home] / cost[home])
    if not at[0] or not at[1]:
        return None
    return math.sqrt(statistics.median(at[0]) * statistics.median(at[1]))


# ---- looking results up -----------------------------------------------------------------------


def find(results, **wanted):
    for r in results:
        if all(r["case"].get(k) == v for k, v in wanted.items()):
            return r
    return None


def peer_of(results, case, server):
    """The same load on another server, at the same tick where it has one."""
    for r in results:
        c = r["case"]
        if c["server"] == server and c["tick"] in (case["tick"], None) and all(
                c[k] == case[k] for k in ("scenario", "viewers", "streams", "bit_rate", "cores")):
            return r
    return None


def ratio_to(results, r, server):
    other = peer_of(results, r["case"], server)
    if not other or not other["median"]["cpu_per_gbit"] or not r["median"]["cpu_per_gbit"]:
        return None
    return r["median"]["cpu_per_gbit"] / other["median"]["cpu_per_gbit"]


# ---- marks ------------------------------------------------------------------------------------


def holds(m, case):
    """Everybody has everything, without a gap."""
    return (m["watching"] == case["viewers"] and m["bit_rate_min"] >= 0.98 * case["bit_rate"]
            and not m["silent_over_1s"])


def cost_marks(results):
    for r in results:
        c = r["case"]
        if c["scenario"] != "fan-out" or c["server"] != "millrace":
            continue
        what = "%s, %s, %d viewers" % (c["protocol"], c["tick"], c["viewers"])
        of_limit = ratio_to(results, r, "limit")
        if of_limit:
            yield "cost of the limit: " + what, "1.15", "%.2f" % of_limit, of_limit <= 1.15
        of_nginx = ratio_to(results, r, "nginx")
        if of_nginx and c["protocol"] == "rtmp":
            mark = {"low": 0.85, "normal": 0.5, "bulk": 0.3}[c["tick"]]
            yield ("cost of nginx-rtmp: " + what, "%.2f" % mark, "%.2f" % of_nginx,
                   of_nginx <= mark)
        if c["viewers"] == 4000:
            tick = TICKS[c["tick"]]
            p50, p99 = r["median"]["latency_ms"]["p50"], r["median"]["latency_ms"]["p99"]
            limit = peer_of(results, c, "limit")
            yield ("latency p50 / p99: " + what, "%.0f / %.0f ms" % (tick / 2 + 3, tick + 10),
                   "%.0f / %.0f ms" % (p50, p99)
                   + (" (limit: %(p50).0f / %(p99).0f ms)" % limit["median"]["latency_ms"]
                      if limit and limit["median"]["latency_ms"] else ""),
                   p50 <= tick / 2 + 3 and p99 <= tick + 10)


def srs_marks(results):
    """
    SRS was measured elsewhere: its cost over the bare limit of that machine (at 133 ms) is what can
    be compared, with ours over the limit of this machine in its bulk class.
    """
    for tick, mark in (("bulk", 0.5), ("normal", 1.0)):
        r = find(results, scenario="fan-out", server="millrace", protocol="rtmp", tick=tick,
                 viewers=4000)
        bulk = find(results, scenario="fan-out", server="limit", tick="bulk", viewers=4000)
        if not r or not bulk:
            continue
        ours = r["median"]["cpu_per_gbit"] / bulk["median"]["cpu_per_gbit"]
        got = ours / (SRS_MERGED / SRS_LIMITS[133])
        yield ("cost of SRS's default, by way of the bare limits: %s" % tick, "%.2f" % mark,
               "%.2f" % got, got <= mark)


def memory_marks(results):
    for r in results:
        c, m = r["case"], r["median"]
        if c["scenario"] == "memory" and c["server"] == "millrace":
            yield ("user-space memory per viewer: %s, %d viewers" % (c["protocol"], c["viewers"]),
                   "1024 bytes", "%d bytes (kernel, both ends: %d)" % (
                       m["resident_per_viewer"], m["kernel_per_viewer"]),
                   m["resident_per_viewer"] <= 1024)
        if c["scenario"] == "churn":
            yield ("memory after %d stream names" % c["streams"], "+ 2 MiB",
                   "%+.2f MiB" % (m["growth_bytes"] / 2**20), m["growth_bytes"] <= 2 << 20)
    steady = [r["median"]["allocations"] for r in results
              if r["case"]["scenario"] == "fan-out" and r["case"]["server"] == "millrace"]
    if steady:
        yield ("allocations within the windows of all fan-out cases", "0", "%d" % max(steady),
               max(steady) == 0)


def load_marks(results):
    for r in results:
        c, m = r["case"], r["median"]
        if c["scenario"] == "joins":
            yield ("first frame p99, 500 joins a second with 4,000 there", "30 ms",
                   "%.1f ms" % m["first_ms"]["p99"], m["first_ms"]["p99"] <= 30)
        if c["scenario"] == "publishers":
            expected = 73.07 * c["streams"]  # 30 frames and 43.07 AAC frames a second
            yield ("%d publishers at 600 kb/s on one core" % c["streams"], "all, CPU below 1.00",
                   "%.1f %% of the messages, CPU %.2f" % (
                       100 * m["messages_in"] / expected, m["server_cpu"]),
                   m["messages_in"] > 0.99 * expected and m["server_cpu"] < 1)
        if c["scenario"] == "slow":
            other = find(results, scenario="fan-out", server="millrace", protocol="rtmp",
                         tick="normal", viewers=4000)
            before = other["median"]["latency_ms"]["p99"] if other else None
            now = m["latency_ms"]["p99"]
            yield ("p99 of the others: 1 stuck and 200 slow viewers among 4,000",
                   "%.1f ms as without them" % before if before else "no change",
                   "%.1f ms; %d skips, %d not to a key frame" % (
                       now, m["slow_skips"], m["slow_lost"]),
                   bool(before) and now <= before * 1.1 and m["slow_skips"] > 0
                   and not m["slow_lost"])


def forged_marks(results):
    quiet = find(results, scenario="forged", forged="none")
    flood = find(results, scenario="forged", forged="flood")
    if not quiet or not flood:
        return
    before, m = quiet["median"]["latency_ms"]["p99"], flood["median"]
    yield ("p99 of viewers beside forged URLs", "%.1f ms as without, + 10 %%" % before,
           "%.1f ms beside %d thousand a minute" % (m["latency_ms"]["p99"], m["forged_a_minute"] / 1000),
           m["latency_ms"]["p99"] <= before * 1.1)
    yield ("memory and answers after forged URLs", "+ 2 MiB, all 403", "%+.2f MiB, %d others" % (
        m["growth_bytes"] / 2**20, m["forged_served"]),
        m["growth_bytes"] <= 2 << 20 and not m["forged_served"])


def shape_marks(results):
    one = find(results, scenario="streams", streams=1)
    many = find(results, scenario="streams", streams=1000)
    if one and many:
        got = many["median"]["cpu_per_gbit"] / one["median"]["cpu_per_gbit"]
        yield "cost of 1,000 x 4 over 1 x 4,000", "1.5", "%.2f" % got, got <= 1.5
    clear = find(results, scenario="tls", protocol="flv")
    tls = find(results, scenario="tls", protocol="https")
    if clear and tls:
        cost = tls["median"]["cpu_per_gbit"]
        yield ("cost of HTTP-FLV by TLS over in clear, %d viewers" % tls["case"]["viewers"],
               "(reported)", "%.2f; %.4f CPU s/Gbit" % (
                   cost / clear["median"]["cpu_per_gbit"], cost), True)
    for ours in results:
        if ours["case"]["scenario"] != "hls" or ours["case"]["server"] != "millrace":
            continue
        of_nginx = ratio_to(results, ours, "nginx")
        if not of_nginx:
            continue
        yield ("cost of HLS over nginx from tmpfs, %d players" % ours["case"]["viewers"],
               "1.30, nothing late", "%.2f, %d late" % (of_nginx, ours["median"]["late"]),
               of_nginx <= 1.3 and not ours["median"]["late"])
    off = find(results, scenario="bpf", programs="off")
    on = find(results, scenario="bpf", programs="on")
    if off and on:
        got = on["median"]["cpu_per_gbit"] / off["median"]["cpu_per_gbit"]
        yield "cost with the programs in the kernel over without", "1.02", "%.3f" % got, got <= 1.02
    yield from forged_marks(results)
    one = find(results, scenario="cores", cores=1)
    two = find(results, scenario="cores", cores=2)
    if one and two:
        got = two["median"]["cpu_per_gbit"] / one["median"]["cpu_per_gbit"]
        yield "cost on two cores over one", "0.90 to 1.10", "%.2f" % got, 0.9 <= got <= 1.1
        cross = two["median"]["remote_cost"]
        if cross:
            yield ("cost of viewers on another core than the publisher", "1.05", "%.2f" % cross,
                   cross <= 1.05)
    for tick in TICKS:
        good = {}
        for server in ("limit", "millrace"):
            good[server] = [r["case"]["viewers"] for r in results
                            if r["case"]["scenario"] == "capacity" and r["case"]["tick"] == tick
                            and r["case"]["server"] == server and holds(r["median"], r["case"])]
        if any(r["case"]["scenario"] == "capacity" and r["case"]["tick"] == tick for r in results):
            ours, limit = max(good["millrace"], default=0), max(good["limit"], default=0)
            yield ("viewers at 500 kb/s without a gap, %s" % tick,
                   "%d, or the limit's" % 15000 if tick == "bulk" else "(reported)",
                   "%d (limit: %d) of those tried" % (ours, limit),
                   ours >= min(limit, 15000))


def marks(results):
    rows = []
    for group in (cost_marks, srs_marks, memory_marks, load_marks, shape_marks):
        rows += group(results)
    return rows


# ---- tables -----------------------------------------------------------------------------------


def remark(r):
    case, m = r["case"], r["median"]
    remarks = []
    if m.get("late"):
        remarks.append("%d answers late" % m["late"])
    if m["faults"]:
        remarks.append("%d faults" % m["faults"])
    if case["viewers"] and m["watching"] is not None and case["scenario"] not in ("joins", "slow"):
        if m["watching"] < case["viewers"]:
            remarks.append("%d viewers only" % m["watching"])
        if m["bit_rate_min"] is not None and m["bit_rate_min"] < 0.9 * case["bit_rate"]:
            remarks.append("slowest viewer got %.0f %%" % (
                100 * m["bit_rate_min"] / case["bit_rate"]))
    if m["silent_over_1s"] and case["scenario"] != "slow":
        remarks.append("%d viewers with a gap over 1 s" % m["silent_over_1s"])
    if m["server_cpu"] and m["server_cpu"] > 0.95 and case["cores"] == 1:
        remarks.append("server's CPU full")
    if m["client_cpu"] and m["client_cpu"] > 0.95:
        remarks.append("generator's CPU full")
    return "; ".join(remarks)


def number(value, form):
    return form % value if value is not None else "-"


def change(r, before):
    """Of the cost since the previous result."""
    same = {k: r["case"].get(k) for k in IDENTITY}
    old = find(before["results"], **same) if before else None
    then = old["median"]["cpu_per_gbit"] if old else None
    now = r["median"]["cpu_per_gbit"]
    return "%+.0f %%" % (100 * (now / then - 1)) if now and then else "-"


HEADINGS = ["load", "server", "tick", "viewers", "CPU s/Gbit", "of the limit", "of nginx-rtmp",
            "change", "KB a send", "server CPU", "latency p50 / p99 ms", "first frame p99 ms", "allocations",
            "remarks"]


def row(results, r, before):
    c, m = r["case"], r["median"]
    watched = m["latency_ms"]
    cells = [
        "%s, %d x %.1f Mb/s" % (c["scenario"], c["streams"], c["bit_rate"] / 1e6)
        + (", programs " + c["programs"] if c.get("programs") else "")
        + (", forged URLs: " + c["forged"] if c.get("forged") else ""),
        c["server"] + (" " + c["protocol"] if c["protocol"] != "raw" else "")
        + (", %d cores" % c["cores"] if c["cores"] > 1 else ""),
        "%s %d ms" % (c["tick"], TICKS[c["tick"]]) if c["tick"] else "each message",
        str(c["viewers"]),
        number(m["cpu_per_gbit"], "%.4f"),
        number(ratio_to(results, r, "limit"), "%.2f"),
        number(ratio_to(results, r, "nginx"), "%.2f"),
        change(r, before),
        number(m["send_bytes"] and m["send_bytes"] / 1000, "%.1f"),
        number(m["server_cpu"], "%.2f"),
        "%.1f / %.1f" % (m["latency_ms"]["p50"], m["latency_ms"]["p99"]) if watched else "-",
        number(m["first_ms"].get("p99"), "%.1f") if watched and c["server"] != "limit" else "-",
        number(m["allocations"], "%d"),
        remark(r)]
    return "| " + " | ".join(cells) + " |"


def busy(report):
    """Whether somebody else used the machine meanwhile; the bench itself is a load of about 2."""
    load = statistics.median(r["load_average"] for each in report["results"] for r in each["runs"])
    return "Median load average %.1f; nice value of the session %d.%s" % (
        load, report["settings"].get("share", 0),
        " **The machine was busy: costs are too high and latencies too long.**"
        if load > 3 else "")


def markdown(report, before):
    m, s, results = report["machine"], report["settings"], report["results"]
    lines = ["# Benchmark of %s" % report["date"], "",
             "%(cpu)s, %(cpus)d CPUs, %(memory_mib)d MiB, Linux %(kernel)s." % m, "",
             "%(fps)d frames/s, GOP %(gop_ms)d ms; medians of %(runs)d runs of %(seconds)d s where "
             "the case says nothing else; server on one CPU, publisher and viewers on another, "
             "over loopback." % s,
             "Took %.0f minutes. %s" % (
                 report["minutes"], "Changes are against %s." % before["date"] if before else
                 "There is no earlier result of this form and machine to compare with."),
             busy(report), "", "## Marks", "", "| what | mark | measured | met |", "|---|---|---|---|"]
    for what, mark, got, met in marks(results):
        lines.append("| %s | %s | %s | %s |" % (what, mark, got, "yes" if met else "**no**"))
    lines += ["", "## Everything", "", "| " + " | ".join(HEADINGS) + " |",
              "|" + "---|" * len(HEADINGS)]
    lines += [row(results, r, before) for r in results]
    used = sorted({r["case"]["scenario"] for r in results}, key=list(SCENARIOS).index)
    lines += [""] + ["- %s: %s" % (k, SCENARIOS[k]) for k in used]
    return "\n".join(lines) + "\n"


# ---- files ------------------------------------------------------------------------------------


def previous(report, folder):
    """The newest earlier result of the same form on the same machine."""
    for path in sorted(glob.glob(os.path.join(folder, "*-%s.json" % report["settings"]["form"])),
                       reverse=True):
        with open(path) as f:
            old = json.load(f)
        same = all(old["machine"][k] == report["machine"][k] for k in ("cpu", "cpus"))
        if same and old["date"] < report["date"]:
            return old
    return None


def base_of(report, folder):
    return os.path.join(folder, "%s-%s" % (report["date"].replace(":", "").replace(" ", "-"),
                                           report["settings"]["form"]))


def write_pages(report, base):
    before = previous(report, os.path.dirname(base))
    with open(base + ".md", "w") as f:
        f.write(markdown(report, before))
    plot.write(report, base)


def write(report, folder):
    """The runs first: whatever follows can be done again."""
    os.makedirs(folder, exist_ok=True)
    base = base_of(report, folder)
    with open(base + ".json", "w") as f:
        json.dump(report, f, separators=(",", ":"))
        f.write("\n")
    write_pages(report, base)
    return base


if __name__ == "__main__":
    with open(sys.argv[1]) as source:
        again = json.load(source)
    for each in again["results"]:
        each["median"] = medians(each)
    write_pages(again, sys.argv[1].removesuffix(".json"))
