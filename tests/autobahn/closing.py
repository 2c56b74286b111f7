"""Section 7: the closing handshake, close codes and reasons."""

from expect import close_frame, closed, next_is, refused
from peer import CLOSE, PING, Failed, show
from utf8 import SURROGATE

LAST_WORDS = b"Good night, server!"


def cases(limits):
    yield from order(limits)
    yield from payloads()
    yield from codes()


def order(limits):
    def message_then_close(peer):
        peer.send(peer.text(LAST_WORDS), close_frame(peer, 1000))
        next_is(peer, "text", LAST_WORDS)
        closed(peer, {1000})

    def after_close(frames):
        """Whatever follows a close is not answered."""

        def run(peer):
            peer.send(close_frame(peer, 1000), *frames(peer))
            closed(peer, {1000})

        return run

    def close_in_message(peer):
        peer.send(peer.text(b"begun, ", fin=False), close_frame(peer, 1000), peer.frame(0, b"not ended"))
        closed(peer, {1000})

    size = min(256 << 10, limits.message)

    def long_message_then_close(peer):
        """Whether the echo comes whole before the close is up to the server."""
        peer.send(peer.text(b"*" * size), close_frame(peer, 1000), peer.frame(PING))
        event = peer.event()
        if event == ("text", b"*" * size):
            event = peer.event()
        if event != ("close", 1000):
            raise Failed(f"expected close with 1000, got {show(event)}")
        next_is(peer, "eof", b"")

    yield "7.1.1", "text, then close", message_then_close
    yield "7.1.2", "two closes", after_close(lambda peer: [close_frame(peer, 1000)])
    yield "7.1.3", "close, then ping", after_close(lambda peer: [peer.frame(PING)])
    yield "7.1.4", "close, then text", after_close(lambda peer: [peer.text(LAST_WORDS)])
    yield "7.1.5", "close between two fragments", close_in_message
    yield "7.1.6", f"text of {size} bytes, close, ping", long_message_then_close


def payloads():
    def ends(payload, codes):
        def run(peer):
            peer.send(peer.frame(CLOSE, payload))
            closed(peer, codes)

        return run

    def breaks(payload, *codes):
        def run(peer):
            peer.send(peer.frame(CLOSE, payload))
            refused(peer, *codes, may_drop=True)

        return run

    normal = (1000).to_bytes(2, "big")
    yield "7.3.1", "close without payload", ends(b"", {None, 1000})
    yield "7.3.2", "close of one byte", breaks(b"a", 1002)
    yield "7.3.3", "close with a code", ends(normal, {1000})
    yield "7.3.4", "close with a reason", ends(normal + LAST_WORDS, {1000})
    yield "7.3.5", "close with the longest reason", ends(normal + b"*" * 123, {1000})
    yield "7.3.6", "close with a reason too long", breaks(normal + b"*" * 124, 1002)
    yield "7.5.1", "close with a reason that is no UTF-8", breaks(normal + SURROGATE, 1002, 1007)


def codes():
    def allowed(code):
        def run(peer):
            peer.send(close_frame(peer, code))
            closed(peer, {1000, code})

        return run

    def forbidden(code, *answers):
        def run(peer):
            peer.send(close_frame(peer, code))
            refused(peer, *answers, may_drop=True)

        return run

    valid = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
    for number, code in enumerate(valid, 1):
        yield f"7.7.{number}", f"close with {code}", allowed(code)
    for number, code in enumerate([0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999], 1):
        yield f"7.9.{number}", f"close with {code}", forbidden(code, 1002)
    for number, code in enumerate([5000, 65535], 1):
        yield f"7.13.{number}", f"close with {code}", forbidden(code, 1000, 1002, code)
