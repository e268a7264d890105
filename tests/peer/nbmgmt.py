#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Client of the management service (protocol.md 1 and 2). Blocking calls on grpcio; safe to use from any thread."""
from __future__ import annotations

import os
import threading
import uuid
from typing import Callable, Iterator, Optional, Sequence
from urllib.parse import urlsplit

import grpc

import nbwire as w
from nbwire import mgmt

SYSTEM_ROOTS = "/etc/ssl/certs/ca-certificates.crt"
CHANNEL_OPTIONS = [("grpc.keepalive_time_ms", 30000), ("grpc.keepalive_timeout_ms", 10000),
                   ("grpc.max_receive_message_length", 16 << 20), ("grpc.enable_retries", 0),
                   # one channel, one connection: clients under test must not share sockets
                   ("grpc.use_local_subchannel_pool", 1)]


def open_channel(target: str, tls: bool, ca_file: Optional[str] = None) -> grpc.Channel:
    """Channel to host:port; with TLS, roots are *ca_file* or the system's."""
    if not tls:
        return grpc.insecure_channel(target, CHANNEL_OPTIONS)
    path = ca_file or SYSTEM_ROOTS
    roots = open(path, "rb").read() if os.path.exists(path) else None
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(roots), CHANNEL_OPTIONS)


def url_target(url: str) -> tuple[str, bool]:
    """'http(s)://host[:port]' -> ('host:port', tls)."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("management URL must be http:// or https://")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}", parts.scheme == "https"


def system_meta(hostname: str, version: str = "0.77.1", capabilities: Sequence[int] = (1, 2),
                addresses: Sequence[tuple[str, str]] = (), sync_version: int = 0):
    """A PeerSystemMeta like that of an official Linux client. *addresses* are (CIDR, mac) pairs."""
    uname = os.uname()
    meta = mgmt.PeerSystemMeta(hostname=hostname, goOS="linux", kernel="Linux", core="12", OSVersion="12", platform="x86_64",
                               OS="Debian GNU/Linux", netbirdVersion=version, kernelVersion=uname.release,
                               capabilities=list(capabilities), syncMessageVersion=sync_version)
    meta.flags.SetInParent()
    meta.environment.SetInParent()
    for cidr, mac in addresses:
        meta.networkAddresses.add(netIP=cidr, mac=mac)
    return meta


class MgmtClient:
    """One peer's view of the management server.

    Every call fetches the server key first, as official clients do per attempt, unless ``pin_server_key`` is set.
    gRPC failures are raised as grpc.RpcError; use ``error.code()``.
    """

    def __init__(self, url: str, key: w.WgKey, ca_file: Optional[str] = None, pin_server_key: Optional[str] = None):
        target, tls = url_target(url)
        self.key, self.pin = key, pin_server_key
        self.channel = open_channel(target, tls, ca_file)

    def close(self) -> None:
        self.channel.close()

    def _unary(self, method: str):
        request, response = mgmt.io(method)
        return self.channel.unary_unary(mgmt.path(method), request.SerializeToString, response.FromString)

    def server_key(self, timeout: float = 5) -> str:
        """GetServerKey: base64 text of the server's box key."""
        return self.pin or self._unary("GetServerKey")(mgmt.Empty(), timeout=timeout, wait_for_ready=True).key

    def healthy(self, timeout: float = 5) -> bool:
        """isHealthy; False on any gRPC error."""
        try:
            self._unary("isHealthy")(mgmt.Empty(), timeout=timeout)
            return True
        except grpc.RpcError:
            return False

    def call(self, method: str, request, into: Optional[type], timeout: float = 10):
        """Encrypted unary call. *into* None means the reply is an unencrypted Empty."""
        server = self.server_key()
        reply = self._unary(method)(w.mgmt_seal(request, self.key, server), timeout=timeout)
        return reply if into is None else w.mgmt_unseal(reply, self.key, server, into)

    def login(self, meta, setup_key: str = "", jwt: str = "", ssh_key: bytes = b"", dns_labels: Sequence[str] = ()):
        """Login; with neither setup key nor token it asks whether this key is known (PERMISSION_DENIED if not)."""
        request = mgmt.LoginRequest(setupKey=setup_key, jwtToken=jwt, dnsLabels=list(dns_labels))
        if meta is not None:
            request.meta.CopyFrom(meta)
        request.peerKeys.sshPubKey = ssh_key
        request.peerKeys.wgPubKey = self.key.text.encode()
        return self.call("Login", request, mgmt.LoginResponse)

    def login_or_register(self, meta, setup_key: str):
        """Login; on PERMISSION_DENIED once more with the setup key. Returns (LoginResponse, registered)."""
        try:
            return self.login(meta), False
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.PERMISSION_DENIED or not setup_key:
                raise
        return self.login(meta, setup_key), True

    def sync(self, meta, on_call: Optional[Callable[[grpc.Call], None]] = None, timeout: Optional[float] = None) -> Iterator:
        """Sync: yields decoded SyncResponse messages until the server ends the stream (then simply stops) or fails.

        *on_call* receives the gRPC call object, whose cancel() ends the stream from another thread.
        """
        server = self.server_key()
        request, response = mgmt.io("Sync")
        stub = self.channel.unary_stream(mgmt.path("Sync"), request.SerializeToString, response.FromString)
        call = stub(w.mgmt_seal(mgmt.SyncRequest(meta=meta), self.key, server), timeout=timeout)
        if on_call:
            on_call(call)
        for outer in call:
            yield w.mgmt_unseal(outer, self.key, server, mgmt.SyncResponse)

    def sync_meta(self, meta) -> None:
        """SyncMeta: the peer's facts changed."""
        self.call("SyncMeta", mgmt.SyncMetaRequest(meta=meta), None)

    def logout(self) -> None:
        """Logout: the server deletes this peer."""
        self.call("Logout", mgmt.Empty(), None, timeout=15)

    def pkce_flow(self):
        """GetPKCEAuthorizationFlow (NOT_FOUND when the server offers none)."""
        return self.call("GetPKCEAuthorizationFlow", mgmt.PKCEAuthorizationFlowRequest(), mgmt.PKCEAuthorizationFlow, timeout=2)

    def device_flow(self):
        """GetDeviceAuthorizationFlow."""
        return self.call("GetDeviceAuthorizationFlow", mgmt.DeviceAuthorizationFlowRequest(), mgmt.DeviceAuthorizationFlow, timeout=2)

    def jobs(self, on_call: Optional[Callable[[grpc.Call], None]] = None,
             handle: Optional[Callable] = None) -> Iterator:
        """Job: sends the hello, yields decoded JobRequests. Each is answered by *handle*(request) -> JobResponse, or as failed."""
        server = self.server_key()
        request, response = mgmt.io("Job")
        stub = self.channel.stream_stream(mgmt.path("Job"), request.SerializeToString, response.FromString)
        replies: list = [mgmt.JobRequest(ID=str(uuid.uuid4()).encode())]
        wake, done = threading.Event(), threading.Event()
        wake.set()

        def outgoing():
            while not done.is_set():
                if not wake.wait(0.5):
                    continue
                wake.clear()
                while replies:
                    yield w.mgmt_seal(replies.pop(0), self.key, server)
        call = stub(outgoing())
        if on_call:
            on_call(call)
        try:
            for outer in call:
                job = w.mgmt_unseal(outer, self.key, server, mgmt.JobRequest)
                if job.ID:
                    failed = mgmt.JobResponse(ID=job.ID, status=2, Reason=b"not supported by the test peer")
                    replies.append(handle(job) if handle else failed)
                    wake.set()
                yield job
        finally:
            done.set()
