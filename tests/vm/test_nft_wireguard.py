# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter over the kernel's WireGuard: the tests of tests/netns on another link."""

import pytest

from nft import NftTool, WireGuardOverlay
from test_nft_revoke import (  # noqa: F401
    test_a_live_stream_is_cut_and_another_left_alone,
    test_a_stream_that_the_server_feeds_is_cut)
from test_nft_table import (  # noqa: F401
    host, test_a_flush_is_seen_and_repaired, test_a_new_process_adopts_the_table,
    test_nft_sees_what_the_rules_say)
from test_nft_traffic import RULES, assert_decided


@pytest.fixture
def overlay(lab, kernel_wireguard):
    return WireGuardOverlay(lab, peers=4)


@pytest.fixture
def tool(request):
    node = request.getfixturevalue('host' if 'host' in request.fixturenames else 'overlay')
    return NftTool(node if 'host' in request.fixturenames else node.here)


def test_rules_decide_packets_out_of_the_tunnel(overlay, tool):
    assert overlay.peer.ping(overlay.HERE4, wait=20)
    flows = [overlay.in_flow(kind, source, port) for kind in ('tcp', 'udp') for port in (80, 90, 443)
             for source in overlay.sources4 + overlay.sources6]
    tool.apply(RULES)
    assert_decided(overlay, RULES, flows)
