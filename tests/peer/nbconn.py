#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""One remote peer of a Peer: handshake over signal, choice of path, WireGuard endpoint (protocol.md 3.5, 3.6, 4.5, 4.6, 5.6)."""
from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from typing import TYPE_CHECKING, Optional, Sequence

import nbwire as w
from nbice import PUNCH, IceAgent, IceEvents, Pair
from nbrelay import RelayClient, RelayError
from nbwg import LoopbackProxy
from nbwire import signal

if TYPE_CHECKING:
    from nb_peer import Peer

RESPONDER_DELAY = 5.0
FIRST_HANDSHAKE_LIMIT, HANDSHAKE_LIMIT = 30.0, 210.0


class PeerConnection:
    """Handshake, ICE, relay and WireGuard endpoint of one remote peer. Event loop only."""

    def __init__(self, peer: "Peer", text: str, allowed: Sequence[str], fqdn: str, agent_version: str):
        self.peer, self.text, self.allowed, self.fqdn, self.agent_version = peer, text, list(allowed), fqdn, agent_version
        self.controller = w.is_controller(peer.key.text, text)
        self.ufrag, self.pwd = w.new_ice_credentials()
        self.session, self.remote_session = os.urandom(5), b""
        self.remote_ice, self.remote_relay, self.remote_wg_port = True, "", 0
        self.agent: Optional[IceAgent] = None
        self.pair: Optional[Pair] = None
        self.relay: Optional[RelayClient] = None
        self.relay_opening: Optional[asyncio.Task] = None
        self.proxy: Optional[LoopbackProxy] = None
        self.active = "none"
        self.configured_at = 0.0
        self.handshake = 0
        self._early: list[w.Candidate] = []
        self._delayed: Optional[asyncio.TimerHandle] = None
        self._reset_guard = asyncio.Event()
        self._guard = asyncio.ensure_future(self._run_guard())

    # -- offers
    def status(self) -> str:
        """'connected', 'partial' (relay without ICE) or 'none', as the official re-offer logic sees it."""
        uses_relay = bool(self.remote_relay) and self.peer.home is not None
        relay_up = uses_relay and self.relay is not None
        if self.peer.options.force_relay or not self.remote_ice:
            return "connected" if relay_up else "none"
        if self.agent is not None and (not uses_relay or relay_up):
            return "connected"
        return "partial" if relay_up else "none"

    async def _run_guard(self) -> None:
        """Offer at once, again after 3 s doubling to 30-45 s; after a reset from 0.8 s. Relay-only: 3 tries, then hourly."""
        cap, delay, tries = random.uniform(30, 45), 3.0, 0
        while True:
            status = self.status()
            tries += status == "partial"
            if status == "none" or (status == "partial" and tries <= 3):
                self.send_description(signal.Body.OFFER)
            pause = 3600.0 if status == "partial" and tries > 3 else min(delay, cap) * random.uniform(0.9, 1.1)
            delay *= 2
            while True:
                try:
                    await asyncio.wait_for(self._reset_guard.wait(), pause)
                except asyncio.TimeoutError:
                    break
                self._reset_guard.clear()
                delay, tries, pause = 1.6, 0, 0.8

    def retry_soon(self) -> None:
        """Restart the re-offer timer (a path was lost, signal or relay came back)."""
        self._reset_guard.set()

    def send_description(self, kind: int) -> None:
        """Send OFFER or ANSWER with the current credentials."""
        options, home = self.peer.options, self.peer.home
        ice = not options.force_relay and self.remote_ice
        body = signal.Body(type=kind, wgListenPort=self.peer.port, netBirdVersion=options.version,
                           payload=w.credentials_payload(self.ufrag, self.pwd) if ice else ":")
        body.rosenpassConfig.SetInParent()
        if ice:
            body.sessionId = self.session
        if home is not None and home.connected:
            body.relayServerAddress = home.instance_url
            body.relayServerIP = socket.inet_pton(socket.AF_INET6 if ":" in home.remote_ip else socket.AF_INET, home.remote_ip)
        name = "offer" if kind == signal.Body.OFFER else "answer"
        self.peer.emit(name, dir="out", peer=self.text, session=self.session.hex() if ice else "", ice=ice,
                       relay=body.relayServerAddress)
        self.peer.send_signal(body, self.text)

    # -- signal messages
    def on_signal(self, body) -> None:
        """A decrypted Body from this peer."""
        if body.type in (signal.Body.OFFER, signal.Body.ANSWER):
            self._on_description(body)
        elif body.type == signal.Body.CANDIDATE:
            self._on_candidate(body.payload)
        else:
            self.peer.emit("signal", peer=self.text, type=signal.Body.Type.Name(body.type))

    def _on_description(self, body) -> None:
        offer = body.type == signal.Body.OFFER
        try:
            ufrag, pwd = w.parse_credentials(body.payload)
        except ValueError as error:
            self.peer.emit("error", peer=self.text, what=str(error))
            return
        session = body.sessionId if len(body.sessionId) == 5 else b""
        self.remote_ice = bool(ufrag and pwd)
        self.remote_wg_port = body.wgListenPort
        self.peer.emit("offer" if offer else "answer", dir="in", peer=self.text, session=session.hex(), ice=self.remote_ice,
                       relay=body.relayServerAddress, version=body.netBirdVersion, wg_port=body.wgListenPort)
        self._relay_offer(body.relayServerAddress, body.relayServerIP)
        if not self.peer.options.force_relay:
            if self.remote_ice:
                self._ice_offer(ufrag, pwd, session)
            elif self.agent:
                self._end_ice("peer stopped sending ICE credentials")
        if offer:
            self.send_description(signal.Body.ANSWER)

    def _on_candidate(self, line: str) -> None:
        try:
            candidate = w.parse_candidate(line)
        except ValueError as error:
            self.peer.emit("error", peer=self.text, what=str(error), line=line)
            return
        state = "used"
        if self.agent:
            self.agent.add_remote(candidate)
        elif self.peer.options.buffer_candidates:
            self._early.append(candidate)
            state = "buffered"
        else:
            state = "dropped"
        self.peer.emit("candidate", dir="in", peer=self.text, line=line, state=state)

    # -- ICE
    def _ice_offer(self, ufrag: str, pwd: str, session: bytes) -> None:
        if self.agent:
            if not session or session == self.remote_session:
                return
            self._end_ice("peer has a new session")
        self.remote_session = session
        events = IceEvents(self._local_candidate, self._pair_selected, self._ice_closed)
        self.agent = IceAgent(self.peer.shared, self.controller, self.ufrag, self.pwd, ufrag, pwd, events,
                              self.peer.options.pair_attribute, self.peer.options.interface)
        self.peer.emit("ice", peer=self.text, state="checking", role="controlling" if self.controller else "controlled",
                       session=self.session.hex(), remote_session=session.hex())
        self.peer.spawn(self.agent.gather(self.peer.stun_servers))
        for candidate in self._early:
            self.agent.add_remote(candidate)
        self._early = []

    def _local_candidate(self, candidate: w.Candidate) -> None:
        self.peer.emit("candidate", dir="out", peer=self.text, line=candidate.line())
        self.peer.send_signal(signal.Body(type=signal.Body.CANDIDATE, payload=candidate.line()), self.text)

    def _pair_selected(self, pair: Pair) -> None:
        first, self.pair = self.pair is None, pair
        remote = (pair.remote.address, pair.remote.port)
        self.peer.emit("pair", peer=self.text, local=f"{pair.local.kind} {pair.local.address}:{pair.local.port}",
                       remote=f"{pair.remote.kind} {remote[0]}:{remote[1]}", first=first)
        if not first:
            return  # WireGuard follows by roaming, as with official clients
        self.active = "ice"
        if self.proxy:  # packets that roam here late go straight on
            self.proxy.send = lambda data: self.peer.shared.send(data, remote)
        self._configure(remote)
        asyncio.get_running_loop().call_later(1.0, self.peer.shared.send, PUNCH, (remote[0], self.remote_wg_port or 51820))
        self.peer.emit("connected", peer=self.text, path="ice", endpoint=f"{remote[0]}:{remote[1]}")

    def _ice_closed(self, why: str) -> None:
        self._end_ice(why)
        self.retry_soon()

    def _end_ice(self, why: str) -> None:
        """Drop the agent, take a new session id, fall back to the relay if there is one."""
        agent, had_pair = self.agent, self.pair is not None
        self.agent = self.pair = None
        self.session, self.remote_session = os.urandom(5), b""
        if agent:
            agent.close()
        self.peer.emit("lost" if had_pair else "ice", peer=self.text, path="ice", why=why, state="closed")
        if had_pair:
            self._fall_back()

    def _fall_back(self) -> None:
        if self.relay and self.proxy:
            self.active = "relay"
            self._use_relay()
            self._set_endpoint(self.proxy.endpoint)
            self.peer.emit("connected", peer=self.text, path="relay", endpoint="fallback")
        else:
            self.active = "none"
            self._forget_endpoint()
        self.retry_soon()

    # -- relay
    def _relay_offer(self, address: str, ip: bytes) -> None:
        self.remote_relay = address
        home = self.peer.home
        if home is None or not address or not home.connected:
            return
        if self.relay or (self.relay_opening and not self.relay_opening.done()):
            return
        url = home.instance_url if self.controller else address
        self.relay_opening = self.peer.spawn(self._open_relay(url, ip if url == address else b""))

    async def _open_relay(self, url: str, ip: bytes) -> None:
        try:
            client = await self.peer.relay_for(url, ip)
            await client.open_peer(self.text)
        except (RelayError, OSError) as error:
            self.peer.emit("relay", peer=self.text, state="failed", why=str(error), url=url)
            return
        self.relay = client
        self.proxy = await LoopbackProxy(self.peer.port, lambda data: None).start()
        self.peer.emit("relay", peer=self.text, state="open", url=url, foreign=client is not self.peer.home)
        if self.active == "ice":
            remote = (self.pair.remote.address, self.pair.remote.port)
            self.proxy.send = lambda data: self.peer.shared.send(data, remote)
            return
        self.active = "relay"
        self._use_relay()
        self._configure(self.proxy.endpoint)
        self.peer.emit("connected", peer=self.text, path="relay", endpoint=f"127.0.0.1:{self.proxy.endpoint[1]}")

    def _use_relay(self) -> None:
        self.proxy.send = lambda data, client=self.relay: client.transport(self.text, data)

    def on_relay_payload(self, data: bytes) -> None:
        """A packet from the relay."""
        if self.proxy:
            self.proxy.deliver(data)
        elif self.relay_opening:  # first packets may come before the online notice has been handled
            self.relay_opening.add_done_callback(lambda _: self.proxy and self.proxy.deliver(data))

    def relay_lost(self, why: str) -> None:
        """Peer offline at the relay, or the relay connection ended."""
        if self.relay is None:
            return
        self.relay = None
        if self.proxy:
            self.proxy.close()
            self.proxy = None
        self.peer.emit("lost", peer=self.text, path="relay", why=why)
        if self.active == "relay":
            self.active = "none"
            self._forget_endpoint()
        self.retry_soon()

    # -- WireGuard
    def _set_endpoint(self, endpoint: Optional[tuple[str, int]]) -> None:
        if self._delayed:
            self._delayed.cancel()
            self._delayed = None
        self.peer.device.set_peer(self.text, self.allowed, endpoint, self.peer.options.psk)

    def _configure(self, endpoint: tuple[str, int]) -> None:
        """4.5: the controller sets the endpoint at once, the other side waits for its handshake."""
        self.configured_at, self.handshake = time.time(), 0
        if self.controller:
            self._set_endpoint(endpoint)
        else:
            self._set_endpoint(None)
            self._delayed = asyncio.get_running_loop().call_later(RESPONDER_DELAY, self._set_endpoint, endpoint)

    def _forget_endpoint(self) -> None:
        if self._delayed:
            self._delayed.cancel()
            self._delayed = None
        self.configured_at = 0.0
        # Not added again without an endpoint: a handshake tried in vain would hold back the next one for 5 s.
        self.peer.device.remove_peer(self.text)

    def watch_handshake(self, handshake: int) -> None:
        """WireGuard watcher, called every second with the last handshake's time."""
        if self.active == "none":
            return
        if handshake and handshake != self.handshake and handshake >= int(self.configured_at) - 1:
            if not self.handshake:
                self.peer.emit("handshake", peer=self.text, path=self.active, after=round(time.time() - self.configured_at, 1))
            self.handshake = handshake
        last, limit = (self.handshake, HANDSHAKE_LIMIT) if self.handshake else (self.configured_at, FIRST_HANDSHAKE_LIMIT)
        if last and time.time() - last > limit:
            self.peer.emit("wg_timeout", peer=self.text, path=self.active)
            if self.active == "relay":
                relay = self.relay
                self.relay_lost("no WireGuard handshake")
                self.peer.spawn(relay.close_peer(self.text))
            else:
                self._end_ice("no WireGuard handshake")

    async def close(self) -> None:
        """Remove the peer."""
        self._guard.cancel()
        if self.relay_opening:
            self.relay_opening.cancel()
        if self._delayed:
            self._delayed.cancel()
        if self.agent:
            self.agent.close()
            self.agent = None
        if self.relay:
            await self.relay.close_peer(self.text)
        if self.proxy:
            self.proxy.close()
        if self.peer.device:
            self.peer.device.remove_peer(self.text)
