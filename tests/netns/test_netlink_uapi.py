# SPDX-License-Identifier: GPL-3.0-or-later
"""WireGuard by wireguard-go: started in a session of its own, adopted, told from what `wg` made;
judged by wg(8) and by packets."""

import base64
import os
import shutil
import subprocess

import pytest
from lab import wait_until
from nl import Tool, ip_json, key_pair, psk, wg_dump

pytestmark = pytest.mark.skipif(not shutil.which('wireguard-go'), reason='wireguard-go is not installed')


def stop(host, folder='/var/run/wireguard'):
    host.run(['sh', '-c', f'rm -f {folder}/*.sock'])


@pytest.fixture
def host(lab):
    made = lab.public_host('host')
    yield made
    stop(made)


def program_of(host, name='weft0'):
    """Pid of the wireguard-go that serves `name` in the host's namespace."""
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            words = open(f'/proc/{pid}/cmdline', 'rb').read().split(b'\0')
            if (os.readlink(f'/proc/{pid}/ns/net') == host.netns and words[0].endswith(b'wireguard-go')
                    and name.encode() in words):
                return int(pid)
        except OSError:
            continue
    return None


def test_without_a_kernel_module_the_choice_is_wireguard_go(host):
    """Where there is one, it is the kernel: tests/vm."""
    expected = 'wireguard-go'
    if host.run(['ip', 'link', 'add', 'probe', 'type', 'wireguard'], check=False).returncode == 0:
        host.ip('link del probe')
        expected = 'kernel'
    assert Tool(host).call('open')['backend'] == expected


def test_without_either_the_error_names_what_is_missing(host):
    error = Tool(host).refused('open', uapi_only=True, program='no-such-wireguard')
    assert error.code == 'unsupported'
    assert 'no-such-wireguard is not installed' in error.text


def test_the_program_outlives_us_and_is_adopted(host):
    tool = Tool(host, uapi={})
    private, public = key_pair()
    peer = {'public_key': key_pair()[1], 'allowed': ['10.9.0.2/32'], 'preshared_key': psk(), 'keepalive': 25,
            'endpoint': '[2001:db8::1]:51820'}
    state = {'private_key': private, 'listen_port': 51899, 'fwmark': 7, 'peers': [peer]}
    tool.settle(state)
    pid = program_of(host)
    session = open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()[3]
    assert int(session) not in (os.getsid(0), tool._process.pid)
    assert open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()[1] != str(tool._process.pid)
    tool.close()
    device, peers = wg_dump(host)
    assert device == {'private_key': private, 'public_key': public, 'listen_port': '51899', 'fwmark': '0x7'}
    assert peers[peer['public_key']]['preshared_key'] == peer['preshared_key']
    assert peers[peer['public_key']]['endpoint'] == peer['endpoint']
    again = Tool(host, uapi={})
    assert again.call('create')['adopted'] is True
    assert again.reconcile(state)['ops'] == []
    assert program_of(host) == pid
    again.call('destroy')
    wait_until(lambda: program_of(host) is None, what='the end of the program')
    assert ip_json(host, 'link', 'show', 'weft0') == []


