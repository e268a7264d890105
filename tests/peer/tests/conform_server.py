#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Black-box questionnaire for NetBird servers (management, signal, relay, STUN).

It plays an own minimal client, asks the same questions of any server and prints one JSON object of normalised answers, so that
two servers can be compared with diff:

    conform_server.py --mgmt http://203.0.113.10:80 --signal 203.0.113.10:80 --relay ws://203.0.113.10:80/relay \
        --stun 203.0.113.10:3478 --setup-key UUID [--oneoff-key UUID] [--delete-cmd 'sh -c "..."' with $FQDN in it]

    conform_server.py --compare official-0.77.json OTHER.json     the same, without what a server may leave out (reductions.py)

tests/test_selfcheck.py runs it against nb_server.py and compares with tests/official-0.77.json, which was recorded from the
official combined server.
"""
import argparse, asyncio, base64, hashlib, hmac, json, os, queue, re, secrets, socket, struct, subprocess, sys, threading, time
import grpc
from nacl.public import PrivateKey, PublicKey, Box
from google.protobuf.json_format import MessageToDict

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import nbwire
mpb, spb = nbwire.mgmt, nbwire.signal

MS = "/management.ManagementService/"
SS = "/signalexchange.SignalExchange/"
b64 = lambda b: base64.b64encode(b).decode()


class Client:
    """One peer identity with its channel; every call returns (code name, details, message or None)."""

    def __init__(self, mgmt, key=None):
        self.sk = key or PrivateKey.generate()
        self.pub = b64(bytes(self.sk.public_key))
        self.ch = grpc.insecure_channel(mgmt, options=[("grpc.use_local_subchannel_pool", 1)])
        self.srvkey = None

    def close(self):
        self.ch.close()

    def raw(self, path, payload, timeout=8):
        call = self.ch.unary_unary(path, request_serializer=None, response_deserializer=None)
        try:
            return "OK", "", call(payload, timeout=timeout)
        except grpc.RpcError as e:
            return e.code().name, e.details(), None

    def server_key(self):
        code, det, r = self.raw(MS + "GetServerKey", b"")
        m = mpb.ServerKeyResponse.FromString(r)
        self.srvkey = PublicKey(base64.b64decode(m.key))
        return m

    def box(self):
        if not self.srvkey:
            self.server_key()
        return Box(self.sk, self.srvkey)

    def enc(self, msg):
        return mpb.EncryptedMessage(wgPubKey=self.pub, body=bytes(self.box().encrypt(msg.SerializeToString())))

    def dec(self, raw, cls):
        em = mpb.EncryptedMessage.FromString(raw)
        return cls.FromString(self.box().decrypt(em.body))

    def call(self, name, msg, cls=None, **kw):
        code, det, r = self.raw(MS + name, self.enc(msg).SerializeToString(), **kw)
        if r is not None and cls is not None:
            r = self.dec(r, cls)
        return code, det, r

    def meta(self, host="probe", version="0.77.0", caps=(1,), **kw):
        return mpb.PeerSystemMeta(hostname=host, goOS="linux", kernel="Linux", core="12", OSVersion="12", platform="x86_64", OS="Debian",
                                  kernelVersion="6.1.0", netbirdVersion=version, capabilities=list(caps), **kw)

    def login(self, setup_key="", meta="auto", **kw):
        req = mpb.LoginRequest(setupKey=setup_key, **kw)
        if meta == "auto":
            meta = self.meta()
        if meta is not None:
            req.meta.CopyFrom(meta)
        return self.call("Login", req, mpb.LoginResponse)

    def sync(self, meta="auto"):
        req = mpb.SyncRequest()
        if meta == "auto":
            meta = self.meta()
        if meta is not None:
            req.meta.CopyFrom(meta)
        return Stream(self, self.ch.unary_stream(MS + "Sync", request_serializer=None, response_deserializer=None)(
            self.enc(req).SerializeToString()), mpb.SyncResponse)


class Stream:
    """Reads a gRPC stream in a thread; items are (seconds since open, message) and finally (t, 'END CODE details')."""

    def __init__(self, cl, call, cls=None):
        self.cl, self.c, self.cls, self.q, self.t0 = cl, call, cls, queue.Queue(), time.time()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        try:
            for raw in self.c:
                self.q.put((time.time() - self.t0, self.cl.dec(raw, self.cls) if self.cls else raw))
            self.q.put((time.time() - self.t0, "END OK " + (self.c.details() or "")))
        except grpc.RpcError as e:
            self.q.put((time.time() - self.t0, "END %s %s" % (e.code().name, e.details())))

    def get(self, timeout=5):
        try:
            return self.q.get(timeout=timeout)[1]
        except queue.Empty:
            return "NOTHING"

    def drain(self, secs):
        out, end = [], time.time() + secs
        while time.time() < end:
            try:
                out.append(self.q.get(timeout=max(0.01, end - time.time())))
            except queue.Empty:
                break
        return out

    def cancel(self):
        self.c.cancel()


class Norm:
    """Replaces everything that legitimately differs between two servers or runs by stable names."""

    def __init__(self):
        self.names, self.subst = {}, []

    def name(self, value, name):
        self.names[value] = name

    def __call__(self, x):
        if isinstance(x, dict):
            return {k: self.leaf(k, self(v)) for k, v in sorted(x.items())}
        if isinstance(x, (list, tuple)):
            return [self(v) for v in x]
        if isinstance(x, str):
            return self.text(x)
        return x

    def text(self, s):
        for k in sorted(self.names, key=len, reverse=True):
            s = s.replace(k, self.names[k])
        for pat, rep in self.subst:
            s = re.sub(pat, rep, s)
        s = re.sub(r"-\d{1,3}-\d{1,3}(?=\.)", "-<o3>-<o4>", s)
        s = re.sub(r"\b[A-Za-z0-9+/]{43}=", "<key>", s)
        s = re.sub(r"remote addr [0-9a-f.:]+", "remote addr <ip>", s)
        s = re.sub(r"\bfd[0-9a-f:]{10,}", "<overlay6>", s)
        s = re.sub(r"\b(100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\.\d+\.\d+\b", "<overlay>", s)
        return s

    def leaf(self, k, v):
        if isinstance(v, str) and v.startswith("<"):
            return v
        if k in ("tokenPayload", "user"):
            return "<%s %d>" % (k, len(v)) if v else v
        if k in ("tokenSignature", "password"):
            return "<%s %d>" % (k, len(v)) if v else v
        if k in ("Serial",):
            return "<serial>"
        if k == "PolicyID":
            return "<policy>"
        if k == "sourcePrefixes":
            return ["<prefix %d/%d>" % (len(base64.b64decode(p)), base64.b64decode(p)[-1]) if p[0] != "<" else p for p in v]
        if k in ("addressV6", "address_v6"):
            return "<v6 %d/%d>" % (len(base64.b64decode(v)), base64.b64decode(v)[-1])
        if k == "expiresAt":
            return "<expiresAt>"
        return v


def d(msg):
    return MessageToDict(msg, preserving_proto_field_name=True, including_default_value_fields=False)


def canon(m):
    """A SyncResponse as a dictionary with order-independent lists sorted."""
    x = d(m)
    nm = x.get("NetworkMap", {})
    for k in ("remotePeers", "offlinePeers"):
        if k in nm:
            nm[k] = sorted(nm[k], key=lambda v: v["fqdn"])
    if "FirewallRules" in nm:
        nm["FirewallRules"] = sorted(nm["FirewallRules"], key=lambda v: json.dumps(v, sort_keys=True))
    for z in nm.get("DNSConfig", {}).get("CustomZones", []):
        if "Records" in z:
            z["Records"] = sorted(z["Records"], key=lambda v: v["Name"])
    if "remotePeers" in x:
        x["remotePeers"] = sorted(x["remotePeers"], key=lambda v: v["fqdn"])
    # which NetbirdConfig servers are advertised is configuration, not behaviour: keep presence and shape only
    nc = x.get("netbirdConfig")
    if nc:
        x["netbirdConfig"] = {"has": sorted(nc), "relay": sorted(nc.get("relay", {})), "signal": sorted(nc.get("signal", {}))}
    return x


def management(a, n):
    o = {}
    A = Client(a.mgmt)
    k = A.server_key()
    o["server key"] = {"len": len(k.key), "expiresAt set": k.HasField("expiresAt"), "version": k.version}
    o["isHealthy"] = A.raw(MS + "isHealthy", b"")[:2] + (A.raw(MS + "isHealthy", b"")[2] == b"",)
    o["IsHealthy (capital)"] = A.raw(MS + "IsHealthy", b"")[0]
    o["unknown method"] = A.raw(MS + "NoSuchThing", b"")[0]
    o["garbage protobuf"] = A.raw(MS + "Login", b"\xff\xff\xff")[0]
    bad = mpb.EncryptedMessage(wgPubKey="nonsense", body=b"x" * 60).SerializeToString()
    und = mpb.EncryptedMessage(wgPubKey=A.pub, body=b"x" * 60).SerializeToString()
    sho = mpb.EncryptedMessage(wgPubKey=A.pub, body=b"x" * 5).SerializeToString()
    emp = mpb.EncryptedMessage(wgPubKey=A.pub).SerializeToString()
    notpb = mpb.EncryptedMessage(wgPubKey=A.pub, body=bytes(A.box().encrypt(b"\xff\xff\xff"))).SerializeToString()
    for meth in ("Login", "SyncMeta", "Logout", "GetPKCEAuthorizationFlow", "GetDeviceAuthorizationFlow", "ExtendAuthSession", "CreateExpose"):
        o["bad input " + meth] = {w: A.raw(MS + meth, p)[:2] for w, p in (("key", bad), ("undecryptable", und), ("short", sho), ("empty", emp), ("not protobuf", notpb))}
    for w, p in (("key", bad), ("undecryptable", und)):
        s = Stream(A, A.ch.unary_stream(MS + "Sync", request_serializer=None, response_deserializer=None)(p))
        o["bad input Sync " + w] = s.get()
    o["login unknown, no credentials"] = A.login()[:2]
    o["login unknown, no meta"] = A.login(meta=None)[:2]
    o["login unknown, bogus setup key"] = A.login(setup_key="00000000-0000-0000-0000-0000000000aa")[:2]
    o["login, key is no uuid"] = A.login(setup_key="hello")[:2]
    o["login unknown, bogus jwt"] = A.login(jwtToken="abc.def.ghi")[0]
    o["login unknown, bogus jwt and valid key"] = A.login(setup_key=a.setup_key, jwtToken="abc.def.ghi")[0]
    o["login, dns labels not allowed"] = A.login(setup_key=a.setup_key, dnsLabels=["extra"])[:2]
    o["sync unregistered"] = A.sync().get()
    o["sync unregistered, no meta"] = A.sync(meta=None).get()
    o["syncmeta unregistered"] = A.call("SyncMeta", mpb.SyncMetaRequest(meta=A.meta()))[:2]
    o["syncmeta unregistered, no meta"] = A.call("SyncMeta", mpb.SyncMetaRequest())[:2]
    o["logout unregistered"] = A.call("Logout", mpb.Empty())[:2]
    o["extend without jwt"] = A.call("ExtendAuthSession", mpb.ExtendAuthSessionRequest())[:2]
    o["extend bogus jwt"] = A.call("ExtendAuthSession", mpb.ExtendAuthSessionRequest(jwtToken="a.b.c"))[0]
    for w in ("CreateExpose", "RenewExpose", "StopExpose"):
        o[w + " unregistered"] = A.call(w, mpb.ExposeServiceRequest(port=80))[:2]

    def job(c):
        q = queue.Queue()
        q.put(c.enc(mpb.JobRequest(ID=b"1234")).SerializeToString())
        s = Stream(c, c.ch.stream_stream(MS + "Job", request_serializer=None, response_deserializer=None)(iter(q.get, None)))
        return s, q
    o["job unregistered"] = job(A)[0].get()

    # registration
    code, det, r = A.login(setup_key=a.setup_key.lower(), meta=A.meta(host="Host_One.example"))
    ipA = r.peerConfig.address
    n.name(A.pub, "<keyA>")
    o["login response"] = {"code": code, "peerConfig": n(d(r.peerConfig)), "netbirdConfig has": sorted(f.name for f, _ in r.netbirdConfig.ListFields()),
                           "relay has": sorted(f.name for f, _ in r.netbirdConfig.relay.ListFields()),
                           "sessionExpiresAt": (r.HasField("sessionExpiresAt"), r.sessionExpiresAt.seconds), "checks": len(r.Checks)}
    o["address is network/16"] = ipA.endswith("/16")
    c2, _, r2 = A.login()
    o["second login same address"] = (c2, r2.peerConfig.address == ipA)
    o["login registered, bogus setup key"] = A.login(setup_key="00000000-0000-0000-0000-0000000000aa")[0]
    o["login registered, no meta"] = A.login(meta=None)[:2]
    o["login registered, dns labels"] = A.login(dnsLabels=["x"])[:2]
    o["syncmeta registered"] = A.call("SyncMeta", mpb.SyncMetaRequest(meta=A.meta(host="Host_One.example")))[:2] + (A.call("SyncMeta", mpb.SyncMetaRequest(meta=A.meta(host="Host_One.example")))[2] == b"",)
    o["PKCE"] = A.call("GetPKCEAuthorizationFlow", mpb.PKCEAuthorizationFlowRequest())[0]
    o["device"] = A.call("GetDeviceAuthorizationFlow", mpb.DeviceAuthorizationFlowRequest())[0]
    js, jq = job(A)
    o["job registered, first 2 s"] = js.get(timeout=2)
    js2, _ = job(A)
    time.sleep(1)
    o["duplicate job"] = {"old stream": js.get(timeout=1), "new stream": js2.get(timeout=1)}
    js, jq = job(A)
    if a.oneoff_key:
        X, Y = Client(a.mgmt), Client(a.mgmt)
        o["one-off first"] = X.login(setup_key=a.oneoff_key, meta=X.meta(host="oneoff"))[0]
        o["one-off second"] = Y.login(setup_key=a.oneoff_key, meta=Y.meta(host="oneoff2"))[:2]
        code, det, r = X.call("Logout", mpb.Empty())
        o["logout registered"] = {"code": code, "body": None if r is None else r.hex(), "again": X.call("Logout", mpb.Empty())[:2]}
        o["login after logout"] = X.login()[:2]
        X.close(), Y.close()
    # sync
    s = A.sync(A.meta(host="Host_One.example"))
    m = s.get()
    o["first sync, alone"] = n(canon(m)) if not isinstance(m, str) else m
    o["sync address equals login address"] = m.NetworkMap.peerConfig.address == ipA
    serial = m.NetworkMap.Serial
    B = Client(a.mgmt)
    n.name(B.pub, "<keyB>")
    t0 = time.time()
    B.login(setup_key=a.setup_key, meta=B.meta(host="Host_One"), peerKeys=mpb.PeerKeys(sshPubKey=b"ssh-ed25519 AAAA b"))
    m = s.get()
    o["push when B joins"] = n(canon(m)) if not isinstance(m, str) else m
    o["push within 1 s"] = time.time() - t0 < 1
    o["serial grows"] = m.NetworkMap.Serial > serial
    sb = B.sync(B.meta(host="Host_One"))
    m = sb.get()
    o["first sync of B"] = n(canon(m)) if not isinstance(m, str) else m
    o["push to A when B merely connects"] = s.get(timeout=2.5)
    # version and capability gates, seen in a second stream of new identities
    C = Client(a.mgmt)
    n.name(C.pub, "<keyC>")
    mc = C.meta(host="old", version="0.29.2", caps=())
    C.login(setup_key=a.setup_key, meta=mc)
    time.sleep(2.5)
    s.drain(0.1), sb.drain(0.1)
    sc = C.sync(mc)
    m = sc.get()
    o["first sync of an old client (0.29.2, no capabilities)"] = n(canon(m)) if not isinstance(m, str) else m
    time.sleep(2.5)
    s.drain(0.1), sb.drain(0.1)
    # pacing: three joins in a row
    J = [Client(a.mgmt) for _ in range(3)]
    t0 = time.time() - s.t0
    for i, c in enumerate(J):
        c.login(setup_key=a.setup_key, meta=c.meta(host="j%d" % i))
    got = [(round(t, 1), len(x.NetworkMap.remotePeers)) for t, x in s.drain(4) if not isinstance(x, str)]
    o["three joins in a row: pushes"] = {"count": len(got), "last is complete": got[-1][1] == 5 if got else False, "at once, then after 1 s": [round(t - t0) for t, _ in got]}
    # changed meta of a connected peer: SyncMeta
    sb.drain(2)
    B.call("SyncMeta", mpb.SyncMetaRequest(meta=B.meta(host="renamed", version="0.78.0")))
    m = s.get(timeout=4)
    if not isinstance(m, str):
        o["push to A when B reports another host name and version"] = sorted((p.fqdn, p.agentVersion) for p in m.NetworkMap.remotePeers if p.wgPubKey == B.pub)
    else:
        o["push to A when B reports another host name and version"] = m
    # duplicate streams
    time.sleep(2.5)
    sb.drain(0.2)
    sb2 = B.sync(B.meta(host="renamed", version="0.78.0"))
    first = sb2.get()
    time.sleep(1.5)
    o["duplicate sync"] = {"old stream": [x if isinstance(x, str) else "map" for _, x in sb.drain(1.5)], "new stream, first": "map" if not isinstance(first, str) else first,
                           "new stream, then": [x if isinstance(x, str) else "map" for _, x in sb2.drain(1.5)]}
    sb3 = B.sync(B.meta(host="renamed", version="0.78.0"))
    sb3.get()
    time.sleep(2.5)
    sb3.drain(0.1), s.drain(0.1)
    # removal by logout while a stream is open, quiet period
    B.call("Logout", mpb.Empty())
    time.sleep(1)
    o["removed peer gets (quiet stream)"] = [x if isinstance(x, str) else n(canon(x)) for _, x in sb3.drain(1.5)]
    o["others after removal"] = [B.pub in [p.wgPubKey for p in x.NetworkMap.remotePeers] for _, x in s.drain(2) if not isinstance(x, str)][-1:]
    o["sync after removal"] = B.sync().get()
    o["login after removal"] = B.login()[:2]
    # removal within a second of another push
    B2 = Client(a.mgmt)
    B2.login(setup_key=a.setup_key, meta=B2.meta(host="b2"))
    s2 = B2.sync(B2.meta(host="b2"))
    s2.get()
    time.sleep(2.5)
    s2.drain(0.1)
    Z = Client(a.mgmt)
    Z.login(setup_key=a.setup_key, meta=Z.meta(host="z"))
    time.sleep(0.4)
    B2.call("Logout", mpb.Empty())
    o["removed peer gets (a push 0.4 s before)"] = [x if isinstance(x, str) else ("empty map" if x.NetworkMap.remotePeersIsEmpty else "map") for _, x in s2.drain(2)]
    for c in J + [Z, C]:
        c.call("Logout", mpb.Empty())
    A.call("Logout", mpb.Empty())
    o["job stream after logout"] = [x for _, x in js.drain(1)]
    # IPv6 overlay: D and E can, F cannot, G says it is switched off
    six = {}
    for name, caps, kw in (("D", (1, 2), {}), ("E", (1, 2), {}), ("F", (1,), {}), ("G", (1, 2), {"flags": mpb.Flags(disableIPv6=True)})):
        six[name] = (Client(a.mgmt), kw, caps)
        n.name(six[name][0].pub, "<key%s>" % name)
        six[name][0].login(setup_key=a.setup_key, meta=six[name][0].meta(host="six-" + name.lower(), caps=caps, **kw))
    for name, (c, kw, caps) in six.items():
        st = c.sync(c.meta(host="six-" + name.lower(), caps=caps, **kw))
        m = st.get()
        o["IPv6: first sync of " + name] = n(canon(m)) if not isinstance(m, str) else m
        st.cancel()
    for c, _, _ in six.values():
        c.call("Logout", mpb.Empty())
    return o


def signal(a, n):
    o = {}
    ch = grpc.insecure_channel(a.signal, options=[("grpc.use_local_subchannel_pool", 1)])
    mk = lambda: b64(secrets.token_bytes(32))

    def reg(key=None):
        q = queue.Queue()
        call = ch.stream_stream(SS + "ConnectStream", request_serializer=None, response_deserializer=None)(
            iter(q.get, None), metadata=(("x-wiretrustee-peer-id", key),) if key is not None else None)
        s = Stream(None, call)
        s.out = q
        return s
    send = ch.unary_unary(SS + "Send", request_serializer=None, response_deserializer=None)

    def snd(frm, to, body, extra=b""):
        try:
            return "OK", send(spb.EncryptedMessage(key=frm, remoteKey=to, body=body).SerializeToString() + extra, timeout=5).hex()
        except grpc.RpcError as e:
            return e.code().name, e.details()
    o["no id header"] = reg().get()
    ka, kb = mk(), mk()
    sa = reg(ka)
    t0 = time.time()
    md = dict(sa.c.initial_metadata())
    o["registered header"] = md.get("x-wiretrustee-peer-registered")
    o["header at once"] = time.time() - t0 < 0.5
    o["other headers"] = sorted(k for k in md if not k.startswith("content") and k not in ("date", "user-agent", "accept-encoding", "grpc-accept-encoding") and not k.startswith("x-wire"))
    o["send to unknown"] = snd(ka, kb, b"hi")
    o["send to empty"] = snd(ka, "", b"hi")
    o["send to self"] = snd(ka, ka, b"self")
    m = spb.EncryptedMessage.FromString(sa.get())
    o["self loop"] = (m.key == ka, m.remoteKey == ka, m.body.decode())
    sb = reg(kb)
    sb.c.initial_metadata()
    o["send to b"] = snd(ka, kb, b"one", extra=b"\xa2\x06\x03xyz")   # unknown field 100
    raw = sb.get()
    m = spb.EncryptedMessage.FromString(raw)
    o["received by b"] = (m.key == ka, m.remoteKey == kb, m.body.decode(), "unknown field kept: %s" % (b"xyz" in raw))
    o["forged sender accepted"] = snd(kb, ka, b"forged") and spb.EncryptedMessage.FromString(sa.get()).key == kb
    sb2 = reg(kb)
    sb2.c.initial_metadata()
    o["old stream after re-registration"] = sb.get(timeout=3)
    o["new stream stays"] = sb2.get(timeout=1)
    snd(ka, kb, b"two")
    o["goes to the new stream"] = spb.EncryptedMessage.FromString(sb2.get()).body.decode()
    # client half-closes its sending side
    sb2.out.put(None)
    time.sleep(0.5)
    snd(ka, kb, b"three")
    x = sb2.get(timeout=2)
    o["after half-close"] = x if isinstance(x, str) else spb.EncryptedMessage.FromString(x).body.decode()
    # messages written on the stream are ignored
    sa.out.put(spb.EncryptedMessage(key=ka, remoteKey=kb, body=b"via stream").SerializeToString())
    x = sb2.get(timeout=1)
    o["message sent on the stream"] = x if isinstance(x, str) else "forwarded"
    sa.cancel(), sb2.cancel()
    time.sleep(0.3)
    o["send after leaving"] = snd(kb, ka, b"x")
    big = reg(ka)
    big.c.initial_metadata()
    o["send 1 MB"] = snd(kb, ka, b"x" * 1000000)[0]
    o["send 5 MB"] = snd(kb, ka, b"x" * 5000000)[0]
    ch.close()
    return o


class WS:
    """A WebSocket client that can misbehave: raw frames only."""

    def __init__(self, url):
        host, port, path = re.match(r"ws://([^:/]+):(\d+)(/.*)", url).groups()
        self.s = socket.create_connection((host, int(port)), timeout=5)
        self.s.sendall(("GET %s HTTP/1.1\r\nHost: %s:%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: %s\r\nOrigin: http://elsewhere\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n" % (path, host, port, b64(secrets.token_bytes(16)))).encode())
        self.f = self.s.makefile("rb")
        self.status = self.f.readline().decode().strip()
        self.headers = {}
        while True:
            ln = self.f.readline().decode().strip()
            if not ln:
                break
            k, v = ln.split(":", 1)
            self.headers[k.lower()] = v.strip()

    def send(self, data, op=2, fin=1):
        m = secrets.token_bytes(4)
        n = len(data)
        h = bytes([fin << 7 | op]) + (bytes([0x80 | n]) if n < 126 else bytes([0xfe]) + struct.pack(">H", n) if n < 65536 else bytes([0xff]) + struct.pack(">Q", n))
        try:
            self.s.sendall(h + m + bytes(x ^ m[i & 3] for i, x in enumerate(data)))
        except OSError:
            pass
        return self

    def recv(self, timeout=3, skip_health=True):
        self.s.settimeout(timeout)
        try:
            while True:
                h = self.f.read(2)
                if len(h) < 2:
                    return "EOF"
                op, n = h[0], h[1] & 127
                if n == 126:
                    n, = struct.unpack(">H", self.f.read(2))
                elif n == 127:
                    n, = struct.unpack(">Q", self.f.read(8))
                b = self.f.read(n)
                if op == 0x82:
                    if b == b"\x01\x05" and skip_health:
                        continue
                    return b
                return "frame %02x %s" % (op, b[:2].hex())
        except socket.timeout:
            return "NOTHING"
        except OSError:
            return "EOF"
        finally:
            self.f = self.s.makefile("rb")

    def close(self):
        self.s.close()


def relay(a, n, token):
    o = {}
    pid = lambda k: b"sha-" + hashlib.sha256(k).digest()
    auth = lambda p, t=token, magic=b"\x21\x12\xa4\x42", v=1, ty=6: bytes([v, ty]) + magic + p + t
    A, B, C = pid(b"a"), pid(b"b"), pid(b"c")

    def conn(p, t=token):
        w = WS(a.relay)
        w.send(auth(p, t))
        r = w.recv()
        return w, r
    o["wrong path"] = WS(a.relay.rsplit("/", 1)[0] + "/other").status.split(" ")[1][:1] + "xx"
    w = WS(a.relay)
    o["upgrade"] = (w.status.split(" ")[1], "compression: %s" % ("sec-websocket-extensions" in w.headers), "subprotocol: %s" % ("sec-websocket-protocol" in w.headers))
    w.close()
    o["upgrade with a query"] = WS(a.relay + "?x=1").status.split(" ")[1]
    bad = bytearray(token)
    bad[5] ^= 1
    old = b"\x01" + bytes(32) + b"1000000000"
    cases = {"bad signature": auth(A, bytes(bad)), "expired": auth(A, old), "no token": auth(A, b""), "algorithm 2": auth(A, b"\x02" + token[1:]), "wrong magic": auth(A, magic=b"abcd"),
             "version 2": auth(A, v=2), "hello type 1": auth(A, ty=1), "transport first": b"\x01\x03" + B + b"x", "one byte": b"\x01", "long auth 300": auth(A) + b"0" * 300}
    for k, v in cases.items():
        w = WS(a.relay)
        w.send(v)
        o["handshake " + k] = str(w.recv())
        w.close()
    w = WS(a.relay)
    w.send(auth(A), op=1)
    o["handshake text frame"] = str(w.recv())
    w.close()
    odd = b"nonsense" + bytes(28)
    w, r = conn(odd)
    o["peer id without sha- prefix"] = r[:2].hex() if isinstance(r, bytes) else r
    w.close()
    wa, r = conn(A)
    n.subst.append((r"rels?://[0-9.:]+", "<relay url>"))
    o["auth response"] = (r[:2].hex(), n(r[2:].decode()))
    wa.send(b"\x01\x08" + B + C)
    o["subscribe, nobody there"] = wa.recv(1)
    wb, _ = conn(B)
    r = wa.recv(2)
    o["online event"] = isinstance(r, bytes) and r == b"\x01\x0a" + B
    wa.send(b"\x01\x08" + B)
    r = wa.recv(2)
    o["subscribe again, already online"] = isinstance(r, bytes) and r == b"\x01\x0a" + B
    wa.send(b"\x01\x08" + A)
    r = wa.recv(2)
    o["subscribe to self"] = isinstance(r, bytes) and r == b"\x01\x0a" + A
    wa.send(b"\x01\x03" + B + b"payload")
    r = wb.recv(2)
    o["transport"] = isinstance(r, bytes) and r == b"\x01\x03" + A + b"payload"
    wa.send(b"\x01\x03" + B)
    r = wb.recv(2)
    o["transport, empty payload"] = isinstance(r, bytes) and r == b"\x01\x03" + A
    wa.send(b"\x01\x03" + A + b"me")
    r = wa.recv(2)
    o["transport to self"] = isinstance(r, bytes) and r == b"\x01\x03" + A + b"me"
    wa.send(b"\x01\x03" + C + b"nobody")
    o["transport to offline"] = wa.recv(1)
    wa.send(b"\x01\x03short")
    o["transport too short"] = wa.recv(1)
    wa.send(b"\x01\x08" + b"odd size")
    o["subscribe odd size"] = wa.recv(1)
    wa.send(b"\x01\x08")
    o["subscribe empty"] = wa.recv(1)
    wa.send(b"\x01\x05")
    o["unsolicited health"] = wa.recv(1)
    wa.send(auth(A))
    o["second auth"] = wa.recv(1)
    wa.send(b"", op=9)
    o["ping frame"] = wa.recv(2)
    wb2, _ = conn(B)
    o["replaced connection"] = wb.recv(2)
    r = wa.recv(2)
    o["events on replacement"] = r if isinstance(r, str) else r[:2].hex()
    wa.send(b"\x01\x03" + B + b"again")
    r = wb2.recv(2)
    o["transport to the new connection"] = isinstance(r, bytes)
    wb2.send(b"\x01\x04")
    o["close message answered by"] = wb2.recv(2)
    r = wa.recv(2)
    o["offline event"] = isinstance(r, bytes) and r == b"\x01\x0b" + B
    wb3, _ = conn(B)
    o["online event after an offline event"] = str(wa.recv(1))
    wb3.s.shutdown(socket.SHUT_RDWR)
    r = wa.recv(2)
    o["offline event again"] = isinstance(r, bytes) and r == b"\x01\x0b" + B
    wa.send(b"\x01\x09" + B)
    wb4, _ = conn(B)
    wb4.close()
    o["after unsubscribe"] = wa.recv(1)
    for k, v in {"version 2": b"\x02\x05", "type 1": b"\x01\x01", "type 7": b"\x01\x07x", "type 10": b"\x01\x0a" + A, "type 99": b"\x01\x63", "one byte": b"\x01", "empty": b""}.items():
        w, _ = conn(C)
        w.send(v)
        o["message " + k] = str(w.recv(1))
        w.close()
    w, _ = conn(C)
    w.send(b"\x01\x05", op=1)
    o["text message"] = str(w.recv(1))
    w, _ = conn(C)
    w.send(b"\x01\x03" + C + b"x", fin=0)
    w.send(b"yz", op=0)
    o["fragmented message"] = repr(w.recv(1))[:60]
    w.send(b"\x01\x03" + C + b"again")
    x = w.recv(1)
    o["message after a fragmented one"] = x if isinstance(x, str) else "delivered"
    w, _ = conn(C)
    w.send(b"\x01\x03" + C + b"z" * (8820 - 38))
    x = w.recv(2)
    o["8820 bytes"] = x if isinstance(x, str) else len(x)
    w.send(b"\x01\x03" + C + b"z" * (8821 - 38))
    x = w.recv(2)
    o["8821 bytes"] = x if isinstance(x, str) else len(x)
    w.send(b"\x01\x03" + C + b"again")
    x = w.recv(1)
    o["message after 8821 bytes"] = x if isinstance(x, str) else "delivered"
    w, _ = conn(C)
    w.send(struct.pack(">H", 1000), op=8)
    o["close frame answered by"] = w.recv(1)
    t0 = time.time()
    wh, _ = conn(C)
    r = wh.recv(30, skip_health=False)
    o["health check"] = (r.hex() if isinstance(r, bytes) else r, "after %d s" % round(time.time() - t0))
    if a.slow:
        r = []
        while True:
            x = wh.recv(60, skip_health=False)
            r.append(x.hex() if isinstance(x, bytes) else x)
            if isinstance(x, str):
                break
        o["health checks never answered"] = (r, "after about %d s" % (5 * round((time.time() - t0) / 5)))
    return o


def stun(a, n):
    o = {}
    host, port = a.stun.split(":")
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(1)

    def ask(p):
        s.sendto(p, (host, int(port)))
        try:
            r = s.recv(1500)
        except socket.timeout:
            return "NOTHING"
        typ, ln, ck = struct.unpack(">HHI", r[:8])
        at, i = [], 20
        while i + 4 <= len(r):
            t, l = struct.unpack(">HH", r[i:i + 4])
            at.append("%04x/%d" % (t, l))
            i += 4 + (l + 3 & ~3)
        return {"type": "%04x" % typ, "length ok": ln == len(r) - 20, "txid": r[8:20] == p[8:20], "attributes": at}
    tx = secrets.token_bytes(12)
    hdr = lambda t, l=0, c=0x2112A442: struct.pack(">HHI", t, l, c) + tx
    o["binding"] = ask(hdr(1))
    o["binding with unknown required attribute"] = ask(hdr(1, 4) + b"\x7f\xff\x00\x00")
    o["binding with SOFTWARE"] = ask(hdr(1, 8) + b"\x80\x22\x00\x04abcd")
    o["indication"] = ask(hdr(0x11))
    o["allocate"] = ask(hdr(3))
    o["no cookie"] = ask(hdr(1, 0, 0x12345678))
    o["length too long"] = ask(hdr(1, 8))
    o["trailing bytes"] = ask(hdr(1) + b"abcd")
    o["bad fingerprint"] = ask(hdr(1, 8) + b"\x80\x28\x00\x04\x00\x00\x00\x00")
    o["ice request"] = ask(hdr(1, 8) + b"\x00\x24\x00\x04\x00\x00\x00\x01")
    return o


def run(a):
    n = Norm()
    # names of the servers differ
    t = Client(a.mgmt)
    t.login(setup_key=a.setup_key, meta=t.meta(host="tok"))
    s = t.sync(t.meta(host="tok"))
    m = s.get()
    rc = m.netbirdConfig
    token = b"\x01" + base64.b64decode(rc.relay.tokenSignature) + rc.relay.tokenPayload.encode()
    fq = m.NetworkMap.peerConfig.fqdn
    n.name("." + fq.split(".", 1)[1], ".<domain>")
    n.name('"' + fq.split(".", 1)[1], '"<domain>')
    n.name(fq.split(".", 1)[1], "<domain>")
    left = int(rc.relay.tokenPayload) - time.time()
    t.call("Logout", mpb.Empty())
    t.close()
    time.sleep(1.5)
    out = {}
    parts = a.only.split(",") if a.only else ["management", "signal", "relay", "stun"]
    for p in parts:
        out[p] = relay(a, n, token) if p == "relay" else globals()[p](a, n)
    return n(out)


def is_map(x):
    return isinstance(x, dict) and "NetworkMap" in x


def reduced_map(x, old):
    """A map without what a server may leave out for a modern client (reductions.py): OUT rules, PeerIP beside sourcePrefixes, the
    deprecated copies at the top, which clients before 0.29.3 (*old*) still need."""
    x = json.loads(json.dumps(x))
    nm = x["NetworkMap"]
    rules = [r for r in nm.get("FirewallRules", ()) if r.get("Direction") != "OUT"]
    for r in rules:
        if r.get("sourcePrefixes"):
            r.pop("PeerIP", None)
    nm.pop("FirewallRules", None)
    if rules:
        nm["FirewallRules"] = sorted(rules, key=lambda v: json.dumps(v, sort_keys=True))
    for z in nm.get("DNSConfig", {}).get("CustomZones", ()):
        z.get("Records", []).sort(key=lambda v: json.dumps(v, sort_keys=True))
    if not old:
        for k in ("peerConfig", "remotePeers", "remotePeersIsEmpty"):
            x.pop(k, None)
    return x


def reduced(answers):
    """Answers in which every map is reduced: what must be equal between the official server and a thrifty one."""
    def walk(name, x):
        if is_map(x):
            return reduced_map(x, "0.29.2" in name)
        if isinstance(x, dict):
            return {k: walk(f"{name} {k}", v) for k, v in x.items()}
        if isinstance(x, list):
            return [walk(name, v) for v in x]
        return x
    return walk("", answers)


def differences(one, two):
    """[(question, answer of one, answer of two)] after the allowed reductions."""
    one, two = reduced(one), reduced(two)
    return [(f"{part}: {q}", one.get(part, {}).get(q), two.get(part, {}).get(q))
            for part in sorted(one.keys() | two.keys()) for q in sorted(one.get(part, {}).keys() | two.get(part, {}).keys())
            if one.get(part, {}).get(q) != two.get(part, {}).get(q)]


def compare(name_one, name_two):
    with open(name_one, encoding="utf-8") as one, open(name_two, encoding="utf-8") as two:
        found = differences(json.load(one), json.load(two))
    for question, a, b in found:
        print(f"{question}\n  {name_one}: {json.dumps(a, sort_keys=True)}\n  {name_two}: {json.dumps(b, sort_keys=True)}")
    print(f"{len(found)} answers differ")
    return 1 if found else 0


def args(argv=None):
    p = argparse.ArgumentParser()
    p.add_argument("--mgmt", required=True)
    p.add_argument("--signal", required=True)
    p.add_argument("--relay", required=True)
    p.add_argument("--stun", required=True)
    p.add_argument("--setup-key", required=True)
    p.add_argument("--oneoff-key")
    p.add_argument("--only", default="")
    p.add_argument("--slow", action="store_true")
    a = p.parse_args(argv)
    a.mgmt = re.sub(r"^https?://", "", a.mgmt)
    return a


if __name__ == "__main__":
    if sys.argv[1:2] == ["--compare"] and len(sys.argv) == 4:
        sys.exit(compare(*sys.argv[2:]))
    print(json.dumps(run(args()), indent=1, sort_keys=True, default=str))
