# SPDX-License-Identifier: GPL-3.0-or-later
"""nftables/ from tests: nft-tool in a node, probes with real packets, and what rules mean."""

import ipaddress
import json
import subprocess

import pytest

import lab as lab_module

PROBE = '''
import asyncio, json, socket, sys

async def tcp(src, dst, port, wait):
    s = socket.socket(socket.AF_INET6 if ":" in dst else socket.AF_INET, socket.SOCK_STREAM)
    s.setblocking(False)
    s.bind((src, 0))
    try:
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(s, (dst, port)), wait)
        return True
    except (OSError, asyncio.TimeoutError):
        return False
    finally:
        s.close()

async def udp(src, dst, port, wait):
    loop = asyncio.get_running_loop()
    s = socket.socket(socket.AF_INET6 if ":" in dst else socket.AF_INET, socket.SOCK_DGRAM)
    s.setblocking(False)
    s.bind((src, 0))
    s.connect((dst, port))
    try:
        s.send(b"x")
        await asyncio.wait_for(loop.sock_recv(s, 9), wait)
        return True
    except (OSError, asyncio.TimeoutError):
        return False
    finally:
        s.close()

async def icmp(src, dst, port, wait):
    p = await asyncio.create_subprocess_exec("ping", "-n", "-c1", "-W", str(wait), "-I", src, dst,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL)
    return await p.wait() == 0

async def main():
    q = json.load(sys.stdin)
    kinds = {"tcp": tcp, "udp": udp, "icmp": icmp}
    print(json.dumps(await asyncio.gather(*(kinds[k](s, d, p, q["wait"]) for k, s, d, p in q["flows"]))))

asyncio.run(main())
'''

SERVER = '''
import asyncio, socket, sys

class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport
    def datagram_received(self, data, addr):
        self.transport.sendto(data, addr)

async def on_tcp(reader, writer):
    while data := await reader.read(4096):
        writer.write(data)
    writer.close()

async def main():
    loop = asyncio.get_running_loop()
    for port in map(int, sys.argv[2:]):
        for host in sys.argv[1].split(","):
            await asyncio.start_server(on_tcp, host, port)
            s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
            if ":" in host:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.bind((host, port))
            await loop.create_datagram_endpoint(Echo, sock=s)
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
'''


class NftError(Exception):
    """An answer "error CODE TEXT"; code and text are attributes."""

    def __init__(self, code, text):
        super().__init__(f'{code}: {text}')
        self.code, self.text = code, text


