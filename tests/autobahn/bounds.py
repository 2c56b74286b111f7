"""Our own section L: what the cases leave out because they assume a server without limits, and the mask."""

from expect import echo, refused
from peer import BINARY, TEXT


def cases(limits):
    def unmasked(peer):
        peer.send(peer.frame(TEXT, peer.prefix + b"bare", masked=False))
        refused(peer, 1002)

    def longest(peer):
        peer.send(peer.frame(BINARY, bytes(limits.payload)))
        echo(peer, "binary", bytes(limits.payload))

    def claim(length):
        """Only the header is sent, so the claim itself must be refused."""

        def run(peer):
            peer.send_piece(peer.frame(BINARY, claimed=length))
            refused(peer, 1009)

        return run

    def claim_in_fragment(peer):
        peer.send(peer.frame(BINARY, bytes(limits.payload // 2), fin=False))
        peer.send_piece(peer.frame(0, claimed=limits.payload // 2 + 2))
        refused(peer, 1009)

    def most_fragments(peer):
        frames = [peer.frame(0, b"x", fin=number == limits.fragments) for number in range(2, limits.fragments + 1)]
        peer.send(peer.frame(BINARY, b"x", fin=False), *frames)
        echo(peer, "binary", b"x" * limits.fragments)

    def too_many_fragments(peer):
        frames = [peer.frame(0, fin=False) for _ in range(limits.fragments)]
        peer.send(peer.frame(BINARY, fin=False), *frames)
        refused(peer, 1009)

    yield "L.1", "text without a mask", unmasked
    yield "L.2", "binary as long as allowed", longest
    yield "L.3", "header that claims a byte more than allowed", claim(limits.payload + 1)
    yield "L.4", "header that claims 2^48 bytes", claim(1 << 48)
    yield "L.5", "fragments that claim more than allowed together", claim_in_fragment
    if limits.fragments_bounded:
        yield "L.6", "as many fragments as allowed", most_fragments
        yield "L.7", "more fragments than allowed, all empty", too_many_fragments
