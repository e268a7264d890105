#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wire formats of NetBird's protocols, for clients and servers under test.

Pure functions and small records; no sockets, threads or clocks. Section numbers: see README.md.
Debian packages: python3-protobuf, protobuf-compiler, python3-nacl.
"""
from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import os
import secrets
import shutil
import struct
import subprocess
import tempfile
import zlib
from dataclasses import dataclass, field
from typing import Iterable, Optional, Union

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal import enum_type_wrapper
from google.protobuf.message import Message
from nacl import bindings as sodium

# The one copy of the .proto files; no code generated for the C programs is used.
PROTO_DIR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "proto")


# ---------------------------------------------------------------- protobuf

class ProtoPackage:
    """Messages and enums of one package as attributes: ``mgmt.LoginRequest()``, ``mgmt.RuleAction.Value("DROP")``."""

    def __init__(self, pool: descriptor_pool.DescriptorPool, file_name: str):
        desc = pool.FindFileByName(file_name)
        get_class = getattr(message_factory, "GetMessageClass", None) or message_factory.MessageFactory(pool).GetPrototype
        self._services = {}
        for name, message in desc.message_types_by_name.items():
            setattr(self, name, get_class(message))
        for name, enum in desc.enum_types_by_name.items():
            setattr(self, name, enum_type_wrapper.EnumTypeWrapper(enum))
        for service in desc.services_by_name.values():
            for method in service.methods:
                self._services[method.name] = (f"/{service.full_name}/{method.name}",
                                               get_class(method.input_type), get_class(method.output_type))

    def path(self, method: str) -> str:
        """Path of an RPC, e.g. ``/management.ManagementService/Login``."""
        return self._services[method][0]

    def io(self, method: str) -> tuple[type, type]:
        """Request and response message classes of an RPC (the outer ones: EncryptedMessage, Empty...)."""
        return self._services[method][1:]


def load_protos(proto_dir: str = PROTO_DIR) -> tuple[ProtoPackage, ProtoPackage]:
    """Compile the .proto files in memory with protoc; returns (management, signalexchange)."""
    names = ["management.proto", "signalexchange.proto"]
    protoc = shutil.which("protoc")
    if not protoc:
        raise RuntimeError("protoc not found (package protobuf-compiler)")
    with tempfile.NamedTemporaryFile(suffix=".pb") as out:
        subprocess.run([protoc, "-I" + proto_dir, "-I/usr/include", "--include_imports",
                        "--descriptor_set_out=" + out.name, *names], check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read())
    pool = descriptor_pool.DescriptorPool()
    for one in files.file:
        pool.Add(one) if not hasattr(pool, "AddSerializedFile") else pool.AddSerializedFile(one.SerializeToString())
    return ProtoPackage(pool, names[0]), ProtoPackage(pool, names[1])


mgmt, signal = load_protos()

SIGNAL_ID_HEADER = "x-wiretrustee-peer-id"
SIGNAL_REGISTERED_HEADER = "x-wiretrustee-peer-registered"


# ---------------------------------------------------------------- keys, 0.2

def b64(raw: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(raw).decode()


def key_bytes(text: str) -> bytes:
    """Raw 32 bytes of a key's text form; ValueError unless exactly 44 characters of standard base64."""
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"bad key text: {error}") from error
    if len(raw) != 32 or len(text) != 44:
        raise ValueError("a key is 32 bytes, 44 characters")
    return raw


