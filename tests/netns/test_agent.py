# SPDX-License-Identifier: GPL-3.0-or-later
"""Agents, the three servers and the NATs between them, all of it at once."""

import pytest
from lab import BUILD, Lab, skip_reason, wait_until
from weft import StockPeer, Weft

pytestmark = pytest.mark.skipif(skip_reason() is not None, reason=str(skip_reason()))


@pytest.fixture
def lab():
    with Lab() as made:
        yield made


@pytest.fixture
def weft(lab, tmp_path):
    made = Weft(lab, tmp_path)
    try:
        yield made
    finally:
        made.close()
        print(made.logs())


def path_between(one, other):
    return wait_until(lambda: (one.peer(other.host.name) or {}).get('path') == 'direct',
                      timeout=20, what=f'direct path from {one.host.name} to {other.host.name}')


def test_two_public_hosts_meet_directly(weft, lab):
    one, two = weft.join(lab.public_host('one')), weft.join(lab.public_host('two'))
    assert one.reaches(two)
    path_between(one, two)
    path_between(two, one)
    assert one.peer('two')['endpoint'] == f'{two.host.addr4}:51820'


@pytest.mark.parametrize('kind', ['port-restricted', 'address-restricted', 'endpoint-independent'])
def test_nats_that_keep_their_mapping_are_passed(weft, lab, kind):
    one = weft.join(lab.host('one', behind=lab.nat('home', kind=kind)))
    two = weft.join(lab.host('two', behind=lab.nat('work', kind=kind)))
    assert one.reaches(two)
    path_between(one, two)
    path_between(two, one)
    assert one.reaches(two)


@pytest.mark.parametrize('kind', ['symmetric', 'udp-blocked'])
def test_where_no_direct_path_exists_the_relay_carries(weft, lab, kind):
    one = weft.join(lab.host('one', behind=lab.nat('home', kind=kind)))
    two = weft.join(lab.host('two', behind=lab.nat('work', kind=kind)))
    assert one.reaches(two)
    assert one.peer('two')['path'] == 'relayed'
    assert two.reaches(one)


def test_killing_and_restarting_an_agent_leaves_the_tunnel_alone(weft, lab):
    one, two = weft.join(lab.public_host('one')), weft.join(lab.public_host('two'))
    assert one.reaches(two)
    path_between(one, two)
    path_between(two, one)
    ping = one.host.popen(['ping', '-n', '-i', '0.2', '-c', '40', two.addr], stdout=-1, text=True)
    first = [ping.stdout.readline() for _ in range(3)]
    two.process.kill()
    two.process.wait()
    two.start()
    wait_until(lambda: two.status()['management']['state'] == 'connected', what='the agent again')
    out, _ = ping.communicate(timeout=30)
    sent = int(first[1].split('icmp_seq=')[1].split()[0])  # what went before is not our matter
    assert f' {41 - sent} received' in out, out


def test_down_removes_what_the_agent_made_and_nothing_else(weft, lab):
    host = lab.public_host('one')
    host.nft('table inet other { chain input { type filter hook input priority 0; }; }')
    one = weft.join(host)
    assert 'weft0' in host.run(['ip', '-br', 'link']).stdout
    assert 'table inet weft' in host.run(['nft', 'list', 'tables']).stdout
    one.weft_command('down')
    assert 'weft0' not in host.run(['ip', '-br', 'link']).stdout
    assert host.run(['nft', 'list', 'tables']).stdout.split('\n')[:-1] == ['table inet other']


def test_without_a_policy_packets_are_dropped(weft, lab):
    one, two = weft.join(lab.public_host('one')), weft.join(lab.public_host('two'))
    assert one.reaches(two)
    policy = weft.admin('policy', 'list')['policies'][0]['name']
    weft.server.run([str(BUILD / 'weft-admin'), 'policy', 'delete', policy, '--yes',
                     '--socket', weft.admin_socket])
    wait_until(lambda: one.host.run(['ping', '-c1', '-W1', '-n', two.addr],
                                    check=False).returncode != 0, what='the end of reachability')


@pytest.mark.parametrize('kind', [None, 'port-restricted'])
def test_a_stock_peer_and_an_agent_meet_directly(weft, lab, kind):
    def host(name):
        return lab.host(name, behind=lab.nat(f'nat-{name}', kind=kind)) if kind else lab.public_host(name)
    one, two = weft.join(host('one')), StockPeer(weft, host('two'))
    assert one.reaches(two)
    path_between(one, two)
    assert one.reaches(two)
    assert two.host.run(['ping', '-c1', '-W5', '-n', one.addr], check=False).returncode == 0


def test_a_stock_peer_that_comes_first_is_found(weft, lab):
    two = StockPeer(weft, lab.public_host('two'))
    one = weft.join(lab.public_host('one'))
    assert one.reaches(two)
    path_between(one, two)


def test_the_relay_carries_between_a_stock_peer_and_an_agent(weft, lab):
    one = weft.join(lab.host('one', behind=lab.nat('home', kind='symmetric')))
    two = StockPeer(weft, lab.host('two', behind=lab.nat('work', kind='symmetric')))
    assert one.reaches(two)
    assert one.peer('two')['path'] == 'relayed'
