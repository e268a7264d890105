# SPDX-License-Identifier: GPL-3.0-or-later
"""The room ws/ against Python's websockets, as client and as server, plain and with TLS."""

import asyncio
import contextlib
import os
import pathlib
import ssl
import subprocess

import pytest
import websockets

BUILD = pathlib.Path(os.environ.get("WEFT_BUILD", pathlib.Path(__file__).parents[2] / "build"))
ECHO = BUILD / "tests" / "interop" / "ws-echo"
DEADLINE = 20

pytestmark = pytest.mark.skipif(not ECHO.exists(), reason="ws-echo is not built")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=relay.test",
         "-addext", "subjectAltName=DNS:relay.test,IP:127.0.0.1"],
        check=True, capture_output=True)
    return cert, key


@contextlib.contextmanager
def our_server(*tls):
    process = subprocess.Popen([ECHO, "server", "/relay", *tls], stdout=subprocess.PIPE, text=True)
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


async def converse(url, context=None):
    sizes = [0, 1, 125, 126, 127, 65535, 65536, 69000]
    async with websockets.connect(url, ssl=context, compression=None, max_size=None,
                                  server_hostname="relay.test" if context else None) as client:
        for size in sizes:
            for message in ("a" * size, b"\xff" * size):
                await client.send(message)
                assert await client.recv() == message
        # Fragments, with a ping between them.
        await client.send([b"one", b"two", b"three"])
        assert await client.recv() == b"onetwothree"
        await (await client.ping(b"are you there"))
        await client.close(1001, "going")
        return client.close_code


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, DEADLINE))


def test_our_server_answers_websockets():
    with our_server() as port:
        assert run(converse(f"ws://127.0.0.1:{port}/relay")) == 1001
        assert run(converse(f"ws://127.0.0.1:{port}/relay?query=1")) == 1001


def test_our_server_answers_websockets_over_tls(certificate):
    context = ssl.create_default_context(cafile=certificate[0])
    with our_server(*certificate) as port:
        assert run(converse(f"wss://127.0.0.1:{port}/relay", context)) == 1001


def test_our_server_declines_compression_and_other_paths():
    async def ask(port):
        async with websockets.connect(f"ws://127.0.0.1:{port}/relay") as client:  # offers deflate
            assert client.extensions == []
            await client.send("x")
            assert await client.recv() == "x"
        with pytest.raises(websockets.exceptions.InvalidStatusCode) as refused:
            await websockets.connect(f"ws://127.0.0.1:{port}/other")
        assert refused.value.status_code == 404
    with our_server() as port:
        run(ask(port))


@pytest.mark.parametrize("frame, code", [
    (b"\x82\x00", 1002),                         # not masked
    (b"\xc2\x80\0\0\0\0", 1002),                 # reserved bit
    (b"\x83\x80\0\0\0\0", 1002),                 # opcode 3
    (b"\x80\x80\0\0\0\0", 1002),                 # continuation of nothing
    (b"\x09\x80\0\0\0\0", 1002),                 # ping in pieces
    (b"\x81\x81\0\0\0\0\xff", 1007),             # not UTF-8
    (b"\x82\xff\0\0\0\0\0\x10\0\0\0\0\0\0", 1009),  # 1 MiB announced
    (b"\x88\x82\0\0\0\0\x03\xed", 1002),         # close code 1005
])
def test_our_server_closes_on_malformed_frames(frame, code):
    async def ask(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /relay HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in await reader.readuntil(b"\r\n\r\n")
        writer.write(frame)
        assert await reader.read() == b"\x88\x02" + code.to_bytes(2, "big")
        writer.close()
    with our_server() as port:
        run(ask(port))


async def serve_our_client(*extra, context=None, host="relay.test"):
    seen = {}

    async def echo(connection, path):
        seen["path"] = path
        async for message in connection:
            # Back in pieces: our client must join them.
            if isinstance(message, bytes) and len(message) > 2:
                await connection.send([message[:1], message[1:]])
            else:
                await connection.send(message)

    async with websockets.serve(echo, "127.0.0.1", 0, ssl=context, max_size=None, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        client = await asyncio.create_subprocess_exec(
            ECHO, "client", host, str(port), "/relay", *map(str, extra), stdout=subprocess.PIPE)
        out, _ = await client.communicate()
        return client.returncode, out.decode(), seen.get("path")


def test_our_client_talks_to_websockets():
    status, out, path = run(serve_our_client())
    assert (status, path) == (0, "/relay")
    assert out == "messages 12 pongs 12 close 1000 http 101\n"


def test_our_client_talks_to_websockets_over_tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    status, out, _ = run(serve_our_client(certificate[0], "relay.test", context=context))
    assert status == 0, out
    status, out, _ = run(serve_our_client(certificate[0], "127.0.0.1", context=context))
    assert status == 0, out


def test_our_client_refuses_a_certificate_of_another_name(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    status, out, path = run(serve_our_client(certificate[0], "other.test", context=context))
    assert (status, path) == (1, None)
    status, out, path = run(serve_our_client(certificate[0], "127.0.0.2", context=context))
    assert (status, path) == (1, None)
