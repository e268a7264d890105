# SPDX-License-Identifier: GPL-3.0-or-later
"""The server of rpc/ against Python's grpcio, curl, h2load and HTTP/2 by hand, in each way of delivery."""
import queue
import random
import shutil
import signal
import subprocess
import threading
import time

import grpc
import pytest
from process import wait_until
from rawh2 import GOAWAY, PING, RawH2
from rpctest import CODE, TESTD, Testd, failure

DELIVERIES = ["context", "loop", "inline"]
SANITIZED = b"__asan_init" in TESTD.read_bytes() if TESTD.exists() else False


@pytest.fixture(params=DELIVERIES, scope="module")
def testd(request):
    with Testd("--delivery", request.param) as daemon:
        yield daemon


@pytest.fixture
def rpc(testd):
    return testd.channel()


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def nested_node(depth):
    """weft.test.Node in Node in Node ..."""
    message = b""
    for _ in range(depth):
        message = b"\x12" + varint(len(message)) + message
    return message


# --- Kinds of calls ---

def test_unary(rpc):
    assert rpc.unary("Unary", b"hello") == b"hello"
    assert rpc.unary("Unary", b"") == b""


def test_messages_of_many_sizes_come_back_whole(rpc):
    rng = random.Random(1)
    for size in [1, 23, 24, 255, 16383, 16384, 70000, 600 * 1024, 1024 * 1024 - 64]:
        message = rng.randbytes(size)
        assert rpc.unary("Unary", message) == message


def test_server_stream_longer_than_its_queue(rpc):
    before = rpc.stats()["drains"]
    assert sum(1 for _ in rpc.server_stream("Server", b"3000 100")) == 3000
    assert rpc.stats()["drains"] > before


def test_client_stream(rpc):
    assert rpc.client_stream("Client", [b"ab"] * 500) == b"500 1000"
    assert rpc.client_stream("Client", []) == b"0 0"


def test_bidi_keeps_order(rpc):
    messages = [b"%d" % i for i in range(1000)]
    assert list(rpc.bidi("Bidi", messages)) == messages


def test_many_calls_at_once(rpc):
    method = rpc.channel.unary_unary("/weft.test.Test/Unary", None, None)
    calls = [method.future(b"%d" % i, timeout=20) for i in range(500)]
    assert [c.result() for c in calls] == [b"%d" % i for i in range(500)]


# --- Status and metadata ---

def test_status_with_a_message(rpc):
    assert failure(rpc.unary, "Unary", metadata=[("x-status", "9 needs 100 %, really")]) == (CODE.FAILED_PRECONDITION, "needs 100 %, really")
    assert failure(rpc.unary, "Unary", metadata=[("x-status", "7")]) == (CODE.PERMISSION_DENIED, "")


def test_leading_and_trailing_metadata(rpc):
    reply, call = rpc.unary_call("Unary", b"x", metadata=[("x-echo", "value"), ("x-echo-bin", b"\0\xff\x80")])
    assert reply == b"x"
    assert ("x-echo", "value") in call.initial_metadata()
    assert ("x-echo-trailer", "value") in call.trailing_metadata()
    assert ("x-trailer-bin", b"\0\xff\x80") in call.trailing_metadata()


def test_header_is_there_before_any_message(rpc):
    messages = queue.Queue()
    call = rpc.bidi("Register", iter(messages.get, None), metadata=[("x-id", "me")])
    assert ("x-registered", "1") in call.initial_metadata()
    messages.put(b"hello")
    assert next(call) == b"hello"
    messages.put(None)
    assert list(call) == []
    assert call.code() == CODE.OK


def test_refusal_at_the_start_of_a_stream(rpc):
    messages = queue.Queue()
    assert failure(rpc.bidi, "Register", iter(messages.get, None)) == (CODE.FAILED_PRECONDITION, "x-id is missing")
    messages.put(None)


