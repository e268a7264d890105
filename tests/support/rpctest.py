# SPDX-License-Identifier: GPL-3.0-or-later
"""rpc-testd as a context, and gRPC calls of it that take and give bytes."""
import os
from pathlib import Path

import grpc
from process import Program

BUILD = Path(os.environ.get("WEFT_BUILD", Path(__file__).resolve().parents[2] / "build"))
TESTD = BUILD / "tests/interop/rpc-testd"
TESTC = BUILD / "tests/interop/rpc-testc"
CODE = grpc.StatusCode

# For programs built with AddressSanitizer.
os.environ.setdefault("LSAN_OPTIONS", f"suppressions={Path(__file__).resolve().parents[1]}/lsan.supp:print_suppressions=0")


def same(x):
    return x


class Testd(Program):
    __test__ = False

    def __init__(self, *options):
        super().__init__([TESTD, *options])
        try:
            self.port = int(self.wait_line(r"^port (\d+)$").group(1))
        except AssertionError:
            self.stop()
            raise
        self.channels = []

    def channel(self, target=None, credentials=None, **options):
        options = [("grpc." + k.replace("__", "."), v) for k, v in options.items()]
        options.append(("grpc.use_local_subchannel_pool", 1))
        target = target or f"127.0.0.1:{self.port}"
        channel = grpc.secure_channel(target, credentials, options) if credentials else grpc.insecure_channel(target, options)
        self.channels.append(channel)
        return Calls(channel)

    def stop(self):
        for channel in getattr(self, "channels", []):
            channel.close()
        return super().stop()

    def __exit__(self, kind, *exc):
        status = self.stop()
        assert kind is not None or status in (0, -9), self.output

    @property
    def rss_kib(self):
        with open(f"/proc/{self.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


class Calls:
    """Methods of weft.test.Test by name."""

    def __init__(self, channel):
        self.channel = channel

    def unary(self, name, message=b"", timeout=10, service="weft.test.Test", **more):
        return self.channel.unary_unary(f"/{service}/{name}", same, same)(message, timeout=timeout, **more)

    def unary_call(self, name, message=b"", timeout=10, **more):
        return self.channel.unary_unary(f"/weft.test.Test/{name}", same, same).with_call(message, timeout=timeout, **more)

    def server_stream(self, name, message=b"", timeout=20, service="weft.test.Test", **more):
        return self.channel.unary_stream(f"/{service}/{name}", same, same)(message, timeout=timeout, **more)

    def client_stream(self, name, messages, timeout=20, **more):
        return self.channel.stream_unary(f"/weft.test.Test/{name}", same, same)(iter(messages), timeout=timeout, **more)

    def bidi(self, name, messages, timeout=20, **more):
        return self.channel.stream_stream(f"/weft.test.Test/{name}", same, same)(iter(messages), timeout=timeout, **more)

    def stats(self):
        words = self.unary("Stats").decode().split()
        return {k: int(v) for k, v in zip(words[::2], words[1::2])}


def failure(call, *args, **more):
    """(code, details) of a call that must fail."""
    try:
        result = call(*args, **more)
        if hasattr(result, "__next__"):
            result = list(result)
    except grpc.RpcError as e:
        return e.code(), e.details()
    raise AssertionError(f"succeeded: {result!r}")
