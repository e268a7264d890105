#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""NetBird's ICE dialect (protocol.md 3.5, 4) on a raw socket that shares WireGuard's UDP port. asyncio, Linux, root."""
from __future__ import annotations

import asyncio
import ctypes
import fcntl
import ipaddress
import os
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Callable, Optional

import nbwire as w

Address = tuple[str, int]

CHECK_INTERVAL = 0.2
MAX_REQUESTS = 7                 # the pair fails when an eighth request has gone unanswered too
REQUEST_LIFETIME = 4.0
CHECKING_LIMIT = 12.0
KEEPALIVE_TICK = 2.0
SILENCE_LIMIT = 6.0
ACCEPT_WAIT = {"host": 0.0, "srflx": 0.5, "prflx": 1.0, "relay": 2.0}
GATHER_TIMEOUT = 5.0
PUNCH = b"nb"
SKIPPED_PREFIXES = ("wt", "utun", "tun0", "zt", "ZeroTier", "wg", "ts", "Tailscale", "tailscale", "docker", "veth", "br-", "lo")

SO_ATTACH_FILTER = 26
IPV6_CHECKSUM = 7
SIOCGIFADDR = 0x8915
_BPF_LD_W_IND, _BPF_LD_H_IND, _BPF_LDX_MSH = 0x40, 0x48, 0xB1
_BPF_LDX_IMM, _BPF_JEQ, _BPF_RET = 0x01, 0x15, 0x06


def stun_filter(port: int, ipv6: bool) -> list[tuple[int, int, int, int]]:
    """Classic BPF: UDP destination port == *port* and the STUN cookie at payload offset 4.

    An IPv4 raw socket sees the IP header, an IPv6 one starts at the UDP header.
    """
    start = (_BPF_LDX_IMM, 0, 0, 0) if ipv6 else (_BPF_LDX_MSH, 0, 0, 0)
    return [start, (_BPF_LD_H_IND, 0, 0, 2), (_BPF_JEQ, 0, 3, port), (_BPF_LD_W_IND, 0, 0, 12),
            (_BPF_JEQ, 0, 1, w.STUN_COOKIE), (_BPF_RET, 0, 0, 0xFFFF), (_BPF_RET, 0, 0, 0)]


def attach_filter(sock: socket.socket, program: list[tuple[int, int, int, int]]) -> None:
    """SO_ATTACH_FILTER with a program of (code, jt, jf, k)."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code)))


def _checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def source_address(destination: str) -> str:
    """Local address the kernel would send from; OSError when there is no route."""
    family = socket.AF_INET6 if ":" in destination else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((destination, 9))
        return probe.getsockname()[0]


def host_addresses(skip: str = "") -> list[str]:
    """Addresses for host candidates: no loopback, no link-local v6, none of the interfaces official clients skip."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            if name.startswith(SKIPPED_PREFIXES) or name == skip:
                continue
            try:
                answer = fcntl.ioctl(probe, SIOCGIFADDR, struct.pack("256s", name.encode()))
                found.append(socket.inet_ntoa(answer[20:24]))
            except OSError:
                pass
    try:
        for line in open("/proc/net/if_inet6", encoding="ascii"):
            hexa, _, _, scope, flags, name = line.split()
            address = str(ipaddress.IPv6Address(bytes.fromhex(hexa)))
            tentative = int(flags, 16) & 0x48
            if scope == "00" and not tentative and not name.startswith(SKIPPED_PREFIXES) and name != skip:
                found.append(address)
    except OSError:
        pass
    return found


