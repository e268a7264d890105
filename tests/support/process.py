# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs under test: started, waited for with a deadline, and never left behind.

    with Program([build / "signald/weft-signald", "--config", path]) as daemon:
        daemon.wait_line(r"listening on .*:(\\d+)").group(1)
        ...
    assert daemon.returncode == 0

Everything that a program prints is kept in .lines (stdout and stderr together).
"""
import itertools
import os
import re
import signal
import socket
import subprocess
import threading
import time

_numbers = itertools.count(1)


class Timeout(AssertionError):
    """Something did not happen before its deadline."""


def wait_until(condition, timeout=10, what="condition", interval=0.02):
    """The first true value of condition(); Timeout when there is none in time."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Timeout(f"{what}: not within {timeout} s")
        time.sleep(interval)


def unique(prefix="w"):
    """A name that no other test run on this machine uses; short enough for an interface."""
    return f"{prefix}{os.getpid() % 100000}x{next(_numbers)}"


def free_port(kind=socket.SOCK_STREAM, host="127.0.0.1"):
    """A port that was free a moment ago: only for programs that cannot take port 0."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as s:
        s.bind((host, 0))
        return s.getsockname()[1]


def wait_port(port, host="127.0.0.1", timeout=10):
    """Waits until something accepts TCP connections there."""
    def accepts():
        try:
            socket.create_connection((host, port), timeout=1).close()
            return True
        except OSError:
            return False
    wait_until(accepts, timeout, f"{host}:{port} accepts")


class Program:
    def __init__(self, argv, env=None, cwd=None, stop_timeout=10):
        self.argv = [str(a) for a in argv]
        self.lines = []
        self._stop_timeout = stop_timeout
        self._changed = threading.Condition()
        self._ended = False
        # No preexec_fn: it would make Python fork(), and the handlers that grpcio leaves for that can
        # wait for ever. setpriv has the program die with us.
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *self.argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            cwd=cwd, env={**os.environ, **(env or {})}, text=True, errors="replace")
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()

    def _read(self):
        for line in self._process.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def output(self):
        with self._changed:
            return "\n".join(self.lines)

    @property
    def returncode(self):
        """None while it runs."""
        return self._process.poll()

    def wait_line(self, pattern, timeout=10, start=0):
        """The match of the first line, from line number `start` on, that has the pattern."""
        pattern = re.compile(pattern)
        deadline = time.monotonic() + timeout
        with self._changed:
            at = start
            while True:
                while at < len(self.lines):
                    match = pattern.search(self.lines[at])
                    if match:
                        return match
                    at += 1
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    why = "ended" if self._ended else f"did not within {timeout} s"
                    raise Timeout(f"{self.argv[0]} {why}: no line /{pattern.pattern}/ in:\n"
                                  + "\n".join(self.lines[-40:]))
                self._changed.wait(left)

    def signal(self, number):
        self._process.send_signal(number)

    def wait(self, timeout=10):
        """The exit status."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Timeout(f"{self.argv[0]} still runs after {timeout} s:\n{self.output}") from None
        self._reader.join(timeout)
        return status

    def stop(self):
        """SIGTERM, then SIGKILL; returns the exit status. Harmless when it has ended."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(self._stop_timeout)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(5)
        self._process.stdout.close()
        return self._process.returncode
