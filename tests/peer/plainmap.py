#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network map by the letter: slow, without indexes or caches, one loop per sentence of the algorithm.

It judges weft-mgmtd's builder: both get the same account as JSON, and their maps are compared as sets, after undoing the
reductions that the server may make (reductions.py). It is itself checked against maps that the official server sent
(tests/test_plainmap.py).

    plainmap.py generate --seed N [--peers N]     a random account
    plainmap.py map ACCOUNT.json                  {peer id: hex of SyncResponse}
    plainmap.py compare ACCOUNT.json MAPS.json    differences to maps of the same form; exit status 1 if there are any

Account (what is in brackets may be missing):

    {"serial": 7, "now_us": 1767225600000000,
     "network": {"net": "100.99.0.0/16", "net6": "fd00:1:2:3::/64"},
     "settings": {"dns_domain": "weft.internal", "lazy_connections": false, "routing_peer_dns": true,
                  "login_expiration_enabled": true, "login_expiration_us": 86400000000,
                  ["ipv6_groups": [group id], who is given IPv6; here the peers' ip6 says it,
                   "auto_update_version": "disabled", "auto_update_always": false, "ssh_jwt": {JWTConfig as proto JSON}]},
     "peers": [{"id", "key": base64, "ip", "ip6": "" without, "dns_label", "user_id": "" = by setup key, "ssh_key",
                "ssh_enabled", "login_expiration_enabled", "approval_required", "last_login_us", "connected",
                ["extra_labels": []],
                "meta": {"hostname", "version", "capabilities": [1, 2], "disable_ipv6", "server_ssh_allowed"}}],
     "groups": [{"id", "name", "peers": [peer id], ["resources": [resource id]]}],       "All" holds everyone
     "policies": [{"id", "name", "enabled", ["source_posture_checks": [check id]],
                   "rules": [{"id", "name", "enabled", "action": "accept"|"drop", "bidirectional",
                              "protocol": "all"|"tcp"|"udp"|"icmp"|"netbird-ssh",
                              "sources": [group id], "destinations": [group id],
                              "source_resource", "destination_resource": null or {"type": "peer"|"host"|..., "id"},
                              "ports": [22], "port_ranges": [{"start", "end"}],
                              ["authorized_groups": {group id: [local user]}, "authorized_user": ""]}]}],
     ["checks": {check id: {"failed": [peer id], "files": [path]}},
      "users": [{"id", "blocked", "auto_groups": [group id]}],
      "routes": [{"id", "net_id", "network" or "domains", "peer" or "peer_groups", "metric", "masquerade", "enabled",
                  "groups", "access_control_groups", "keep_route", "skip_auto_apply"}],
      "networks": [{"id", "resources": [{"id", "name", "type", "address" or "domain", "enabled"}],
                    "routers": [{"peer" or "peer_groups", "metric", "masquerade", "enabled"}]}],
      "nameserver_groups": [{"servers": [{"ip", "port"}], "primary", "domains", "search_domains_enabled", "enabled", "groups"}],
      "zones": [{"domain", "enabled", "search_domain", "groups", "records": [{"name", "type": "A", "content", "ttl"}]}],
      "dns_disabled_groups": [group id]]}

