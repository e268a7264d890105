# SPDX-License-Identifier: GPL-3.0-or-later
"""nl-tool in a node of the lab, as an object: tool.call('reconcile', state={...})."""

import json
import subprocess

import pytest
from lab import BUILD, LabError


class Refused(Exception):
    """The room said no; `code` is the name of its error."""

    def __init__(self, answer):
        super().__init__(answer['error'])
        self.code = answer['code']
        self.text = answer['error']


class Tool:
    def __init__(self, node, uapi=None, prefix=()):
        """`uapi`: arguments of the command "open" that force wireguard-go, or None for the kernel's
        choice. `prefix`: a command that runs the tool, such as setpriv."""
        program = BUILD / 'tests/netns/nl-tool'
        if not program.exists():
            pytest.skip(f'{program} is not built (make check_PROGRAMS)')
        self.node = node
        self._process = node.popen([*prefix, program], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        if uapi is not None:
            self.call('open', uapi_only=True, **uapi)

    def call(self, command, **arguments):
        """The answer; Refused if it is not ok."""
        self._process.stdin.write(json.dumps({'do': command, **arguments}) + '\n')
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise LabError(f'nl-tool ended: status {self._process.wait(5)}')
        answer = json.loads(line)
        if not answer['ok']:
            raise Refused(answer)
        return answer

    def refused(self, command, **arguments):
        """Expects an error; returns it."""
        with pytest.raises(Refused) as caught:
            self.call(command, **arguments)
        return caught.value

    def reconcile(self, state, **arguments):
        return self.call('reconcile', state=state, **arguments)

    def settle(self, state):
        """Reconciles, and checks that a second time there is nothing left to do."""
        answer = self.reconcile(state)
        again = self.reconcile(state, dry=True)
        assert again['ops'] == [], again
        return answer

    def close(self):
        """As a daemon that stops: the kernel keeps what it has."""
        self._process.stdin.close()
        assert self._process.wait(5) == 0


def key_pair():
    """A private and its public key, made by wg(8)."""
    private = subprocess.run(['wg', 'genkey'], capture_output=True, text=True, check=True).stdout
    public = subprocess.run(['wg', 'pubkey'], input=private, capture_output=True, text=True,
                            check=True).stdout
    return private.strip(), public.strip()


def psk():
    return subprocess.run(['wg', 'genpsk'], capture_output=True, text=True, check=True).stdout.strip()


def ip_json(node, *words):
    """`ip -j WORDS` as Python values."""
    text = node.run(['ip', '-j', '-d', *words], check=False).stdout
    return json.loads(text) if text.strip() else []


def wg_dump(node, name='weft0'):
    """(device fields, {public key: peer fields}) of `wg show NAME dump`."""
    lines = [line.split('\t') for line in node.run(['wg', 'show', name, 'dump']).stdout.splitlines()]
    device = dict(zip(('private_key', 'public_key', 'listen_port', 'fwmark'), lines[0]))
    names = ('public_key', 'preshared_key', 'endpoint', 'allowed', 'handshake', 'rx', 'tx', 'keepalive')
    return device, {fields[0]: dict(zip(names, fields)) for fields in lines[1:]}
