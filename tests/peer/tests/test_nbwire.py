# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks nbwire.py against the vectors of tests/vectors/basic.json."""
import json
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import nbwire as w

CLIENT = w.WgKey(bytes(range(1, 33)))
SERVER = w.WgKey(bytes(range(33, 65)))
with open(os.path.join(HERE, "..", "..", "vectors", "basic.json"), encoding="utf-8") as f:
    V = json.load(f)


def test_keys_and_roles():
    assert CLIENT.text == V["client_public"]
    assert SERVER.text == V["server_public"]
    assert w.is_controller(SERVER.text, CLIENT.text)


def test_management_envelope():
    nonce = bytes(range(0x40, 0x58))
    login = w.mgmt.LoginRequest(setupKey="A2C8E62B-38F5-4553-B31E-DD66C696CEBB")
    login.meta.hostname, login.meta.goOS = "h1", "linux"
    outer = w.mgmt_seal(login, CLIENT, SERVER.text, nonce)
    assert outer.body.hex() == V["login_body_hex"]
    assert outer.SerializeToString().hex() == V["login_envelope_hex"]
    assert w.mgmt_unseal(outer, SERVER, CLIENT.text, w.mgmt.LoginRequest) == login
    assert w.seal(b"", CLIENT, SERVER.text, nonce).hex() == V["empty_body_hex"]


def test_tokens_and_relay_messages():
    assert w.turn_credentials("turn-secret", 1767225600) == (V["turn_user"], V["turn_password"])
    payload, signature = w.relay_token("relay-secret", 1767225600)
    assert signature == V["relay_token_signature"]
    token = w.relay_token_wire(payload, signature)
    assert token.hex() == V["relay_token_wire_hex"]
    assert w.relay_token_ok("relay-secret", token, 1767225600) and not w.relay_token_ok("relay-secret", token, 1767225601)
    assert not w.relay_token_ok("x", token, 0)
    client, server = w.ids([CLIENT.text, SERVER.text])
    assert client.hex() == V["relay_client_id_hex"] and w.relay_peer_id_text(client) == V["relay_client_id"]
    messages = [w.RelayMessage(w.RELAY_AUTH, peer_id=client, token=token),
                w.RelayMessage(w.RELAY_AUTH_RESPONSE, url="rels://relay.example.com:443"),
                w.RelayMessage(w.RELAY_TRANSPORT, peer_id=server, payload=b"\4\0\0\0"),
                w.RelayMessage(w.RELAY_SUBSCRIBE, peer_ids=(server,)), w.RelayMessage(w.RELAY_ONLINE, peer_ids=(server,)),
                w.RelayMessage(w.RELAY_CLOSE), w.RelayMessage(w.RELAY_HEALTH)]
    wanted = [V[f"relay_{name}_hex"] for name in ("auth", "auth_response", "transport_sent", "subscribe", "online", "close", "health")]
    for message, want in zip(messages, wanted):
        assert w.relay_encode(message).hex() == want
        assert w.relay_decode(bytes.fromhex(want)) == message


def test_small_forms_and_signal_envelope():
    assert w.setup_key_hash("a2c8e62b-38f5-4553-b31e-dd66c696cebb") == V["setup_key_hash"]
    for text, compact in V["compact_prefixes"].items():
        assert w.compact_prefix(text).hex() == compact
        assert w.parse_compact_prefix(bytes.fromhex(compact)) == text
    body = w.signal.Body(payload="abcdefghijklmnop:ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef", wgListenPort=51820, netBirdVersion="0.74.0",
                         rosenpassConfig=w.signal.RosenpassConfig(), relayServerAddress="rels://relay.example.com:443",
                         sessionId=bytes([1, 2, 3, 4, 5]), relayServerIP=bytes([203, 0, 113, 5]))
    assert body.SerializeToString().hex() == V["offer_body_hex"]
    outer = w.signal_seal(body, CLIENT, SERVER.text, bytes(range(0x60, 0x78)))
    assert outer.SerializeToString().hex() == V["offer_envelope_hex"]
    assert w.signal_unseal(outer, SERVER) == body
    assert w.signal.Body(type=w.signal.Body.HEARTBEAT).SerializeToString().hex() == V["heartbeat_body_hex"]


def test_stun_with_and_without_the_pair_attribute():
    plain, extended = (bytes.fromhex(V[x]) for x in ("stun_request_hex", "stun_request_with_pair_hex"))
    request = w.Stun(txid=bytes(range(12))).add(w.ATTR_USERNAME, b"b" * 16 + b":" + b"a" * 16)
    request.add(w.ATTR_ICE_CONTROLLING, bytes(range(1, 9))).add(w.ATTR_PRIORITY, struct.pack(">I", 2130706431))
    assert request.encode("p" * 32) == plain
    assert request.encode("p" * 32, pair="A" * 32 + ":" + "B" * 32) == extended
    for data, pair in ((plain, ""), (extended, "A" * 32 + ":" + "B" * 32)):
        got = w.stun_decode(data)
        assert got.integrity_ok("p" * 32) and not got.integrity_ok("q" * 32) and got.fingerprint_ok
        assert got.username == "b" * 16 + ":" + "a" * 16 and got.pair == pair
    answer = w.stun_decode(w.binding_success(got, "203.0.113.7", 4242).encode("x"))
    assert answer.mapped == ("203.0.113.7", 4242) and answer.txid == request.txid
    assert w.stun_decode(w.binding_success(got, "fd00::1", 4242).encode()).mapped == ("fd00::1", 4242)
    assert w.stun_decode(w.binding_error(got, 487, "Role Conflict").encode()).error == 487


def test_candidate_lines():
    host = w.Candidate("host", "192.0.2.10", 51820, cid="A" * 32)
    srflx = w.Candidate("srflx", "203.0.113.9", 40001, raddr="0.0.0.0", rport=51820, cid="B" * 32)
    assert [host.line(), srflx.line()] == [V["candidate_host"], V["candidate_srflx"]]
    assert w.parse_candidate(srflx.line()) == srflx
    assert w.parse_candidate("a=candidate:" + host.line() + " foo bar").extensions == [("foo", "bar")]
    for bad in ("", "1 1 tcp 1 1.2.3.4 5 typ host", "1 2 udp 1 1.2.3.4 5 typ host", "1 1 udp 1 1.2.3.4 5 typ nope"):
        try:
            w.parse_candidate(bad)
        except ValueError:
            continue
        raise AssertionError(bad)

