# SPDX-License-Identifier: GPL-3.0-or-later
"""Random messages of every type, made by Python's protobuf from the same .proto files: proto/'s decoder sees the same values,
and what it encodes is the same message again. Random bytes: whatever it accepts, Python accepts and reads the same."""
import os
import random
import subprocess
import sys
import tempfile

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor as F
from google.protobuf.message import DecodeError

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
BUILD = os.environ.get("WEFT_BUILD", os.path.join(TOP, "build"))
MANY = 10 if os.environ.get("WEFT_TEST_SCOPE") == "all" else 1
INTS = {F.TYPE_INT32: (-2**31, 2**31 - 1), F.TYPE_UINT32: (0, 2**32 - 1), F.TYPE_INT64: (-2**63, 2**63 - 1), F.TYPE_UINT64: (0, 2**64 - 1)}


def load_types():
    """{full name: message class} of all messages that are not nested in another."""
    proto_dir = os.path.join(TOP, "proto")
    names = sorted(f for f in os.listdir(proto_dir) if f.endswith(".proto"))
    with tempfile.NamedTemporaryFile(suffix=".pb") as out:
        subprocess.run(["protoc", "-I" + proto_dir, "-I/usr/include", "--include_imports", "--descriptor_set_out=" + out.name, *names], check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read()).file
    pool = descriptor_pool.DescriptorPool()
    factory = message_factory.MessageFactory(pool)
    for one in files:
        pool.Add(one)
    return {m.full_name: factory.GetPrototype(m) for name in names for m in pool.FindFileByName(name).message_types_by_name.values()}


TYPES = load_types()


class Echo:
    def __init__(self):
        self.process = subprocess.Popen([os.path.join(BUILD, "tests", "interop", "proto-echo")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, name, data):
        """(accepted, bytes encoded again or reason, set of dumped lines)"""
        self.process.stdin.write(f"{name} {data.hex()}\n")
        self.process.stdin.flush()
        status, _, rest = self.process.stdout.readline().rstrip("\n").partition(" ")
        lines = set()
        while (line := self.process.stdout.readline().rstrip("\n")) != ".":
            assert line, "the helper died"
            lines.add(line)
        return (True, bytes.fromhex(rest), lines) if status == "ok" else (False, rest, lines)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0
        self.process.stdout.close()


@pytest.fixture(scope="module")
def echo():
    e = Echo()
    yield e
    e.close()


def random_text(rnd):
    return "".join(chr(rnd.choice((rnd.randint(1, 127), rnd.randint(128, 0x7ff), rnd.randint(0x800, 0xd7ff), rnd.randint(0xe000, 0x10ffff))))
                   for _ in range(rnd.choice((0, 1, 2, 7, 40))))


def random_scalar(rnd, f):
    if f.type in INTS:
        low, high = INTS[f.type]
        return rnd.choice((0, 1, low, high, rnd.randint(low, high), rnd.randint(0, 300)))
    if f.type == F.TYPE_BOOL:
        return rnd.random() < 0.5
    if f.type == F.TYPE_ENUM:
        return rnd.choice([v.number for v in f.enum_type.values] + [77, -5, 2**31 - 1])
    if f.type == F.TYPE_STRING:
        return random_text(rnd)
    assert f.type == F.TYPE_BYTES, f.full_name
    return rnd.randbytes(rnd.choice((0, 1, 5, 130)))


def is_map(f):
    return f.type == F.TYPE_MESSAGE and f.message_type.GetOptions().map_entry


def fill(rnd, msg):
    for f in msg.DESCRIPTOR.fields:
        if rnd.random() < 0.3:
            continue
        if is_map(f):
            for _ in range(rnd.randint(0, 3)):
                fill(rnd, getattr(msg, f.name)[random_text(rnd)])
        elif f.label == F.LABEL_REPEATED:
            for _ in range(rnd.choice((0, 1, 2, 5))):
                if f.type == F.TYPE_MESSAGE:
                    fill(rnd, getattr(msg, f.name).add())
                else:
                    getattr(msg, f.name).append(random_scalar(rnd, f))
        elif f.type == F.TYPE_MESSAGE:
            getattr(msg, f.name).SetInParent()
            fill(rnd, getattr(msg, f.name))
        else:
            setattr(msg, f.name, random_scalar(rnd, f))
    return msg


def dump(msg, path=""):
    """The lines that the helper prints for the same message; entries of maps in the order of *msg*."""
    for f, value in msg.ListFields():
        values = [value] if f.label != F.LABEL_REPEATED else list(value.items()) if is_map(f) else value
        for i, v in enumerate(values):
            name = f"{path}.{f.name}" + (f"[{i}]" if f.label == F.LABEL_REPEATED else "")
            if is_map(f):
                yield name + "{}"
                if v[0]:
                    yield f"{name}.key={v[0].encode().hex()}"
                yield name + ".value{}"
                yield from dump(v[1], name + ".value")
            elif f.type == F.TYPE_MESSAGE:
                yield name + "{}"
                yield from dump(v, name)
            elif f.type == F.TYPE_STRING:
                yield f"{name}={v.encode().hex()}"
            elif f.type == F.TYPE_BYTES:
                yield f"{name}={v.hex()}"
            else:
                yield f"{name}={int(v)}"


@pytest.mark.parametrize("name", TYPES)
def test_random_messages_mean_the_same_on_both_sides(echo, name):
    rnd = random.Random(name)
    for _ in range(40 * MANY):
        msg = fill(rnd, TYPES[name]())
        accepted, again, lines = echo.ask(name, msg.SerializeToString())
        assert accepted, again
        assert lines == set(dump(msg))
        assert TYPES[name].FromString(again) == msg
        accepted, once_more, _ = echo.ask(name, again)
        assert accepted and once_more == again


def without_unknown(cls, data):
    msg = cls.FromString(data)
    msg.DiscardUnknownFields()
    return msg


@pytest.mark.parametrize("name", ["management.SyncResponse", "management.LoginRequest", "management.EncryptedMessage",
                                  "management.NetworkMapEnvelope", "signalexchange.Body", "flow.FlowEvent"])
def test_whatever_damaged_message_is_accepted_means_the_same(echo, name):
    rnd = random.Random(name + "damaged")
    cls, agreed = TYPES[name], 0
    for _ in range(400 * MANY):
        data = bytearray(fill(rnd, cls()).SerializeToString()[:2000])
        for _ in range(rnd.choice((1, 1, 2, 6))):
            if data:
                data[rnd.randrange(len(data))] = rnd.randrange(256)
        accepted, again, lines = echo.ask(name, bytes(data))
        if not accepted:
            continue
        try:
            theirs = without_unknown(cls, bytes(data))
        except DecodeError as why:
            raise AssertionError(f"only we accept {data.hex()}") from why
        # Entries of a map with the same key: Python keeps one of them.
        if not any(line.endswith(".value{}") for line in lines):
            assert lines == set(dump(theirs)), data.hex()
        assert without_unknown(cls, again) == theirs
        agreed += 1
    assert agreed > 0
    print(f"{agreed} accepted", file=sys.stderr)
