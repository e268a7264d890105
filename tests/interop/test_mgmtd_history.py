# SPDX-License-Identifier: GPL-3.0-or-later
"""An account in weft-mgmtd's model goes through a history of random changes. After each, the maps and what the streams were sent
are those of the algorithm by the letter (tests/peer/plainmap.py), and whose map changed is among those said to be affected."""
import copy
import json
import os
import subprocess
import sys

import pytest

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(TOP, "tests", "peer"))
import plainmap
import randomaccount
import reductions
from nbdelta import Held
from nbwire import mgmt as pb

BUILD = os.environ.get("WEFT_BUILD", os.path.join(TOP, "build"))
MANY = 10 if os.environ.get("WEFT_TEST_SCOPE") == "all" else 1


class Builder:
    def __init__(self):
        self.process = subprocess.Popen([os.path.join(BUILD, "tests", "interop", "netmap-history")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, op):
        self.process.stdin.write(json.dumps(op) + "\n")
        self.process.stdin.flush()

    def line(self):
        line = self.process.stdout.readline()
        assert line, "the helper died"
        return line.split()

    def load(self, account):
        self.send({"op": "load", "account": account})
        assert self.line() == ["ok"]

    def change(self, op):
        """Ids of the peers that the change affects."""
        self.send(op)
        words = self.line()
        assert words[0] == "affected"
        return set(words[1:])

    def maps(self, now_us):
        """{peer id: (whole map, kind, what the stream gets)}"""
        self.send({"op": "maps", "now_us": now_us})
        out = {}
        while (words := self.line()) != ["."]:
            peer, full, kind, stream = words
            out[peer] = tuple(pb.SyncResponse.FromString(b"" if x == "-" else bytes.fromhex(x)) for x in (full, stream)) + (kind,)
        return {peer: (full, kind, stream) for peer, (full, stream, kind) in out.items()}

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0
        self.process.stdout.close()


@pytest.fixture
def builder():
    b = Builder()
    yield b
    b.close()


def meaning(response):
    """A map without its serial."""
    out = copy.deepcopy(response)
    out.NetworkMap.Serial = 0
    return {**reductions.parts_of_map(out.NetworkMap, True), "session": out.sessionExpiresAt.SerializeToString()}


def changes(before, now):
    """Names of the parts in which two maps differ."""
    return [part for part in now if before is None or before[part] != now[part]]


def check_stream(held, peer, kind, stream, want, changed):
    """What one stream was sent must lead to the map that is wanted."""
    if kind == "unchanged":
        assert not changed, f"not sent: {changed}"
        return
    meta = peer["meta"]
    if stream.HasField("weftDelta"):
        assert 15001 in peer["meta"]["capabilities"] and not stream.HasField("NetworkMap")
        held.apply(stream.weftDelta)
        got = held.sync_response()
        got.sessionExpiresAt.CopyFrom(stream.sessionExpiresAt)
        meta = dict(meta, version="0.77.0")  # only agents of ours have deltas; they read no deprecated copies
    else:
        got = stream
    found = reductions.differences(want, got, meta)
    assert not found, f'{kind} for {peer["dns_label"]}:\n' + "\n".join(found[:20])


@pytest.mark.parametrize("seed", range(12 * MANY))
def test_a_history_of_changes(builder, seed):
    m = randomaccount.Maker(-seed - 1)
    account = randomaccount.generate(seed + 1000000, m.rnd.choice((3, 6, 10)))
    account["serial"] = 10
    builder.load(account)
    held, before = {}, {}
    affected, log = {p["id"] for p in account["peers"]}, []
    for _ in range(25):
        got = builder.maps(account["now_us"])
        peers = {p["id"]: p for p in account["peers"]}
        assert got.keys() == peers.keys(), log
        now = {}
        for peer_id, peer in peers.items():
            full, kind, stream = got[peer_id]
            want = plainmap.build(account, peer_id, corrected=True)
            now[peer_id] = meaning(want)
            if not any(r.Direction for r in full.NetworkMap.FirewallRules) or 15001 in peer["meta"]["capabilities"]:
                now[peer_id]["rules"] = reductions.without_out_rules(now[peer_id]["rules"])
            changed = changes(before.get(peer_id), now[peer_id])
            found = reductions.differences(want, full, peer["meta"])
            assert not found, f"{log}\n{peer_id}: " + "\n".join(found[:20])
            assert not changed or peer_id in affected or peer_id not in before, f"{log[-1]}: {peer_id} is affected: {changed}"
            check_stream(held.setdefault(peer_id, Held()), peer, kind, stream, want, changed)
        before = now
        op = randomaccount.change(m, account)
        if op["op"] == "remove_peer":
            held.pop(op["id"], None)
            before.pop(op["id"], None)
        log.append(json.dumps({k: v for k, v in op.items() if k != "account"})[:300])
        affected = builder.change(op)
