"""Sections 1 to 5: sizes, pings, reserved bits, opcodes, fragments."""

from expect import close_frame, close_normally, closed, echo, next_is, refused
from peer import BINARY, CLOSE, PING, PONG

HELLO = b"Good morning, server!"
NOISE = bytes([0x00, 0xFF, 0xFE, 0xFD, 0xFC, 0xFB, 0x00, 0xFF])
PARTS = [b"first part, ", b"second part, ", b"third part, ", b"fourth part, ", b"last part"]


def cases(_limits):
    yield from sizes()
    yield from pings()
    yield from reserved_bits()
    yield from opcodes()
    yield from fragments()


def sizes():
    shapes = [(0, None), (125, None), (126, None), (127, None), (128, None), (65535, None), (65536, None), (65536, 997)]
    for number, (size, chop) in enumerate(shapes, 1):
        how = f" in pieces of {chop}" if chop else ""

        def text(peer, size=size, chop=chop):
            peer.send(peer.text(b"*" * size), chop=chop)
            echo(peer, "text", b"*" * size)

        def binary(peer, size=size, chop=chop):
            peer.send(peer.frame(BINARY, b"\xfe" * size), chop=chop)
            echo(peer, "binary", b"\xfe" * size)

        yield f"1.1.{number}", f"text of {size} bytes{how}", text
        yield f"1.2.{number}", f"binary of {size} bytes{how}", binary


def pings():
    def ping(payload, chop=None):
        def run(peer):
            peer.send(peer.frame(PING, payload), chop=chop)
            echo(peer, "pong", payload)

        return run

    def too_long(peer):
        peer.send(peer.frame(PING, b"\xfe" * 126))
        refused(peer, 1002)

    def pong(payload):
        def run(peer):
            peer.send(peer.frame(PONG, payload), close_frame(peer, 1000))
            closed(peer, {1000})

        return run

    def pong_then_ping(peer):
        peer.send(peer.frame(PONG, b"not asked for"), peer.frame(PING, b"asked"))
        echo(peer, "pong", b"asked")

    def ten(chop):
        def run(peer):
            payloads = [b"ping number %d" % number for number in range(10)]
            peer.send(*(peer.frame(PING, payload) for payload in payloads), chop=chop)
            for payload in payloads:
                next_is(peer, "pong", payload)
            close_normally(peer)

        return run

    yield "2.1", "ping without payload", ping(b"")
    yield "2.2", "ping with a text", ping(HELLO)
    yield "2.3", "ping with bytes that are no UTF-8", ping(NOISE)
    yield "2.4", "ping of 125 bytes", ping(b"\xfe" * 125)
    yield "2.5", "ping of 126 bytes", too_long
    yield "2.6", "ping of 125 bytes, octet by octet", ping(b"\xfe" * 125, chop=1)
    yield "2.7", "pong that nobody asked for, empty", pong(b"")
    yield "2.8", "pong that nobody asked for", pong(b"not asked for")
    yield "2.9", "pong that nobody asked for, then ping", pong_then_ping
    yield "2.10", "ten pings", ten(None)
    yield "2.11", "ten pings, octet by octet", ten(1)


def breach(*bad, after_text=False, chop=None):
    """Sends the frames in `bad`, first a text and last a ping if `after_text`: the text is echoed, the ping not."""

    def run(peer):
        frames = [peer.frame(opcode, payload, **options) for opcode, payload, options in bad]
        if after_text:
            frames = [peer.text(HELLO), *frames, peer.frame(PING)]
        peer.send(*frames, chop=chop)
        if after_text:
            next_is(peer, "text", HELLO)
        refused(peer, 1002)

    return run


