# SPDX-License-Identifier: GPL-3.0-or-later
"""A throw-away PostgreSQL server on a unix socket; it dies with the tests and leaves nothing.

As a program it runs a command with WEFT_TEST_POSTGRES set to the URL of an empty database, or
without where no server can be had: postgres.py COMMAND [ARGUMENT...]
"""
import glob
import os
import pwd
import shutil
import subprocess
import sys
import tempfile

from process import Program, wait_until


def binaries():
    """The folder of Debian's newest server programs, or None."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"),
                   key=lambda path: int(path.split("/")[4]))
    return os.path.dirname(found[-1]) if found else None


def skip_reason():
    if binaries() is None:
        return "no PostgreSQL server (Debian: apt-get install postgresql)"
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            return "PostgreSQL will not run as root, and there is no user postgres"
    return None


class Postgres:
    """with Postgres() as server: server.url("name") is an empty database's URL."""

    def __init__(self):
        self._folder = tempfile.mkdtemp(prefix="weft-pg-")
        self._as = []
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            self.user = "postgres"
            self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            shutil.chown(self._folder, "postgres", "postgres")
        os.chmod(self._folder, 0o755)
        self.data = os.path.join(self._folder, "data")
        self._count = 0
        self._run("initdb", "-D", self.data, "-A", "trust", "-U", self.user, "-E", "UTF8",
                  "--no-locale", "--no-sync")
        self._server = None
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def _run(self, program, *argv, check=True):
        done = subprocess.run(self._as + [os.path.join(binaries(), program), *argv], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                              cwd=self._folder, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{program} failed: {done.stderr}")
        return done

    def start(self):
        """Again after stop(), for tests of a database that goes away."""
        self._server = Program(
            self._as + [os.path.join(binaries(), "postgres"), "-D", self.data, "-k", self._folder,
                        "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=50"],
            cwd=self._folder, stop_timeout=20)
        wait_until(lambda: self._run("pg_isready", "-h", self._folder, check=False).returncode == 0,
                   60, "PostgreSQL is ready", 0.1)

    def stop(self):
        """At once, cutting connections."""
        if self._server is not None:
            self._server.signal(2)
            self._server.wait(30)
            self._server.stop()
            self._server = None

    def url(self, name=None):
        """Makes an empty database and returns its URL."""
        self._count += 1
        name = name or f"weft{self._count}"
        self._run("createdb", "-h", self._folder, "-U", self.user, name)
        return f"postgresql://{self.user}@/{name}?host={self._folder}"

    def close(self):
        try:
            self.stop()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)


def main():
    reason = skip_reason()
    if reason:
        print(f"without PostgreSQL: {reason}", file=sys.stderr)
        os.execvp(sys.argv[1], sys.argv[1:])
    with Postgres() as server:
        return subprocess.call(sys.argv[1:], env={**os.environ, "WEFT_TEST_POSTGRES": server.url()})


if __name__ == "__main__":
    sys.exit(main())