Ids are texts of any form; mgmtd wants its own (20 characters). Numbers in brackets below are sections of the protocol notes
(README.md).
"""
from __future__ import annotations

import argparse
import base64
import hashlib
import ipaddress
import json
import os
import sys

from google.protobuf.json_format import ParseDict

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import reductions
from nbs_account import at_least, is_dev, semver
from nbwire import mgmt as pb

PROTOCOLS = {"all": "ALL", "tcp": "TCP", "udp": "UDP", "icmp": "ICMP", "netbird-ssh": "NETBIRD_SSH"}
PLACEHOLDER = "192.0.2.0/32"  # network of a route to domains


class Account:
    def __init__(self, data: dict, corrected: bool = False):
        self.data, self.corrected = data, corrected
        self.settings = data["settings"]
        self.peers = {p["id"]: p for p in data["peers"]}
        self.groups = {g["id"]: g for g in data["groups"]}
        self.valid = {p["id"] for p in data["peers"] if not p.get("approval_required")}

    def get(self, name: str) -> list:
        return self.data.get(name) or []

    def members(self, group_ids: list) -> list:
        out = []
        for g in (self.groups[i] for i in group_ids if i in self.groups):
            if g["name"] == "All":
                return [p for p in g["peers"] if p in self.peers]
            out += [p for p in g["peers"] if p in self.peers and p not in out]
        return out

    def in_groups(self, peer_id: str, group_ids: list) -> bool:
        return any(peer_id in self.groups[i]["peers"] for i in group_ids if i in self.groups)

    def passes(self, peer_id: str, checks: list) -> bool:
        known = self.data.get("checks") or {}
        return not any(peer_id in known[c]["failed"] for c in checks or () if c in known)

    def fqdn(self, peer: dict) -> str:
        return f'{peer["dns_label"]}.{self.settings["dns_domain"]}'

    def expired(self, peer: dict) -> bool:
        if not (self.settings["login_expiration_enabled"] and peer["user_id"] and peer["login_expiration_enabled"]):
            return False
        return peer["last_login_us"] + self.settings["login_expiration_us"] <= self.data["now_us"]

    def active_users(self) -> list:
        return [u["id"] for u in self.get("users") if not u.get("blocked")]


def wants_v6(peer: dict) -> bool:
    meta = peer["meta"]
    return bool(peer["ip6"]) and 2 in meta["capabilities"] and not meta.get("disable_ipv6")


def enabled_rules(account: Account):
    for policy in account.get("policies"):
        if policy["enabled"]:
            for rule in policy["rules"]:
                if rule["enabled"]:
                    yield policy, rule


def resource_peer(resource) -> str:
    return resource["id"] if resource and resource["type"] == "peer" else ""


# ---------------------------------------------------------------- peers and rules (17.2 to 17.4)

def source_peers(account: Account, policy: dict, rule: dict) -> list:
    one = resource_peer(rule.get("source_resource"))
    if one:
        return [one] if one in account.valid else []
    return [p for p in account.members(rule["sources"]) if p in account.valid and account.passes(p, policy.get("source_posture_checks"))]


def destination_peers(account: Account, rule: dict) -> list:
    one = resource_peer(rule.get("destination_resource"))
    if one:
        return [one] if one in account.valid else []
    return [p for p in account.members(rule["destinations"]) if p in account.valid]


class Acl:
    """What the policies make of one peer."""

    def __init__(self, account: Account, me: dict):
        self.account, self.me = account, me
        self.peers, self.rules, self.seen = [], [], set()
        self.ssh, self.ssh_users = False, {}
        for policy, rule in enabled_rules(account):
            self.apply(policy, rule)

    def apply(self, policy: dict, rule: dict) -> None:
        sources, destinations = source_peers(self.account, policy, rule), destination_peers(self.account, rule)
        is_source, is_destination = self.me["id"] in sources, self.me["id"] in destinations
        sources = [p for p in sources if p != self.me["id"]]
        destinations = [p for p in destinations if p != self.me["id"]]
        if rule["bidirectional"] and is_source:
            self.emit(policy, rule, destinations, "IN")
        if rule["bidirectional"] and is_destination:
            self.emit(policy, rule, sources, "OUT")
        if is_source:
            self.emit(policy, rule, destinations, "OUT")
        if is_destination:
            self.emit(policy, rule, sources, "IN")
            self.apply_ssh(rule)

    def emit(self, policy: dict, rule: dict, others: list, direction: str) -> None:
        protocol = "tcp" if rule["protocol"] == "netbird-ssh" else rule["protocol"]
        for q in (self.account.peers[i] for i in others):
            if q["id"] not in self.peers:
                self.peers.append(q["id"])
            key = (rule["id"], q["id"], direction, protocol, rule["action"], tuple(rule["ports"]))
            if key in self.seen:
                continue
            self.seen.add(key)
            self.rules += self.expand(policy, rule, q["ip"], direction, protocol)
            if q["ip6"] and wants_v6(self.me):
                self.rules += self.expand(policy, rule, q["ip6"], direction, protocol)

    def expand(self, policy: dict, rule: dict, remote: str, direction: str, protocol: str) -> list:
        if self.account.corrected and rule["protocol"] == "netbird-ssh" and not rule["ports"] and not rule["port_ranges"]:
            rule = dict(rule, ports=[22])
        return expand(self.me, policy, rule, remote, direction, protocol)

    def apply_ssh(self, rule: dict) -> None:
        if rule["protocol"] == "netbird-ssh":
            self.ssh = True
            self.add_ssh_users(rule)
        elif legacy_ssh(rule) and self.me["ssh_enabled"]:
            self.ssh = True
            self.users_of("*").update(self.account.active_users())

    def users_of(self, local: str) -> set:
        return self.ssh_users.setdefault(local, set())

    def add_ssh_users(self, rule: dict) -> None:
        active = self.account.active_users()
        if rule.get("authorized_groups"):
            for group, locals_ in rule["authorized_groups"].items():
                is_all = self.account.groups.get(group, {}).get("name") == "All"
                users = [u["id"] for u in self.account.get("users") if u["id"] in active and (is_all or group in u.get("auto_groups", ()))]
                for local in locals_ or ["*"]:
                    self.users_of(local).update(users)
        elif rule.get("authorized_user"):
            self.users_of("*").add(rule["authorized_user"])
        else:
            self.users_of("*").update(active)


def covers(rule: dict, port: int) -> bool:
    return port in rule["ports"] or any(r["start"] <= port <= r["end"] for r in rule["port_ranges"])


def legacy_ssh(rule: dict) -> bool:
    return rule["protocol"] == "all" or (rule["protocol"] == "tcp" and (covers(rule, 22) or covers(rule, 22022)))


def expand(me: dict, policy: dict, rule: dict, remote: str, direction: str, protocol: str) -> list:
    """One entry of the ACL as the rules that a client of this version gets (17.3)."""
    version = me["meta"]["version"]
    ranges = []  # (first, last), None = a rule without any port
    if rule["ports"]:
        ports = list(rule["ports"])
    elif rule["port_ranges"]:
        ports = []
        for r in rule["port_ranges"]:
            if at_least(version, (0, 48, 0)):
                ranges.append((r["start"], r["end"]))
            elif r["start"] == r["end"]:
                ports.append(r["start"])
    else:
        ports = []
        ranges.append(None)
    native = at_least(version, (0, 60, 0)) and me["ssh_enabled"] and me["meta"].get("server_ssh_allowed") and rule["protocol"] == "tcp"
    if (native or rule["protocol"] == "netbird-ssh") and covers(rule, 22) and not covers(rule, 22022):
        ports.append(22022)
    out = [firewall_rule(me, policy, rule, remote, direction, protocol, port=str(p)) for p in ports]
    return out + [firewall_rule(me, policy, rule, remote, direction, protocol, range_=r) for r in ranges]


def firewall_rule(me: dict, policy: dict, rule: dict, remote: str, direction: str, protocol: str, port: str = "", range_=None):
    r = pb.FirewallRule(PeerIP=remote, Direction=direction, Action=rule["action"].upper(), Protocol=PROTOCOLS[protocol],
                        Port=port, PolicyID=policy["id"].encode())
    if not port and protocol in ("tcp", "udp"):
        r.PortInfo.range.SetInParent()
        if range_:
            r.PortInfo.range.start, r.PortInfo.range.end = range_
    if 1 in me["meta"]["capabilities"]:
        address = ipaddress.ip_address(remote)
        r.sourcePrefixes.append(address.packed + bytes([address.max_prefixlen]))
    return r


# ---------------------------------------------------------------- classic routes (17.5)

def own_routes(account: Account, peer_id: str) -> list:
    """Routes of one routing peer, as (route, id on the wire)."""
    out = []
    for r in account.get("routes"):
        if r.get("peer"):
            if r["peer"] == peer_id:
                out.append((r, r["id"]))
        elif peer_id in account.members(r.get("peer_groups") or []):
            out.append((r, f'{r["id"]}:{peer_id}'))
    return out


def ha_key(route: dict) -> str:
    return f'{route["net_id"]}|{",".join(route["domains"]) if route.get("domains") else route["network"]}'


def add_route(account: Account, me: dict, map_, route: dict, wire_id: str, router: str) -> None:
    network = PLACEHOLDER if route.get("domains") else route["network"]
    v6 = ":" in network
    if v6 and not wants_v6(me):
        return
    one = dict(ID=wire_id, NetID=route["net_id"], Network=network, NetworkType=3 if route.get("domains") else 2 if v6 else 1,
               Peer=account.peers[router]["key"], Metric=route["metric"], Masquerade=route["masquerade"],
               Domains=route.get("domains") or (), keepRoute=route.get("keep_route", False), skipAutoApply=route.get("skip_auto_apply", False))
    map_.Routes.add(**one)
    if network == "0.0.0.0/0" and wants_v6(me):
        map_.Routes.add(**dict(one, ID=wire_id + "-v6-default", NetID=route["net_id"] + "-v6", Network="::/0", NetworkType=2))


def add_classic_routes(account: Account, me: dict, acl: Acl, connect: list, map_) -> None:
    own = own_routes(account, me["id"])
    member = {ha_key(r) for r, _ in own}
    for route, wire_id in own:
        if route["enabled"]:
            add_route(account, me, map_, route, wire_id, me["id"])
            add_route_rules(account, me, acl, map_, route, wire_id)
    for q in connect:
        for route, wire_id in own_routes(account, q):
            if route["enabled"] and account.in_groups(me["id"], route["groups"]) and ha_key(route) not in member:
                add_route(account, me, map_, route, wire_id, q)


def port_infos(rule: dict) -> list:
    """Port selections of a rule about routed traffic."""
    if rule["ports"]:
        return [pb.PortInfo(port=p) for p in rule["ports"]]
    if rule["port_ranges"]:
        return [pb.PortInfo(range={"start": r["start"], "end": r["end"]}) for r in rule["port_ranges"]]
    return [pb.PortInfo()]


def route_destination(route: dict) -> str:
    return PLACEHOLDER if route.get("domains") else route["network"]


def add_route_rules(account: Account, me: dict, acl: Acl, map_, route: dict, wire_id: str) -> None:
    destination = route_destination(route)
    dynamic = bool(route.get("domains"))
    common = dict(isDynamic=dynamic, domains=route.get("domains") or (), RouteID=wire_id)
    twin = wants_v6(me) and (dynamic or destination == "0.0.0.0/0")
    if ":" in destination and not wants_v6(me):
        return
    if not route.get("access_control_groups"):
        everywhere = [("::/0" if ":" in destination else "0.0.0.0/0", destination, common)]
        if twin:
            everywhere.append(("::/0", *twin_of(destination, common)))
        for source, dest, rest in everywhere:
            map_.routesFirewallRules.add(sourceRanges=[source], destination=dest, action="ACCEPT", protocol="ALL", portInfo=pb.PortInfo(), **rest)
        return
    for group in route["access_control_groups"]:
        for policy, rule in enabled_rules(account):
            if group not in rule["destinations"]:
                continue
            peers = list(account.members(rule["sources"]))
            one = resource_peer(rule.get("source_resource"))
            if one and one not in peers:
                peers.append(one)
            allowed = [account.peers[p] for p in peers if p != me["id"] and p in account.valid and account.in_groups(p, route["groups"]) and
                       account.passes(p, policy.get("source_posture_checks"))]
            add_access_rules(map_, policy, rule, allowed, destination, twin, common)


def twin_of(destination: str, common: dict) -> tuple:
    """Destination and the rest of the IPv6 twin of a rule: domains stay, the default route becomes its twin."""
    if common["isDynamic"]:
        return destination, common
    return "::/0", dict(common, RouteID=common["RouteID"] + "-v6-default")


def add_access_rules(map_, policy: dict, rule: dict, sources: list, destination: str, twin: bool, common: dict) -> None:
    four, six = [p["ip"] + "/32" for p in sources], [p["ip6"] + "/128" for p in sources if p["ip6"]]
    variants = [(six if ":" in destination else four, destination, common)]
    if twin and six:
        variants.append((six, *twin_of(destination, common)))
    for ranges, dest, rest in variants:
        for info in port_infos(rule):
            map_.routesFirewallRules.add(sourceRanges=ranges, destination=dest, action=rule["action"].upper(),
                                         protocol=PROTOCOLS[rule["protocol"]], portInfo=info, PolicyID=policy["id"].encode(), **rest)


# ---------------------------------------------------------------- network resources (17.6)

def resource_policies(account: Account, resource: dict) -> list:
    groups = {g["id"] for g in account.get("groups") if resource["id"] in (g.get("resources") or ())}
    out = []
    for policy in account.get("policies"):
        if policy["enabled"] and any(
                r["enabled"] and ((r.get("destination_resource") or {}).get("id") == resource["id"] or groups & set(r["destinations"]))
                for r in policy["rules"]):
            out.append(policy)
    return out


def policy_sources(account: Account, policy: dict) -> list:
    """Posture-valid sources of a policy about a resource; of source resources only the first rule's counts."""
    one = resource_peer(policy["rules"][0].get("source_resource"))
    if one:
        peers = [one]
    else:
        peers = account.members([g for r in policy["rules"] if r["enabled"] for g in r["sources"]])
    return [p for p in peers if p in account.valid and account.passes(p, policy.get("source_posture_checks"))]