def reserved_bits():
    yield "3.1", "text with RSV 1", breach((1, HELLO, {"rsv": 1}))
    for rsv, chop in [(2, None), (3, "frame"), (4, 1)]:
        run = breach((1, HELLO, {"rsv": rsv}), after_text=True, chop=chop)
        yield f"3.{rsv}", f"text, text with RSV {rsv}, ping", run
    yield "3.5", "binary with RSV 5", breach((2, NOISE, {"rsv": 5}))
    yield "3.6", "ping with RSV 6", breach((PING, HELLO, {"rsv": 6}))
    yield "3.7", "close with RSV 7", breach((CLOSE, b"", {"rsv": 7}))


def opcodes():
    for section, first in [("4.1", 3), ("4.2", 11)]:
        for number in range(1, 6):
            opcode = first + number - 1
            payload = b"" if number in (1, 3) else b"for no known opcode"
            run = breach((opcode, payload, {}), after_text=number > 2, chop=1 if number == 5 else None)
            yield f"{section}.{number}", f"reserved opcode {opcode}", run


def fragments():
    def fragmented_control(opcode):
        return breach((opcode, PARTS[0], {"fin": False}), (0, PARTS[1], {}))

    def in_two(chop, ping=False):
        def run(peer):
            frames = [peer.text(PARTS[0], fin=False), peer.frame(0, PARTS[1])]
            if ping:
                frames.insert(1, peer.frame(PING, b"in between"))
            peer.send(*frames, chop=chop)
            if ping:
                next_is(peer, "pong", b"in between")
            echo(peer, "text", PARTS[0] + PARTS[1])

        return run

    def orphan_then_text(fin, chop):
        return breach((0, PARTS[0], {"fin": fin}), (1, HELLO, {}), chop=chop)

    def orphan_after_message(peer):
        message = [peer.text(PARTS[0], fin=False), peer.frame(0, PARTS[1])]
        peer.send(*message, peer.frame(0, PARTS[2], fin=False), peer.text(PARTS[3]))
        next_is(peer, "text", PARTS[0] + PARTS[1])
        refused(peer, 1002)

    def orphan_first(fin):
        once = [(0, PARTS[0], {"fin": fin}), (1, PARTS[1], {"fin": False}), (0, PARTS[2], {})]
        return breach(*once, *once)

    def two_beginnings(peer):
        peer.send(peer.text(PARTS[0], fin=False), peer.text(PARTS[1]))
        refused(peer, 1002)

    def pings_between(chop):
        def run(peer):
            begun = [peer.text(PARTS[0], fin=False), peer.frame(0, PARTS[1], fin=False)]
            peer.send(*begun, peer.frame(PING, b"one"), chop=chop)
            next_is(peer, "pong", b"one")
            more = [peer.frame(0, part, fin=False) for part in PARTS[2:4]]
            peer.send(*more, peer.frame(PING, b"two"), chop=chop)
            next_is(peer, "pong", b"two")
            peer.send(peer.frame(0, PARTS[4]))
            echo(peer, "text", b"".join(PARTS))

        return run

    chops = [None, "frame", 1]
    yield "5.1", "ping in two fragments", fragmented_control(PING)
    yield "5.2", "pong in two fragments", fragmented_control(PONG)
    for number, chop in enumerate(chops):
        yield f"5.{3 + number}", "text in two fragments", in_two(chop)
        yield f"5.{6 + number}", "text in two fragments, ping in between", in_two(chop, ping=True)
        yield f"5.{9 + number}", "final continuation of nothing, then text", orphan_then_text(True, chop)
        yield f"5.{12 + number}", "continuation of nothing, then text", orphan_then_text(False, chop)
    yield "5.15", "text in two fragments, continuation of nothing, text", orphan_after_message
    yield "5.16", "twice: continuation of nothing, text in two fragments", orphan_first(False)
    yield "5.17", "twice: final continuation of nothing, text in two fragments", orphan_first(True)
    yield "5.18", "second fragment with a text's opcode", two_beginnings
    yield "5.19", "text in five fragments, pings answered in between", pings_between(None)
    yield "5.20", "as 5.19, frame by frame", pings_between("frame")
