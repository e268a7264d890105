#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reference implementation of the server side of NetBird's protocols, for testing agents.

Four services in one process: management and signal (gRPC), relay (WebSocket) and STUN. It answers as the official 0.77 servers
do, oddities included (see README-server.md), and can be told to misbehave. Use it from pytest:

    with NBServer(Config(mgmt_port=0, signal_port=0, relay_port=0, stun_port=0)) as srv:
        key = srv.setup_keys()["reusable"]
        srv.wait_event("sync_open", timeout=10, host="a")
        srv.rules_set("a", [{"remote": "b", "protocol": "TCP", "port": "22"}])

or from the command line, where every event is one JSON line on standard output and `--control SOCK` takes one JSON command per line:

    nb_server.py --listen-ip 203.0.113.10 --state DIR --control DIR/ctl
    nb_server.py --ctl DIR/ctl peers
    nb_server.py --ctl DIR/ctl rules_set '{"peer": "a", "rules": []}'

Debian packages: python3-grpcio python3-protobuf protobuf-compiler python3-nacl (section numbers below are those of protocol.md).
"""
from __future__ import annotations

import argparse
import asyncio
import inspect
import ipaddress
import json
import logging
import os
import signal as ossignal
import socket
import sys
import threading
import time
import uuid
from dataclasses import asdict, fields
from typing import Any, Callable, Optional

from google.protobuf.json_format import MessageToDict, ParseDict

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import nbwire as w
from nbwire import mgmt as pb, signal as spb
from nbs_account import Account, CODE, CommandError, Config, NetRoute, Peer, Policy, SERVICES, SetupKey, new_id
from nbs_grpc import to_code
from nbs_mgmt import Channel, Management
from nbs_signal import Signal
from nbs_relay import Relay, Stun
from nbs_hostile import HOSTILE, hostile_map


# ---------------------------------------------------------------- the server and its commands

class Complaints(logging.Handler):
    """Exceptions inside RPC handlers are faults of this program: show them."""

    def emit(self, record):
        print("nb_server:", self.format(record), file=sys.stderr, flush=True)


logging.getLogger("grpc._cython.cygrpc").addHandler(Complaints(logging.ERROR))

_loop: Optional[asyncio.AbstractEventLoop] = None
_loop_lock = threading.Lock()


def shared_loop() -> asyncio.AbstractEventLoop:
    """One event loop in one thread for all servers of this process."""
    global _loop
    with _loop_lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="nb-server", daemon=True).start()
    return _loop


class NBServer:
    """The four services. Every cmd_NAME is callable as srv.NAME(...) from any thread and as {"cmd": "NAME", ...} on the control socket."""

    def __init__(self, cfg: Optional[Config] = None, on_event: Optional[Callable[[dict], None]] = None):
        self.cfg = cfg or Config()
        if self.cfg.state:
            os.makedirs(self.cfg.state, exist_ok=True)
        self.account = Account(self.cfg)
        self.faults: list[dict] = []
        self.rules: dict[str, dict] = {}
        self.map_override: dict[str, dict] = {}
        self.login_override: dict[str, dict] = {}
        self.events: list[dict] = []
        self.on_event = on_event
        self.cond = threading.Condition()
        self.loop = None
        self.control = None
        self.names: dict[str, str] = {}
        self.management = Management(self, self.cfg.mgmt_port)
        self.signal = Signal(self, self.cfg.signal_port)
        self.relay = Relay(self, self.cfg.relay_port)
        self.stun = Stun(self, self.cfg.stun_port)

    # -- life

    def start(self) -> "NBServer":
        self.loop = shared_loop()
        asyncio.run_coroutine_threadsafe(self.astart(), self.loop).result(20)
        return self

    def stop(self) -> None:
        if self.loop:
            asyncio.run_coroutine_threadsafe(self.astop(), self.loop).result(20)
            self.loop = None

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    def of(self, name: str):
        if name == "mgmt":
            name = "management"
        if name not in SERVICES:
            raise CommandError("services: " + " ".join(SERVICES))
        return getattr(self, name)

    async def astart(self) -> None:
        self.loop = asyncio.get_running_loop()
        for s in ("stun", "relay", "signal", "management"):   # management last: it advertises the others' ports
            await self.of(s).start()
        self.ticker = asyncio.ensure_future(self.tick())
        self.event("ready", mgmt=self.mgmt_url, signal=f"{self.cfg.host}:{self.signal.port}", relay=self.relay.instance_url(),
                   stun=f"{self.cfg.host}:{self.stun.port}", setup_keys=self.cmd_setup_keys(), network=self.account.network)

    async def astop(self) -> None:
        self.ticker.cancel()
        if self.control:
            self.control.close()
        for s in SERVICES:
            await self.of(s).stop()

    @property
    def mgmt_url(self) -> str:
        return f"{'https' if self.cfg.tls else 'http'}://{self.cfg.host}:{self.management.port}"

    def relay_urls(self) -> list:
        return [self.relay.instance_url()]

    async def tick(self) -> None:
        """Login expiry of SSO peers, ephemeral peers."""
        while True:
            await asyncio.sleep(1)
            for p in list(self.account.peers.values()):
                if p.user_id and not p.login_expired and self.account.expired(p):
                    self.expire(p)
                if p.ephemeral and p.id not in self.management.channels and time.time() - p.last_seen > self.cfg.ephemeral_after and self.management.running:
                    self.management.delete_peer(p)

    def expire(self, p: Peer) -> None:
        p.login_expired = True
        self.account.bump()
        m = self.management
        around = self.account.neighbours(p)
        m.push(around)
        ch = m.channels.pop(p.id, None)
        if ch:
            ch.close()
        self.event("expired", peer=p.label)

    # -- events

    def event(self, ev: str, **kw) -> None:
        e = {"t": round(time.time(), 3), "ev": ev, **kw}
        with self.cond:
            self.events.append(e)
            if len(self.events) > 20000:
                del self.events[:10000]
            self.cond.notify_all()
        if self.on_event:
            self.on_event(e)

    def wait_event(self, ev: str, timeout: float = 10, since: float = 0, **match) -> dict:
        """First event of that kind (not older than *since*) whose fields equal *match*; TimeoutError otherwise."""
        end, at = time.monotonic() + timeout, 0
        with self.cond:
            while True:
                for e in self.events[at:]:
                    if e["ev"] == ev and e["t"] >= since and all(e.get(k) == v for k, v in match.items()):
                        return e
                at = len(self.events)
                left = end - time.monotonic()
                if left <= 0 or not self.cond.wait(left):
                    raise TimeoutError(f"no event {ev} {match}")

    def name_of(self, key: str) -> str:
        p = self.account.by_key(key)
        if p:
            self.names[key] = p.label
        return self.names.get(key, key)

    def relay_name(self, rid: bytes) -> str:
        return next((p.label for p in self.account.peers.values() if w.relay_peer_id(p.key) == rid), w.relay_peer_id_text(rid))

    # -- calling commands

    def __getattr__(self, name: str):
        if name.startswith("_") or not hasattr(type(self), "cmd_" + name):
            raise AttributeError(name)
        return lambda *a, **kw: self.call(name, *a, **kw)

    def call(self, name: str, *a, **kw):
        async def go():
            return await self.run_command(name, a, kw)
        return asyncio.run_coroutine_threadsafe(go(), self.loop).result(60)

    async def run_command(self, name: str, a=(), kw=None):
        fn = getattr(self, "cmd_" + name, None)
        if fn is None:
            raise CommandError("commands: " + " ".join(sorted(x[4:] for x in dir(type(self)) if x.startswith("cmd_"))))
        r = fn(*a, **(kw or {}))
        return await r if inspect.isawaitable(r) else r

    async def serve_control(self, path: str) -> None:
        if os.path.exists(path):
            os.unlink(path)
        self.control = await asyncio.start_unix_server(self.control_client, path, limit=64 << 20)

    async def control_client(self, reader, writer) -> None:
        while line := await reader.readline():
            rid = None
            try:
                d = json.loads(line)
                rid, name = d.pop("rid", None), d.pop("cmd")
                if name == "events":     # stream of events from now on
                    return await self.stream_events(writer)
                out = {"ok": True, "result": await self.run_command(name, (), d)}
            except Exception as e:
                out = {"ok": False, "error": f"{type(e).__name__}: {e}"}
            if rid is not None:
                out["rid"] = rid
            writer.write(json.dumps(out, default=str).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def stream_events(self, writer) -> None:
        q: asyncio.Queue = asyncio.Queue()
        prev = self.on_event

        def both(e):
            if prev:
                prev(e)
            self.loop.call_soon_threadsafe(q.put_nowait, e)
        self.on_event = both
        try:
            while True:
                writer.write(json.dumps(await q.get(), default=str).encode() + b"\n")
                await writer.drain()
        except OSError:
            pass
        finally:
            self.on_event = prev

    # -- commands: looking

    def cmd_setup_keys(self) -> dict:
        """Name -> key text."""
        return {k.name: k.key for k in self.account.keys}

    def cmd_peers(self) -> list:
        """All peers with their state."""
        m, out = self.management, []
        for p in self.account.peers.values():
            ch = m.channels.get(p.id)
            out.append({"id": p.id, "name": p.label, "host": p.name, "fqdn": self.account.fqdn(p), "key": p.key, "ip": p.ip, "ip6": p.ip6, "version": p.version,
                        "caps": sorted(p.caps), "user": p.user_id, "expired": self.account.expired(p), "ephemeral": p.ephemeral, "virtual": p.virtual,
                        "groups": [g for g, i in self.account.groups.items() if p.id in i], "connected": ch is not None,
                        "sync": {"age": time.time() - ch.opened, "sent": ch.sent, "dropped": ch.dropped, "stalled": ch.stalled} if ch else None,
                        "signal": p.key in self.signal.streams, "relay": w.relay_peer_id(p.key) in self.relay.peers, "job": p.id in m.jobs})
        return out

    def cmd_streams(self) -> dict:
        """Open streams and connections per service."""
        conns = lambda f: [{"addr": f"{c.peer[0]}:{c.peer[1]}", "age": time.time() - c.since, "rx": c.rx, "tx": c.tx, "held": c.held} for c in f.conns]
        name = lambda k: self.name_of(k)
        return {"management": {"sync": [self.account.peers[i].label for i in self.management.channels if i in self.account.peers], "connections": conns(self.management.front)},
                "signal": {"registered": [name(k) for k in self.signal.streams], "connections": conns(self.signal.front)},
                "relay": [{"peer": self.relay_name(i), "addr": f"{c.addr[0]}:{c.addr[1]}", "rx": c.rx, "tx": c.tx, "interested": [self.relay_name(x) for x in c.offline]}
                          for i, c in self.relay.peers.items()],
                "stun": {"requests": self.stun.requests}, "relay_forwarded": self.relay.forwarded}

    def cmd_map(self, peer: str) -> dict:
        """The map a peer would be sent now, as proto JSON."""
        return MessageToDict(self.management.full(self.account.ref(peer), False), preserving_proto_field_name=True)

    def cmd_recent_events(self, n: int = 100, ev: str = "") -> list:
        return [e for e in self.events if not ev or e["ev"] == ev][-n:]

    # -- commands: account

    def cmd_add_setup_key(self, name: str, key: str = "", **kw) -> str:
        k = SetupKey(key or str(uuid.uuid4()).upper(), name, **kw)
        self.account.keys.append(k)
        self.account.save()
        return k.key

    def cmd_add_peer(self, host: str, key: str = "", version: str = "0.77.0", count: int = 1, caps: Optional[list] = None) -> list:
        """Virtual peers: in everyone's map, never connected."""
        out = []
        for i in range(count):
            meta = pb.PeerSystemMeta(hostname=host if count == 1 else f"{host}{i}", goOS="linux", netbirdVersion=version, capabilities=[1] if caps is None else caps)
            out.append(self.account.add_peer(key or w.WgKey.generate().text, meta, virtual=True))
        self.management.peers_changed([p.id for p in out])
        return [{"name": p.label, "key": p.key, "ip": p.ip} for p in out]

    def cmd_remove_peer(self, peer: str) -> None:
        self.management.delete_peer(self.account.ref(peer))

    def cmd_expire_login(self, peer: str) -> None:
        """Login expiry. A setup-key peer becomes an SSO peer first, as only those expire."""
        p = self.account.ref(peer)
        p.user_id = p.user_id or "expired-user"
        self.expire(p)

    def cmd_renew_login(self, peer: str, sso: bool = True) -> None:
        p = self.account.ref(peer)
        p.login_expired, p.last_login = False, time.time()
        if not sso:
            p.user_id = ""
        self.account.bump()
        self.management.peers_changed([p.id])

    def cmd_add_token(self, token: str, user: str) -> None:
        """A JWT that Login and ExtendAuthSession accept once."""
        self.account.users[token] = user

    def cmd_set_ssh(self, peer: str, on: bool = True) -> None:
        self.account.ref(peer).ssh_enabled = on
        self._changed()

    def cmd_set_address(self, peer: str, ip: str) -> None:
        """Change a peer's overlay address, as an administrator may."""
        self.account.ref(peer).ip = str(ipaddress.ip_address(ip))
        self._changed()

    def _changed(self) -> None:
        self.account.bump()
        self.management.push_all()

    def cmd_set_groups(self, groups: dict) -> None:
        """{"name": [peer, ...]}; replaces the named groups."""
        for g, refs in groups.items():
            self.account.groups[g] = [self.account.ref(r).id for r in refs]
        self._changed()

    def cmd_allow(self, sources: list, destinations: list, protocol: str = "ALL", ports: Optional[list] = None, ranges: Optional[list] = None,
                  bidirectional: bool = True, action: str = "ACCEPT", name: str = "") -> str:
        """Add a policy. Elements of sources and destinations are group names or "peer:<ref>"."""
        p = Policy(new_id(), name or "policy", sources, destinations, protocol.upper(), action.upper(), bidirectional, [str(x) for x in ports or []], ranges or [])
        self.account.policies.append(p)
        self._changed()
        return p.id

    def cmd_policies(self) -> list:
        return [asdict(p) for p in self.account.policies]

    def cmd_remove_policy(self, id: str = "") -> None:
        """By id or name; without either all policies go."""
        self.account.policies = [p for p in self.account.policies if id and id not in (p.id, p.name)]
        self._changed()

    def cmd_see(self, pairs: list) -> None:
        """Who may see whom: replaces all policies by one "accept all, both ways" per pair of groups, e.g. [["a", "b"], ["All", "peer:x"]]."""
        self.account.policies = [Policy(new_id(), f"{a}-{b}", [a], [b]) for a, b in pairs]
        self._changed()

    def cmd_rules(self, peer: str) -> list:
        return [MessageToDict(r, preserving_proto_field_name=True) for r in self.management.full(self.account.ref(peer), False).NetworkMap.FirewallRules]

    def cmd_rules_set(self, peer: str, rules: list, empty_flag: Optional[bool] = None) -> None:
        """Replace the computed rules of one peer. *empty_flag* forces firewallRulesIsEmpty."""
        self._rules(peer, {"replace": True, "list": rules}, empty_flag)

    def cmd_rules_add(self, peer: str, rules: list) -> None:
        cur = self.rules.get(self.account.ref(peer).id, {"replace": False, "list": []})
        self._rules(peer, {"replace": cur["replace"], "list": cur["list"] + rules}, cur.get("empty_flag"))

    def cmd_rules_remove(self, peer: str, index: int) -> None:
        """Remove one of the rules given by rules_set or rules_add."""
        cur = self.rules[self.account.ref(peer).id]
        self._rules(peer, dict(cur, list=cur["list"][:index] + cur["list"][index + 1:]), cur.get("empty_flag"))

    def cmd_rules_clear(self, peer: str) -> None:
        """Back to the computed rules."""
        self.rules.pop(self.account.ref(peer).id, None)
        self._changed()

    def _rules(self, peer: str, r: dict, empty_flag) -> None:
        p = self.account.ref(peer)
        for x in r["list"]:
            self.management.rule_from_json(p, x)
        if empty_flag is not None:
            r["empty_flag"] = empty_flag
        self.rules[p.id] = r
        self._changed()

    def cmd_add_route(self, peer: str, network: str = "", net_id: str = "", domains: Optional[list] = None, **kw) -> str:
        r = NetRoute(new_id(), net_id or "net-" + new_id()[:4], network, self.account.ref(peer).id, domains=domains or [], **kw)
        self.account.routes.append(r)
        self._changed()
        return r.id

    def cmd_remove_route(self, id: str) -> None:
        self.account.routes = [r for r in self.account.routes if id not in (r.id, r.net_id)]
        self._changed()

    def cmd_set_nameservers(self, groups: list) -> None:
        """List of NameServerGroup proto JSON, each with an optional "groups" list."""
        self.account.nameservers = groups
        self._changed()

    def cmd_set_dns_off(self, groups: list) -> None:
        self.account.dns_off = set(groups)
        self._changed()

    def cmd_set(self, push: bool = True, **kw) -> dict:
        """Change configuration fields (lazy, relay_ttl, turn_ttl, debounce, with_relay, ...)."""
        names = {f.name for f in fields(Config)}
        for k, v in kw.items():
            if k not in names:
                raise CommandError(f"no such setting: {k}")
            setattr(self.cfg, k, v)
        if push:
            self._changed()
        return asdict(self.cfg)

    # -- commands: streams and messages

    def _channel(self, peer: str) -> Channel:
        ch = self.management.channels.get(self.account.ref(peer).id)
        if not ch:
            raise CommandError(f"{peer} has no Sync stream")
        return ch

    def cmd_push(self, peer: str = "") -> None:
        """Send the current map again, with the same serial."""
        self.management.push([self.account.ref(peer).id] if peer else list(self.management.channels))

    def cmd_bump(self) -> None:
        """New serial, maps to everyone."""
        self._changed()

    def cmd_set_map_override(self, peer: str, override: Optional[dict] = None) -> None:
        """Proto JSON merged over every SyncResponse of a peer that carries a map; None removes it."""
        self._override(self.map_override, peer, override)
        self._changed()

    def cmd_set_login_override(self, peer: str, override: Optional[dict] = None) -> None:
        """The same for its LoginResponse."""
        self._override(self.login_override, peer, override)

    def _override(self, table: dict, peer: str, override: Optional[dict]) -> None:
        i = self.account.ref(peer).id
        table.pop(i, None)
        if override:
            table[i] = override

    def cmd_push_raw(self, peer: str, message: Optional[dict] = None, plaintext: str = "", body: str = "", paced: bool = False) -> None:
        """Send a given SyncResponse (proto JSON), or plaintext bytes to be sealed, or a body sent unsealed (both hex)."""
        if message is not None:
            m = ParseDict(message, pb.SyncResponse())
        else:
            m = (bytes.fromhex(plaintext),) if plaintext else bytes.fromhex(body)
        self._channel(peer).put(("map" if message and "NetworkMap" in message else "config") if paced else "now", lambda: m)

    def cmd_hostile(self, peer: str, kind: str) -> None:
        """Send one hostile map; the next ordinary push repairs it."""
        p = self.account.ref(peer)
        near = self.account.neighbours(p)
        m = hostile_map(kind, self.management.full(p, False), self.management, p, self.account.peers[sorted(near)[0]] if near else None)
        self.account.serial += 1
        self._channel(peer).put("now", lambda: m)

    def cmd_hostile_kinds(self) -> list:
        return HOSTILE

    def cmd_drop_stream(self, peer: str, code: Any = "OK", details: str = "") -> None:
        """End the Sync stream with a status."""
        c = to_code(code)
        self._channel(peer).close(None if c is CODE.OK else (c, details))

    def cmd_stall_stream(self, peer: str, on: bool = True) -> None:
        """Keep the Sync stream open but send nothing; queued updates go out when released."""
        self._channel(peer).stalled = on

    def cmd_connection(self, service: str, how: str = "rst", peer: str = "") -> int:
        """Do something to TCP connections of management, signal or relay: rst, fin, hold (black hole), release. Returns how many."""
        if service == "relay":
            cs = [c for c in self.relay.conns if not peer or (c.id and c.id == w.relay_peer_id(self.account.ref(peer).key))]
            for c in cs:
                if how in ("hold", "release"):
                    c.held = how == "hold"
                else:
                    c.drop(rst=how == "rst")
            return len(cs)
        s = self.of(service)
        cs = list(s.front.conns)
        if peer:
            p = self.account.ref(peer)
            ch = self.management.channels.get(p.id) if s is self.management else self.signal.streams.get(p.key)
            cs = [ch.conn] if ch and ch.conn else []
        for c in cs:
            if how in ("hold", "release"):
                c.hold(how == "hold")
            else:
                c.kill(how == "rst")
        return len(cs)

    def cmd_hold_new(self, service: str, on: bool = True) -> None:
        """Accept connections and never answer (management, signal)."""
        self.of(service).front.hold_new = on

    def cmd_send_job(self, peer: str, id: str = "", **bundle) -> str:
        """Push a bundle job; the answer is the event job_response."""
        q = self.management.jobs.get(self.account.ref(peer).id)
        if not q:
            raise CommandError("no Job stream")
        jid = id or str(uuid.uuid4())
        q.put_nowait(pb.JobRequest(ID=jid.encode(), bundle=pb.BundleParameters(**bundle)))
        return jid

    # -- commands: faults

    def take_fault(self, method: str, key: str) -> Optional[dict]:
        for f in self.faults:
            if f["method"] in (method, "*") and f.get("count", -1) != 0 and (not f.get("peer") or self.signal.match(f["peer"], key)):
                if f.get("count", -1) > 0:
                    f["count"] -= 1
                self.event("fault", method=method, peer=self.name_of(key) if key else "")
                return dict(f)
        return None

    def cmd_fault(self, method: str, code: Any = None, details: str = "", delay: float = 0, hang: bool = False, garbage: bool = False, raw: Optional[str] = None,
                  count: int = -1, peer: str = "") -> None:
        """Make an RPC fail, wait, hang, or answer with an undecryptable body or raw protobuf bytes (hex). count -1 = until cleared."""
        if code is not None:
            to_code(code)
        self.faults.append(dict(method=method, code=code, details=details, delay=delay, hang=hang, garbage=garbage, raw=raw, count=count, peer=peer))

    def cmd_clear_faults(self, method: str = "") -> None:
        self.faults = [f for f in self.faults if method and f["method"] != method]

    def cmd_refuse_login(self, code: Any = 7, details: str = "refused by test", count: int = -1, peer: str = "") -> None:
        self.cmd_fault("Login", code, details, count=count, peer=peer)

    def cmd_signal_rule(self, drop: float = 0, delay: float = 0, dup: int = 0, count: int = -1, to: str = "", **kw) -> None:
        """Drop (probability), delay (s) or duplicate forwarded messages; "from" and "to" are optional peers."""
        self.signal.rules.append({"from": kw.get("from", kw.get("from_", "")), "to": to, "drop": drop, "delay": delay, "dup": dup, "count": count})

    def cmd_signal_clear(self) -> None:
        self.signal.rules, self.signal.loopback, self.signal.header = [], True, True

    def cmd_signal_set(self, loopback: Optional[bool] = None, header: Optional[bool] = None) -> None:
        """Loop self-addressed messages back; send the registration header."""
        if loopback is not None:
            self.signal.loopback = loopback
        if header is not None:
            self.signal.header = header

    async def cmd_signal_inject(self, to: str, raw: str = "", frm: str = "", body: str = "") -> None:
        """Deliver a raw EncryptedMessage (hex) or one made of frm and body (hex)."""
        key = self.account.ref(to).key
        data = bytes.fromhex(raw) if raw else spb.EncryptedMessage(key=self.account.ref(frm).key if frm else "", remoteKey=key, body=bytes.fromhex(body)).SerializeToString()
        await self.signal.deliver(key, data)

    def cmd_signal_replace(self, peer: str) -> None:
        """End a registration as if the peer had registered again."""
        self.signal.streams[self.account.ref(peer).key].gone.set()

    def cmd_relay_set(self, **kw) -> dict:
        """health (send health checks), reject (refuse every token), refuse (HTTP status of the upgrade), loss, delay, url (instance URL)."""
        names = ("health", "reject", "refuse", "loss", "delay", "url")
        for k, v in kw.items():
            if k not in names:
                raise CommandError("relay settings: " + " ".join(names))
            setattr(self.relay, k, v)
        return {k: getattr(self.relay, k) for k in names}

    def cmd_relay_send(self, peer: str, data: str, op: int = 2, fin: int = 1) -> None:
        """A raw WebSocket frame (hex) to a connected peer."""
        c = self.relay.peers.get(w.relay_peer_id(self.account.ref(peer).key))
        if not c:
            raise CommandError(f"{peer} is not at the relay")
        c.ws(bytes.fromhex(data), op, fin)

    def cmd_rotate_relay_token(self, peer: str = "", secret: str = "") -> None:
        """Mint and push new relay tokens; with *secret* also change the shared secret (older tokens no longer admit)."""
        if secret:
            self.cfg.relay_secret = secret
        for i, ch in self.management.channels.items():
            if not peer or i == self.account.ref(peer).id:
                self.management.push_credentials(ch, "relay")

    def cmd_rotate_turn(self, peer: str = "") -> None:
        for i, ch in self.management.channels.items():
            if not peer or i == self.account.ref(peer).id:
                self.management.push_credentials(ch, "turn")

    def cmd_stun_set(self, loss: Optional[float] = None, delay: Optional[float] = None, lie: Optional[str] = None) -> None:
        """Loss, delay, or a mapped address ip:port to lie about ("" = the truth)."""
        for k, v in (("loss", loss), ("delay", delay), ("lie", lie)):
            if v is not None:
                setattr(self.stun, k, v)

    async def cmd_service(self, name: str, action: str = "restart", down: float = 0, how: str = "kill") -> None:
        """stop, start or restart one service on its port. how: kill (FIN), rst, graceful. A restart of management makes a new box key."""
        s = self.of(name)
        if action in ("stop", "restart"):
            await s.stop(how)
        if action == "restart":
            await asyncio.sleep(down)
        if action in ("start", "restart"):
            for _ in range(50):
                try:
                    return await s.start()
                except OSError:
                    s.server = None
                    await asyncio.sleep(0.1)
            raise CommandError(f"{name}: port busy")

    def cmd_services(self) -> dict:
        return {n: {"running": self.of(n).running, "port": self.of(n).port} for n in SERVICES}

    def cmd_help(self) -> dict:
        return {n[4:]: str(inspect.signature(getattr(self, n))) + "  " + (getattr(self, n).__doc__ or "").strip() for n in dir(type(self)) if n.startswith("cmd_")}


