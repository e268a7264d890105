#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A NetBird peer for tests: library (Peer and the clients it is made of) and command line. See README.md."""
from __future__ import annotations

import argparse
import asyncio
import concurrent.futures
import json
import os
import random
import signal as os_signal
import socket
import sys
import threading
import time
from dataclasses import dataclass
from typing import Callable, Optional, Sequence

import grpc
from google.protobuf.json_format import MessageToDict

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import nbice
import nbwire as w
from nbconn import PeerConnection
from nbice import SharedPort
from nbmgmt import MgmtClient, system_meta
from nbrelay import RelayClient, RelayError
from nbsignal import SignalClient
from nbwg import WgDevice, free_port, run
from nbwire import WgKey, mgmt, signal

HTTPS = mgmt.HostConfig.HTTPS
RETRIED_LOGIN_CODES = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.INTERNAL)


@dataclass
class PeerOptions:
    """What Peer needs to know."""
    management_url: str
    setup_key: str = ""
    hostname: str = "testpeer"
    interface: str = "nbt0"
    state_dir: str = "."
    relay: bool = True               # False: as if the account had no relay
    force_relay: bool = False        # offers carry no ICE credentials
    version: str = "0.77.1"
    capabilities: Sequence[int] = (1, 2)
    wg_port: int = 51820
    psk: str = ""                    # base64, must match the other side's
    ca_file: Optional[str] = None
    kernel_wg: bool = False
    pair_attribute: bool = True      # append 0x8100 to ICE messages
    buffer_candidates: bool = False  # official clients drop candidates that arrive before the agent exists
    key: Optional[WgKey] = None      # default: state_dir/wg.key, made if missing


def load_key(state_dir: str) -> WgKey:
    """Key in state_dir/wg.key; generated and saved when there is none."""
    path = os.path.join(state_dir, "wg.key")
    if os.path.exists(path):
        return WgKey.from_text(open(path, encoding="ascii").read().strip())
    key = WgKey.generate()
    save_key(state_dir, key)
    return key


def save_key(state_dir: str, key: WgKey) -> None:
    """Write state_dir/wg.key."""
    os.makedirs(state_dir, exist_ok=True)
    path = os.path.join(state_dir, "wg.key")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(key.private_text + "\n")


def interface_addresses(skip: str = "") -> list[tuple[str, str]]:
    """(CIDR, mac) of this namespace's interfaces, for PeerSystemMeta."""
    found = []
    for link in json.loads(run("ip", "-j", "address")):
        if "LOOPBACK" in link["flags"] or link["ifname"] == skip:
            continue
        found += [(f"{a['local']}/{a['prefixlen']}", link.get("address", "")) for a in link["addr_info"] if "local" in a]
    return found


