# SPDX-License-Identifier: GPL-3.0-or-later
"""netlink/ against wg(8): 5,000 peers set and dumped, in the machine of tests/vm/run unless this
kernel has WireGuard; and the difference of two states of 5,000 peers."""
import json
import statistics
import subprocess
import sys
from pathlib import Path

here = Path(__file__).resolve().parent
top = here.parents[2]


def build():
    from lab import BUILD
    return BUILD


def diff(bench, program):
    peers, rounds = (500, 3) if bench.smoke else (5000, 101)
    done = subprocess.run([program, 'diff', str(peers), str(rounds)], capture_output=True, text=True,
                          check=True)
    bench.figure(f'diff-{peers}-peers-one-change', int(done.stdout) / 1000, 'ms')


def kernel_has_wireguard():
    return subprocess.run(['unshare', '-n', 'ip', 'link', 'add', 'wg-bench', 'type', 'wireguard'],
                          capture_output=True, check=False).returncode == 0


def measure(bench, program):
    """{'set': (ours, theirs), ...} as lists of milliseconds, or the reason why there are none."""
    argv = ['/usr/bin/python3', str(here / 'wg_measure.py'), str(program),
            '200' if bench.smoke else '5000', str(bench.rounds)]
    if kernel_has_wireguard():
        argv = ['unshare', '-n', *argv]
    else:
        argv = [str(top / 'tests/vm/run'), '--', *argv]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=top)
    for line in done.stdout.splitlines():
        if line.startswith('{'):
            return json.loads(line)
    return (done.stderr or done.stdout).strip().splitlines()[-1:] or ['no answer']


def run(bench):
    program = build() / 'tests/bench/kernel/nl-bench'
    diff(bench, program)
    times = measure(bench, program)
    if isinstance(times, list):
        print(f'bench kernel: wg not measured: {times[0]}', file=sys.stderr)
        return
    for what, peer in (('set', 'wg setconf'), ('dump', 'wg show dump')):
        ours, theirs = times[what]
        bench.figure(f'wg-{what}-{times["peers"]}-peers', statistics.median(ours), 'ms', peer,
                     statistics.median(theirs))