class SharedPort:
    """STUN in and out of WireGuard's own port, for all ICE agents of this host.

    Incoming messages go to the agent that owns the ufrag (requests) or transaction (responses).
    """

    def __init__(self, port: int):
        self.port = port
        self.agents: dict[str, "IceAgent"] = {}
        self._transactions: dict[bytes, Callable[[w.Stun, Address], None]] = {}
        self._socks = {}
        self.counters = {"in": 0, "out": 0, "in_with_pair_attr": 0, "bad_fingerprint": 0}
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                sock = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_UDP)
                attach_filter(sock, stun_filter(port, family == socket.AF_INET6))
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, IPV6_CHECKSUM, 6)
            except OSError:
                if family == socket.AF_INET:
                    raise
                continue
            sock.setblocking(False)
            self._socks[family] = sock
            asyncio.get_running_loop().add_reader(sock.fileno(), self._readable, sock)

    def close(self) -> None:
        for sock in self._socks.values():
            asyncio.get_running_loop().remove_reader(sock.fileno())
            sock.close()
        self._socks = {}

    def send(self, data: bytes, to: Address) -> bool:
        """One UDP datagram from WireGuard's port; False if it could not be sent."""
        family = socket.AF_INET6 if ":" in to[0] else socket.AF_INET
        sock = self._socks.get(family)
        try:
            header = struct.pack(">HHH", self.port, to[1], 8 + len(data))
            checksum = 0
            if family == socket.AF_INET:
                pseudo = socket.inet_aton(source_address(to[0])) + socket.inet_aton(to[0]) + struct.pack(">HH", 17, 8 + len(data))
                checksum = _checksum(pseudo + header + b"\0\0" + data) or 0xFFFF
            sock.sendto(header + struct.pack(">H", checksum) + data, (to[0], 0))
            self.counters["out"] += 1
            return True
        except (OSError, AttributeError):
            return False

    def expect(self, txid: bytes, handler: Callable[[w.Stun, Address], None], lifetime: float = REQUEST_LIFETIME) -> None:
        """Route the response with this transaction id to *handler*(message, source)."""
        self._transactions[txid] = handler
        asyncio.get_running_loop().call_later(lifetime, self._transactions.pop, txid, None)

    def _readable(self, sock: socket.socket) -> None:
        while True:
            try:
                data, source = sock.recvfrom(65536)
            except OSError:
                return
            if sock.family == socket.AF_INET:
                data = data[(data[0] & 15) * 4:]
            length = struct.unpack(">H", data[4:6])[0]
            port, payload = struct.unpack(">H", data[:2])[0], data[8:length]
            try:
                message = w.stun_decode(payload)
            except w.StunError:
                continue
            self.counters["in"] += 1
            self.counters["in_with_pair_attr"] += bool(message.pair)
            self.counters["bad_fingerprint"] += message.fingerprint_ok is False
            self._dispatch(message, (source[0], port))

    def _dispatch(self, message: w.Stun, source: Address) -> None:
        if message.cls in (w.STUN_SUCCESS, w.STUN_ERROR):
            handler = self._transactions.pop(message.txid, None)
            if handler:
                handler(message, source)
        elif message.cls == w.STUN_INDICATION:
            for agent in self.agents.values():
                agent.on_indication(source)
        elif message.method == w.STUN_BINDING:
            agent = self.agents.get(message.username.split(":")[0])
            if agent:
                agent.on_request(message, source)

    async def mapped_address(self, server: Address, timeout: float = GATHER_TIMEOUT) -> Optional[Address]:
        """Plain Binding request to a STUN server from WireGuard's port; the mapped address or None."""
        future: asyncio.Future = asyncio.get_running_loop().create_future()
        request = w.Stun()
        self.expect(request.txid, lambda message, source: future.done() or future.set_result(message.mapped), timeout)
        for pause in (0.5, 1.0, 1.5, 2.0):
            self.send(request.encode(), server)
            done, _ = await asyncio.wait([future], timeout=min(pause, timeout))
            if done:
                return future.result()
        return None


@dataclass(eq=False)
class Pair:
    """A checked pair of candidates."""
    local: w.Candidate
    remote: w.Candidate
    state: str = "waiting"       # waiting, checking, succeeded, failed
    requests: int = 0
    nominate_on_success: bool = False
    priority: int = 0

    def __str__(self) -> str:
        one = [f"{c.kind} {c.address}:{c.port}" for c in (self.local, self.remote)]
        return f"{one[0]} <-> {one[1]} [{self.state}]"


@dataclass
class IceEvents:
    """Callbacks of an agent."""
    candidate: Callable[[w.Candidate], None] = lambda c: None
    selected: Callable[[Pair], None] = lambda p: None       # first selection and every later change
    closed: Callable[[str], None] = lambda why: None        # failed or dead; the agent is finished


