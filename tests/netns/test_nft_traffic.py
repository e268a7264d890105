# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of nftables/ decide real packets over a veth pair."""

import random

import pytest

from nft import NftTool, Overlay, decide


@pytest.fixture
def overlay(lab):
    return Overlay(lab)


@pytest.fixture
def tool(overlay):
    return NftTool(overlay.here)


RULES = '''
in accept 100.64.0.2/32 all - all4
in accept 100.64.0.3/32 6 80 web
in accept 100.64.0.3/32 icmp - ping
in accept 100.64.0.4/32 17 80-85 range
in accept 100.64.0.8/30 6 - prefix
in drop 100.64.0.9/32 6 443 deny
in accept 100.64.0.9/32 6 443 deny
in accept fd00::2/128 all - all6
in accept fd00::3/128 17 443 dns
in accept fd00::3/128 icmp - ping
in accept fd00::/64 6 8000 any6
in drop fd00::5/128 all - deny
in accept 0.0.0.0/0 6 90 any4
'''.strip().split('\n')


def flows_of(overlay):
    flows = [overlay.in_flow(kind, source, port) for source in overlay.sources4 + overlay.sources6
             for kind in ('tcp', 'udp') for port in overlay.PORTS]
    return flows + [overlay.in_flow('icmp', source) for source in
                    overlay.sources4[:4] + overlay.sources6[:4]]


def assert_decided(overlay, rules, flows):
    wanted = [decide(rules, 'in', source, kind, port) for kind, source, _, port in flows]
    got = overlay.probe(flows)
    wrong = [(flow, w) for flow, w, g in zip(flows, wanted, got) if w != g]
    assert not wrong
    assert any(wanted) and not all(wanted)


def test_rules_decide_tcp_udp_and_icmp_of_both_families(overlay, tool):
    flows = flows_of(overlay)
    assert all(overlay.probe(flows))
    tool.apply(RULES)
    assert_decided(overlay, RULES, flows)
    before = tool.counts()
    assert before['p_web'] and before['p_ping'] and before['p_deny'] and before['dropped_in']


def random_rule(rng):
    host = rng.randrange(2, 14)
    prefix = rng.choice([f'100.64.0.{host}/32', f'fd00::{host:x}/128', f'100.64.0.{host & 12}/30',
                         f'fd00::{host & 8:x}/125', '0.0.0.0/0', '::/0'])
    protocol = rng.choice(['all', 'icmp', '6', '6', '17', '17'])
    ports = '-'
    if protocol in ('6', '17') and rng.random() < 0.8:
        first = rng.choice([80, 81, 85, 90, 443])
        ports = rng.choice([f'{first}', f'{first}-{first + rng.randrange(60)}'])
    action = 'drop' if rng.random() < 0.25 else 'accept'
    return f'in {action} {prefix} {protocol} {ports} policy{rng.randrange(4)}'