def network_routers(account: Account, network: dict) -> dict:
    out = {}
    for router in network["routers"]:
        if router["enabled"]:
            for p in [router["peer"]] if router.get("peer") else account.members(router.get("peer_groups") or []):
                out.setdefault(p, router)
    return out


def resource_route(resource: dict, router: dict) -> dict:
    route = {"net_id": resource["name"], "metric": router["metric"], "masquerade": router["masquerade"], "keep_route": True}
    if resource["type"] == "domain":
        return dict(route, domains=[resource["domain"]])
    return dict(route, network=resource["address"])


def add_resources(account: Account, me: dict, map_) -> list:
    """Returns the peers that the resources add to those of the policies."""
    extra = []
    for network in account.get("networks"):
        routers = network_routers(account, network)
        for resource in network["resources"]:
            if not resource["enabled"]:
                continue
            policies = resource_policies(account, resource)
            if me["id"] in routers:
                extra += add_own_resource(account, me, map_, resource, routers[me["id"]], policies)
                continue
            if any(me["id"] in policy_sources(account, p) for p in policies):
                for peer_id, router in routers.items():
                    add_route(account, me, map_, resource_route(resource, router), f'{resource["id"]}:{peer_id}', peer_id)
                    extra.append(peer_id)
    return extra


def add_own_resource(account: Account, me: dict, map_, resource: dict, router: dict, policies: list) -> list:
    if not policies:
        return []
    route = resource_route(resource, router)
    wire_id = f'{resource["id"]}:{me["id"]}'
    add_route(account, me, map_, route, wire_id, me["id"])
    destination, dynamic = route_destination(route), bool(route.get("domains"))
    common = dict(isDynamic=dynamic, domains=route.get("domains") or (), RouteID=wire_id)
    twin = wants_v6(me) and (dynamic or destination == "0.0.0.0/0")
    extra = []
    for policy in policies:
        sources = [p for p in policy_sources(account, policy) if p != me["id"]]
        extra += sources
        for rule in policy["rules"]:
            if rule["enabled"] and sources:
                add_access_rules(map_, policy, rule, [account.peers[p] for p in sources], destination, twin, common)
    return extra