def test_a_device_that_wg_configured_is_not_ours(host):
    host.run(['wireguard-go', 'weft0'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    host.run(['wg', 'set', 'weft0', 'private-key', '/dev/stdin'], input=key_pair()[0])
    tool = Tool(host, uapi={})
    assert tool.refused('create').code == 'foreign'
    assert tool.refused('destroy').code == 'foreign'
    assert tool.reconcile({'private_key': key_pair()[0]})['ops'] == []
    assert tool.call('list')['names'] == ['weft0']
    assert host.run(['wg', 'show', 'weft0', 'public-key']).stdout.strip()


def test_a_blank_device_is_adopted_and_marked(host):
    """What a crash between making and marking leaves behind."""
    host.run(['wireguard-go', 'weft0'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    tool = Tool(host, uapi={})
    assert tool.call('create')['adopted'] is True
    assert ip_json(host, 'link', 'show', 'weft0')[0]['ifalias'] == 'weft'


def test_a_tun_device_of_another_program_is_not_ours(host):
    host.ip('tuntap add weft0 mode tun')
    assert Tool(host, uapi={}).refused('create').code == 'foreign'


def test_another_directory_for_the_sockets(host, short_path):
    tool = Tool(host, uapi={'dir': str(short_path / 'wg')})
    assert tool.call('create')['adopted'] is False
    assert (short_path / 'wg/weft0.sock').is_socket()
    assert not (host.root / 'run/wireguard/weft0.sock').exists()
    assert tool.call('list')['names'] == ['weft0']
    tool.settle({'private_key': key_pair()[0]})
    tool.call('destroy')
    assert ip_json(host, 'link', 'show', 'weft0') == []


def test_what_the_program_says_when_it_fails_is_in_the_error(host):
    broken = host.root / 'run/broken'
    broken.write_text('#!/bin/sh\necho no tunnels today >&2\nexit 3\n')
    broken.chmod(0o755)
    error = Tool(host, uapi={'program': '/run/broken'}).refused('create')
    assert 'no tunnels today' in error.text
    assert 'it ended at once' in error.text


def test_a_program_that_never_listens_is_given_up(host):
    slow = host.root / 'run/slow'
    slow.write_text('#!/bin/sh\nexec sleep 60\n')
    slow.chmod(0o755)
    error = Tool(host, uapi={'program': '/run/slow', 'timeout_ms': 300}).refused('create')
    assert error.code == 'timeout'


def test_peers_change_as_wg_sees_them(host):
    tool = Tool(host, uapi={})
    keys = [key_pair()[1] for _ in range(3)]
    private = key_pair()[0]

    def settle(*allowed):
        peers = [{'public_key': key, 'allowed': ips} for key, ips in zip(keys, allowed)]
        answer = tool.settle({'private_key': private, 'peers': peers})
        _, seen = wg_dump(host)
        assert {k: set(v['allowed'].split(',')) - {'(none)'} for k, v in seen.items()} == {
            k: set(ips) for k, ips in zip(keys, allowed)}
        return answer['ops']

    settle(['10.9.0.1/32', '10.1.0.0/16'], ['10.9.0.2/32'], ['10.9.0.3/32'])
    ops = settle(['10.9.0.1/32'], ['10.9.0.2/32', '10.1.0.0/16'], ['10.9.0.3/32'])
    assert len(ops) == 1, 'a moved allowed ip is one message to the new peer'
    ops = settle(['10.9.0.2/32'], ['10.9.0.1/32', '10.1.0.0/16'], ['10.9.0.3/32'])
    assert len(ops) == 2, 'they change places'
    ops = settle(['10.9.0.2/32'], ['10.9.0.1/32'], ['10.9.0.3/32'])
    assert len(ops) == 1
    assert settle(['10.9.0.2/32'], ['10.9.0.1/32'])[0].startswith('remove peer')


def test_impossible_peers_are_reported_and_the_rest_is_done(host):
    tool = Tool(host, uapi={})
    private, own = key_pair()
    good, other = key_pair()[1], key_pair()[1]
    answer = tool.settle({'private_key': private, 'peers': [
        {'public_key': 'A' * 43 + '=', 'allowed': ['10.9.0.9/32']},
        {'public_key': own, 'allowed': ['10.9.0.8/32']},
        {'public_key': good, 'allowed': ['10.9.0.1/32', '10.9.0.2/32', '10.9.0.3/33']},
        {'public_key': other, 'allowed': ['10.9.0.2/32'], 'endpoint': '192.0.2.1:0'}]})
    assert len(answer['problems']) == 5, answer['problems']
    for word in ('zero', 'our own key', 'prefix length 33', 'later peer', 'port'):
        assert any(word in p for p in answer['problems']), word
    _, seen = wg_dump(host)
    assert {k: v['allowed'] for k, v in seen.items()} == {good: '10.9.0.1/32', other: '10.9.0.2/32'}


def test_a_thousand_peers_survive_the_round_trip(host):
    tool = Tool(host, uapi={})
    peers = []
    for number in range(1000):
        key = os.urandom(32)
        peers.append({'public_key': base64.b64encode(key).decode(),
                      'allowed': [f'10.{number >> 8}.{number & 255}.0/24', f'fd00:{number + 1:x}::/32']})
    tool.settle({'private_key': key_pair()[0], 'peers': peers})
    _, seen = wg_dump(host)
    assert {k: set(v['allowed'].split(',')) for k, v in seen.items()} == {
        p['public_key']: set(p['allowed']) for p in peers}


def test_packets_flow_and_a_restart_loses_none(lab):
    hosts = [lab.public_host(name) for name in ('one', 'two')]
    keys = [key_pair(), key_pair()]
    try:
        tools = [Tool(h, uapi={}) for h in hosts]
        states = [{'private_key': keys[n][0], 'listen_port': 51820, 'mtu': 1280,
                   'addrs': [f'10.9.0.{n + 1}/24', f'fd09::{n + 1}/64'],
                   'peers': [{'public_key': keys[1 - n][1], 'endpoint': f'{hosts[1 - n].addr4}:51820',
                              'allowed': [f'10.9.0.{2 - n}/32', f'fd09::{2 - n}/128']}]} for n in (0, 1)]
        for tool, state in zip(tools, states):
            tool.settle(state)
        assert hosts[0].ping('10.9.0.2', wait=6) and hosts[0].ping('fd09::2')
        ping = hosts[0].popen(['ping', '-n', '-i', '0.05', '-c', '60', '-q', '10.9.0.2'],
                              stdout=subprocess.PIPE, text=True)
        for _ in range(5):
            for number in (0, 1):
                tools[number].close()
                tools[number] = Tool(hosts[number], uapi={})
                assert tools[number].reconcile(states[number])['ops'] == []
        text = ping.communicate(timeout=30)[0]
        assert '60 received, 0% packet loss' in text, text
    finally:
        for h in hosts:
            stop(h)
