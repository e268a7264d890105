# SPDX-License-Identifier: GPL-3.0-or-later
"""When two network maps mean the same to one client.

The official server orders most lists at random and repeats what newer clients no longer read. weft-mgmtd sends the smallest map
that means the same; three reductions are allowed, and undone here before maps are compared:

1. OUT firewall rules may be missing, all of them: the stateful firewalls of all clients ignore them (2.9).
2. Deprecated copies that the client does not read may be missing: `PeerIP` of a rule for clients with capability 1, which take
   `sourcePrefixes`; `SyncResponse.remotePeers` for clients from 0.29.3 on; `SyncResponse.peerConfig` and
   `SyncResponse.remotePeersIsEmpty`, of which clients read only `peerConfig.autoUpdate`. What is sent must be right.
3. IPv6 entries may be missing for receivers without IPv6 (the algorithm gives them none anyway).

Everything else must be equal, as sets.
"""
from __future__ import annotations

import ipaddress

from nbs_account import at_least
from nbwire import mgmt as pb

RULE_IN = pb.RuleDirection.Value("IN")


def compact_text(prefix: bytes) -> str:
    return f"{ipaddress.ip_address(prefix[:-1])}/{prefix[-1]}"


def port_key(info) -> tuple:
    kind = info.WhichOneof("portSelection")
    return (kind, info.port) if kind == "port" else (kind, info.range.start, info.range.end) if kind else ()


def rule_key(r, sources: bool) -> tuple:
    """A firewall rule as a value; *sources*: the client takes sourcePrefixes, so that PeerIP need not be there."""
    prefixes = tuple(compact_text(p) for p in r.sourcePrefixes)
    peer_ip = r.PeerIP
    if sources and not peer_ip and len(r.sourcePrefixes) == 1:
        peer_ip = prefixes[0].split("/")[0]
    return (r.Direction, r.Action, r.Protocol, peer_ip, prefixes, r.Port, r.HasField("PortInfo"), port_key(r.PortInfo), r.PolicyID, r.customProtocol)


def message_key(m) -> bytes:
    return m.SerializeToString(deterministic=True)


def remote_key(p) -> tuple:
    return (tuple(p.allowedIps), p.fqdn, p.agentVersion, message_key(p.sshConfig), p.HasField("sshConfig"))


def route_rule_key(r) -> tuple:
    return (frozenset(r.sourceRanges), r.action, r.destination, r.protocol, port_key(r.portInfo), r.isDynamic, tuple(r.domains), r.PolicyID,
            r.RouteID, r.customProtocol)


def ssh_key(auth) -> tuple:
    # A local account that nobody may use means as much as one that is not listed.
    users = {local: frozenset(auth.AuthorizedUsers[i] for i in entry.indexes) for local, entry in auth.machine_users.items() if entry.indexes}
    return auth.UserIDClaim, frozenset(auth.AuthorizedUsers), frozenset(users.items())


def parts_of_map(m, sources: bool) -> dict:
    """{part: value}, values being comparable and free of order."""
    dns = m.DNSConfig
    return {
        "serial": m.Serial,
        "peer config": message_key(m.peerConfig),
        "remote peers": {(p.wgPubKey, remote_key(p)) for p in m.remotePeers},
        "offline peers": {(p.wgPubKey, remote_key(p)) for p in m.offlinePeers},
        "remotePeersIsEmpty": m.remotePeersIsEmpty,
        "rules": {rule_key(r, sources) for r in m.FirewallRules},
        "firewallRulesIsEmpty": m.firewallRulesIsEmpty,
        "routes": {message_key(r) for r in m.Routes},
        "route rules": {route_rule_key(r) for r in m.routesFirewallRules},
        "routesFirewallRulesIsEmpty": m.routesFirewallRulesIsEmpty,
        "forwarding rules": {message_key(r) for r in m.forwardingRules},
        "dns": (dns.ServiceEnable, dns.ForwarderPort),
        "dns zones": {(z.Domain, z.SearchDomainDisabled, z.NonAuthoritative) for z in dns.CustomZones},
        "dns records": {(z.Domain, message_key(r)) for z in dns.CustomZones for r in z.Records},
        "nameservers": {message_key(g) for g in dns.NameServerGroups},
        "ssh users": ssh_key(m.sshAuth),
    }


