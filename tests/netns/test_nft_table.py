# SPDX-License-Identifier: GPL-3.0-or-later
"""Our table among others: adopted, watched, repaired, and never in the way. nft is the judge."""

import json
import shutil
import threading

import pytest

from nft import NftError, NftTool, Overlay

RULES = ['in accept 100.64.0.2/32 all - one', 'in accept 100.64.0.3/32 6 80 two',
         'in accept 100.64.0.0/24 17 5000-6000 three', 'in drop fd00::9/128 all - four']

OTHERS = '''
table ip filter {
    chain INPUT { type filter hook input priority filter; policy accept; }
    chain DOCKER-USER { return; }
    chain FORWARD {
        type filter hook forward priority filter; policy drop
        jump DOCKER-USER
        iifname "docker0" accept
    }
    chain ufw-user-input { tcp dport 22 accept; }
}
table ip nat {
    chain DOCKER { iifname "docker0" return; }
    chain PREROUTING { type nat hook prerouting priority dstnat; policy accept; fib daddr type local jump DOCKER; }
}
table inet firewalld {
    set trusted { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.168.0.0/16 } }
    chain filter_INPUT {
        type filter hook input priority filter + 10; policy accept
        ct state { established, related } accept
        ip saddr @trusted counter accept
    }
}
table inet weft2 { chain mine { counter; }; }
table ip weft { comment "another family"; chain x { accept; }; }
'''


@pytest.fixture
def host(lab):
    return lab.public_host('host')


@pytest.fixture
def tool(host):
    return NftTool(host)


def ruleset(node):
    return json.loads(node.run(['nft', '-j', 'list', 'ruleset']).stdout)['nftables']


def objects(node, kind, table='weft'):
    return [item[kind] for item in ruleset(node) if kind in item and item[kind]['family'] == 'inet'
            and item[kind].get('table', item[kind]['name']) == table]


def element_count(node):
    return sum(len(item.get('elem', [])) for item in objects(node, 'map'))


def test_nft_sees_what_the_rules_say(host, tool):
    tool.apply(RULES)
    elements = {item['name']: item['elem'] for item in objects(host, 'map') if 'elem' in item}
    assert elements == {
        'in4_accept_host': [['100.64.0.2', 'p_one']],
        'in4_accept_host_port': [[{'concat': ['100.64.0.3', 'tcp', 80]}, 'p_two']],
        'in4_accept_range_port': [[{'concat': [{'prefix': {'addr': '100.64.0.0', 'len': 24}}, 'udp',
                                               {'range': [5000, 6000]}]}, 'p_three']],
        'in6_drop_host': [['fd00::9', 'p_four']],
    }
    assert {item['name'] for item in objects(host, 'counter')} == {
        'p_one', 'p_two', 'p_three', 'p_four', 'dropped_in', 'dropped_out', 'dropped_forward',
        'dropped_midstream'}
    base = {chain['name']: chain for chain in objects(host, 'chain') if 'hook' in chain}
    assert {(name, chain['hook'], chain['prio'], chain['policy']) for name, chain in base.items()} == {
        (name, name, 0, 'accept') for name in ('input', 'forward', 'output')}


def test_nft_can_load_what_it_lists(host, tool):
    tool.apply(RULES)
    listed = host.run(['nft', 'list', 'ruleset']).stdout
    host.run(['nft', 'flush', 'ruleset'])
    host.nft(listed)
    assert host.run(['nft', 'list', 'ruleset']).stdout == listed
    # The comment is the mark: what nft restores from its own listing is still ours.
    assert tool.found() in ('intact', 'altered')


def test_a_change_sends_only_the_difference(host, tool):
    assert tool.apply(RULES)['rebuilt'] == 1
    again = tool.apply(RULES[::-1])
    assert (again['tries'], again['added'], again['deleted']) == (0, 0, 0)
    changed = tool.apply(RULES[1:] + ['in accept 100.64.0.7/32 all - five'])
    assert (changed['rebuilt'], changed['added'], changed['deleted']) == (0, 1, 1)
    names = {item['name'] for item in objects(host, 'counter')}
    assert 'p_five' in names and 'p_one' not in names


def test_a_new_process_adopts_the_table(host, tool):
    tool.apply(RULES)
    tool.close()
    handle = objects(host, 'table')[0]['handle']
    second = NftTool(host)
    assert second.found() == 'intact'
    assert second.apply(RULES)['tries'] == 0
    third = NftTool(host)
    changed = third.apply(RULES[1:])
    assert (changed['rebuilt'], changed['deleted'], changed['cuts']) == (0, 1, 1)
    assert objects(host, 'table')[0]['handle'] == handle


