# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor sees what ip(8) changes, and says so when it missed something."""

import pytest
from lab import wait_until
from nl import Tool


@pytest.fixture
def host(lab):
    return lab.public_host('host')


@pytest.fixture
def tool(host):
    made = Tool(host)
    made.call('monitor')
    return made


def collect(tool, enough):
    """All events until `enough(events)`."""
    seen = []

    def look():
        seen.extend(tool.call('events')['events'])
        return enough(seen)

    wait_until(look, what=f'events, so far {seen}')
    return seen


def has(kind, **fields):
    return lambda events: any(e['event'] == kind and all(e.get(k) == v for k, v in fields.items())
                              for e in events)


CHANGES = [
    ('link add d0 type bridge', has('link', name='d0', up=False)),
    ('link set d0 up', has('link', name='d0', up=True)),
    ('addr add 10.3.0.1/24 dev d0', has('addr', prefix='10.3.0.1/24')),
    ('addr add fd03::1/64 dev d0 nodad', has('addr', prefix='fd03::1/64')),
    ('route add 10.4.0.0/16 via 10.3.0.2', has('route', dst='10.4.0.0/16', gateway='10.3.0.2', table=254)),
    ('route add fd04::/48 dev d0 table 9', has('route', dst='fd04::/48', table=9)),
    ('rule add pref 99 table 9', has('rule', priority=99, table=9)),
    ('-6 rule add pref 98 table 9', has('rule', priority=98, table=9)),
    ('rule del pref 99', has('rule-gone', priority=99)),
    ('-6 rule del pref 98', has('rule-gone', priority=98)),
    ('route del fd04::/48 dev d0 table 9', has('route-gone', dst='fd04::/48')),
    ('route del 10.4.0.0/16', has('route-gone', dst='10.4.0.0/16')),
    ('addr del fd03::1/64 dev d0', has('addr-gone', prefix='fd03::1/64')),
    ('addr del 10.3.0.1/24 dev d0', has('addr-gone', prefix='10.3.0.1/24')),
    ('link del d0', has('link-gone', name='d0')),
]


def test_every_change_is_seen(host, tool):
    for command, seen in CHANGES:
        host.run(['ip', *command.split()])
        collect(tool, seen)


def test_a_port_of_a_bridge_is_no_link_that_went(host, tool):
    """Leaving a bridge is told as the end of a link, of another family."""
    host.ip('link add br0 type bridge', 'link add d0 type veth peer name d1', 'link set d0 master br0', 'link set d0 nomaster',
            'link set d0 up', 'link add end0 type bridge')
    events = collect(tool, has('link', name='end0'))
    assert not has('link-gone', name='d0')(events)


def test_a_storm_that_overruns_the_socket_ends_in_a_resync(host, tool):
    """4 MiB hold some tens of thousands of events; nobody reads while 60,000 routes come and go."""
    host.ip('link add d0 type bridge', 'addr add 10.3.0.1/24 dev d0', 'link set d0 up')
    lines = [f'route {verb} 11.{i >> 8}.{i & 255}.0/24 dev d0' for verb in ('add', 'del') for i in range(30000)]
    host.run(['ip', '-batch', '-'], input='\n'.join(lines) + '\n', timeout=60)
    collect(tool, has('resync'))
    host.ip('addr add 10.3.0.9/24 dev d0')
    collect(tool, has('addr', prefix='10.3.0.9/24'))