# ---------------------------------------------------------------- DNS (17.7, 12)

def forwarder_port(account: Account) -> int:
    versions = [p["meta"]["version"] for p in account.data["peers"]]
    modern = versions and all(is_dev(v) or (semver(v) or (0,)) >= (0, 59, 0) for v in versions)
    return 22054 if modern else 5353


def add_dns(account: Account, me: dict, named: list, map_) -> None:
    dns = map_.DNSConfig
    dns.ForwarderPort = forwarder_port(account)
    if account.in_groups(me["id"], account.get("dns_disabled_groups")):
        return
    dns.ServiceEnable = True
    domain = account.settings["dns_domain"]
    zone = dns.CustomZones.add(Domain=domain + ".")
    for q in (account.peers[i] for i in dict.fromkeys([me["id"], *named])):
        for label in [q["dns_label"], *q.get("extra_labels", ())]:
            zone.Records.add(Name=f"{label}.{domain}", Type=1, Class="IN", TTL=300, RData=q["ip"])
            if wants_v6(me) and wants_v6(q):
                zone.Records.add(Name=f"{label}.{domain}", Type=28, Class="IN", TTL=300, RData=q["ip6"])
    for z in account.get("zones"):
        if z["enabled"] and z["records"] and account.in_groups(me["id"], z["groups"]):
            one = dns.CustomZones.add(Domain=z["domain"] + ".", NonAuthoritative=True, SearchDomainDisabled=not z["search_domain"])
            for r in z["records"]:
                one.Records.add(Name=r["name"] + ".", Type={"A": 1, "AAAA": 28, "CNAME": 5}[r["type"]], Class="IN", TTL=r["ttl"], RData=r["content"])
    for g in account.get("nameserver_groups"):
        if g["enabled"] and account.in_groups(me["id"], g["groups"]) and me["ip"] not in [s["ip"] for s in g["servers"]]:
            dns.NameServerGroups.add(NameServers=[pb.NameServer(IP=s["ip"], NSType=1, Port=s["port"]) for s in g["servers"]],
                                     Primary=g["primary"], Domains=g["domains"], SearchDomainsEnabled=g["search_domains_enabled"])


