"""What a case may ask of a server, said once."""

from peer import CLOSE, Failed, show


def next_is(peer, kind, payload):
    event = peer.event()
    if event != (kind, payload):
        raise Failed(f"expected {show((kind, payload))}, got {show(event)}")


def echo(peer, kind, payload):
    """The message comes back, and a close is answered in kind."""
    next_is(peer, kind, payload)
    close_normally(peer)


def close_normally(peer):
    peer.send(close_frame(peer, 1000))
    closed(peer, {1000})


def close_frame(peer, code=None, reason=b""):
    return peer.frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason)


def closed(peer, codes):
    """Answers our close with one of `codes`, and then hangs up: that is the server's part."""
    kind, code = event = peer.event()
    if kind != "close" or code not in codes:
        raise Failed(f"expected close with {names(codes)}, got {show(event)}")
    next_is(peer, "eof", b"")


def refused(peer, *codes, may_drop=False):
    """The server closes with one of `codes` because of what we did; or just hangs up, where the case allows that."""
    kind, code = event = peer.event()
    if may_drop and kind == "eof":
        return
    if kind != "close" or code not in codes:
        raise Failed(f"expected to be closed with {names(codes)}, got {show(event)}")
    if not peer.silent:
        peer.send(close_frame(peer, code))
    next_is(peer, "eof", b"")


def names(codes):
    return " or ".join(sorted("no code" if code is None else str(code) for code in codes))
