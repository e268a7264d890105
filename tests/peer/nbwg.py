#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The WireGuard side: a device through wireguard-go (or the kernel's module) and wg(8), and the loopback proxy for relayed peers."""
from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import time
from typing import Callable, Optional, Sequence

import nbwire as w

KEEPALIVE = 25


def run(*command: str, stdin: str = "") -> str:
    """Run a command; RuntimeError with its stderr on failure."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def _die_with_parent() -> None:
    """PR_SET_PDEATHSIG: a killed test peer leaves no wireguard-go behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def free_port(wanted: int = 51820) -> int:
    """*wanted* if no UDP socket of this namespace has it, else any free port."""
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("0.0.0.0", port))
                return probe.getsockname()[1]
            except OSError:
                continue
    raise RuntimeError("no free UDP port")


class WgDevice:
    """A WireGuard interface of its own.

    wireguard-go keeps its control socket in /var/run/wireguard, which network namespaces share: the interface name
    must be unique on the machine unless each namespace has its own mount of that directory.
    """

    def __init__(self, name: str, key: w.WgKey, port: int, kernel: bool = False):
        self.name, self.key, self.port = name, key, port
        self._process: Optional[subprocess.Popen] = None
        deadline = time.monotonic() + 3
        while os.path.exists("/sys/class/net/" + name) and time.monotonic() < deadline:
            time.sleep(0.05)  # of a predecessor that was just killed
        if kernel:
            run("ip", "link", "add", "dev", name, "type", "wireguard")
        else:
            env = dict(os.environ, WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD="1", LOG_LEVEL="error")
            self._process = subprocess.Popen(["wireguard-go", "-f", name], env=env, stdout=subprocess.DEVNULL, start_new_session=True,
                                             stderr=subprocess.DEVNULL, preexec_fn=_die_with_parent)
            self._wait_for_socket()
        run("wg", "set", name, "listen-port", str(port), "private-key", "/dev/stdin", stdin=key.private_text + "\n")

    def _wait_for_socket(self) -> None:
        path = f"/var/run/wireguard/{self.name}.sock"
        deadline = time.monotonic() + 10
        while not os.path.exists(path) or not os.path.exists(f"/sys/class/net/{self.name}"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("wireguard-go did not come up on " + self.name)
            time.sleep(0.02)

    def configure(self, addresses: Sequence[str], mtu: int = 1280) -> None:
        """Set interface addresses (CIDR) and bring it up."""
        for address in addresses:
            run("ip", "address", "replace", address, "dev", self.name)
        run("ip", "link", "set", "dev", self.name, "mtu", str(mtu), "up")

    def set_peer(self, peer: str, allowed: Sequence[str], endpoint: Optional[tuple[str, int]] = None, psk: str = "") -> None:
        """Create or change a peer; endpoint None leaves the endpoint alone."""
        command = ["wg", "set", self.name, "peer", peer, "persistent-keepalive", str(KEEPALIVE), "allowed-ips", ",".join(allowed)]
        if endpoint:
            host = f"[{endpoint[0]}]" if ":" in endpoint[0] else endpoint[0]
            command += ["endpoint", f"{host}:{endpoint[1]}"]
        if psk:
            command += ["preshared-key", "/dev/stdin"]
        run(*command, stdin=psk + "\n" if psk else "")

    def remove_peer(self, peer: str) -> None:
        run("wg", "set", self.name, "peer", peer, "remove")

    def peers(self) -> dict[str, dict]:
        """Per peer: endpoint, last handshake (epoch seconds), received and sent bytes."""
        result = {}
        for line in run("wg", "show", self.name, "dump").splitlines()[1:]:
            peer, _, endpoint, allowed, handshake, rx, tx, _ = line.split("\t")
            result[peer] = {"endpoint": endpoint, "allowed": allowed, "handshake": int(handshake), "rx": int(rx), "tx": int(tx)}
        return result

    def close(self) -> None:
        """Remove the interface."""
        if self._process:
            self._process.terminate()
            self._process.wait(5)
        else:
            subprocess.run(["ip", "link", "del", "dev", self.name], check=False, capture_output=True)


class LoopbackProxy(asyncio.DatagramProtocol):
    """The WireGuard endpoint 127.0.0.1:<port> of a relayed peer.

    ``send`` is where packets from WireGuard go; it may be changed while running (relay, or straight to an ICE pair when
    WireGuard roamed here because of a late relayed packet).
    """

    def __init__(self, wg_port: int, send: Callable[[bytes], None]):
        self.wg = ("127.0.0.1", wg_port)
        self.send = send
        self.endpoint: tuple[str, int] = ("", 0)
        self._transport: Optional[asyncio.DatagramTransport] = None
        self.to_wireguard = self.from_wireguard = 0

    async def start(self) -> "LoopbackProxy":
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.endpoint = self._transport.get_extra_info("sockname")[:2]
        return self

    def datagram_received(self, data: bytes, addr: tuple) -> None:
        if addr[:2] == self.wg:
            self.from_wireguard += 1
            self.send(data)

    def error_received(self, exc: Exception) -> None:
        pass

    def deliver(self, data: bytes) -> None:
        """A packet from the relay for WireGuard."""
        if self._transport:
            self.to_wireguard += 1
            self._transport.sendto(data, self.wg)

    def close(self) -> None:
        if self._transport:
            self._transport.close()
            self._transport = None
