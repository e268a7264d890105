#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Client of the signal service (protocol.md 3). Threads on grpcio; callbacks run on the receive thread."""
from __future__ import annotations

import threading
import time
from typing import Callable, Optional

import grpc

import nbwire as w
from nbmgmt import open_channel
from nbwire import signal

SEND_TIMEOUTS = (10, 10, 10, 15)


class NotRegistered(RuntimeError):
    """The stream came up without the registration header, or no header came at all."""


class SignalClient:
    """Receive stream, sender and receive watchdog.

    ``on_message(body, sender_text)`` gets every decrypted message except heartbeats; ``on_state(name)`` gets
    'registered', 'lost:<reason>' and 'stalled' (watchdog). ``stats`` counts received, heartbeats and undecryptable ones.
    """

    def __init__(self, target: str, tls: bool, key: w.WgKey, on_message: Callable, on_state: Optional[Callable[[str], None]] = None,
                 ca_file: Optional[str] = None, idle: float = 30, probe_timeout: float = 10, tick: float = 10):
        self.key, self.on_message, self.on_state = key, on_message, on_state or (lambda name: None)
        self.idle, self.probe_timeout, self.tick = idle, probe_timeout, tick
        self.channel = open_channel(target, tls, ca_file)
        self.registered = threading.Event()
        self.stats = {"received": 0, "heartbeats": 0, "undecryptable": 0, "streams": 0}
        self._stop = threading.Event()
        self._call: Optional[grpc.Call] = None
        self._last = 0.0

    # -- sending
    def send(self, body, remote_text: str) -> None:
        """Send one Body, retrying like official clients; raises grpc.RpcError when all attempts failed."""
        self.send_raw(w.signal_seal(body, self.key, remote_text))

    def send_raw(self, outer) -> None:
        """Send a ready signalexchange.EncryptedMessage."""
        request, response = signal.io("Send")
        stub = self.channel.unary_unary(signal.path("Send"), request.SerializeToString, response.FromString)
        for attempt, limit in enumerate(SEND_TIMEOUTS):
            try:
                stub(outer, timeout=limit)
                return
            except grpc.RpcError as error:
                if self._stop.is_set() or error.code() == grpc.StatusCode.CANCELLED or attempt == len(SEND_TIMEOUTS) - 1:
                    raise
                time.sleep(0.2)

    # -- receiving
    def connect_once(self, header_timeout: float = 30, send_id: bool = True):
        """Open ConnectStream and wait for the registration header; returns the call. NotRegistered if it is missing."""
        request, response = signal.io("ConnectStream")
        stub = self.channel.stream_stream(signal.path("ConnectStream"), request.SerializeToString, response.FromString)
        held = threading.Event()

        def nothing():  # the client never writes on this stream
            held.wait()
            return
            yield
        metadata = [(w.SIGNAL_ID_HEADER, self.key.text)] if send_id else []
        call = stub(nothing(), metadata=metadata, wait_for_ready=True)
        call.add_callback(held.set)
        result: dict = {}

        def headers():
            try:
                result["headers"] = dict(call.initial_metadata())
            except grpc.RpcError as error:
                result["error"] = error
        waiter = threading.Thread(target=headers, daemon=True)
        waiter.start()
        waiter.join(header_timeout)
        if waiter.is_alive() or w.SIGNAL_REGISTERED_HEADER not in result.get("headers", {}):
            what = "no response headers" if waiter.is_alive() else "no registration header"
            if not waiter.is_alive() and not call.is_active():
                what = f"{call.code().name}: {call.details()}"
            call.cancel()
            raise NotRegistered(what)
        self.stats["streams"] += 1
        return call

    def start(self) -> None:
        """Keep a registered stream open in the background until close()."""
        threading.Thread(target=self._receive_loop, daemon=True, name="signal").start()
        threading.Thread(target=self._watch, daemon=True, name="signal-watch").start()

    def close(self) -> None:
        self._stop.set()
        if self._call:
            self._call.cancel()
        self.channel.close()

    def _receive_loop(self) -> None:
        delay = 0.8
        while not self._stop.is_set():
            try:
                self._call = self.connect_once()
                delay, self._last = 0.8, time.monotonic()
                self.registered.set()
                self.on_state("registered")
                for outer in self._call:
                    self._last = time.monotonic()
                    self._deliver(outer)
                reason = "stream ended"
            except (grpc.RpcError, NotRegistered, ValueError) as error:
                reason = f"{error.code().name}: {error.details()}" if isinstance(error, grpc.RpcError) else str(error)
            if self._stop.is_set():
                return
            if self.registered.is_set():
                self.registered.clear()
                self.on_state("lost:" + reason)
            self._stop.wait(delay)
            delay = min(delay * 1.7, 10)

    def _deliver(self, outer) -> None:
        self.stats["received"] += 1
        try:
            body = w.signal_unseal(outer, self.key)
        except Exception:  # wrong keys, not protobuf
            self.stats["undecryptable"] += 1
            return
        if body.type == signal.Body.HEARTBEAT:
            self.stats["heartbeats"] += 1
        else:
            self.on_message(body, outer.key)

    def _watch(self) -> None:
        """3.7: silent for `idle` -> probe to self; still silent `probe_timeout` later -> reopen the stream."""
        probe_at = 0.0
        while not self._stop.wait(self.tick):
            if not self.registered.is_set() or time.monotonic() - self._last < self.idle:
                probe_at = 0.0
            elif probe_at and time.monotonic() - probe_at >= self.probe_timeout - 0.01:
                probe_at = 0.0
                self.on_state("stalled")
                self._call.cancel()
            elif not probe_at:
                probe_at = time.monotonic()
                try:
                    self.send(signal.Body(type=signal.Body.HEARTBEAT), self.key.text)
                except grpc.RpcError:
                    pass
