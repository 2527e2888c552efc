# SPDX-License-Identifier: Apache-2.0
"""What is measured: each case is one load on one server, and a scenario is a question."""

# What is compared keeps its tick and takes everybody, however busy the core is.
STEADY = ["overload.busy_share=0", "overload.refuse_share=0"]
# A log that is full after a few seconds: taking fresh memory is not what is measured.
SHORT = ["stream.retain=4s", "play.max_lag=2s"]
# Over loopback the publisher's CPU also does the server's half of TCP: this makes it bearable.
TICKED = ["--tick-ms", "20"]
TICKS = {"low": 10, "normal": 50, "bulk": 150}

SCENARIOS = {
    "fan-out": "one stream to N viewers",
    "memory": "what viewers add when the stream's log has reached its full length",
    "joins": "viewers that join 500 a second while 4,000 watch",
    "slow": "4,000 viewers of whom one stops reading and 200 read at half speed",
    "streams": "1,000 streams with 4 viewers each against one with 4,000",
    "capacity": "how many viewers at 500 kb/s one core serves without a gap",
    "publishers": "streams that nobody watches",
    "tls": "HTTP-FLV by TLS against the same in clear",
    "hls": "HLS players on connections that are kept: the playlist and a 4 s segment every 4 s, "
           "against nginx with the same as files in tmpfs",
    "cores": "two data-plane cores against one",
    "bpf": "all programs in the kernel on against off",
    "forged": "200 viewers, with and without made-up URLs being refused, as many as come through",
    "churn": "stream names that come and go",
}


def case_of(args, scenario, server, protocol, tick, viewers, **more):
    case = {"scenario": scenario, "server": server, "protocol": protocol, "tick": tick,
            "viewers": viewers, "streams": 1, "bit_rate": args.bit_rate, "cores": 1,
            "rate": 2000,         # joins a second
            "seconds": args.seconds, "runs": args.runs,
            "before": 1,          # seconds from the publisher's start to the first viewer
            "set": STEADY,        # configuration keys
            "publish": [],        # further options of the publisher
            "load": []}           # and of the load generator
    case.update(more)
    return case


def fan_out(args):
    for n in args.viewers:
        for tick in args.ticks:
            yield case_of(args, "fan-out", "limit", "raw", tick, n)
            yield case_of(args, "fan-out", "millrace", "rtmp", tick, n)
            if args.form == "full" or tick == "normal":
                yield case_of(args, "fan-out", "millrace", "flv", tick, n)
        yield case_of(args, "fan-out", "nginx", "rtmp", None, n)


def memory(args, sizes):
    # Eight seconds: what joining took for a moment is given back within five.
    for n in sizes:
        for server, protocol in (("millrace", "rtmp"), ("millrace", "flv"), ("nginx", "rtmp")):
            yield case_of(args, "memory", server, protocol,
                          "normal" if server == "millrace" else None, n,
                          before=25, rate=500, seconds=8, runs=1, bit_rate=500000)


def joins(args):
    seconds = 3
    yield case_of(args, "joins", "millrace", "rtmp", "normal", 4000 + 500 * seconds, rate=500,
                  seconds=seconds, load=["--late", str(500 * seconds)])


def slow(args):
    yield case_of(args, "slow", "millrace", "rtmp", "normal", 4000, seconds=14, runs=1,
                  set=STEADY + ["play.max_lag=3s"],
                  load=["--stuck", "1", "--slow", "200", "--slow-rate", str(args.bit_rate // 2)])


def streams(args):
    for n in (1, 1000):
        yield case_of(args, "streams", "millrace", "rtmp", "normal", 4000, streams=n,
                      bit_rate=1000000, set=STEADY + SHORT + ["memory.arena=4g"], before=8,
                      publish=TICKED)


def capacity(args):
    for tick, sizes in (("bulk", (15000,)), ("normal", (9000, 12000, 15000)),
                        ("low", (5000, 7000, 9000))):
        for n in sizes:
            for server, protocol in (("limit", "raw"), ("millrace", "rtmp")):
                yield case_of(args, "capacity", server, protocol, tick, n, bit_rate=500000, runs=1,
                              seconds=10)


def publishers(args):
    yield case_of(args, "publishers", "millrace", "rtmp", "normal", 0, streams=3000,
                  bit_rate=600000, set=STEADY + SHORT + ["memory.arena=4g"], before=10,
                  publish=TICKED, seconds=10, runs=1)


def cores(args):
    for n in (1, 2):
        yield case_of(args, "cores", "millrace", "rtmp", "normal", 1000, cores=n,
                      runs=max(args.runs, 6) if n == 2 else args.runs)


def tls(args):
    for protocol in ("flv", "https"):
        yield case_of(args, "tls", "millrace", protocol, "normal", 1000, rate=500)


def hls(args, viewers):
    for server in ("millrace", "nginx"):
        yield case_of(args, "hls", server, "hls", "normal" if server == "millrace" else None,
                      viewers, seconds=8, set=STEADY + ["hls.mode=always"])


def hls_memory(args, viewers):
    # Segments of 8 KB, so that what grows is what viewers cost.
    yield case_of(args, "memory", "millrace", "hls", "normal", viewers, seconds=8, runs=1, bit_rate=16000,
                  set=STEADY + ["hls.mode=always"])


def bpf(args):
    for programs, keys in (("off", ["bpf.tcpstat=false", "bpf.steer=off"]), ("on", [])):
        yield case_of(args, "bpf", "millrace", "rtmp", "normal", 1000, rate=500, programs=programs,
                      runs=max(args.runs, 6), set=STEADY + keys)


def forged(args):
    for flood in ("none", "flood"):
        yield case_of(args, "forged", "millrace", "rtmp", "normal", 200, rate=500, forged=flood, seconds=10,
                      bit_rate=500000, before=2)


def churn(args, names):
    yield case_of(args, "churn", "millrace", "rtmp", "normal", 0, streams=names, runs=1, after=18)


def all_of(args):
    found = list(fan_out(args))
    found += tls(args)
    for viewers in (4000, 10000) if args.form == "full" else (1000,):
        found += hls(args, viewers)
    found += hls_memory(args, 10000 if args.form == "full" else 2000)
    found += bpf(args)
    found += forged(args)
    if args.form == "full":
        found += memory(args, (1000, 4000, 8000))
        found += joins(args)
        found += slow(args)
        found += streams(args)
        found += capacity(args)
        found += publishers(args)
        found += cores(args)
        found += churn(args, 100000)
    else:
        found += memory(args, (2000,))
        found += churn(args, 10000)
    return found