def test_unknown_method_and_service(rpc):
    assert failure(rpc.unary, "Nope") == (CODE.UNIMPLEMENTED, "unknown method /weft.test.Test/Nope")
    assert failure(rpc.unary, "Unary", service="no.Such")[0] == CODE.UNIMPLEMENTED
    assert failure(rpc.bidi, "Nope", [b"x"])[0] == CODE.UNIMPLEMENTED


def test_deadline_is_kept_and_seen_by_the_server(rpc):
    before = rpc.stats()["peer-gone"]
    assert failure(rpc.unary, "Hang", timeout=0.2)[0] == CODE.DEADLINE_EXCEEDED
    wait_until(lambda: rpc.stats()["peer-gone"] == before + 1)
    remaining = int(rpc.unary("Peer", timeout=5).split()[-1])
    assert 3000 < remaining <= 5100


def test_cancel_is_seen_by_the_server(rpc):
    before = rpc.stats()["peer-gone"]
    stream = rpc.server_stream("Hold", b"0")
    stream.initial_metadata()
    wait_until(lambda: rpc.stats()["held"] >= 1)
    stream.cancel()
    wait_until(lambda: rpc.stats()["peer-gone"] == before + 1)
    wait_until(lambda: rpc.stats()["held"] == 0)


def test_peer_address(rpc):
    assert rpc.unary("Peer").decode().startswith("peer 127.0.0.1:")


# --- Hostile input ---

def test_message_of_5_mib_is_refused(rpc):
    assert failure(rpc.unary, "Unary", bytes(5 * 1024 * 1024))[0] == CODE.RESOURCE_EXHAUSTED
    assert rpc.unary("Unary", b"still here") == b"still here"


def test_gzip_bomb_is_refused_and_costs_nothing(testd, rpc):
    rpc.unary("Unary", bytes(512 * 1024))
    before = testd.rss_kib
    code, _ = failure(rpc.unary, "Unary", bytes(64 * 1024 * 1024), compression=grpc.Compression.Gzip)
    assert code == CODE.UNIMPLEMENTED
    assert rpc.unary("Unary", b"still here") == b"still here"
    assert testd.rss_kib - before < 8 * 1024


def test_recursive_message_cannot_crash(rpc):
    assert rpc.unary("Node", b"\x0a\x02hi" + b"\x12\x00") == b"\x0a\x02hi\x20\xe8\x07"
    deep = nested_node(9000)
    assert len(deep) > 30000
    code, details = failure(rpc.unary, "Node", deep)
    assert code == CODE.INTERNAL and "cannot be decoded" in details
    assert rpc.unary("Node", b"\x0a\x02hi") == b"\x0a\x02hi"


@pytest.mark.parametrize("message", [b"\x0a\x02\xff\xfe", b"\x0a\x01\x00", b"\x0a\x05hi", b"\x0b", b"\xff" * 20])
def test_undecodable_message_is_refused(rpc, message):
    before = rpc.stats()["bad-input"]
    assert failure(rpc.unary, "Node", message)[0] == CODE.INTERNAL
    wait_until(lambda: rpc.stats()["bad-input"] == before + 1)


def test_message_that_wants_much_memory_is_refused(testd, rpc):
    before = testd.rss_kib
    code, details = failure(rpc.unary, "Node", b"\x1a\x00" * 500_000)
    assert code == CODE.RESOURCE_EXHAUSTED and "too much memory" in details
    assert testd.rss_kib - before < 40 * 1024


def test_oversized_metadata_is_refused(testd, rpc):
    assert rpc.unary("Unary", b"x", metadata=[("x-big", "b" * 7000)]) == b"x"
    assert failure(rpc.unary, "Unary", b"x", metadata=[("x-big", "b" * 20000)])[0] == CODE.RESOURCE_EXHAUSTED
    # Core may end the sender's connection when the block goes on; nobody else's.
    assert testd.channel().unary("Unary", b"x") == b"x"


