# SPDX-License-Identifier: GPL-3.0-or-later
"""ICE agents as programs in a lab's nodes, all behind the same lines: ours (ice-tool), libnice's
(nice-tool), and one that behaves as NetBird's (nbice_tool.py)."""

import subprocess
import threading
import time
from pathlib import Path

from lab import BUILD, wait_until

HERE = Path(__file__).parent
PROGRAMS = {
    'weft': [BUILD / 'tests' / 'netns' / 'ice-tool'],
    'nice': [BUILD / 'tests' / 'netns' / 'nice-tool'],
    'netbird': ['/usr/bin/python3', HERE / 'nbice_tool.py'],
}
PORT = 51820


class Agent:
    """One program. lines: everything it said, with the time; peer: who hears its offer and candidates."""

    def __init__(self, kind, node, *options, port=PORT, hosts=None):
        self.kind, self.node = kind, node
        self.lines, self.peer, self._told = [], None, 0
        self._lock = threading.Lock()
        hosts = hosts or [a for a in (node.addr4, node.addr6) if a]
        argv = [*PROGRAMS[kind], '--port', port, *(w for h in hosts for w in ('--host', h)), *options]
        self.process = node.popen([str(word) for word in argv], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()
        wait_until(lambda: self.said('offer'), what=f'{node.name}: an offer')

    def _read(self):
        for line in self.process.stdout:
            with self._lock:
                self.lines.append((time.monotonic(), line.strip()))
            self._pass_on()

    def _pass_on(self):
        """In order, whoever calls: the reader, or connect() for what was said before it."""
        with self._lock:
            while self.peer and self._told < len(self.lines):
                verb, _, rest = self.lines[self._told][1].partition(' ')
                self._told += 1
                if verb == 'offer':
                    self.peer.tell(f'remote {rest}')
                elif verb == 'candidate':
                    self.peer.tell(f'candidate {rest}')

    def tell(self, line):
        try:
            self.process.stdin.write(line + '\n')
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            pass

    def said(self, verb):
        """The last line that begins with verb, split, or None."""
        return next((line.split() for _, line in reversed(self.lines) if line.split()[:1] == [verb]), None)

    def count(self, verb):
        return sum(line.split()[:1] == [verb] for _, line in self.lines)

    def when(self, verb):
        return next((at for at, line in self.lines if line.split()[:1] == [verb]), None)

    def selected(self):
        """(local type, remote type, remote address:port, relay) or None."""
        line = self.said('selected')
        return tuple(line[1:]) if line else None

    def quit(self):
        self.tell('quit')
        self.process.wait(timeout=5)
        return wait_until(lambda: self.said('stats'), what='stats') if self.kind != 'nice' else None


def connect(a, b):
    """Each hears the other's offer and candidates from now on."""
    a.peer, b.peer = b, a
    a._pass_on()
    b._pass_on()


def wait_selected(*agents, timeout=10):
    for agent in agents:
        wait_until(agent.selected, timeout=timeout, what=f'{agent.node.name} ({agent.kind}): a selected pair')


class Coturn:
    """STUN and TURN on a public host."""

    def __init__(self, node):
        self.node = node
        self.stun = f'{node.addr4}:3478'
        self.start()

    def start(self):
        self.process = self.node.popen(
            ['turnserver', '-n', '--no-cli', '--no-tls', '--no-dtls', '-L', self.node.addr4, '-E',
             self.node.addr4, '-a', '-u', 'u:p', '-r', 'weft', '--log-file', '/dev/null', '--pidfile',
             '/run/turnserver.pid', '--userdb', '/run/turndb', '--allow-loopback-peers'],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: f'{self.node.addr4}:3478' in self.node.run(['ss', '-lnu']).stdout,
                   what='coturn')

    def stop(self):
        self.process.kill()
        self.process.wait()
