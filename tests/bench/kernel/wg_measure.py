#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: wg_measure.py NL-BENCH PEERS ROUNDS. Prints one JSON line with the milliseconds of both
programs, whole processes with the same file and the same output, in turn."""
import base64
import json
import os
import subprocess
import sys
import tempfile
import time


def timed(argv):
    start = time.monotonic()
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=True)
    return (time.monotonic() - start) * 1000, done.stdout


def configuration(peers):
    def key():
        return base64.b64encode(os.urandom(32)).decode()

    lines = ['[Interface]', f'PrivateKey = {key()}']
    for n in range(peers):
        lines += ['[Peer]', f'PublicKey = {key()}', f'Endpoint = 192.0.2.{n % 250 + 1}:{n % 60000 + 1}',
                  f'AllowedIPs = 10.{n >> 16}.{n >> 8 & 255}.{n & 255}/32, fd09::{n + 1:x}/128']
    return '\n'.join(lines) + '\n'


def main():
    program, peers, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    times = {'peers': peers, 'set': ([], []), 'dump': ([], [])}
    subprocess.run(['ip', 'link', 'add', 'wgb0', 'type', 'wireguard'], check=True)
    with tempfile.NamedTemporaryFile('w', suffix='.conf') as file:
        file.write(configuration(peers))
        file.flush()
        sides = (([program, 'setconf', 'wgb0', file.name], [program, 'dump', 'wgb0']),
                 (['wg', 'setconf', 'wgb0', file.name], ['wg', 'show', 'wgb0', 'dump']))
        for number in range(rounds + 1):
            texts = {}
            for side in ((0, 1) if number % 2 == 0 else (1, 0)):
                subprocess.run(['ip', 'link', 'del', 'wgb0'], check=True)
                subprocess.run(['ip', 'link', 'add', 'wgb0', 'type', 'wireguard'], check=True)
                setting, _ = timed(sides[side][0])
                dumping, text = timed(sides[side][1])
                texts[side] = sorted(line.split(b'\t')[0] for line in text.splitlines()[1:])
                if number > 0:  # the first round warms up
                    times['set'][side].append(setting)
                    times['dump'][side].append(dumping)
            if len(texts[0]) != peers or texts[0] != texts[1]:
                sys.exit('the two programs do not show the same peers')
    print(json.dumps(times))


main()