def test_call_without_a_message(testd, rpc):
    before = rpc.stats()
    raw = RawH2(testd.port)
    stream = raw.call("/weft.test.Test/Unary")
    raw.frame(0, 1, stream)
    wait_until(lambda: rpc.stats()["total"] > before["total"] + 1 and rpc.stats()["live"] == 1)
    raw.close()
    assert rpc.unary("Unary", b"x") == b"x"


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", bytes(1000), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 500])
def test_garbage_on_the_port(testd, rpc, garbage):
    import socket
    with socket.create_connection(("127.0.0.1", testd.port)) as s:
        s.sendall(garbage)
        s.settimeout(10)
        try:
            while s.recv(4096):
                pass
        except ConnectionError:
            pass
    assert rpc.unary("Unary", b"x") == b"x"


def test_too_many_pings_end_the_connection(testd):
    raw = RawH2(testd.port)
    for _ in range(30):
        try:
            raw.frame(PING, 0, 0, bytes(8))
        except OSError:
            break
    frame = raw.wait_frame(GOAWAY)
    assert frame is not None and frame[3][4:8] == (11).to_bytes(4, "big")  # ENHANCE_YOUR_CALM
    raw.close()


def test_pings_from_the_interval_on_are_accepted():
    with Testd("--ping-ms", "200") as daemon:
        rpc = daemon.channel()
        raw = RawH2(daemon.port)
        raw.call("/weft.test.Test/Hold", b"0")
        wait_until(lambda: rpc.stats()["held"] == 1)
        for _ in range(8):
            raw.frame(PING, 0, 0, bytes(8))
            sent = time.monotonic()
            frame = raw.wait_frame(PING)
            assert frame is not None and frame[1] == 1
            wait_until(lambda: time.monotonic() - sent > 0.3)
        assert rpc.stats()["held"] == 1
        raw.close()


# --- Readers that do not read ---

def test_reader_that_never_reads_is_dropped(testd, rpc):
    before = rpc.stats()["slow"]
    raw = RawH2(testd.port, rcvbuf=4096)
    raw.call("/weft.test.Test/Hold", b"10 100000")
    wait_until(lambda: rpc.stats()["held"] == 1)
    wait_until(lambda: rpc.stats()["slow"] == before + 1, 15)
    assert rpc.stats()["held"] == 0
    raw.close()


def test_overflowing_queue_drops_the_stream(testd, rpc):
    before = rpc.stats()["overflow"]
    raw = RawH2(testd.port, rcvbuf=4096)
    raw.call("/weft.test.Test/Flood", b"100 100000")
    wait_until(lambda: rpc.stats()["overflow"] == before + 1)
    raw.close()
    code, _ = failure(rpc.server_stream, "Flood", b"1000 100000")
    assert code == CODE.RESOURCE_EXHAUSTED


def test_one_slot_keeps_the_newest(rpc):
    got = list(rpc.server_stream("Latest", b"1000 100"))
    assert 1 <= len(got) <= 1000


def test_1000_streams_opened_and_cut(testd, rpc):
    def hold():
        raw = RawH2(testd.port)
        for _ in range(100):
            raw.call("/weft.test.Test/Hold", b"1 10")
        return raw
    connections = [hold() for _ in range(10)]
    wait_until(lambda: rpc.stats()["held"] == 1000, 30)
    for raw in connections:
        raw.close()
    wait_until(lambda: rpc.stats()["held"] == 0, 30)
    wait_until(lambda: rpc.stats()["live"] == 1)


# --- Broadcast ---