@pytest.mark.parametrize('seed', range(3))
def test_random_rules_decide_as_their_meaning_says(overlay, tool, seed):
    """Also from one set of rules to the next by the difference alone."""
    rng = random.Random(seed)
    flows = flows_of(overlay)
    rules = []
    for step in range(4):
        rng.shuffle(rules)
        rules = rules[len(rules) // 2:] + [random_rule(rng) for _ in range(12)]
        applied = tool.apply(rules)
        assert applied['rebuilt'] == (step == 0)
        assert_decided(overlay, rules, flows)
        assert tool.found() == 'intact'


def test_answers_come_in_without_a_rule(overlay, tool):
    overlay.serve_at_peer()
    tool.apply(['in accept 100.64.0.2/32 6 80 web'])
    out = [('tcp', overlay.HERE4, overlay.sources4[3], 80),
           ('udp', overlay.HERE6, overlay.sources6[3], 80),
           ('icmp', overlay.HERE4, overlay.sources4[3], 0)]
    assert all(overlay.probe(out, node=overlay.here))


def test_other_interfaces_are_untouched(overlay, tool):
    tool.apply([])
    here, peer = overlay.here, overlay.peer
    assert all(overlay.probe([('tcp', peer.addr4, here.addr4, 80),
                              ('udp', peer.addr6, here.addr6, 80),
                              ('icmp', peer.addr4, here.addr4, 0)]))
    assert not any(overlay.probe([overlay.in_flow('tcp', overlay.sources4[0], 80)]))


def test_out_rules_count_where_output_is_filtered(overlay, tool):
    overlay.serve_at_peer()
    rules = ['in accept 100.64.0.2/32 6 80 in', 'out accept 100.64.0.3/32 6 80-81 out',
             'out drop 100.64.0.3/32 6 81 out', 'out accept fd00::/64 17 - out']
    flows = [(kind, overlay.HERE6 if ':' in peer else overlay.HERE4, peer, port)
             for kind in ('tcp', 'udp') for peer in (overlay.sources4[:2] + overlay.sources6[:1])
             for port in (80, 81)]
    tool.apply(rules)
    assert all(overlay.probe(flows, node=overlay.here))
    tool.ask('config weft0 1 1')
    assert tool.apply(rules)['rebuilt'] == 1
    wanted = [decide(rules, 'out', peer, kind, port) for kind, _, peer, port in flows]
    assert overlay.probe(flows, node=overlay.here) == wanted
    assert any(wanted) and not all(wanted)
    assert overlay.probe([overlay.in_flow('tcp', overlay.sources4[0], 80)]) == [True]


def test_forwarded_packets_are_dropped_but_for_answers(lab, overlay, tool):
    """here is a router between the overlay and a host behind eth0."""
    far = lab.public_host('far')
    overlay.here.sysctl(**{'net.ipv4.ip_forward': 1})
    lab.internet().ip(f'route add 100.64.0.0/16 via {overlay.here.addr4}')
    overlay.peer.ip(f'route add {far.addr4}/32 via {overlay.HERE4} dev weft0')
    inward = [('icmp', overlay.sources4[0], far.addr4, 0)]
    outward = [('icmp', far.addr4, overlay.sources4[0], 0)]
    assert overlay.probe(inward) == [True] and overlay.probe(outward, node=far) == [True]
    tool.apply(['in accept 0.0.0.0/0 all - all'])
    assert overlay.probe(inward) == [False] and overlay.probe(outward, node=far) == [True]
    assert tool.counts()['dropped_forward'] > 0
    tool.ask('config weft0 0 0')
    tool.apply(['in accept 0.0.0.0/0 all - all'])
    assert overlay.probe(inward) == [True]


def test_a_live_stream_goes_on_over_changes_and_rebuilds(overlay, tool):
    """Established comes first; a rebuild is one transaction."""
    rules = ['in accept 100.64.0.2/32 6 80 web']
    tool.apply(rules)
    ping = overlay.peer.popen(['ping', '-n', '-q', '-c', '40', '-i', '0.02', '-I', '100.64.0.3',
                               overlay.HERE4], stdout=-1, text=True)
    tool.apply(rules + ['in accept 100.64.0.3/32 icmp - ping'])
    stream = overlay.peer.popen(['/usr/bin/python3', '-c', STREAM, '100.64.0.2', overlay.HERE4],
                                stdin=-1, stdout=-1, text=True, bufsize=1)
    for step in range(12):
        stream.stdin.write(f'line {step}\n')
        assert stream.stdout.readline() == f'line {step}\n'
        tool.ask(f'config weft0 {step % 2} 0')
        tool.apply(rules + [f'in accept 100.64.0.3/32 icmp - ping{step}'])
    ping.wait(10)
    received = int(ping.stdout.read().split(' received')[0].split()[-1])
    assert received >= 30  # those before the rule are lost


STREAM = '''
import socket, sys
s = socket.create_connection((sys.argv[2], 80), timeout=5, source_address=(sys.argv[1], 0))
f = s.makefile("rw")
for line in sys.stdin:
    f.write(line); f.flush()
    print(f.readline(), end="", flush=True)
'''
