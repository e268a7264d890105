# SPDX-License-Identifier: GPL-3.0-or-later
"""agent/ice with real packets: against libnice, against NetBird's dialect, against itself, behind
every NAT, beside WireGuard."""

import re
import shutil
import subprocess

import pytest

from ice import PORT, PROGRAMS, Agent, Coturn, connect, wait_selected
from lab import wait_until

pytestmark = [
    pytest.mark.skipif(not PROGRAMS['weft'][0].exists(), reason='ice-tool is not built'),
    pytest.mark.skipif(not shutil.which('turnserver'), reason='no coturn (Debian: coturn)'),
]
KINDS = ['public', 'endpoint-independent', 'address-restricted', 'port-restricted', 'symmetric', 'udp-blocked']


@pytest.fixture
def server(lab):
    return Coturn(lab.public_host('server', v6=False))


def place(lab, name, kind, **options):
    """A host that is public or behind a NAT of its own; IPv4 only."""
    behind = None if kind == 'public' else lab.nat(f'{name}-nat', kind=kind)
    return lab.host(name, behind=behind, v6=False, **options)


def pair_up(server, a, b, peer='weft', controlling=True, turn=None):
    """Two agents that heard of each other; the first is ours."""
    options = ['--stun', server.stun, *(['--turn', turn, server.stun, 'u', 'p'] if turn else [])]
    ours = ['--weft'] if peer == 'weft' else []
    x = Agent('weft', a, *options, *ours, *(['--controlling'] if controlling else []))
    y = Agent(peer, b, *(options if peer == 'weft' else options[:2]), *ours,
              *([] if controlling else ['--controlling']))
    connect(x, y)
    return x, y


def is_direct(agent):
    local, remote, _, relay = agent.selected()
    return relay == '0' and remote != 'relay'


def can_be_direct(a, b):
    strict = ('port-restricted', 'symmetric')
    return 'udp-blocked' not in (a, b) and not ('symmetric' in (a, b) and a in strict and b in strict)


@pytest.mark.parametrize('a,b', [(a, b) for i, a in enumerate(KINDS) for b in KINDS[i:]])
def test_every_nat_against_every_other(lab, server, a, b):
    direct = can_be_direct(a, b)
    # TCP to the relay for those whose UDP is blocked.
    x, y = pair_up(server, place(lab, 'a', a), place(lab, 'b', b), turn=None if direct else 'tcp')
    wait_selected(x, y)
    assert is_direct(x) == is_direct(y) == direct
    assert x.count('disconnected') == y.count('disconnected') == 0


@pytest.mark.parametrize('controlling', [True, False])
@pytest.mark.parametrize('peer', ['nice', 'netbird'])
@pytest.mark.parametrize('a,b', [('public', 'public'), ('public', 'port-restricted'), ('symmetric', 'public'),
                                 ('port-restricted', 'port-restricted')])
def test_other_implementations_in_both_roles(lab, server, a, b, peer, controlling):
    x, y = pair_up(server, place(lab, 'a', a), place(lab, 'b', b), peer, controlling)
    wait_selected(x, y)
    assert is_direct(x)


@pytest.mark.parametrize('controlling', [True, False])
def test_netbird_holds_on_and_is_missed(lab, server, controlling):
    """Consent with NetBird's timing: longer than its 6 s of patience, and ours when it dies."""
    x, y = pair_up(server, place(lab, 'a', 'public'), place(lab, 'b', 'port-restricted'), 'netbird', controlling)
    wait_selected(x, y)
    y.node.run(['sleep', '9'])
    assert x.count('disconnected') == y.count('disconnected') == 0
    y.process.kill()
    wait_until(lambda: x.count('disconnected'), timeout=9, what='the loss of a dead peer')