def test_broadcast_reaches_every_stream(rpc):
    streams = [rpc.server_stream("Hold", b"0") for _ in range(200)]
    for stream in streams:
        stream.initial_metadata()
    wait_until(lambda: rpc.stats()["held"] == 200)
    message = random.Random(2).randbytes(1024)
    assert rpc.unary("Publish", message) == b"sent 200 full 0 closed 0"
    assert rpc.unary("Publish", b"second") == b"sent 200 full 0 closed 0"
    for stream in streams:
        assert next(stream) == message
        assert next(stream) == b"second"
        stream.cancel()
    wait_until(lambda: rpc.stats()["held"] == 0)


# --- Other programs ---

def grpc_frame(message):
    return b"\0" + len(message).to_bytes(4, "big") + message


def test_curl(testd, tmp_path):
    (tmp_path / "request").write_bytes(grpc_frame(b"hello"))
    done = subprocess.run(
        ["curl", "-sS", "--http2-prior-knowledge", "-o", tmp_path / "reply", "-D", "-", "-H", "content-type: application/grpc", "-H", "te: trailers",
         "--data-binary", f"@{tmp_path}/request", f"http://127.0.0.1:{testd.port}/weft.test.Test/Unary"],
        capture_output=True, text=True, check=True, timeout=20)
    assert "HTTP/2 200" in done.stdout and "grpc-status: 0" in done.stdout
    assert (tmp_path / "reply").read_bytes() == grpc_frame(b"hello")


def test_h2load(testd, tmp_path):
    (tmp_path / "request").write_bytes(grpc_frame(b"x" * 200))
    done = subprocess.run(
        ["h2load", "-n", "2000", "-c", "8", "-m", "8", "-d", tmp_path / "request", "-H", "content-type: application/grpc", "-H", "te: trailers",
         f"http://127.0.0.1:{testd.port}/weft.test.Test/Unary"], capture_output=True, text=True, check=True, timeout=60)
    assert "2000 succeeded, 0 failed" in done.stdout and "status codes: 2000 2xx" in done.stdout


# --- Health ---

def test_health(testd, rpc):
    health = {"service": "grpc.health.v1.Health"}
    assert rpc.unary("Check", **health) == b"\x08\x01"
    assert failure(rpc.unary, "Check", b"\x0a\x02no", **health)[0] == CODE.NOT_FOUND
    unknown = rpc.server_stream("Watch", b"\x0a\x02no", **health)
    assert next(unknown) == b"\x08\x03"
    unknown.cancel()
    watch = rpc.server_stream("Watch", **health)
    assert next(watch) == b"\x08\x01"
    testd.signal(signal.SIGUSR1)
    assert next(watch) == b"\x08\x02"
    assert rpc.unary("Check", **health) == b"\x08\x02"
    watch.cancel()


# --- Listening, limits, end ---

def test_two_servers_on_one_port():
    with Testd() as first:
        second = subprocess.run([TESTD, "--listen", f"127.0.0.1:{first.port}"], capture_output=True, text=True, timeout=20)
        assert second.returncode == 1 and "cannot listen" in second.stderr
        assert first.channel().unary("Unary", b"x") == b"x"


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1", "192.0.2.1:0", "127.0.0.1:99999", "unix:/tmp/x", "dns:///localhost:0", ""])
def test_bad_listen_address(address):
    assert subprocess.run([TESTD, "--listen", address], capture_output=True, timeout=20).returncode == 1


def test_dual_stack_listener_sees_ipv4_as_ipv4():
    with Testd("--listen", "[::]:0") as daemon:
        assert daemon.channel().unary("Peer").startswith(b"peer 127.0.0.1:")
        assert daemon.channel(f"[::1]:{daemon.port}").unary("Peer").startswith(b"peer [::1]:")


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_graceful_end(delivery):
    with Testd("--delivery", delivery, "--grace-ms", "700") as daemon:
        rpc = daemon.channel()
        stream = rpc.server_stream("Hold", b"0")
        stream.initial_metadata()
        wait_until(lambda: rpc.stats()["held"] == 1)
        raw = RawH2(daemon.port)
        raw.call("/weft.test.Test/Hang", b"x")
        raw.read_frame()
        wait_until(lambda: rpc.stats()["live"] >= 3)
        daemon.signal(signal.SIGTERM)
        assert raw.wait_frame(GOAWAY) is not None
        assert failure(list, stream) == (CODE.UNAVAILABLE, "the server is shutting down")
        assert daemon.wait() == 0
        assert "stopped" in daemon.output
        raw.close()


