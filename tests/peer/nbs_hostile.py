# SPDX-License-Identifier: GPL-3.0-or-later
"""Network maps that no honest server sends."""
from __future__ import annotations

import inspect
import re
import secrets
from typing import Optional

import nbwire as w
from nbs_account import CommandError, Peer
from nbs_mgmt import Management


def hostile_map(kind: str, s, mgmt: Management, me: Peer, other: Optional[Peer]):
    """A SyncResponse (or bytes, or (plaintext,)) that a careless agent mishandles, made from a good one."""
    nm = s.NetworkMap
    nm.Serial += 1
    victim = nm.remotePeers[0] if nm.remotePeers else nm.remotePeers.add(wgPubKey=w.WgKey.generate().text, allowedIps=["100.127.255.254/32"], fqdn="x.y")
    fresh = lambda ips, key=None: nm.remotePeers.add(wgPubKey=key or w.WgKey.generate().text, allowedIps=ips, fqdn="hostile.example", agentVersion="0.77.0")
    if kind == "bad_allowed_ips":
        del victim.allowedIps[:]
        victim.allowedIps.append("not-an-address")
    elif kind == "empty_allowed_ips":
        del victim.allowedIps[:]
    elif kind == "default_route_allowed_ips":
        fresh(["0.0.0.0/0", "::/0"])
    elif kind == "host_bits_allowed_ips":
        fresh(["100.64.1.2/16"])
    elif kind == "own_address_allowed_ips":
        fresh([me.ip + "/32"])
    elif kind == "same_allowed_ips_twice":
        fresh(list(victim.allowedIps))
    elif kind == "bad_key":
        fresh(["100.127.0.9/32"], "AAAA")
    elif kind == "zero_key":
        fresh(["100.127.0.9/32"], w.b64(bytes(32)))
    elif kind == "own_key":
        fresh([me.ip + "/32"], me.key)
    elif kind == "peer_twice":
        nm.remotePeers.add().CopyFrom(victim)
    elif kind == "many_peers":
        for i in range(5000):
            fresh([f"100.127.{i // 250}.{i % 250 + 1}/32"], w.b64(secrets.token_bytes(32)))
    elif kind == "no_peer_config":
        nm.ClearField("peerConfig")
    elif kind == "changed_address":
        nm.peerConfig.address = s.peerConfig.address = "100.127.9.9/16"
    elif kind == "bad_address":
        nm.peerConfig.address = s.peerConfig.address = "999.1.2.3/99"
    elif kind == "old_serial":
        nm.Serial = 0
        del nm.remotePeers[:]
        nm.remotePeersIsEmpty = True
    elif kind == "empty_without_flags":
        del nm.remotePeers[:]
        del nm.FirewallRules[:]
        nm.remotePeersIsEmpty = nm.firewallRulesIsEmpty = nm.routesFirewallRulesIsEmpty = False
    elif kind == "flag_with_peers":
        nm.remotePeersIsEmpty = True
    elif kind == "bad_stun_uri":
        s.netbirdConfig.stuns.add(uri="stun://host:1:2:3")
        s.netbirdConfig.relay.CopyFrom(mgmt.relay_config())
    elif kind == "config_without_relay":
        s.netbirdConfig.stuns.add(uri=f"stun:{mgmt.cfg.host}:{mgmt.srv.stun.port}")
    elif kind == "flow_without_interval":
        s.netbirdConfig.CopyFrom(mgmt.netbird_config(True))
        s.netbirdConfig.flow.enabled = True
    elif kind == "bad_nameserver":
        nm.DNSConfig.NameServerGroups.add(Primary=True).NameServers.add(IP="not-an-ip", NSType=1, Port=53)
    elif kind == "nameserver_port_0":
        nm.DNSConfig.NameServerGroups.add(Primary=True).NameServers.add(IP="203.0.113.53", NSType=1, Port=0)
    elif kind == "bad_dns_records":
        z = nm.DNSConfig.CustomZones.add(Domain="..")
        z.Records.add(Name="a" * 300, Type=1, Class="IN", TTL=-1, RData="not-an-ip")
        z.Records.add(Name="\0\n", Type=99999, Class="XX", TTL=2**40, RData="")
    elif kind == "bad_rules":
        nm.FirewallRules.add(PeerIP="not-an-ip", Protocol="TCP", Port="70000")
        nm.FirewallRules.add(sourcePrefixes=[b"\1\2"], Protocol="ALL")
        nm.FirewallRules.add(sourcePrefixes=[bytes(4) + b"\xff"], Protocol=77, Direction=9, Action=9)
        r = nm.FirewallRules.add(PeerIP="100.64.0.1", Protocol="UDP")
        r.PortInfo.range.start, r.PortInfo.range.end = 9000, 80
    elif kind == "many_rules":
        for i in range(20000):
            nm.FirewallRules.add(PeerIP=f"100.127.{i // 250}.{i % 250 + 1}", Protocol="TCP", Port=str(i % 65535 + 1))
    elif kind == "bad_routes":
        nm.Routes.add(ID="r1", NetID="n", Network="10.0.0.0/99", NetworkType=1, Peer=victim.wgPubKey, Metric=1)
        nm.Routes.add(ID="r2", NetID="n", Network="10.9.0.0/16", NetworkType=7, Peer="nobody", Metric=-5)
        nm.Routes.add(ID="", NetID="../../etc", Network="", NetworkType=3, Domains=["\0"], Peer=me.key)
    elif kind == "bad_fqdn":
        victim.fqdn = "a b\n;$(x)/../" + "y" * 500
    elif kind == "bad_checks":
        s.Checks.add(Files=["/etc/shadow", "/proc/self/mem", "\0", "../" * 400, "/" + "a" * 5000])
    elif kind == "version_1_without_envelope":
        s.Version = 1
        s.ClearField("NetworkMap")
    elif kind == "future_version":
        s.Version = 77
    elif kind == "forwarding_rules":
        nm.forwardingRules.add(protocol="TCP", translatedAddress=b"\1\2\3")
    elif kind == "empty_message":
        return (b"",)
    elif kind == "not_protobuf":
        return (b"\xff" * 50,)
    elif kind == "truncated_protobuf":
        return (s.SerializeToString()[:-7],)
    elif kind == "short_body":
        return b"\1\2\3"
    elif kind == "no_body":
        return b""
    elif kind == "wrong_key":
        return w.seal(s.SerializeToString(), w.WgKey.generate(), me.key)
    elif kind == "flipped_bit":
        b = bytearray(w.seal(s.SerializeToString(), mgmt.key, me.key))
        b[-1] ^= 1
        return bytes(b)
    elif kind == "17_mib":
        s.NetworkMap.DNSConfig.CustomZones.add(Domain="x." + "y" * (17 << 20))
    elif kind == "huge_serial":        # last: official clients ignore every later map until their engine restarts
        nm.Serial = 2**64 - 1
    else:
        raise CommandError("hostile maps: " + " ".join(HOSTILE))
    return s


HOSTILE = re.findall(r'kind == "(\w+)"', inspect.getsource(hostile_map))
