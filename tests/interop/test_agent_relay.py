# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's relay client against weft-relayd and the independent test server, with the Python client as the other peer."""
import asyncio
import os
import re
import socket
import subprocess
import sys
import threading
import time

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "peer"))

import nbwire as w  # noqa: E402
from nbrelay import RelayClient  # noqa: E402
from nb_server import Config, NBServer  # noqa: E402

BUILD = os.environ.get("WEFT_BUILD", os.path.join(TOP, "build"))
SECRET = "relay-test-secret"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Relayd:
    """weft-relayd on a fixed port, so that it can be restarted."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.url = f"rel://127.0.0.1:{self.port}"
        secret = folder / "secret"
        secret.write_text(SECRET + "\n")
        secret.chmod(0o600)
        (folder / "relayd.conf").write_text(
            f"[stun-turn]\nlisten-udp = 127.0.0.1:0\nlisten-tcp =\nrelay-address = 127.0.0.1\n"
            f"[relay]\nlisten = 127.0.0.1:{self.port}\npublic-url = {self.url}\nsecret-file = {secret}\n"
            f"[paths]\nruntime-dir = {folder}/run\nstate-dir = {folder}/state\n")
        self.start()

    def start(self):
        self.process = subprocess.Popen([os.path.join(BUILD, "weft-relayd"), "--config", str(self.folder / "relayd.conf")],
                                        stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "is ready" in line:
                break
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.process.terminate()
        assert self.process.wait(10) == 0


class Agent:
    def __init__(self, url, key, peer_text):
        self.lines = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen([os.path.join(BUILD, "tests", "interop", "relay-peer"), url, SECRET, key.private_text, peer_text],
                                        stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.strip())
                self.changed.notify_all()

    def wait(self, line, after=0, timeout=10):
        with self.changed:
            assert self.changed.wait_for(lambda: line in self.lines[after:], timeout), (line, self.lines)
            return len(self.lines)

    def close(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture(params=["weft-relayd", "test server"])
def relay(request, tmp_path):
    if request.param == "weft-relayd":
        server = Relayd(tmp_path)
        yield server
        server.close()
    else:
        with NBServer(Config(mgmt_port=0, signal_port=0, relay_port=0, stun_port=0, relay_secret=SECRET)) as server:
            server.url = server.relay_urls()[0]
            yield server


def token():
    payload, signature = w.relay_token(SECRET, int(time.time()) + 3600)
    return w.relay_token_wire(payload, signature)


async def echo(url, key, other, rounds=3, client=None):
    """Sends to the agent and expects the upper case back."""
    got = asyncio.Queue()
    client = RelayClient(url, key, token(), lambda peer, data: got.put_nowait(data))
    await client.connect()
    try:
        await client.open_peer(other)
        for i in range(rounds):
            client.transport(other, b"hello %d" % i)
            assert await asyncio.wait_for(got.get(), 10) == b"HELLO %d" % i
        big = b"x" * 1400
        client.transport(other, big)
        assert await asyncio.wait_for(got.get(), 10) == big.upper()
    finally:
        await client.close()


def test_packets_pass_both_ways(relay):
    mine, theirs = w.WgKey.generate(), w.WgKey.generate()
    agent = Agent(relay.url, mine, theirs.text)
    try:
        assert any(re.match("home rel://", line) for line in agent.lines) or agent.wait(f"home {relay.url}")
        asyncio.run(echo(relay.url, theirs, mine.text))
        assert "peer open" in agent.lines
    finally:
        agent.close()


def test_a_peer_that_went_and_came_is_reached_again(relay):
    mine, theirs = w.WgKey.generate(), w.WgKey.generate()
    agent = Agent(relay.url, mine, theirs.text)
    try:
        agent.wait(f"home {relay.url}")
        asyncio.run(echo(relay.url, theirs, mine.text))
        n = agent.wait("peer opening", after=agent.lines.index("peer open"))
        asyncio.run(echo(relay.url, theirs, mine.text))
        agent.wait("peer open", after=n)
    finally:
        agent.close()


def test_traffic_returns_soon_after_the_relay_was_killed(tmp_path):
    relay = Relayd(tmp_path)
    mine, theirs = w.WgKey.generate(), w.WgKey.generate()
    agent = Agent(relay.url, mine, theirs.text)
    try:
        agent.wait(f"home {relay.url}")
        relay.kill()
        n = agent.wait("home -")
        relay.start()
        agent.wait(f"home {relay.url}", after=n, timeout=15)
        asyncio.run(echo(relay.url, theirs, mine.text))
    finally:
        agent.close()
        relay.close()


def test_a_wrong_token_is_refused_and_costs_nobody_else_anything(tmp_path):
    relay = Relayd(tmp_path)
    good, bad, theirs = (w.WgKey.generate() for _ in range(3))
    agent = Agent(relay.url, good, theirs.text)
    intruder = subprocess.Popen([os.path.join(BUILD, "tests", "interop", "relay-peer"), relay.url, "wrong", bad.private_text, theirs.text],
                                stdout=subprocess.PIPE, text=True)
    try:
        agent.wait(f"home {relay.url}")
        asyncio.run(echo(relay.url, theirs, good.text))
    finally:
        intruder.kill()
        assert "home rel" not in intruder.communicate()[0]
        agent.close()
        relay.close()