@dataclass(frozen=True)
class WgKey:
    """A WireGuard key pair. ``text`` is the public key text by which peers are named everywhere."""
    private: bytes

    @classmethod
    def generate(cls, below: Optional[str] = None, above: Optional[str] = None) -> "WgKey":
        """New key whose public text sorts below/above the given texts (byte-wise, as 3.5 compares roles)."""
        while True:
            raw = bytearray(secrets.token_bytes(32))
            raw[0] &= 248
            raw[31] = raw[31] & 127 | 64
            key = cls(bytes(raw))
            if (below is None or key.text < below) and (above is None or key.text > above):
                return key

    @classmethod
    def from_text(cls, private_text: str) -> "WgKey":
        return cls(key_bytes(private_text))

    @property
    def private_text(self) -> str:
        return b64(self.private)

    @property
    def public(self) -> bytes:
        return sodium.crypto_scalarmult_base(self.private)

    @property
    def text(self) -> str:
        return b64(self.public)


def is_controller(local_text: str, remote_text: str) -> bool:
    """3.5: the greater public key text controls."""
    return local_text.encode() > remote_text.encode()


# ---------------------------------------------------------------- envelope, 0.3

class EnvelopeError(ValueError):
    """The body is too short or was not made for this key pair."""


def seal(plain: bytes, sender: WgKey, recipient_text: str, nonce: Optional[bytes] = None) -> bytes:
    """nonce(24) || crypto_box of *plain*."""
    nonce = nonce if nonce is not None else secrets.token_bytes(24)
    return nonce + sodium.crypto_box(plain, nonce, key_bytes(recipient_text), sender.private)


def unseal(body: bytes, recipient: WgKey, sender_text: str) -> bytes:
    """Inverse of seal(); EnvelopeError if it cannot be opened."""
    if len(body) < 24 + 16:
        raise EnvelopeError("envelope shorter than nonce and tag")
    try:
        return sodium.crypto_box_open(body[24:], body[:24], key_bytes(sender_text), recipient.private)
    except Exception as error:  # nacl raises CryptoError
        raise EnvelopeError(str(error)) from error


def mgmt_seal(message: Message, sender: WgKey, recipient_text: str, nonce: Optional[bytes] = None) -> Message:
    """management.EncryptedMessage around *message*."""
    return mgmt.EncryptedMessage(wgPubKey=sender.text, body=seal(message.SerializeToString(), sender, recipient_text, nonce))


def mgmt_unseal(outer: Message, recipient: WgKey, sender_text: str, into: type) -> Message:
    """Decode a management.EncryptedMessage. Servers pass ``outer.wgPubKey``, clients the key from GetServerKey."""
    return into.FromString(unseal(outer.body, recipient, sender_text))


def signal_seal(body: Message, sender: WgKey, recipient_text: str, nonce: Optional[bytes] = None) -> Message:
    """signalexchange.EncryptedMessage around a Body."""
    return signal.EncryptedMessage(key=sender.text, remoteKey=recipient_text,
                                   body=seal(body.SerializeToString(), sender, recipient_text, nonce))


def signal_unseal(outer: Message, recipient: WgKey) -> Message:
    """Body of a signalexchange.EncryptedMessage addressed to *recipient*."""
    return signal.Body.FromString(unseal(outer.body, recipient, outer.key))


# ---------------------------------------------------------------- small text and byte forms

def setup_key_hash(key: str) -> str:
    """2.3: base64(SHA-256(upper-cased key))."""
    return b64(hashlib.sha256(key.upper().encode()).digest())


def compact_prefix(text: str) -> bytes:
    """'100.64.0.7/32' -> 6440000720 (address bytes, then one byte of prefix length); host bits are kept."""
    net = ipaddress.ip_interface(text)
    return net.ip.packed + bytes([net.network.prefixlen])


def parse_compact_prefix(raw: bytes) -> str:
    """Inverse of compact_prefix()."""
    if len(raw) not in (5, 17):
        raise ValueError("compact prefix is 5 or 17 bytes")
    return f"{ipaddress.ip_address(raw[:-1])}/{raw[-1]}"


def turn_credentials(secret: str, expiry: int) -> tuple[str, str]:
    """2.5: (user, password) of a time-limited TURN credential."""
    user = str(expiry)
    return user, b64(hmac.new(secret.encode(), user.encode(), hashlib.sha1).digest())


