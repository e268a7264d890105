# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of deltas (docs/protocol/management.md), as nbdelta.py keeps them."""
import base64
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import plainmap
import randomaccount
import reductions
from nbdelta import Held, Resync
from nbwire import mgmt as pb

KEYS = [base64.b64encode(bytes([i]) * 32).decode() for i in range(1, 9)]
HOST = [bytes([100, 64, 0, i, 32]) for i in range(9)]


def peer(i, version="0.77.0"):
    return pb.RemotePeerConfig(wgPubKey=KEYS[i], allowedIps=[f"100.64.0.{i}/32"], fqdn=f"p{i}.x", agentVersion=version)


def record(name):
    return pb.SimpleRecord(Name=name, Type=1, Class="IN", TTL=300, RData="100.64.0.1")


def first(**kw):
    d = pb.WeftNetworkMapDelta(serial=5, resync=True, remotePeers=[peer(1), peer(2)], remotePeerCount=2, firewallRuleCount=1, firewallPrefixCount=2, **kw)
    d.peerConfig.address = "100.64.0.9/16"
    d.firewallRules.add(id=7, rule=pb.FirewallRule(Protocol="ALL", PolicyID=b"p"), addedPrefixes=[HOST[1], HOST[2]])
    d.dnsConfig.ServiceEnable = True
    d.dnsConfig.CustomZones.add(Domain="x.", Records=[record("p1.x"), record("p2.x")])
    return d


def then(base=5, serial=6, peers=2, rules=1, prefixes=2, **kw):
    kw.setdefault("remotePeerCount", peers)
    return pb.WeftNetworkMapDelta(serial=serial, baseSerial=base, firewallRuleCount=rules, firewallPrefixCount=prefixes, **kw)


@pytest.fixture
def held():
    h = Held()
    h.apply(first())
    return h


def test_a_newcomer_is_one_entry_one_prefix_and_one_record(held):
    d = then(peers=3, prefixes=3, remotePeers=[peer(3)])
    d.firewallRules.add(id=7, addedPrefixes=[HOST[3]])
    d.zones.add(domain="x.", added=[record("p3.x")])
    held.apply(d)
    m = held.sync_response().NetworkMap
    assert m.Serial == 6 and {p.wgPubKey for p in m.remotePeers} == set(KEYS[1:4])
    assert sorted(p for r in m.FirewallRules for p in r.sourcePrefixes) == HOST[1:4] and all(r.PolicyID == b"p" for r in m.FirewallRules)
    assert sorted(r.Name for r in m.DNSConfig.CustomZones[0].Records) == ["p1.x", "p2.x", "p3.x"]
    assert m.peerConfig.address == "100.64.0.9/16" and m.DNSConfig.ServiceEnable


def test_a_peer_leaves_everything(held):
    d = then(peers=1, prefixes=1, removedPeers=[base64.b64decode(KEYS[1])])
    d.firewallRules.add(id=7, removedPrefixes=[HOST[1]])
    d.zones.add(domain="x.", removed=[record("p1.x")])
    held.apply(d)
    m = held.sync_response().NetworkMap
    assert [p.wgPubKey for p in m.remotePeers] == [KEYS[2]] and [r.Name for r in m.DNSConfig.CustomZones[0].Records] == ["p2.x"]


def test_a_peer_moves_between_the_lists(held):
    held.apply(then(peers=1, offlinePeers=[peer(2)], offlinePeerCount=1))
    assert [p.wgPubKey for p in held.sync_response().NetworkMap.offlinePeers] == [KEYS[2]]
    held.apply(then(base=6, serial=6, remotePeers=[peer(2)]))
    assert not held.sync_response().NetworkMap.offlinePeers


def test_removals_come_before_additions(held):
    d = then(removedPeers=[base64.b64decode(KEYS[1])], remotePeers=[peer(1, "0.78.0")])
    d.firewallRules.add(id=7, addedPrefixes=[HOST[1]], removedPrefixes=[HOST[1]])
    d.zones.add(domain="x.", added=[record("p1.x")], removed=[record("p1.x")])
    held.apply(d)
    m = held.sync_response().NetworkMap
    assert {p.agentVersion for p in m.remotePeers} == {"0.77.0", "0.78.0"} and len(m.FirewallRules) == 2
    assert len(m.DNSConfig.CustomZones[0].Records) == 2


def test_a_redefined_rule_loses_its_prefixes(held):
    d = then(prefixes=1)
    d.firewallRules.add(id=7, rule=pb.FirewallRule(Protocol="TCP", Port="22"), addedPrefixes=[HOST[2]])
    held.apply(d)
    assert [(r.Port, list(r.sourcePrefixes)) for r in held.sync_response().NetworkMap.FirewallRules] == [("22", [HOST[2]])]


