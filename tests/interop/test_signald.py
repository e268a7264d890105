# SPDX-License-Identifier: GPL-3.0-or-later
"""weft-signald against the independent client of tests/peer and calls that take bytes."""
import base64
import os
import queue
import shutil
import signal
import threading

import grpc
import nbwire as w
import pytest
from nbsignal import SignalClient
from process import Program, free_port, wait_until
from rpctest import BUILD, CODE, failure
from test_rpc_tls import Authority, serial_of

PATH = "/signalexchange.SignalExchange/"


class Signald:
    """The daemon on a fixed port, so that it can be restarted."""

    def __init__(self, folder, server="", limits=""):
        self.port, self.conf = free_port(), folder / "signald.conf"
        self.target, self.clients = f"127.0.0.1:{self.port}", []
        self.conf.write_text(f"[server]\nlisten = {self.target}\n{server}\n[limits]\n{limits}\n"
                             f"[paths]\nruntime-dir = {folder}/run\nstate-dir = {folder}/state\n")
        self.start()

    def start(self):
        self.program = Program([BUILD / "weft-signald", "--config", self.conf])
        self.program.wait_line("is ready", 20)

    def kill(self):
        self.program.signal(signal.SIGKILL)
        self.program.wait()

    def client(self, key=None, **more):
        self.clients.append(Client(self.target, key, **more))
        return self.clients[-1]

    def close(self):
        for client in self.clients:
            client.close()
        status = self.program.stop()
        assert status == 0, self.program.output


class Client:
    """One channel; messages as bytes, streams read into queues."""

    def __init__(self, target, key=None, credentials=None):
        self.key = key or w.WgKey.generate()
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 4 << 20)]
        self.channel = grpc.secure_channel(target, credentials, options) if credentials else grpc.insecure_channel(target, options)
        self.calls = []

    def stream(self, text=None, metadata=None):
        """An open ConnectStream; its messages go to .inbox, its end is None there."""
        metadata = [(w.SIGNAL_ID_HEADER, text or self.key.text)] if metadata is None else metadata
        held = threading.Event()

        def nothing():
            held.wait()
            yield from ()
        call = self.channel.stream_stream(PATH + "ConnectStream", None, None)(nothing(), metadata=metadata, timeout=60)
        call.add_callback(held.set)
        self.calls.append(call)
        return call

    def register(self):
        call = self.stream()
        call.headers = dict(call.initial_metadata())
        assert call.headers.get(w.SIGNAL_REGISTERED_HEADER) == "1", call.code()
        call.inbox = queue.Queue()

        def read():
            try:
                for message in call:
                    call.inbox.put(message)
            except grpc.RpcError:
                pass
            call.inbox.put(None)
        threading.Thread(target=read, daemon=True).start()
        return call

    def send(self, message):
        return self.channel.unary_unary(PATH + "Send", None, None)(message, timeout=20)

    def to(self, text, body=b"x"):
        return envelope(self.key.text, text, body)

    def close(self):
        for call in self.calls:
            call.cancel()
        self.channel.close()


def envelope(sender, recipient, body):
    return w.signal.EncryptedMessage(key=sender, remoteKey=recipient, body=body).SerializeToString()


@pytest.fixture
def signald(tmp_path):
    daemon = Signald(tmp_path)
    yield daemon
    daemon.close()


# --- Registration and forwarding ---

def test_two_peers_exchange_offer_answer_and_candidates(signald):
    keys, inbox = [w.WgKey.generate() for _ in range(2)], queue.Queue()
    peers = []
    try:
        for i, key in enumerate(keys):
            peers.append(SignalClient(signald.target, False, key, lambda body, sender, i=i: inbox.put((i, sender, body))))
            peers[i].start()
            assert peers[i].registered.wait(10)
        Body = w.signal.Body
        for sender, kind, payload in [(0, Body.OFFER, "ufrag:pwd"), (1, Body.ANSWER, "other:pwd"), (0, Body.CANDIDATE, "1 1 udp 1 192.0.2.1 1 typ host")]:
            peers[sender].send(Body(type=kind, payload=payload, wgListenPort=51820), keys[1 - sender].text)
            assert inbox.get(timeout=10) == (1 - sender, keys[sender].text, Body(type=kind, payload=payload, wgListenPort=51820))
    finally:
        for peer in peers:
            peer.close()


def test_the_header_comes_before_any_message(signald):
    client = signald.client()
    headers = dict(client.register().headers)
    assert headers[w.SIGNAL_REGISTERED_HEADER] == "1"
    assert len(base64.b64decode(headers["x-weft-proof"])) == 48


