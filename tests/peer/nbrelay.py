#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Client of the relay protocol over WebSocket (protocol.md 5). asyncio."""
from __future__ import annotations

import asyncio
import ssl
import time
from typing import Callable, Optional

import websockets

import nbwire as w

HANDSHAKE_TIMEOUT = 8.0
SERVER_SILENCE = 35.0
OPEN_TIMEOUT = 30.0
EARLY_LIFETIME = 5.0


class RelayError(RuntimeError):
    """Connecting, authenticating or waiting for a peer failed."""


class RelayClient:
    """One connection to one relay server.

    ``on_payload(peer_text, bytes)`` gets packets of opened peers, ``on_peer_offline(peer_text)`` the server's notices,
    ``on_closed(reason)`` the end of the connection. All run on the event loop. ``log`` keeps (direction, RelayMessage)
    of everything but transport messages and health checks.
    """

    def __init__(self, url: str, key: w.WgKey, token: bytes, on_payload: Callable[[str, bytes], None],
                 on_peer_offline: Callable[[str], None] = lambda peer: None, on_closed: Callable[[str], None] = lambda why: None,
                 ca_file: Optional[str] = None, connect_ip: str = "", answer_health: bool = True):
        self.url, self.key, self.token = url, key, token
        self.on_payload, self.on_peer_offline, self.on_closed = on_payload, on_peer_offline, on_closed
        self.ca_file, self.connect_ip, self.answer_health = ca_file, connect_ip, answer_health
        self.instance_url = ""
        self.remote_ip = ""
        self.log: list[tuple[str, w.RelayMessage]] = []
        self.health_checks = 0
        self.peers: dict[bytes, str] = {}
        self._waiting: dict[bytes, asyncio.Event] = {}
        self._early: dict[bytes, tuple[float, bytes]] = {}
        self._ws = None
        self._last = 0.0
        self._tasks: list[asyncio.Task] = []

    @property
    def connected(self) -> bool:
        return bool(self.instance_url) and self._ws is not None and self._ws.open

    async def connect(self) -> str:
        """Connect and authenticate; returns the server's instance URL. RelayError when refused."""
        ws_url = w.relay_url_to_ws(self.url)
        options: dict = {"compression": None, "max_size": w.RELAY_MAX_MESSAGE, "ping_interval": None, "open_timeout": 30,
                         "close_timeout": 1, "max_queue": None}
        if ws_url.startswith("wss:"):
            options["ssl"] = ssl.create_default_context(cafile=self.ca_file)
        if self.connect_ip:
            options["host"] = self.connect_ip
        try:
            self._ws = await websockets.connect(ws_url, **options)
            self.remote_ip = self._ws.remote_address[0]
            await self.send(w.RelayMessage(w.RELAY_AUTH, peer_id=w.relay_peer_id(self.key.text), token=self.token))
            data = await asyncio.wait_for(self._ws.recv(), HANDSHAKE_TIMEOUT)
            answer = w.relay_decode(data) if isinstance(data, bytes) else None
        except (OSError, asyncio.TimeoutError, websockets.WebSocketException, ValueError) as error:
            await self._drop()
            raise RelayError(f"{type(error).__name__}: {error}") from error
        if answer is None or answer.kind != w.RELAY_AUTH_RESPONSE:
            await self._drop()
            raise RelayError("no auth response")
        self.log.append(("in", answer))
        self.instance_url, self._last = answer.url, time.monotonic()
        self._tasks = [asyncio.ensure_future(self._receive()), asyncio.ensure_future(self._watch())]
        return self.instance_url

    async def close(self) -> None:
        """Say goodbye (message 4) and close."""
        for task in self._tasks:
            task.cancel()
        if self.connected:
            try:
                await self.send(w.RelayMessage(w.RELAY_CLOSE))
            except websockets.WebSocketException:
                pass
        await self._drop()

    async def _drop(self) -> None:
        self.instance_url = ""
        if self._ws is not None:
            await self._ws.close()

    async def send(self, message: w.RelayMessage) -> None:
        """Send any relay message."""
        if message.kind not in (w.RELAY_TRANSPORT, w.RELAY_HEALTH):
            self.log.append(("out", message))
        await self._ws.send(w.relay_encode(message))

    async def open_peer(self, peer_text: str, timeout: float = OPEN_TIMEOUT) -> None:
        """Subscribe to a peer and wait until the server says it is online; RelayError (and unsubscribe) after *timeout*."""
        peer_id = w.relay_peer_id(peer_text)
        if peer_id in self.peers:
            return
        self.peers[peer_id] = peer_text
        event = self._waiting[peer_id] = asyncio.Event()
        stamp, payload = self._early.pop(peer_id, (0.0, b""))
        if payload and time.monotonic() - stamp < EARLY_LIFETIME:
            self.on_payload(peer_text, payload)
        try:
            await self.send(w.RelayMessage(w.RELAY_SUBSCRIBE, peer_ids=(peer_id,)))
            await asyncio.wait_for(event.wait(), timeout)
        except asyncio.TimeoutError:
            await self.close_peer(peer_text)
            raise RelayError("peer did not come online") from None
        except asyncio.CancelledError:
            self.peers.pop(peer_id, None)
            raise
        finally:
            self._waiting.pop(peer_id, None)

    async def close_peer(self, peer_text: str) -> None:
        """Unsubscribe and forget a peer."""
        peer_id = w.relay_peer_id(peer_text)
        if self.peers.pop(peer_id, None) is not None and self.connected:
            await self.send(w.RelayMessage(w.RELAY_UNSUBSCRIBE, peer_ids=(peer_id,)))

    def transport(self, peer_text: str, payload: bytes) -> None:
        """Queue one packet to a peer."""
        if self.connected:
            asyncio.ensure_future(self._transport(w.RelayMessage(w.RELAY_TRANSPORT, peer_id=w.relay_peer_id(peer_text),
                                                                 payload=payload)))

    async def _transport(self, message: w.RelayMessage) -> None:
        try:
            await self.send(message)
        except websockets.WebSocketException:
            pass

    async def _receive(self) -> None:
        why = "closed"
        try:
            async for data in self._ws:
                if not isinstance(data, bytes):
                    why = "text message"
                    break
                try:
                    message = w.relay_decode(data)
                except w.RelayFormatError:
                    continue
                if message.kind == w.RELAY_CLOSE:
                    why = "close message"
                    break
                await self._handle(message)
        except websockets.ConnectionClosed as error:
            why = str(error)
        await self._drop()
        self.on_closed(why)

    async def _handle(self, message: w.RelayMessage) -> None:
        if message.kind == w.RELAY_TRANSPORT:
            peer = self.peers.get(message.peer_id)
            if peer is None:
                self._early[message.peer_id] = (time.monotonic(), message.payload)
            else:
                self.on_payload(peer, message.payload)
            return
        if message.kind == w.RELAY_HEALTH:
            self._last = time.monotonic()
            self.health_checks += 1
            if self.answer_health:
                await self.send(message)
            return
        self.log.append(("in", message))
        for peer_id in message.peer_ids:
            if message.kind == w.RELAY_ONLINE and peer_id in self._waiting:
                self._waiting[peer_id].set()
            elif message.kind == w.RELAY_OFFLINE and peer_id in self.peers:
                peer = self.peers[peer_id]
                await self.close_peer(peer)
                self.on_peer_offline(peer)

    async def _watch(self) -> None:
        while time.monotonic() - self._last < SERVER_SILENCE:
            await asyncio.sleep(5)
        await self._drop()
