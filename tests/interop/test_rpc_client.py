# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of rpc/ against a server by Python's grpcio."""
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from process import Program, free_port
from rpctest import TESTC, TESTD
from test_rpc_tls import ca, other_ca  # noqa: F401: fixtures

PEER = Path(__file__).with_name("rpc_peer.py")
DELIVERIES = ["context", "loop", "inline"]


class Peer(Program):
    def __init__(self, port=0, *files):
        super().__init__(["/usr/bin/python3", PEER, port, *files])
        self.port = int(self.wait_line(r"^port (\d+)$", 20).group(1))
        self.target = f"127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def peer():
    with Peer() as server:
        yield server


@pytest.fixture(params=DELIVERIES)
def testc(request):
    def run(*args, code=0):
        done = subprocess.run([TESTC, "--delivery", request.param, *map(str, args)], capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stderr
        return done.stdout.splitlines()
    return run


def test_unary_with_metadata(peer, testc):
    assert testc(peer.target, "unary", "hello") == ["headers x-echo=value", "message hello", "trailer value", "received 1 messages 5 bytes", "status OK status: "]


def test_status(peer, testc):
    assert testc(peer.target, "unary", "fail grüße 100 %")[-1] == "status PERMISSION_DENIED status: grüße 100 %"


def test_streams(peer, testc):
    assert testc(peer.target, "server", "2000 1000")[-2:] == ["received 2000 messages 2000000 bytes", "status OK status: "]
    assert "message 3000 13893" in testc(peer.target, "client", 3000)
    assert testc(peer.target, "client", 0)[-1] == "status OK status: "
    assert [f"message m{i}" for i in range(3000, 0, -1)] == [line for line in testc(peer.target, "bidi", 3000) if line.startswith("message")]


def test_decoded_reply(peer, testc):
    assert testc(peer.target, "node", "hello") == ["node hello 0", "status OK status: "]
    assert testc(peer.target, "many", 500) == ["ok 500"]


@pytest.mark.parametrize("text, status", [("bad", "INTERNAL bad-input"), ("deep", "INTERNAL bad-input"), ("big", "RESOURCE_EXHAUSTED status")])
def test_bad_reply_is_refused(peer, testc, text, status):
    assert testc(peer.target, "node", text)[-1].startswith(f"status {status}: ")


def test_deadline(peer, testc):
    start = time.monotonic()
    assert testc("--timeout-ms", 300, peer.target, "hang", "x")[-1].startswith("status DEADLINE_EXCEEDED ")
    assert time.monotonic() - start < 20


def test_cancel(peer, testc):
    assert testc(peer.target, "cancel")[-1].startswith("status CANCELLED cancelled: ")
    assert testc(peer.target, "cancel-early")[-1].startswith("status CANCELLED cancelled: ")


def test_freeing_a_channel_ends_its_calls(peer, testc):
    assert [line for line in testc(peer.target, "free", "x") if line.startswith("status")] == ["status CANCELLED cancelled: cancelled"] * 2


def test_nobody_listens(testc):
    assert testc(f"127.0.0.1:{free_port()}", "node", "x")[-1].startswith("status UNAVAILABLE ")
    assert testc("--wait-ready", "--timeout-ms", 500, f"127.0.0.1:{free_port()}", "node", "x")[-1].startswith("status DEADLINE_EXCEEDED ")


@pytest.mark.parametrize("target", ["nonsense", "host:", ":80", "http://host:80", "host:port", "unix:relative"])
def test_bad_target(testc, target):
    assert testc(target, "unary", code=1)[0].startswith("error ")


def test_proxy_of_the_environment_is_not_used(peer, testc, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("grpc_proxy", f"http://127.0.0.1:{free_port()}")
    assert testc(peer.target, "node", "hello")[0] == "node hello 0"


@pytest.mark.parametrize("server", ["python", "ours"])
def test_stream_is_back_within_2_s_of_a_restart(server):
    def start(port):
        return Peer(port) if server == "python" else Program([TESTD, "--listen", f"127.0.0.1:{port}"])
    port = free_port()
    first = start(port)
    with Program([TESTC, f"127.0.0.1:{port}", "keep"]) as client:
        try:
            client.wait_line("^stream up")
            for _ in range(3):
                before = len(client.lines)
                first.signal(signal.SIGKILL)
                first.wait()
                client.wait_line("^stream down UNAVAILABLE", start=before)
                first.stop()
                before = len(client.lines)
                first = start(port)
                first.wait_line("^port")
                client.wait_line("^stream up", timeout=2, start=before)
            states = [line.split()[1] for line in client.lines if line.startswith("state ")]
            # A state that lasts too short to be seen is left out.
            assert "ready" in states and {"idle", "connecting", "failed"} & set(states)
        finally:
            first.stop()
    assert client.returncode == 0, client.output


def test_dead_server_is_noticed_by_ping():
    """A server that was stopped: TCP goes on acknowledging, nobody answers."""
    with Program([TESTD]) as server:
        port = server.wait_line(r"^port (\d+)").group(1)
        with Program([TESTC, "--keepalive-ms", "5000", f"127.0.0.1:{port}", "keep"]) as client:
            client.wait_line("^stream up")
            server.signal(signal.SIGSTOP)
            try:
                client.wait_line("^stream down UNAVAILABLE", timeout=30)
            finally:
                server.signal(signal.SIGCONT)
            client.wait_line("^stream up", timeout=20, start=len(client.lines) - 1)


def test_silent_listener(testc):
    """Something accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert testc("--timeout-ms", 500, f"127.0.0.1:{port}", "node", "x")[-1].startswith("status ")


def test_tls(ca, other_ca, testc):  # noqa: F811
    cert, key = ca.issue("peer")
    with Peer(0, cert, key) as server:
        assert testc("--ca", ca.cert, server.target, "node", "hello")[0] == "node hello 0"
        assert testc("--ca", ca.cert, "--name", "localhost", server.target, "node", "hello")[0] == "node hello 0"
        assert testc("--ca", ca.cert, f"localhost:{server.port}", "node", "hello")[0] == "node hello 0"
        assert testc("--ca", ca.cert, "--name", "example.org", server.target, "node", "x")[-1].startswith("status UNAVAILABLE ")
        assert testc("--ca", other_ca.cert, server.target, "node", "x")[-1].startswith("status UNAVAILABLE ")
        assert testc("--tls", server.target, "node", "x")[-1].startswith("status UNAVAILABLE ")
        assert testc("--timeout-ms", 3000, server.target, "node", "x")[-1].startswith(("status UNAVAILABLE ", "status DEADLINE_EXCEEDED "))
        assert testc("--ca", key, server.target, "node", "x", code=1)[0].startswith("error ")
        assert testc("--ca", "/nonexistent", server.target, "node", "x", code=1)[0].startswith("error ")


def test_client_certificate(ca, other_ca, testc):  # noqa: F811
    cert, key = ca.issue("peer")
    mine, my_key = ca.issue("me")
    with Peer(0, cert, key, ca.cert) as server:
        assert testc("--ca", ca.cert, "--cert", mine, "--key", my_key, server.target, "node", "hello")[0] == "node hello 0"
        assert testc("--ca", ca.cert, "--timeout-ms", 5000, server.target, "node", "x")[-1].startswith("status UNAVAILABLE ")


def test_unix_target(testc, tmp_path):
    with Program([TESTD, "--unix", tmp_path / "sock"]) as server:
        server.wait_line("^port")
        assert testc(f"unix:{tmp_path}/sock", "node", "hello")[0] == "node hello 0"
