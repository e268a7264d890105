# SPDX-License-Identifier: GPL-3.0-or-later
"""Flows: dumped with their counters, deleted by predicates; judged by conntrack(8)."""

import pytest
from lab import wait_until
from nl import Tool

LISTEN = '''
import socket, sys
u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); u.bind(('::', int(sys.argv[1])))
print('ready', flush=True)
while True:
    data, peer = u.recvfrom(2048); u.sendto(data, peer)
'''
ASK = '''
import socket, sys
u = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(5); u.bind(('', int(sys.argv[3]))); u.connect((sys.argv[1], int(sys.argv[2])))
u.send(b'x' * 100); u.recv(2048)
'''
PYTHON = '/usr/bin/python3'


@pytest.fixture
def pair(lab):
    """A server that tracks connections and echoes on UDP 5000, and a client."""
    import subprocess
    server, client = lab.public_host('server'), lab.public_host('client')
    server.nft('table inet t { chain in { type filter hook input priority 0; ct state new accept; }; }')
    server.sysctl(**{'net.netfilter.nf_conntrack_acct': 1})
    echo = server.popen([PYTHON, '-c', LISTEN, '5000'], stdout=subprocess.PIPE)
    assert echo.stdout.readline() == b'ready\n'
    return server, client


def ask(client, address, source):
    client.run([PYTHON, '-c', ASK, address, '5000', source])


def listed(server, family='ipv4'):
    """Source ports of UDP flows that conntrack(8) lists."""
    text = server.run(['conntrack', '-L', '-f', family, '-p', 'udp']).stdout
    return {word.split('=')[1] for line in text.splitlines() for word in line.split()[:8]
            if word.startswith('sport=')}


def test_flows_are_dumped_with_their_counters(pair):
    server, client = pair
    tool = Tool(server)
    ask(client, server.addr4, 4001)
    ask(client, server.addr6, 4002)
    for family, address, port, size in ((4, client.addr4, 4001, 128), (6, client.addr6, 4002, 148)):
        [flow] = tool.call('ct-dump', protocol=17, src=f'{address}/{32 if family == 4 else 128}')['flows']
        assert flow['src'] == (f'{address}:{port}' if family == 4 else f'[{address}]:{port}')
        assert flow['orig_packets'] == flow['reply_packets'] == 1
        assert flow['orig_bytes'] == flow['reply_bytes'] == size


def test_exactly_the_matching_flows_are_deleted(pair):
    server, client = pair
    tool = Tool(server)
    for source in range(4000, 4006):
        ask(client, server.addr4, source)
    ask(client, server.addr6, 4000)
    assert tool.call('ct-delete', matches=[])['deleted'] == 0
    assert tool.call('ct-delete', matches=[{'src': '203.0.113.0/24'}, {'protocol': 6}])['deleted'] == 0
    assert listed(server) == {str(n) for n in range(4000, 4006)}
    answer = tool.call('ct-delete', matches=[
        {'src': f'{client.addr4}/32', 'protocol': 17, 'dst_port_first': 5000, 'dst_port_last': 5000,
         'src_port_first': 4001, 'src_port_last': 4002},
        {'src': f'{client.addr4}/24', 'src_port_first': 4004, 'src_port_last': 4004},
        {'src': f'{client.addr4}/32', 'dst_port_first': 5001, 'dst_port_last': 5001}])
    assert answer['deleted'] == 3
    assert listed(server) == {'4000', '4003', '4005'}
    assert listed(server, 'ipv6') == {'4000'}
    assert tool.call('ct-delete', matches=[{'src': '::/0'}])['deleted'] >= 1
    assert listed(server, 'ipv6') == set()
    assert listed(server) == {'4000', '4003', '4005'}


def test_marks_and_zones_are_told_apart(pair):
    server, client = pair
    server.nft('table inet m { chain pre { type filter hook prerouting priority -310; '
               'udp sport 4100 ct zone set 7; }; chain in { type filter hook input priority 10; '
               'udp sport 4101 ct mark set 0x5745; }; }')
    tool = Tool(server)
    ask(client, server.addr4, 4101)
    ask(client, server.addr4, 4102)
    client.run([PYTHON, '-c', ASK.replace('; u.recv(2048)', ''), server.addr4, '5000', '4100'])
    wait_until(lambda: '4100' in listed(server), what='the flow of zone 7')
    [flow] = tool.call('ct-dump', mark=0x5745, mark_mask=0xffff)['flows']
    assert flow['src'].endswith(':4101') and flow['mark'] == 0x5745
    assert tool.call('ct-delete', matches=[{'mark': 0x5745, 'mark_mask': 0xffff}])['deleted'] == 1
    assert tool.call('ct-delete', matches=[{'zone': 7}])['deleted'] == 1
    assert '4102' in listed(server) and not {'4100', '4101'} & listed(server)


def test_icmp_flows_can_be_deleted(pair):
    server, client = pair
    tool = Tool(server)
    assert client.ping(server.addr4) and client.ping(server.addr6)
    assert tool.call('ct-delete', matches=[{'protocol': 1}, {'protocol': 58, 'src': f'{client.addr6}/128'}]
                     )['deleted'] == 2
    assert tool.call('ct-dump', protocol=1)['flows'] == []
