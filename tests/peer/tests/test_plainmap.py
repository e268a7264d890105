# SPDX-License-Identifier: GPL-3.0-or-later
"""plainmap.py gives the maps that the official server sent, for accounts put together from what is known of the recordings: the
scenarios `main`, `access`, `ipv6`, `sso` step by step, and `components`, where another client was sent the account itself."""
import base64
import copy
import hashlib
import ipaddress
import json
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import plainmap
import randomaccount
import reductions
from nbwire import mgmt as pb

with open(os.path.join(HERE, "..", "..", "vectors", "management.json"), encoding="utf-8") as f:
    VECTORS = {v["name"]: v for v in json.load(f)["vectors"] if v["type"] == "management.SyncResponse"}
JWT = {"issuer": "http://203.0.113.10:80/oauth2", "audience": "netbird-cli", "keysLocation": "http://203.0.113.10:80/oauth2/keys",
       "audiences": ["netbird-dashboard", "netbird-cli"]}


def recorded(name):
    return pb.SyncResponse.FromString(bytes.fromhex(VECTORS[name]["plaintext_hex"]))


# ---------------------------------------------------------------- accounts out of maps

def new_account(net, net6, domain="netbird.selfhosted"):
    return {"serial": 0, "now_us": 1795446000000000, "network": {"net": net, "net6": net6},
            "settings": {"dns_domain": domain, "lazy_connections": True, "routing_peer_dns": True, "login_expiration_enabled": True,
                         "login_expiration_us": 86400000000, "ssh_jwt": JWT},
            "peers": [], "groups": [{"id": "all", "name": "All", "peers": []}], "policies": [], "routes": [], "networks": [],
            "nameserver_groups": [], "zones": [], "users": [], "checks": {}, "dns_disabled_groups": []}


def peer_of(peer_id, key, addresses, fqdn, ssh_key, version="development"):
    six = [a for a in addresses if ":" in a]
    return {"id": peer_id, "key": key, "ip": addresses[0].split("/")[0], "ip6": six[0].split("/")[0] if six else "", "dns_label": fqdn.split(".")[0],
            "user_id": "", "ssh_key": ssh_key, "ssh_enabled": False, "login_expiration_enabled": False, "approval_required": False,
            "last_login_us": 0, "connected": True,
            "meta": {"hostname": fqdn, "version": version, "capabilities": [1, 2], "disable_ipv6": False, "server_ssh_allowed": False}}


def peers_of(map_name, own, own_key, own_ssh, ids):
    """The peers of one map: its receiver and those it names; *ids*: {first label: peer id}."""
    m = recorded(map_name).NetworkMap
    own_addresses = [m.peerConfig.address]
    if m.peerConfig.address_v6:
        own_addresses.append(str(ipaddress.ip_address(m.peerConfig.address_v6[:16])))
    out = {own: peer_of(ids.get(own, own), own_key, own_addresses, m.peerConfig.fqdn, own_ssh)}
    for p in [*m.remotePeers, *m.offlinePeers]:
        label = p.fqdn.split(".")[0]
        out[label] = peer_of(ids.get(label, label), p.wgPubKey, list(p.allowedIps), p.fqdn, p.sshConfig.sshPubKey.decode(), p.agentVersion)
    return out


def policy(name, sources, destinations, protocol="all", **kw):
    rule = {"id": name, "name": name, "enabled": True, "action": "accept", "bidirectional": False, "protocol": protocol, "sources": sources,
            "destinations": destinations, "source_resource": None, "destination_resource": None, "ports": [], "port_ranges": []}
    checks = kw.pop("checks", [])
    rule.update(kw)
    return {"id": name, "name": name, "enabled": True, "source_posture_checks": checks, "rules": [rule]}


