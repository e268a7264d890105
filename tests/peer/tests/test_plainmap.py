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


def readdress(account, map_name, own):
    """Addresses as a later map of the same account has them."""
    seen = peers_of(map_name, "own", "", "", {})
    seen["own"]["key"] = next(p["key"] for p in account["peers"] if p["id"] == own)
    by_key = {p["key"]: p for p in seen.values()}
    for p in account["peers"]:
        p.update({k: by_key[p["key"]][k] for k in ("ip", "ip6")})


def test_scenario_ipv6():
    last = "ipv6.A.sync_response.c_up_with_setup_key"
    peers = peers_of(last, "hosta", "dJcbL9DcdHQcalhP9Z9g+Ae84Y0TapIm4jmw5K5CgXE=", "", {})
    peers["hosta"]["ssh_key"] = next(p.sshConfig.sshPubKey.decode() for p in recorded("ipv6.C.sync_response.c_up_with_setup_key").NetworkMap.remotePeers
                                     if p.fqdn.startswith("hosta."))
    peers["hostc"]["meta"].update(capabilities=[1], disable_ipv6=True)
    net = ipaddress.ip_interface(recorded(last).NetworkMap.peerConfig.address).network
    net6 = ipaddress.ip_interface(peers["hosta"]["ip6"] + "/64").network
    r = Replay("ipv6", new_account(str(net), str(net6)), {"A": "hosta", "C": "hostc"})
    r.account["settings"]["lazy_connections"] = False
    r.add(policy("default", ["all"], ["all"], bidirectional=True))
    six = {label: peers[label]["ip6"] for label in peers}
    for label in ("hosta", "hostb"):
        peers[label]["ip6"] = ""
    r.join(peers["hosta"])
    r.check("a_up_with_setup_key", "A")
    r.join(peers["hostb"])
    r.check("b_up_with_setup_key", "A")
    for label in ("hosta", "hostb"):
        r.peer(label)["ip6"] = six[label]
    r.check("ipv6_on_for_all", "A")
    r.check("ipv6_on_for_all_2", "A")
    r.join(peers["hostc"])
    r.check("c_up_with_setup_key", "AC")
    r.account["routes"].append(route("dc2565dqmd2vppebmnlg", "exit", network="0.0.0.0/0", peer="hostb", metric=9999, skip_auto_apply=True))
    r.check("route_0_0_0_0_0_via_b_distributed_to_all_skip_auto_apply", "AC")
    r.account["routes"].append(route("dc25665qmd2vppebmnn0", "v6net", network="fd00:50::/64", peer="hostb"))
    r.check("route_fd00_50_64_via_b", "AC")
    changed = "ipv6.A.sync_response.network_range_changed"
    r.account["network"]["net"] = str(ipaddress.ip_interface(recorded(changed).NetworkMap.peerConfig.address).network)
    readdress(r.account, changed, "hosta")
    r.check("network_range_changed", "A")
    r.check("network_range_changed_2", "A")
    r.account["settings"]["dns_domain"] = "mesh.example"
    r.check("dns_domain_changed", "A")
    r.account["settings"]["login_expiration_us"] = 3600 * 1000000
    r.check("peer_login_expiration_1h", "A")
    for p in r.account["peers"]:
        p["ip6"] = ""
    r.check("ipv6_off_again", "A")
    r.check("ipv6_off_again_2", "A")
    assert r.compared == 16


def test_scenario_sso():
    """Login expiry: the deadline told, an expired peer listed as offline but with its rules."""
    old, new = recorded("sso.B.sync_response.a_up_again_with_sso"), recorded("sso.A.sync_response.a_up_again_with_sso")
    peers = peers_of("sso.B.sync_response.a_up_again_with_sso", "hostb", "vxk6zltIXJZff64jeqCJ0f5Fzt89PCgSWJJkw55LaEw=", "", {})
    peers["hostb"]["ssh_key"] = new.NetworkMap.remotePeers[0].sshConfig.sshPubKey.decode()
    peers["hosta"].update(user_id="somebody", login_expiration_enabled=True)
    net = ipaddress.ip_interface(old.NetworkMap.peerConfig.address).network
    net6 = ipaddress.ip_interface(peers["hostb"]["ip6"] + "/64").network
    r = Replay("sso", new_account(str(net), str(net6)), {"A": "hosta", "B": "hostb"})
    r.account["settings"]["lazy_connections"] = new.NetworkMap.peerConfig.LazyConnectionEnabled
    r.add(policy("default", ["all"], ["all"], bidirectional=True))

    def logged_in(name, period):
        at = recorded(name).sessionExpiresAt
        r.account["settings"]["login_expiration_us"] = period * 1000000
        r.peer("hosta")["last_login_us"] = (at.seconds - period) * 1000000 + at.nanos // 1000
    r.join(peers["hosta"])
    logged_in("sso.A.sync_response.a_up_with_sso_device_flow", 86400)
    r.account["now_us"] = r.peer("hosta")["last_login_us"] + 1
    r.check("a_up_with_sso_device_flow", "A")
    r.join(peers["hostb"])
    r.account["settings"]["login_expiration_us"] = 3600 * 1000000
    r.check("peer_login_expiration_1h", "A")
    r.peer("hosta")["last_login_us"] -= 2 * 86400 * 1000000
    r.check("server_stopped_last_login_of_a_set_two_days_back_server_star", "B")
    logged_in("sso.A.sync_response.a_up_again_with_sso", 3600)
    r.check("a_up_again_with_sso", "AB")
    assert r.compared == 5