# ---------------------------------------------------------------- relay protocol, 5

RELAY_VERSION = 1
RELAY_TRANSPORT, RELAY_CLOSE, RELAY_HEALTH, RELAY_AUTH, RELAY_AUTH_RESPONSE = 3, 4, 5, 6, 7
RELAY_SUBSCRIBE, RELAY_UNSUBSCRIBE, RELAY_ONLINE, RELAY_OFFLINE = 8, 9, 10, 11
RELAY_MAGIC = b"\x21\x12\xa4\x42"
RELAY_ID_SIZE = 36
RELAY_MAX_MESSAGE = 8820
RELAY_MAX_AUTH = 212
RELAY_MAX_AUTH_RESPONSE = 8192
RELAY_MAX_IDS = (RELAY_MAX_MESSAGE - 2) // RELAY_ID_SIZE
RELAY_TOKEN_HMAC_SHA256 = 1


class RelayFormatError(ValueError):
    """A relay message or token that cannot be decoded."""


def relay_peer_id(public_text: str) -> bytes:
    """5.3: 36 byte id from the key *text*."""
    return b"sha-" + hashlib.sha256(public_text.encode()).digest()


def relay_peer_id_text(peer_id: bytes) -> str:
    """Readable form of a peer id."""
    return "sha-" + b64(peer_id[4:])


def relay_token(secret: str, expiry: int) -> tuple[str, str]:
    """5.2: (tokenPayload, tokenSignature) as in RelayConfig."""
    payload = str(expiry)
    return payload, b64(hmac.new(hashlib.sha256(secret.encode()).digest(), payload.encode(), hashlib.sha256).digest())


def relay_token_wire(payload: str, signature: str) -> bytes:
    """Token bytes of the auth message from the two texts of RelayConfig."""
    return bytes([RELAY_TOKEN_HMAC_SHA256]) + base64.b64decode(signature) + payload.encode()


def relay_token_ok(secret: str, token: bytes, now: int) -> bool:
    """Server side check of a wire token."""
    if len(token) < 33 + 10 or token[0] != RELAY_TOKEN_HMAC_SHA256:
        return False
    good = hmac.new(hashlib.sha256(secret.encode()).digest(), token[33:], hashlib.sha256).digest()
    return hmac.compare_digest(good, token[1:33]) and token[33:].isdigit() and now <= int(token[33:])


@dataclass(frozen=True)
class RelayMessage:
    """One decoded relay message; only the fields of its kind are set."""
    kind: int
    peer_id: bytes = b""          # transport: destination or source; auth: own id
    payload: bytes = b""          # transport
    token: bytes = b""            # auth
    url: str = ""                 # auth response
    peer_ids: tuple[bytes, ...] = ()  # subscribe, unsubscribe, online, offline


def relay_encode(message: RelayMessage) -> bytes:
    """Bytes of one relay message (one WebSocket binary frame)."""
    head = bytes([RELAY_VERSION, message.kind])
    if message.kind == RELAY_TRANSPORT:
        return head + message.peer_id + message.payload
    if message.kind in (RELAY_CLOSE, RELAY_HEALTH):
        return head
    if message.kind == RELAY_AUTH:
        return head + RELAY_MAGIC + message.peer_id + message.token
    if message.kind == RELAY_AUTH_RESPONSE:
        return head + message.url.encode()
    return head + b"".join(message.peer_ids)