class Peer:
    """A complete peer on a thread of its own. ``events`` collects everything; wait() blocks for one."""

    def __init__(self, options: PeerOptions, on_event: Optional[Callable[[dict], None]] = None):
        self.options, self.on_event = options, on_event
        self.key = options.key or load_key(options.state_dir)
        self.events: list[dict] = []
        self.connections: dict[str, PeerConnection] = {}
        self.stun_servers: list[nbice.Address] = []
        self.home: Optional[RelayClient] = None
        self.device: Optional[WgDevice] = None
        self.shared: Optional[SharedPort] = None
        self.port = 0
        self.address = ""
        self.serial = 0
        self.exit_reason = ""
        self._foreign: dict[str, RelayClient] = {}
        self._relay_urls: list[str] = []
        self._relay_token = b""
        self._changed = threading.Condition()
        self._tasks: set = set()
        self._calls: dict[str, grpc.Call] = {}
        self._sender = concurrent.futures.ThreadPoolExecutor(8, "signal-send")
        self._thread = threading.Thread(target=self._run, name="peer", daemon=True)
        self._begin = time.monotonic()
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._stop: Optional[asyncio.Event] = None

    # -- for tests
    def start(self) -> "Peer":
        """Run in the background."""
        self._thread.start()
        return self

    def stop(self, timeout: float = 15) -> None:
        """Close everything and wait for the thread."""
        while self._stop is None and self._thread.is_alive():
            time.sleep(0.01)
        if self._thread.is_alive():
            self._post(self._stop.set)
        self.join(timeout)

    def join(self, timeout: Optional[float] = None) -> None:
        self._thread.join(timeout)

    def wait(self, event: str, timeout: float = 20, after: int = 0, **fields) -> dict:
        """First event (from index *after* on) of that name with these field values; TimeoutError otherwise."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                for one in self.events[after:]:
                    if one["event"] == event and all(one.get(k) == v for k, v in fields.items()):
                        return one
                if not self._changed.wait(max(0.0, deadline - time.monotonic())) and time.monotonic() >= deadline:
                    raise TimeoutError(f"no {event} {fields} within {timeout} s; last: {self.events[-3:]}")

    def emit(self, event: str, **fields) -> None:
        """Record an event."""
        one = {"t": round(time.monotonic() - self._begin, 3), "event": event, **fields}
        with self._changed:
            self.events.append(one)
            self._changed.notify_all()
        if self.on_event:
            self.on_event(one)

    # -- helpers for connections
    def spawn(self, coroutine) -> asyncio.Task:
        """Task whose exceptions become 'error' events."""
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)

        def done(finished: asyncio.Task) -> None:
            self._tasks.discard(finished)
            if not finished.cancelled() and finished.exception():
                self.emit("error", what=repr(finished.exception()))
        task.add_done_callback(done)
        return task

    def send_signal(self, body, remote: str) -> None:
        """Send without waiting, on a worker thread (messages may overtake each other, as with official clients)."""
        def send():
            try:
                self.signal.send(body, remote)
            except (grpc.RpcError, ValueError) as error:
                self._post(self.emit, "error", what=f"signal send: {error}")
        self._sender.submit(send)

    def _post(self, function: Callable, *args, **fields) -> None:
        """Run on the event loop from another thread."""
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(lambda: function(*args, **fields))

    # -- life
    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception as error:  # the thread's last word
            self.exit_reason = self.exit_reason or repr(error)
            self.emit("error", what=repr(error))
        self.emit("stopped", why=self.exit_reason)

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        options = self.options
        self.meta = system_meta(options.hostname, options.version, options.capabilities, interface_addresses(options.interface))
        self.mgmt = MgmtClient(options.management_url, self.key, options.ca_file)
        delay = 1.0
        while True:
            try:
                reply, new = await self._loop.run_in_executor(None, self.mgmt.login_or_register, self.meta, options.setup_key)
                if new:  # official clients log in once more without credentials when their engine starts
                    reply = await self._loop.run_in_executor(None, self.mgmt.login, self.meta)
                break
            except grpc.RpcError as error:
                self.emit("login", ok=False, code=error.code().name, details=error.details())
                if error.code() not in RETRIED_LOGIN_CODES or self._stop.is_set():
                    self.exit_reason = f"login: {error.code().name}: {error.details()}"
                    return
            try:
                await asyncio.wait_for(self._stop.wait(), delay)
            except asyncio.TimeoutError:
                delay = min(delay * 1.7, 15)
        self.address = reply.peerConfig.address
        self.emit("login", ok=True, registered=new, key=self.key.text, address=self.address, fqdn=reply.peerConfig.fqdn,
                  signal=reply.netbirdConfig.signal.uri, relay=list(reply.netbirdConfig.relay.urls))
        try:
            await self._bring_up(reply)
            await self._stop.wait()
        finally:
            await self._tear_down()

    async def _bring_up(self, reply) -> None:
        options, host = self.options, reply.netbirdConfig.signal
        self.signal = SignalClient(host.uri, host.protocol == HTTPS, self.key,
                                   lambda body, sender: self._post(self._on_signal, body, sender),
                                   lambda name: self._post(self._on_signal_state, name), options.ca_file)
        self._take_relay(reply.netbirdConfig)
        if self._relay_urls:
            await self._connect_home()
        self.port = free_port(options.wg_port)
        self.device = WgDevice(options.interface, self.key, self.port, options.kernel_wg)
        addresses = [reply.peerConfig.address]
        if reply.peerConfig.address_v6:
            addresses.append(w.parse_compact_prefix(reply.peerConfig.address_v6))
        self.device.configure(addresses, reply.peerConfig.mtu or 1280)
        self.shared = SharedPort(self.port)
        self.signal.start()
        if not await self._loop.run_in_executor(None, self.signal.registered.wait, 60):
            raise RuntimeError("signal registration timed out")
        for name, target in (("sync", self._sync_loop), ("job", self._job_loop)):
            threading.Thread(target=target, name=name, daemon=True).start()
        self.spawn(self._watch_wireguard())

    async def _tear_down(self) -> None:
        for call in self._calls.values():
            call.cancel()
        for connection in list(self.connections.values()):
            await connection.close()
        for task in list(self._tasks):
            task.cancel()
        for client in [self.home, *self._foreign.values()]:
            if client:
                client.on_closed = lambda why: None
                await client.close()
        if self.shared:
            self.emit("stats", stun=self.shared.counters, signal=self.signal.stats)
            self.shared.close()
        if self.device:
            self.device.close()
        if hasattr(self, "signal"):
            self.signal.close()
        self.mgmt.close()
        self._sender.shutdown(wait=False)

    # -- signal
    def _on_signal(self, body, sender: str) -> None:
        connection = self.connections.get(sender)
        if connection:
            connection.on_signal(body)
        else:
            self.emit("signal", peer=sender, type=signal.Body.Type.Name(body.type), state="not in the map, dropped")

    def _on_signal_state(self, name: str) -> None:
        self.emit("signal_stream", state=name)
        if name == "registered":
            for connection in self.connections.values():
                connection.retry_soon()

    # -- management streams, each on a thread
    def _stream(self, name: str, items: Callable, handle: Callable) -> bool:
        """One attempt at a management stream; True if it had been open."""
        opened = False
        try:
            for item in items(on_call=lambda call: self._calls.__setitem__(name, call)):
                opened = True
                handle(item)
            self._post(self.emit, name + "_stream", state="ended by server")
        except grpc.RpcError as error:
            if self._stop.is_set():
                return opened
            self._post(self.emit, name + "_stream", state=f"{error.code().name}: {error.details()}")
            if error.code() == grpc.StatusCode.PERMISSION_DENIED:
                self._denied()
            if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                self._calls.pop(name, None)
        return opened

    def _denied(self) -> None:
        """Refused on a stream: log in again; if refused there too, stop. Called on the stream's thread."""
        try:
            self.mgmt.login(self.meta)
            self._post(self.emit, "relogin")
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.PERMISSION_DENIED and not self.exit_reason:
                self.exit_reason = "need login"
                self._post(self.emit, "need_login")
                self._post(self._stop.set)

    def _loop_stream(self, name: str, items: Callable, handle: Callable) -> None:
        delay = 0.8
        while not self._stop.is_set():
            if self._stream(name, items, handle):
                delay = 0.8
            if name not in self._calls:
                return
            time.sleep(delay * random.uniform(0.5, 1))
            delay = min(delay * 1.7, 10)

    def _sync_loop(self) -> None:
        self._loop_stream("sync", lambda on_call: self.mgmt.sync(self.meta, on_call), lambda m: self._post(self._on_sync, m))

    def _job_loop(self) -> None:
        self._loop_stream("job", self.mgmt.jobs, lambda job: self._post(self.emit, "job", id=job.ID.decode("utf-8", "replace")))

    # -- sync, 2.8
    def _on_sync(self, message) -> None:
        if message.HasField("netbirdConfig"):
            self._take_config(message.netbirdConfig)
        if message.Version == 1 or not message.HasField("NetworkMap"):
            self.emit("config" if message.Version != 1 else "error", what="no NetworkMap", version=message.Version)
            return
        network = message.NetworkMap
        if network.Serial < self.serial:
            self.emit("map", serial=network.Serial, state="older, dropped")
            return
        self.serial = network.Serial
        if network.HasField("peerConfig") and network.peerConfig.address != self.address:
            self.emit("address_changed", old=self.address, new=network.peerConfig.address)
            self.exit_reason = "address changed"
            self._stop.set()
            return
        wanted = {p.wgPubKey: p for p in network.remotePeers if p.wgPubKey != self.key.text}
        self.emit("map", serial=network.Serial, config=message.HasField("netbirdConfig"), rules=len(network.FirewallRules),
                  routes=len(network.Routes), offline=[p.fqdn for p in network.offlinePeers],
                  peers=[{"key": p.wgPubKey, "allowed": list(p.allowedIps), "fqdn": p.fqdn, "version": p.agentVersion}
                         for p in wanted.values()])
        for text, connection in list(self.connections.items()):
            new = wanted.get(text)
            if new is None or list(new.allowedIps) != connection.allowed or new.agentVersion != connection.agent_version:
                del self.connections[text]
                self.emit("peer_removed", peer=text, changed=new is not None)
                self.spawn(connection.close())
        for text, new in wanted.items():
            if text not in self.connections:
                self.connections[text] = PeerConnection(self, text, new.allowedIps, new.fqdn, new.agentVersion)

    def _take_config(self, config) -> None:
        servers = []
        for stun in config.stuns:
            scheme, _, rest = stun.uri.partition(":")
            host, port = split_host(rest, 3478)
            if scheme == "stun":
                try:
                    servers += [info[4][:2] for info in socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)]
                except OSError as error:
                    self.emit("error", what=f"{stun.uri}: {error}")
        if config.stuns:
            self.stun_servers = servers
        had = bool(self._relay_urls)
        self._take_relay(config)
        if self._relay_urls and not had:
            self.spawn(self._connect_home())

    def _take_relay(self, config) -> None:
        """2.5: a config without relay disables the relay."""
        self._relay_urls = list(config.relay.urls) if self.options.relay else []
        if self._relay_urls:
            self._relay_token = w.relay_token_wire(config.relay.tokenPayload, config.relay.tokenSignature)

    # -- relay
    def _new_relay(self, url: str, connect_ip: str = "") -> RelayClient:
        client = RelayClient(url, self.key, self._relay_token, self._relay_payload, ca_file=self.options.ca_file, connect_ip=connect_ip)
        client.on_peer_offline = lambda text: text in self.connections and self.connections[text].relay_lost("offline")
        client.on_closed = lambda why: self._relay_closed(client, why)
        return client

    def _relay_payload(self, text: str, data: bytes) -> None:
        if text in self.connections:
            self.connections[text].on_relay_payload(data)

    async def _connect_home(self) -> None:
        """Connect to all relay URLs at once; the first that answers becomes the home relay."""
        clients = [self._new_relay(url) for url in self._relay_urls]

        async def attempt(client: RelayClient) -> RelayClient:
            await client.connect()
            return client
        for finished in asyncio.as_completed([attempt(client) for client in clients]):
            try:
                client = await finished
            except RelayError as error:
                self.emit("relay_server", state="failed", why=str(error))
                continue
            if self.home is None or not self.home.connected:
                self.home = client
                self.emit("relay_server", state="connected", url=client.url, instance=client.instance_url, ip=client.remote_ip)
            else:
                client.on_closed = lambda why: None
                await client.close()
        if (self.home is None or not self.home.connected) and self._relay_urls:
            self.spawn(self._reconnect_home())

    async def _reconnect_home(self, delay: float = 1.5) -> None:
        await asyncio.sleep(delay)
        if self.home and self.home.connected:
            return
        await self._connect_home_again(delay)

    async def _connect_home_again(self, delay: float) -> None:
        for url in self._relay_urls:
            client = self._new_relay(url)
            try:
                await client.connect()
            except RelayError as error:
                self.emit("relay_server", state="failed", why=str(error))
                continue
            self.home = client
            self.emit("relay_server", state="connected", url=url, instance=client.instance_url, ip=client.remote_ip)
            for connection in self.connections.values():
                connection.retry_soon()
            return
        self.spawn(self._reconnect_home(min(max(delay, 1.0) * 2, 60)))

    async def relay_for(self, url: str, ip: bytes = b"") -> RelayClient:
        """The connected client for an instance URL: the home relay, or a foreign one (dialled by *ip* first if given)."""
        if self.home and self.home.connected and self.home.instance_url == url:
            return self.home
        client = self._foreign.get(url)
        if client and client.connected:
            return client
        address = socket.inet_ntop(socket.AF_INET6 if len(ip) == 16 else socket.AF_INET, ip) if len(ip) in (4, 16) else ""
        for connect_ip in dict.fromkeys([address, ""]):
            client = self._foreign[url] = self._new_relay(url, connect_ip)
            try:
                await client.connect()
                return client
            except RelayError:
                if not connect_ip:
                    raise
        raise RelayError("unreachable")

    def _relay_closed(self, client: RelayClient, why: str) -> None:
        self.emit("relay_server", state="lost", url=client.url, why=why)
        for connection in self.connections.values():
            if connection.relay is client:
                connection.relay_lost("relay connection lost")
        if client is self.home and self._relay_urls and not self._stop.is_set():
            self.spawn(self._reconnect_home())

    async def _watch_wireguard(self) -> None:
        while True:
            await asyncio.sleep(1)
            state = await self._loop.run_in_executor(None, self.device.peers)
            for text, connection in list(self.connections.items()):
                connection.watch_handshake(state.get(text, {}).get("handshake", 0))