class Replay:
    """An account that goes through the steps of a scenario. Each check compares what plainmap says with what was recorded."""

    def __init__(self, scenario, account, members):
        self.scenario, self.account, self.members = scenario, account, members
        self.ids = {}       # our name of an object -> its recorded id
        self.hash_of = ""   # the user whose id was not recorded, only its hash
        self.compared = 0

    def object(self, kind, name):
        return next(x for x in self.account[kind] if x.get("name", x["id"]) == name or x["id"] == self.ids.get(name, name))

    def add(self, *policies):
        self.account["policies"] += policies

    def remove(self, kind, *names):
        for n in names:
            self.account[kind].remove(self.object(kind, n))

    def group(self, group_id, *peers):
        found = [g for g in self.account["groups"] if g["id"] == group_id]
        if not found:
            self.account["groups"].append({"id": group_id, "name": group_id, "peers": [], "resources": []})
            found = self.account["groups"][-1:]
        found[0]["peers"] = list(peers)

    def join(self, peer):
        self.account["peers"].append(peer)
        self.account["groups"][0]["peers"].append(peer["id"])

    def leave(self, peer_id):
        self.account["peers"] = [p for p in self.account["peers"] if p["id"] != peer_id]
        for g in self.account["groups"]:
            g["peers"] = [p for p in g["peers"] if p != peer_id]

    def peer(self, peer_id):
        return next(p for p in self.account["peers"] if p["id"] == peer_id)

    def learn_ids(self, maps):
        """An id that no earlier map had belongs to the one policy whose id is not known yet."""
        seen = {r.PolicyID.decode() for m in maps for r in [*m.NetworkMap.FirewallRules, *m.NetworkMap.routesFirewallRules] if r.PolicyID}
        new = seen - set(self.ids.values())
        unknown = [p for p in self.account["policies"] if p["name"] not in self.ids]
        if len(new) == 1 and len(unknown) == 1:
            self.ids[unknown[0]["name"]] = unknown[0]["id"] = new.pop()

    def check(self, step, letters):
        maps = {c: recorded(f"{self.scenario}.{c}.sync_response.{step}") for c in letters}
        self.learn_ids(maps.values())
        for letter, m in maps.items():
            self.account["serial"] = m.NetworkMap.Serial
            m.sessionExpiresAt.nanos -= m.sessionExpiresAt.nanos % 1000
            if self.hash_of and m.NetworkMap.sshAuth.AuthorizedUsers:
                m.NetworkMap.sshAuth.AuthorizedUsers[:] = [hashlib.blake2b(self.hash_of.encode(), digest_size=16).digest()]
            peer = self.peer(self.members[letter])
            found = reductions.differences(plainmap.build(self.account, peer["id"]), m, peer["meta"])
            assert not found, f"{step}, {letter}: " + "\n".join(found)
            # Our own server's reductions mean the same.
            assert not reductions.differences(plainmap.build(self.account, peer["id"]), reduced(m), peer["meta"])
            self.compared += 1


def reduced(m):
    """The map as a thrifty server would send it to a modern client."""
    out = copy.deepcopy(m)
    nm = out.NetworkMap
    kept = [r for r in nm.FirewallRules if r.Direction == pb.RuleDirection.Value("IN")]
    for r in kept:
        r.PeerIP = ""
    del nm.FirewallRules[:]
    nm.FirewallRules.extend(kept)
    nm.firewallRulesIsEmpty = not kept
    out.ClearField("peerConfig")
    out.ClearField("remotePeersIsEmpty")
    del out.remotePeers[:]
    return out


def test_scenario_main():
    peers = peers_of("main.C.sync_response.c_up_with_setup_key", "hostc", "nBqS0407hz/PPIL4OLalOcDMnNuDJ8olMcXYYv9wjQA=",
                     "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIk/a6UiqWe9doosU5eSbGEdG2y5kLDKlWD311TFQ/E1",
                     {"hosta": "A", "hostb": "dc254idqmd2vgac448rg", "hostc": "dc2557lqmd2vgac4499g"})
    a, b, c = (peers[x]["id"] for x in ("hosta", "hostb", "hostc"))
    r = Replay("main", new_account("100.98.0.0/16", "fdd2:58f9:95d1:9030::/64"), {"A": a, "B": b, "C": c})
    r.add(policy("default", ["all"], ["all"], bidirectional=True))
    r.join(peers["hosta"])
    r.check("a_up_with_setup_key", "A")
    r.join(peers["hostb"])
    r.check("b_up_with_setup_key", "AB")
    r.check("b_up_with_setup_key_2", "A")
    r.join(peers["hostc"])
    r.check("c_up_with_setup_key", "ABC")
    policies_of_main(r, a, b, c)
    dns_of_main(r)
    routes_of_main(r, b, c)
    resources_of_main(r, b)
    checks_and_ssh_of_main(r, a, b)
    settings_of_main(r, b, c)
    assert r.compared == 81