def relay_decode(data: bytes) -> RelayMessage:
    """Inverse of relay_encode(); RelayFormatError on a bad message, also on a bad version."""
    if len(data) < 2 or len(data) > RELAY_MAX_MESSAGE:
        raise RelayFormatError("length")
    version, kind, body = data[0], data[1], data[2:]
    if version != RELAY_VERSION:
        raise RelayFormatError(f"version {version}")
    if kind == RELAY_TRANSPORT:
        if len(body) < RELAY_ID_SIZE:
            raise RelayFormatError("transport without peer id")
        return RelayMessage(kind, peer_id=body[:RELAY_ID_SIZE], payload=body[RELAY_ID_SIZE:])
    if kind in (RELAY_CLOSE, RELAY_HEALTH):
        return RelayMessage(kind)
    if kind == RELAY_AUTH:
        if len(data) > RELAY_MAX_AUTH or len(body) < 4 + RELAY_ID_SIZE or body[:4] != RELAY_MAGIC:
            raise RelayFormatError("auth")
        return RelayMessage(kind, peer_id=body[4:4 + RELAY_ID_SIZE], token=body[4 + RELAY_ID_SIZE:])
    if kind == RELAY_AUTH_RESPONSE:
        if not body or len(data) > RELAY_MAX_AUTH_RESPONSE:
            raise RelayFormatError("auth response")
        return RelayMessage(kind, url=body.decode())
    if kind in (RELAY_SUBSCRIBE, RELAY_UNSUBSCRIBE, RELAY_ONLINE, RELAY_OFFLINE):
        if not body or len(body) % RELAY_ID_SIZE:
            raise RelayFormatError("peer id list")
        return RelayMessage(kind, peer_ids=tuple(body[i:i + RELAY_ID_SIZE] for i in range(0, len(body), RELAY_ID_SIZE)))
    raise RelayFormatError(f"type {kind}")


def relay_url_to_ws(url: str) -> str:
    """rel://h:p -> ws://h:p/relay, rels:// -> wss:// (5.1)."""
    scheme, rest = url.split("://", 1)
    return {"rel": "ws", "rels": "wss"}[scheme] + "://" + rest.rstrip("/") + "/relay"


# ---------------------------------------------------------------- signal payloads, 3.4

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CID = _LETTERS + "0123456789+/"


def random_letters(count: int, alphabet: str = _LETTERS) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(count))


def new_ice_credentials() -> tuple[str, str]:
    """(ufrag of 16, pwd of 32 letters)."""
    return random_letters(16), random_letters(32)


def new_candidate_id() -> str:
    return random_letters(32, _CID)


def credentials_payload(ufrag: str, pwd: str) -> str:
    """Payload of OFFER and ANSWER; ('', '') gives ':' = no ICE."""
    return f"{ufrag}:{pwd}"


def parse_credentials(payload: str) -> tuple[str, str]:
    """(ufrag, pwd); ValueError unless exactly one colon. Both empty = the peer has no ICE."""
    parts = payload.split(":")
    if len(parts) != 2:
        raise ValueError("credential payload needs exactly one colon")
    return parts[0], parts[1]


# ---------------------------------------------------------------- candidate line, 4.3

TYPE_PREFERENCE = {"host": 126, "prflx": 110, "srflx": 100, "relay": 0}


def candidate_priority(kind: str, local_preference: int = 65535, component: int = 1) -> int:
    """4.1: type << 24 | local preference << 8 | 256 - component."""
    return TYPE_PREFERENCE[kind] << 24 | local_preference << 8 | 256 - component


def foundation(kind: str, address: str) -> str:
    """Decimal CRC-32 of type, address and network type, as official programs compute it."""
    network = "udp6" if ":" in address else "udp4"
    return str(zlib.crc32((kind + address + network).encode()))


@dataclass
class Candidate:
    """One ICE candidate. Official clients send ``ufrag`` and ``cid``; ``extensions`` holds unknown pairs in order."""
    kind: str
    address: str
    port: int
    priority: int = 0
    foundation: str = ""
    component: int = 1
    raddr: str = ""
    rport: int = 0
    cid: str = ""
    ufrag: str = ""
    extensions: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.priority = self.priority or candidate_priority(self.kind)
        self.foundation = self.foundation or foundation(self.kind, self.address)

    def line(self) -> str:
        """Payload text of a CANDIDATE message."""
        text = f"{self.foundation} {self.component} udp {self.priority} {self.address} {self.port} typ {self.kind}"
        if self.raddr and self.rport:
            text += f" raddr {self.raddr} rport {self.rport}"
        if self.ufrag:
            text += f" ufrag {self.ufrag}"
        if self.cid:
            text += f" cid {self.cid}"
        return text + "".join(f" {k} {v}" for k, v in self.extensions)


