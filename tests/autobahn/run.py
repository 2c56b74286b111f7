#!/usr/bin/env python3
"""Holds a WebSocket echo server to RFC 6455. See README.md."""

import argparse
import itertools
import sys
import time
from dataclasses import dataclass

import bounds
import closing
import framing
import utf8
import volume
from peer import EnginePeer, Failed, Peer

SECTIONS = {
    "1": "sizes",
    "2": "pings and pongs",
    "3": "reserved bits",
    "4": "opcodes",
    "5": "fragments",
    "6": "UTF-8",
    "7": "closing",
    "9": "volume",
    "10": "fragments as a library makes them",
    "L": "limits and the mask (our own)",
}


@dataclass
class Limits:
    """What the server allows: the longest payload of a message on the wire, the longest text or binary that a case may
    send in it, the most fragments."""

    payload: int
    message: int
    fragments: int
    fragments_bounded: bool


def main():
    options = parse()
    peer_type = EnginePeer if options.engine else Peer
    limits = Limits(
        payload=options.max_message,
        message=options.max_message - len(peer_type.prefix),
        fragments=options.max_fragments or sys.maxsize,
        fragments_bounded=options.max_fragments > 0,
    )
    rooms = (framing, utf8, closing, volume, bounds)
    cases = [case for case in itertools.chain(*(room.cases(limits) for room in rooms)) if chosen(case[0], options.only)]
    if not cases:
        sys.exit("no such case")
    started = time.monotonic()
    tally = {section: [0, 0] for section in SECTIONS}
    for name, what, run in sorted(cases, key=lambda case: place(case[0])):
        fault = verdict(lambda run=run: attempt(peer_type, options, run))
        tally[name.partition(".")[0]][fault is not None] += 1
        if fault is not None:
            print(f"FAIL {name} {what}: {fault}", flush=True)
        elif options.verbose:
            print(f"ok   {name} {what}", flush=True)
    sys.exit(report(tally, time.monotonic() - started))


def parse():
    parser = argparse.ArgumentParser(description="Holds a WebSocket echo server to RFC 6455.")
    parser.add_argument("url", help="ws://HOST:PORT/PATH of the echo server")
    parser.add_argument("--engine", action="store_true", help="the server speaks Engine.IO 4 and echoes its messages")
    parser.add_argument("--max-message", type=int, default=1_000_000, help="the server's longest message in bytes")
    parser.add_argument("--max-fragments", type=int, default=128, help="most fragments of a message; 0: no limit")
    parser.add_argument("--timeout", type=float, default=5, help="seconds to wait for any one answer")
    parser.add_argument("--only", metavar="PREFIX", help="only cases whose number is or begins with this, such as 6.4")
    parser.add_argument("--verbose", action="store_true", help="also name the cases that passed")
    return parser.parse_args()


def chosen(name, only):
    return only is None or name == only or name.startswith(only + ".")


def place(name):
    return [(not part.isdigit(), int(part) if part.isdigit() else 0) for part in name.split(".")]


def attempt(peer_type, options, run):
    with peer_type(options.url, options.timeout) as peer:
        run(peer)


def verdict(attempt):
    """What went wrong, or `None`."""
    try:
        attempt()
    except Failed as failure:
        return str(failure)
    except (OSError, UnicodeDecodeError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def report(tally, seconds):
    for section, title in SECTIONS.items():
        passed, failed = tally[section]
        if passed + failed:
            print(f"section {section:>2}  {passed:>4} passed {failed:>4} failed   {title}")
    passed, failed = (sum(counts) for counts in zip(*tally.values()))
    print(f"in {seconds:.1f} s")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    main()
