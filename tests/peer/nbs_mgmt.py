# SPDX-License-Identifier: GPL-3.0-or-later
"""The test server's management service."""
from __future__ import annotations

import asyncio
import collections
import ipaddress
import secrets
import time
from typing import Optional

import grpc
from google.protobuf.json_format import MessageToDict, ParseDict

import nbwire as w
from nbwire import mgmt as pb
from nbs_account import Account, CODE, Denied, Peer
from nbs_grpc import GrpcService, outer


class Channel:
    """Updates waiting for one Sync stream (the official server has 100 slots and drops when full)."""

    def __init__(self, peer_id: str):
        self.peer_id, self.items, self.closed, self.ready, self.end = peer_id, collections.deque(), False, asyncio.Event(), None
        self.stalled = False
        self.opened, self.sent, self.dropped = time.time(), 0, 0
        self.conn = None

    def put(self, kind: str, make) -> None:
        if self.closed:
            return
        if len(self.items) >= 100:
            self.dropped += 1
            return
        self.items.append((kind, make))
        self.ready.set()

    def close(self, end: Optional[tuple] = None) -> None:
        if not self.closed:
            self.closed, self.end = True, end
            self.ready.set()


class Management(GrpcService):
    name = "management"

    def __init__(self, srv, port):
        super().__init__(srv, port)
        self.channels: dict[str, Channel] = {}     # by peer id
        self.jobs: dict[str, asyncio.Queue] = {}
        self.push_ids: dict[str, int] = {}         # waiting for the next computation
        self.push_task: Optional[asyncio.Task] = None
        self.locks: dict[str, asyncio.Lock] = collections.defaultdict(asyncio.Lock)
        self.streams = 0
        self.key: Optional[w.WgKey] = None

    @property
    def acc(self) -> Account:
        return self.srv.account

    async def start(self):
        if not self.server:
            if self.cfg.persist_key:
                self.acc.box_key = self.acc.box_key or w.WgKey.generate().private_text
                self.acc.save()
                self.key = w.WgKey.from_text(self.acc.box_key)
            else:
                self.key = w.WgKey.generate()
            self.channels.clear()
            self.jobs.clear()
        await super().start()

    def handlers(self):
        em = outer(pb.EncryptedMessage)
        un = lambda f, de=em: grpc.unary_unary_rpc_method_handler(f, de, lambda m: m if isinstance(m, bytes) else m.SerializeToString())
        return grpc.method_handlers_generic_handler("management.ManagementService", {
            "GetServerKey": un(self.get_server_key, pb.Empty.FromString), "isHealthy": un(self.is_healthy, pb.Empty.FromString),
            "Login": un(self.wrap("Login", pb.LoginRequest, self.login)), "SyncMeta": un(self.wrap("SyncMeta", pb.SyncMetaRequest, self.sync_meta)),
            "Logout": un(self.wrap("Logout", pb.Empty, self.logout)),
            "GetPKCEAuthorizationFlow": un(self.wrap("GetPKCEAuthorizationFlow", pb.PKCEAuthorizationFlowRequest, self.pkce)),
            "GetDeviceAuthorizationFlow": un(self.wrap("GetDeviceAuthorizationFlow", pb.DeviceAuthorizationFlowRequest, self.device)),
            "ExtendAuthSession": un(self.wrap("ExtendAuthSession", pb.ExtendAuthSessionRequest, self.extend)),
            "CreateExpose": un(self.wrap("CreateExpose", pb.ExposeServiceRequest, self.expose)),
            "RenewExpose": un(self.wrap("RenewExpose", pb.RenewExposeRequest, self.expose)),
            "StopExpose": un(self.wrap("StopExpose", pb.StopExposeRequest, self.expose)),
            "Sync": grpc.unary_stream_rpc_method_handler(self.sync, em, lambda m: m if isinstance(m, bytes) else m.SerializeToString()),
            "Job": grpc.stream_stream_rpc_method_handler(self.job, em, lambda m: m.SerializeToString())})

    # -- envelope

    def open(self, req, cls, method=""):
        """(peer key text, decoded request); INVALID_ARGUMENT otherwise."""
        if req is None:
            raise Denied(CODE.INTERNAL, "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data")
        flow = method in ("GetPKCEAuthorizationFlow", "GetDeviceAuthorizationFlow")
        try:
            w.key_bytes(req.wgPubKey)
        except ValueError:
            raise Denied(CODE.INVALID_ARGUMENT, f"error while parsing peer's Wireguard public key {req.wgPubKey} on GetDeviceAuthorizationFlow request."
                         .replace("GetDevice", "GetDevice" if "Device" in method else "GetPKCE") if flow else f"provided wgPubKey {req.wgPubKey} is invalid")
        try:
            return req.wgPubKey, cls.FromString(w.unseal(req.body, self.key, req.wgPubKey))
        except Exception:
            raise Denied(CODE.INVALID_ARGUMENT, f"error while decrypting peer's message with Wireguard public key {req.wgPubKey}." if flow else "invalid request message")

    def seal(self, msg, key: str):
        return w.mgmt_seal(msg, self.key, key)

    def wrap(self, method: str, cls, fn):
        async def call(req, context):
            try:
                key, msg = self.open(req, cls, method)
                f = await self.guard(method, key, context)
                out = await fn(key, msg, context)
                self.srv.event("rpc", method=method, peer=self.srv.name_of(key), code="OK")
                if f and f.get("garbage"):
                    return pb.EncryptedMessage(wgPubKey=self.key.text, body=secrets.token_bytes(100))
                if f and f.get("raw") is not None:
                    return bytes.fromhex(f["raw"])
                return pb.Empty() if out is None else self.seal(out, key)
            except Denied as e:
                self.srv.event("rpc", method=method, peer=self.srv.name_of(req.wgPubKey if req else ""), code=e.code.name, details=e.details)
                await context.abort(e.code, e.details)
        return call

    async def get_server_key(self, req, context):
        await self.guard("GetServerKey", "", context)
        r = pb.ServerKeyResponse(key=self.key.text)
        r.expiresAt.seconds = int(time.time()) % 60    # the official server sends the second of the minute
        return r

    async def is_healthy(self, req, context):
        await self.guard("isHealthy", "", context)
        return pb.Empty()

    # -- configuration messages

    def relay_config(self):
        pay, sig = w.relay_token(self.cfg.relay_secret, int(time.time() + self.cfg.relay_ttl))
        return pb.RelayConfig(urls=self.srv.relay_urls(), tokenPayload=pay, tokenSignature=sig)

    def turns(self, minted: bool):
        user, pw = self.cfg.turn_user, self.cfg.turn_password
        if minted and self.cfg.turn_secret:
            user, pw = w.turn_credentials(self.cfg.turn_secret, int(time.time() + self.cfg.turn_ttl))
        return [pb.ProtectedHostConfig(hostConfig=pb.HostConfig(uri=u, protocol="TCP" if "transport=tcp" in u else "UDP"), user=user, password=pw) for u in self.cfg.turn]

    def netbird_config(self, minted: bool):
        c = pb.NetbirdConfig()
        if self.cfg.with_stun:
            c.stuns.add(uri=f"stun:{self.cfg.host}:{self.srv.stun.port}")
        c.turns.extend(self.turns(minted))
        c.signal.uri = f"{self.cfg.host}:{self.srv.signal.port}"
        c.signal.protocol = pb.HostConfig.Protocol.Value("HTTPS" if self.cfg.tls else "HTTP")
        if self.cfg.with_relay:
            c.relay.CopyFrom(self.relay_config())
        c.metrics.SetInParent()
        return c

    # -- login (2.3)

    async def user_of(self, token: str) -> str:
        """User of a JWT. Failures are retried by the server itself: 3 tries, 200 ms apart."""
        user = self.acc.users.get(token)
        if user and token not in self.acc.used_tokens:
            self.acc.used_tokens.add(token)
            return user
        await asyncio.sleep(0.6)
        if user:
            raise Denied(CODE.UNAUTHENTICATED, "JWT already used")
        raise Denied(CODE.INVALID_ARGUMENT, "invalid jwt token, err: token is unverifiable")

    async def login(self, key, req, context):
        ip = self.client_ip(context)
        if not req.HasField("meta"):
            raise Denied(CODE.FAILED_PRECONDITION, f"peer system meta has to be provided to log in. Peer {key}, remote addr {ip}")
        user = await self.user_of(req.jwtToken) if req.jwtToken else ""
        ssh = req.peerKeys.sshPubKey.decode("utf-8", "replace")
        p = self.acc.by_key(key)
        if p is None:
            p = self.register(key, req, user, ssh)
        else:
            if not user and p.user_id and self.acc.expired(p):
                raise Denied(CODE.PERMISSION_DENIED, "peer login has expired, please log in once more")
            if user:
                if p.user_id != user:
                    raise Denied(CODE.PERMISSION_DENIED, "peer is already registered by a different User or a Setup Key")
                if self.acc.expired(p):
                    p.last_login, p.login_expired = time.time(), False
                    self.acc.bump()
                    self.peers_changed([p.id])
            p.ssh_key = ssh
            if req.dnsLabels and not p.allow_extra_labels:
                raise Denied(CODE.FAILED_PRECONDITION, "couldn't login peer: setup key doesn't allow extra DNS labels")
            p.meta = w.b64(req.meta.SerializeToString())
            self.acc.save()
        r = pb.LoginResponse(netbirdConfig=self.netbird_config(False), peerConfig=self.acc.peer_config(p))
        r.sessionExpiresAt.seconds = int(self.acc.expires_at(p))
        self.srv.event("login", peer=p.label, key=key, ip=p.ip, host=p.name, version=p.version, caps=sorted(p.caps), sync_version=req.meta.syncMessageVersion, addr=ip)
        over = self.srv.login_override.get(p.id)
        if over:
            r = merge(r, over)
        return r

    def register(self, key, req, user, ssh):
        setup = None
        if not user:
            if not req.setupKey:
                raise Denied(CODE.PERMISSION_DENIED, "no peer auth method provided, please use a setup key or interactive SSO login")
            setup = next((k for k in self.acc.keys if k.key == req.setupKey.upper()), None)
            if setup is None or not setup.valid():
                raise Denied(CODE.NOT_FOUND, "couldn't add peer: setup key is invalid")
            if req.dnsLabels and not setup.allow_extra_labels:
                raise Denied(CODE.FAILED_PRECONDITION, "couldn't add peer: setup key doesn't allow extra DNS labels")
        try:
            p = self.acc.add_peer(key, req.meta, user_id=user, setup=setup, ssh_key=ssh, labels=req.dnsLabels)
        except ValueError:
            raise Denied(CODE.INTERNAL, "failed handling request")
        self.srv.event("registered", peer=p.label, key=key, ip=p.ip, by=user or setup.name)
        self.peers_changed([p.id])
        return p

    async def sync_meta(self, key, req, context):
        if not req.HasField("meta"):
            raise Denied(CODE.FAILED_PRECONDITION, f"peer system meta has to be provided on sync. Peer {key}, remote addr {self.client_ip(context)}")
        p = self.acc.by_key(key)
        if not p:
            raise Denied(CODE.NOT_FOUND, "account not found: index lookup failed")
        self.update_meta(p, req.meta)
        self.peers_changed([p.id])
        self.srv.event("sync_meta", peer=p.label, files=[f.path for f in req.meta.files])

    def update_meta(self, p: Peer, meta) -> bool:
        """Store changed meta; True if other peers have to hear of it."""
        if not meta.SerializeToString():
            return False
        old, old6 = p.pm(), p.v6
        p.meta = w.b64(meta.SerializeToString())
        self.acc.save()
        return old.netbirdVersion != meta.netbirdVersion or old.hostname != meta.hostname or p.v6 != old6

    async def logout(self, key, req, context):
        p = self.acc.by_key(key)
        if not p:
            raise Denied(CODE.NOT_FOUND, f"peer not found: {key}")
        self.delete_peer(p)

    def delete_peer(self, p: Peer) -> None:
        around = self.acc.neighbours(p)
        self.acc.remove_peer(p)
        s = pb.SyncResponse(remotePeersIsEmpty=True)
        s.NetworkMap.Serial, s.NetworkMap.remotePeersIsEmpty, s.NetworkMap.firewallRulesIsEmpty = self.acc.serial, True, True
        s.NetworkMap.DNSConfig.ForwarderPort = self.acc.forwarder_port()
        ch = self.channels.pop(p.id, None)
        if ch:
            ch.put("map", lambda: s)
            ch.close()
        self.srv.event("removed", peer=p.label, key=p.key)
        self.push(around)

    async def pkce(self, key, req, context):
        if "pkce" not in self.cfg.sso:
            raise Denied(CODE.NOT_FOUND, "no pkce authorization flow information available")
        return ParseDict({"ProviderConfig": self.cfg.sso["pkce"]}, pb.PKCEAuthorizationFlow())

    async def device(self, key, req, context):
        if "device" not in self.cfg.sso:
            raise Denied(CODE.NOT_FOUND, "no device authorization flow information available")
        return ParseDict({"ProviderConfig": self.cfg.sso["device"]}, pb.DeviceAuthorizationFlow())

    async def extend(self, key, req, context):
        if not req.jwtToken:
            raise Denied(CODE.INVALID_ARGUMENT, "jwt token is required")
        user = await self.user_of(req.jwtToken)
        p = self.acc.by_key(key)
        if not p:
            raise Denied(CODE.NOT_FOUND, "account not found: index lookup failed")
        if not self.cfg.login_expiration:
            raise Denied(CODE.FAILED_PRECONDITION, "peer login expiration is disabled for the account")
        if not p.user_id:
            raise Denied(CODE.FAILED_PRECONDITION, "peer is not eligible for session extension")
        if p.user_id != user:
            raise Denied(CODE.PERMISSION_DENIED, "peer is already registered by a different User or a Setup Key")
        p.last_login = time.time()
        self.acc.save()
        r = pb.ExtendAuthSessionResponse()
        r.sessionExpiresAt.seconds = int(self.acc.expires_at(p))
        return r

    async def expose(self, key, req, context):
        if not self.acc.by_key(key):
            raise Denied(CODE.PERMISSION_DENIED, "peer is not registered")
        raise Denied(CODE.INTERNAL, "reverse proxy manager not available")

    # -- Sync (2.8, management.md 19)

    def full(self, p: Peer, config: bool):
        s = self.acc.sync_response(p)
        if config:
            s.netbirdConfig.CopyFrom(self.netbird_config(True))
        rules = self.srv.rules.get(p.id)
        if rules:
            if rules["replace"]:
                del s.NetworkMap.FirewallRules[:]
            for r in rules["list"]:
                s.NetworkMap.FirewallRules.extend(self.rule_from_json(p, r))
            s.NetworkMap.firewallRulesIsEmpty = rules.get("empty_flag", not s.NetworkMap.FirewallRules)
        over = self.srv.map_override.get(p.id)
        return merge(s, over) if over else s

    def rule_from_json(self, me: Peer, r: dict) -> list:
        """{"remote": peer or address, "direction", "protocol", "action", "port" | "range"} or a FirewallRule in proto JSON."""
        if "remote" not in r:
            return [ParseDict(r, pb.FirewallRule())]
        try:
            ips = [str(ipaddress.ip_address(r["remote"]))]
        except ValueError:
            q = self.acc.ref(r["remote"])
            ips = [q.ip] + ([q.ip6] if q.ip6 and me.v6 else [])
        out = []
        for ip in ips:
            out += self.acc.firewall_rule(me, ip, r.get("direction", "IN").upper(), r.get("protocol", "ALL").upper(), r.get("action", "ACCEPT").upper(),
                                          r.get("policy", "rule"), str(r.get("port", "")), r.get("range"))
        return out

    async def sync(self, req, context):
        try:
            key, msg = self.open(req, pb.SyncRequest)
            f = await self.guard("Sync", key, context)
            p = self.acc.by_key(key)
            if not p:
                raise Denied(CODE.PERMISSION_DENIED, "peer is not registered")
            await self.locks[p.id].acquire()
            locked = True
        except Denied as e:
            self.srv.event("rpc", method="Sync", peer=self.srv.name_of(req.wgPubKey if req else ""), code=e.code.name, details=e.details)
            await context.abort(e.code, e.details)
        ch = None
        try:
            if self.acc.expired(p):
                self.srv.event("rpc", method="Sync", peer=p.label, code="PERMISSION_DENIED", details="peer login has expired")
                await context.abort(CODE.PERMISSION_DENIED, "peer login has expired, please log in once more")
            if p.id not in self.acc.peers:
                await context.abort(CODE.PERMISSION_DENIED, "peer is not registered")
            if self.update_meta(p, msg.meta):
                self.push(self.acc.neighbours(p))
            await asyncio.sleep(self.cfg.push_delay)
            first = self.full(p, True)
            p.last_seen = time.time()
            old = self.channels.pop(p.id, None)
            if old:
                old.close()
            ch = self.channels[p.id] = Channel(p.id)
            ch.conn, ch.opened = self.front.conn_of(context.peer()), time.time()
            # Registered before the first message is sent: what changes meanwhile is not lost.
            await self.write(context, p, first)
            self.srv.event("sync_open", peer=p.label, host=p.name, key=key, serial=first.NetworkMap.Serial, peers=len(first.NetworkMap.remotePeers))
            refresh = [asyncio.ensure_future(self.refresh(ch, kind)) for kind in (["turn"] if self.cfg.turn and self.cfg.turn_secret else []) + (["relay"] if self.cfg.with_relay else [])]
            self.locks[p.id].release()
            locked = False
            try:
                await self.updates(ch, p, context)
            finally:
                for t in refresh:
                    t.cancel()
        finally:
            if locked:
                self.locks[p.id].release()
            if ch:
                self.left(p, ch)
        if ch and ch.end:
            await context.abort(*ch.end)

    def left(self, p: Peer, ch: Channel) -> None:
        """A stream of this peer is over. The official server closes whatever channel the peer has now (2.11)."""
        ch.closed = True
        cur = self.channels.get(p.id)
        if cur and (cur is ch or self.cfg.faithful_duplicates):
            del self.channels[p.id]
            cur.close()
        p.last_seen = time.time()
        self.srv.event("sync_close", peer=p.label, key=p.key, sent=ch.sent)

    async def write(self, context, p: Peer, msg) -> None:
        if callable(msg):
            msg = msg()
        if isinstance(msg, bytes):                  # hostile: already a body, sent as it is
            await context.write(pb.EncryptedMessage(wgPubKey=self.key.text, body=msg))
        elif isinstance(msg, tuple):                # hostile: plaintext bytes
            await context.write(pb.EncryptedMessage(wgPubKey=self.key.text, body=w.seal(msg[0], self.key, p.key)))
        else:
            await context.write(self.seal(msg, p.key))

    async def updates(self, ch: Channel, p: Peer, context) -> None:
        """First update at once, then only after a quiet period; consecutive maps collapse, control messages keep their order."""
        until, pending = None, []
        while True:
            timeout = None if until is None else max(0.0, until - time.monotonic())
            try:
                await asyncio.wait_for(ch.ready.wait(), timeout)
            except asyncio.TimeoutError:
                if not pending:
                    until = None
                else:
                    out, pending, until = pending, [], time.monotonic() + self.cfg.debounce
                    for _, m in out:
                        await self.deliver(ch, p, context, m)
                continue
            while ch.items:
                kind, m = ch.items.popleft()
                if kind == "now":                    # injected by a test, not subject to pacing
                    await self.deliver(ch, p, context, m)
                elif until is None:
                    until = time.monotonic() + self.cfg.debounce
                    await self.deliver(ch, p, context, m)
                else:
                    if pending and kind == "map" and pending[-1][0] == "map":
                        pending[-1] = (kind, m)
                    else:
                        pending.append((kind, m))
                    until = time.monotonic() + self.cfg.debounce
            if ch.closed:
                if not self.cfg.faithful_removal:
                    for _, m in pending:
                        await self.deliver(ch, p, context, m)
                return
            ch.ready.clear()

    async def deliver(self, ch: Channel, p: Peer, context, m) -> None:
        while ch.stalled and not ch.closed:
            await asyncio.sleep(0.05)
        msg = m() if callable(m) else m
        await self.write(context, p, msg)
        ch.sent += 1
        if hasattr(msg, "NetworkMap"):
            if msg.HasField("NetworkMap"):
                self.srv.event("push", peer=p.label, serial=msg.NetworkMap.Serial, peers=len(msg.NetworkMap.remotePeers), rules=len(msg.NetworkMap.FirewallRules))
            else:
                self.srv.event("config_push", peer=p.label, has=[f.name for f, _ in msg.netbirdConfig.ListFields()])

    async def refresh(self, ch: Channel, kind: str) -> None:
        while True:
            await asyncio.sleep((self.cfg.turn_ttl if kind == "turn" else self.cfg.relay_ttl) * 3 / 4)
            self.push_credentials(ch, kind)

    def push_credentials(self, ch: Channel, kind: str) -> None:
        s = pb.SyncResponse()
        if kind == "turn":
            s.netbirdConfig.turns.extend(self.turns(True))
        if self.cfg.with_relay:
            s.netbirdConfig.relay.CopyFrom(self.relay_config())
        ch.put("config", lambda: s)

    def push(self, peer_ids) -> None:
        """Send fresh maps to these peers, as far as they are connected. The first request starts a computation at once (which takes
        push_delay); those that come while it runs are collected for the next."""
        self.push_ids.update((i, 1) for i in peer_ids if i in self.channels)
        if self.push_ids and not (self.push_task and not self.push_task.done()):
            self.push_task = asyncio.ensure_future(self.push_run())

    async def push_run(self) -> None:
        while self.push_ids:
            ids, self.push_ids = self.push_ids, {}
            await asyncio.sleep(self.cfg.push_delay)
            for i in ids:
                ch, p = self.channels.get(i), self.acc.peers.get(i)
                if ch and p:
                    ch.put("map", lambda m=self.full(p, False): m)

    def peers_changed(self, ids: list) -> None:
        around = set(ids)
        for i in ids:
            if i in self.acc.peers:
                around |= self.acc.neighbours(self.acc.peers[i])
        self.push(around)

    def push_all(self) -> None:
        self.push(list(self.channels))

    # -- Job (2.13)

    async def job(self, _requests, context):
        hello = await context.read()
        if hello is grpc.aio.EOF:
            await context.abort(CODE.INVALID_ARGUMENT, "missing hello: EOF")
        try:
            key, _ = self.open(hello, pb.JobRequest)
        except Denied as e:
            await context.abort(e.code, e.details)
        await self.guard("Job", key, context)
        p = self.acc.by_key(key)
        if not p:
            await context.abort(CODE.PERMISSION_DENIED, "peer is not registered")
        old = self.jobs.get(p.id)
        if old:
            old.put_nowait(None)
        q = self.jobs[p.id] = asyncio.Queue()
        self.srv.event("job_open", peer=p.label)
        rx = asyncio.ensure_future(self.job_replies(context, p))
        try:
            while True:
                m = await q.get()
                if m is None:
                    return
                await context.write(self.seal(m, key))
        finally:
            rx.cancel()
            cur = self.jobs.get(p.id)
            if cur is not None and (cur is q or self.cfg.faithful_duplicates):
                self.jobs.pop(p.id)
                if cur is not q:
                    cur.put_nowait(None)
            self.srv.event("job_close", peer=p.label)

    async def job_replies(self, context, p: Peer):
        while True:
            m = await context.read()
            if m is grpc.aio.EOF:
                return
            try:
                _, r = self.open(m, pb.JobResponse)
                self.srv.event("job_response", peer=p.label, id=r.ID.decode("utf-8", "replace"), status=r.status, reason=r.Reason.decode("utf-8", "replace"),
                               upload_key=r.bundle.upload_key)
            except Denied:
                pass


def merge(msg, over: dict):
    """Message with proto JSON merged over it; lists and scalars replace, objects merge, null deletes."""
    def deep(a, b):
        for k, v in b.items():
            if v is None:
                a.pop(k, None)
            elif isinstance(v, dict) and isinstance(a.get(k), dict):
                deep(a[k], v)
            else:
                a[k] = v
        return a
    return ParseDict(deep(MessageToDict(msg, preserving_proto_field_name=True), over), type(msg)())
