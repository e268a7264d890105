# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiver of deltas (docs/protocol/management.md), by the letter: for tests of servers that send them.

    held = Held()
    for message in client.sync(system_meta("a", capabilities=(1, 2, 15001))):
        if message.HasField("weftDelta"):
            held.apply(message.weftDelta)        # raises Resync when the receiver would have to start again
    reductions.differences(plainmap.build(account, peer), held.sync_response(), meta)
"""
from __future__ import annotations

import base64

from nbwire import mgmt as pb

RULE_IN = pb.RuleDirection.Value("IN")


class Resync(Exception):
    """The message does not fit what is held; nothing of it was applied."""


def need(condition, why: str) -> None:
    if not condition:
        raise Resync(why)


class State:
    """One network map as a value."""

    def __init__(self):
        self.serial = 0
        self.peer_config = None
        self.remote, self.offline = {}, {}  # key text -> RemotePeerConfig
        self.rules, self.prefixes = {}, {}  # id -> FirewallRule; id -> set of compact prefixes
        self.routes, self.route_rules = {}, {}
        self.dns = None                     # DNSConfig without the zones' records
        self.records = {}                   # zone -> set of serialized SimpleRecord
        self.forwarding, self.ssh = [], None

    def copy(self) -> "State":
        out = State()
        for name, value in vars(self).items():
            if name in ("prefixes", "records"):
                value = {k: set(v) for k, v in value.items()}
            elif isinstance(value, (dict, list)):
                value = type(value)(value)
            setattr(out, name, value)
        return out


class Held:
    def __init__(self):
        self.state = None  # None: nothing from this stream yet

    def apply(self, delta) -> None:
        if delta.resync:
            need(delta.baseSerial == 0, "resync with a base")
            new = State()
        else:
            need(self.state is not None, "delta before the first resync")
            need(delta.baseSerial == self.state.serial, f"base {delta.baseSerial}, but {self.state.serial} is held")
            need(delta.serial >= self.state.serial, "serial goes back")
            new = self.state.copy()
        new.serial = delta.serial
        self.sections(new, delta)
        self.peers(new, delta)
        self.firewall(new, delta)
        self.routed(new, delta)
        self.zones(new, delta)
        self.counts(new, delta)
        self.state = new

    @staticmethod
    def sections(new: State, delta) -> None:
        if delta.HasField("peerConfig"):
            new.peer_config = delta.peerConfig
        if delta.HasField("forwardingRules"):
            new.forwarding = list(delta.forwardingRules.rules)
        if delta.HasField("sshAuth"):
            new.ssh = delta.sshAuth
        if delta.HasField("dnsConfig"):
            new.dns = pb.DNSConfig()
            new.dns.CopyFrom(delta.dnsConfig)
            new.records = {}
            for z in new.dns.CustomZones:
                need(z.Domain not in new.records, f"zone {z.Domain} twice")
                new.records[z.Domain] = {r.SerializeToString() for r in z.Records}
                del z.Records[:]

    @staticmethod
    def peers(new: State, delta) -> None:
        for key in delta.removedPeers:
            need(len(key) == 32, "removed peer is not a key")
            text = base64.b64encode(key).decode()
            new.remote.pop(text, None)
            new.offline.pop(text, None)
        named = [p.wgPubKey for p in [*delta.remotePeers, *delta.offlinePeers]]
        need(len(named) == len(set(named)), "a peer twice")
        for here, there, peers in ((new.remote, new.offline, delta.remotePeers), (new.offline, new.remote, delta.offlinePeers)):
            for p in peers:
                need(len(base64.b64decode(p.wgPubKey, validate=True)) == 32 and p.allowedIps, "bad peer")
                there.pop(p.wgPubKey, None)
                here[p.wgPubKey] = p

    @staticmethod
    def firewall(new: State, delta) -> None:
        for one in delta.removedFirewallRules:
            new.rules.pop(one, None)
            new.prefixes.pop(one, None)
        ids = [r.id for r in delta.firewallRules]
        need(len(ids) == len(set(ids)) and 0 not in ids, "rule ids twice or zero")
        for r in delta.firewallRules:
            if r.HasField("rule"):
                need(not r.rule.PeerIP and not r.rule.sourcePrefixes, "rule with addresses of its own")
                need(r.rule.Direction == RULE_IN, "OUT rule")
                new.rules[r.id], new.prefixes[r.id] = r.rule, set()
            need(r.id in new.rules, f"rule {r.id} is not held")
            for p in [*r.addedPrefixes, *r.removedPrefixes]:
                need(len(p) in (5, 17) and p[-1] == 8 * (len(p) - 1), "prefix of a rule is not one address")
            new.prefixes[r.id] -= set(r.removedPrefixes)
            new.prefixes[r.id] |= set(r.addedPrefixes)

    @staticmethod
    def routed(new: State, delta) -> None:
        for one in delta.removedRoutes:
            new.routes.pop(one, None)
        for r in delta.routes:
            new.routes[r.ID] = r
        for one in delta.removedRouteFirewallRules:
            new.route_rules.pop(one, None)
        for r in delta.routeFirewallRules:
            need(r.id != 0 and r.HasField("rule"), "route rule without id or rule")
            new.route_rules[r.id] = r.rule

    @staticmethod
    def zones(new: State, delta) -> None:
        for z in delta.zones:
            need(new.dns is not None, "zone without DNS")
            if z.domain not in new.records:
                new.dns.CustomZones.add(Domain=z.domain)
            records = new.records.setdefault(z.domain, set())
            records -= {r.SerializeToString() for r in z.removed}
            records |= {r.SerializeToString() for r in z.added}

    @staticmethod
    def counts(new: State, delta) -> None:
        for name, have, told in (("remote peers", len(new.remote), delta.remotePeerCount), ("offline peers", len(new.offline), delta.offlinePeerCount),
                                 ("firewall rules", len(new.rules), delta.firewallRuleCount),
                                 ("prefixes", sum(map(len, new.prefixes.values())), delta.firewallPrefixCount),
                                 ("routes", len(new.routes), delta.routeCount), ("route rules", len(new.route_rules), delta.routeFirewallRuleCount)):
            need(have == told, f"{told} {name} announced, {have} held")

    def sync_response(self):
        """The same map as a server without deltas would send it, without OUT rules and deprecated copies."""
        s, out = self.state, pb.SyncResponse()
        m = out.NetworkMap
        m.Serial = s.serial
        if s.peer_config is not None:
            m.peerConfig.CopyFrom(s.peer_config)
        m.remotePeers.extend(s.remote.values())
        m.offlinePeers.extend(s.offline.values())
        for one, rule in s.rules.items():
            for prefix in s.prefixes[one]:
                m.FirewallRules.add().CopyFrom(rule)
                m.FirewallRules[-1].sourcePrefixes.append(prefix)
        m.Routes.extend(s.routes.values())
        m.routesFirewallRules.extend(s.route_rules.values())
        m.forwardingRules.extend(s.forwarding)
        if s.dns is not None:
            m.DNSConfig.CopyFrom(s.dns)
            for z in m.DNSConfig.CustomZones:
                z.Records.extend(pb.SimpleRecord.FromString(r) for r in sorted(s.records[z.Domain]))
        if s.ssh is not None:
            m.sshAuth.CopyFrom(s.ssh)
        m.remotePeersIsEmpty, m.firewallRulesIsEmpty = not m.remotePeers, not m.FirewallRules
        m.routesFirewallRulesIsEmpty = not m.routesFirewallRules
        return out
