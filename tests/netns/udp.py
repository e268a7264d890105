# SPDX-License-Identifier: GPL-3.0-or-later
"""UDP sockets inside lab nodes, driven from the test: what a STUN client of RFC 5780 would find out
about a NAT, without STUN."""

import json
import subprocess

AGENT = '''
import json, select, socket, sys
sockets = {}
for line in sys.stdin:
    q = json.loads(line)
    s = sockets.get(q["socket"])
    if q["do"] == "open":
        s = socket.socket(socket.AF_INET6 if ":" in q["addr"] else socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((q["addr"], q["port"]))
        sockets[q["socket"]] = s
        r = s.getsockname()[:2]
    elif q["do"] == "send":
        try:
            r = s.sendto(q["data"].encode(), (q["addr"], q["port"]))
        except OSError as error:
            r = str(error)
    else:
        r = None
        if select.select([s], [], [], q["timeout"])[0]:
            data, source = s.recvfrom(65536)
            r = [data.decode(), *source[:2]]
    print(json.dumps(r), flush=True)
'''


class Udp:
    """One socket in `node`, bound to its address and `port` (0: any). addr and port: where it is."""

    def __init__(self, node, port=0, addr=None):
        self.node = node
        if not hasattr(node, '_udp_agent'):
            node._udp_agent = node.popen(['/usr/bin/python3', '-c', AGENT], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True, bufsize=1)
            node._udp_count = 0
        self._agent = node._udp_agent
        node._udp_count += 1
        self._id = str(node._udp_count)
        self.addr, self.port = self._ask('open', addr=addr or node.addr4 or node.addr6, port=port)

    def _ask(self, do, **words):
        self._agent.stdin.write(json.dumps({'do': do, 'socket': self._id, **words}) + '\n')
        self._agent.stdin.flush()
        return json.loads(self._agent.stdout.readline())

    def send(self, to, data='x'):
        """to: (address, port) or another Udp."""
        addr, port = (to.addr, to.port) if isinstance(to, Udp) else to
        return self._ask('send', addr=addr, port=port, data=data)

    def receive(self, timeout=5):
        """(data, (address, port)), or None when nothing came in time."""
        got = self._ask('receive', timeout=timeout)
        return got and (got[0], (got[1], got[2]))

    def seen_by(self, server, timeout=5):
        """Sends to `server` and returns the address it saw, None if nothing arrived in time."""
        self.send(server, 'probe')
        got = server.receive(timeout)
        return got and got[1]


def _behaviour(same_all, same_address):
    return 'endpoint' if same_all else 'address' if same_address else 'port'


def mapping(client, one, one_port2, two):
    """RFC 5780 section 4.3. one, one_port2: two ports of one server; two: another address."""
    seen = [client.seen_by(server) for server in (one, one_port2, two)]
    if None in seen:
        return None
    return _behaviour(seen[0] == seen[1] == seen[2], seen[0] == seen[1])


def filtering(client, one, one_port2, two):
    """RFC 5780 section 4.4; client must not have sent before. The last packet comes from where the
    client has sent to, so that what is missing when it arrives has been dropped."""
    where = client.seen_by(one)
    if where is None:
        return None
    two.send(where, 'two')
    one_port2.send(where, 'port')
    one.send(where, 'last')
    got = []
    while not got or got[-1] != 'last':
        packet = client.receive()
        if packet is None:
            return None
        got.append(packet[0])
    return _behaviour('two' in got, 'port' in got)
