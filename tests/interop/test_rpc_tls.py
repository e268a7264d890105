# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS of the server of rpc/: names, authorities, client certificates, reload under load."""
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import grpc
import pytest
from process import wait_until
from rpctest import CODE, TESTD, Testd, failure


class Authority:
    """Makes certificates in a folder with the openssl program."""

    def __init__(self, folder, name):
        self.folder, self.name, self.serial = folder, name, 0
        self.cert, self.key = folder / f"{name}.crt", folder / f"{name}.key"
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", f"/CN={name}",
                 "-keyout", self.key, "-out", self.cert)

    def run(self, *args):
        subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, timeout=30)

    def issue(self, name, san="DNS:localhost,IP:127.0.0.1"):
        """(certificate, key) files."""
        self.serial += 1
        cert, key, request, ext = (self.folder / f"{self.name}-{name}-{self.serial}.{e}" for e in ("crt", "key", "csr", "ext"))
        self.run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        ext.write_text(f"subjectAltName={san}\n")
        self.run("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-set_serial", self.serial, "-days", "30", "-extfile", ext, "-out", cert)
        return cert, key


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"), "ca")


@pytest.fixture(scope="module")
def other_ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("other"), "other")


@pytest.fixture
def files(ca, tmp_path):
    """Paths of a certificate and key that can be replaced."""
    cert, key = ca.issue("server")
    shutil.copy(cert, tmp_path / "cert.pem")
    shutil.copy(key, tmp_path / "key.pem")
    return tmp_path / "cert.pem", tmp_path / "key.pem"


def trust(authority, pair=None):
    return grpc.ssl_channel_credentials(authority.cert.read_bytes(), pair and pair[1].read_bytes(), pair and pair[0].read_bytes())


def serial_of(port):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", port), 10) as raw, context.wrap_socket(raw) as s:
        assert s.selected_alpn_protocol() == "h2"
        return s.getpeercert(True)


def test_right_and_wrong_authority_and_name(ca, other_ca, files):
    with Testd("--cert", files[0], "--key", files[1]) as daemon:
        assert daemon.channel(credentials=trust(ca)).unary("Unary", b"by address") == b"by address"
        assert daemon.channel(f"localhost:{daemon.port}", trust(ca)).unary("Unary", b"by name") == b"by name"
        assert failure(daemon.channel(credentials=trust(other_ca)).unary, "Unary")[0] == CODE.UNAVAILABLE
        assert failure(daemon.channel(credentials=trust(ca), ssl_target_name_override="example.org").unary, "Unary")[0] == CODE.UNAVAILABLE
        assert failure(daemon.channel().unary, "Unary", timeout=3)[0] in (CODE.UNAVAILABLE, CODE.DEADLINE_EXCEEDED)
        assert daemon.channel(credentials=trust(ca)).unary("Peer").startswith(b"peer 127.0.0.1:")
    # What strangers cause is no error of ours.
    assert not re.search("Z (error|warning): ", daemon.output)


@pytest.mark.parametrize("delivery", ["context", "loop", "inline"])
def test_reload_keeps_streams(ca, files, delivery):
    with Testd("--cert", files[0], "--key", files[1], "--delivery", delivery) as daemon:
        first = serial_of(daemon.port)
        rpc = daemon.channel(credentials=trust(ca))
        stream = rpc.server_stream("Hold", b"0", timeout=60)
        stream.initial_metadata()
        stop, errors, calls = threading.Event(), [], [0]

        def load():
            own = daemon.channel(credentials=trust(ca))
            while not stop.is_set():
                try:
                    own.unary("Unary", b"x")
                    calls[0] += 1
                except grpc.RpcError as e:
                    errors.append(e)
        thread = threading.Thread(target=load)
        thread.start()
        for _ in range(3):
            cert, key = ca.issue("renewed")
            shutil.copy(cert, files[0])
            shutil.copy(key, files[1])
            before = len(daemon.lines)
            daemon.signal(signal.SIGHUP)
            daemon.wait_line("^reloaded", start=before)
            assert daemon.channel(credentials=trust(ca)).unary("Unary", b"new") == b"new"
        assert serial_of(daemon.port) == ssl.PEM_cert_to_DER_cert(cert.read_text()) != first
        wait_until(lambda: calls[0] > 20)
        stop.set()
        thread.join()
        assert errors == []
        assert rpc.unary("Publish", b"still here") == b"sent 1 full 0 closed 0"
        assert next(stream) == b"still here"
        stream.cancel()


def test_bad_reload_changes_nothing(ca, files):
    with Testd("--cert", files[0], "--key", files[1]) as daemon:
        first = serial_of(daemon.port)
        for content in [None, "", "garbage", files[1].read_text(), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ca.issue("x")[0].read_text()]:
            if content is None:
                files[0].unlink()
            else:
                files[0].write_text(content)
            before = len(daemon.lines)
            daemon.signal(signal.SIGHUP)
            daemon.wait_line("^refused: ", start=before)
            assert serial_of(daemon.port) == first


def test_bad_files_at_the_start(ca, files, tmp_path):
    _, other_key = ca.issue("x")
    for cert, key in [(tmp_path / "none", files[1]), (files[0], tmp_path / "none"), (files[0], other_key), (files[1], files[0])]:
        done = subprocess.run([TESTD, "--cert", cert, "--key", key], capture_output=True, text=True, timeout=20)
        assert done.returncode == 1 and "rpc-testd: " in done.stderr


def test_client_certificates(ca, other_ca, files):
    with Testd("--cert", files[0], "--key", files[1], "--client-ca", ca.cert) as daemon:
        alice = daemon.channel(credentials=trust(ca, ca.issue("alice")))
        assert b"cn alice" in alice.unary("Peer")
        assert failure(daemon.channel(credentials=trust(ca)).unary, "Unary", timeout=5)[0] == CODE.UNAVAILABLE
        assert failure(daemon.channel(credentials=trust(ca, other_ca.issue("mallory"))).unary, "Unary", timeout=5)[0] == CODE.UNAVAILABLE
        assert b"cn alice" in alice.unary("Peer")
