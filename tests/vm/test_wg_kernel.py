# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's WireGuard, configured by the room netlink; judged by wg(8), ip(8) and packets."""

import base64
import os
import subprocess

import pytest
from lab import wait_until
from nl import Tool, ip_json, key_pair, psk, wg_dump


@pytest.fixture
def kernel(lab, kernel_wireguard):
    """Makes tools whose implementation must be the kernel's."""
    def make(node):
        tool = Tool(node)
        assert tool.call('open')['backend'] == 'kernel'
        return tool
    return make


@pytest.fixture
def host(lab):
    return lab.public_host('host')


@pytest.fixture
def tool(host, kernel):
    return kernel(host)


def random_key():
    return base64.b64encode(os.urandom(32)).decode()


def mesh(hosts, keys, family=4, preshared=None):
    """Desired states of hosts that all know each other, over IPv4 or IPv6."""
    states = []
    for n, _ in enumerate(hosts):
        peers = []
        for k, other in enumerate(hosts):
            if k != n:
                endpoint = f'{other.addr4}:51820' if family == 4 else f'[{other.addr6}]:51820'
                peers.append({'public_key': keys[k][1], 'endpoint': endpoint, 'endpoint_mode': 'initial',
                              'allowed': [f'10.9.0.{k + 1}/32', f'fd09::{k + 1}/128'],
                              **({'preshared_key': preshared} if preshared else {})})
        states.append({'private_key': keys[n][0], 'listen_port': 51820, 'fwmark': 0x5745, 'mtu': 1280,
                       'addrs': [f'10.9.0.{n + 1}/24', f'fd09::{n + 1}/64'], 'peers': peers})
    return states


def test_a_device_is_made_marked_adopted_and_deleted(host, tool):
    assert tool.call('create')['adopted'] is False
    [link] = ip_json(host, 'link', 'show', 'weft0')
    assert link['linkinfo']['info_kind'] == 'wireguard' and link['ifalias'] == 'weft'
    assert tool.call('create')['adopted'] is True
    assert tool.call('list')['names'] == ['weft0']
    tool.call('destroy')
    assert ip_json(host, 'link', 'show', 'weft0') == []
    assert tool.refused('destroy').code == 'not-found'


def test_devices_of_others_are_left_alone(host, tool):
    host.ip('link add weft0 type wireguard')
    host.run(['wg', 'set', 'weft0', 'private-key', '/dev/stdin', 'peer', random_key()], input=key_pair()[0])
    before = host.run(['wg', 'showconf', 'weft0']).stdout
    assert tool.refused('create').code == 'foreign'
    assert tool.refused('destroy').code == 'foreign'
    assert tool.reconcile({'private_key': key_pair()[0]})['ops'] == []
    assert host.run(['wg', 'showconf', 'weft0']).stdout == before
    host.ip('link del weft0', 'link add weft0 type dummy')
    assert tool.refused('create').code == 'foreign'
    host.ip('link del weft0', 'link add weft0 type wireguard')
    assert tool.call('create')['adopted'] is True, 'a blank one is taken'


def test_without_permission_the_error_says_so(host, tool):
    bare = Tool(host, prefix=['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-net_admin'])
    bare.call('open')
    error = bare.refused('create')
    assert error.code == 'permission' and 'CAP_NET_ADMIN' in error.text


def test_every_field_arrives_and_is_read_back(host, tool):
    private, public = key_pair()
    peers = [
        {'public_key': random_key(), 'allowed': ['10.9.0.2/32', 'fd09::2/128'], 'preshared_key': psk(),
         'endpoint': '192.0.2.1:51820', 'keepalive': 25},
        {'public_key': random_key(), 'allowed': ['0.0.0.0/0', '::/0'], 'endpoint': '[2001:db8::1]:7'},
        {'public_key': random_key()}]
    tool.settle({'private_key': private, 'listen_port': 51899, 'fwmark': 0x5745, 'mtu': 1280, 'peers': peers})
    device, seen = wg_dump(host)
    assert device == {'private_key': private, 'public_key': public, 'listen_port': '51899', 'fwmark': '0x5745'}
    for peer in peers:
        mine = seen[peer['public_key']]
        assert set(mine['allowed'].split(',')) == set(peer.get('allowed', ['(none)']))
        assert mine['preshared_key'] == peer.get('preshared_key', '(none)')
        assert mine['endpoint'] == peer.get('endpoint', '(none)')
        assert mine['keepalive'] == str(peer.get('keepalive') or 'off')
    ours = {p['public_key']: p for p in tool.call('get')['device']['peers']}
    assert {k: p['allowed'] for k, p in ours.items()} == {p['public_key']: p.get('allowed', []) for p in peers}
    assert ours[peers[1]['public_key']]['endpoint'] == '[2001:db8::1]:7'
    tool.settle({'private_key': private, 'peers': [{k: v for k, v in peers[0].items()
                                                    if k in ('public_key', 'allowed')}]})
    _, seen = wg_dump(host)
    assert list(seen) == [peers[0]['public_key']]
    assert seen[peers[0]['public_key']]['preshared_key'] == '(none)'
    assert seen[peers[0]['public_key']]['keepalive'] == 'off'


