# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests in here run in the machine that tests/vm/run boots, and in plain namespaces as far as the
running kernel has what they ask for with `kernel_wireguard` or `netem`."""

import subprocess

import pytest


def _skip_unless_possible(lab, what, argv):
    done = lab.internet().run(argv, check=False)
    if done.returncode != 0:
        pytest.skip(f'this kernel has no {what}: {done.stderr.strip()}')


@pytest.fixture
def kernel_wireguard(lab):
    """Skips where links of kind wireguard cannot be made."""
    _skip_unless_possible(lab, 'WireGuard', ['ip', 'link', 'add', 'probe', 'type', 'wireguard'])
    lab.internet().run(['ip', 'link', 'del', 'probe'])


@pytest.fixture
def netem(lab):
    """Skips where Node.impair() cannot work."""
    argv = ['tc', 'qdisc', 'add', 'dev', 'lo', 'root', 'netem', 'delay', '1ms']
    _skip_unless_possible(lab, 'netem', argv)
    lab.internet().run(['tc', 'qdisc', 'del', 'dev', 'lo', 'root'])


@pytest.fixture
def wg_pair(lab, kernel_wireguard):
    """Two hosts, each with a kernel device wg0 (10.9.0.1 and 10.9.0.2) set by `wg`; both behind no NAT."""
    hosts = [lab.public_host(name) for name in ('one', 'two')]
    keys = []
    for _ in hosts:
        private = subprocess.run(['wg', 'genkey'], capture_output=True, text=True, check=True).stdout
        public = subprocess.run(['wg', 'pubkey'], input=private, capture_output=True, text=True,
                                check=True).stdout
        keys.append((private.strip(), public.strip()))
    for number, host in enumerate(hosts):
        other = 1 - number
        host.ip('link add wg0 type wireguard', f'addr add 10.9.0.{number + 1}/24 dev wg0')
        host.run(['wg', 'set', 'wg0', 'private-key', '/dev/stdin', 'listen-port', '51820', 'peer',
                  keys[other][1], 'allowed-ips', f'10.9.0.{other + 1}/32', 'endpoint',
                  f'{hosts[other].addr4}:51820'], input=keys[number][0])
        host.ip('link set wg0 up')
    return hosts