def twice(m) -> list:
    """What is listed more than once, which no honest map does."""
    out = []
    for name, keys in (("remote peer", [p.wgPubKey for p in [*m.remotePeers, *m.offlinePeers]]), ("route", [r.ID for r in m.Routes]),
                       ("dns record", [(z.Domain, message_key(r)) for z in m.DNSConfig.CustomZones for r in z.Records])):
        if len(keys) != len(set(keys)):
            out.append(f"{name} listed twice")
    return out


def shown(part: str, value) -> str:
    if part == "peer config":
        return str(pb.PeerConfig.FromString(value)).replace("\n", " ")
    if part == "routes":
        return str(pb.Route.FromString(value)).replace("\n", " ")
    if part == "dns records":
        return f"{value[0]} {pb.SimpleRecord.FromString(value[1])}".replace("\n", " ")
    return str(value)


def of_sets(part: str, want: set, got: set) -> list:
    return ([f"{part}: missing {shown(part, x)}" for x in sorted(want - got, key=str)] +
            [f"{part}: should not have {shown(part, x)}" for x in sorted(got - want, key=str)])


def without_out_rules(rules: set) -> set:
    return {r for r in rules if r[0] == RULE_IN}


def copies(want, got, meta: dict) -> list:
    """Differences in the deprecated fields at the top."""
    out = []
    if got.HasField("peerConfig") and message_key(got.peerConfig) != message_key(want.NetworkMap.peerConfig):
        out.append("top peerConfig is not that of the map")
    if got.remotePeersIsEmpty and not want.remotePeersIsEmpty:
        out.append("top remotePeersIsEmpty is wrong")
    top = {(p.wgPubKey, remote_key(p)) for p in got.remotePeers}
    needed = {(p.wgPubKey, remote_key(p)) for p in want.NetworkMap.remotePeers}
    old = not at_least(meta["version"], (0, 29, 3))
    if (old or top) and top != needed:
        out += of_sets("top remote peers", needed, top)
    if old and not got.HasField("peerConfig"):
        out.append("no top peerConfig for an old client")
    if old and got.remotePeersIsEmpty != want.remotePeersIsEmpty:
        out.append("top remotePeersIsEmpty is missing for an old client")
    return out


def differences(want, got, meta: dict) -> list:
    """What makes *got* (a SyncResponse) mean something else than *want* to a client with that meta (version, capabilities)."""
    sources = 1 in meta["capabilities"]
    a, b = parts_of_map(want.NetworkMap, sources), parts_of_map(got.NetworkMap, sources)
    if not any(r[0] != RULE_IN for r in b["rules"]):
        a["rules"] = without_out_rules(a["rules"])
        # A map whose rules are all OUT has none left.
        a["firewallRulesIsEmpty"] = not a["rules"]
    out = twice(got.NetworkMap)
    for part, value in a.items():
        if value == b[part]:
            continue
        if isinstance(value, set):
            out += of_sets(part, value, b[part])
        else:
            out.append(f"{part}: {shown(part, b[part])} instead of {shown(part, value)}")
    out += copies(want, got, meta)
    if {tuple(c.Files) for c in want.Checks} != {tuple(c.Files) for c in got.Checks}:
        out.append(f"checks: {list(got.Checks)} instead of {list(want.Checks)}")
    if want.HasField("sessionExpiresAt") != got.HasField("sessionExpiresAt") or want.sessionExpiresAt != got.sessionExpiresAt:
        out.append(f"sessionExpiresAt: {got.sessionExpiresAt} instead of {want.sessionExpiresAt}".replace("\n", " "))
    return out
