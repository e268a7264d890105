# SPDX-License-Identifier: GPL-3.0-or-later
"""The network maps that mgmtd builds, judged by the algorithm read literally (tests/peer/plainmap.py) on random accounts."""
import base64
import json
import os
import random
import subprocess
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "peer"))

import plainmap  # noqa: E402
import randomaccount  # noqa: E402
from nbwire import mgmt as pb  # noqa: E402

BUILD = os.environ.get("WEFT_BUILD", os.path.join(TOP, "build"))
TOOL = os.path.join(BUILD, "tests", "interop", "netmap-tool")
ACCOUNTS = 3000 if os.environ.get("WEFT_TEST_SCOPE") == "all" else 120


class Tool:
    def __enter__(self):
        self.process = subprocess.Popen([TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *exc):
        self.process.stdin.close()
        assert self.process.wait(30) == 0

    def maps(self, account):
        self.process.stdin.write(json.dumps(account) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def plain(seed, peers=None):
    """A random account without what later issues bring; rules name their policy as the official server has it."""
    account = randomaccount.generate(seed, peers)
    for name in ("routes", "networks", "nameserver_groups", "zones", "dns_disabled_groups", "users", "checks"):
        account.pop(name, None)
    account["settings"].pop("ssh_jwt", None)
    account["settings"].pop("auto_update_version", None)
    account["settings"].pop("auto_update_always", None)
    for peer in account["peers"]:
        peer.pop("extra_labels", None)
    for group in account["groups"]:
        group.pop("resources", None)
    for policy in account["policies"]:
        policy.pop("source_posture_checks", None)
        for rule in policy["rules"]:
            rule.pop("authorized_groups", None)
            rule.pop("authorized_user", None)
            for side in ("source_resource", "destination_resource"):
                if rule.get(side) and rule[side]["type"] != "peer":
                    rule[side] = None
            # An SSH rule without ports means port 22 here, every port upstream (protocol.md 10.3): left out.
            if rule["protocol"] == "netbird-ssh" and not rule["ports"] and not rule["port_ranges"]:
                rule["ports"] = [22]
    return account


def full_bytes(maps):
    return {k: bytes.fromhex(v) for k, v in maps["full"].items()}


def test_maps_of_random_accounts_mean_what_the_algorithm_says():
    with Tool() as tool:
        for seed in range(ACCOUNTS):
            account = plain(seed)  # seed 80: nothing left for old clients, which must not read as "allow all"
            differences = plainmap.compare(account, full_bytes(tool.maps(account)))
            assert not differences, f"seed {seed}: " + "\n".join(differences[:10])


class Receiver:
    """A peer that follows deltas by docs/protocol/management.md."""

    def __init__(self):
        self.serial = None

    def apply(self, delta):
        if delta.resync:
            self.peers, self.offline, self.rules, self.prefixes, self.zones = {}, {}, {}, {}, {}
            self.config = self.dns = self.ssh = None
        else:
            assert delta.baseSerial == self.serial and delta.serial >= self.serial
        self.serial = delta.serial
        for key in delta.removedPeers:
            self.peers.pop(bytes(key), None)
            self.offline.pop(bytes(key), None)
        for held, other, field in ((self.peers, self.offline, delta.remotePeers), (self.offline, self.peers, delta.offlinePeers)):
            for p in field:
                key = base64.b64decode(p.wgPubKey)
                other.pop(key, None)
                held[key] = p
        if delta.HasField("peerConfig"):
            self.config = delta.peerConfig
        for i in delta.removedFirewallRules:
            self.rules.pop(i, None)
            self.prefixes.pop(i, None)
        for r in delta.firewallRules:
            assert r.id
            if r.HasField("rule"):
                self.rules[r.id] = r.rule
                self.prefixes[r.id] = set()
            assert r.id in self.rules, "an id without a rule"
            self.prefixes[r.id] -= set(r.removedPrefixes)
            self.prefixes[r.id] |= set(r.addedPrefixes)
        if delta.HasField("sshAuth"):
            self.ssh = delta.sshAuth
        if delta.HasField("dnsConfig"):
            self.dns = delta.dnsConfig
            self.zones = {z.Domain: [r.SerializeToString() for r in z.Records] for z in delta.dnsConfig.CustomZones}
        for z in delta.zones:
            records = self.zones.setdefault(z.domain, [])
            for r in z.removed:
                if r.SerializeToString() in records:
                    records.remove(r.SerializeToString())
            records += [r.SerializeToString() for r in z.added if r.SerializeToString() not in records]
        assert len(self.peers) == delta.remotePeerCount
        assert len(self.offline) == delta.offlinePeerCount
        assert len(self.rules) == delta.firewallRuleCount
        assert sum(map(len, self.prefixes.values())) == delta.firewallPrefixCount

    def response(self):
        """What it holds as the map that a stock client would have got."""
        out = pb.SyncResponse()
        m = out.NetworkMap
        m.Serial = self.serial
        m.peerConfig.CopyFrom(self.config)
        m.remotePeers.extend(self.peers.values())
        m.offlinePeers.extend(self.offline.values())
        m.remotePeersIsEmpty = not self.peers
        m.DNSConfig.CopyFrom(self.dns)
        for zone in m.DNSConfig.CustomZones:
            del zone.Records[:]
            for record in self.zones[zone.Domain]:
                zone.Records.add().ParseFromString(record)
        for i, rule in self.rules.items():
            for prefix in self.prefixes[i]:
                r = m.FirewallRules.add()
                r.CopyFrom(rule)
                r.sourcePrefixes.append(prefix)
        m.firewallRulesIsEmpty = not m.FirewallRules
        m.routesFirewallRulesIsEmpty = True
        m.sshAuth.CopyFrom(self.ssh)
        return out


def mutate(rng, account, spare):
    """One change of an account as an administrator or a machine would make it."""
    account["serial"] += 1
    peers = account["peers"]
    what = rng.randrange(6)
    if what == 0 and spare:
        peer = spare.pop()
        taken = {p["ip"] for p in peers} | {p["dns_label"] for p in peers}
        if peer["ip"] not in taken and peer["dns_label"] not in taken:
            peers.append(peer)
            for group in account["groups"]:
                if group["name"] == "All" or rng.random() < 0.3:
                    group["peers"].append(peer["id"])
    elif what == 1 and len(peers) > 2:
        gone = peers.pop(rng.randrange(len(peers)))["id"]
        for group in account["groups"]:
            if gone in group["peers"]:
                group["peers"].remove(gone)
        account["policies"] = [p for p in account["policies"] if not any(
            (r.get(s) or {}).get("id") == gone for r in p["rules"] for s in ("source_resource", "destination_resource"))]
    elif what == 2:
        peer = rng.choice(peers)
        peer["dns_label"] = f"renamed-{rng.randrange(10**6)}"
    elif what == 3:
        groups = [g for g in account["groups"] if g["name"] != "All"]
        if groups:
            group = rng.choice(groups)
            group["peers"] = [p["id"] for p in peers if rng.random() < 0.5]
    elif what == 4 and account["policies"]:
        policy = rng.choice(account["policies"])
        policy["enabled"] = not policy["enabled"]
    elif what == 5 and account["policies"]:
        rule = rng.choice(rng.choice(account["policies"])["rules"])
        if rule["protocol"] in ("tcp", "udp"):
            rule["ports"], rule["port_ranges"] = [rng.randrange(1, 65536) for _ in range(rng.randrange(3))], []


@pytest.mark.parametrize("seed", range(12))
def test_deltas_add_up_to_the_full_map(seed):
    rng = random.Random(seed)
    account = plain(seed + 10000, 12)
    spare = plain(seed + 20000, 8)["peers"]
    net = account["network"]["net"].rsplit(".", 2)[0]
    for peer in account["peers"] + spare:
        peer["meta"].update(version="0.77.0")
        peer["meta"]["capabilities"] = sorted(set(peer["meta"]["capabilities"]) | {1})
    for peer in spare:
        peer["ip"] = f"{net}.{rng.randrange(1, 255)}.{rng.randrange(1, 255)}"
        peer["ip6"] = ""
    receivers = {}
    with Tool() as tool:
        for _ in range(30):
            maps = tool.maps(account)
            held = {}
            for peer in account["peers"]:
                received = pb.SyncResponse.FromString(bytes.fromhex(maps["delta"][peer["id"]]))
                receiver = receivers.setdefault(peer["id"], Receiver())
                if received.HasField("weftDelta"):
                    receiver.apply(received.weftDelta)
                receiver_map = receiver.response()
                receiver_map.NetworkMap.Serial = account["serial"]  # nothing was sent where nothing changed
                receiver_map.sessionExpiresAt.CopyFrom(
                    pb.SyncResponse.FromString(bytes.fromhex(maps["full"][peer["id"]])).sessionExpiresAt)
                held[peer["id"]] = receiver_map
            differences = plainmap.compare(account, held)
            assert not differences, "\n".join(differences[:10])
            mutate(rng, account, spare)
