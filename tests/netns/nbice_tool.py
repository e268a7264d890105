#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""NetBird's ICE dialect (tests/peer/nbice.py) behind the lines that ice-tool speaks."""

import argparse
import asyncio
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'peer'))

import nbice  # noqa: E402
import nbwire as w  # noqa: E402


def say(*words):
    print(*words, flush=True)


def selected(pair):
    say('selected', pair.local.kind, pair.remote.kind, f'{pair.remote.address}:{pair.remote.port}', 0)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--port', type=int, required=True)
    parser.add_argument('--stun', action='append', default=[])
    parser.add_argument('--host', action='append')
    parser.add_argument('--controlling', action='store_true')
    args = parser.parse_args()
    # Keeps the kernel from answering with ICMP, as WireGuard would.
    owner = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    owner.bind(('', args.port))
    port = nbice.SharedPort(args.port)
    ufrag, pwd = w.new_ice_credentials()
    agent = None
    say('offer', f'{ufrag}:{pwd}')
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    servers = [(s.rsplit(':', 1)[0], int(s.rsplit(':', 1)[1])) for s in args.stun]
    gathering, early = None, []
    while line := (await reader.readline()).decode().strip():
        verb, _, rest = line.partition(' ')
        if verb == 'remote' and agent is None:
            events = nbice.IceEvents(candidate=lambda c: say('candidate', c.line()), selected=selected,
                                     closed=lambda why: say('disconnected', why))
            agent = nbice.IceAgent(port, args.controlling, ufrag, pwd, *w.parse_credentials(rest), events)
            gathering = asyncio.ensure_future(agent.gather(servers))
            for candidate in early:
                agent.add_remote(candidate)
        elif verb == 'candidate':
            candidate = w.parse_candidate(rest)
            early.append(candidate) if agent is None else agent.add_remote(candidate)
        elif verb == 'quit':
            break
    if gathering:
        gathering.cancel()
    if agent:
        say('stats', agent.requests_with_pair_attr)
        agent.close()
    port.close()


asyncio.run(main())
