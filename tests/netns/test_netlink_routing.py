# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses, routes and rules: desired states on a real kernel, judged by ip(8). WireGuard is
wireguard-go here; tests/vm repeats the same with the kernel's."""

import pytest
from nl import Tool, ip_json, key_pair

TABLE = 5745


@pytest.fixture
def host(lab):
    return lab.public_host('host')


@pytest.fixture
def tool(host):
    made = Tool(host, uapi={})
    yield made
    host.run(['sh', '-c', 'rm -f /var/run/wireguard/*.sock'])


@pytest.fixture
def state():
    return {
        'name': 'weft0', 'mtu': 1280, 'private_key': key_pair()[0],
        'addrs': ['10.9.0.1/16', 'fd09::1/64'],
        'routes': [{'dst': '10.77.0.0/16', 'table': TABLE}, {'dst': '10.78.0.0/16', 'src': '10.9.0.1'},
                   {'dst': 'fd77::/48', 'table': TABLE, 'mtu': 1280},
                   {'dst': '::/0', 'type': 'unreachable', 'table': TABLE}],
        'rules': [{'priority': 5740, 'table': 254, 'suppress_prefix': 0},
                  {'priority': 5741, 'table': TABLE, 'fwmark': 0x5745, 'invert': True},
                  {'family': 6, 'priority': 5741, 'table': TABLE, 'fwmark': 0x5745, 'invert': True}],
    }


def ours(host, family=4):
    """(destination, table) of our routes."""
    routes = ip_json(host, f'-{family}', 'route', 'show', 'table', 'all', 'proto', '87')
    return {(r['dst'], str(r.get('table', 'main'))) for r in routes}


def addresses(host, name='weft0'):
    [link] = ip_json(host, 'addr', 'show', 'dev', name)
    return {f'{a["local"]}/{a["prefixlen"]}' for a in link['addr_info'] if a['scope'] != 'link'}


def foreign_view(host):
    """Everything that is not ours, in text."""
    keep = []
    for words in (['route', 'show', 'table', 'all'], ['-6', 'route', 'show', 'table', 'all'], ['rule'],
                  ['-6', 'rule'], ['-o', 'addr']):
        for line in host.run(['ip', *words]).stdout.splitlines():
            if 'weft0' not in line and 'proto 87' not in line:
                keep.append(line)
    return keep


def test_a_state_is_established_and_stays(host, tool, state):
    answer = tool.settle(state)
    assert answer['problems'] == []
    assert addresses(host) == {'10.9.0.1/16', 'fd09::1/64'}
    assert ours(host) == {('10.77.0.0/16', str(TABLE)), ('10.78.0.0/16', 'main')}
    assert ours(host, 6) == {('fd77::/48', str(TABLE)), ('default', str(TABLE))}
    rules = [r for r in ip_json(host, 'rule') if r.get('protocol') == '87']
    assert [r['priority'] for r in rules] == [5740, 5741]
    assert rules[0]['suppress_prefixlen'] == 0
    assert rules[1]['not'] is None and rules[1]['fwmark'] == '0x5745'
    [link] = ip_json(host, 'link', 'show', 'weft0')
    assert link['mtu'] == 1280 and link['ifalias'] == 'weft'


def test_nothing_foreign_changes(host, tool, state):
    host.ip(f'route add 172.16.0.0/12 via {host.gateway4} proto static',
            'rule add pref 100 from 9.9.9.9 table 7',
            f'route add 172.20.0.0/16 via {host.gateway4} table {TABLE}',
            f'route add default via {host.gateway4} table 7')
    before = foreign_view(host)
    tool.settle(state)
    assert foreign_view(host) == before
    tool.settle({**state, 'addrs': ['10.9.0.7/16'], 'routes': [], 'rules': []})
    assert foreign_view(host) == before
    tool.call('teardown')
    assert foreign_view(host) == before


def test_a_foreign_address_on_our_link_is_left_alone(host, tool, state):
    tool.settle(state)
    host.ip('addr add 192.0.2.77/32 dev weft0')
    tool.settle({**state, 'addrs': ['10.9.0.2/16'], 'routes': []})
    assert addresses(host) == {'10.9.0.2/16', '192.0.2.77/32'}


