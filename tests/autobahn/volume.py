"""Sections 9 and 10: long messages, many fragments, many pieces, many round trips.

Sizes beyond the server's limits are cut down to them, so that a case keeps its shape."""

from expect import close_normally, echo, next_is
from peer import BINARY

KIB, MIB = 1 << 10, 1 << 20

# Fewer bytes beyond this many pieces: an Engine.IO heartbeat cannot be answered in the midst of a frame.
PIECES_MAX = 2048
ROUND_TRIPS = 1000


def cases(limits):
    for kind, sections in [("text", ("9.1", "9.3", "9.5", "9.7")), ("binary", ("9.2", "9.4", "9.6", "9.8"))]:
        at_once, fragments, pieces, round_trips = sections
        for number, nominal in enumerate([64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB], 1):
            size = min(nominal, limits.message)
            yield f"{at_once}.{number}", f"{kind} of {size} bytes", in_fragments(kind, size, size)
        fragment_sizes = [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB]
        for number, fragment in enumerate(fragment_sizes, 1):
            size = min(4 * MIB, limits.message, fragment * limits.fragments)
            run = in_fragments(kind, size, fragment)
            yield f"{fragments}.{number}", f"{kind} of {size} bytes in fragments of {fragment}", run
        for number, piece in enumerate([64, 128, 256, 512, 1024, 2048], 1):
            size = min(MIB, limits.message, piece * PIECES_MAX)
            run = in_fragments(kind, size, size, chop=piece)
            yield f"{pieces}.{number}", f"{kind} of {size} bytes in pieces of {piece}", run
        for number, size in enumerate([0, 16, 64, 256, 1024, 4096], 1):
            yield f"{round_trips}.{number}", f"{ROUND_TRIPS} times {kind} of {size} bytes", back_and_forth(kind, size)
    size = min(65536, limits.message, 1300 * limits.fragments)
    yield "10.1.1", f"text of {size} bytes in fragments of 1300", in_fragments("text", size, 1300)


def beginning(peer, kind, payload, fin=True):
    return peer.text(payload, fin=fin) if kind == "text" else peer.frame(BINARY, payload, fin=fin)


def in_fragments(kind, size, fragment, chop=None):
    def run(peer):
        payload = (b"abcde" if kind == "text" else b"\x00\xfe\x80\xff\x7f") * (size // 5 + 1)
        payload = payload[:size]
        frames = [beginning(peer, kind, payload[:fragment], fin=fragment >= size)]
        for at in range(fragment, size, fragment):
            frames.append(peer.frame(0, payload[at : at + fragment], fin=at + fragment >= size))
        peer.send(*frames, chop=chop)
        echo(peer, kind, payload)

    return run


def back_and_forth(kind, size):
    def run(peer):
        payload = (b"*" if kind == "text" else b"\xfe") * size
        for _ in range(ROUND_TRIPS):
            peer.send(beginning(peer, kind, payload))
            next_is(peer, kind, payload)
        close_normally(peer)

    return run
