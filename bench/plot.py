#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws a result: cost against viewers, the distribution of latency, memory against viewers.

    bench/plot.py bench/results/DATE-full.json
"""
import json
import sys
from xml.sax.saxutils import escape

from cases import TICKS

COLOURS = ["#1b6ca8", "#d1495b", "#2e8b57", "#8d6a9f", "#c98a12", "#555555"]
OVERLOADED_MS = 1000
WIDTH, HEIGHT = 420, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 24, 34, 76


def ceiling(value):
    """The next round number."""
    step = 1e-9
    while True:
        for m in (1, 2, 5):
            if step * m >= value:
                return step * m
        step *= 10


class Panel:
    """One diagram: lines over numbers, or over names when x is a list of them."""

    def __init__(self, title, x_title, y_title, names=None):
        self.title, self.x_title, self.y_title, self.names = title, x_title, y_title, names
        self.lines = []

    def line(self, label, points):
        points = [(x, y) for x, y in points if y is not None]
        if points:
            self.lines.append((label, points))

    def scale(self):
        xs = [x for _, points in self.lines for x, _ in points]
        ys = [y for _, points in self.lines for _, y in points]
        self.x_max = len(self.names) - 1 if self.names else max(xs) * 1.05
        top = ceiling(max(ys))
        self.y_step = top / 5
        self.y_max = next(k * self.y_step for k in range(1, 6) if k * self.y_step >= max(ys))

    def at(self, x, y):
        return (LEFT + (WIDTH - LEFT - RIGHT) * x / self.x_max,
                HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / self.y_max)

    def text(self, x, y, words, more=""):
        return '<text x="%.1f" y="%.1f" %s>%s</text>' % (x, y, more, escape(words))

    def axes(self):
        bottom = HEIGHT - BOTTOM
        yield self.text(WIDTH / 2, 18, self.title, 'text-anchor="middle" font-weight="bold"')
        for k in range(round(self.y_max / self.y_step) + 1):
            x, y = self.at(0, k * self.y_step)
            yield '<path d="M%.1f %.1fH%d" stroke="#ddd"/>' % (x, y, WIDTH - RIGHT)
            yield self.text(x - 6, y + 4, "%g" % round(k * self.y_step, 6), 'text-anchor="end"')
        ticks = enumerate(self.names) if self.names else sorted(
            {(x, "%g" % x) for _, points in self.lines for x, _ in points})
        for x, name in ticks:
            px, _ = self.at(x, 0)
            yield '<path d="M%.1f %dv5" stroke="#333"/>' % (px, bottom)
            yield self.text(px, bottom + 17, name, 'text-anchor="middle"')
        yield '<path d="M%d %dV%dH%d" stroke="#333" fill="none"/>' % (
            LEFT, TOP, bottom, WIDTH - RIGHT)
        yield self.text(WIDTH / 2, bottom + 33, self.x_title, 'text-anchor="middle"')
        yield self.text(0, 0, self.y_title, 'text-anchor="middle" transform="translate(14 %d) '
                        'rotate(-90)"' % ((TOP + bottom) / 2))

    def draw(self):
        self.scale()
        yield from self.axes()
        for i, (label, points) in enumerate(self.lines):
            colour = COLOURS[i % len(COLOURS)]
            placed = [self.at(x, y) for x, y in points]
            yield '<path d="M%s" stroke="%s" fill="none" stroke-width="2"/>' % (
                "L".join("%.1f %.1f" % p for p in placed), colour)
            for p in placed:
                yield '<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>' % (p + (colour,))
            x, y = LEFT + 115 * (i % 3), HEIGHT - 26 + 16 * (i // 3)
            yield '<path d="M%d %dh16" stroke="%s" stroke-width="3"/>' % (x, y - 4, colour)
            yield self.text(x + 20, y, label)


def svg(panels):
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" '
           'font-size="11">' % (WIDTH * len(panels), HEIGHT),
           '<rect width="100%" height="100%" fill="#fff"/>']
    for i, p in enumerate(panels):
        out += ['<g transform="translate(%d 0)">' % (i * WIDTH)] + list(p.draw()) + ["</g>"]
    return "\n".join(out + ["</svg>"]) + "\n"


def of(report, scenario, **wanted):
    return [r for r in report["results"] if r["case"]["scenario"] == scenario
            and all(r["case"][k] == v for k, v in wanted.items())]


def points(results, get):
    return sorted((r["case"]["viewers"], get(r["median"])) for r in results)


def cost(report):
    for tick, ms in TICKS.items():
        p = Panel("Cost, %s class (%d ms)" % (tick, ms), "viewers", "CPU seconds per Gbit")
        for label, wanted in (("bare limit", {"server": "limit", "tick": tick}),
                              ("Millrace RTMP", {"server": "millrace", "protocol": "rtmp",
                                                 "tick": tick}),
                              ("Millrace FLV", {"server": "millrace", "protocol": "flv",
                                                "tick": tick}),
                              ("nginx-rtmp", {"server": "nginx"})):
            p.line(label, points(of(report, "fan-out", **wanted), lambda m: m["cpu_per_gbit"]))
        yield p


def latency(report):
    results = of(report, "fan-out", server="millrace")
    most = {r["case"]["viewers"] for r in results}
    for n in sorted(most):
        names = list(results[0]["median"]["latency_ms"])
        p = Panel("Latency, %d viewers" % n, "part of the frames", "ms",
                  [k.replace("p999", "p99.9") for k in names])
        for r in of(report, "fan-out", viewers=n):
            c, got = r["case"], r["median"]["latency_ms"]
            if c["server"] == "limit" or c["protocol"] != "rtmp":
                continue
            if got["p50"] >= OVERLOADED_MS:  # would press all others to the bottom
                p.title += " (%s: p50 %.1f s)" % (c["server"], got["p50"] / 1000)
                continue
            p.line("Millrace " + c["tick"] if c["tick"] else "nginx-rtmp",
                   [(i, got[k]) for i, k in enumerate(names)])
        yield p


def memory(report):
    for key, title in (("resident_per_viewer", "Memory of the process"),
                       ("kernel_per_viewer", "Memory of the kernel, both ends")):
        p = Panel(title, "viewers", "KiB per viewer")
        for label, wanted in (("Millrace RTMP", {"server": "millrace", "protocol": "rtmp"}),
                              ("Millrace FLV", {"server": "millrace", "protocol": "flv"}),
                              ("nginx-rtmp", {"server": "nginx"})):
            p.line(label, points(of(report, "memory", **wanted), lambda m: m[key] / 1024))
        yield p


def write(report, base):
    for name, panels in (("cost", cost(report)), ("latency", latency(report)),
                         ("memory", memory(report))):
        panels = [p for p in panels if p.lines]
        if panels:
            with open("%s-%s.svg" % (base, name), "w") as f:
                f.write(svg(panels))


if __name__ == "__main__":
    with open(sys.argv[1]) as source:
        write(json.load(source), sys.argv[1].removesuffix(".json"))