def parse_candidate(line: str) -> Candidate:
    """Parse a candidate line with or without ``a=`` and ``candidate:``; ValueError on anything malformed."""
    text = line.strip()
    for prefix in ("a=", "candidate:"):
        text = text[len(prefix):] if text.startswith(prefix) else text
    words = text.split()
    if len(words) < 8 or words[6] != "typ" or words[7] not in TYPE_PREFERENCE:
        raise ValueError("candidate line: too short or no type")
    if words[2].lower() != "udp":
        raise ValueError("candidate line: transport " + words[2])
    component, priority, port = int(words[1]), int(words[3]), int(words[5])
    if component != 1 or not 0 <= priority < 1 << 32 or not 0 <= port < 65536:
        raise ValueError("candidate line: number out of range")
    ipaddress.ip_address(words[4])
    result = Candidate(words[7], words[4], port, priority, words[0], component)
    rest = words[8:]
    if len(rest) % 2:
        raise ValueError("candidate line: odd number of extension words")
    for key, value in zip(rest[::2], rest[1::2]):
        if key == "raddr":
            result.raddr = value
        elif key == "rport":
            result.rport = int(value)
        elif key == "cid":
            result.cid = value
        elif key == "ufrag":
            result.ufrag = value
        else:
            result.extensions.append((key, value))
    return result


def pair_priority(controlling: int, controlled: int) -> int:
    """RFC 8445 6.1.2.3."""
    return (min(controlling, controlled) << 32) + 2 * max(controlling, controlled) + (controlling > controlled)


# ---------------------------------------------------------------- STUN, RFC 5389 and 4.2

STUN_COOKIE = 0x2112A442
STUN_REQUEST, STUN_INDICATION, STUN_SUCCESS, STUN_ERROR = 0, 1, 2, 3
STUN_BINDING = 1
ATTR_MAPPED_ADDRESS, ATTR_USERNAME, ATTR_MESSAGE_INTEGRITY, ATTR_ERROR_CODE = 0x0001, 0x0006, 0x0008, 0x0009
ATTR_UNKNOWN_ATTRIBUTES, ATTR_REALM, ATTR_NONCE, ATTR_XOR_MAPPED_ADDRESS = 0x000A, 0x0014, 0x0015, 0x0020
ATTR_PRIORITY, ATTR_USE_CANDIDATE = 0x0024, 0x0025
ATTR_SOFTWARE, ATTR_FINGERPRINT, ATTR_ICE_CONTROLLED, ATTR_ICE_CONTROLLING = 0x8022, 0x8028, 0x8029, 0x802A
ATTR_NB_PAIR = 0x8100
_FINGERPRINT_XOR = 0x5354554E

Key = Union[bytes, str, None]


class StunError(ValueError):
    """Not a STUN message, or a malformed one."""


def looks_like_stun(data: bytes) -> bool:
    """Magic cookie in place and the two top bits clear."""
    return len(data) >= 20 and data[0] < 64 and data[4:8] == RELAY_MAGIC


def looks_like_wireguard(data: bytes) -> bool:
    """Message types 1-4 with zero reserved bytes, long enough for a transport message."""
    return len(data) >= 32 and 1 <= data[0] <= 4 and data[1:4] == b"\0\0\0"


def long_term_key(user: str, realm: str, password: str) -> bytes:
    """MD5(user:realm:password), key of long-term MESSAGE-INTEGRITY (TURN)."""
    return hashlib.md5(f"{user}:{realm}:{password}".encode()).digest()


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)