# ---------------------------------------------------------------- command line

def split_host(text: str, default_port: int) -> tuple[str, int]:
    """'host[:port][?...]' or '[v6]:port' -> (host, port)."""
    text = text.lstrip("/").split("?")[0]
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, int(port.lstrip(":") or default_port)
    host, _, port = text.partition(":")
    return host, int(port or default_port)


def stun_query(url: str, timeout: float = 3) -> tuple[nbice.Address, nbice.Address]:
    """Plain Binding request from a new socket: (own address, mapped address). TimeoutError without an answer."""
    server = split_host(url[5:] if url.startswith("stun:") else url, 3478)
    family, _, _, _, address = socket.getaddrinfo(*server, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect(address)
        sock.settimeout(timeout / 3)
        request = w.Stun()
        for _ in range(3):
            sock.send(request.encode())
            try:
                answer = w.stun_decode(sock.recv(2048))
            except (TimeoutError, w.StunError, ConnectionError):
                continue
            if answer.txid == request.txid and answer.mapped:
                return sock.getsockname()[:2], answer.mapped
    raise TimeoutError("no answer from " + url)


def print_json(value) -> None:
    print(json.dumps(value), flush=True)


def signal_echo(target: str, tls: bool, ca_file: Optional[str], count: int, key: WgKey, timeout: float = 10) -> int:
    """Register, send OFFERs to ourselves and check that they come back; returns how many did."""
    came = {}
    arrived = threading.Event()

    def got(body, sender):
        came[body.payload] = time.monotonic()
        arrived.set()
    client = SignalClient(target, tls, key, got, lambda state: print_json({"event": "signal_stream", "state": state}), ca_file)
    client.start()
    good = 0
    if client.registered.wait(timeout):
        for number in range(count):
            arrived.clear()
            begin, payload = time.monotonic(), f"echo{number}:{w.random_letters(32)}"
            client.send(signal.Body(type=signal.Body.OFFER, payload=payload), key.text)
            arrived.wait(timeout)
            if payload in came:
                good += 1
            print_json({"event": "echo", "ok": payload in came, "ms": round((time.monotonic() - begin) * 1000, 1)})
    client.close()
    return good


async def relay_echo(url: str, token: bytes, ca_file: Optional[str], timeout: float = 10) -> bool:
    """Two fresh peers on one relay: subscribe to each other, exchange a packet each way."""
    keys = [WgKey.generate(), WgKey.generate()]
    inbox: list = []
    clients = [RelayClient(url, key, token, lambda peer, data: inbox.append((peer, data)), ca_file=ca_file) for key in keys]
    for client in clients:
        print_json({"event": "relay_server", "instance": await client.connect(), "ip": client.remote_ip})
    await asyncio.gather(*(client.open_peer(other.text, timeout) for client, other in zip(clients, reversed(keys))))
    for client, other in zip(clients, reversed(keys)):
        client.transport(other.text, b"\4\0\0\0" + client.key.public)
    for _ in range(int(timeout * 50)):
        if len(inbox) == 2:
            break
        await asyncio.sleep(0.02)
    for client in clients:
        await client.close()
    good = sorted(inbox) == sorted((key.text, b"\4\0\0\0" + key.public) for key in keys)
    print_json({"event": "relay_echo", "ok": good})
    return good


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, help_text: str, management: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help_text)
        sub.add_argument("--ca", dest="ca_file", help="CA file for TLS (default: the system's)")
        sub.add_argument("--state", dest="state_dir", default=".", help="directory of wg.key")
        if management:
            sub.add_argument("--management-url", required=True)
            sub.add_argument("--setup-key", default="")
            sub.add_argument("--hostname", default="testpeer")
            sub.add_argument("--version", default="0.77.1")
            sub.add_argument("--capabilities", default="1,2", type=lambda t: [int(x) for x in t.split(",") if x])
        return sub
    up = add("up", "run a peer until SIGTERM; JSON events on stdout")
    up.add_argument("--interface", required=True)
    up.add_argument("--wg-port", type=int, default=51820)
    up.add_argument("--psk", default="")
    up.add_argument("--no-relay", dest="relay", action="store_false")
    up.add_argument("--force-relay", action="store_true")
    up.add_argument("--kernel-wg", action="store_true", help="kernel WireGuard instead of wireguard-go")
    up.add_argument("--no-pair-attribute", dest="pair_attribute", action="store_false", help="do not append STUN attribute 0x8100")
    up.add_argument("--buffer-candidates", action="store_true", help="keep candidates that arrive before the agent exists")
    add("login", "log in or register, print the LoginResponse")
    sync = add("sync", "print SyncResponses")
    sync.add_argument("--count", type=int, default=1)
    add("logout", "delete this peer at the server")
    key = add("key", "make wg.key and print the public key", management=False)
    key.add_argument("--below", help="public key text must sort below this one")
    key.add_argument("--above", help="public key text must sort above this one")
    echo = add("signal-echo", "send messages to ourselves through a signal server", management=False)
    echo.add_argument("target", help="host:port")
    echo.add_argument("--tls", action="store_true")
    echo.add_argument("--count", type=int, default=3)
    relay = add("relay-echo", "two peers exchange packets through a relay", management=False)
    relay.add_argument("url", help="rel://host:port or rels://...")
    relay.add_argument("--secret", required=True, help="the relay's shared secret")
    stun = add("stun", "ask a STUN server for our address", management=False)
    stun.add_argument("url", help="stun:host[:port]")
    args = parser.parse_args(arguments)

    if args.command == "stun":
        local, mapped = stun_query(args.url)
        print_json({"local": f"{local[0]}:{local[1]}", "mapped": f"{mapped[0]}:{mapped[1]}"})
        return 0
    if args.command == "relay-echo":
        token = w.relay_token_wire(*w.relay_token(args.secret, int(time.time()) + 3600))
        return 0 if asyncio.run(relay_echo(args.url, token, args.ca_file)) else 1
    if args.command == "key":
        if args.below or args.above or not os.path.exists(os.path.join(args.state_dir, "wg.key")):
            save_key(args.state_dir, WgKey.generate(args.below, args.above))
        print(load_key(args.state_dir).text)
        return 0
    if args.command == "signal-echo":
        return 0 if signal_echo(args.target, args.tls, args.ca_file, args.count, load_key(args.state_dir)) == args.count else 1
    if args.command == "up":
        fields = {k: v for k, v in vars(args).items() if k in PeerOptions.__dataclass_fields__}
        peer = Peer(PeerOptions(**fields), print_json)
        for number in (os_signal.SIGTERM, os_signal.SIGINT):
            os_signal.signal(number, lambda *_: threading.Thread(target=peer.stop).start())
        peer.start()
        while peer._thread.is_alive():
            peer.join(0.5)
        return 0 if not peer.exit_reason else 2
    client = MgmtClient(args.management_url, load_key(args.state_dir), args.ca_file)
    meta = system_meta(args.hostname, args.version, args.capabilities, interface_addresses())
    try:
        if args.command == "logout":
            client.logout()
            return 0
        reply, new = client.login_or_register(meta, args.setup_key)
        if args.command == "login":
            print_json({"registered": new, "response": MessageToDict(reply, preserving_proto_field_name=True)})
            return 0
        for number, message in enumerate(client.sync(meta), 1):
            print_json(MessageToDict(message, preserving_proto_field_name=True))
            if number == args.count:
                break
        return 0
    except grpc.RpcError as error:
        print_json({"error": error.code().name, "details": error.details()})
        return 2


if __name__ == "__main__":
    sys.exit(main())
