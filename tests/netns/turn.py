#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TURN client in a page, written from the RFCs and sharing nothing with the project: for what
coturn's tools do not show. Run inside a node:

    turn.py SERVER:PORT PEER:PORT SCENARIO [ARGUMENT]

Prints one JSON object."""

import hashlib
import hmac
import json
import os
import socket
import struct
import sys
import time
import zlib

COOKIE = 0x2112a442
USER, PASSWORD = b'u', b'p'


class Refused(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code


def attribute(kind, value):
    return struct.pack('!HH', kind, len(value)) + value + b'\0' * (-len(value) % 4)


def xor(address, tid):
    ip = socket.inet_pton(socket.AF_INET6 if ':' in address[0] else socket.AF_INET, address[0])
    key = struct.pack('!I', COOKIE) + tid
    return struct.pack('!BBH', 0, 1 if len(ip) == 4 else 2, address[1] ^ COOKIE >> 16) + bytes(
        a ^ b for a, b in zip(ip, key))


def unxor(value, tid):
    key = struct.pack('!I', COOKIE) + tid
    ip = bytes(a ^ b for a, b in zip(value[4:], key))
    port, = struct.unpack('!H', value[2:4])
    return socket.inet_ntop(socket.AF_INET if len(ip) == 4 else socket.AF_INET6, ip), port ^ COOKIE >> 16


def parse(data):
    kind, length, cookie = struct.unpack('!HHI', data[:8])
    assert cookie == COOKIE and len(data) == 20 + length, data.hex()
    found, at = {}, 20
    while at < len(data):
        t, n = struct.unpack('!HH', data[at:at + 4])
        found.setdefault(t, data[at + 4:at + 4 + n])
        at += 4 + n + (-n % 4)
    return kind, data[8:20], found


class Client:
    def __init__(self, server, local_port=0):
        family = socket.AF_INET6 if ':' in server[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind(('::' if family == socket.AF_INET6 else '0.0.0.0', local_port))
        self.socket.connect(server)
        self.realm = self.nonce = b''
        self.data = []

    def close(self):
        self.socket.close()

    def message(self, kind, attributes, signed=False, tid=None):
        tid = tid or os.urandom(12)
        body = b''.join(attribute(k, v(tid) if callable(v) else v) for k, v in attributes)
        if signed:
            body += attribute(0x6, USER) + attribute(0x14, self.realm) + attribute(0x15, self.nonce)
            key = hashlib.md5(b':'.join((USER, self.realm, PASSWORD))).digest()
            head = struct.pack('!HHI', kind, len(body) + 24, COOKIE) + tid
            body += attribute(0x8, hmac.new(key, head + body, 'sha1').digest())
        head = struct.pack('!HHI', kind, len(body) + 8, COOKIE) + tid
        return head + body + attribute(
            0x8028, struct.pack('!I', zlib.crc32(head + body) ^ 0x5354554e)), tid

    def request(self, method, attributes, timeout=0.25, tries=8):
        for _ in range(3):
            sent, tid = self.message(method, attributes, signed=bool(self.nonce))
            kind, found = self.exchange(sent, tid, timeout, tries)
            if kind == method | 0x100:
                return found, tid
            code = found[0x9][2] * 100 + found[0x9][3]
            if code not in (401, 438) or (code == 401 and self.nonce):
                raise Refused(code)
            self.realm, self.nonce = found[0x14], found[0x15]
        raise Refused(code)

    def exchange(self, sent, tid, timeout, tries):
        for _ in range(tries):
            try:
                self.socket.send(sent)
            except OSError:
                pass
            deadline = time.monotonic() + timeout
            while time.monotonic() < deadline:
                got = self.receive(deadline - time.monotonic())
                if got is not None and got[1] == tid:
                    return got[0], got[2]
        raise TimeoutError

    def receive(self, timeout):
        self.socket.settimeout(max(timeout, 0.001))
        try:
            data = self.socket.recv(65536)
        except OSError:
            return None
        if data[0] & 0xc0 == 0x40:
            channel, n = struct.unpack('!HH', data[:4])
            self.data.append(('channel', channel, data[4:4 + n]))
            return None
        got = parse(data)
        if got[0] == 0x17:
            self.data.append(('data', unxor(got[2][0x12], got[1]), got[2].get(0x13), got[2].get(0x8004)))
            return None
        return got

    def wait_data(self, timeout=5):
        deadline = time.monotonic() + timeout
        while not self.data and time.monotonic() < deadline:
            self.receive(deadline - time.monotonic())
        return self.data.pop(0) if self.data else None

    def allocate(self, *more, **kw):
        found, tid = self.request(0x3, [(0x19, b'\x11\0\0\0'), *more], **kw)
        return unxor(found[0x16], tid)

    def refresh(self, lifetime):
        found, _ = self.request(0x4, [(0xd, struct.pack('!I', lifetime))])
        return struct.unpack('!I', found[0xd])[0]

    def permit(self, peer):
        self.request(0x8, [(0x12, lambda tid: xor(peer, tid))])

    def bind(self, channel, peer):
        self.request(0x9, [(0xc, struct.pack('!HH', channel, 0)), (0x12, lambda tid: xor(peer, tid))])

    def send(self, peer, payload, *more):
        self.socket.send(self.message(0x16, [(0x12, lambda tid: xor(peer, tid)), (0x13, payload), *more])[0])

    def send_channel(self, channel, payload):
        self.socket.send(struct.pack('!HH', channel, len(payload)) + payload)


def icmp(server, peer, _):
    """A closed port answers by ICMP, which reaches the client; the allocation stays."""
    c = Client(server)
    c.allocate()
    c.permit(peer)
    c.send(peer, b'is anybody there')
    got = c.wait_data()
    return {'from': got[1], 'data': got[2], 'icmp': got[3].hex(), 'lifetime': c.refresh(600)}


def unroutable(server, peer, bad):
    """A peer without a route costs its own datagrams only."""
    c = Client(server)
    c.allocate()
    c.bind(0x4000, peer)
    c.bind(0x4001, (bad, 9))
    for _ in range(20):
        c.send_channel(0x4001, b'lost')
        c.send_channel(0x4000, b'kept')
    c.data = [d for d in c.data if d[0] == 'channel' and d[1] == 0x4000]
    count = 0
    while count < 20 and (got := c.wait_data(2)):
        count += got[0] == 'channel' and got[1] == 0x4000
    return {'echoed': count, 'lifetime': c.refresh(600)}


def restart(server, _, port):
    """A client that starts again on the same 5-tuple."""
    first = Client(server, int(port))
    relayed = first.allocate()
    first.close()
    second = Client(server, int(port))
    try:
        second.allocate()
        code = 0
    except Refused as refused:
        code = refused.code
    second.refresh(0)
    return {'first': code, 'again': second.allocate() != relayed}


def sizes(server, peer, _):
    """Payloads of every size class come back whole, by channel and by indication."""
    c = Client(server)
    c.allocate()
    c.bind(0x4000, peer)
    good = []
    for size in (0, 1, 2, 3, 4, 5, 1200, 1400, 4000, 20000, 60000):
        payload = os.urandom(size)
        c.data.clear()
        c.send_channel(0x4000, payload)
        by_channel = c.wait_data()
        c.send(peer, payload)
        by_send = c.wait_data()
        good.append([size, by_channel is not None and by_channel[2] == payload,
                     by_send is not None and by_send[2] == payload])
    return {'sizes': good}


def trains(server, peer, count):
    """Bursts of equal packets, the last shorter, over several channels: order and content hold."""
    c = Client(server)
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    c.allocate()
    c.bind(0x4000, peer)
    c.socket.setsockopt(socket.IPPROTO_UDP, 103, 104)  # UDP_SEGMENT: a train leaves us
    wrong = 0
    for burst in range(int(count)):
        wanted = [struct.pack('!II', burst, i) + b'x' * 92 for i in range(30)] + [b'end']
        c.socket.send(b''.join(struct.pack('!HH', 0x4000, len(w)) + w for w in wanted))
        got = []
        while len(got) < len(wanted) and (d := c.wait_data(3)):
            got.append(d[2])
        wrong += got != wanted
    return {'wrong': wrong}


def again(server, peer, _):
    """Keeps one allocation alive; tells how long it takes to come back when the server is gone."""
    c = Client(server)
    c.allocate()
    print('allocated', flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    while True:
        try:
            c.nonce = b''
            c.allocate(timeout=0.2, tries=1)
            break
        except TimeoutError:
            continue
    return {'seconds': time.monotonic() - began}


def flood(server, _, seconds, rate=10000):
    """Everything that a stranger can send, `rate` datagrams a second."""
    c = Client(server)
    c.socket.setblocking(False)
    shapes = [c.message(0x1, [])[0], c.message(0x3, [(0x19, b'\x11\0\0\0')])[0],
              c.message(0x8, [(0x12, b'\0' * 8)])[0], b'\x40\0\0\x04abcd', b'\x40\0\xff\xffab',
              b'\0\x01\0\x08' + os.urandom(24), os.urandom(100),
              struct.pack('!HHI', 1, 0xfff0, COOKIE) + bytes(12),
              c.message(0x3, [(0x7fff, b'abcd')] * 40)[0]]
    sent, began = 0, time.monotonic()
    while (past := time.monotonic() - began) < float(seconds):
        if sent > past * rate:
            time.sleep(0.001)
            continue
        for shape in shapes:
            try:
                c.socket.send(shape)
                sent += 1
            except OSError:
                pass
    return {'sent': sent}


def endpoint(text):
    host, port = text.rsplit(':', 1)
    return host.strip('[]'), int(port)


if __name__ == '__main__':
    scenario = globals()[sys.argv[3]]
    print(json.dumps(scenario(endpoint(sys.argv[1]), endpoint(sys.argv[2]),
                              sys.argv[4] if len(sys.argv) > 4 else None), default=lambda b: b.hex()))