# ---------------------------------------------------------------- command line

def ctl(path: str, argv: list) -> int:
    """One command to a running server: NAME [JSON object | key=value ...]."""
    req = {"cmd": argv[0]}
    for a in argv[1:]:
        if a.startswith("{"):
            req.update(json.loads(a))
        else:
            k, _, v = a.partition("=")
            try:
                req[k] = json.loads(v)
            except ValueError:
                req[k] = v
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.sendall(json.dumps(req).encode() + b"\n")
    f = s.makefile()
    if argv[0] == "events":
        for line in f:
            print(line, end="", flush=True)
        return 0
    r = json.loads(f.readline())
    if not r["ok"]:
        print(r["error"], file=sys.stderr)
        return 1
    if argv[0] == "help":
        for k, v in r["result"].items():
            print(k + v)
    elif r["result"] is not None:
        print(json.dumps(r["result"], indent=1))
    return 0


def main(argv=None) -> int:
    p = argparse.ArgumentParser(description="NetBird servers for tests (management, signal, relay, STUN)")
    p.add_argument("--ctl", nargs="+", metavar=("SOCK", "CMD"), help="send one command to a running server")
    p.add_argument("--control", help="path of the control socket")
    skip = {"turn", "sso"}
    for f in fields(Config):
        if f.name in skip:
            continue
        opt = "--" + f.name.replace("_", "-")
        if isinstance(f.default, bool):
            p.add_argument(opt, action=argparse.BooleanOptionalAction, default=f.default)
        else:
            p.add_argument(opt, type=type(f.default), default=f.default)
    p.add_argument("--turn", action="append", default=[], help="TURN URI, may be repeated")
    a = p.parse_args(argv)
    if a.ctl:
        return ctl(a.ctl[0], a.ctl[1:] or ["help"])
    cfg = Config(**{f.name: getattr(a, f.name) for f in fields(Config) if hasattr(a, f.name)})
    srv = NBServer(cfg, on_event=lambda e: print(json.dumps(e, default=str), flush=True))

    async def run():
        stop = asyncio.Event()
        for s in (ossignal.SIGTERM, ossignal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(s, stop.set)
        await srv.astart()
        if a.control:
            await srv.serve_control(a.control)
        await stop.wait()
        await srv.astop()
    asyncio.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
