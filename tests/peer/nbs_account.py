# SPDX-License-Identifier: GPL-3.0-or-later
"""What the test server knows: settings, account, peers, keys, policies, and the network map of one peer. See README-server.md."""
from __future__ import annotations

import base64
import ipaddress
import json
import os
import random
import re
import secrets
import time
import uuid
from dataclasses import asdict, dataclass, field
from typing import Optional

import grpc
from google.protobuf.json_format import ParseDict

import nbwire as w
from nbwire import mgmt as pb

CODE = grpc.StatusCode
ALL = "All"
SERVICES = ("management", "signal", "relay", "stun")


class Denied(Exception):
    """A gRPC status on its way to the caller."""

    def __init__(self, code: grpc.StatusCode, details: str):
        super().__init__(details)
        self.code, self.details = code, details


class CommandError(Exception):
    """A control command that cannot be carried out."""


@dataclass
class Config:
    listen_ip: str = "127.0.0.1"
    mgmt_port: int = 33073            # 0 = any free port, here and below
    signal_port: int = 10000
    relay_port: int = 33080
    stun_port: int = 3478
    advertise: str = ""               # host named in URLs, default listen_ip
    state: str = ""                   # directory; "" = nothing is kept
    tls_cert: str = ""
    tls_key: str = ""
    persist_key: bool = False         # official servers make a new box key at every start
    network: str = ""                 # /16 out of 100.64.0.0/10; "" = random
    network_v6: str = ""              # ULA /64; "" = random
    ipv6: bool = True                 # give addresses to peers with capability 2
    sequential: bool = False          # overlay addresses .0.1, .0.2 ... instead of random ones
    domain: str = "netbird.selfhosted"
    lazy: bool = True                 # a new official account has lazy connections on
    setup_key: str = ""               # text of the reusable key; "" = random
    with_stun: bool = True
    with_relay: bool = True
    relay_secret: str = "relay-secret"
    relay_ttl: float = 12 * 3600
    turn: list = field(default_factory=list)   # URIs, e.g. ["turn:203.0.113.11:3478?transport=udp"]
    turn_secret: str = "turn-secret"           # "" = static turn_user / turn_password
    turn_user: str = ""
    turn_password: str = ""
    turn_ttl: float = 12 * 3600
    sso: dict = field(default_factory=dict)    # {"pkce": ProviderConfig JSON, "device": ...}; absent = NOT_FOUND
    login_expiration: float = 24 * 3600        # SSO peers only; 0 = off
    ephemeral_after: float = 600
    push_delay: float = 0.1           # the official account buffer: every sync and push waits that long
    debounce: float = 1.0
    relay_health: float = 25.0
    relay_health_timeout: float = 20.0
    # The official server ends the *new* Sync stream too when an older one of the same peer was still open, and loses the last
    # (empty) map of a removed peer when another map went out less than `debounce` before. False = behave sensibly.
    faithful_duplicates: bool = True
    faithful_removal: bool = True

    @property
    def host(self) -> str:
        return self.advertise or self.listen_ip

    @property
    def tls(self) -> bool:
        return bool(self.tls_cert)


# ---------------------------------------------------------------- account model (management.md 3-8, 17)

@dataclass
class Peer:
    id: str
    key: str
    ip: str
    ip6: str
    name: str
    label: str
    user_id: str = ""
    ssh_key: str = ""
    ssh_enabled: bool = False
    created: float = 0
    last_login: float = 0
    last_seen: float = 0
    login_expired: bool = False
    ephemeral: bool = False
    allow_extra_labels: bool = False
    extra_labels: list = field(default_factory=list)
    meta: str = ""                    # serialized PeerSystemMeta, base64
    virtual: bool = False             # added by a test, never connects

    def pm(self):
        return pb.PeerSystemMeta.FromString(base64.b64decode(self.meta))

    @property
    def version(self) -> str:
        return self.pm().netbirdVersion

    @property
    def caps(self) -> set:
        return set(self.pm().capabilities)

    @property
    def v6(self) -> bool:
        m = self.pm()
        return bool(self.ip6) and 2 in m.capabilities and not m.flags.disableIPv6