def test_an_id_may_be_used_again_in_the_message_that_removes_it(held):
    d = then(prefixes=1, removedFirewallRules=[7])
    d.firewallRules.add(id=7, rule=pb.FirewallRule(Protocol="UDP", Port="53"), addedPrefixes=[HOST[1]])
    held.apply(d)
    assert [r.Port for r in held.sync_response().NetworkMap.FirewallRules] == ["53"]


def test_a_resync_forgets_everything(held):
    held.apply(pb.WeftNetworkMapDelta(serial=9, resync=True))
    m = held.sync_response().NetworkMap
    assert m.Serial == 9 and m.remotePeersIsEmpty and m.firewallRulesIsEmpty and not m.DNSConfig.ServiceEnable


def bad(change, **kw):
    d = then(**kw)
    change(d)
    return d


BAD = {
    "wrong base": then(base=4),
    "serial goes back": then(serial=4),
    "wrong peer count": then(peers=3),
    "wrong rule count": then(rules=2),
    "wrong prefix count": then(prefixes=9),
    "wrong route count": bad(lambda d: setattr(d, "routeCount", 1)),
    "unknown rule": bad(lambda d: d.firewallRules.add(id=8, addedPrefixes=[HOST[3]]), prefixes=3),
    "rule id zero": bad(lambda d: d.firewallRules.add(id=0, rule=pb.FirewallRule()), rules=2),
    "rule twice": bad(lambda d: [d.firewallRules.add(id=7), d.firewallRules.add(id=7)]),
    "rule with PeerIP": bad(lambda d: d.firewallRules.add(id=7, rule=pb.FirewallRule(PeerIP="100.64.0.1"), addedPrefixes=HOST[1:3])),
    "network as prefix": bad(lambda d: d.firewallRules.add(id=7, addedPrefixes=[bytes([100, 64, 0, 0, 24])]), prefixes=3),
    "short key": then(removedPeers=[bytes(31)]),
    "peer without address": then(remotePeers=[pb.RemotePeerConfig(wgPubKey=KEYS[3])], peers=3),
    "peer in both lists": then(remotePeers=[peer(3)], offlinePeers=[peer(3)], peers=2, offlinePeerCount=1),
    "resync with a base": bad(lambda d: setattr(d, "resync", True), peers=0, rules=0, prefixes=0),
}


@pytest.mark.parametrize("what", BAD)
def test_what_does_not_fit_asks_for_a_resync_and_changes_nothing(held, what):
    before = held.sync_response()
    with pytest.raises(Resync):
        held.apply(BAD[what])
    assert held.sync_response() == before


def test_the_first_message_of_a_stream_must_be_a_resync():
    with pytest.raises(Resync):
        Held().apply(then(base=0, peers=0, rules=0, prefixes=0))


def resync_of(plain):
    """A plain map as the resync that means the same."""
    m, rules = plain.NetworkMap, {}
    d = pb.WeftNetworkMapDelta(serial=m.Serial, resync=True, peerConfig=m.peerConfig, remotePeers=m.remotePeers, offlinePeers=m.offlinePeers,
                               dnsConfig=m.DNSConfig, sshAuth=m.sshAuth, remotePeerCount=len(m.remotePeers), offlinePeerCount=len(m.offlinePeers))
    for r in m.FirewallRules:
        if r.Direction == pb.RuleDirection.Value("IN"):
            common = pb.FirewallRule()
            common.CopyFrom(r)
            common.PeerIP = ""
            del common.sourcePrefixes[:]
            rules.setdefault(common.SerializeToString(), set()).add(r.sourcePrefixes[0])
    for i, (rule, prefixes) in enumerate(rules.items(), 1):
        d.firewallRules.add(id=i, rule=pb.FirewallRule.FromString(rule), addedPrefixes=sorted(prefixes))
    d.firewallRuleCount, d.firewallPrefixCount = len(rules), sum(map(len, rules.values()))
    return d


@pytest.mark.parametrize("seed", range(20))
def test_a_resync_says_all_that_a_plain_map_says(seed):
    account = randomaccount.generate(seed, 6)
    for p in account["peers"]:
        p["meta"].update(version="0.77.0", capabilities=[1, 2, 15001])
        want, held = plainmap.build(account, p["id"]), Held()
        held.apply(resync_of(want))
        got = held.sync_response()
        got.sessionExpiresAt.CopyFrom(want.sessionExpiresAt)
        assert not reductions.differences(want, got, p["meta"])