# ---------------------------------------------------------------- the message (17.1, 17.8, 18)

def peer_config(account: Account, me: dict, ssh: bool):
    settings = account.settings
    net = ipaddress.ip_network(account.data["network"]["net"])
    config = pb.PeerConfig(address=f'{me["ip"]}/{net.prefixlen}', fqdn=account.fqdn(me),
                           RoutingPeerDnsResolutionEnabled=settings["routing_peer_dns"], LazyConnectionEnabled=settings["lazy_connections"])
    config.sshConfig.sshEnabled = bool(me["ssh_enabled"] or ssh)
    if config.sshConfig.sshEnabled and settings.get("ssh_jwt"):
        ParseDict(settings["ssh_jwt"], config.sshConfig.jwtConfig)
    config.autoUpdate.version = settings.get("auto_update_version", "disabled")
    config.autoUpdate.alwaysUpdate = settings.get("auto_update_always", False)
    if wants_v6(me):
        net6 = ipaddress.ip_network(account.data["network"]["net6"])
        config.address_v6 = ipaddress.ip_address(me["ip6"]).packed + bytes([net6.prefixlen])
    return config


def remote_peer(account: Account, me: dict, q: dict):
    out = pb.RemotePeerConfig(wgPubKey=q["key"], allowedIps=[q["ip"] + "/32"], fqdn=account.fqdn(q), agentVersion=q["meta"]["version"])
    if wants_v6(me) and q["ip6"]:
        out.allowedIps.append(q["ip6"] + "/128")
    out.sshConfig.sshPubKey = q["ssh_key"].encode()
    return out


