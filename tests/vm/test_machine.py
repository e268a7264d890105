# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machine of tests/vm/run promises to the other tests."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from lab import TOP
from udp import Udp, mapping

in_vm = pytest.mark.skipif('WEFT_VM' not in os.environ, reason='not in the machine of tests/vm/run')
RUN = TOP / 'tests/vm/run'


@in_vm
def test_the_tree_is_read_only_below():
    """What is written here stays here: the host's file system is the lower layer."""
    assert os.geteuid() == 0
    assert 'lowerdir=/lower' in next(line for line in open('/proc/mounts') if ' / overlay' in line)
    (TOP / 'written-in-the-vm').write_text('x')


@in_vm
def test_output_goes_to_the_host():
    (Path(os.environ['VM_OUT']) / 'note.txt').write_text('from inside\n')


def test_kernel_wireguard_carries_packets(wg_pair):
    one, two = wg_pair
    assert one.ping('10.9.0.2', wait=10)
    latest = two.run(['wg', 'show', 'wg0', 'latest-handshakes']).stdout.split()[1]
    assert int(latest) > 0


def test_a_lab_has_symmetric_nat_and_delay(lab, netem):
    servers = [Udp(lab.public_host(name), port) for name, port in (('a', 1), ('b', 1))]
    servers.insert(1, Udp(servers[0].node, 2))
    host = lab.host('host', behind=lab.nat('nat', kind='symmetric'))
    assert mapping(Udp(host), *servers) == 'port'
    cone = lab.host('cone', behind=lab.nat('eim', kind='endpoint-independent'))
    assert mapping(Udp(cone), *servers) == 'endpoint'
    host.impair(delay_ms=100)
    started = time.monotonic()
    assert host.ping(servers[0].node.addr4, wait=10)
    assert time.monotonic() - started >= 0.2


def run(environment, *argv):
    return subprocess.run([RUN, *argv], capture_output=True, text=True, timeout=300,
                          env={**os.environ, **environment})


@pytest.mark.skipif('WEFT_VM' in os.environ, reason='needs the host')
def test_without_qemu_the_reason_is_said(tmp_path):
    for tool in ('bash', 'dirname', 'mkdir', 'env'):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    done = run({'PATH': str(tmp_path), 'VM_OUT': str(tmp_path / 'out')}, '--', 'true')
    assert done.returncode == 77
    assert done.stderr == 'SKIP: qemu-system-x86_64 is missing (Debian: apt-get install qemu-system-x86)\n'


@pytest.mark.skipif('WEFT_VM' in os.environ, reason='needs the host')
def test_a_kernel_tree_without_modules_is_refused(tmp_path):
    if not shutil.which('qemu-system-x86_64'):
        pytest.skip('no qemu')
    done = run({'VM_KROOT': str(tmp_path), 'VM_OUT': str(tmp_path / 'out'),
                'VM_CACHE': str(tmp_path / 'cache')}, '--', 'true')
    assert done.returncode == 77
    assert done.stderr.startswith('SKIP: VM_KROOT=')
