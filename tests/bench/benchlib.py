# SPDX-License-Identifier: GPL-3.0-or-later
"""Measuring two programs against each other, fairly.

    from benchlib import Bench, run
    bench = Bench("cursor")
    bench.compare("read", "ns", ours=lambda: ..., peer="libfoo", theirs=lambda: ..., better="lower")
    bench.figure("memory-per-stream", 31.5, "KiB")

Each callable does the work once and returns the figure. Ours and theirs run in turn, and the order
swaps every round, so that a machine that slows down or wakes up hits both alike. The median of the
rounds is printed. WEFT_BENCH_SMOKE=1 asks for one short round: tests only that the benchmark runs;
bench.smoke tells the benchmark so that it can take fewer iterations.

As a program it turns printed lines into JSON: benchlib.py LINES-FILE
"""
import json
import math
import os
import re
import statistics
import subprocess
import sys
import time

LINE = re.compile(
    r"^bench (?P<bench>[\w.+-]+)/(?P<figure>\S+): (?P<value>\S+) (?P<unit>\S+)"
    r"(?: \((?P<peer>.+?): (?P<peer_value>\S+) (?P<peer_unit>\S+)\) ratio (?P<ratio>\S+))?$")


def number(value):
    """Four significant digits, never an exponent."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 3 - math.floor(math.log10(abs(value))))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class Bench:
    def __init__(self, name, rounds=5):
        self.name = name
        self.smoke = os.environ.get("WEFT_BENCH_SMOKE", "") not in ("", "0")
        self.rounds = 1 if self.smoke else max(5, rounds)

    def figure(self, figure, value, unit, peer=None, peer_value=None, better="lower"):
        """Prints one line; with a peer also the ratio, above 1 when we are better."""
        line = f"bench {self.name}/{figure}: {number(value)} {unit}"
        if peer is not None:
            ours, theirs = (value, peer_value) if better == "higher" else (peer_value, value)
            ratio = ours / theirs if theirs else float("inf")
            line += f" ({peer}: {number(peer_value)} {unit}) ratio {ratio:.2f}"
        print(line, flush=True)
        return value

    def measure(self, figure, unit, ours):
        """Median of @ours() without a peer."""
        self._warm_up(ours)
        return self.figure(figure, statistics.median(ours() for _ in range(self.rounds)), unit)

    def compare(self, figure, unit, ours, peer, theirs, better="lower"):
        """Medians of @ours() and @theirs(), run in turn; returns both."""
        if better not in ("lower", "higher"):
            raise ValueError(better)
        sides = {"ours": ours, "theirs": theirs}
        values = {"ours": [], "theirs": []}
        self._warm_up(ours, theirs)
        for i in range(self.rounds):
            for side in ("ours", "theirs") if i % 2 == 0 else ("theirs", "ours"):
                values[side].append(sides[side]())
        a, b = (statistics.median(values[side]) for side in ("ours", "theirs"))
        self.figure(figure, a, unit, peer, b, better)
        return a, b

    def _warm_up(self, *sides):
        if not self.smoke:
            for side in sides:
                side()


class Usage:
    """What one finished command used: wall, user, system and cpu in seconds, rss_kib, stdout."""

    def __init__(self, wall, rusage, stdout):
        self.wall = wall
        self.user = rusage.ru_utime
        self.system = rusage.ru_stime
        self.cpu = self.user + self.system
        self.rss_kib = rusage.ru_maxrss
        self.stdout = stdout


def run(argv, deadline_s=300, **popen):
    """Runs a command to its end; raises if it fails or outlives its deadline."""
    with open(os.devnull, "rb") as devnull, subprocess.Popen(
            ["timeout", "--kill-after=5", str(deadline_s)] + [str(a) for a in argv],
            stdin=devnull, stdout=subprocess.PIPE, **popen) as child:
        started = time.monotonic()
        stdout = child.stdout.read()
        _, status, rusage = os.wait4(child.pid, 0)
        wall = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise RuntimeError(f"{argv[0]} ended with {child.returncode}")
    return Usage(wall, rusage, stdout.decode(errors="replace"))


def cpu_seconds(pid):
    """CPU time of a running process with all its threads, user and system."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_seconds_exact(pid):
    """The same from the scheduler, in nanoseconds' steps: for short measurements. Live threads only."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="utf-8") as f:
                total += int(f.read().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total / 1e9


def memory_kib(pid, what="Private_Dirty"):
    """Memory of a running process from smaps_rollup: Rss, Pss, Private_Dirty..."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as f:
        for line in f:
            if line.startswith(what + ":"):
                return int(line.split()[1])
    raise KeyError(what)


class CpuMeter:
    """with CpuMeter(pid) as m: ...; then m.cpu and m.wall in seconds."""

    def __init__(self, pid):
        self.pid = pid
        self.cpu = self.wall = None

    def __enter__(self):
        self._wall, self._cpu = time.monotonic(), cpu_seconds_exact(self.pid)
        return self

    def __exit__(self, *exc):
        self.cpu = cpu_seconds_exact(self.pid) - self._cpu
        self.wall = time.monotonic() - self._wall


def percentile(values, p):
    """Nearest-rank percentile: percentile(latencies, 99)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * p / 100) - 1)]


def parse(text):
    """The figures among the lines, as dictionaries."""
    figures = []
    for line in text.splitlines():
        match = LINE.match(line)
        if match:
            row = {k: v for k, v in match.groupdict().items() if v is not None}
            for key in ("value", "peer_value", "ratio"):
                if key in row:
                    row[key] = float(row[key])
            figures.append(row)
    return figures


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        figures = parse(f.read())
    json.dump({"schema": 1, "cpus": os.cpu_count(), "load": os.getloadavg()[0],
               "figures": figures}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