def policies_of_main(r, a, b, c):
    r.group("ga", a)
    r.group("gb", b)
    r.group("gc", c)
    r.add(policy("tcp 8080", ["ga"], ["gb"], "tcp", ports=[8080], bidirectional=True))
    r.check("policy_tcp_port_8080_ga_gb_bidirectional", "AB")
    r.add(policy("tcp 80 443", ["ga"], ["gb"], "tcp", ports=[80, 443]))
    r.check("policy_tcp_two_ports_80_443_unidirectional_ga_gb", "A")
    r.add(policy("udp range", ["ga"], ["gb"], "udp", port_ranges=[{"start": 6000, "end": 6010}]))
    r.check("policy_udp_port_range_6000_6010_ga_gb", "A")
    r.add(policy("drop", ["gc"], ["ga"], action="drop"))
    r.check("policy_drop_all_gc_ga", "AC")
    r.add(policy("icmp", ["ga"], ["gb"], "icmp", bidirectional=True))
    r.check("policy_icmp_ga_gb_bidirectional", "A")
    r.object("policies", "default")["enabled"] = False
    r.check("default_policy_disabled", "AB")
    r.remove("policies", "drop")
    r.check("policy_drop_deleted", "AC")
    r.add(policy("tcp any", ["ga"], ["gb"], "tcp"))
    r.check("policy_tcp_without_ports_ga_gb", "A")
    r.add(policy("tcp 9000", ["ga"], ["gb"], "tcp", port_ranges=[{"start": 9000, "end": 9000}]))
    r.check("policy_tcp_single_value_port_range_9000_9000_ga_gb", "A")
    r.add(policy("peers", [], [], "udp", ports=[5000], source_resource={"type": "peer", "id": a}, destination_resource={"type": "peer", "id": b}))
    r.check("policy_peer_resource_a_peer_resource_b_udp_5000", "A")
    r.group("gb")
    r.check("group_change_b_removed_from_gb", "AB")
    r.group("gb", b, c)
    r.check("group_change_b_and_c_in_gb", "AB")
    r.remove("policies", "tcp 8080", "tcp 80 443", "udp range", "icmp", "tcp any", "tcp 9000", "peers")
    r.check("group_change_b_and_c_in_gb_2", "AB")
    r.object("policies", "default")["enabled"] = True
    r.check("default_policy_enabled", "A")


def dns_of_main(r):
    acc = r.account
    acc["nameserver_groups"].append({"id": "primary", "servers": [{"ip": "203.0.113.11", "port": 53}], "primary": True, "domains": [],
                                     "search_domains_enabled": False, "enabled": True, "groups": ["all"]})
    r.check("nameserver_group_primary", "A")
    acc["nameserver_groups"].append({"id": "match", "servers": [{"ip": "203.0.113.12", "port": 5353}, {"ip": "203.0.113.13", "port": 53}],
                                     "primary": False, "domains": ["corp.example"], "search_domains_enabled": True, "enabled": True, "groups": ["ga"]})
    r.check("nameserver_group_match_domain_with_search", "A")
    acc["zones"].append({"id": "zone", "domain": "zone.example", "enabled": True, "search_domain": False, "groups": ["all"],
                         "records": [{"name": "www.zone.example", "type": "A", "content": "192.0.2.7", "ttl": 60}]})
    r.check("dns_record_a", "AC")
    acc["zones"][0]["records"].append({"name": "alias.zone.example", "type": "CNAME", "content": "www.zone.example.", "ttl": 120})
    # The target was typed with its dot; what is typed is what is sent.
    acc["zones"][0]["records"][1]["content"] = next(x.RData for z in recorded("main.A.sync_response.dns_record_cname").NetworkMap.DNSConfig.CustomZones
                                                    for x in z.Records if x.Type == 5)
    r.check("dns_record_cname", "AC")
    acc["dns_disabled_groups"] = ["ga"]
    r.check("dns_disabled_for_group_ga", "A")
    acc["dns_disabled_groups"] = []
    r.check("dns_enabled_again", "A")