def test_two_hosts_behind_one_nat_with_equal_ports(lab, server):
    nat = lab.nat('nat')
    a, b = lab.host('a', behind=nat, v6=False), lab.host('b', behind=nat, v6=False)
    x, y = pair_up(server, a, b)
    wait_selected(x, y)
    assert x.selected()[:2] == ('host', 'host')
    x.quit(), y.quit()
    for number, host in enumerate((a, b)):
        x, y = pair_up(server, host, lab.public_host(f'outside{number}', v6=False))
        wait_selected(x, y)
        assert is_direct(x)


@pytest.mark.parametrize('controlling', [True, False])
def test_ipv6(lab, server, controlling):
    x, y = pair_up(server, lab.public_host('a', v4=False), lab.public_host('b'), 'nice', controlling)
    wait_selected(x, y)
    assert x.selected()[2].startswith('[')


def test_restart_keeps_a_pair(lab, server):
    x, y = pair_up(server, place(lab, 'a', 'public'), place(lab, 'b', 'symmetric'))
    wait_selected(x, y)
    x.tell('restart')
    wait_until(lambda: x.count('selected') > 1 and y.count('selected') > 1, what='new pairs')
    assert x.count('disconnected') == y.count('disconnected') == 0


@pytest.mark.parametrize('turn', ['udp', 'tcp'])
def test_relay_comes_back_after_a_restart(lab, server, turn):
    x, y = pair_up(server, place(lab, 'a', 'symmetric'), place(lab, 'b', 'symmetric'), turn=turn)
    wait_selected(x, y)
    assert not is_direct(x)
    server.stop()
    server.start()
    wait_until(lambda: x.count('turn') > 4 and x.said('turn') == ['turn', 'ready'], timeout=40,
               what='a new allocation')


def start_wireguard(node, private, peer_public, address):
    """wireguard-go on the port, with one peer that has no endpoint yet; returns its process."""
    process = node.popen(['wireguard-go', '-f', 'weft0'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: node.run(['wg', 'show', 'weft0'], check=False).returncode == 0, what='wireguard-go')
    node.run(['sh', '-c', f'echo {private} >/run/key && wg set weft0 listen-port {PORT} private-key /run/key '
              f'peer {peer_public} allowed-ips 100.64.0.0/10'])
    node.ip(f'addr add {address}/10 dev weft0', 'link set weft0 up mtu 1280')
    return process


@pytest.mark.skipif(not shutil.which('wireguard-go') or not shutil.which('wg'),
                    reason='no wireguard-go or wg (Debian: wireguard-go, wireguard-tools)')
@pytest.mark.parametrize('a,b', [('public', 'port-restricted'), ('port-restricted', 'port-restricted')])
def test_beside_wireguard(lab, server, a, b):
    """The port is WireGuard's; the pair that ICE finds carries its packets."""
    hosts = place(lab, 'a', a), place(lab, 'b', b)
    keys = [subprocess.run(['wg', 'genkey'], capture_output=True, text=True, check=True).stdout.strip()
            for _ in hosts]
    public = [subprocess.run(['wg', 'pubkey'], input=key, capture_output=True, text=True,
                             check=True).stdout.strip() for key in keys]
    for i, host in enumerate(hosts):
        start_wireguard(host, keys[i], public[1 - i], f'100.64.0.{i + 1}')
    agents = [Agent('weft', host, '--stun', server.stun, '--weft', '--shared',
                    *(['--controlling'] if i == 0 else [])) for i, host in enumerate(hosts)]
    connect(*agents)
    wait_selected(*agents)
    for i, agent in enumerate(agents):
        hosts[i].run(['wg', 'set', 'weft0', 'peer', public[1 - i], 'endpoint', agent.selected()[2]])
    # 5 s more if both initiate at the same moment, which is not ICE's business.
    wait_until(lambda: hosts[0].ping('100.64.0.2'), timeout=12, what='a ping through the tunnel')
    assert hosts[1].ping('100.64.0.1')
    seen = hosts[0].run(['wg', 'show', 'weft0', 'endpoints']).stdout
    assert re.search(re.escape(agents[0].selected()[2]), seen)