class NftTool:
    """tests/netns/nft-tool in `node`."""

    def __init__(self, node, prefix=()):
        program = lab_module.BUILD / 'tests/netns/nft-tool'
        if not program.exists():
            pytest.skip('nft-tool is not built (make check-programs)')
        self.node = node
        self._file = node.lab.tmp / f'rules-{id(self)}'
        self.process = node.popen([*prefix, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True, bufsize=1)

    def ask(self, command):
        self.process.stdin.write(command + '\n')
        self.process.stdin.flush()
        words = self.process.stdout.readline().rstrip('\n').split(' ', 2)
        if words[0] == 'error':
            raise NftError(words[1], words[2])
        assert words[0] == 'ok', words
        return ' '.join(words[1:])

    def apply(self, rules):
        """rules: lines of nft-tool. Returns the numbers of its answer."""
        self._file.write_text('\n'.join(rules) + '\n')
        return {key: int(value) for key, value in
                (word.split('=') for word in self.ask(f'apply {self._file}').split())}

    def found(self):
        """'nothing', 'intact' or 'altered'."""
        return self.ask('verify').split(' ')[0]

    def counts(self):
        """name -> packets"""
        return {name: int(value.split('/')[0]) for name, value in
                (word.split('=') for word in self.ask('counts').split())}

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


class Overlay:
    """Two hosts joined by a veth pair called weft0 at both ends: `here`, which filters, and `peer`,
    with many addresses."""

    HERE4, HERE6 = '100.64.0.1', 'fd00::1'
    PORTS = (80, 81, 85, 90, 443, 8000)

    def __init__(self, lab, peers=12):
        self.lab = lab
        self.here, self.peer = lab.public_host('here'), lab.public_host('peer')
        self._join()
        self.sources4 = [f'100.64.0.{i}' for i in range(2, 2 + peers)]
        self.sources6 = [f'fd00::{i:x}' for i in range(2, 2 + peers)]
        self.here.ip('link set weft0 up', f'addr add {self.HERE4}/16 dev weft0',
                     f'addr add {self.HERE6}/64 dev weft0 nodad')
        self.peer.ip('link set weft0 up',
                     *(f'addr add {a}/16 dev weft0' for a in self.sources4),
                     *(f'addr add {a}/64 dev weft0 nodad' for a in self.sources6))
        self._know_neighbours()
        self._serve(self.here, ['0.0.0.0', '::'])

    def _join(self):
        lab_module._veth(self.here, 'weft0', self.peer, 'weft0')

    def _know_neighbours(self):
        """A WireGuard link has no neighbour discovery, which a filter would have to let pass."""
        for node, other, addresses in ((self.here, self.peer, self.sources4 + self.sources6),
                                       (self.peer, self.here, [self.HERE4, self.HERE6])):
            link = json.loads(other.run(['ip', '-j', 'link', 'show', 'weft0']).stdout)[0]['address']
            node.ip(*(f'neigh replace {a} lladdr {link} dev weft0 nud permanent' for a in addresses))

    def _serve(self, node, addresses):
        server = node.popen(['/usr/bin/python3', '-c', SERVER, ','.join(addresses), *self.PORTS],
                            stdout=subprocess.PIPE)
        assert server.stdout.readline() == b'ready\n'

    def serve_at_peer(self):
        """Answers come from the address that was asked."""
        self._serve(self.peer, self.sources4 + self.sources6)

    def probe(self, flows, node=None, wait=1):
        """flows: (kind, source, destination, port); which of them got an answer."""
        done = (node or self.peer).run(['/usr/bin/python3', '-c', PROBE],
                                       input=json.dumps({'flows': flows, 'wait': wait}),
                                       timeout=60)
        return json.loads(done.stdout)

    def in_flow(self, kind, source, port=0):
        return kind, source, self.HERE6 if ':' in source else self.HERE4, port


class WireGuardOverlay(Overlay):
    """The same over the kernel's WireGuard, each host behind its own public address."""

    def _join(self):
        pairs = [self._key_pair() for _ in range(2)]
        hosts = [self.here, self.peer]
        for number, host in enumerate(hosts):
            other = 1 - number
            host.ip('link add weft0 type wireguard')
            host.run(['wg', 'set', 'weft0', 'private-key', '/dev/stdin', 'listen-port', '51820',
                      'peer', pairs[other][1], 'allowed-ips', '100.64.0.0/16,fd00::/64', 'endpoint',
                      f'{hosts[other].addr4}:51820'], input=pairs[number][0])

    def _know_neighbours(self):
        """There are none."""

    @staticmethod
    def _key_pair():
        private = subprocess.run(['wg', 'genkey'], capture_output=True, text=True, check=True).stdout
        public = subprocess.run(['wg', 'pubkey'], input=private, capture_output=True, text=True,
                                check=True).stdout
        return private.strip(), public.strip()


PROTOCOLS = {'tcp': 6, 'udp': 17}


def decide(rules, direction, remote, kind, port):
    """What rules (lines of nft-tool) mean: any drop, then any accept, else drop."""
    verdict = False
    address = ipaddress.ip_address(remote)
    protocol = PROTOCOLS.get(kind) or (58 if address.version == 6 else 1)
    for line in rules:
        way, action, prefix, want, ports, _ = line.split()
        network = ipaddress.ip_network(prefix)
        if way != direction or address not in network:
            continue
        if want == 'icmp':
            want = 58 if network.version == 6 else 1
        if want != 'all' and int(want) != protocol:
            continue
        if ports != '-':
            first, _, last = ports.partition('-')
            if not int(first) <= port <= int(last or first):
                continue
        if action == 'drop':
            return False
        verdict = True
    return verdict
