# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole Weft in a lab: the three servers on one public host, agents on any others."""

import json
import os
import socket
import time

from lab import BUILD, TOP, wait_until


def listens(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


class Weft:
    """Servers on `server`; join(host) makes an agent there."""

    def __init__(self, lab, directory):
        self.lab, self.dir = lab, str(directory)
        self.processes = []
        self.server = lab.public_host('server')
        self._serve()

    def _write(self, name, text, mode=0o600):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def _start(self, node, program, conf):
        log = open(os.path.join(self.dir, f'{node.name}-{program}.log'), 'ab')
        process = node.popen([str(BUILD / program), '--config', conf, '--log-level', 'debug'],
                             stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def _serve(self):
        at = self.server.addr4
        os.makedirs(f'{self.dir}/mgmtd', mode=0o700)
        secret = self._write('secret', 'of the relays and TURN\n')
        self._start(self.server, 'weft-signald', self._write('signald.conf', f"""
[paths]
state-dir={self.dir}/signald
runtime-dir={self.dir}/signald
"""))
        self._start(self.server, 'weft-relayd', self._write('relayd.conf', f"""
[paths]
state-dir={self.dir}/relayd
runtime-dir={self.dir}/relayd
[stun-turn]
secret-file={secret}
[relay]
listen=[::]:33080
public-url=rel://{at}:33080
secret-file={secret}
"""))
        self.admin_socket = f'{self.dir}/mgmtd/admin.sock'
        self._start(self.server, 'weft-mgmtd', self._write('mgmtd.conf', f"""
[paths]
state-dir={self.dir}/mgmtd
runtime-dir={self.dir}/mgmtd
[store]
url=sqlite://{self.dir}/mgmtd/weft.db
[signal]
url=http://{at}:10000
[stun]
urls=stun:{at}:3478
[relay]
urls=rel://{at}:33080
secret-file={secret}
"""))
        wait_until(lambda: listens(self.admin_socket), what='weft-mgmtd')
        self.init = self.admin('init')
        self.key = self.admin('setup-key', 'create', 'test')

    def admin(self, *args):
        out = self.server.run([str(BUILD / 'weft-admin'), *args, '--json',
                               '--socket', self.admin_socket]).stdout
        return json.loads(out) if out.strip() else None

    def secret_of(self, answer):
        """The setup key in an answer, wherever it stands."""
        found = []

        def walk(value):
            if isinstance(value, dict):
                for name, inner in value.items():
                    if name == 'secret' and isinstance(inner, str):
                        found.append(inner)
                    walk(inner)
            elif isinstance(value, list):
                for inner in value:
                    walk(inner)

        walk(answer)
        return found[0]

    def join(self, host):
        return Agent(self, host)

    def logs(self):
        out = []
        for name in sorted(os.listdir(self.dir)):
            if name.endswith('.log'):
                with open(os.path.join(self.dir, name), encoding='utf-8', errors='replace') as f:
                    out.append(f'== {name}\n' + ''.join(f.readlines()[-60:]))
        return '\n'.join(out)

    def close(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(timeout=15)


class Agent:
    def __init__(self, weft, host):
        self.weft, self.host = weft, host
        self.run_dir = f'{weft.dir}/{host.name}'
        self.socket = f'{self.run_dir}/agent.sock'
        self.conf = weft._write(f'{host.name}.conf', f"""
[paths]
state-dir={self.run_dir}
runtime-dir={self.run_dir}
""")
        self.start()
        key = weft._write(f'{host.name}.key', weft.secret_of(weft.key) + '\n')
        self.weft_command('up', '--management-url', f'http://{weft.server.addr4}:33073',
                          '--setup-key-file', key, '--hostname', host.name)
        self.addr = self.status()['address'].split('/')[0]

    def start(self):
        self.process = self.weft._start(self.host, 'weftd', self.conf)
        wait_until(lambda: listens(self.socket), what='weftd')

    def weft_command(self, *args, **kw):
        return self.host.run([str(BUILD / 'weft'), *args, '--socket', self.socket], **kw).stdout

    def status(self):
        return json.loads(self.weft_command('status', '--json'))

    def peer(self, name):
        for peer in json.loads(self.weft_command('peer', 'list', '--json'))['peers']:
            if peer.get('name', '').split('.')[0] == name or peer.get('fqdn', '').split('.')[0] == name:
                return peer
        return None

    def reaches(self, other, timeout=20):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.host.run(['ping', '-c1', '-W1', '-n', other.addr], check=False).returncode == 0:
                return True
        return False


class StockPeer:
    """tests/peer/nb_peer.py, which is proven against the official programs, on a host."""

    def __init__(self, weft, host, *options):
        self.weft, self.host = weft, host
        state = f'{weft.dir}/{host.name}'
        os.makedirs(state, mode=0o700)
        log = open(os.path.join(weft.dir, f'{host.name}-peer.log'), 'ab')
        self.process = host.popen(
            ['/usr/bin/python3', str(TOP / 'tests/peer/nb_peer.py'), 'up', '--state', state,
             '--management-url', f'http://{weft.server.addr4}:33073', '--setup-key',
             weft.secret_of(weft.key), '--hostname', host.name, '--interface', 'wt0', *options],
            stdout=log, stderr=log)
        weft.processes.append(self.process)
        self.addr = wait_until(self._address, timeout=20, what=f'address of {host.name}')

    def _address(self):
        for link in json.loads(self.host.run(['ip', '-j', '-4', 'addr', 'show']).stdout):
            if link.get('ifname') == 'wt0' and link['addr_info']:
                return link['addr_info'][0]['local']
        return None