def test_five_thousand_peers_with_two_allowed_ips_each(host, tool):
    peers = [{'public_key': random_key(), 'allowed': [f'10.{n >> 8}.{n & 255}.1/32', f'fd09::{n + 1:x}/128']}
             for n in range(5000)]
    state = {'private_key': key_pair()[0], 'peers': peers}
    tool.settle(state)
    _, seen = wg_dump(host)
    assert {k: set(v['allowed'].split(',')) for k, v in seen.items()} == {
        p['public_key']: set(p['allowed']) for p in peers}
    moved = peers[17]['allowed'].pop()
    peers[4711]['allowed'].append(moved)
    assert len(tool.settle(state)['ops']) == 1
    _, seen = wg_dump(host)
    assert moved in seen[peers[4711]['public_key']]['allowed'].split(',')
    assert seen[peers[17]['public_key']]['allowed'] == peers[17]['allowed'][0]
    del peers[2500:]
    tool.settle(state)
    assert len(wg_dump(host)[1]) == 2500


def test_hundreds_of_allowed_ips_of_one_peer(host, tool):
    peers = [{'public_key': random_key(), 'allowed': [f'10.{k}.{n >> 8}.{n & 255}/32' for n in range(3000)]}
             for k in range(3)]
    tool.settle({'private_key': key_pair()[0], 'peers': peers})
    _, seen = wg_dump(host)
    for peer in peers:
        assert set(seen[peer['public_key']]['allowed'].split(',')) == set(peer['allowed'])
    for peer in peers:
        peer['allowed'] = peer['allowed'][::2]
    tool.settle({'private_key': key_pair()[0], 'peers': peers})
    _, seen = wg_dump(host)
    for peer in peers:
        assert set(seen[peer['public_key']]['allowed'].split(',')) == set(peer['allowed'])