def test_a_new_address_of_the_same_subnet_keeps_the_routes(host, tool, state):
    """The kernel takes all routes of a link with its last address."""
    tool.settle(state)
    later = {**state, 'addrs': ['10.9.0.2/16', 'fd09::2/64'],
             'routes': [{'dst': '10.77.0.0/16', 'table': TABLE}, {'dst': '10.78.0.0/16', 'src': '10.9.0.2'},
                        {'dst': 'fd77::/48', 'table': TABLE, 'mtu': 1280},
                        {'dst': '::/0', 'type': 'unreachable', 'table': TABLE}]}
    answer = tool.settle(later)
    assert answer['problems'] == []
    assert addresses(host) == {'10.9.0.2/16', 'fd09::2/64'}
    assert ours(host) == {('10.77.0.0/16', str(TABLE)), ('10.78.0.0/16', 'main')}


@pytest.mark.parametrize('promote', [0, 1])
def test_secondary_addresses_survive_their_primary(host, tool, state, promote):
    tool.settle({**state, 'addrs': ['10.9.0.1/16', '10.9.0.2/16', '10.9.0.3/16'], 'routes': [], 'rules': []})
    host.sysctl(**{'net.ipv4.conf.weft0.promote_secondaries': promote})
    answer = tool.settle({**state, 'addrs': ['10.9.0.2/16', '10.9.0.3/16'], 'routes': [], 'rules': []})
    assert answer['problems'] == []
    assert addresses(host) == {'10.9.0.2/16', '10.9.0.3/16'}


def test_an_ipv6_address_changes_its_length(host, tool, state):
    tool.settle(state)
    tool.settle({**state, 'addrs': ['10.9.0.1/16', 'fd09::1/48']})
    assert addresses(host) == {'10.9.0.1/16', 'fd09::1/48'}


def test_what_someone_took_away_comes_back(host, tool, state):
    tool.settle(state)
    host.ip('route del 10.78.0.0/16', 'rule del pref 5741', 'addr del fd09::1/64 dev weft0')
    answer = tool.settle(state)
    assert sorted(answer['ops']) == ['add address fd09::1/64', 'add route 10.78.0.0/16',
                                     f'add rule 5741 (table {TABLE})']
    host.ip('link set weft0 down')
    tool.settle(state)
    assert ours(host) == {('10.77.0.0/16', str(TABLE)), ('10.78.0.0/16', 'main')}


def test_a_changed_route_is_replaced_in_one_step(host, tool, state):
    tool.settle(state)
    routes = [dict(r) for r in state['routes']]
    routes[0]['mtu'] = 1300
    answer = tool.settle({**state, 'routes': routes})
    assert answer['ops'] == ['replace route 10.77.0.0/16']
    [route] = ip_json(host, 'route', 'show', 'table', str(TABLE), '10.77.0.0/16')
    assert route['metrics'][0]['mtu'] == 1300


def test_a_route_that_someone_else_has_is_reported_and_left(host, tool, state):
    host.ip('route add 10.78.0.0/16 dev eth0')
    error = tool.refused('reconcile', state=state)
    assert error.code == 'exists'
    assert error.text.startswith('link weft0: add route 10.78.0.0/16: RTNETLINK: ')
    assert ('10.77.0.0/16', str(TABLE)) in ours(host), 'the rest went on'
    assert [r['dev'] for r in ip_json(host, 'route', 'show', '10.78.0.0/16')] == ['eth0']


def test_the_kernels_reason_is_in_the_error(host, tool):
    """link weft0: add route 10.0.0.0/8: RTNETLINK: Nexthop has invalid gateway"""
    error = tool.refused('reconcile', state={'private_key': key_pair()[0], 'addrs': ['10.9.0.1/16'],
                                             'routes': [{'dst': '10.0.0.0/8', 'gateway': '203.0.113.1'}]})
    assert error.text == 'link weft0: add route 10.0.0.0/8: RTNETLINK: Nexthop has invalid gateway'


