# SPDX-License-Identifier: GPL-3.0-or-later
"""tests/support: programs are waited for and ended, databases appear and go."""
import os
import socket
import subprocess
import threading

import pytest
from process import Program, Timeout, free_port, unique, wait_port, wait_until


def test_a_line_is_waited_for():
    with Program(["sh", "-c", "echo port 17 >&2; exec sleep 60"]) as program:
        assert program.wait_line(r"port (\d+)").group(1) == "17"
        assert program.returncode is None
    assert program.returncode == -15


def test_the_end_of_a_program_ends_the_wait():
    with Program(["sh", "-c", "echo first; exit 3"]) as program:
        with pytest.raises(Timeout, match="first"):
            program.wait_line("second", timeout=30)
        assert program.wait() == 3


def test_a_deadline_ends_the_wait():
    with Program(["sleep", "60"]) as program:
        with pytest.raises(Timeout):
            program.wait_line("x", timeout=0.1)
        with pytest.raises(Timeout):
            program.wait(timeout=0.1)


def test_a_program_deaf_to_sigterm_is_killed():
    with Program(["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"],
                 stop_timeout=0.3) as program:
        program.wait_line("deaf")
    assert program.returncode == -9


def test_wait_until_returns_the_value():
    assert wait_until(lambda: 5) == 5
    with pytest.raises(Timeout, match="never"):
        wait_until(lambda: None, timeout=0.05, what="never")


def test_names_are_unique_and_short():
    names = {unique() for _ in range(100)}
    assert len(names) == 100
    assert max(map(len, names)) <= 15


def test_a_port_is_waited_for():
    port = free_port()
    server = socket.socket()
    server.bind(("127.0.0.1", port))
    thread = threading.Timer(0.1, server.listen)
    thread.start()
    wait_port(port)
    thread.join()
    server.close()


def test_each_database_is_new(postgres):
    first, second = postgres.url(), postgres.url()
    assert first != second
    done = subprocess.run(["psql", "-X", "-At", first, "-c", "select 1 + 1"], text=True,
                          capture_output=True, timeout=30, check=True)
    assert done.stdout == "2\n"


def test_a_database_server_can_be_stopped_and_started(postgres):
    url = postgres.url()
    postgres.stop()
    assert subprocess.run(["psql", "-X", url, "-c", "select 1"], capture_output=True,
                          timeout=30, check=False).returncode != 0
    postgres.start()
    subprocess.run(["psql", "-X", url, "-c", "select 1"], capture_output=True, timeout=30,
                   check=True)


def test_a_short_path_holds_a_socket(short_path):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(os.fspath(short_path / "weft-mgmtd-admin.sock"))
