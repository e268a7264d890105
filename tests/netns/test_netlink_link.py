# SPDX-License-Identifier: GPL-3.0-or-later
"""Links: names, creation, MTU, marks; judged by ip(8)."""

import pytest
from nl import Tool, ip_json


@pytest.fixture
def host(lab):
    return lab.public_host('host')


@pytest.fixture
def tool(host):
    return Tool(host)


def test_a_link_is_made_changed_and_deleted(host, tool):
    tool.call('link', name='probe0', kind='bridge', mtu=1400, up=True)
    [link] = ip_json(host, 'link', 'show', 'probe0')
    assert link['mtu'] == 1400
    assert 'UP' in link['flags']
    assert link['linkinfo']['info_kind'] == 'bridge'
    tool.call('link', name='probe0', up=False)
    [link] = ip_json(host, 'link', 'show', 'probe0')
    assert 'UP' not in link['flags']
    tool.call('link', name='probe0', delete=True)
    assert ip_json(host, 'link', 'show', 'probe0') == []


def test_all_links_are_seen_as_ip_sees_them(host, tool):
    host.ip('link add d0 type bridge', 'link set d0 alias weft', 'link set d0 mtu 1300')
    ours = {link['name']: link for link in tool.call('links')['links']}
    for link in ip_json(host, 'link'):
        mine = ours.pop(link['ifname'])
        assert mine['ifindex'] == link['ifindex']
        assert mine['mtu'] == link['mtu']
        assert mine['kind'] == link.get('linkinfo', {}).get('info_kind', '')
        assert mine['alias'] == link.get('ifalias', '')
        assert mine['up'] == ('UP' in link['flags'])
    assert not ours


@pytest.mark.parametrize('name', ['', 'sixteen-letters-', 'a b', 'a/b', 'a:b', 'a%b', '.', '..', 'all',
                                  'default', 'ä'])
def test_an_impossible_name_is_refused_before_the_kernel_is_asked(tool, name):
    error = tool.refused('link', name=name, kind='bridge')
    assert error.code == 'invalid'
    assert 'interface name' in error.text


def test_a_name_of_fifteen_letters_is_possible(host, tool):
    tool.call('link', name='fifteen-letters', kind='bridge')
    assert ip_json(host, 'link', 'show', 'fifteen-letters')


def test_a_taken_name_is_reported_with_what_was_attempted(tool):
    error = tool.refused('link', name='eth0', kind='bridge')
    assert error.code == 'exists'
    assert error.text.startswith('link eth0: create of kind bridge: RTNETLINK: ')


def test_a_missing_link_is_not_found(tool):
    error = tool.refused('link', name='nothing', up=True)
    assert error.code == 'not-found'
    assert error.text.startswith('link nothing: RTNETLINK: ')


@pytest.mark.parametrize('mtu', [1, 575, 65536, 100000])
def test_an_mtu_out_of_range_is_refused(tool, mtu):
    tool.call('link', name='d0', kind='bridge')
    error = tool.refused('link', name='d0', mtu=mtu)
    assert error.code == 'invalid'
    assert str(mtu) in error.text


def test_an_unknown_kind_is_unsupported(tool):
    error = tool.refused('link', name='d0', kind='no-such-kind')
    assert error.code == 'unsupported'


def test_without_cap_net_admin_the_error_says_so(host):
    """Its own code and text: missing CAP_NET_ADMIN."""
    tool = Tool(host, prefix=['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-net_admin'])
    error = tool.refused('link', name='d0', kind='bridge')
    assert error.code == 'permission'
    assert 'CAP_NET_ADMIN' in error.text
    assert error.text.startswith('link d0: create of kind bridge: RTNETLINK: ')