def test_a_counter_goes_on_over_changes_and_rebuilds(lab):
    overlay = Overlay(lab)
    tool = NftTool(overlay.here)
    tool.apply(['in accept 100.64.0.2/32 icmp - ping'])
    for _ in range(3):
        assert overlay.probe([overlay.in_flow('icmp', '100.64.0.2')]) == [True]
    assert tool.counts()['p_ping'] == 3
    tool.ask('config weft0 0 0')
    assert tool.apply(['in accept 100.64.0.2/32 icmp - ping'])['rebuilt'] == 1
    assert tool.counts()['p_ping'] == 3


@pytest.mark.parametrize('shape', ['6 80', 'all -', '17 53-59'])
def test_ten_thousand_elements(host, tool, shape):
    addresses = [f'100.{64 + i // 65536}.{i // 256 % 256}.{i % 256}/32' for i in range(10000)]
    count = 2000 if '-5' in shape else 10000
    rules = [f'in accept {address} {shape} policy{i % 7}' for i, address in enumerate(addresses[:count])]
    tool.apply(rules)
    assert element_count(host) == count
    assert tool.apply(rules[count // 2:])['deleted'] == count // 2
    assert element_count(host) == count // 2
    assert tool.found() == 'intact'


def test_a_set_that_outgrows_its_room_is_written_anew(host, tool):
    rules = [f'in accept 100.64.{i // 256}.{i % 256}/32 all - p' for i in range(3000)]
    tool.apply(rules[:10])
    grown = tool.apply(rules)
    assert grown['rebuilt'] == 1 and element_count(host) == 3000
    assert tool.apply(rules[:2999] + ['in accept 10.0.0.1/32 all - p'])['rebuilt'] == 0


ALTERATIONS = [
    'insert rule inet weft in4 accept',
    'add rule inet weft from_overlay counter',
    'flush chain inet weft midstream',
    'delete element inet weft in4_accept_host { 100.64.0.2 }',
    'add element inet weft in4_accept_host { 6.6.6.6 : "p_one" }',
    'add chain inet weft theirs',
    'add chain inet weft input { policy drop; }',
    'add set inet weft theirs { type ipv4_addr; }',
    'add counter inet weft theirs',
    'add quota inet weft theirs { over 1 mbytes }',
    'add table inet weft { flags dormant; }',
]


@pytest.mark.parametrize('alteration', ALTERATIONS)
def test_an_alteration_is_seen_found_and_repaired(host, tool, alteration):
    tool.apply(RULES)
    listed = host.run(['nft', 'list', 'ruleset']).stdout
    tool.ask('watch')
    host.run(['nft', alteration])
    event, process = tool.ask('event 5000').split(' ', 1)
    assert event == 'changed' and process.startswith('nft (')
    assert tool.found() == 'altered'
    assert tool.ask('repair') == 'repaired'
    assert tool.found() == 'intact'
    assert tool.ask('repair') == 'unchanged'
    assert host.run(['nft', 'list', 'ruleset']).stdout == listed


def test_a_flush_is_seen_and_repaired(host, tool):
    tool.apply(RULES)
    listed = host.run(['nft', 'list', 'ruleset']).stdout
    tool.ask('watch')
    host.run(['nft', 'flush', 'ruleset'])
    assert tool.ask('event 5000').startswith('gone nft (')
    assert tool.found() == 'nothing'
    assert tool.ask('repair') == 'repaired'
    assert host.run(['nft', 'list', 'ruleset']).stdout == listed


def test_a_flush_does_not_hide_what_is_revoked_next(host, tool):
    tool.apply(RULES)
    host.run(['nft', 'flush', 'ruleset'])
    changed = tool.apply(RULES[1:])
    assert (changed['rebuilt'], changed['cuts']) == (1, 1)
    assert tool.ask('cuts').startswith('in,100.64.0.2/32')


def test_a_large_change_of_our_own_is_no_event(host, tool):
    tool.apply([])
    tool.ask('watch')
    tool.apply([f'in accept 100.64.{i // 256}.{i % 256}/32 all - p' for i in range(5000)])
    assert tool.ask('event 0') == 'none'


def test_own_changes_and_those_of_other_tables_are_no_events(host, tool):
    tool.apply(RULES)
    tool.ask('watch')
    tool.apply(RULES[1:])
    tool.ask('config weft0 0 0')
    tool.apply(RULES)
    host.nft(OTHERS)
    host.run(['nft', 'add', 'chain', 'inet', 'weft', 'last'])
    assert tool.ask('event 5000').startswith('changed')
    assert tool.ask('event 0') == 'none'


def test_lost_events_are_a_resync(host, tool):
    tool.apply(RULES)
    tool.ask('watch')
    element = ', '.join(f'10.{i // 65536}.{i // 256 % 256}.{i % 256}' for i in range(40000))
    host.nft(f'table ip big {{ set s {{ type ipv4_addr; elements = {{ {element} }}; }}; }}')
    host.run(['nft', 'flush', 'ruleset'])
    events = []
    while (event := tool.ask('event 300')) != 'none':
        events.append(event.split()[0])
    assert 'resync' in events or 'gone' in events
    assert tool.ask('repair') == 'repaired'


def test_concurrent_flushes_leave_a_table_that_can_be_repaired(host, tool):
    rules = [f'in accept 100.64.{i // 256}.{i % 256}/32 6 {80 + i % 3} p{i % 5}' for i in range(800)]
    stop = threading.Event()
    flushes = []

    def flush():
        while not stop.is_set():
            host.run(['nft', 'flush', 'ruleset'])
            flushes.append(1)

    thread = threading.Thread(target=flush)
    thread.start()
    applied = 0
    try:
        while applied < 60 or len(flushes) < 10:
            tool.apply(rules[applied % 7 * 50:])
            applied += 1
    finally:
        stop.set()
        thread.join()
    tool.apply(rules)
    tool.ask('repair')
    assert tool.found() == 'intact'
    assert element_count(host) == len(rules)


def test_tables_of_others_stay_byte_for_byte(host, tool):
    host.nft(OTHERS)
    before = host.run(['nft', '-a', '-s', 'list', 'ruleset']).stdout
    tool.apply(RULES)
    tool.apply(RULES[2:])
    tool.ask('config weft0 1 1')
    tool.apply(RULES)
    host.run(['nft', 'delete', 'table', 'inet', 'weft'])
    tool.ask('repair')
    tool.ask('remove')
    assert host.run(['nft', '-a', '-s', 'list', 'ruleset']).stdout == before
    tool.ask('remove')


@pytest.mark.parametrize('theirs', ['table inet weft { chain c { accept; }; }',
                                    'table inet weft { comment "owned by weftd too"; }'])
def test_a_table_of_that_name_without_our_mark_is_left_alone(host, tool, theirs):
    host.nft(theirs)
    before = host.run(['nft', '-a', 'list', 'ruleset']).stdout
    for ask in (lambda: tool.apply(RULES), lambda: tool.ask('remove'), lambda: tool.ask('verify'),
                lambda: tool.ask('repair')):
        with pytest.raises(NftError) as caught:
            ask()
        assert caught.value.code == 'foreign'
        assert 'table inet weft' in caught.value.text
    assert host.run(['nft', '-a', 'list', 'ruleset']).stdout == before
    host.run(['nft', 'delete', 'table', 'inet', 'weft'])
    assert tool.apply(RULES)['rebuilt'] == 1


def test_a_missing_privilege_has_its_own_code(host):
    if not shutil.which('setpriv'):
        pytest.skip('no setpriv')
    tool = NftTool(host, prefix=['setpriv', '--inh-caps=-all', '--bounding-set=-all'])
    with pytest.raises(NftError) as caught:
        tool.apply(RULES)
    assert caught.value.code == 'permission'
    assert 'CAP_NET_ADMIN' in caught.value.text


def test_bad_rules_are_refused_by_themselves(host, tool):
    bad = ['in accept 100.64.0.9/32 6 0 zero', 'in accept 100.64.0.9/32 6 90-80 reversed',
           'in accept 100.64.0.9/24 6 80 hostbits', 'in accept 100.64.0.9/32 1 80 icmpport',
           'in accept 100.64.0.9/32 300 - protocol', f'in accept 100.64.0.9/32 all - {"x" * 61}']
    applied = tool.apply(RULES + bad)
    assert applied['refused'] == len(bad) and element_count(host) == len(RULES)


def test_an_overlong_interface_is_refused(host, tool):
    tool.ask('config averylonginterf 1 0')
    tool.apply(RULES)
    tool.ask('config bad/name 1 0')
    with pytest.raises(NftError) as caught:
        tool.apply(RULES)
    assert caught.value.code == 'invalid'