@dataclass
class SetupKey:
    key: str
    name: str
    reusable: bool = True
    expires: float = 0                # 0 = never
    revoked: bool = False
    limit: int = 0                    # 0 = unlimited
    used: int = 0
    ephemeral: bool = False
    allow_extra_labels: bool = False
    groups: list = field(default_factory=list)

    def valid(self) -> bool:
        return not self.revoked and not (self.expires and time.time() > self.expires) and not (self.limit and self.used >= self.limit)


@dataclass
class Policy:
    id: str
    name: str
    sources: list
    destinations: list
    protocol: str = "ALL"
    action: str = "ACCEPT"
    bidirectional: bool = True
    ports: list = field(default_factory=list)
    ranges: list = field(default_factory=list)
    enabled: bool = True


@dataclass
class NetRoute:
    id: str
    net_id: str
    network: str
    peer: str                         # peer id
    groups: list = field(default_factory=lambda: [ALL])
    metric: int = 9999
    masquerade: bool = True
    enabled: bool = True
    keep: bool = False
    domains: list = field(default_factory=list)


def new_id() -> str:
    return base64.b32hexencode(secrets.token_bytes(12)).decode().lower().rstrip("=")[:20]


def is_dev(version: str) -> bool:
    return version.startswith(("development", "dev-", "ci-"))


def semver(version: str) -> Optional[tuple]:
    m = re.match(r"^(\d+)\.(\d+)\.(\d+)", version)
    return tuple(int(x) for x in m.groups()) if m else None


def at_least(version: str, low: tuple) -> bool:
    """Feature gates: development builds have everything."""
    return is_dev(version) or (semver(version) or (0, 0, 0)) >= low


def dns_label(host: str) -> str:
    """First label of the host name, lower case, at most 59 characters."""
    first = host.strip(".").split(".")[0]
    if not first:
        raise ValueError("empty host name")
    if not first.isascii():
        first = "xn--" + first.encode("punycode").decode()
    first = re.sub(r"[^a-zA-Z0-9-]+", "-", first).lower()
    return first[:59] if len(first) > 58 else first


