# SPDX-License-Identifier: GPL-3.0-or-later
"""Random accounts in the form of plainmap.py. The same seed gives the same account on every machine.

Only what weft-mgmtd has today is in them: peers, groups, policies, settings.
"""
from __future__ import annotations

import base64
import ipaddress
import random

VERSIONS = ("0.77.0", "0.77.0", "0.77.0", "0.60.0", "0.59.13", "0.48.0", "0.47.9", "0.29.3", "0.29.2", "0.27.0", "development", "ci-7f3a", "")
PROTOCOLS = ("all", "all", "tcp", "tcp", "tcp", "udp", "udp", "icmp", "netbird-ssh")
NOW_US = 1767225600000000
DAY_US = 86400 * 1000000
ALPHABET = "0123456789abcdefghijklmnopqrstuv"


class Maker:
    def __init__(self, seed: int):
        self.rnd = random.Random(seed)
        self.n = 0

    def maybe(self, share: float) -> bool:
        return self.rnd.random() < share

    def id(self) -> str:
        """20 characters of base32hex: 96 bits and four that are zero."""
        value = self.rnd.getrandbits(96) << 4
        return "".join(ALPHABET[value >> 5 * i & 31] for i in reversed(range(20)))

    def some(self, things: list, low: int, high: int) -> list:
        return self.rnd.sample(things, min(len(things), self.rnd.randint(low, high)))

    def ports(self) -> list:
        return sorted(self.rnd.sample((22, 22022, 53, 80, 443, 8080, 1, 65535, 5000), self.rnd.randint(1, 4)))

    def ranges(self) -> list:
        out = []
        for _ in range(self.rnd.randint(1, 3)):
            start = self.rnd.choice((1, 20, 22, 53, 1000, 22000, 65535))
            end = self.rnd.choice((start, start, min(65535, start + self.rnd.choice((1, 10, 1000)))))
            if {"start": start, "end": end} not in out:
                out.append({"start": start, "end": end})
        return out