# ---------------------------------------------------------------- components: the account itself was recorded

def account_of(components, router_id):
    """The account that one client was sent as components. All routers of the scenario are one peer, whose id is *router_id*."""
    c = components
    account = new_account(c.network.net_cidr, c.network.net_v6_cidr, c.dns_domain)
    account["serial"] = c.network.serial
    account["settings"].update(lazy_connections=c.peer_config.LazyConnectionEnabled, routing_peer_dns=c.peer_config.RoutingPeerDnsResolutionEnabled,
                               login_expiration_enabled=c.account_settings.peer_login_expiration_enabled,
                               login_expiration_us=c.account_settings.peer_login_expiration_ns // 1000)
    routers = {r.peer_index for r in c.routes if r.peer_index_set} | {e.peer_index for n in c.routers_map.values() for e in n.entries}
    routers |= {i for r in c.routes for g in c.groups if g.id in r.peer_group_ids for i in g.peer_indexes}
    ids = [router_id if i in routers else f"peer{i}" for i in range(len(c.peers))]
    for i, p in enumerate(c.peers):
        peer = peer_of(ids[i], base64.b64encode(p.wg_pub_key).decode(), [str(ipaddress.ip_address(x)) for x in (p.ip, p.ipv6) if x],
                       p.dns_label + ".", p.ssh_pub_key.decode(), p.agent_version)
        peer["meta"].update(capabilities=[1] * p.supports_source_prefixes + [2] * p.supports_ipv6, server_ssh_allowed=p.server_ssh_allowed)
        peer.update(ssh_enabled=p.ssh_enabled, login_expiration_enabled=p.login_expiration_enabled, last_login_us=p.last_login_unix_nano // 1000)
        account["peers"].append(peer)
    account["groups"] = [{"id": g.id, "name": "All" if g.is_all else g.id, "peers": [ids[i] for i in g.peer_indexes],
                          "resources": []} for g in c.groups]
    resource = lambda r: {"type": r.type, "id": ids[r.peer_index]} if r.type == "peer" else None
    for p in c.policies:
        account["policies"].append(policy(
            p.id, list(p.source_group_ids), list(p.destination_group_ids), next(k for k, v in plainmap.PROTOCOLS.items() if v == pb.RuleProtocol.Name(p.protocol)),
            action=pb.RuleAction.Name(p.action).lower(), bidirectional=p.bidirectional, ports=list(p.ports), port_ranges=[{"start": r.start, "end": r.end} for r in p.port_ranges],
            source_resource=resource(p.source_resource), destination_resource=resource(p.destination_resource), checks=list(p.source_posture_check_ids)))
    for r in c.routes:
        account["routes"].append(dict(route(r.id, r.net_id, metric=r.metric, masquerade=r.masquerade, enabled=r.enabled, groups=list(r.group_ids),
                                            access_control_groups=list(r.access_control_group_ids), keep_route=r.keep_route, skip_auto_apply=r.skip_auto_apply,
                                            domains=list(r.domains), network=r.network_cidr, peer_groups=list(r.peer_group_ids)),
                                      **({"peer": ids[r.peer_index]} if r.peer_index_set else {})))
    for network, entries in c.routers_map.items():
        resources = [{"id": x.id, "name": x.name, "type": x.type, "address": x.prefix_cidr, "domain": x.domain_value, "enabled": x.enabled}
                     for x in c.network_resources if x.network_seq == network]
        account["networks"].append({"id": network, "resources": resources, "routers": [
            {"peer": ids[e.peer_index], "metric": e.metric, "masquerade": e.masquerade, "enabled": e.enabled} for e in entries.entries]})
        by_policy = {x["id"]: [p for p in account["policies"] if p["id"] in c.resource_policies_map[x["id"]].ids] for x in resources}
        for g in account["groups"]:
            g["resources"] += [i for i, some in by_policy.items() if any(g["id"] in r["destinations"] for p in some for r in p["rules"]) and not g["peers"]]
    # The zones of the receiver; in this scenario everybody has them.
    account["zones"] = [{"domain": z.Domain.rstrip("."), "enabled": True, "search_domain": not z.SearchDomainDisabled, "groups": [g.id for g in c.groups if g.is_all],
                         "records": [{"name": x.Name.rstrip("."), "type": {1: "A", 28: "AAAA", 5: "CNAME"}[x.Type], "content": x.RData, "ttl": x.TTL}
                                     for x in z.Records]} for z in c.account_zones]
    account["checks"] = {check: {"failed": [ids[i] for i in failed.peer_indexes], "files": []} for check, failed in c.posture_failed_peers.items()}
    return account


def without_ids(message):
    """Components name objects by public ids, plain maps by others: rules lose theirs, routes are named by their network."""
    m = message.NetworkMap
    names = {r.ID: f"{r.NetID}|{r.Network}" for r in m.Routes}
    for r in m.Routes:
        r.ID = names[r.ID]
    for r in m.routesFirewallRules:
        r.RouteID, r.PolicyID = names[r.RouteID], b""
    for r in m.FirewallRules:
        r.PolicyID = b""
    return message


@pytest.mark.parametrize("step", ["b_up_with_setup_key", "c_up_with_setup_key", "policy_tcp_port_8080_ga_gb_bidirectional",
                                  "network_route_domains_via_group_gb", "policy_tcp_443_ga_resource_group"])
def test_scenario_components(step):
    """Client A was sent the account, client B at the same moment its plain map."""
    full, plain = recorded(f"components.A.sync_response.{step}"), recorded(f"components.B.sync_response.{step}")
    account = account_of(full.NetworkMapEnvelope.full, next((r.ID.split(":")[1] for r in plain.NetworkMap.Routes if ":" in r.ID), "B"))
    me = next(p for p in account["peers"] if account_fqdn(account, p) == plain.NetworkMap.peerConfig.fqdn)
    found = reductions.differences(without_ids(plainmap.build(account, me["id"])), without_ids(plain), me["meta"])
    assert not found, "\n".join(found)


def account_fqdn(account, peer):
    return f'{peer["dns_label"]}.{account["settings"]["dns_domain"]}'


# ---------------------------------------------------------------- the judge itself

def test_accounts_are_the_same_on_every_machine():
    text = json.dumps(randomaccount.generate(1), sort_keys=True).encode()
    assert hashlib.sha256(text).hexdigest() == "b7eb6d3babe4fa3b7373b7a097cf56ce5262980073afaf9022f8f5f13fee4f2c"
    assert randomaccount.generate(1) != randomaccount.generate(2)


def mutations(m):
    """Ways in which a map may be wrong: (what, the wrong map)."""
    fields = ("remotePeers", "offlinePeers", "FirewallRules")
    for name in fields:
        for i, entry in enumerate(getattr(m.NetworkMap, name)):
            if name == "FirewallRules" and entry.Direction != pb.RuleDirection.Value("IN"):
                continue
            wrong = copy.deepcopy(m)
            del getattr(wrong.NetworkMap, name)[i]
            yield f"without {name}[{i}]", wrong
    for name in ("remotePeersIsEmpty", "firewallRulesIsEmpty"):
        wrong = copy.deepcopy(m)
        setattr(wrong.NetworkMap, name, not getattr(m.NetworkMap, name))
        yield name, wrong
    for i, record in enumerate(m.NetworkMap.DNSConfig.CustomZones[0].Records if m.NetworkMap.DNSConfig.CustomZones else ()):
        wrong = copy.deepcopy(m)
        wrong.NetworkMap.DNSConfig.CustomZones[0].Records[i].RData = "192.0.2.99"
        yield f"record {i}", wrong
    for i, rule in enumerate(m.NetworkMap.FirewallRules):
        if rule.Direction == pb.RuleDirection.Value("IN"):
            wrong = copy.deepcopy(m)
            wrong.NetworkMap.FirewallRules[i].Action ^= 1
            yield f"action {i}", wrong
    wrong = copy.deepcopy(m)
    wrong.NetworkMap.Serial += 1
    yield "serial", wrong


def same_rule_twice(m):
    """Rules of one policy that overlap: without one of them the map still means the same."""
    keys = [r.SerializeToString() for r in m.NetworkMap.FirewallRules]
    return len(keys) != len(set(keys))


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_wrong_is_found(seed):
    account = randomaccount.generate(seed, 4)
    account["serial"] = 7
    maps = {p["id"]: plainmap.build(account, p["id"]) for p in account["peers"]}
    assert not plainmap.compare(account, {k: m.SerializeToString() for k, m in maps.items()})
    for peer in account["peers"]:
        m = maps[peer["id"]]
        assert not reductions.differences(m, reduced(m) if 1 in peer["meta"]["capabilities"] and plainmap.at_least(peer["meta"]["version"], (0, 29, 3)) else m,
                                          peer["meta"])
        if same_rule_twice(m):
            continue
        for what, wrong in mutations(m):
            assert reductions.differences(m, wrong, peer["meta"]), what
