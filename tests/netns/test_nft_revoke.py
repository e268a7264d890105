# SPDX-License-Identifier: GPL-3.0-or-later
"""A revoked rule cuts the flows it had admitted, and no others."""

import subprocess

import pytest

from nft import NftTool, Overlay

STREAM = '''
import socket, sys
source, target, port = sys.argv[1:]
s = socket.create_connection((target, int(port)), timeout=2, source_address=(source, 0))
print("open", flush=True)
for line in sys.stdin:
    try:
        s.sendall(line.encode())
        print("echo" if s.recv(4096) == line.encode() else "cut", flush=True)
    except OSError:
        print("cut", flush=True)
'''


class Stream:
    """A TCP connection from one of the peer's addresses to an echo server at `here`."""

    def __init__(self, overlay, source, port):
        self._process = overlay.peer.popen(
            ['/usr/bin/python3', '-c', STREAM, source, overlay.HERE6 if ':' in source else
             overlay.HERE4, port], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self._process.stdout.readline() == 'open\n'

    def lives(self):
        self._process.stdin.write('hello\n')
        return self._process.stdout.readline() == 'echo\n'


@pytest.fixture
def overlay(lab):
    return Overlay(lab)


@pytest.fixture
def tool(overlay):
    return NftTool(overlay.here)


def cut(overlay, tool):
    """Deletes what the differ names, as the agent does; returns how many flows that was."""
    return int(tool.ask(f'cut {overlay.HERE4} {overlay.HERE6}'))


@pytest.mark.parametrize('keep,revoke', [
    ('in accept 100.64.0.3/32 6 80 keep', 'in accept 100.64.0.2/32 6 80 gone'),
    ('in accept 100.64.0.2/32 6 81 keep', 'in accept 100.64.0.2/32 6 80 gone'),
    ('in accept fd00::3/128 all - keep', 'in accept fd00::2/128 all - gone')])
def test_a_live_stream_is_cut_and_another_left_alone(overlay, tool, keep, revoke):
    tool.apply([keep, revoke])

    def stream(rule):
        prefix, ports = rule.split()[2], rule.split()[4]
        return Stream(overlay, prefix.split('/')[0], 80 if ports == '-' else int(ports))

    kept, gone = stream(keep), stream(revoke)
    assert kept.lives() and gone.lives()
    assert tool.apply([keep])['cuts'] == 1
    assert cut(overlay, tool) == 1
    assert not gone.lives()
    assert kept.lives()
    # The server's side goes on sending, which must not revive the flow either.
    assert not gone.lives()
    assert kept.lives()


def test_a_new_drop_cuts_what_was_allowed(overlay, tool):
    tool.apply(['in accept 0.0.0.0/0 6 - any'])
    kept, gone = Stream(overlay, '100.64.0.3', 80), Stream(overlay, '100.64.0.2', 80)
    tool.apply(['in accept 0.0.0.0/0 6 - any', 'in drop 100.64.0.2/32 all - deny'])
    assert tool.ask('cuts') == 'in,100.64.0.2/32,0,0-0,exact'
    cut(overlay, tool)
    assert not gone.lives() and kept.lives()


def test_without_deletion_the_flow_would_go_on(overlay, tool):
    """Why there are cuts: established comes before all rules."""
    tool.apply(['in accept 100.64.0.2/32 6 80 gone'])
    stream = Stream(overlay, '100.64.0.2', 80)
    tool.apply([])
    assert stream.lives()
    cut(overlay, tool)
    assert not stream.lives()
    assert tool.counts()['dropped_midstream'] > 0 or tool.counts()['dropped_in'] > 0


def test_a_narrowed_rule_cuts_only_what_it_lost(overlay, tool):
    tool.apply(['in accept 0.0.0.0/0 all - wide'])
    kept, gone = Stream(overlay, '100.64.0.2', 80), Stream(overlay, '100.64.0.2', 81)
    other = Stream(overlay, '100.64.0.3', 80)
    assert tool.apply(['in accept 100.64.0.2/32 6 80 narrow'])['cuts'] == 1
    assert tool.ask('cuts').endswith(',part')
    assert cut(overlay, tool) == 2
    assert kept.lives() and not gone.lives() and not other.lives()


def test_flows_of_other_interfaces_are_not_cut(overlay, tool):
    tool.apply(['in accept 0.0.0.0/0 all - wide'])
    here, peer = overlay.here, overlay.peer
    beside = peer.popen(['/usr/bin/python3', '-c', STREAM, peer.addr4, here.addr4, '80'],
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    assert beside.stdout.readline() == 'open\n'
    tool.apply([])
    assert cut(overlay, tool) == 0
    beside.stdin.write('hello\n')
    assert beside.stdout.readline() == 'echo\n'


def test_flows_of_this_host_are_not_cut(overlay, tool):
    overlay.serve_at_peer()
    tool.apply(['in accept 100.64.0.2/32 all - gone'])
    out = overlay.here.popen(['/usr/bin/python3', '-c', STREAM, overlay.HERE4, '100.64.0.2', '80'],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    assert out.stdout.readline() == 'open\n'
    tool.apply([])
    cut(overlay, tool)
    out.stdin.write('hello\n')
    assert out.stdout.readline() == 'echo\n'


FEED = '''
import socket, sys, threading, time
s = socket.create_server(("0.0.0.0", 9000))
print("ready", flush=True)
while True:
    c = s.accept()[0]
    def feed(c=c):
        try:
            while True:
                c.sendall(b"x" * 100)
                time.sleep(0.01)
        except OSError:
            pass
    threading.Thread(target=feed, daemon=True).start()
'''

DRINK = '''
import socket, sys
s = socket.create_connection((sys.argv[2], 9000), timeout=2, source_address=(sys.argv[1], 0))
for line in sys.stdin:
    n = 0
    try:
        while n < 20000:
            n += len(s.recv(4096))
        print("fed", flush=True)
    except OSError:
        print("cut", flush=True)
'''


@pytest.mark.parametrize('guarded', [True, False])
def test_a_stream_that_the_server_feeds_is_cut(overlay, tool, guarded):
    """Its next segment would otherwise begin a flow of this host, whose answers come in: the rule
    against TCP that begins in the middle is what prevents that."""
    feed = overlay.here.popen(['/usr/bin/python3', '-c', FEED], stdout=subprocess.PIPE)
    assert feed.stdout.readline() == b'ready\n'
    tool.apply(['in accept 100.64.0.2/32 6 9000 gone'])
    drink = overlay.peer.popen(['/usr/bin/python3', '-c', DRINK, '100.64.0.2', overlay.HERE4],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def fed():
        drink.stdin.write('\n')
        return drink.stdout.readline() == 'fed\n'

    assert fed()
    tool.apply([])
    cuts = tool.ask('cuts')
    if not guarded:
        overlay.here.run(['nft', 'flush', 'chain', 'inet', 'weft', 'midstream'])
    assert cuts == 'in,100.64.0.2/32,6,9000-9000,exact'
    cut(overlay, tool)
    assert fed() != guarded