@dataclass
class IceAgent:
    """One ICE session with one peer."""
    port: SharedPort
    controlling: bool
    ufrag: str
    pwd: str
    remote_ufrag: str
    remote_pwd: str
    events: IceEvents = field(default_factory=IceEvents)
    append_pair_attr: bool = True
    skip_interface: str = ""

    def __post_init__(self) -> None:
        self.tie_breaker = int.from_bytes(os.urandom(8), "big")
        self.locals: list[w.Candidate] = []
        self.remotes: list[w.Candidate] = []
        self.pairs: list[Pair] = []
        self.selected: Optional[Pair] = None
        self.nominated: Optional[Pair] = None
        self.requests_with_pair_attr = 0
        self.errors_ignored = 0
        self.started = time.monotonic()
        self._seen: dict[Address, float] = {}
        self._closed = False
        self._kick = asyncio.Event()
        self.port.agents[self.ufrag] = self
        self._task = asyncio.ensure_future(self._run())

    # -- candidates
    async def gather(self, stun_servers: list[Address]) -> None:
        """Host candidates at once, then server reflexive ones; each goes to events.candidate."""
        for address in host_addresses(self.skip_interface):
            self._add_local(w.Candidate("host", address, self.port.port, ufrag=self.ufrag, cid=w.new_candidate_id()))
        known = set()
        for answer in asyncio.as_completed([self.port.mapped_address(server) for server in stun_servers]):
            mapped = await answer
            if mapped and mapped not in known and not self._closed:
                known.add(mapped)
                self._add_local(w.Candidate("srflx", mapped[0], mapped[1], raddr="::" if ":" in mapped[0] else "0.0.0.0",
                                            rport=self.port.port, ufrag=self.ufrag, cid=w.new_candidate_id()))

    def _add_local(self, candidate: w.Candidate) -> None:
        self.locals.append(candidate)
        self.events.candidate(candidate)
        for remote in self.remotes:
            self._pair(candidate, remote)

    def add_remote(self, candidate: w.Candidate) -> None:
        """A candidate from signalling; also the guess of 4.3 for a srflx whose port is not its rport."""
        self._add_remote(candidate)
        if candidate.kind == "srflx" and candidate.cid and candidate.rport and candidate.port != candidate.rport:
            self._add_remote(w.Candidate("srflx", candidate.address, candidate.rport, raddr=candidate.raddr, rport=candidate.rport,
                                         cid=candidate.cid))

    def _add_remote(self, candidate: w.Candidate) -> None:
        same = (candidate.kind, candidate.address, candidate.port)
        if self._closed or any((c.kind, c.address, c.port) == same for c in self.remotes):
            return
        self.remotes.append(candidate)
        for local in self.locals:
            self._pair(local, candidate)
        self._kick.set()

    def _pair(self, local: w.Candidate, remote: w.Candidate) -> Optional[Pair]:
        if (":" in local.address) != (":" in remote.address):
            return None
        pair = next((p for p in self.pairs if p.local is local and p.remote is remote), None)
        if pair is None:
            mine, theirs = local.priority, remote.priority
            pair = Pair(local, remote)
            pair.priority = w.pair_priority(mine, theirs) if self.controlling else w.pair_priority(theirs, mine)
            self.pairs.append(pair)
        return pair

    # -- sending
    def _attribute(self, local: w.Candidate, remote: w.Candidate) -> Optional[str]:
        return f"{local.cid}:{remote.cid}" if self.append_pair_attr else None

    def _check(self, pair: Pair, nominate: bool = False) -> None:
        request = w.binding_request(self.remote_ufrag, self.ufrag, pair.local.priority, self.controlling, self.tie_breaker, nominate)
        sent_to = (pair.remote.address, pair.remote.port)
        self.port.expect(request.txid, lambda message, source: self._on_response(message, source, pair, sent_to, nominate))
        self.port.send(request.encode(self.remote_pwd, pair=self._attribute(pair.local, pair.remote)), sent_to)

    async def _run(self) -> None:
        while not self._closed:
            if self.selected:
                self._keep_alive()
            elif time.monotonic() - self.started > CHECKING_LIMIT:
                self.close("checks failed")
            else:
                self._contact()
            self._kick.clear()
            try:
                await asyncio.wait_for(self._kick.wait(), KEEPALIVE_TICK if self.selected else CHECK_INTERVAL)
            except asyncio.TimeoutError:
                pass

    def _keep_alive(self) -> None:
        remote = (self.selected.remote.address, self.selected.remote.port)
        if time.monotonic() - self._seen.get(remote, self.started) > SILENCE_LIMIT:
            self.close("no STUN from the peer")
        else:
            self._check(self.selected)

    def _contact(self) -> None:
        if self.nominated:
            self._check(self.nominated, nominate=True)
            return
        if self.controlling:
            best = max((p for p in self.pairs if p.state == "succeeded"), key=lambda p: p.priority, default=None)
            if best and self._acceptable(best):
                self.nominated = best
                self._check(best, nominate=True)
                return
        for pair in self.pairs:
            if pair.state not in ("waiting", "checking"):
                continue
            pair.state = "checking"
            if pair.requests > MAX_REQUESTS:
                pair.state = "failed"
            else:
                self._check(pair)
                pair.requests += 1

    def _acceptable(self, pair: Pair) -> bool:
        elapsed = time.monotonic() - self.started
        return all(elapsed > ACCEPT_WAIT[c.kind] for c in (pair.local, pair.remote))

    # -- receiving
    def on_indication(self, source: Address) -> None:
        """Binding indications are not answered, but count as a sign of life."""
        if any((c.address, c.port) == source for c in self.remotes):
            self._seen[source] = time.monotonic()

    def on_request(self, message: w.Stun, source: Address) -> None:
        """A Binding request whose username starts with our ufrag."""
        if self._closed or message.username != f"{self.ufrag}:{self.remote_ufrag}" or not message.integrity_ok(self.pwd):
            return
        theirs, mine = (message.pair.split(":") + ["", ""])[:2]
        self.requests_with_pair_attr += bool(message.pair)
        remote = next((c for c in self.remotes if (c.address, c.port) == source), None)
        if remote is None:
            remote = w.Candidate("prflx", source[0], source[1], cid=theirs or w.new_candidate_id())
            self._add_remote(remote)
        local = next((c for c in self.locals if c.cid == mine), None) or \
            next((c for c in self.locals if (":" in c.address) == (":" in source[0])), None)
        if local is None:
            return
        self._seen[source] = time.monotonic()
        if self._role_conflict(message, local, remote, source):
            return
        pair = self._pair(local, remote)
        if not self.controlling and message.get(w.ATTR_USE_CANDIDATE) is not None:
            if pair.state == "succeeded":
                self._select(pair)
            else:
                pair.nominate_on_success = True
        answer = w.binding_success(message, *source).encode(self.pwd, pair=self._attribute(local, remote))
        self.port.send(answer, source)
        if not self.controlling:
            self._check(pair)

    def _role_conflict(self, message: w.Stun, local: w.Candidate, remote: w.Candidate, source: Address) -> bool:
        """RFC 8445 7.3.1.1; True when the request must not be processed further."""
        value = message.get(w.ATTR_ICE_CONTROLLING if self.controlling else w.ATTR_ICE_CONTROLLED)
        if value is None:
            return False
        keep = (self.tie_breaker >= int.from_bytes(value, "big")) == self.controlling
        if keep:
            error = w.binding_error(message, 487, "Role Conflict")
            self.port.send(error.encode(self.pwd, pair=self._attribute(local, remote)), source)
        else:
            self.controlling, self.nominated = not self.controlling, None
        return True

    def _on_response(self, message: w.Stun, source: Address, pair: Pair, sent_to: Address, nominating: bool) -> None:
        if message.cls != w.STUN_SUCCESS:
            self.errors_ignored += 1
            return
        if self._closed or source != sent_to or not message.integrity_ok(self.remote_pwd):
            return
        self._seen[source] = time.monotonic()
        pair.state = "succeeded"
        if self.controlling:
            if nominating and self.selected is None:
                self._select(pair)
        elif pair.nominate_on_success:
            self._select(pair)

    def _select(self, pair: Pair) -> None:
        if self.selected is pair or (self.selected and self.selected.priority > pair.priority):
            return
        self.selected = pair
        self.events.selected(pair)
        self._kick.set()

    def close(self, why: str = "") -> None:
        """End the session; *why* other than '' is reported through events.closed."""
        if self._closed:
            return
        self._closed = True
        self._kick.set()
        if self.port.agents.get(self.ufrag) is self:
            del self.port.agents[self.ufrag]
        if why:
            self.events.closed(why)
