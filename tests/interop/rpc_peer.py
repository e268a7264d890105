#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service weft.test.Test by Python's grpcio, for the client of rpc/. Arguments: port (0: any), then certificate, key, client authority."""
import concurrent.futures
import sys
import threading

import grpc


def echo(value, context):
    meta = dict(context.invocation_metadata())
    if "x-echo" in meta:
        context.send_initial_metadata([("x-echo", meta["x-echo"])])
        context.set_trailing_metadata([("x-echo-trailer", meta["x-echo"])])
    if value.startswith(b"fail "):
        context.abort(grpc.StatusCode.PERMISSION_DENIED, value[5:].decode())
    return value


def server(value, context):
    count, size = map(int, value.split())
    for _ in range(count):
        yield b"y" * size


def client(values, context):
    got = list(values)
    return b"%d %d" % (len(got), sum(map(len, got)))


def bidi(values, context):
    yield from values


def wait(context):
    gone = threading.Event()
    context.add_callback(gone.set)
    gone.wait()


def hang(value, context):
    wait(context)
    return b""


def hold(value, context):
    context.send_initial_metadata([])
    wait(context)
    yield from ()


def node(value, context):
    if value == b"\x0a\x03bad":
        return b"\x0a\x02\xff\xfe"
    if value == b"\x0a\x04deep":
        message = b""
        for _ in range(9000):
            size, length = len(message), b""
            while size > 127:
                length += bytes([size & 127 | 128])
                size >>= 7
            message = b"\x12" + length + bytes([size]) + message
        return message
    if value == b"\x0a\x03big":
        return b"\x0a\x80\x80\x80\x04" + b"b" * (8 << 20)
    return value


class Service(grpc.GenericRpcHandler):
    def service(self, details):
        name = details.method.rsplit("/", 1)[1]
        makers = {"Unary": (grpc.unary_unary_rpc_method_handler, echo), "Node": (grpc.unary_unary_rpc_method_handler, node),
                  "Hang": (grpc.unary_unary_rpc_method_handler, hang), "Server": (grpc.unary_stream_rpc_method_handler, server),
                  "Hold": (grpc.unary_stream_rpc_method_handler, hold), "Client": (grpc.stream_unary_rpc_method_handler, client),
                  "Bidi": (grpc.stream_stream_rpc_method_handler, bidi)}
        if name in makers:
            maker, function = makers[name]
            return maker(function)


def main():
    port, files = sys.argv[1], [open(f, "rb").read() for f in sys.argv[2:]]
    peer = grpc.server(concurrent.futures.ThreadPoolExecutor(64), handlers=[Service()], options=[("grpc.so_reuseport", 0)])
    if files:
        credentials = grpc.ssl_server_credentials([(files[1], files[0])], files[2] if len(files) > 2 else None, len(files) > 2)
        bound = peer.add_secure_port(f"127.0.0.1:{port}", credentials)
    else:
        bound = peer.add_insecure_port(f"127.0.0.1:{port}")
    peer.start()
    print("port", bound, flush=True)
    peer.wait_for_termination()


main()