def route(route_id, net_id, **kw):
    return {"id": route_id, "net_id": net_id, "metric": 100, "masquerade": True, "enabled": True, "groups": ["all"], "access_control_groups": [],
            "keep_route": False, "skip_auto_apply": False, **kw}


def routes_of_main(r, b, c):
    r.remove("nameserver_groups", "primary")
    r.account["routes"].append(route("dc255ntqmd2vgac44ajg", "net50", network="10.50.0.0/24", peer=b))
    r.check("network_route_10_50_0_0_24_via_b_no_access_groups", "AB")
    r.account["routes"].append(route("dc255odqmd2vgac44al0", "dom", domains=["intra.example", "*.intra.example"], peer=b, metric=200,
                                     masquerade=False, keep_route=True))
    r.check("network_route_domains_via_b", "AB")
    r.account["routes"].append(route("dc255p5qmd2vgac44amg", "exit", network="0.0.0.0/0", peer=b, metric=9999, skip_auto_apply=True, groups=["gc"]))
    r.check("exit_node_0_0_0_0_0_via_b_skip_auto_apply", "BC")
    r.group("grt")
    r.account["routes"].append(route("dc255qdqmd2vgac44apg", "net60", network="10.60.0.0/24", peer_groups=["gb"], metric=50, groups=["ga"],
                                     access_control_groups=["grt"]))
    r.check("ha_route_10_60_0_0_24_via_group_gb_with_access_group_grt", "AB")
    r.add(policy("access", ["ga"], ["grt"], "tcp", ports=[443]))
    r.check("policy_tcp_443_ga_grt_route_access", "A")
    r.account["routes"].clear()
    r.remove("policies", "access")
    r.check("policy_tcp_443_ga_grt_route_access_2", "A")
    r.check("policy_tcp_443_ga_grt_route_access_3", "A")
    r.check("policy_tcp_443_ga_grt_route_access", "B")


def resources_of_main(r, b):
    resources = [{"id": "dc255stqmd2vgac44b3g", "name": "reshost", "type": "host", "address": "10.70.0.5/32", "enabled": True},
                 {"id": "dc255tdqmd2vgac44b50", "name": "resnet", "type": "subnet", "address": "10.71.0.0/24", "enabled": True},
                 {"id": "dc255u5qmd2vgac44b6g", "name": "resdom", "type": "domain", "domain": "app.intra.example", "enabled": True}]
    r.account["networks"].append({"id": "net", "resources": resources, "routers": [{"peer": b, "metric": 9999, "masquerade": True, "enabled": True}]})
    r.group("gres")
    r.object("groups", "gres")["resources"] = [x["id"] for x in resources]
    r.check("network_router_b", "B")
    r.add(policy("resources", ["ga"], ["gres"], "tcp", ports=[443, 8000]))
    r.check("policy_tcp_443_8000_ga_resource_group", "BA")
    r.add(policy("resource", ["ga"], [], destination_resource={"type": "host", "id": resources[0]["id"]}))
    r.check("policy_all_ga_resource_host_directly", "BA")
    r.object("policies", "default")["enabled"] = False
    r.check("default_policy_disabled_with_resources_present", "AB")
    r.object("policies", "default")["enabled"] = True
    r.check("default_policy_enabled_again", "A")
    r.remove("policies", "resources", "resource")
    r.account["networks"].clear()
    r.check("default_policy_enabled_again_2", "A")
    r.check("default_policy_enabled_again_3", "A")


def checks_and_ssh_of_main(r, a, b):
    r.account["checks"]["process"] = {"failed": [a], "files": ["/bin/bash", "/usr/bin/none"]}
    r.add(policy("posture", ["ga"], ["gb"], "tcp", ports=[22], checks=["process"]))
    r.check("policy_with_posture_check_ga_gb", "AB")
    r.remove("policies", "posture")
    r.check("policy_with_posture_check_deleted", "AB")
    r.account["users"].append({"id": VECTORS["main.B.sync_response.peer_b_ssh_enabled"]["ssh_user_id"], "blocked": False, "auto_groups": []})
    r.peer(b)["ssh_enabled"] = True
    r.check("peer_b_ssh_enabled", "AB")
    r.add(policy("ssh", ["ga"], ["gb"], "netbird-ssh"))
    r.check("policy_netbird_ssh_ga_gb", "AB")
    r.peer(b)["ssh_enabled"] = False
    r.remove("policies", "ssh")
    r.check("peer_b_ssh_disabled", "AB")
    r.check("peer_b_ssh_disabled_2", "AB")


