# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of nb_server.py itself: with the client classes of this directory, and with the questionnaire of conform_server.py whose
answers are compared with those recorded from the official 0.77 combined server (official-0.77.json). No root needed.

    python3 -m pytest -q tests/test_selfcheck.py            (about 2 minutes; -k "not official" for 20 seconds)
"""
import asyncio, json, os, socket, subprocess, sys, threading, time, uuid
import grpc, pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import conform_server, nbwire as w
from nb_server import Config, NBServer, CommandError, HOSTILE, Complaints
from nbmgmt import MgmtClient, system_meta
from nbrelay import RelayClient, RelayError
from nbsignal import NotRegistered, SignalClient
from nbwire import mgmt, signal as sig

C = grpc.StatusCode


def config(**kw):
    return Config(**{**dict(mgmt_port=0, signal_port=0, relay_port=0, stun_port=0, push_delay=0.01, debounce=0.1), **kw})


@pytest.fixture
def srv():
    with NBServer(config()) as s:
        yield s


class Agent:
    """A logged-in peer with a Sync stream read by a thread."""

    def __init__(self, srv, host, ca=None, key=None, **meta):
        self.srv, self.host = srv, host
        self.key = key or w.WgKey.generate()
        self.cl = MgmtClient(srv.mgmt_url, self.key, ca_file=ca)
        self.meta = system_meta(host, **meta)
        self.msgs, self.end, self.cond, self.call = [], None, threading.Condition(), None

    def join(self, setup_key=None, **kw):
        self.login, _ = self.cl.login_or_register(self.meta, setup_key or self.srv.setup_keys()["reusable"])
        return self

    def sync(self):
        self.end, n = None, len(self.msgs)
        threading.Thread(target=self._read, daemon=True).start()
        self.wait(lambda m: len(self.msgs) > n)
        return self

    def _read(self):
        end = "OK"
        try:
            for m in self.cl.sync(self.meta, on_call=lambda c: setattr(self, "call", c)):
                with self.cond:
                    self.msgs.append(m)
                    self.cond.notify_all()
        except grpc.RpcError as e:
            end = e.code().name
        except Exception as e:
            end = type(e).__name__
        with self.cond:
            self.end = end
            self.cond.notify_all()

    def wait(self, cond, timeout=5):
        def holds():
            try:
                return cond(self)
            except (IndexError, StopIteration):    # not there yet
                return False
        with self.cond:
            assert self.cond.wait_for(holds, timeout), (len(self.msgs), self.end, str(self.msgs[-1:])[:500])
        return self.msgs[-1] if self.msgs else None

    def seen(self):
        m = next(m for m in reversed(self.msgs) if m.HasField("NetworkMap"))
        return sorted(p.fqdn.split(".")[0] for p in m.NetworkMap.remotePeers)

    @property
    def map(self):
        return next(m for m in reversed(self.msgs) if m.HasField("NetworkMap")).NetworkMap


def two(srv):
    a, b = Agent(srv, "a").join().sync(), Agent(srv, "b").join().sync()
    a.wait(lambda x: a.seen() == ["b"])
    return a, b


def code(f, *a, **kw):
    with pytest.raises(grpc.RpcError) as e:
        f(*a, **kw)
    return e.value.code()


# ---------------------------------------------------------------- against the official record

PARTS = ("management", "signal", "relay", "stun")
CONFIGURATION = {("management", "PKCE"), ("management", "device"), ("signal", "other headers")}


@pytest.mark.parametrize("part", PARTS)
def test_answers_like_official(part):
    official = json.load(open(os.path.join(HERE, "official-0.77.json")))[part]
    with NBServer(Config(mgmt_port=0, signal_port=0, relay_port=0, stun_port=0)) as s:
        k = s.setup_keys()
        a = conform_server.args(["--mgmt", s.mgmt_url, "--signal", f"127.0.0.1:{s.signal.port}", "--relay", f"ws://127.0.0.1:{s.relay.port}/relay",
                                 "--stun", f"127.0.0.1:{s.stun.port}", "--setup-key", k["reusable"], "--oneoff-key", k["one-off"], "--only", part])
        mine = json.loads(json.dumps(conform_server.run(a)))[part]
    diff = {k: (official.get(k), mine.get(k)) for k in official.keys() | mine.keys() if official.get(k) != mine.get(k) and (part, k) not in CONFIGURATION}
    assert not diff


# ---------------------------------------------------------------- management

def test_setup_keys(srv):
    k = srv.setup_keys()
    assert code(Agent(srv, "x").join, k["expired"]) == C.NOT_FOUND
    assert code(Agent(srv, "x").join, k["revoked"]) == C.NOT_FOUND
    assert code(Agent(srv, "x").join, str(uuid.uuid4())) == C.NOT_FOUND
    Agent(srv, "x").join(k["one-off"].lower())
    assert code(Agent(srv, "y").join, k["one-off"]) == C.NOT_FOUND
    limited = srv.add_setup_key("three", limit=3, groups=["web"])
    for i in range(3):
        Agent(srv, f"w{i}").join(limited)
    assert code(Agent(srv, "w9").join, limited) == C.NOT_FOUND
    assert [p["groups"] for p in srv.peers() if p["host"] == "w1"] == [["web"]]


def test_concurrent_one_off(srv):
    """Ten registrations race for a key of one use: exactly one wins."""
    key, won = srv.setup_keys()["one-off"], []

    def go(i):
        try:
            Agent(srv, f"r{i}").join(key)
            won.append(i)
        except grpc.RpcError as e:
            assert e.code() == C.NOT_FOUND
    ts = [threading.Thread(target=go, args=(i,)) for i in range(10)]
    [t.start() for t in ts], [t.join() for t in ts]
    assert len(won) == 1


def test_maps_and_serial(srv):
    a, b = two(srv)
    a.wait(lambda x: a.seen() == ["b"])
    s = a.map.Serial
    c = Agent(srv, "c").join().sync()
    a.wait(lambda x: a.seen() == ["b", "c"])
    assert a.map.Serial > s and not a.msgs[-1].HasField("netbirdConfig") and a.msgs[0].HasField("netbirdConfig")
    assert {p.allowedIps[0] for p in c.map.remotePeers} == {a.login.peerConfig.address.split("/")[0] + "/32", b.login.peerConfig.address.split("/")[0] + "/32"}
    assert len(a.map.FirewallRules) == 8 and all(p.allowedIps[1].endswith("/128") for p in a.map.remotePeers)
    srv.remove_peer("c")
    c.wait(lambda x: c.end == "OK" and c.map.remotePeersIsEmpty and c.map.firewallRulesIsEmpty)
    a.wait(lambda x: a.seen() == ["b"])
    assert code(c.cl.login, c.meta) == C.PERMISSION_DENIED
    b.cl.logout()
    a.wait(lambda x: a.map.remotePeersIsEmpty)


def test_policies_and_rules(srv):
    a, b = two(srv)
    srv.see([])
    a.wait(lambda x: a.seen() == [] and a.map.firewallRulesIsEmpty)
    srv.set_groups({"left": ["a"], "right": ["b"]})
    srv.allow(["left"], ["right"], protocol="tcp", ports=[22], ranges=[], bidirectional=False)
    a.wait(lambda x: a.seen() == ["b"])
    b.wait(lambda x: b.seen() == ["a"])
    assert {(r.Direction, r.Port) for r in a.map.FirewallRules} == {(1, "22")} and {r.Direction for r in b.map.FirewallRules} == {0}
    srv.rules_set("a", [{"remote": "b", "protocol": "udp", "range": [100, 200]}])
    a.wait(lambda x: a.map.FirewallRules and a.map.FirewallRules[0].PortInfo.range.end == 200)
    srv.rules_add("a", [{"PeerIP": "0.0.0.0", "Protocol": "ICMP"}])
    a.wait(lambda x: a.map.FirewallRules[-1].Protocol == 4)
    srv.rules_set("a", [], empty_flag=False)
    a.wait(lambda x: not a.map.FirewallRules and not a.map.firewallRulesIsEmpty)
    srv.rules_clear("a")
    a.wait(lambda x: [r.Port for r in a.map.FirewallRules] == ["22", "22"])


def test_routes_and_dns(srv):
    a, b = two(srv)
    srv.add_route("b", "10.20.0.0/16", net_id="lan")
    a.wait(lambda x: [(r.NetID, r.Peer, r.Network) for r in a.map.Routes] == [("lan", b.key.text, "10.20.0.0/16")])
    b.wait(lambda x: len(b.map.routesFirewallRules) == 1)
    srv.set_nameservers([{"NameServers": [{"IP": "203.0.113.53", "NSType": 1, "Port": 53}], "Primary": True}])
    a.wait(lambda x: a.map.DNSConfig.NameServerGroups[0].NameServers[0].IP == "203.0.113.53")
    zone = a.map.DNSConfig.CustomZones[0]
    assert zone.Domain == "netbird.selfhosted." and {r.Name for r in zone.Records} == {"a.netbird.selfhosted", "b.netbird.selfhosted"}
    srv.set_dns_off(["All"])
    a.wait(lambda x: not a.map.DNSConfig.ServiceEnable and not a.map.DNSConfig.CustomZones)


def test_sso_and_expiry(srv):
    srv.add_token("tok1", "alice")
    srv.add_token("tok2", "alice")
    srv.add_token("tok3", "bob")
    a = Agent(srv, "a")
    r = a.cl.login(a.meta, setup_key="00000000-0000-0000-0000-000000000000", jwt="tok1")
    assert r.sessionExpiresAt.seconds > time.time()
    assert code(a.cl.login, a.meta, jwt="tok1") == C.UNAUTHENTICATED
    assert code(a.cl.login, a.meta, jwt="nonsense") == C.INVALID_ARGUMENT
    b = Agent(srv, "b").join().sync()
    a.sync()
    srv.expire_login("a")
    a.wait(lambda x: a.end == "OK")
    b.wait(lambda x: b.map.remotePeersIsEmpty and len(b.map.offlinePeers) == 1)
    with pytest.raises(grpc.RpcError) as e:
        a.cl.login(a.meta)
    assert e.value.code() == C.PERMISSION_DENIED and "peer login has expired" in e.value.details()
    assert code(a.cl.login, a.meta, jwt="tok3") == C.PERMISSION_DENIED
    a.cl.login(a.meta, jwt="tok2")
    b.wait(lambda x: b.seen() == ["a"])
    a.sync()


def test_flows():
    with NBServer(config(sso={"pkce": {"ClientID": "cli", "TokenEndpoint": "http://idp/token"}})) as s:
        a = Agent(s, "a")
        assert a.cl.pkce_flow().ProviderConfig.ClientID == "cli"
        assert code(a.cl.device_flow) == C.NOT_FOUND


def test_sync_meta_and_ssh(srv):
    a, b = two(srv)
    b.cl.sync_meta(system_meta("b", version="0.99.0"))
    a.wait(lambda x: a.map.remotePeers and a.map.remotePeers[0].agentVersion == "0.99.0")
    srv.set_ssh("a")
    a.wait(lambda x: a.map.peerConfig.sshConfig.sshEnabled)


def test_job(srv):
    a = Agent(srv, "a").join()

    def serve():
        try:
            list(a.cl.jobs())
        except grpc.RpcError:
            pass       # the server stops at the end of the test
    threading.Thread(target=serve, daemon=True).start()
    srv.wait_event("job_open", peer="a")
    jid = srv.send_job("a", anonymize=True)
    assert srv.wait_event("job_response", id=jid)["status"] == 2


def test_credentials_refresh():
    with NBServer(config(relay_ttl=1, turn_ttl=1.6, turn=["turn:203.0.113.11:3478"])) as s:
        a = Agent(s, "a").join().sync()
        first = a.msgs[0].netbirdConfig
        assert (first.turns[0].user, first.turns[0].password) == w.turn_credentials("turn-secret", int(first.turns[0].user))
        assert not a.login.netbirdConfig.turns[0].user, "the login answer carries static credentials only"
        a.wait(lambda x: sum(not m.HasField("NetworkMap") for m in a.msgs) >= 3)
        kinds = [(len(m.netbirdConfig.turns), m.netbirdConfig.HasField("relay")) for m in a.msgs if not m.HasField("NetworkMap")]
        assert (0, True) in kinds and (1, True) in kinds
        n = len(a.msgs)
        s.rotate_relay_token(secret="changed")
        a.wait(lambda x: len(a.msgs) > n)
        s.wait_event("config_push", peer="a")


def test_faults(srv):
    a = Agent(srv, "a").join()
    srv.refuse_login(14, "not now", count=2)
    assert code(a.cl.login, a.meta) == C.UNAVAILABLE and code(a.cl.login, a.meta) == C.UNAVAILABLE
    a.cl.login(a.meta)
    srv.refuse_login("PERMISSION_DENIED", peer="a")
    assert code(a.cl.login, a.meta) == C.PERMISSION_DENIED
    Agent(srv, "b").join()
    srv.clear_faults()
    srv.fault("Login", garbage=True, count=1)
    with pytest.raises(w.EnvelopeError):
        a.cl.login(a.meta)
    srv.fault("GetServerKey", hang=True, count=1)
    assert code(a.cl.server_key, timeout=0.5) == C.DEADLINE_EXCEEDED
    srv.fault("Sync", code=8, details="too many", count=1)
    with pytest.raises(grpc.RpcError):
        next(a.cl.sync(a.meta))
    srv.fault("isHealthy", code=14, count=1)
    assert not a.cl.healthy() and a.cl.healthy()
    with pytest.raises(CommandError):
        srv.fault("Login", code=99)


def test_streams(srv):
    a, b = two(srv)
    srv.drop_stream("a", code=13, details="boom")
    a.wait(lambda x: a.end == "INTERNAL")
    a.sync()
    srv.drop_stream("a")
    a.wait(lambda x: a.end == "OK")
    a.sync()
    srv.stall_stream("a")
    n = len(a.msgs)
    srv.bump()
    time.sleep(0.5)
    assert len(a.msgs) == n
    srv.stall_stream("a", False)
    a.wait(lambda x: len(a.msgs) > n)
    assert srv.connection("management", "rst", peer="a") == 1
    a.wait(lambda x: a.end == "UNAVAILABLE")
    b.wait(lambda x: b.end is None)
    srv.wait_event("sync_close", peer="a")


def test_duplicate_sync_faithful_and_sane(srv):
    a = Agent(srv, "a").join().sync()
    twin = Agent(srv, "a", key=a.key).sync()
    a.wait(lambda x: a.end == "OK")
    twin.wait(lambda x: twin.end == "OK")          # as the official server does
    srv.set(faithful_duplicates=False)
    a.sync()
    twin.sync()
    a.wait(lambda x: a.end == "OK")
    time.sleep(0.3)
    assert twin.end is None


def test_pacing():
    """First map at once, the rest after a quiet period and collapsed; configuration messages keep their place."""
    with NBServer(config(debounce=0.5)) as s:
        a = Agent(s, "a").join().sync()
        t0, n = time.time(), len(a.msgs)
        for i in range(5):
            s.bump()
            time.sleep(0.05)
        s.rotate_relay_token()
        s.bump()
        a.wait(lambda x: len(a.msgs) >= n + 4)
        assert [m.HasField("NetworkMap") for m in a.msgs[n:]] == [True, True, False, True] and time.time() - t0 > 0.6


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_maps_are_sent(srv, kind):
    a, b = two(srv)
    n = len(a.msgs)
    srv.hostile("a", kind)
    if kind in ("not_protobuf", "truncated_protobuf", "short_body", "no_body", "wrong_key", "flipped_bit", "17_mib"):
        a.wait(lambda x: a.end not in (None, "OK"))
        a.sync()
    else:
        a.wait(lambda x: len(a.msgs) > n)
    srv.bump()
    a.wait(lambda x: a.msgs[-1].HasField("NetworkMap") and a.seen() == ["b"] and a.msgs[-1].Version == 0)


def test_push_raw_and_override(srv):
    a, b = two(srv)
    srv.push_raw("a", {"netbirdConfig": {"stuns": [{"uri": "stun:198.51.100.1:3478"}]}})
    a.wait(lambda x: a.msgs[-1].netbirdConfig.stuns and not a.msgs[-1].HasField("NetworkMap"))
    srv.set_map_override("a", {"NetworkMap": {"peerConfig": {"mtu": 1400}}})
    a.wait(lambda x: a.map.peerConfig.mtu == 1400)
    srv.set_login_override("a", {"netbirdConfig": {"signal": None}})
    assert not a.cl.login(a.meta).netbirdConfig.HasField("signal")


def test_restart_keeps_the_account(tmp_path):
    with NBServer(config(state=str(tmp_path))) as s:
        a, b = two(s)
        key, serial, port = a.cl.server_key(), a.map.Serial, s.management.port
        s.service("management", "restart", how="kill")
        a.wait(lambda x: a.end == "UNAVAILABLE")
        assert s.management.port == port and a.cl.server_key() != key
        a.sync()
        assert a.seen() == ["b"] and a.map.Serial >= serial
        serial = a.map.Serial
    with NBServer(config(state=str(tmp_path), persist_key=True)) as s:
        c = Agent(s, "a", key=a.key)
        assert c.cl.login(c.meta).peerConfig.address == a.login.peerConfig.address
        c.sync()
        assert c.seen() == ["b"] and c.map.Serial >= serial
        k = c.cl.server_key()
        s.service("management", "restart")
        assert c.cl.server_key() == k


def test_many_peers(srv):
    a = Agent(srv, "a").join().sync()
    srv.add_peer("v", count=300)
    a.wait(lambda x: len(a.map.remotePeers) == 300, timeout=20)


def test_sequential_addresses_and_labels():
    with NBServer(config(sequential=True, network="100.99.0.0/16", ipv6=False)) as s:
        a, b = Agent(s, "Web.example").join(), Agent(s, "web").join()
        assert [x.login.peerConfig.address for x in (a, b)] == ["100.99.0.1/16", "100.99.0.2/16"]
        assert [x.login.peerConfig.fqdn for x in (a, b)] == ["web.netbird.selfhosted", "web-0-2.netbird.selfhosted"]
        assert not a.login.peerConfig.address_v6


def test_ephemeral():
    with NBServer(config(ephemeral_after=0.5)) as s:
        e = Agent(s, "e").join(s.setup_keys()["ephemeral"]).sync()
        b = Agent(s, "b").join().sync()
        e.call.cancel()
        s.wait_event("removed", timeout=5)
        b.wait(lambda x: b.map.remotePeersIsEmpty)


# ---------------------------------------------------------------- signal, relay, STUN

def test_signal(srv):
    a, b = two(srv)
    got = []
    target = f"127.0.0.1:{srv.signal.port}"
    sa = SignalClient(target, False, a.key, lambda body, frm: None)
    sb = SignalClient(target, False, b.key, lambda body, frm: got.append((body.payload, frm)))
    sb.start()
    assert sb.registered.wait(5)
    sa.send(sig.Body(payload="u:p"), b.key.text)
    srv.wait_event("signal_msg", frm="a", to="b")
    wait(lambda: got == [("u:p", a.key.text)])
    srv.signal_rule(drop=1, to="b", count=1)
    sa.send(sig.Body(payload="lost"), b.key.text)
    srv.signal_rule(dup=2, **{"from": "a"})
    sa.send(sig.Body(payload="thrice"), b.key.text)
    wait(lambda: [p for p, _ in got[1:]] == ["thrice"] * 3)
    srv.signal_clear()
    sb.send(sig.Body(type=6), b.key.text)
    wait(lambda: sb.stats["heartbeats"] == 1)
    srv.signal_set(loopback=False)
    sb.send(sig.Body(type=6), b.key.text)
    srv.signal_inject("b", frm="a", body="00" * 50)
    wait(lambda: sb.stats["undecryptable"] == 1)
    assert sb.stats["heartbeats"] == 1
    srv.signal_set(header=False)
    with pytest.raises(NotRegistered):
        sa.connect_once(5)
    srv.signal_clear()
    n = sb.stats["streams"]
    srv.service("signal", "restart", down=0.3, how="graceful")
    wait(lambda: sb.stats["streams"] > n, 15)
    sa.close(), sb.close()


def wait(cond, timeout=5):
    end = time.time() + timeout
    while not cond():
        assert time.time() < end
        time.sleep(0.02)


def test_relay(srv):
    a, b = two(srv)
    tok = lambda x: w.relay_token_wire(x.msgs[0].netbirdConfig.relay.tokenPayload, x.msgs[0].netbirdConfig.relay.tokenSignature)

    async def go():
        got, off = [], []
        ra = RelayClient(srv.relay_urls()[0], a.key, tok(a), lambda p, d: got.append((p, d)), off.append)
        rb = RelayClient(srv.relay_urls()[0], b.key, tok(b), lambda p, d: rb.transport(p, d[::-1]))
        assert await ra.connect() == srv.relay.instance_url()
        with pytest.raises(RelayError):
            await ra.open_peer(b.key.text, timeout=0.3)
        await rb.connect()
        await ra.open_peer(b.key.text)
        await rb.open_peer(a.key.text)
        ra.transport(b.key.text, b"abc" * 400)
        await until(lambda: got == [(b.key.text, b"cba" * 400)])
        await rb.close()
        await until(lambda: off == [b.key.text])
        with pytest.raises(RelayError):
            await RelayClient(srv.relay_urls()[0], b.key, bytes(tok(b)[:5]) + bytes(28) + tok(b)[33:], lambda p, d: None).connect()
        closed = []
        ra.on_closed = closed.append
        await asyncio.to_thread(srv.service, "relay", "restart", 0.1, "graceful")
        await until(lambda: closed)
        srv.cfg.relay_secret = "else"
        with pytest.raises(RelayError):
            await RelayClient(srv.relay_urls()[0], b.key, tok(b), lambda p, d: None).connect()
    asyncio.run(go())


async def until(cond, timeout=5):
    end = time.time() + timeout
    while not cond():
        assert time.time() < end
        await asyncio.sleep(0.02)


def test_relay_health():
    with NBServer(config(relay_health=0.3, relay_health_timeout=0.2)) as s:
        a, b = two(s)
        t = w.relay_token_wire(*w.relay_token(s.cfg.relay_secret, int(time.time()) + 60))

        async def go():
            mute = []
            good = RelayClient(s.relay_urls()[0], a.key, t, lambda p, d: None)
            bad = RelayClient(s.relay_urls()[0], b.key, t, lambda p, d: None, on_closed=mute.append, answer_health=False)
            await good.connect()
            await bad.connect()
            await until(lambda: mute)
            assert good.connected and good.health_checks >= 1
            await good.close()
        asyncio.run(go())


def test_stun(srv):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(1)
    s.connect(("127.0.0.1", srv.stun.port))
    req = w.Stun()
    s.send(req.encode(fingerprint=False))
    r = w.stun_decode(s.recv(1500))
    assert r.txid == req.txid and r.mapped == s.getsockname() and r.fingerprint_ok
    srv.stun_set(lie="198.51.100.7:4242")
    s.send(req.encode())
    assert w.stun_decode(s.recv(1500)).mapped == ("198.51.100.7", 4242)
    srv.stun_set(loss=1.0)
    s.send(req.encode())
    with pytest.raises(TimeoutError):
        s.recv(1500)


# ---------------------------------------------------------------- TLS, control socket

@pytest.fixture
def cert(tmp_path):
    k, c = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", k, "-out", c, "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    return c, k


def test_tls(cert):
    with NBServer(config(tls_cert=cert[0], tls_key=cert[1])) as s:
        a = Agent(s, "a", ca=cert[0]).join().sync()
        nc = a.msgs[0].netbirdConfig
        assert s.mgmt_url.startswith("https:") and nc.signal.protocol == 3 and nc.relay.urls[0].startswith("rels://")
        sa = SignalClient(nc.signal.uri, True, a.key, lambda *x: None, ca_file=cert[0])
        sa.start()
        assert sa.registered.wait(5)
        sa.close()

        async def go():
            r = RelayClient(nc.relay.urls[0], a.key, w.relay_token_wire(nc.relay.tokenPayload, nc.relay.tokenSignature), lambda p, d: None, ca_file=cert[0])
            assert await r.connect() == nc.relay.urls[0]
            await r.close()
        asyncio.run(go())


def test_command_line_and_control(tmp_path):
    prog, sock = os.path.join(os.path.dirname(HERE), "nb_server.py"), str(tmp_path / "ctl")
    ports = [x for n in ("mgmt", "signal", "relay", "stun") for x in (f"--{n}-port", "0")]
    p = subprocess.Popen([sys.executable, prog, "--listen-ip", "127.0.0.1", "--state", str(tmp_path), "--control", sock, *ports], stdout=subprocess.PIPE, text=True)
    try:
        for line in p.stdout:
            e = json.loads(line)
            if e["ev"] == "ready":
                break
        wait(lambda: os.path.exists(sock))
        s = socket.socket(socket.AF_UNIX)
        s.connect(sock)
        f = s.makefile("rw")

        def ask(**kw):
            f.write(json.dumps(kw) + "\n")
            f.flush()
            return json.loads(f.readline())
        assert ask(cmd="add_peer", host="v", rid=7)["rid"] == 7
        assert [x["name"] for x in ask(cmd="peers")["result"]] == ["v"]
        assert not ask(cmd="nonsense")["ok"] and not ask(cmd="remove_peer", peer="ghost")["ok"]
        assert ask(cmd="service", name="stun", action="stop")["ok"] and not ask(cmd="services")["result"]["stun"]["running"]
        out = subprocess.run([sys.executable, prog, "--ctl", sock, "setup_keys"], capture_output=True, text=True, check=True).stdout
        assert json.loads(out) == e["setup_keys"]
        assert "rules_set" in subprocess.run([sys.executable, prog, "--ctl", sock, "help"], capture_output=True, text=True, check=True).stdout
    finally:
        p.terminate()
        p.wait(10)
