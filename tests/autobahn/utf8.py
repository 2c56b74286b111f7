"""Section 6: texts are UTF-8, and what is not is refused at once. The sequences are those of Markus Kuhn's UTF-8
decoder stress test, with the limits of RFC 3629."""

from expect import echo, refused

GREEK = bytes.fromhex("cebae1bdb9cf83cebcceb5")
UMLAUTS = "Hello-µ@ßöäüàá-UTF-8!!".encode()
SURROGATE = GREEK + b"\xed\xa0\x80" + b"edited"
BEYOND = b"\xf4\x90\x80\x80"


def cases(_limits):
    yield from emptiness()
    yield from valid_in_fragments()
    yield from fail_fast()
    for section, (title, sequences) in enumerate(SEQUENCES, 5):
        for number, sequence in enumerate(sequences, 1):
            yield f"6.{section}.{number}", f"{title}: {sequence.hex()}", whole(sequence)


def whole(payload):
    try:
        payload.decode("utf-8")
        valid = True
    except UnicodeDecodeError:
        valid = False

    def run(peer):
        peer.send(peer.text(payload))
        if valid:
            echo(peer, "text", payload)
        else:
            refused(peer, 1007)

    return run


def cut(peer, *parts):
    """The frames of one text message."""
    last = len(parts) - 1
    for index, part in enumerate(parts):
        yield peer.text(part, fin=index == last) if index == 0 else peer.frame(0, part, fin=index == last)


def octets(payload):
    return [payload[at : at + 1] for at in range(len(payload))]


def in_fragments(*parts):
    def run(peer):
        peer.send(*cut(peer, *parts))
        echo(peer, "text", b"".join(parts))

    return run


def emptiness():
    yield "6.1.1", "empty text", in_fragments(b"")
    yield "6.1.2", "three empty fragments", in_fragments(b"", b"", b"")
    yield "6.1.3", "only the second of three fragments is not empty", in_fragments(b"", b"the only part", b"")


def valid_in_fragments():
    def invalid_octets(peer):
        peer.send(*cut(peer, *octets(SURROGATE)))
        refused(peer, 1007)

    middle = UMLAUTS.index("ü".encode())
    yield "6.2.1", "text with umlauts", in_fragments(UMLAUTS)
    yield "6.2.2", "text cut between two characters", in_fragments(UMLAUTS[:middle], UMLAUTS[middle:])
    yield "6.2.3", "text in fragments of one octet", in_fragments(*octets(UMLAUTS))
    yield "6.2.4", "Greek in fragments of one octet", in_fragments(*octets(GREEK))
    yield "6.3.1", "a surrogate in a text", whole(SURROGATE)
    yield "6.3.2", "a surrogate in fragments of one octet", invalid_octets


def fail_fast():
    """The part that is still valid is taken without a word; the one that spoils it is refused although the message
    goes on. The rest is never sent, so a server that waits for it fails by timeout."""

    def by_frame(good, bad):
        def run(peer):
            peer.send(peer.text(good, fin=False))
            peer.quiet(STILL)
            peer.send(peer.frame(0, bad, fin=False))
            refused(peer, 1007)

        return run

    def by_piece(good, bad):
        def run(peer):
            frame = peer.text(good + bad + b"edited")
            end = len(frame) - len(b"edited")
            peer.send_piece(frame[: end - len(bad)])
            peer.quiet(STILL)
            peer.send_piece(frame[end - len(bad) : end])
            refused(peer, 1007)

        return run

    shortest = (GREEK + BEYOND[:1], BEYOND[1:2])
    yield "6.4.1", "fail fast, by frames", by_frame(GREEK, BEYOND)
    yield "6.4.2", "fail fast at the octet, by frames", by_frame(*shortest)
    yield "6.4.3", "fail fast, by pieces of one frame", by_piece(GREEK, BEYOND)
    yield "6.4.4", "fail fast at the octet, by pieces of one frame", by_piece(*shortest)


# Seconds in which a server must not have acted; well below an Engine.IO heartbeat in the echo server.
STILL = 0.1


def characters(*points):
    return [chr(point).encode() for point in points]


def sequences(*hexes):
    return [bytes.fromhex(digits) for digits in hexes]


MISSING_LAST = sequences(
    "c0", "e080", "f08080", "f8808080", "fc80808080", "df", "efbf", "f7bfbf", "fbbfbfbf", "fdbfbfbfbf"
)
SURROGATES = ["eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf"]

SEQUENCES = [
    (
        "characters of one to four bytes",
        [*(b"left %s right" % each for each in characters(0x24, 0xA2, 0x20AC, 0x24B62)), GREEK],
    ),
    ("prefix", [GREEK[:end] for end in range(1, len(GREEK) + 1)]),
    ("first of its length", characters(0, 0x80, 0x800, 0x10000)),
    ("first of five or six bytes", sequences("f888808080", "fc8480808080")),
    ("last of its length", characters(0x7F, 0x7FF, 0xFFFF, 0x10FFFF)),
    ("last of four to six bytes by the old scheme", sequences("f7bfbfbf", "fbbfbfbfbf", "fdbfbfbfbfbf")),
    ("boundary", [*characters(0xD7FF, 0xE000, 0xFFFD, 0x10FFFF), BEYOND]),
    (
        "continuation without a start",
        [*sequences("80", "bf"), *(b"\x80\xbf\x80\xbf\x80\xbf"[:end] for end in range(2, 7)), bytes(range(0x80, 0xC0))],
    ),
    (
        "start without a continuation",
        [
            b"".join(bytes([start, 0x20]) for start in range(first, last + 1))
            for first, last in [(0xC0, 0xDF), (0xE0, 0xEF), (0xF0, 0xF7), (0xF8, 0xFB), (0xFC, 0xFD)]
        ],
    ),
    ("last byte missing", MISSING_LAST),
    ("last bytes missing, all in a row", [b"".join(MISSING_LAST)]),
    ("impossible byte", sequences("fe", "ff", "fefeffff")),
    ("overlong slash", sequences("c0af", "e080af", "f08080af", "f8808080af", "fc80808080af")),
    ("longest overlong", sequences("c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf")),
    ("overlong zero", sequences("c080", "e08080", "f0808080", "f880808080", "fc8080808080")),
    ("surrogate", sequences(*SURROGATES)),
    (
        "pair of surrogates",
        sequences(*(high + low for high in ["eda080", "edadbf", "edae80", "edafbf"] for low in ["edb080", "edbfbf"])),
    ),
    (
        "non-character, which is valid",
        characters(*(plane << 16 | point for plane in range(17) for point in (0xFFFE, 0xFFFF))),
    ),
    ("special", characters(*range(0xFFF9, 0x10000))),
]
