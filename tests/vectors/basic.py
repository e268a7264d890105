#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small hand-made vectors of NetBird's wire formats, computed from their definitions alone.

    basic.py > basic.json   make the file
    basic.py --check        compare the file with what is computed; exit status 1 if they differ

The box (X25519, HSalsa20, XSalsa20, Poly1305) is spelled out here and shares nothing with libsodium;
only X25519 and Poly1305 come from python3-cryptography.
"""
import base64
import hashlib
import hmac
import json
import os
import struct
import sys
import zlib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.poly1305 import Poly1305

HERE = os.path.dirname(os.path.abspath(__file__))
SIGMA = struct.unpack("<4I", b"expand 32-byte k")


def b64(data):
    return base64.b64encode(data).decode()


# ---------------------------------------------------------------- the box

def salsa_rounds(state):
    x = list(state)

    def quarter(a, b, c, d):
        for target, one, two, shift in ((b, a, d, 7), (c, b, a, 9), (d, c, b, 13), (a, d, c, 18)):
            v = (x[one] + x[two]) & 0xffffffff
            x[target] ^= (v << shift | v >> (32 - shift)) & 0xffffffff
    for _ in range(10):
        for column in ((0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11)):
            quarter(*column)
        for row in ((0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14)):
            quarter(*row)
    return x


def salsa_state(key, sixteen):
    k, n = struct.unpack("<8I", key), struct.unpack("<4I", sixteen)
    return [SIGMA[0], *k[:4], SIGMA[1], *n, SIGMA[2], *k[4:], SIGMA[3]]


def hsalsa(key, sixteen):
    x = salsa_rounds(salsa_state(key, sixteen))
    return struct.pack("<8I", *(x[i] for i in (0, 5, 10, 15, 6, 7, 8, 9)))


def salsa_stream(key, eight, length):
    out = b""
    while len(out) < length:
        state = salsa_state(key, eight + struct.pack("<Q", len(out) // 64))
        out += struct.pack("<16I", *((a + b) & 0xffffffff for a, b in zip(salsa_rounds(state), state)))
    return out[:length]


def secretbox(message, nonce, key):
    stream = salsa_stream(hsalsa(key, nonce[:16]), nonce[16:], 32 + len(message))
    sealed = bytes(a ^ b for a, b in zip(message, stream[32:]))
    mac = Poly1305(stream[:32])
    mac.update(sealed)
    return mac.finalize() + sealed


def x25519(private, public):
    return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))


def public_of(private):
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw)


# ---------------------------------------------------------------- protobuf, STUN

def varint(n):
    out = b""
    while n > 0x7f:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def number(field_number, value):
    return varint(field_number << 3) + varint(value)


def attribute(kind, value):
    return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)


def stun_request(attributes, password, transaction):
    """A Binding request with MESSAGE-INTEGRITY and FINGERPRINT, RFC 8489 14.5 and 14.7."""
    def message(length):
        return struct.pack(">HHI", 1, length, 0x2112a442) + transaction + attributes
    attributes += attribute(8, hmac.new(password, message(len(attributes) + 24), hashlib.sha1).digest())
    attributes += attribute(0x8028, struct.pack(">I", zlib.crc32(message(len(attributes) + 8)) ^ 0x5354554e))
    return message(len(attributes))


def candidate(kind, preference, address, port, rest=""):
    foundation = zlib.crc32((kind + address + "udp4").encode())
    priority = preference << 24 | 65535 << 8 | 255
    return f"{foundation} 1 udp {priority} {address} {port} typ {kind}{rest}"


def fnv1a(data):
    h = 0xcbf29ce484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return h


# ---------------------------------------------------------------- the vectors

def envelopes(v, client, server):
    shared = x25519(client, public_of(server))
    key = hsalsa(shared, bytes(16))
    nonce = bytes(range(0x40, 0x58))
    login = field(1, b"A2C8E62B-38F5-4553-B31E-DD66C696CEBB") + field(2, field(1, b"h1") + field(2, b"linux"))
    body = nonce + secretbox(login, nonce, key)
    envelope = field(1, v["client_public"].encode()) + field(2, body)
    v.update(x25519_hex=shared.hex(), box_shared_hex=key.hex(), login_request_hex=login.hex(), login_nonce_hex=nonce.hex(),
             login_body_hex=body.hex(), login_envelope_hex=envelope.hex(),
             login_grpc_prefix_hex=(b"\0" + struct.pack(">I", len(envelope))).hex(),
             empty_body_hex=(nonce + secretbox(b"", nonce, key)).hex())
    offer = (field(2, b"abcdefghijklmnop:ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef") + number(3, 51820) + field(4, b"0.74.0") +
             field(7, b"") + field(8, b"rels://relay.example.com:443") + field(10, bytes(range(1, 6))) +
             field(11, bytes([203, 0, 113, 5])))
    nonce = bytes(range(0x60, 0x78))
    message = (field(2, v["client_public"].encode()) + field(3, v["server_public"].encode()) +
               field(4, nonce + secretbox(offer, nonce, key)))
    v.update(offer_body_hex=offer.hex(), offer_nonce_hex=nonce.hex(), offer_envelope_hex=message.hex(),
             heartbeat_body_hex=number(1, 6).hex(), go_idle_body_hex=number(1, 5).hex())


def tokens(v):
    expiry = b"1767225600"
    key = hashlib.sha256(b"relay-secret").digest()
    signature = hmac.new(key, expiry, hashlib.sha256).digest()
    v.update(turn_secret="turn-secret", turn_user=expiry.decode(),
             turn_password=b64(hmac.new(b"turn-secret", expiry, hashlib.sha1).digest()),
             relay_secret="relay-secret", relay_key_hex=key.hex(), relay_token_payload=expiry.decode(),
             relay_token_signature=b64(signature), relay_token_wire_hex=(b"\1" + signature + expiry).hex())


def relay(v):
    client, server = (b"sha-" + hashlib.sha256(v[k].encode()).digest() for k in ("client_public", "server_public"))
    payload = bytes.fromhex("04000000")
    v.update(relay_client_id_hex=client.hex(), relay_client_id="sha-" + b64(client[4:]), relay_server_id_hex=server.hex(),
             relay_auth_hex="01062112a442" + client.hex() + v["relay_token_wire_hex"],
             relay_auth_response_url="rels://relay.example.com:443",
             relay_auth_response_hex=(b"\1\7" + b"rels://relay.example.com:443").hex(),
             relay_transport_sent_hex=(b"\1\3" + server + payload).hex(),
             relay_transport_delivered_hex=(b"\1\3" + client + payload).hex(),
             relay_close_hex="0104", relay_health_hex="0105",
             relay_subscribe_hex=(b"\1\x08" + server).hex(), relay_online_hex=(b"\1\x0a" + server).hex())


def ice(v):
    attributes = (attribute(6, b"b" * 16 + b":" + b"a" * 16) + attribute(0x802a, bytes(range(1, 9))) +
                  attribute(0x24, struct.pack(">I", 2130706431)))
    plain = stun_request(attributes, b"p" * 32, bytes(range(12)))
    pair = attribute(0x8100, b"A" * 32 + b":" + b"B" * 32)
    extended = plain[:2] + struct.pack(">H", len(plain) - 20 + len(pair)) + plain[4:] + pair
    v.update(stun_password="p" * 32, stun_request_hex=plain.hex(), stun_request_with_pair_hex=extended.hex(),
             candidate_host=candidate("host", 126, "192.0.2.10", 51820, " cid " + "A" * 32),
             candidate_srflx=candidate("srflx", 100, "203.0.113.9", 40001, " raddr 0.0.0.0 rport 51820 cid " + "B" * 32))


def vectors():
    client, server = bytes(range(1, 33)), bytes(range(33, 65))
    v = {"client_private": b64(client), "client_public": b64(public_of(client)),
         "server_private": b64(server), "server_public": b64(public_of(server))}
    envelopes(v, client, server)
    tokens(v)
    relay(v)
    ice(v)
    setup_key = "A2C8E62B-38F5-4553-B31E-DD66C696CEBB"
    low, high = sorted((v["client_public"], v["server_public"]))
    v.update(controller=high, setup_key=setup_key, setup_key_hash=b64(hashlib.sha256(setup_key.encode()).digest()),
             compact_prefixes={"100.64.0.7/32": "6440000720", "100.64.0.2/32": "6440000220", "0.0.0.0/0": "0000000000",
                               "fd00::1/64": "fd00" + "00" * 13 + "01" + "40"},
             ssh_user_hash_hex=hashlib.blake2b(b"user-123", digest_size=16).hexdigest(),
             rosenpass_seed=b64((high[:16] + low[:16]).encode()), punch_hex=b"nb".hex(),
             login_meta_hash=str(fnv1a(b"0.74.0" + b"13" + b"6.1" + b"h1" + b"")))
    return v


def main():
    text = json.dumps(vectors(), indent=1) + "\n"
    if sys.argv[1:] != ["--check"]:
        sys.stdout.write(text)
        return 0
    with open(os.path.join(HERE, "basic.json"), encoding="utf-8") as f:
        return f.read() != text


if __name__ == "__main__":
    sys.exit(main())