def add_ssh_auth(map_, users: dict) -> None:
    map_.sshAuth.UserIDClaim = "sub"
    everyone = sorted({u for some in users.values() for u in some})
    hashes = [hashlib.blake2b(u.encode(), digest_size=16).digest() for u in everyone]
    map_.sshAuth.AuthorizedUsers.extend(hashes)
    for local, some in users.items():
        map_.sshAuth.machine_users[local].indexes.extend(everyone.index(u) for u in sorted(some))


def build(data: dict, peer_id: str, corrected: bool = False):
    """SyncResponse of one peer, without netbirdConfig. *corrected*: without the fault of the official server that weft-mgmtd
    does not copy: a netbird-ssh rule without ports opens 22 and 22022, not every TCP port."""
    account = Account(data, corrected)
    me = account.peers[peer_id]
    response = pb.SyncResponse()
    map_ = response.NetworkMap
    map_.Serial = data["serial"]
    ssh, users = False, {}
    connect = offline = ()
    if peer_id in account.valid:
        acl = Acl(account, me)
        offline = [p for p in acl.peers if account.expired(account.peers[p])]
        connect = [p for p in acl.peers if p not in offline]
        map_.FirewallRules.extend(acl.rules)
        add_classic_routes(account, me, acl, connect, map_)
        for extra in add_resources(account, me, map_):
            if extra != peer_id and extra not in connect and extra not in offline:
                connect.append(extra)
        add_dns(account, me, acl.peers, map_)
        ssh, users = acl.ssh, acl.ssh_users
    else:
        map_.DNSConfig.ForwarderPort = forwarder_port(account)
    map_.remotePeers.extend(remote_peer(account, me, account.peers[p]) for p in connect)
    map_.offlinePeers.extend(remote_peer(account, me, account.peers[p]) for p in offline)
    map_.peerConfig.CopyFrom(peer_config(account, me, ssh))
    map_.remotePeersIsEmpty = not map_.remotePeers
    map_.firewallRulesIsEmpty = not map_.FirewallRules
    map_.routesFirewallRulesIsEmpty = not map_.routesFirewallRules
    add_ssh_auth(map_, users)
    response.peerConfig.CopyFrom(map_.peerConfig)
    response.remotePeersIsEmpty = map_.remotePeersIsEmpty
    if not at_least(me["meta"]["version"], (0, 29, 3)):
        response.remotePeers.extend(map_.remotePeers)
    add_checks(account, me, response)
    response.sessionExpiresAt.SetInParent()
    if account.settings["login_expiration_enabled"] and me["user_id"] and me["login_expiration_enabled"]:
        at = me["last_login_us"] + account.settings["login_expiration_us"]
        response.sessionExpiresAt.seconds, response.sessionExpiresAt.nanos = at // 1000000, at % 1000000 * 1000
    return response