def xor_address(ip: str, port: int, txid: bytes) -> bytes:
    """Value of XOR-MAPPED-ADDRESS."""
    packed = ipaddress.ip_address(ip).packed
    mask = RELAY_MAGIC + txid
    return struct.pack(">BBH", 0, 1 if len(packed) == 4 else 2, port ^ STUN_COOKIE >> 16) + \
        bytes(a ^ b for a, b in zip(packed, mask))


def parse_address(value: bytes, txid: Optional[bytes] = None) -> tuple[str, int]:
    """(ip, port) of a (XOR-)MAPPED-ADDRESS value; pass txid for the XOR form."""
    if len(value) not in (8, 20):
        raise StunError("address length")
    port, packed = struct.unpack(">H", value[2:4])[0], value[4:]
    if txid is not None:
        port ^= STUN_COOKIE >> 16
        packed = bytes(a ^ b for a, b in zip(packed, RELAY_MAGIC + txid))
    return str(ipaddress.ip_address(packed)), port


@dataclass
class Stun:
    """A STUN message. ``attrs`` holds (type, value) pairs in order, without MESSAGE-INTEGRITY, FINGERPRINT and 0x8100.

    After stun_decode(): ``integrity`` is the 20 byte MAC or None, ``fingerprint_ok`` None/True/False,
    ``pair`` the text of attribute 0x8100 or "", ``raw`` the received bytes.
    """
    cls: int = STUN_REQUEST
    method: int = STUN_BINDING
    txid: bytes = field(default_factory=lambda: secrets.token_bytes(12))
    attrs: list[tuple[int, bytes]] = field(default_factory=list)
    integrity: Optional[bytes] = None
    fingerprint_ok: Optional[bool] = None
    pair: str = ""
    raw: bytes = b""
    _integrity_at: int = 0

    def get(self, kind: int) -> Optional[bytes]:
        """First value of an attribute, or None."""
        return next((v for k, v in self.attrs if k == kind), None)

    def add(self, kind: int, value: bytes = b"") -> "Stun":
        self.attrs.append((kind, value))
        return self

    @property
    def username(self) -> str:
        return (self.get(ATTR_USERNAME) or b"").decode("utf-8", "replace")

    @property
    def mapped(self) -> Optional[tuple[str, int]]:
        """XOR-MAPPED-ADDRESS, else MAPPED-ADDRESS, as (ip, port)."""
        value = self.get(ATTR_XOR_MAPPED_ADDRESS)
        if value is not None:
            return parse_address(value, self.txid)
        value = self.get(ATTR_MAPPED_ADDRESS)
        return parse_address(value) if value is not None else None

    @property
    def error(self) -> Optional[int]:
        value = self.get(ATTR_ERROR_CODE)
        return (value[2] & 7) * 100 + value[3] if value and len(value) >= 4 else None

    def integrity_ok(self, key: Key) -> bool:
        """Check MESSAGE-INTEGRITY by the RFC's length rule; bytes that follow it do not matter."""
        if self.integrity is None or key is None:
            return False
        key = key.encode() if isinstance(key, str) else key
        head = self.raw[:2] + struct.pack(">H", self._integrity_at - 20 + 24) + self.raw[4:self._integrity_at]
        return hmac.compare_digest(hmac.new(key, head, hashlib.sha1).digest(), self.integrity)

    def encode(self, key: Key = None, fingerprint: bool = True, pair: Optional[str] = None) -> bytes:
        """Bytes on the wire; *key* adds MESSAGE-INTEGRITY, *pair* appends 0x8100 after FINGERPRINT (4.2)."""
        body = b"".join(_attribute(k, v) for k, v in self.attrs)
        first = (self.method & 0xF80) << 2 | (self.method & 0x70) << 1 | self.method & 0xF | \
            (self.cls & 2) << 7 | (self.cls & 1) << 4
        tail = RELAY_MAGIC + self.txid

        def head(extra: int) -> bytes:
            return struct.pack(">HH", first, len(body) + extra) + tail
        if key is not None:
            key = key.encode() if isinstance(key, str) else key
            body += _attribute(ATTR_MESSAGE_INTEGRITY, hmac.new(key, head(24) + body, hashlib.sha1).digest())
        if fingerprint:
            body += _attribute(ATTR_FINGERPRINT, struct.pack(">I", zlib.crc32(head(8) + body) ^ _FINGERPRINT_XOR))
        if pair:
            body += _attribute(ATTR_NB_PAIR, pair.encode())
        return head(0) + body


