# SPDX-License-Identifier: Apache-2.0
"""What the system and the data plane say about a running server."""
import glob
import mmap
import os
import platform
import re
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
HEAD = struct.Struct("<2I6I4I4Q")  # struct shm_head of dataplane/api/counters.h


def read(path):
    with open(path) as f:
        return f.read()


def thread_seconds(pid):
    """Time on a CPU of every thread, by name."""
    seconds = {}
    for task in glob.glob("/proc/%d/task/*" % pid):
        try:
            name = read(task + "/comm").strip()
            spent = int(read(task + "/schedstat").split()[0]) / 1e9
        except FileNotFoundError:  # it has ended
            continue
        seconds[name] = seconds.get(name, 0) + spent
    return seconds


def cpu_seconds(pid):
    return sum(thread_seconds(pid).values())


def resident_bytes(pid):
    """Resident memory, reserved huge pages too."""
    fields = dict(re.findall(r"^(\w+): +(\d+) kB", read("/proc/%d/smaps_rollup" % pid), re.M))
    return 1024 * sum(int(fields.get(k, 0)) for k in ("Rss", "Shared_Hugetlb", "Private_Hugetlb"))


def kernel_bytes():
    """What the kernel keeps for sockets: buffers, and objects of every kind."""
    buffers = int(re.search(r"^TCP:.* mem (\d+)", read("/proc/net/sockstat"), re.M).group(1))
    slab = int(re.search(r"^SUnreclaim: +(\d+)", read("/proc/meminfo"), re.M).group(1))
    return buffers * os.sysconf("SC_PAGE_SIZE") + slab * 1024


def cpu_busy_seconds(cpu):
    """What was not idle on a CPU: shows work that no process was charged with."""
    fields = re.search(r"^cpu%d (.*)" % cpu, read("/proc/stat"), re.M).group(1).split()
    v = [int(x) for x in fields]
    return (sum(v[:8]) - v[3] - v[4]) / os.sysconf("SC_CLK_TCK")


def machine():
    model = re.search(r"^model name\s*: (.*)", read("/proc/cpuinfo"), re.M)
    return {
        "cpu": model.group(1) if model else "unknown",
        "cpus": os.cpu_count(),
        "memory_mib": int(read("/proc/meminfo").split()[1]) // 1024,
        "kernel": platform.release(),
        "architecture": platform.machine(),
    }


class Counters:
    """The data plane's counters, read where it writes them."""

    def __init__(self, pid):
        table = read(os.path.join(HERE, "..", "dataplane", "api", "counters.def"))
        self.names = re.findall(r'^COUNTER\(\w+, "(\w+)"', table, re.M)
        for fd in glob.glob("/proc/%d/fd/*" % pid):
            try:
                if not os.readlink(fd).startswith("/memfd:"):
                    continue
                with open(fd, "rb") as f:
                    self.memory = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
            except OSError:
                continue
            head = HEAD.unpack_from(self.memory)
            self.cores, self.core_bytes, self.core_off = head[2], head[8], head[12]
            if head[0] == 0x4d524c31 and head[3] == len(self.names):
                return
        raise RuntimeError("the data plane's counters are not those of api/counters.def")

    def read(self):
        """{name: [one number for each core]}"""
        cores = [struct.unpack_from("<%dQ" % len(self.names), self.memory,
                                    self.core_off + i * self.core_bytes)
                 for i in range(self.cores)]
        return {name: [c[i] for c in cores] for i, name in enumerate(self.names)}