def make_peer(m: Maker, i: int, account: dict, v6: bool, taken: set) -> dict:
    net, net6 = (ipaddress.ip_network(account["network"][k]) for k in ("net", "net6"))
    ip = net[m.rnd.randrange(1, net.num_addresses - 1)]
    while ip in taken:
        ip = net[m.rnd.randrange(1, net.num_addresses - 1)]
    taken.add(ip)
    sso = m.maybe(0.4)
    capabilities = m.rnd.choice(([], [1], [1], [1, 2], [1, 2], [1, 2], [2], [1, 2, 15001], [1, 2, 15001], [1, 15001]))
    return {
        "id": m.id(), "key": base64.b64encode(m.rnd.randbytes(32)).decode(), "ip": str(ip),
        "ip6": str(net6[m.rnd.randrange(2, 2**64 - 1)]) if v6 and m.maybe(0.9) else "",
        "dns_label": m.rnd.choice(("host", "db", "xn--bcher-kva", "a")) + f"-{i}", "user_id": f"user-{m.rnd.randint(1, 5)}" if sso else "",
        "ssh_key": "ssh-ed25519 " + base64.b64encode(m.rnd.randbytes(51)).decode() if m.maybe(0.8) else "",
        "ssh_enabled": m.maybe(0.3), "login_expiration_enabled": m.maybe(0.8) if sso else m.maybe(0.2), "approval_required": m.maybe(0.05),
        "last_login_us": NOW_US - m.rnd.choice((0, 1, DAY_US // 2, DAY_US - 1, DAY_US, DAY_US + 1, 40 * DAY_US)),
        "connected": m.maybe(0.6),
        "meta": {"hostname": f"host-{i}", "version": m.rnd.choice(VERSIONS), "capabilities": capabilities,
                 "disable_ipv6": m.maybe(0.1), "server_ssh_allowed": m.maybe(0.4)},
    }


def make_rule(m: Maker, account: dict) -> dict:
    groups, peers = [g["id"] for g in account["groups"]], [p["id"] for p in account["peers"]]
    protocol = m.rnd.choice(PROTOCOLS)
    rule = {"id": m.id(), "name": f"rule {m.rnd.randint(1, 99)}", "enabled": m.maybe(0.85), "action": m.rnd.choice(("accept", "accept", "accept", "drop")),
            "bidirectional": m.maybe(0.6), "protocol": protocol, "sources": m.some(groups, 0 if m.maybe(0.1) else 1, 3),
            "destinations": m.some(groups, 0 if m.maybe(0.1) else 1, 3), "source_resource": None, "destination_resource": None,
            "ports": [], "port_ranges": []}
    for side in ("source", "destination"):
        if m.maybe(0.15):
            rule[f"{side}_resource"] = {"type": "peer", "id": m.rnd.choice(peers)}
            rule[f"{side}s"] = []
    if protocol in ("tcp", "udp", "netbird-ssh"):
        kind = m.rnd.choice(("none", "ports", "ports", "ranges"))
        if kind == "ports":
            rule["ports"] = m.ports()
        elif kind == "ranges":
            rule["port_ranges"] = m.ranges()
    return rule


def make_policy(m: Maker, account: dict, i: int) -> dict:
    return {"id": m.id(), "name": f"policy {i}", "enabled": m.maybe(0.85),
            "rules": [make_rule(m, account) for _ in range(m.rnd.choice((1, 1, 1, 2, 4)))]}


def generate(seed: int, n_peers=None) -> dict:
    m = Maker(seed)
    v6 = m.maybe(0.7)
    account = {
        "serial": m.rnd.choice((1, 7, 2**32, 2**62 + 5)), "now_us": NOW_US,
        "network": {"net": str(ipaddress.ip_network((int(ipaddress.ip_address("100.64.0.0")) + (m.rnd.randrange(64) << 16), 16))),
                    "net6": str(ipaddress.ip_network((0xfd << 120 | m.rnd.getrandbits(56) << 64, 64)))},
        "settings": {"dns_domain": m.rnd.choice(("weft.internal", "netbird.selfhosted", "vpn.example.org")), "lazy_connections": m.maybe(0.3),
                     "routing_peer_dns": m.maybe(0.7), "login_expiration_enabled": m.maybe(0.7), "login_expiration_us": DAY_US},
    }
    n = n_peers if n_peers is not None else m.rnd.choice((1, 2, 3, 5, 8, 13, 21, 30))
    taken = set()
    account["peers"] = [make_peer(m, i, account, v6, taken) for i in range(n)]
    # One in three accounts has no old peer, so that the port of the DNS forwarder is not always the same.
    if m.maybe(0.35):
        for p in account["peers"]:
            p["meta"]["version"] = m.rnd.choice(("0.77.0", "0.60.0", "0.59.0", "development"))
    ids = [p["id"] for p in account["peers"]]
    account["groups"] = [{"id": m.id(), "name": "All", "peers": ids}]
    account["settings"]["ipv6_groups"] = [account["groups"][0]["id"]]
    for i in range(m.rnd.randint(0, 7)):
        account["groups"].append({"id": m.id(), "name": f"group {i}", "peers": m.some(ids, 0, max(1, n * 2 // 3))})
    account["policies"] = []
    for i in range(m.rnd.choice((0, 1, 1, 2, 4, 8))):
        account["policies"].append(make_policy(m, account, i))
    return account


def change(m: Maker, account: dict) -> dict:
    """Changes the account at random and returns the change as an op of tests/interop/netmap-history.c."""
    account["serial"] += 1
    kinds = [add_peer, update_peer, put_policy, put_policy, put_group, settings]
    kinds += [remove_peer] if len(account["peers"]) > 1 else []
    kinds += [remove_policy] if account["policies"] else []
    kinds += [remove_group] if len(account["groups"]) > 1 else []
    op = m.rnd.choice(kinds)(m, account)
    return {"serial": account["serial"], **op}


def add_peer(m: Maker, account: dict) -> dict:
    taken = {ipaddress.ip_address(p["ip"]) for p in account["peers"]}
    peer = make_peer(m, m.rnd.randrange(1000, 10**9), account, True, taken)
    groups = m.some(account["groups"][1:], 0, 2)
    account["peers"].append(peer)
    for g in [account["groups"][0], *groups]:
        if peer["id"] not in g["peers"]:
            g["peers"].append(peer["id"])
    return {"op": "add_peer", "peer": peer, "groups": [g["id"] for g in groups]}


def update_peer(m: Maker, account: dict) -> dict:
    peer = m.rnd.choice(account["peers"])
    what = m.rnd.choice(("version", "label", "ssh", "key", "approval", "login", "ip6", "disable"))
    if what == "version":
        peer["meta"]["version"] = m.rnd.choice(VERSIONS)
    elif what == "label":
        peer["dns_label"] = f"renamed-{m.rnd.randrange(10**9)}"
    elif what == "ssh":
        peer["ssh_enabled"] = not peer["ssh_enabled"]
    elif what == "key":
        peer["ssh_key"] = f"ssh-ed25519 {m.rnd.randrange(10**9)}"
    elif what == "approval":
        peer["approval_required"] = not peer["approval_required"]
    elif what == "login":
        peer["last_login_us"] = NOW_US - m.rnd.choice((0, 2 * DAY_US))
    elif what == "ip6":
        peer["ip6"] = "" if peer["ip6"] else str(ipaddress.ip_network(account["network"]["net6"])[m.rnd.randrange(2, 2**64 - 1)])
    else:
        peer["meta"]["disable_ipv6"] = not peer["meta"]["disable_ipv6"]
    return {"op": "update_peer", "peer": peer}


def remove_peer(m: Maker, account: dict) -> dict:
    """Policies that name the peer go with it, as the operations above the model see to."""
    named = {r["id"] for p in account["policies"] for rule in p["rules"] for r in (rule["source_resource"], rule["destination_resource"]) if r}
    free = [p for p in account["peers"] if p["id"] not in named]
    if not free:
        return put_policy(m, account)
    peer = m.rnd.choice(free)
    account["peers"].remove(peer)
    for g in account["groups"]:
        g["peers"] = [p for p in g["peers"] if p != peer["id"]]
    return {"op": "remove_peer", "id": peer["id"]}


def put_policy(m: Maker, account: dict) -> dict:
    policy = make_policy(m, account, m.rnd.randrange(10**6))
    if account["policies"] and m.maybe(0.6):
        i = m.rnd.randrange(len(account["policies"]))
        old = account["policies"][i]
        policy = dict(old, enabled=not old["enabled"]) if m.maybe(0.3) else dict(policy, id=old["id"])
        account["policies"][i] = policy
    else:
        account["policies"].append(policy)
    return {"op": "put_policy", "policy": policy}


def remove_policy(m: Maker, account: dict) -> dict:
    policy = m.rnd.choice(account["policies"])
    account["policies"].remove(policy)
    return {"op": "remove_policy", "id": policy["id"]}


def put_group(m: Maker, account: dict) -> dict:
    ids = [p["id"] for p in account["peers"]]
    if len(account["groups"]) > 1 and m.maybe(0.8):
        group = m.rnd.choice(account["groups"][1:])
        group["peers"] = m.some(ids, 0, len(ids))
    else:
        group = {"id": m.id(), "name": f"group {m.rnd.randrange(10**6)}", "peers": m.some(ids, 0, len(ids))}
        account["groups"].append(group)
    return {"op": "put_group", "group": group}


def remove_group(m: Maker, account: dict) -> dict:
    used = {g for p in account["policies"] for r in p["rules"] for g in (*r["sources"], *r["destinations"])}
    free = [g for g in account["groups"][1:] if g["id"] not in used]
    if not free:
        return put_group(m, account)
    group = m.rnd.choice(free)
    account["groups"].remove(group)
    return {"op": "remove_group", "id": group["id"]}


def settings(m: Maker, account: dict) -> dict:
    s = account["settings"]
    what = m.rnd.choice(("lazy_connections", "routing_peer_dns", "login_expiration_enabled", "dns_domain"))
    s[what] = m.rnd.choice(("weft.internal", "mesh.example")) if what == "dns_domain" else not s[what]
    return {"op": "settings", "account": {k: account[k] for k in ("serial", "network", "settings")}}
