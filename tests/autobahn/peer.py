"""A WebSocket client that can break every rule, and tells what the server does about it.

`Peer` speaks to a plain echo server. `EnginePeer` speaks to an Engine.IO echo server and hides the difference: the
type digit before each text, the open packet, the server's heartbeats. What a case sees is the same with both.
"""

import base64
import hashlib
import os
import socket
import struct
import time
from urllib.parse import urlsplit

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
NAMES = {TEXT: "text", BINARY: "binary", CLOSE: "close", PING: "ping", PONG: "pong"}


class Failed(Exception):
    """The server did something else than the case expects."""


class Peer:
    """One connection. An event is a pair: the kind (`text`, `binary`, `ping`, `pong`, `close`, `eof`) and the payload;
    that of a close is its code or `None`."""

    prefix = b""

    def __init__(self, url, timeout):
        self.timeout = timeout
        self.received = bytearray()
        self.in_message = False
        # Nothing can be sent any more: a close went out, or half a frame.
        self.silent = False
        parts = urlsplit(url)
        self.sock = socket.create_connection((parts.hostname, parts.port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._upgrade(parts)
            self.opened()
        except BaseException:
            self.sock.close()
            raise

    def opened(self):
        """What the server says first."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def _upgrade(self, parts):
        key = base64.b64encode(os.urandom(16)).decode()
        path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        self.sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        deadline = time.monotonic() + self.timeout
        while b"\r\n\r\n" not in self.received:
            if not self._receive(deadline):
                raise Failed("the server closed during the handshake")
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        expected = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        if status.split()[1] != "101":
            raise Failed(f"handshake answered with {status!r}")
        if headers.get("sec-websocket-accept") != expected.decode():
            raise Failed("wrong Sec-WebSocket-Accept")
        if headers.get("upgrade", "").lower() != "websocket" or "upgrade" not in headers.get("connection", "").lower():
            raise Failed("handshake answered without Upgrade and Connection")
        if "sec-websocket-extensions" in headers or "sec-websocket-protocol" in headers:
            raise Failed("the server negotiated what was not offered")

    # Sending

    def text(self, payload, **options):
        """The first or only frame of a text message."""
        return self.frame(TEXT, self.prefix + payload, **options)

    @staticmethod
    def frame(opcode, payload=b"", *, fin=True, rsv=0, claimed=None, masked=True):
        """The bytes of a frame. `claimed` replaces the payload's length in the header."""
        length = len(payload) if claimed is None else claimed
        mask_bit = 0x80 if masked else 0
        head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
        if length <= 125:
            head += bytes([mask_bit | length])
        elif length <= 0xFFFF:
            head += struct.pack("!BH", mask_bit | 126, length)
        else:
            head += struct.pack("!BQ", mask_bit | 127, length)
        return head + apply_new_mask(payload) if masked else head + payload

    def send(self, *frames, chop=None):
        """Sends the frames at once, each by itself (`chop="frame"`) or in pieces of `chop` bytes. A server that has
        hung up is no error here: what it said before counts, and reading tells."""
        if chop == "frame":
            pieces = frames
        else:
            wire = b"".join(frames)
            pieces = [wire] if chop is None else (wire[at : at + chop] for at in range(0, len(wire), chop))
        for frame in frames:
            if frame[0] & 0x0F < 8:
                self.in_message = not frame[0] & 0x80
            self.silent |= frame[0] & 0x0F == CLOSE
        self._send_pieces(pieces)

    def send_piece(self, piece):
        """Sends part of a frame. No whole frame can follow any more."""
        self.silent = True
        self._send_pieces([piece])

    def _send_pieces(self, pieces):
        self.sock.settimeout(self.timeout)
        try:
            for piece in pieces:
                self.sock.sendall(piece)
        except ConnectionError:
            pass
        except TimeoutError:
            raise Failed("the server does not read") from None

    # Receiving

    def event(self):
        """The next event; a timeout fails the case."""
        return self._event(time.monotonic() + self.timeout)

    def quiet(self, seconds):
        """Nothing comes for that long. Only for telling that a server does not act too early."""
        try:
            event = self._event(time.monotonic() + seconds)
        except Failed:
            return
        raise Failed(f"expected nothing yet, got {show(event)}")

    def _event(self, deadline):
        message = None
        while True:
            frame = self._frame(deadline)
            if frame is None:
                return ("eof", b"")
            fin, opcode, payload = frame
            if opcode >= 8:
                return (NAMES[opcode], close_code(payload) if opcode == CLOSE else payload)
            if (opcode == 0) != (message is not None):
                raise Failed("the server's fragments are out of order")
            message = (opcode, payload) if message is None else (message[0], message[1] + payload)
            if fin:
                return (NAMES[message[0]], message[1])

    def _frame(self, deadline):
        """The next frame, held to the rules for servers; `None` at the end of the stream."""
        head = self._take(2, deadline)
        if head is None:
            return None
        fin, rsv, opcode, length = head[0] & 0x80, head[0] & 0x70, head[0] & 0x0F, head[1]
        if rsv or opcode not in (0, *NAMES) or (opcode >= 8 and (not fin or length > 125)):
            raise Failed(f"the server sent a malformed frame {head.hex()}")
        if length & 0x80:
            raise Failed("the server sent a masked frame")
        if length >= 126:
            size, shortest = (2, 126) if length == 126 else (8, 0x10000)
            length = int.from_bytes(self._take(size, deadline, whole=True), "big")
            if length < shortest:
                raise Failed("the server did not use the shortest length")
        return fin, opcode, self._take(length, deadline, whole=True)

    def _take(self, size, deadline, whole=False):
        while len(self.received) < size:
            if not self._receive(deadline):
                if self.received or whole:
                    raise Failed("the server closed in the midst of a frame")
                return None
        taken = bytes(self.received[:size])
        del self.received[:size]
        return taken

    def _receive(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise Failed("timeout")
        self.sock.settimeout(left)
        try:
            chunk = self.sock.recv(1 << 18)
        except TimeoutError:
            raise Failed("timeout") from None
        except ConnectionError:
            return False
        self.received += chunk
        return bool(chunk)


class EnginePeer(Peer):
    """An Engine.IO 4 client, WebSocket only."""

    prefix = b"4"

    def opened(self):
        kind, payload = Peer._event(self, time.monotonic() + self.timeout)
        if kind != "text" or not payload.startswith(b'0{"'):
            raise Failed(f"expected the open packet, got {show((kind, payload))}")
        self.unanswered = 0

    def send(self, *frames, chop=None):
        super().send(*frames, chop=chop)
        self._answer()

    def _event(self, deadline):
        while True:
            kind, payload = super()._event(deadline)
            if (kind, payload) == ("text", b"2"):
                self.unanswered += 1
                self._answer()
            elif kind == "text" and payload.startswith(b"4"):
                return kind, payload[1:]
            elif kind == "text":
                raise Failed(f"expected a message packet, got {show((kind, payload))}")
            else:
                return kind, payload

    def _answer(self):
        """Heartbeats are answered as soon as no message of ours is unfinished."""
        while self.unanswered and not self.in_message and not self.silent:
            self.unanswered -= 1
            super().send(self.frame(TEXT, b"3"))


def close_code(payload):
    if not payload:
        return None
    if len(payload) == 1:
        raise Failed("the server sent a close of one byte")
    payload[2:].decode("utf-8")
    return int.from_bytes(payload[:2], "big")


def apply_new_mask(payload):
    mask = os.urandom(4)
    key = int.from_bytes((mask * (len(payload) // 4 + 1))[: len(payload)], "big")
    return mask + (int.from_bytes(payload, "big") ^ key).to_bytes(len(payload), "big")


def show(event):
    kind, payload = event
    if isinstance(payload, bytes):
        payload = repr(payload if len(payload) <= 40 else payload[:40]) + f" of {len(payload)} bytes" if payload else ""
    return f"{kind} {payload}".strip()
