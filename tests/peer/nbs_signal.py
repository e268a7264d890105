# SPDX-License-Identifier: GPL-3.0-or-later
"""The test server's signal service."""
from __future__ import annotations

import asyncio
import random
import time

import grpc

import nbwire as w
from nbwire import signal as spb
from nbs_account import CODE, CommandError
from nbs_grpc import GrpcService


class SignalStream:
    def __init__(self, key, context, conn):
        self.key, self.context, self.conn, self.lock, self.gone = key, context, conn, asyncio.Lock(), asyncio.Event()
        self.since, self.delivered = time.time(), 0


class Signal(GrpcService):
    name = "signal"
    min_ping_ms = 5000

    def __init__(self, srv, port):
        super().__init__(srv, port)
        self.streams: dict[str, SignalStream] = {}
        self.rules: list[dict] = []      # {"from","to","drop","delay","dup","count"}
        self.loopback = True
        self.header = True

    def handlers(self):
        same = lambda b: b
        return grpc.method_handlers_generic_handler("signalexchange.SignalExchange", {
            "Send": grpc.unary_unary_rpc_method_handler(self.send, same, same),
            "ConnectStream": grpc.stream_stream_rpc_method_handler(self.connect, same, same)})

    async def connect(self, _requests, context):
        md = dict(context.invocation_metadata())
        key = md.get(w.SIGNAL_ID_HEADER)
        if key is None:
            await context.abort(CODE.FAILED_PRECONDITION, "missing connection header: " + w.SIGNAL_ID_HEADER)
        await self.guard("ConnectStream", key, context)
        s = SignalStream(key, context, self.front.conn_of(context.peer()))
        old = self.streams.get(key)
        self.streams[key] = s
        if old:
            old.gone.set()
        try:
            await context.send_initial_metadata(((w.SIGNAL_REGISTERED_HEADER, "1"),) if self.header else ())
            self.srv.event("signal_open", peer=self.srv.name_of(key), replaced=bool(old))
            await s.gone.wait()
        finally:
            if self.streams.get(key) is s:
                del self.streams[key]
            self.srv.event("signal_close", peer=self.srv.name_of(key))
        await context.abort(CODE.UNKNOWN, "peer registered again")

    async def send(self, raw: bytes, context) -> bytes:
        try:
            m = spb.EncryptedMessage.FromString(raw)
        except Exception:
            await context.abort(CODE.INTERNAL, "grpc: error unmarshalling request")
        await self.guard("Send", m.key, context)
        name = self.srv.name_of
        self.srv.event("signal_msg", frm=name(m.key), to=name(m.remoteKey), size=len(m.body), loop=m.key == m.remoteKey)
        times = 1
        if m.key == m.remoteKey and not self.loopback:
            return b""
        for r in self.rules:
            if self.match(r.get("from"), m.key) and self.match(r.get("to"), m.remoteKey) and r.get("count", -1) != 0:
                r["count"] = r.get("count", -1) - 1
                if random.random() < r.get("drop", 0):
                    return b""
                times += r.get("dup", 0)
                if r.get("delay"):
                    asyncio.ensure_future(self.later(r["delay"], m.remoteKey, raw, times))
                    return b""
                break
        await self.deliver(m.remoteKey, raw, times)
        return b""

    def match(self, ref, key) -> bool:
        if not ref:
            return True
        try:
            return self.srv.account.ref(ref).key == key
        except CommandError:
            return ref == key

    async def later(self, delay, key, raw, times):
        await asyncio.sleep(delay)
        await self.deliver(key, raw, times)

    async def deliver(self, key: str, raw: bytes, times: int = 1) -> None:
        s = self.streams.get(key)
        if not s:
            return
        for _ in range(times):
            try:
                async with s.lock:
                    await asyncio.wait_for(s.context.write(raw), 10)
                s.delivered += 1
            except asyncio.TimeoutError:
                s.gone.set()
                return
            except Exception as e:      # the stream ended under our hands
                self.srv.event("signal_lost", to=self.srv.name_of(key), error=repr(e))
                return