def test_graceful_end_waits_for_calls_that_end():
    with Testd("--grace-ms", "20000") as daemon:
        rpc = daemon.channel()
        messages = queue.Queue()
        call = rpc.bidi("Bidi", iter(messages.get, None))
        messages.put(b"a")
        assert next(call) == b"a"
        daemon.signal(signal.SIGTERM)
        messages.put(b"b")
        assert next(call) == b"b"
        messages.put(None)
        assert list(call) == [] and call.code() == CODE.OK
        assert daemon.wait() == 0


def test_end_with_a_reader_that_takes_nothing():
    with Testd("--grace-ms", "200") as daemon:
        rpc = daemon.channel()
        raw = RawH2(daemon.port, rcvbuf=4096)
        raw.call("/weft.test.Test/Hold", b"10 100000")
        wait_until(lambda: rpc.stats()["held"] == 1)
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        raw.close()


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_limit_of_calls_per_address(delivery):
    with Testd("--per-address", "10", "--delivery", delivery) as daemon:
        rpc = daemon.channel()
        streams = [rpc.server_stream("Hold", b"0") for _ in range(9)]
        for stream in streams:
            stream.initial_metadata()
        wait_until(lambda: rpc.stats()["held"] == 9)
        streams.append(rpc.server_stream("Hold", b"0"))
        streams[-1].initial_metadata()
        code, details = failure(rpc.server_stream, "Hold", b"0")
        assert code == CODE.RESOURCE_EXHAUSTED and "from this address" in details
        for stream in streams:
            stream.cancel()
        wait_until(lambda: failure_or_none(rpc) is None)
        assert rpc.stats()["limit"] >= 1


def failure_or_none(rpc):
    try:
        rpc.unary("Unary", b"x")
    except grpc.RpcError as e:
        return e


def test_limit_of_calls_in_total():
    with Testd("--max-calls", "3") as daemon:
        rpc = daemon.channel()
        streams = [rpc.server_stream("Hold", b"0") for _ in range(3)]
        for stream in streams:
            stream.initial_metadata()
        assert failure(rpc.unary, "Unary") == (CODE.RESOURCE_EXHAUSTED, "too many calls")
        for stream in streams:
            stream.cancel()


def test_limit_of_new_calls_per_second():
    with Testd("--rate", "5") as daemon:
        rpc = daemon.channel()
        results = [failure_or_none(rpc) for _ in range(100)]
        refused = [r for r in results if r is not None]
        assert len(refused) > 50 and all(r.code() == CODE.RESOURCE_EXHAUSTED for r in refused)
        assert results[0] is None
        wait_until(lambda: failure_or_none(rpc) is None, interval=0.2)


def test_connections_beyond_the_limit_are_cut():
    with Testd("--connections", "5") as daemon:
        rpc = daemon.channel()
        rpc.unary("Unary")
        raws = [RawH2(daemon.port) for _ in range(20)]
        wait_until(lambda: rpc.stats()["cut"] >= 16, 15)
        assert rpc.unary("Unary", b"first one stays") == b"first one stays"
        for raw in raws:
            raw.close()


def test_idle_connection_gets_goaway():
    with Testd("--idle-ms", "300") as daemon:
        raw = RawH2(daemon.port)
        assert raw.wait_frame(GOAWAY) is not None
        raw.close()