def test_a_taken_port_is_busy(lab, host, tool):
    holder = host.popen(['/usr/bin/python3', '-c', 'import socket; s = socket.socket(socket.AF_INET, '
                         'socket.SOCK_DGRAM); s.bind(("", 51830)); print("ready", flush=True); '
                         'import time; time.sleep(60)'], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b'ready\n'
    tool.settle({'private_key': key_pair()[0], 'mtu': 1280})
    error = tool.refused('reconcile', state={'private_key': key_pair()[0], 'listen_port': 51830})
    assert error.code == 'busy'
    assert error.text.startswith('link weft0: set device: WIREGUARD: ')


@pytest.mark.parametrize('family', [4, 6])
def test_three_hosts_reach_each_other(lab, kernel, family):
    hosts = [lab.public_host(name) for name in ('one', 'two', 'three')]
    for host, state in zip(hosts, mesh(hosts, [key_pair() for _ in hosts], family, psk())):
        kernel(host).settle(state)
    for n, host in enumerate(hosts):
        for k, _ in enumerate(hosts):
            if k != n:
                assert host.ping(f'10.9.0.{k + 1}', wait=8), f'{n} to {k}'
                assert host.ping(f'fd09::{k + 1}', wait=8), f'{n} to {k}'
    device = kernel(hosts[0]).call('get')['device']
    for peer in device['peers']:
        assert peer['rx_bytes'] > 0 and peer['tx_bytes'] > 0 and peer['last_handshake_us'] > 0


def test_a_wrong_preshared_key_keeps_out(lab, kernel):
    hosts = [lab.public_host(name) for name in ('one', 'two')]
    keys = [key_pair() for _ in hosts]
    states = [mesh(hosts, keys, preshared=psk())[n] for n in (0, 1)]
    tools = [kernel(h) for h in hosts]
    for tool, state in zip(tools, states):
        tool.settle(state)
    assert not hosts[0].ping('10.9.0.2', wait=3)
    states = mesh(hosts, keys, preshared=psk())
    for tool, state in zip(tools, states):
        tool.settle(state)
    assert hosts[0].ping('10.9.0.2', count=3, wait=12)


def test_roaming_is_followed_and_not_put_back(lab, kernel):
    hosts = [lab.public_host(name) for name in ('one', 'two')]
    keys = [key_pair() for _ in hosts]
    states = mesh(hosts, keys)
    tools = [kernel(h) for h in hosts]
    for tool, state in zip(tools, states):
        tool.settle(state)
    assert hosts[0].ping('10.9.0.2', wait=8)
    new = hosts[1].addr4.rsplit('.', 1)[0] + '.77'
    hosts[1].ip(f'addr del {hosts[1].addr4}/24 dev eth0', f'addr add {new}/24 dev eth0',
                f'route add default via {hosts[1].gateway4}')

    def followed():
        hosts[1].ping('10.9.0.1', wait=1)
        return wg_dump(hosts[0])[1][keys[1][1]]['endpoint'] == f'{new}:51820'

    wait_until(followed, timeout=30, what='the new endpoint')
    assert tools[0].reconcile(states[0])['ops'] == [], 'endpoint mode "initial" leaves it where it is'
    assert hosts[0].ping('10.9.0.2', wait=8)
    states[0]['peers'][0]['endpoint_mode'] = 'exact'
    assert len(tools[0].reconcile(states[0])['ops']) == 1


def test_a_restart_of_the_configuring_process_loses_no_packet(lab, kernel):
    hosts = [lab.public_host(name) for name in ('one', 'two')]
    states = mesh(hosts, [key_pair() for _ in hosts])
    for state in states:
        state['routes'] = [{'dst': '10.99.0.0/16', 'table': 5745}]
        state['rules'] = [{'priority': 5741, 'table': 5745, 'fwmark': 0x5745, 'invert': True}]
    tools = [kernel(h) for h in hosts]
    for tool, state in zip(tools, states):
        tool.settle(state)
    assert hosts[0].ping('10.9.0.2', wait=8)
    ping = hosts[0].popen(['ping', '-n', '-i', '0.05', '-c', '200', '-W', '5', '-q', '10.9.0.2'],
                          stdout=subprocess.PIPE, text=True)
    for round_ in range(4):
        for n in (0, 1):
            tools[n]._process.kill()
            tools[n]._process.wait()
            tools[n] = kernel(hosts[n])
            assert tools[n].reconcile(states[n])['ops'] == []
            # And a map with another peer and another route.
            states[n]['peers'] = states[n]['peers'][:1] + [
                {'public_key': random_key(), 'allowed': [f'10.50.{round_}.0/24']}]
            states[n]['routes'].append({'dst': f'10.50.{round_}.0/24', 'table': 5745})
            tools[n].settle(states[n])
    text = ping.communicate(timeout=60)[0]
    assert '200 received, 0% packet loss' in text, text


def test_allowed_ips_move_under_traffic_without_loss(lab, kernel):
    """A moved allowed ip is one message to the new peer: the peer that stays loses nothing."""
    hosts = [lab.public_host(name) for name in ('one', 'two')]
    states = mesh(hosts, [key_pair() for _ in hosts])
    tools = [kernel(h) for h in hosts]
    other = {'public_key': random_key(), 'allowed': ['10.60.0.0/16']}
    states[0]['peers'].append(other)
    for tool, state in zip(tools, states):
        tool.settle(state)
    assert hosts[0].ping('10.9.0.2', wait=8)
    ping = hosts[0].popen(['ping', '-n', '-i', '0.05', '-c', '100', '-W', '5', '-q', '10.9.0.2'],
                          stdout=subprocess.PIPE, text=True)
    stays = states[0]['peers'][0]
    for _ in range(10):
        stays['allowed'], other['allowed'] = stays['allowed'] + other['allowed'], []
        assert len(tools[0].settle(states[0])['ops']) == 1
        stays['allowed'], other['allowed'] = stays['allowed'][:-1], stays['allowed'][-1:]
        assert len(tools[0].settle(states[0])['ops']) == 1
    text = ping.communicate(timeout=60)[0]
    assert '100 received, 0% packet loss' in text, text


def test_addresses_routes_and_rules_on_the_kernels_link(host, tool):
    state = {'private_key': key_pair()[0], 'mtu': 1280, 'addrs': ['10.9.0.1/16', 'fd09::1/64'],
             'routes': [{'dst': '10.77.0.0/16', 'table': 5745}, {'dst': '::/0', 'type': 'unreachable', 'table': 5745}],
             'rules': [{'priority': 5740, 'table': 254, 'suppress_prefix': 0},
                       {'family': 6, 'priority': 5741, 'table': 5745, 'fwmark': 0x5745, 'invert': True}]}
    tool.settle(state)
    tool.settle({**state, 'addrs': ['10.9.0.2/16', 'fd09::1/48']})
    [link] = ip_json(host, 'addr', 'show', 'dev', 'weft0')
    assert {f'{a["local"]}/{a["prefixlen"]}' for a in link['addr_info']} == {'10.9.0.2/16', 'fd09::1/48'}
    tool.call('teardown')
    assert ip_json(host, 'link', 'show', 'weft0') == []
