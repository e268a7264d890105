# SPDX-License-Identifier: GPL-3.0-or-later
"""relayd's workers as STUN and TURN server for coturn's tools, and for a client of our own where
the tools do not look: client, relay and peer are three hosts of a public internet."""

import json
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from lab import BUILD, wait_until

RELAY = BUILD / 'tests' / 'netns' / 'relay-bare'
CLIENT = Path(__file__).with_name('turn.py')
PORT, TLS_PORT = 3478, 5349

pytestmark = [
    pytest.mark.skipif(not RELAY.exists(), reason='relay-bare is not built'),
    pytest.mark.skipif(not shutil.which('turnutils_uclient'), reason='no coturn tools (Debian: coturn)'),
]

ECHO = '''import socket, sys
family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
s.bind((sys.argv[1], int(sys.argv[2])))
print('ready', flush=True)
while True:
    data, who = s.recvfrom(65536)
    s.sendto(data, who)
'''


class Relayd:
    """The server on its host; options as relay-bare knows them."""

    def __init__(self, node, *options):
        self.node = node
        self.options = ['--udp', f'[::]:{PORT}', '--tcp', f'[::]:{PORT}', '--relay', node.addr4,
                        '--relay', node.addr6, '--user', 'u:p', '--answers', '0',
                        # The tools' peers are relayed addresses of this very server.
                        '--allow', '0.0.0.0/0', '--allow', '::/0', *options]
        self.start()

    def start(self):
        self.process = self.node.popen([RELAY, *self.options], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline().startswith('ready')

    def child(self):
        """The program itself: the process is nsenter, which becomes it."""
        return self.process

    def counters(self):
        self.process.send_signal(signal.SIGUSR1)
        lines = iter(self.process.stdout.readline, 'end\n')
        return {name: int(value) for name, value in (line.split() for line in lines)}


class Net:
    def __init__(self, lab):
        self.client, self.relay, self.peer = (lab.public_host(n) for n in ('client', 'relay', 'peer'))

    def echo(self, address=None, port=7000):
        process = self.peer.popen(['/usr/bin/python3', '-c', ECHO, address or self.peer.addr4, port],
                                  stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == 'ready\n'

    def turn(self, scenario, argument='', peer=None, timeout=40, node=None):
        peer = peer or f'{self.peer.addr4}:7000'
        done = (node or self.client).run(
            ['/usr/bin/python3', CLIENT, f'{self.relay.addr4}:{PORT}', peer, scenario, argument],
            timeout=timeout)
        return json.loads(done.stdout.splitlines()[-1])

    def uclient(self, *options, count=4, messages=100, length=170, address=None, timeout=60, check=True):
        done = self.client.run(
            ['turnutils_uclient', '-u', 'u', '-w', 'p', '-m', count, '-n', messages, '-l', length,
             *options, address or self.relay.addr4], timeout=timeout, check=False)
        text = done.stdout + done.stderr
        if check:
            assert 'Total lost packets 0 ' in text, text[-2000:]
        return text


@pytest.fixture
def net(lab):
    return Net(lab)


@pytest.fixture
def certificate(tmp_path):
    cert, key = tmp_path / 'cert.pem', tmp_path / 'key.pem'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
                    '-nodes', '-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=relay.test'],
                   check=True, capture_output=True)
    return cert, key


def test_stunclient_sees_its_address(net):
    Relayd(net.relay)
    for mine, server in ((net.client.addr4, net.relay.addr4), (net.client.addr6, net.relay.addr6)):
        out = net.client.run(['turnutils_stunclient', '-p', PORT, server]).stdout
        assert f'reflexive addr: {mine}:' in out or f'reflexive addr: [{mine}]:' in out, out


def test_natdiscovery_learns_its_address(net):
    """Its first question is an ordinary Binding; more of RFC 5780 a server with one address has
    not to offer."""
    Relayd(net.relay)
    out = net.client.run(['turnutils_natdiscovery', '-m', '-p', PORT, net.relay.addr4], check=False)
    assert f'UDP reflexive addr: {net.client.addr4}:' in out.stdout + out.stderr


@pytest.mark.parametrize('options', [(), ('-s',), ('-t',), ('-t', '-s'), ('-g',), ('-x',)],
                         ids=['channels', 'indications', 'tcp', 'tcp-indications', 'df', 'ipv6'])
def test_uclient_between_two_clients(net, options):
    Relayd(net.relay)
    net.uclient('-y', '-c', *options)


def test_uclient_over_tls(net, certificate):
    cert, key = certificate
    Relayd(net.relay, '--tls', f'[::]:{TLS_PORT}', '--cert', cert, '--key', key)
    net.uclient('-y', '-c', '-t', '-S', '-p', TLS_PORT)