def test_messages_are_forwarded_byte_for_byte_and_in_order(signald):
    a, b = signald.client(), signald.client()
    inbox = b.register().inbox
    unknown = b"\xa2\x06\x03abc" + b"\xa8\x06\x81\x80\x00"  # field 100, bytes; field 101, a varint in a long form
    for message in [unknown + a.to(b.key.text), a.to(b.key.text, b"") + unknown, a.to(b.key.text, os.urandom(600 * 1024))]:
        assert a.send(message) == b""
        assert inbox.get(timeout=10) == message
    for i in range(200):
        a.send(a.to(b.key.text, b"%d" % i))
    assert [inbox.get(timeout=10) for _ in range(200)] == [a.to(b.key.text, b"%d" % i) for i in range(200)]


def test_a_message_to_oneself_comes_back(signald):
    a = signald.client()
    inbox = a.register().inbox
    for body in [b"", b"x", b"y" * 73]:
        a.send(a.to(a.key.text, body))
        assert inbox.get(timeout=10) == a.to(a.key.text, body)


def test_an_unknown_recipient_is_no_error(signald):
    a = signald.client()
    assert a.send(a.to(w.WgKey.generate().text)) == b""


def test_a_newer_registration_replaces_the_older(signald):
    a, other = signald.client(), signald.client()
    old = a.register()
    again = signald.client(a.key).register()
    assert old.inbox.get(timeout=10) is None
    assert (old.code(), old.details()) == (CODE.UNKNOWN, "peer registered again")
    other.send(other.to(a.key.text))
    assert again.inbox.get(timeout=10) == other.to(a.key.text)


# --- What is refused ---

GOOD = w.WgKey.generate().text
BAD_KEYS = ["x", GOOD[:-1], GOOD + "A", "!" * 44, GOOD[:42] + "B=" if GOOD[42] != "B" else GOOD[:42] + "C="]


@pytest.mark.parametrize("key", BAD_KEYS, ids=["short", "43", "45", "no base64", "not canonical"])
def test_a_malformed_key_is_refused(signald, key):
    a = signald.client()
    assert failure(a.stream, key)[0] == CODE.INVALID_ARGUMENT
    assert failure(a.send, envelope(key, GOOD, b"x"))[0] == CODE.INVALID_ARGUMENT
    assert failure(a.send, envelope(GOOD, key, b"x"))[0] == CODE.INVALID_ARGUMENT


def test_a_missing_key_is_refused(signald):
    a = signald.client()
    assert failure(a.stream, metadata=[]) == (CODE.FAILED_PRECONDITION, "missing connection header: " + w.SIGNAL_ID_HEADER)
    for message in [b"", b"\x12", envelope("", GOOD, b""), envelope(GOOD, "", b""), b"\xff" * 20]:
        assert failure(a.send, message)[0] == CODE.INVALID_ARGUMENT
    assert a.send(a.to(GOOD)) == b""


def test_an_oversize_message_is_refused_and_the_rest_goes_on(signald):
    a, b = signald.client(), signald.client()
    inbox = b.register().inbox
    assert failure(a.send, a.to(b.key.text, bytes(1 << 20)))[0] == CODE.RESOURCE_EXHAUSTED
    a.send(a.to(b.key.text))
    assert inbox.get(timeout=10) == a.to(b.key.text)


def test_a_flood_is_refused_while_others_are_served(tmp_path):
    signald = Signald(tmp_path, limits="messages-per-second = 1\nmessage-burst = 100\nmessages-per-second-per-pair = 1\nmessage-burst-per-pair = 20")
    try:
        flooder, calm, victim = (signald.client() for _ in range(3))
        inbox = victim.register().inbox
        send = flooder.channel.unary_unary(PATH + "Send", None, None)
        one = [send.future(flooder.to(victim.key.text), timeout=20) for _ in range(200)]
        calm.send(calm.to(victim.key.text, b"calm"))
        codes = [call.code() for call in one]
        assert set(codes) == {CODE.OK, CODE.RESOURCE_EXHAUSTED} and 20 <= codes.count(CODE.OK) < 60
        many = [send.future(flooder.to(w.WgKey.generate().text), timeout=20) for _ in range(200)]
        codes = [call.code() for call in many]
        assert set(codes) == {CODE.OK, CODE.RESOURCE_EXHAUSTED} and codes.count(CODE.OK) < 140
        wait_until(lambda: inbox.get(timeout=10) == calm.to(victim.key.text, b"calm"))
    finally:
        signald.close()


