# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/2 by hand, for clients that no library would be: ones that never read, ping like mad, or open streams and vanish."""
import socket
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8


def literal(name, value):
    """HPACK: literal header field without indexing, new name, no Huffman."""
    def string(s):
        s = s.encode() if isinstance(s, str) else s
        if len(s) < 127:
            return bytes([len(s)]) + s
        rest, out = len(s) - 127, b"\x7f"
        while rest >= 128:
            out += bytes([rest % 128 + 128])
            rest //= 128
        return out + bytes([rest]) + s
    return b"\x00" + string(name) + string(value)


class RawH2:
    def __init__(self, port, host="127.0.0.1", rcvbuf=None, settings=()):
        self.sock = socket.socket()
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(10)
        self.sock.connect((host, port))
        self.sock.sendall(PREFACE)
        self.frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", k, v) for k, v in settings))
        self.next_stream = 1
        self.buffer = b""

    def frame(self, kind, flags, stream, payload=b""):
        self.sock.sendall(len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload)

    def call(self, path, message=None, headers=(), end=True):
        """Opens a stream, with one message if given; returns its number."""
        stream = self.next_stream
        self.next_stream += 2
        block = b"".join(literal(k, v) for k, v in [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "test"),
                                                    ("te", "trailers"), ("content-type", "application/grpc"), *headers])
        self.frame(HEADERS, 4, stream, block)
        if message is not None:
            self.frame(DATA, 1 if end else 0, stream, b"\0" + len(message).to_bytes(4, "big") + message)
        return stream

    def read_frame(self, timeout=10):
        """(type, flags, stream, payload), or None at the end of the connection."""
        deadline = time.monotonic() + timeout

        def need(n):
            while len(self.buffer) < n:
                self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
                try:
                    got = self.sock.recv(65536)
                except ConnectionError:
                    got = b""
                if not got:
                    return False
                self.buffer += got
            return True
        if not need(9):
            return None
        size = int.from_bytes(self.buffer[:3], "big")
        if not need(9 + size):
            return None
        head, payload = self.buffer[:9], self.buffer[9:9 + size]
        self.buffer = self.buffer[9 + size:]
        return head[3], head[4], int.from_bytes(head[5:9], "big") & 0x7fffffff, payload

    def wait_frame(self, kind, timeout=10):
        """The first frame of that type; None when the connection ends before."""
        deadline = time.monotonic() + timeout
        while True:
            frame = self.read_frame(max(deadline - time.monotonic(), 0.001))
            if frame is None or frame[0] == kind:
                return frame

    def close(self):
        self.sock.close()