def test_uclient_to_turnutils_peer(net):
    server = Relayd(net.relay, '--workers', '2')
    net.peer.popen(['turnutils_peer', '-p', 3480, '-L', net.peer.addr4], stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    net.uclient('-e', net.peer.addr4, '-r', 3480, '-c')
    assert server.counters()['to_client_packets'] == 400


def test_uclient_with_rest_credentials(net):
    Relayd(net.relay, '--secret', 'north', '--secret', 'south')
    for secret in ('north', 'south'):
        done = net.client.run(['turnutils_uclient', '-u', 'anyone', '-W', secret, '-y', '-c', '-m', 2,
                               '-n', 20, net.relay.addr4], timeout=60, check=False)
        assert 'Total lost packets 0 ' in done.stdout + done.stderr


def test_wrong_password_is_refused(net):
    server = Relayd(net.relay)
    done = net.client.run(['turnutils_uclient', '-u', 'u', '-w', 'wrong', '-y', '-c', net.relay.addr4],
                          check=False)
    assert done.returncode != 0
    counters = server.counters()
    assert counters['err_401'] >= 2 and 'allocated' not in counters


def test_icmp_errors_reach_the_client(net):
    Relayd(net.relay)
    got = net.turn('icmp')  # nobody listens at the peer
    assert got['from'] == [net.peer.addr4, 7000] and got['data'] is None
    assert got['icmp'] == '0000060300000000'  # type 3 in 7 bits, code 3 in 9
    assert got['lifetime'] == 600


def test_an_unroutable_peer_costs_its_own_packets_only(net):
    Relayd(net.relay)
    net.echo()
    net.relay.ip('route add unreachable 198.18.9.9')
    assert net.turn('unroutable', '198.18.9.9') == {'echoed': 20, 'lifetime': 600}


def test_a_client_starts_again_on_the_same_five_tuple(net):
    Relayd(net.relay)
    assert net.turn('restart', '5555') == {'first': 437, 'again': True}


@pytest.mark.parametrize('options', [(), ('--no-gro', '--no-gso')], ids=['offload', 'plain'])
def test_payloads_of_every_size(net, options):
    Relayd(net.relay, *options)
    net.echo()
    assert all(by_channel and by_send for _, by_channel, by_send in net.turn('sizes')['sizes'])


@pytest.mark.parametrize('options', [(), ('--no-gso',), ('--no-gro',)], ids=['both', 'gro', 'gso'])
def test_trains_keep_order_and_content(net, options):
    server = Relayd(net.relay, *options)
    net.echo()
    assert net.turn('trains', '50') == {'wrong': 0}
    assert server.counters()['to_peer_packets'] == 50 * 31


def test_reload_under_traffic_loses_nothing(net):
    server = Relayd(net.relay, '--workers', '2')
    run = net.client.popen(['turnutils_uclient', '-u', 'u', '-w', 'p', '-y', '-c', '-m', '8', '-n', '300',
                            net.relay.addr4], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until(lambda: server.counters().get('to_client_packets', 0) > 50, what='traffic')
    for _ in range(5):
        server.process.send_signal(signal.SIGHUP)
        assert server.process.stdout.readline() == 'reloaded\n'
    out = run.communicate(timeout=60)[0]
    assert 'Total lost packets 0 ' in out, out[-2000:]


def test_clients_come_back_after_a_crash(net):
    server = Relayd(net.relay)
    client = net.client.popen(['/usr/bin/python3', CLIENT, f'{net.relay.addr4}:{PORT}', '192.0.2.1:1', 'again'],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert client.stdout.readline() == 'allocated\n'
    server.process.kill()
    server.process.wait()
    client.stdin.write('go\n')
    client.stdin.flush()
    server.start()
    assert json.loads(client.communicate(timeout=20)[0])['seconds'] < 2


def test_a_flood_of_strangers_does_not_hurt_others(net):
    server = Relayd(net.relay, '--answers', '100')  # the later option wins
    flood = net.peer.popen(['/usr/bin/python3', CLIENT, f'{net.relay.addr4}:{PORT}', '192.0.2.1:1', 'flood', '12'],
                           stdout=subprocess.PIPE, text=True)
    wait_until(lambda: server.counters().get('drop_rate', 0) > 100, what='flood')
    text = net.uclient('-y', '-c', count=10, messages=200, check=False)
    lost = float(re.search(r'Total lost packets \d+ \(([\d.]+)%\)', text)[1])
    assert lost <= 0.1, text[-1000:]
    sent = json.loads(flood.communicate(timeout=40)[0])['sent']
    counters = server.counters()
    assert sent > 1000 and counters['drop_malformed'] > 100
    assert counters.get('drop_overflow', 0) == 0


def test_half_open_streams_are_bounded(net):
    """Connections that never say a word give their places to those that do."""
    server = Relayd(net.relay, '--streams', '32')
    hoard = '''import socket, sys, time
s = [socket.create_connection((sys.argv[1], 3478)) for _ in range(100)]
print('ready', flush=True)
time.sleep(60)
'''
    process = net.peer.popen(['/usr/bin/python3', '-c', hoard, net.relay.addr4], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'ready\n'
    wait_until(lambda: server.counters().get('streams', 0) >= 32, what='connections')
    wait_until(lambda: 'Total lost packets 0 ' in net.uclient('-y', '-c', '-t', count=2, check=False),
               timeout=30, what='a client among the hoarders')