@pytest.mark.parametrize("queues", ["1", "3"])
def test_inline_on_several_queues(queues):
    with Testd("--delivery", "inline", "--queues", queues) as daemon:
        channels = [daemon.channel() for _ in range(6)]
        errors = []

        def work(rpc):
            try:
                for i in range(100):
                    assert rpc.unary("Unary", b"%d" % i) == b"%d" % i
                assert len(list(rpc.bidi("Bidi", [b"x"] * 200))) == 200
            except Exception as e:  # noqa: BLE001: shown below
                errors.append(e)
        threads = [threading.Thread(target=work, args=(c,)) for c in channels]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert errors == []


# --- Unix sockets ---

@pytest.mark.parametrize("delivery", DELIVERIES)
def test_unix_socket_with_credentials(tmp_path, delivery):
    path = tmp_path / "sock"
    with Testd("--unix", path, "--delivery", delivery) as daemon:
        assert path.stat().st_mode & 0o777 == 0o660
        rpc = daemon.channel(f"unix:{path}")
        import os
        assert rpc.unary("Peer") == b"uid %d gid %d" % (os.getuid(), os.getgid())
        assert len(list(rpc.server_stream("Server", b"500 1000"))) == 500
        assert failure(rpc.unary, "Unary", bytes(5 * 1024 * 1024))[0] == CODE.RESOURCE_EXHAUSTED
        assert daemon.channel().unary("Peer").startswith(b"peer")
    assert not path.exists()


@pytest.mark.skipif(not shutil.which("setpriv") or subprocess.run(["id", "-u"], capture_output=True, text=True).stdout != "0\n", reason="needs root")
def test_unix_socket_tells_users_apart(tmp_path):
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == 0 and parent.as_posix().startswith("/tmp/"):
            parent.chmod(0o755)
    path = tmp_path / "sock"
    ask = ("import grpc,sys;c=grpc.insecure_channel('unix:'+sys.argv[1]);"
           "print(c.unary_unary('/weft.test.Test/Peer',None,None)(b'',timeout=10).decode())")
    with Testd("--unix", path) as daemon:
        path.chmod(0o666)
        rpc = daemon.channel(f"unix:{path}")
        assert rpc.unary("Peer") == b"uid 0 gid 0"
        for user in ("65534", "1", "65534"):
            done = subprocess.run(["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "/usr/bin/python3", "-c", ask, path],
                                  capture_output=True, text=True, timeout=30, check=True)
            assert done.stdout == f"uid {user} gid {user}\n"
            assert rpc.unary("Peer") == b"uid 0 gid 0"


def test_stale_unix_socket_is_replaced_and_a_live_one_is_not(tmp_path):
    path = tmp_path / "sock"
    first = Testd("--unix", path)
    first.signal(signal.SIGKILL)
    first.wait()
    assert path.exists()
    with Testd("--unix", path) as second:
        third = subprocess.run([TESTD, "--unix", path], capture_output=True, text=True, timeout=20)
        assert third.returncode == 1 and "in use" in third.stderr
        assert second.channel(f"unix:{path}").unary("Unary", b"x") == b"x"
    (tmp_path / "file").write_text("mine")
    assert subprocess.run([TESTD, "--unix", tmp_path / "file"], capture_output=True, timeout=20).returncode == 1
    assert (tmp_path / "file").read_text() == "mine"


def test_many_unix_connections(tmp_path):
    path = tmp_path / "sock"
    with Testd("--unix", path) as daemon:
        for _ in range(50):
            rpc = daemon.channel(f"unix:{path}")
            assert rpc.unary("Unary", b"x") == b"x"
            rpc.channel.close()


def test_descriptors_are_closed_after_connections():
    import os
    with Testd() as daemon:
        rpc = daemon.channel()
        rpc.unary("Unary")
        before = len(os.listdir(f"/proc/{daemon.pid}/fd"))
        for _ in range(20):
            other = daemon.channel()
            other.unary("Unary")
            other.channel.close()
        wait_until(lambda: len(os.listdir(f"/proc/{daemon.pid}/fd")) <= before)