def test_impossible_wishes_are_reported_and_the_rest_is_done(host, tool):
    answer = tool.settle({
        'private_key': key_pair()[0], 'mtu': 1000, 'addrs': ['10.9.0.1/16', '10.9.0.1/33', 'fd09::1/64'],
        'routes': [{'dst': '10.77.0.0/40'}, {'dst': '10.78.0.0/16'}, {'dst': '10.78.0.0/16', 'mtu': 1300}],
        'rules': [{'priority': 0, 'table': 7}]})
    assert len(answer['problems']) == 5, answer['problems']
    assert addresses(host) == {'10.9.0.1/16', 'fd09::1/64'}
    [link] = ip_json(host, 'link', 'show', 'weft0')
    assert link['mtu'] == 1280, 'IPv6 needs that much'
    [route] = ip_json(host, 'route', 'show', '10.78.0.0/16')
    assert route['metrics'][0]['mtu'] == 1300, 'the later one wins'


def test_a_link_of_someone_else_is_refused(host, tool, state):
    host.ip('link add weft0 type bridge', 'addr add 10.1.1.1/24 dev weft0')
    before = host.run(['ip', 'addr']).stdout
    answer = tool.reconcile(state)
    assert answer['ops'] == []
    assert answer['problems'] == ['link weft0: the name is taken by a link of someone else']
    assert tool.refused('create').code == 'foreign'
    assert tool.refused('destroy').code == 'foreign'
    assert host.run(['ip', 'addr']).stdout == before


def test_teardown_leaves_nothing_of_ours(host, tool, state):
    tool.settle(state)
    tool.call('teardown')
    assert ours(host) == ours(host, 6) == set()
    assert ip_json(host, 'link', 'show', 'weft0') == []
    assert not [r for r in ip_json(host, 'rule') if r.get('protocol') == '87']
    tool.call('teardown')


def test_the_way_of_a_packet(host, tool, state):
    tool.settle(state)
    weft = ip_json(host, 'link', 'show', 'weft0')[0]['ifindex']
    eth = ip_json(host, 'link', 'show', 'eth0')[0]['ifindex']
    answer = tool.call('ask', dst='10.77.1.1')
    assert (answer['ifindex'], answer['src'], answer['table']) == (weft, '10.9.0.1', TABLE)
    answer = tool.call('ask', dst='10.77.1.1', fwmark=0x5745)
    assert (answer['ifindex'], answer['src']) == (eth, host.addr4), 'our own sockets go around'
    assert answer['gateway'] == host.gateway4
    answer = tool.call('ask', dst='2001:db8::1', fwmark=0x5745)
    assert (answer['ifindex'], answer['src']) == (eth, host.addr6)
    assert tool.refused('ask', dst='2001:db8::1').code == 'not-found', 'unreachable in our table'
    host.ip('route add prohibit 10.200.0.0/16', 'route add blackhole 10.201.0.0/16')
    for dst in ('10.200.0.1', '10.201.0.1'):
        assert tool.refused('ask', dst=dst, fwmark=0x5745).code == 'not-found'


def test_the_default_route(host, tool):
    eth = ip_json(host, 'link', 'show', 'eth0')[0]['ifindex']
    for family, gateway in ((4, host.gateway4), (6, host.gateway6)):
        answer = tool.call('default', family=family)
        assert (answer['ifindex'], answer['gateway']) == (eth, gateway)
        assert tool.refused('default', family=family, **{'except': eth}).code == 'not-found'
    host.ip('link add d0 type bridge', 'addr add 10.5.0.1/24 dev d0', 'link set d0 up',
            'route add default via 10.5.0.2 dev d0 metric 50')
    assert tool.call('default', **{'except': eth})['gateway'] == '10.5.0.2'
    host.ip('link set d0 down')
    assert tool.refused('default', **{'except': eth}).code == 'not-found'


def test_candidates_leave_out_what_is_no_way_to_us(host, tool, state):
    tool.settle(state)
    for name in ('docker0', 'br-1234', 'veth123', 'wt0', 'tun0', 'zt7', 'ts0', 'tailscale0', 'weft07'):
        host.ip(f'link add {name} type bridge', f'addr add 10.100.0.{len(name)}/24 dev {name}',
                f'link set {name} up')
    host.ip('link add lan0 type bridge', 'addr add 10.50.0.1/24 dev lan0', 'addr add fd50::1/64 dev lan0 nodad',
            'link set lan0 up', 'link add off0 type bridge', 'addr add 10.51.0.1/24 dev off0')
    assert set(tool.call('candidates')['addresses']) == {host.addr4, host.addr6, '10.50.0.1', 'fd50::1'}
    assert set(tool.call('candidates', no_ipv6=True)['addresses']) == {host.addr4, '10.50.0.1'}
