"""Drives python-socketio's write-only RedisManager from standard input.

One JSON object a line, {"call": name, "args": [...], "kwargs": {...}}; each is answered by the line "ok" once the call
has returned. {"$bytes": base64} stands for bytes and {"$tuple": [...]} for a tuple.
"""

import base64
import json
import sys

import socketio


def value_of(value):
    if isinstance(value, list):
        return [value_of(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$bytes" in value:
        return base64.b64decode(value["$bytes"])
    if "$tuple" in value:
        return tuple(value_of(item) for item in value["$tuple"])
    return {key: value_of(item) for key, item in value.items()}


def main():
    manager = socketio.RedisManager(sys.argv[1], write_only=True)
    for line in sys.stdin:
        call = json.loads(line)
        getattr(manager, call["call"])(*value_of(call["args"]), **value_of(call.get("kwargs", {})))
        print("ok", flush=True)


main()
