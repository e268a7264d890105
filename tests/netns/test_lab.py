# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab itself: each NAT behaves as RFC 4787 names it, nothing leaks, nothing is left behind."""

import os
import subprocess

import pytest

from lab import BUILD, Lab, LabError, NAT_KINDS, skip_reason, wait_until
from udp import Udp, filtering, mapping


class Servers:
    """Two public hosts; one with two ports: what RFC 5780 asks for."""

    def __init__(self, lab):
        self.first, second = lab.public_host('first'), lab.public_host('second')
        self.one, self.one_port2 = Udp(self.first, 5000), Udp(self.first, 5001)
        self.two = Udp(second, 5000)
        self.all = self.one, self.one_port2, self.two


@pytest.fixture
def servers(lab):
    return Servers(lab)


BEHAVIOURS = [(kind, hairpin, *NAT_KINDS[kind][:2]) for kind in NAT_KINDS if kind != 'udp-blocked'
              for hairpin in (False, True)]


@pytest.mark.parametrize('kind,hairpin,maps,filters', BEHAVIOURS)
def test_nat_maps_and_filters_as_its_kind_says(lab, servers, kind, hairpin, maps, filters):
    host = lab.host('host', behind=lab.nat('nat', kind=kind, hairpin=hairpin))
    assert mapping(Udp(host, 4000), *servers.all) == maps
    assert filtering(Udp(host, 4001), *servers.all) == filters
    assert host.ping(servers.first.addr4)


@pytest.mark.parametrize('kind', [kind for kind in NAT_KINDS if NAT_KINDS[kind][0] == 'endpoint'
                                  and kind != 'udp-blocked'])
def test_nat_keeps_a_port_and_gives_another_to_the_second_host(lab, servers, kind):
    nat = lab.nat('nat', kind=kind)
    one, two = (Udp(lab.host(name, behind=nat), 4000) for name in ('one', 'two'))
    assert one.seen_by(servers.one) == (nat.addr4, 4000)
    addr, port = two.seen_by(servers.one)
    assert addr == nat.addr4 and port != 4000
    servers.one.send((addr, port), 'to two')
    servers.one.send((nat.addr4, 4000), 'to one')
    assert two.receive()[0] == 'to two'
    assert one.receive()[0] == 'to one'


@pytest.mark.parametrize('kind', ['endpoint-independent', 'address-restricted', 'port-restricted'])
def test_hairpin_reaches_the_neighbour_under_its_public_address(lab, servers, kind):
    nat = lab.nat('nat', kind=kind, hairpin=True)
    one, two = (Udp(lab.host(name, behind=nat), 4000) for name in ('one', 'two'))
    seen_one, seen_two = one.seen_by(servers.one), two.seen_by(servers.one)
    one.send(seen_two, 'opens')
    two.send(seen_one, 'hello')
    assert one.receive() == ('hello', seen_two)


def test_without_hairpin_the_public_address_of_the_neighbour_is_silent(lab, servers):
    nat = lab.nat('nat', kind='endpoint-independent')
    one, two = (Udp(lab.host(name, behind=nat), 4000) for name in ('one', 'two'))
    one.send(two.seen_by(servers.one), 'lost')
    one.send(two, 'over the lan')
    assert two.receive()[0] == 'over the lan'


def test_blocked_udp_leaves_tcp_alone(lab, servers):
    nat = lab.nat('nat', kind='udp-blocked')
    host = lab.host('host', behind=nat)
    assert host.ping(servers.first.addr4)
    client = Udp(host)
    assert client.seen_by(servers.one, timeout=0.3) is None
    assert tcp_works(host, servers.first)
    nat.set_udp(True)
    assert client.seen_by(servers.one) is not None


def tcp_works(client, server, port=7000):
    listener = server.popen(['socat', f'TCP-LISTEN:{port},reuseaddr', 'EXEC:cat'])
    wait_until(lambda: f':{port}' in server.run(['ss', '-Htln']).stdout, what='listener')
    done = client.run(['socat', '-', f'TCP:{server.addr4}:{port}'], input='hello', check=False)
    listener.wait(5)
    return done.stdout == 'hello'


def test_double_nat_takes_the_stricter_of_both(lab, servers):
    outer = lab.nat('outer', kind='symmetric')
    inner = lab.nat('inner', kind='endpoint-independent', behind=outer)
    host = lab.host('host', behind=inner)
    assert inner.addr4.startswith(outer.lan.rsplit('.', 1)[0])
    assert mapping(Udp(host), *servers.all) == 'port'
    assert filtering(Udp(host), *servers.all) == 'port'


def test_two_port_restricted_sides_can_punch_a_hole(lab, servers):
    """An early packet that was dropped must not spoil the mapping."""
    one, two = (Udp(lab.host(name, behind=lab.nat(name + '-home')), 4000) for name in ('one', 'two'))
    seen_one, seen_two = one.seen_by(servers.one), two.seen_by(servers.one)
    one.send(seen_two, 'dropped')
    two.send(seen_one, 'arrives')
    assert one.receive() == ('arrives', seen_two)
    one.send(seen_two, 'arrives too')
    assert two.receive() == ('arrives too', seen_one)


def test_ipv6_only_host_reaches_the_internet_and_a_firewalled_home(lab):
    six = lab.public_host('six', v4=False)
    server = lab.public_host('server')
    home = lab.nat('home', v6='firewall')
    inside = lab.host('inside', behind=home)
    assert six.addr4 is None and six.ping(server.addr6)
    assert inside.ping(six.addr6)
    lone, asked = Udp(six, 4000), Udp(inside, 4000, addr=inside.addr6)
    lone.send(asked, 'dropped')
    asked.send(lone, 'opens')
    assert lone.receive() == ('opens', (inside.addr6, 4000))
    lone.send(asked, 'answer')
    assert asked.receive()[0] == 'answer'


