# SPDX-License-Identifier: GPL-3.0-or-later
"""The test server's relay (WebSocket) and STUN."""
from __future__ import annotations

import asyncio
import hashlib
import random
import socket
import ssl
import struct
import time
from typing import Optional

import nbwire as w


class RelayConn(asyncio.Protocol):
    """One WebSocket connection. Own framing, so that odd frames can be treated as the official server treats them."""

    def __init__(self, relay: "Relay"):
        self.relay, self.srv = relay, relay.srv
        self.buf = bytearray()
        self.stage = "http"
        self.id: Optional[bytes] = None
        self.online, self.offline = set(), set()
        self.tasks, self.blocked = [], set()
        self.partial = ""
        self.acked = self.closing = self.paused = self.held = False
        self.rx = self.tx = 0
        self.since = time.time()

    # -- asyncio

    def connection_made(self, transport):
        self.t = transport
        self.addr = transport.get_extra_info("peername") or ("?", 0)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(high=262144)
        self.relay.conns.add(self)
        self.timer = asyncio.get_running_loop().call_later(5, self.drop)

    def connection_lost(self, exc):
        self.relay.conns.discard(self)
        self.timer.cancel()
        for t in self.tasks:
            t.cancel()
        self.resume_writing()
        self.relay.left(self)

    def pause_writing(self):
        self.paused = True

    def resume_writing(self):
        self.paused = False
        for c in self.blocked:
            if not c.t.is_closing():
                c.t.resume_reading()
        self.blocked.clear()

    def data_received(self, data):
        if self.held:
            return
        self.buf += data
        if self.stage == "http":
            i = self.buf.find(b"\r\n\r\n")
            if i < 0:
                if len(self.buf) > 65536:
                    self.drop()
                return
            head, self.buf = bytes(self.buf[:i]), self.buf[i + 4:]
            if not self.upgrade(head):
                return
        while self.frame():
            pass

    # -- HTTP

    def upgrade(self, head: bytes) -> bool:
        lines = head.decode("latin-1").split("\r\n")
        parts = lines[0].split(" ")
        h = {}
        for ln in lines[1:]:
            k, _, v = ln.partition(":")
            h[k.strip().lower()] = v.strip()

        def refuse(status):
            self.t.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            self.t.close()
            return False
        if len(parts) != 3 or parts[1].split("?")[0] != "/relay":
            return refuse("404 Not Found")
        if "websocket" not in h.get("upgrade", "").lower() or "sec-websocket-key" not in h:
            return refuse("426 Upgrade Required")
        if self.relay.refuse:
            return refuse(self.relay.refuse)
        acc = w.b64(hashlib.sha1(h["sec-websocket-key"].encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        self.t.write(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {acc}\r\n\r\n".encode())
        self.stage = "auth"
        self.timer.cancel()
        self.timer = asyncio.get_running_loop().call_later(10, self.drop)
        return True

    # -- frames

    def frame(self) -> bool:
        b = self.buf
        if self.closing or len(b) < 2:
            return False
        op, fin, masked, n, i = b[0] & 15, b[0] >> 7, b[1] >> 7, b[1] & 127, 2
        if n == 126:
            if len(b) < 4:
                return False
            n, i = struct.unpack_from(">H", b, 2)[0], 4
        elif n == 127:
            if len(b) < 10:
                return False
            n, i = struct.unpack_from(">Q", b, 2)[0], 10
        if n > 1 << 20 or not masked or b[0] & 0x70:
            self.close_frame(1002)
            return False
        if len(b) < i + 4 + n:
            return False
        key, data = b[i:i + 4], bytes(b[i + 4:i + 4 + n])
        del b[:i + 4 + n]
        if n:
            k = int.from_bytes((bytes(key) * (n // 4 + 1))[:n], "big")
            data = (int.from_bytes(data, "big") ^ k).to_bytes(n, "big")
        if op == 9:
            self.ws(data, 10)
        elif op == 10:
            pass
        elif op == 8:
            self.close_frame(struct.unpack(">H", data[:2])[0] if len(data) >= 2 else 1000)
        elif op == 2 and not self.partial:
            if not fin:
                self.partial = "fragment"
            if len(data) > (w.RELAY_MAX_MESSAGE if self.stage == "up" else w.RELAY_MAX_AUTH):
                data, self.partial = data[:w.RELAY_MAX_MESSAGE], "long"   # one read of a fixed buffer, the rest stays unread
            self.message(data)
        elif op == 0 and self.partial == "fragment":
            self.partial = "rest unread"
        elif op == 1:
            self.drop()
        else:
            self.close_frame(1002) if self.partial == "long" else self.drop()
        return not self.closing

    def ws(self, data: bytes, op: int = 2, fin: int = 1) -> None:
        if self.t.is_closing() or self.held:
            return
        n = len(data)
        h = bytes([fin << 7 | op, n]) if n < 126 else struct.pack(">BBH", fin << 7 | op, 126, n) if n < 65536 else struct.pack(">BBQ", fin << 7 | op, 127, n)
        self.t.write(h + data)
        self.tx += n

    def close_frame(self, code: int) -> None:
        self.ws(struct.pack(">H", code), 8)
        self.drop()

    def drop(self, rst: bool = False) -> None:
        """End without a WebSocket close frame, as the official server does."""
        self.closing = True
        self.t.abort() if rst else self.t.close()

    def send(self, kind: int, **kw) -> None:
        self.ws(w.relay_encode(w.RelayMessage(kind, **kw)))

    # -- messages

    def message(self, m: bytes) -> None:
        self.rx += len(m)
        if len(m) < 2 or m[0] != w.RELAY_VERSION or m[1] not in (w.RELAY_AUTH, w.RELAY_TRANSPORT, w.RELAY_CLOSE, w.RELAY_HEALTH, w.RELAY_SUBSCRIBE, w.RELAY_UNSUBSCRIBE):
            return self.drop()
        if self.stage == "auth":
            return self.auth(m)
        kind = m[1]
        if kind == w.RELAY_TRANSPORT:
            self.relay.transport(self, m)
        elif kind == w.RELAY_HEALTH:
            self.acked = True
        elif kind == w.RELAY_CLOSE:
            self.drop()
        elif kind in (w.RELAY_SUBSCRIBE, w.RELAY_UNSUBSCRIBE) and (len(m) - 2) % w.RELAY_ID_SIZE == 0:
            ids = [m[i:i + w.RELAY_ID_SIZE] for i in range(2, len(m), w.RELAY_ID_SIZE)]
            if kind == w.RELAY_UNSUBSCRIBE:
                self.online -= set(ids)
                self.offline -= set(ids)
            else:
                self.online |= set(ids)
                self.offline |= set(ids)
                self.list(w.RELAY_ONLINE, [i for i in ids if i in self.relay.peers])

    def list(self, kind: int, ids: list) -> None:
        for i in range(0, len(ids), w.RELAY_MAX_IDS):
            self.send(kind, peer_ids=tuple(ids[i:i + w.RELAY_MAX_IDS]))

    def auth(self, m: bytes) -> None:
        why = ""
        if m[1] != w.RELAY_AUTH or len(m) < 42 or m[2:6] != w.RELAY_MAGIC or self.partial == "long":
            why = "malformed"
        elif self.relay.reject or not w.relay_token_ok(self.srv.cfg.relay_secret, m[42:], int(time.time())):
            why = "token"
        if why:
            self.srv.event("relay_auth", ok=False, why=why, addr=self.addr[0])
            return self.drop()
        self.id, self.stage = m[6:42], "up"
        self.timer.cancel()
        self.relay.joined(self)
        self.srv.event("relay_auth", ok=True, peer=self.srv.relay_name(self.id), addr=self.addr[0])
        self.send(w.RELAY_AUTH_RESPONSE, url=self.relay.instance_url())
        self.tasks = [asyncio.ensure_future(self.health()), asyncio.ensure_future(self.watch())]

    async def health(self):
        while True:
            await asyncio.sleep(self.srv.cfg.relay_health)
            if self.relay.health:
                self.send(w.RELAY_HEALTH)

    async def watch(self):
        while True:
            await asyncio.sleep(self.srv.cfg.relay_health + self.srv.cfg.relay_health_timeout)
            if not self.acked:
                self.srv.event("relay_timeout", peer=self.srv.relay_name(self.id))
                return self.drop()
            self.acked = False


class Relay:
    name = "relay"

    def __init__(self, srv: "NBServer", port: int):
        self.srv, self.cfg, self.port = srv, srv.cfg, port
        self.server = None
        self.conns: set[RelayConn] = set()
        self.peers: dict[bytes, RelayConn] = {}
        self.health, self.reject, self.refuse, self.loss, self.delay, self.url = True, False, "", 0.0, 0.0, ""
        self.forwarded = 0

    @property
    def running(self) -> bool:
        return self.server is not None

    def instance_url(self) -> str:
        return self.url or f"{'rels' if self.cfg.tls else 'rel'}://{self.cfg.host}:{self.port}"

    async def start(self) -> None:
        if self.server:
            return
        ctx = None
        if self.cfg.tls:
            ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            ctx.load_cert_chain(self.cfg.tls_cert, self.cfg.tls_key)
        self.server = await asyncio.get_running_loop().create_server(lambda: RelayConn(self), self.cfg.listen_ip, self.port, ssl=ctx, reuse_address=True)
        self.port = self.server.sockets[0].getsockname()[1]
        self.srv.event("service_up", service=self.name, port=self.port)

    async def stop(self, how: str = "kill") -> None:
        if not self.server:
            return
        self.server.close()
        self.server = None
        for c in list(self.conns):
            if how == "graceful":
                c.send(w.RELAY_CLOSE)
            c.drop(rst=how == "rst")
        self.srv.event("service_down", service=self.name)

    def joined(self, c: RelayConn) -> None:
        old = self.peers.get(c.id)
        self.peers[c.id] = c
        if old:
            old.drop()
        for o in self.peers.values():
            if c.id in o.online:
                o.online.discard(c.id)
                o.send(w.RELAY_ONLINE, peer_ids=(c.id,))

    def left(self, c: RelayConn) -> None:
        if c.id is None or self.peers.get(c.id) is not c:
            return
        del self.peers[c.id]
        self.srv.event("relay_left", peer=self.srv.relay_name(c.id))
        for o in self.peers.values():
            if c.id in o.offline:
                o.send(w.RELAY_OFFLINE, peer_ids=(c.id,))

    def transport(self, src: RelayConn, m: bytes) -> None:
        dst = self.peers.get(m[2:38]) if len(m) >= 38 else None
        if not dst or (self.loss and random.random() < self.loss):
            return
        out = m[:2] + src.id + m[38:]
        self.forwarded += 1
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, dst.ws, out)
            return
        dst.ws(out)
        if dst.paused and dst is not src:      # a slow receiver holds back its senders
            src.t.pause_reading()
            dst.blocked.add(src)


# ---------------------------------------------------------------- STUN

class Stun(asyncio.DatagramProtocol):
    """Binding responder: XOR-MAPPED-ADDRESS and FINGERPRINT; ignores everything but well-formed Binding requests."""
    name = "stun"

    def __init__(self, srv: "NBServer", port: int):
        self.srv, self.cfg, self.port = srv, srv.cfg, port
        self.t = None
        self.loss, self.delay, self.lie, self.requests = 0.0, 0.0, "", 0

    @property
    def running(self) -> bool:
        return self.t is not None

    async def start(self) -> None:
        if self.t:
            return
        self.t, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=(self.cfg.listen_ip, self.port))
        self.port = self.t.get_extra_info("sockname")[1]
        self.srv.event("service_up", service=self.name, port=self.port)

    async def stop(self, how: str = "kill") -> None:
        if self.t:
            self.t.close()
            self.t = None
            self.srv.event("service_down", service=self.name)

    def connection_made(self, transport):
        pass

    def error_received(self, exc):
        pass

    def datagram_received(self, data, addr):
        if len(data) < 20 or data[4:8] != w.RELAY_MAGIC:
            return
        kind, size = struct.unpack(">HH", data[:4])
        end = 20 + size
        if kind != 1 or end > len(data):
            return
        at = 20
        while at < end:
            if at + 4 > end or at + 4 + struct.unpack(">H", data[at + 2:at + 4])[0] > end:
                return
            n = struct.unpack(">H", data[at + 2:at + 4])[0]
            at += 4 + n + -n % 4
        self.requests += 1
        if self.loss and random.random() < self.loss:
            return
        ip, port = addr[:2]
        if self.lie:
            ip, port = self.lie.rsplit(":", 1)
        out = w.binding_success(w.Stun(txid=data[8:20]), ip, int(port)).encode(fingerprint=True)
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, lambda: self.t and self.t.sendto(out, addr))
        else:
            self.t.sendto(out, addr)