# --- Proof of the key ---

def proof(key, header):
    raw = base64.b64decode(header["x-weft-proof"])
    server, nonce = base64.b64encode(raw[:32]).decode(), raw[32:]
    return w.seal(b"weft-signal-proof" + nonce, key, server)


def test_nobody_takes_over_a_proven_registration(signald):
    owner, thief, other = signald.client(), None, signald.client()
    held = owner.register()
    owner.send(owner.to(owner.key.text, proof(owner.key, held.headers)))
    thief = signald.client(owner.key).register()
    other.send(other.to(owner.key.text))
    assert held.inbox.get(timeout=10) == other.to(owner.key.text)
    assert thief.inbox.get(timeout=25) is None
    assert thief.code() == CODE.PERMISSION_DENIED
    assert held.is_active() and held.inbox.empty()


def test_the_owner_takes_over_by_a_proof_of_its_own(signald):
    owner, again = signald.client(), signald.client()
    held = owner.register()
    answer = proof(owner.key, held.headers)
    owner.send(owner.to(owner.key.text, answer))
    newer = signald.client(owner.key).register()
    again.send(owner.to(owner.key.text, answer))  # a replayed answer proves nothing: it comes back to the holder
    assert held.inbox.get(timeout=10) == owner.to(owner.key.text, answer)
    owner.send(owner.to(owner.key.text, proof(owner.key, newer.headers)))
    assert held.inbox.get(timeout=10) is None
    again.send(again.to(owner.key.text))
    assert newer.inbox.get(timeout=10) == again.to(owner.key.text)


def test_a_false_proof_leaves_stock_behaviour(signald):
    owner = signald.client()
    held = owner.register()
    false = owner.to(owner.key.text, proof(w.WgKey.generate(), held.headers))
    owner.send(false)
    assert held.inbox.get(timeout=10) == false
    signald.client(owner.key).register()
    assert held.inbox.get(timeout=10) is None


def test_one_who_waits_is_registered_when_the_proven_owner_leaves(signald):
    owner, other = signald.client(), signald.client()
    held = owner.register()
    owner.send(owner.to(owner.key.text, proof(owner.key, held.headers)))
    waiting = signald.client(owner.key).register()
    held.cancel()

    def arrives():
        other.send(other.to(owner.key.text))
        try:
            return waiting.inbox.get(timeout=0.2) == other.to(owner.key.text)
        except queue.Empty:
            return False
    wait_until(arrives, 8)


# --- TLS, signals ---

def test_tls_and_reload_of_the_certificate(tmp_path):
    ca = Authority(tmp_path, "ca")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def install():
        for source, target in zip(ca.issue("server"), (cert, key)):
            shutil.copy(source, target)
    install()
    signald = Signald(tmp_path, server=f"tls-cert = {cert}\ntls-key = {key}")
    try:
        trust = grpc.ssl_channel_credentials(ca.cert.read_bytes())
        a = signald.client(credentials=trust)
        inbox, before = a.register().inbox, serial_of(signald.port)
        install()
        signald.program.signal(signal.SIGHUP)
        wait_until(lambda: serial_of(signald.port) != before)
        for client in (a, signald.client(credentials=trust)):
            client.send(client.to(a.key.text))
            assert inbox.get(timeout=10) == client.to(a.key.text)
    finally:
        signald.close()


def test_sigterm_ends_streams_and_the_daemon(signald):
    call = signald.client().register()
    signald.program.signal(signal.SIGTERM)
    assert signald.program.wait() == 0
    assert call.inbox.get(timeout=10) is None and call.code() == CODE.UNAVAILABLE


def test_all_of_300_clients_return_after_a_kill(signald):
    clients = [signald.client() for _ in range(300)]
    streams = [c.stream() for c in clients]
    assert all(dict(s.initial_metadata())[w.SIGNAL_REGISTERED_HEADER] == "1" for s in streams)
    signald.kill()
    for stream in streams:
        assert failure(list, stream)[0] == CODE.UNAVAILABLE
    signald.start()

    def back(client):
        try:
            return client.register()
        except (grpc.RpcError, AssertionError):
            return None
    streams = [wait_until(lambda c=c: back(c), 30) for c in clients]
    for i, client in enumerate(clients):
        client.send(client.to(clients[i - 1].key.text))
    for i, stream in enumerate(streams):
        sender = clients[(i + 1) % len(clients)]
        assert stream.inbox.get(timeout=10) == sender.to(clients[i].key.text)