def test_a_moved_host_has_other_addresses_and_works(lab, servers):
    home, cafe = lab.nat('home'), lab.nat('cafe', kind='symmetric')
    host = lab.host('host', behind=home)
    assert host.ping(servers.first.addr4)
    before = host.addr4
    lab.move(host, to=cafe)
    assert host.addr4 != before and host.ping(servers.first.addr4)
    lab.move(host)
    assert Udp(host, 4000).seen_by(servers.one) == (host.addr4, 4000)


def test_a_pulled_cable_cuts_and_heals(lab):
    one, two = lab.public_host('one'), lab.public_host('two')
    assert one.ping(two.addr4)
    one.link(False)
    assert not one.ping(two.addr4, wait=1)
    one.link(True)
    assert wait_until(lambda: one.ping(two.addr4), what='ping')


def test_forgotten_mappings_are_made_anew(lab, servers):
    for kind in ('symmetric', 'endpoint-independent'):
        nat = lab.nat(kind, kind=kind)
        client = Udp(lab.host('host', behind=nat))
        where = client.seen_by(servers.one)
        nat.forget()
        servers.one.send(where, 'lost')
        client.seen_by(servers.one)
        servers.one.send(where if kind != 'symmetric' else client.seen_by(servers.one), 'last')
        assert client.receive()[0] == 'last'


def test_large_datagrams_pass_every_nat(lab, servers):
    for kind in ('port-restricted', 'endpoint-independent'):
        client = Udp(lab.host('host', behind=lab.nat(kind, kind=kind)))
        client.send(servers.one, 'x' * 4000)
        data, source = servers.one.receive()
        assert data == 'x' * 4000
        servers.one.send(source, 'y' * 4000)
        assert client.receive()[0] == 'y' * 4000


def test_nodes_share_neither_run_nor_etc(lab):
    one, two = lab.public_host('one'), lab.public_host('two')
    resolver = open('/etc/resolv.conf').read() if os.path.exists('/etc/resolv.conf') else None
    one.run(['sh', '-c', 'echo nameserver 9.9.9.9 >/etc/resolv.conf.new &&'
             ' mv /etc/resolv.conf.new /etc/resolv.conf && touch /run/wireguard/weft0.sock'])
    assert not (two.root / 'run/wireguard/weft0.sock').exists()
    assert (one.root / 'etc/resolv.conf').read_text() == 'nameserver 9.9.9.9\n'
    assert (two.root / 'etc/resolv.conf').read_text() == ''
    if resolver is not None:
        assert open('/etc/resolv.conf').read() == resolver
    lab.resolve('vpn.example.org', two.addr4)
    assert one.ping('vpn.example.org')
    assert one.run(['hostname']).stdout == 'one\n'


def test_an_error_names_node_and_command(lab):
    host = lab.public_host('host')
    with pytest.raises(LabError, match='host: ip link del nothing: status 1'):
        host.run(['ip', 'link', 'del', 'nothing'])


def test_a_failed_lab_leaves_nothing(lab):
    links = subprocess.run(['ip', '-o', 'link'], capture_output=True, text=True).stdout
    inner = Lab()
    with pytest.raises(RuntimeError):
        with inner:
            host = inner.host('host', behind=inner.nat('nat', kind='address-restricted'))
            daemon = host.run(['sh', '-c', 'setsid sleep 300 >/dev/null 2>&1 & echo $!']).stdout
            pids = [node.pid for node in inner.nodes] + [int(daemon)]
            raise RuntimeError
    assert not any(os.path.exists(f'/proc/{pid}') for pid in pids[:-1])
    wait_until(lambda: not os.path.exists(f'/proc/{pids[-1]}') or
               open(f'/proc/{pids[-1]}/stat').read().split()[2] == 'Z', what='end of the daemon')
    assert not inner.tmp.exists()
    assert subprocess.run(['ip', '-o', 'link'], capture_output=True, text=True).stdout == links


def test_a_killed_test_leaves_nothing():
    if skip_reason():
        pytest.skip(skip_reason())
    code = ('import sys, signal, os; sys.path.insert(0, sys.argv[1]); from lab import Lab\n'
            'lab = Lab().__enter__(); h = lab.host("h", behind=lab.nat("n", "address-restricted"))\n'
            'print(*[n.pid for n in lab.nodes], lab.tmp, flush=True)\n'
            'os.kill(os.getpid(), signal.SIGKILL)')
    done = subprocess.run(['/usr/bin/python3', '-c', code, os.path.dirname(__file__)],
                          capture_output=True, text=True)
    *pids, tmp = done.stdout.split()
    assert len(pids) == 3
    wait_until(lambda: not any(os.path.exists(f'/proc/{pid}') and
                               open(f'/proc/{pid}/stat').read().split()[2] != 'Z' for pid in pids),
               what='end of the nodes')
    subprocess.run(['rm', '-rf', tmp], check=True)


def test_natd_refuses_what_it_does_not_know():
    natd = BUILD / 'tests/netns/natd'
    if not natd.exists():
        pytest.skip('natd is not built')
    assert subprocess.run([natd], capture_output=True).returncode == 2
    assert subprocess.run([natd, 'a', 'b', '1.2.3.4', 'round', 'port'],
                          capture_output=True).returncode == 2