def add_checks(account: Account, me: dict, response) -> None:
    """Paths that the peer is to look at, for the policies that it is a source of (9)."""
    known = account.data.get("checks") or {}
    for policy, rule in enabled_rules(account):
        if me["id"] in account.members(rule["sources"]):
            for c in policy.get("source_posture_checks") or ():
                files = known.get(c, {}).get("files")
                if files and not any(list(x.Files) == list(files) for x in response.Checks):
                    response.Checks.add(Files=files)


# ---------------------------------------------------------------- comparison

def compare(data: dict, maps: dict, corrected: bool = False) -> list:
    """Differences between the maps {peer id: SyncResponse or bytes} and ours, as texts."""
    out = []
    for peer in data["peers"]:
        if peer["id"] not in maps:
            out.append(f'{peer["id"]}: no map')
            continue
        got = maps[peer["id"]]
        if isinstance(got, bytes):
            got = pb.SyncResponse.FromString(got)
        for line in reductions.differences(build(data, peer["id"], corrected), got, peer["meta"]):
            out.append(f'{peer["dns_label"]} ({peer["id"]}): {line}')
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description="the network map by the letter")
    commands = parser.add_subparsers(dest="command", required=True)
    generate = commands.add_parser("generate", help="a random account")
    generate.add_argument("--seed", type=int, required=True)
    generate.add_argument("--peers", type=int)
    for name in ("map", "compare"):
        commands.add_parser(name).add_argument("account")
        commands.choices[name].add_argument("--corrected", action="store_true", help="without the fault that weft-mgmtd does not copy")
    commands.choices["compare"].add_argument("maps")
    args = parser.parse_args()
    if args.command == "generate":
        import randomaccount
        print(json.dumps(randomaccount.generate(args.seed, args.peers), indent=1))
        return 0
    with open(args.account, encoding="utf-8") as f:
        data = json.load(f)
    if args.command == "map":
        print(json.dumps({p["id"]: build(data, p["id"], args.corrected).SerializeToString().hex() for p in data["peers"]}, indent=1))
        return 0
    with open(args.maps, encoding="utf-8") as f:
        maps = {k: bytes.fromhex(v) for k, v in json.load(f).items()}
    found = compare(data, maps, args.corrected)
    print("\n".join(found) if found else "equal")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
