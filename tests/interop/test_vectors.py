# SPDX-License-Identifier: GPL-3.0-or-later
"""The vectors of tests/vectors hold, and proto/ describes the messages they consist of."""
import base64
import json
import os
import subprocess
import sys
import tempfile

import pytest
from google.protobuf import descriptor_pb2

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
VECTORS = os.path.join(TOP, "tests", "vectors")
OURS = 15000  # numbers above are Weft's own
D = descriptor_pb2.FieldDescriptorProto


def test_every_recorded_vector_proves_itself():
    done = subprocess.run([sys.executable, "-B", os.path.join(VECTORS, "check.py")], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith(" checks, 0 failed")


def test_the_small_vectors_are_what_the_definitions_give():
    subprocess.run([sys.executable, "-B", os.path.join(VECTORS, "basic.py"), "--check"], check=True, timeout=60)


def compile_protos(*names):
    with tempfile.NamedTemporaryFile(suffix=".pb") as out:
        subprocess.run(["protoc", "-I" + os.path.join(TOP, "proto"), "-I/usr/include", "--descriptor_set_out=" + out.name,
                        *names], check=True)
        return descriptor_pb2.FileDescriptorSet.FromString(out.read())


def oneof_of(message, field):
    """Name of the oneof; "" without; "optional" where it is how presence of a scalar is written."""
    if field.proto3_optional:
        return "optional"
    if not field.HasField("oneof_index"):
        return ""
    name = message.oneof_decl[field.oneof_index].name
    return "optional" if name.startswith("optional") else name


def describe(files):
    """{full name: set of facts} of all messages, enums and methods, without Weft's extensions."""
    out = {}

    def enum(prefix, e):
        out[f"{prefix}.{e.name}"] = {(v.name, v.number) for v in e.value if v.number <= OURS}

    def message(prefix, m):
        name = f"{prefix}.{m.name}"
        out[name] = {(f.name, f.number, D.Type.Name(f.type), D.Label.Name(f.label), f.type_name, oneof_of(m, f), f.options.deprecated)
                     for f in m.field if f.number <= OURS}
        out[name] |= {("reserved", r.start, r.end) for r in m.reserved_range}
        for nested in m.nested_type:
            message(name, nested)
        for nested in m.enum_type:
            enum(name, nested)

    for file in files:
        for m in file.message_type:
            message(file.package, m)
        for e in file.enum_type:
            enum(file.package, e)
        for s in file.service:
            for m in s.method:
                out[f"/{file.package}.{s.name}/{m.name}"] = {(m.input_type, m.output_type, m.client_streaming, m.server_streaming)}
    return {name: facts for name, facts in out.items() if not name.split(".")[1].startswith("Weft")}


@pytest.fixture(scope="module")
def official():
    with open(os.path.join(VECTORS, "schema.json"), encoding="utf-8") as f:
        files = descriptor_pb2.FileDescriptorSet.FromString(base64.b64decode(json.load(f)["file_descriptor_set"])).file
    return describe(f for f in files if not f.name.startswith("google/"))


def test_our_proto_files_equal_the_official_messages(official):
    ours = describe(compile_protos("management.proto", "signalexchange.proto", "flow.proto").file)
    known = {name for name in official if not name.startswith("/")}
    assert len(known) == 104 and known <= set(ours)
    # The schema may have been recorded without services.
    assert {name for name in ours if not name.startswith("/")} == known
    for name in official:
        assert ours[name] == official[name], name


def test_no_message_of_ours_can_contain_itself():
    names = [f for f in os.listdir(os.path.join(TOP, "proto")) if f.endswith(".proto")]
    below = {}

    def collect(prefix, m):
        below[f"{prefix}.{m.name}"] = {f.type_name for f in m.field if f.type in (D.TYPE_MESSAGE, D.TYPE_GROUP)}
        for nested in m.nested_type:
            collect(f"{prefix}.{m.name}", nested)
    for file in compile_protos(*names).file:
        for m in file.message_type:
            collect("." + file.package, m)

    def walk(name, above):
        assert name not in above, " -> ".join([*above, name])
        for child in below.get(name, ()):
            walk(child, [*above, name])
    for name in below:
        walk(name, [])