class Account:
    """The stored account: what survives a restart of management."""

    def __init__(self, cfg: Config):
        self.cfg = cfg
        self.path = os.path.join(cfg.state, "account.json") if cfg.state else ""
        self.peers: dict[str, Peer] = {}           # by id, in order of joining
        self.keys: list[SetupKey] = []
        self.groups: dict[str, list] = {}          # name -> peer ids; All is implied
        self.policies: list[Policy] = []
        self.routes: list[NetRoute] = []
        self.nameservers: list[dict] = []          # NameServerGroup JSON plus "groups"
        self.dns_off: set = set()                  # group names
        self.serial = 0
        self.box_key = ""
        self.users: dict[str, str] = {}            # token -> user id
        self.used_tokens: set = set()
        if self.path and os.path.exists(self.path):
            self.load()
        else:
            self.network = cfg.network or f"100.{random.randrange(64, 128)}.0.0/16"
            self.network_v6 = cfg.network_v6 or str(ipaddress.IPv6Network((b"\xfd" + secrets.token_bytes(7) + bytes(8), 64)))
            self.policies.append(Policy(new_id(), "Default", [ALL], [ALL]))
            mk = lambda: str(uuid.uuid4()).upper()
            self.keys = [SetupKey(cfg.setup_key or mk(), "reusable"), SetupKey(mk(), "one-off", reusable=False, limit=1),
                         SetupKey(mk(), "expired", expires=1), SetupKey(mk(), "revoked", revoked=True),
                         SetupKey(mk(), "ephemeral", ephemeral=True), SetupKey(mk(), "labels", allow_extra_labels=True)]
            self.save()

    def load(self) -> None:
        d = json.load(open(self.path))
        self.network, self.network_v6, self.serial, self.box_key = d["network"], d["network_v6"], d["serial"], d["box_key"]
        self.peers = {p["id"]: Peer(**p) for p in d["peers"]}
        self.keys = [SetupKey(**k) for k in d["keys"]]
        self.groups = d["groups"]
        self.policies = [Policy(**p) for p in d["policies"]]
        self.routes = [NetRoute(**r) for r in d["routes"]]
        self.nameservers, self.dns_off = d["nameservers"], set(d["dns_off"])

    def save(self) -> None:
        if not self.path:
            return
        d = {"network": self.network, "network_v6": self.network_v6, "serial": self.serial, "box_key": self.box_key,
             "peers": [asdict(p) for p in self.peers.values()], "keys": [asdict(k) for k in self.keys], "groups": self.groups,
             "policies": [asdict(p) for p in self.policies], "routes": [asdict(r) for r in self.routes],
             "nameservers": self.nameservers, "dns_off": sorted(self.dns_off)}
        tmp = self.path + ".new"
        with open(tmp, "w") as f:
            json.dump(d, f, indent=1)
        os.replace(tmp, self.path)

    # -- look-ups

    def by_key(self, key: str) -> Optional[Peer]:
        return next((p for p in self.peers.values() if p.key == key), None)

    def ref(self, ref: str) -> Peer:
        """Peer by id, key, address, label, host name or FQDN."""
        for p in self.peers.values():
            if ref in (p.id, p.key, p.ip, p.ip6, p.label, p.name, self.fqdn(p)):
                return p
        raise CommandError(f"no such peer: {ref}")

    def fqdn(self, p: Peer) -> str:
        return f"{p.label}.{self.cfg.domain}"

    def members(self, names: list) -> list:
        """Peer ids of groups; an element "peer:<ref>" names one peer."""
        out = {}
        for n in names:
            if n == ALL:
                return list(self.peers)
            ids = [self.ref(n[5:]).id] if n.startswith("peer:") else self.groups.get(n, [])
            out.update((i, 1) for i in ids if i in self.peers)
        return list(out)

    def in_groups(self, p: Peer, names: list) -> bool:
        return p.id in self.members(names)

    # -- changes

    def bump(self) -> None:
        self.serial += 1
        self.save()

    def add_peer(self, key: str, meta, *, user_id="", setup: Optional[SetupKey] = None, ssh_key="", labels=(), virtual=False) -> Peer:
        net, net6 = ipaddress.ip_network(self.network), ipaddress.ip_network(self.network_v6)
        taken, names = {p.ip for p in self.peers.values()}, {p.label for p in self.peers.values()}
        label = dns_label(meta.hostname)
        for attempt in range(10 if not self.cfg.sequential else 70000):
            host = attempt + 1 if self.cfg.sequential else random.randrange(1, net.num_addresses - 1)
            ip = str(net[host])
            if ip not in taken:
                break
        else:
            raise Denied(CODE.INTERNAL, "failed handling request")
        ephemeral = bool(setup and setup.ephemeral)
        if ephemeral or label in names:
            o = ip.split(".")
            label = f"{label}-{o[2]}-{o[3]}"
        now = time.time()
        p = Peer(new_id(), key, ip, str(net6[random.getrandbits(64) or 1]) if self.cfg.ipv6 else "", meta.hostname, label, user_id, ssh_key,
                 created=now, last_login=now, last_seen=now, ephemeral=ephemeral, allow_extra_labels=bool(setup and setup.allow_extra_labels),
                 extra_labels=list(labels), meta=w.b64(meta.SerializeToString()), virtual=virtual)
        self.peers[p.id] = p
        if setup:
            setup.used += 1
            for g in setup.groups:
                self.groups.setdefault(g, []).append(p.id)
        self.bump()
        return p

    def remove_peer(self, p: Peer) -> None:
        del self.peers[p.id]
        for g in self.groups.values():
            if p.id in g:
                g.remove(p.id)
        self.routes = [r for r in self.routes if r.peer != p.id]
        self.bump()

    def expires_at(self, p: Peer) -> float:
        """Session deadline; 0 = does not expire."""
        return p.last_login + self.cfg.login_expiration if p.user_id and self.cfg.login_expiration else 0

    def expired(self, p: Peer) -> bool:
        at = self.expires_at(p)
        return p.login_expired or bool(at and at <= time.time())

    # -- the network map of one peer (management.md 17)

    def acl(self, me: Peer) -> tuple[list, list]:
        """Peers *me* may talk to and its rules: (peer ids in order, [(policy, remote peer, direction)])."""
        peers, rules, seen = {}, [], set()

        def emit(pol: Policy, others: list, direction: str):
            for i in others:
                peers[i] = 1
                k = (pol.id, i, direction, pol.protocol, pol.action, ",".join(pol.ports))
                if k not in seen:
                    seen.add(k)
                    rules.append((pol, self.peers[i], direction))
        for pol in self.policies:
            if not pol.enabled:
                continue
            src, dst = self.members(pol.sources), self.members(pol.destinations)
            in_s, in_d = me.id in src, me.id in dst
            src, dst = [i for i in src if i != me.id], [i for i in dst if i != me.id]
            if pol.bidirectional and in_s:
                emit(pol, dst, "IN")
            if pol.bidirectional and in_d:
                emit(pol, src, "OUT")
            if in_s:
                emit(pol, dst, "OUT")
            if in_d:
                emit(pol, src, "IN")
        return list(peers), rules

    def neighbours(self, p: Peer) -> set:
        return set(self.acl(p)[0])

    def rule_variants(self, pol: Policy, version: str) -> list[dict]:
        """Port expansion (17.3)."""
        if not pol.ports and not pol.ranges:
            return [{}]
        out = [{"port": str(x)} for x in pol.ports]
        for a, b in (pol.ranges if not pol.ports else []):
            if at_least(version, (0, 48, 0)):
                out.append({"range": (a, b)})
            elif a == b:
                out.append({"port": str(a)})
        return out

    def forwarder_port(self) -> int:
        old = not self.peers or any(not is_dev(p.version) and (semver(p.version) or (0,)) < (0, 59, 0) for p in self.peers.values())
        return 5353 if old else 22054

    def firewall_rule(self, me: Peer, remote: str, direction: str, protocol: str, action: str, policy: str, port="", range_=None) -> list:
        """One rule, or two for a wildcard towards a peer that has IPv6."""
        r = pb.FirewallRule(PeerIP=remote, Direction=direction, Protocol=protocol, Action=action, PolicyID=policy.encode(), Port=port)
        if not port and protocol in ("TCP", "UDP"):
            r.PortInfo.range.SetInParent()
            if range_:
                r.PortInfo.range.start, r.PortInfo.range.end = range_
        out = [r]
        if 1 in me.caps:
            ip = ipaddress.ip_address(remote)
            if not ip.is_unspecified:
                r.sourcePrefixes.append(ip.packed + bytes([ip.max_prefixlen]))
            else:
                r.sourcePrefixes.append(bytes(5))
                if me.v6:
                    six = pb.FirewallRule()
                    six.CopyFrom(r)
                    six.PeerIP = "::"
                    del six.sourcePrefixes[:]
                    six.sourcePrefixes.append(bytes(17))
                    out.insert(0, six)
        return out

    def peer_config(self, p: Peer):
        c = pb.PeerConfig(address=f"{p.ip}/{ipaddress.ip_network(self.network).prefixlen}", fqdn=self.fqdn(p),
                          RoutingPeerDnsResolutionEnabled=True, LazyConnectionEnabled=self.cfg.lazy)
        c.sshConfig.sshEnabled = p.ssh_enabled
        c.autoUpdate.version = "disabled"
        if p.v6:
            c.address_v6 = ipaddress.ip_address(p.ip6).packed + bytes([ipaddress.ip_network(self.network_v6).prefixlen])
        return c

    def remote(self, me: Peer, p: Peer):
        r = pb.RemotePeerConfig(wgPubKey=p.key, allowedIps=[p.ip + "/32"], fqdn=self.fqdn(p), agentVersion=p.version)
        if me.v6 and p.ip6:
            r.allowedIps.append(p.ip6 + "/128")
        r.sshConfig.sshPubKey = p.ssh_key.encode()
        return r

    def sync_response(self, me: Peer):
        """Map and peer configuration without netbirdConfig."""
        ids, rules = self.acl(me)
        gone = [i for i in ids if self.peers[i].user_id and self.expired(self.peers[i])]
        live = [i for i in ids if i not in gone]
        s = pb.SyncResponse(peerConfig=self.peer_config(me))
        nm = s.NetworkMap
        nm.Serial = self.serial
        nm.peerConfig.CopyFrom(s.peerConfig)
        nm.remotePeers.extend(self.remote(me, self.peers[i]) for i in live)
        nm.offlinePeers.extend(self.remote(me, self.peers[i]) for i in gone)
        nm.remotePeersIsEmpty = s.remotePeersIsEmpty = not live
        if not at_least(me.version, (0, 29, 3)):
            s.remotePeers.extend(nm.remotePeers)
        for pol, q, direction in rules:
            for v in self.rule_variants(pol, me.version):
                for ip in [q.ip] + ([q.ip6] if q.ip6 and me.v6 else []):
                    nm.FirewallRules.extend(self.firewall_rule(me, ip, direction, pol.protocol, pol.action, pol.id, v.get("port", ""), v.get("range")))
        nm.firewallRulesIsEmpty = not nm.FirewallRules
        self.add_routes(me, live, nm)
        nm.routesFirewallRulesIsEmpty = not nm.routesFirewallRules
        self.add_dns(me, ids, nm)
        nm.sshAuth.UserIDClaim = "sub"
        at = self.expires_at(me)
        s.sessionExpiresAt.seconds = int(at)
        return s

    def add_routes(self, me: Peer, live: list, nm) -> None:
        ha = lambda r: (r.net_id, ",".join(r.domains) or r.network)
        own = [r for r in self.routes if r.peer == me.id]
        member = {ha(r) for r in own}
        take = [r for r in own if r.enabled]
        for i in live:
            take += [r for r in self.routes if r.peer == i and r.enabled and ha(r) not in member and self.in_groups(me, r.groups)]
        for r in take:
            v6 = ":" in r.network
            if v6 and not me.v6:
                continue
            kind = 3 if r.domains else 2 if v6 else 1
            one = dict(ID=r.id, NetID=r.net_id, Network="192.0.2.0/32" if r.domains else r.network, NetworkType=kind, Peer=self.peers[r.peer].key,
                       Metric=r.metric, Masquerade=r.masquerade, Domains=r.domains, keepRoute=r.keep)
            nm.Routes.add(**one)
            if r.network == "0.0.0.0/0" and me.v6:
                nm.Routes.add(**dict(one, ID=r.id + "-v6-default", NetID=r.net_id + "-v6", Network="::/0", NetworkType=2))
            if r.peer == me.id:
                for src, dst in [("::/0", r.network) if v6 else ("0.0.0.0/0", one["Network"])] + ([("::/0", "::/0")] if r.network == "0.0.0.0/0" and me.v6 else []):
                    nm.routesFirewallRules.add(sourceRanges=[src], destination=dst, protocol="ALL", isDynamic=bool(r.domains), domains=r.domains, RouteID=r.id,
                                               portInfo=pb.PortInfo())

    def add_dns(self, me: Peer, ids: list, nm) -> None:
        d = nm.DNSConfig
        d.ForwarderPort = self.forwarder_port()
        if any(self.in_groups(me, [g]) for g in self.dns_off):
            return
        d.ServiceEnable = True
        zone = d.CustomZones.add(Domain=self.cfg.domain + ".")
        for q in [me] + [self.peers[i] for i in ids]:
            for label in [q.label] + q.extra_labels:
                name = f"{label}.{self.cfg.domain}"
                zone.Records.add(Name=name, Type=1, Class="IN", TTL=300, RData=q.ip)
                if q.v6 and me.v6:
                    zone.Records.add(Name=name, Type=28, Class="IN", TTL=300, RData=q.ip6)
        for g in self.nameservers:
            g = dict(g)
            if self.in_groups(me, g.pop("groups", [ALL])) and not any(n.get("IP") == me.ip for n in g.get("NameServers", [])):
                ParseDict(g, d.NameServerGroups.add())