def stun_decode(data: bytes) -> Stun:
    """Decode; attribute 0x8100 behind FINGERPRINT is taken off before the fingerprint is checked. StunError if malformed."""
    if not looks_like_stun(data):
        raise StunError("not STUN")
    first, length = struct.unpack(">HH", data[:4])
    if length % 4 or 20 + length != len(data):
        raise StunError("length")
    method = first & 0xF | (first & 0xE0) >> 1 | (first & 0x3E00) >> 2
    result = Stun((first >> 4 & 1) | (first >> 7 & 2), method, data[8:20], raw=bytes(data))
    at = 20
    while at < len(data):
        if at + 4 > len(data):
            raise StunError("attribute header")
        kind, size = struct.unpack(">HH", data[at:at + 4])
        value = data[at + 4:at + 4 + size]
        if len(value) != size:
            raise StunError("attribute length")
        if kind == ATTR_MESSAGE_INTEGRITY and result.integrity is None:
            if size != 20:
                raise StunError("MESSAGE-INTEGRITY length")
            result.integrity, result._integrity_at = value, at
        elif kind == ATTR_FINGERPRINT:
            if size != 4:
                raise StunError("FINGERPRINT length")
            cut = data[:2] + struct.pack(">H", at + 8 - 20) + data[4:at]
            result.fingerprint_ok = struct.unpack(">I", value)[0] == zlib.crc32(cut) ^ _FINGERPRINT_XOR
        elif kind == ATTR_NB_PAIR:
            result.pair = value.decode("ascii", "replace")
        elif result.integrity is None:  # RFC 5389 15.4: what follows MESSAGE-INTEGRITY is not authenticated
            result.attrs.append((kind, value))
        at += 4 + size + -size % 4
    return result


def binding_request(receiver_ufrag: str, sender_ufrag: str, priority: int, controlling: bool, tie_breaker: int,
                    use_candidate: bool = False, txid: Optional[bytes] = None) -> Stun:
    """ICE check; encode it with key = receiver's pwd."""
    message = Stun(STUN_REQUEST, txid=txid or secrets.token_bytes(12))
    message.add(ATTR_USERNAME, f"{receiver_ufrag}:{sender_ufrag}".encode())
    if use_candidate:
        message.add(ATTR_USE_CANDIDATE)
    message.add(ATTR_ICE_CONTROLLING if controlling else ATTR_ICE_CONTROLLED, struct.pack(">Q", tie_breaker))
    return message.add(ATTR_PRIORITY, struct.pack(">I", priority))


def binding_success(request: Stun, ip: str, port: int) -> Stun:
    """Answer to a Binding request seen from ip:port; encode it with key = own pwd (or none for a STUN server)."""
    return Stun(STUN_SUCCESS, request.method, request.txid).add(ATTR_XOR_MAPPED_ADDRESS, xor_address(ip, port, request.txid))


def binding_error(request: Stun, code: int, reason: str = "") -> Stun:
    """Error response."""
    return Stun(STUN_ERROR, request.method, request.txid).add(
        ATTR_ERROR_CODE, struct.pack(">HBB", 0, code // 100, code % 100) + reason.encode())


def ids(parts: Iterable[str]) -> list[bytes]:
    """Relay ids of several public key texts."""
    return [relay_peer_id(p) for p in parts]