def settings_of_main(r, b, c):
    settings = r.account["settings"]
    r.peer(b)["dns_label"] = "renamed-b"
    r.check("peer_b_renamed", "AB")
    settings["lazy_connections"] = False
    r.check("setting_lazy_connection_enabled_false", "A")
    settings["lazy_connections"] = True
    r.check("setting_lazy_connection_enabled_true", "A")
    r.check("setting_metrics_push_enabled_true", "A")
    r.check("setting_metrics_push_enabled_false", "A")
    settings["login_expiration_enabled"] = False
    r.check("setting_peer_login_expiration_off", "A")
    settings["routing_peer_dns"] = False
    r.check("setting_routing_peer_dns_resolution_off", "A")
    settings.update(routing_peer_dns=True, login_expiration_enabled=True)
    r.leave(c)
    changed = recorded("main.A.sync_response.peer_c_deleted").NetworkMap.peerConfig
    settings["routing_peer_dns"] = changed.RoutingPeerDnsResolutionEnabled
    r.check("peer_c_deleted", "A")
    r.check("server_restarted", "A")
    r.leave(b)
    r.check("b_logout_deregister", "A")


def test_scenario_access():
    first = "access.B.sync_response.route_10_60_0_0_24_via_b_access_group_grt"
    peers = peers_of(first, "hostb", "+0RmMa7rRJbFzD2IlH0vZMXLK6gLVlLtXv0ttwqdOXA=", "", {})
    b, others = "hostb", [x for x in peers if x != "hostb"]
    r = Replay("access", new_account("100.107.0.0/16", "fd39:e03e:f371:9e94::/64"), {"B": b})
    for label in sorted(peers):
        r.join(peers[label])
    r.account["settings"]["lazy_connections"] = False
    r.peer(b)["meta"]["server_ssh_allowed"] = True
    r.add(policy("default", ["all"], ["all"], bidirectional=True))
    r.group("ga", *others)
    r.group("gb", b)
    r.group("grt")
    r.account["routes"].append(route("dc25gdlqmd2tn5f95k3g", "net60", network="10.60.0.0/24", peer=b, metric=50, access_control_groups=["grt"]))
    r.check("route_10_60_0_0_24_via_b_access_group_grt", "B")
    r.ids.update({"access tcp": "dc25gelqmd2tn5f95k50", "unrelated": "dc25gglqmd2tn5f95k6g"})
    r.add(dict(policy("access tcp", ["ga"], ["grt"], "tcp", ports=[443]), id=r.ids["access tcp"]))
    r.add(dict(policy("unrelated", ["ga"], ["gb"], "udp", ports=[1]), id=r.ids["unrelated"]))
    r.check("unrelated_group_change_gb_renamed_policy_added", "B")
    r.add(policy("access icmp", ["all"], ["grt"], "icmp"))
    r.check("policy_icmp_all_grt_route_access", "B")
    r.hash_of = "somebody"
    r.account["users"].append({"id": r.hash_of, "blocked": False, "auto_groups": []})
    r.peer(b)["ssh_enabled"] = True
    r.check("peer_b_ssh_enabled", "B")
    r.add(policy("ssh", ["ga"], ["gb"], "netbird-ssh", ports=[22]))
    r.check("policy_netbird_ssh_port_22_ga_gb", "B")
    r.add(policy("tcp 22", ["ga"], ["gb"], "tcp", ports=[22]))
    r.check("policy_tcp_22_ga_gb", "B")
    r.add(policy("tcp 20-30", ["ga"], ["gb"], "tcp", port_ranges=[{"start": 20, "end": 30}]))
    r.check("policy_tcp_range_20_30_ga_gb", "B")
    r.account["routes"].append(route("dc25gm5qmd2tn5f95kg0", "exit", network="0.0.0.0/0", peer=b, metric=9999, skip_auto_apply=True,
                                     access_control_groups=["grt"]))
    r.check("exit_node_with_access_group_grt", "B")
    r.account["settings"]["auto_update_version"] = "0.70.0"
    r.check("auto_update_version_0_70_0", "B")
    assert r.compared == 9
