# SPDX-License-Identifier: GPL-3.0-or-later
"""The test server's gRPC services behind a TCP front that can freeze, cut and refuse connections."""
from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
from typing import Optional

import grpc

from nbs_account import CODE, CommandError


class FrontConn:
    """One client connection, piped to the gRPC server behind."""

    def __init__(self, front: "Front", reader, writer):
        self.front, self.cr, self.cw = front, reader, writer
        self.peer = writer.get_extra_info("peername") or ("?", 0)
        self.since = time.time()
        self.sw = None
        self.open = asyncio.Event()
        self.open.set()
        self.held = False
        self.rx = self.tx = 0

    async def run(self) -> None:
        try:
            sr, self.sw = await asyncio.open_connection("127.0.0.1", self.front.backend)
        except OSError:
            self.cw.transport.abort()
            return
        self.port = self.sw.get_extra_info("sockname")[1]
        self.front.by_port[self.port] = self
        try:
            await asyncio.gather(self.pipe(self.cr, self.sw, "rx"), self.pipe(sr, self.cw, "tx"))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self.front.by_port.pop(self.port, None)
            for x in (self.cw, self.sw):
                x.close()

    async def pipe(self, r, wr, counter) -> None:
        while True:
            data = await r.read(65536)
            await self.open.wait()
            if not data:
                if self.held:      # a black hole does not even say goodbye
                    await asyncio.Event().wait()
                break
            setattr(self, counter, getattr(self, counter) + len(data))
            if self.front.delay:
                await asyncio.sleep(self.front.delay)
            wr.write(data)
            await wr.drain()
        # either side ended: the other ends too
        for x in (self.cw, self.sw):
            x.close()

    def hold(self, on: bool) -> None:
        """Black hole: the TCP connection stays, nothing passes any more in either direction."""
        self.held = on
        self.open.clear() if on else self.open.set()

    def kill(self, rst: bool) -> None:
        if rst:
            sock = self.cw.get_extra_info("socket")
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass
            self.cw.transport.abort()
        else:
            self.cw.close()
        if self.sw:
            self.sw.transport.abort()


class Front:
    """Listens where clients connect. Lets a test cut, freeze or refuse connections below gRPC, and knows the client's address."""

    def __init__(self, ip: str, port: int):
        self.ip, self.port, self.backend, self.delay = ip, port, 0, 0.0
        self.conns: set[FrontConn] = set()
        self.by_port: dict[int, FrontConn] = {}
        self.server = None
        self.hold_new = False

    async def start(self, backend: int) -> None:
        self.backend = backend
        self.server = await asyncio.start_server(self.accept, self.ip, self.port, reuse_address=True)
        self.port = self.server.sockets[0].getsockname()[1]

    async def accept(self, reader, writer) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        c = FrontConn(self, reader, writer)
        if self.hold_new:
            c.hold(True)
        self.conns.add(c)
        try:
            await c.run()
        finally:
            self.conns.discard(c)

    async def stop(self, rst: bool = False) -> None:
        if self.server:
            self.server.close()
            self.server = None
        for c in list(self.conns):
            c.kill(rst)

    def conn_of(self, context_peer: str) -> Optional[FrontConn]:
        m = re.match(r"ipv4:127\.0\.0\.1:(\d+)$", context_peer)
        return self.by_port.get(int(m.group(1))) if m else None


GRPC_OPTIONS = [("grpc.so_reuseport", 0), ("grpc.keepalive_time_ms", 5000), ("grpc.keepalive_timeout_ms", 2000), ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.max_pings_without_data", 0), ("grpc.max_connection_idle_ms", 15000), ("grpc.max_connection_age_grace_ms", 5000)]


class GrpcService:
    """A gRPC server behind a Front. Subclasses list their methods."""
    name = ""
    min_ping_ms = 15000

    def __init__(self, srv: "NBServer", port: int):
        self.srv, self.cfg = srv, srv.cfg
        self.front = Front(self.cfg.listen_ip, port)
        self.server = None

    @property
    def running(self) -> bool:
        return self.server is not None

    @property
    def port(self) -> int:
        return self.front.port

    def handlers(self):
        raise NotImplementedError

    async def start(self) -> None:
        if self.server:
            return
        self.server = grpc.aio.server(options=GRPC_OPTIONS + [("grpc.http2.min_recv_ping_interval_without_data_ms", self.min_ping_ms)])
        self.server.add_generic_rpc_handlers((self.handlers(),))
        if self.cfg.tls:
            cred = grpc.ssl_server_credentials([(open(self.cfg.tls_key, "rb").read(), open(self.cfg.tls_cert, "rb").read())])
            backend = self.server.add_secure_port("127.0.0.1:0", cred)
        else:
            backend = self.server.add_insecure_port("127.0.0.1:0")
        await self.server.start()
        await self.front.start(backend)
        self.srv.event("service_up", service=self.name, port=self.front.port)

    async def stop(self, how: str = "kill") -> None:
        if not self.server:
            return
        server, self.server = self.server, None
        if how == "graceful":          # GOAWAY, then the rest
            if self.front.server:
                self.front.server.close()
            await server.stop(0.2)
            await self.front.stop()
        else:
            await self.front.stop(rst=how == "rst")
            await server.stop(None)
        self.srv.event("service_down", service=self.name)

    def client_ip(self, context) -> str:
        c = self.front.conn_of(context.peer())
        return c.peer[0] if c else "127.0.0.1"

    # -- faults

    async def guard(self, method: str, key: str, context) -> Optional[dict]:
        """Apply the first matching fault; returns it if the caller has to finish the job."""
        f = self.srv.take_fault(method, key)
        if not f:
            return None
        if f.get("delay"):
            await asyncio.sleep(f["delay"])
        if f.get("hang"):
            await asyncio.Event().wait()
        if f.get("code") is not None:
            await context.abort(to_code(f["code"]), f.get("details", ""))
        return f


def outer(cls):
    """Deserializer that leaves garbage to the handler (None), as grpcio would answer it with another status than grpc-go."""
    def decode(raw: bytes):
        try:
            return cls.FromString(raw)
        except Exception:
            return None
    return decode


def to_code(code) -> grpc.StatusCode:
    if isinstance(code, grpc.StatusCode):
        return code
    for c in CODE:
        if c.value[0] == code or c.name == code:
            return c
    raise CommandError(f"bad status code {code}")
