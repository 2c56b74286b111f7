"""The python-socketio client: connects, joins a room by an acknowledged call, and prints what it sees as JSON lines.

Usage: client.py URL TRANSPORT NAMESPACE TOKEN ROOM COUNT. It ends by itself after COUNT events called "order".
"""

import json
import queue
import sys

import jwt
import socketio

DEADLINE_S = 15


def main():
    url, transport, namespace, secret, room, count = sys.argv[1:]
    token = jwt.encode({"sub": "grace", "iss": "https://issuer.test/", "exp": 4102444800}, secret, algorithm="HS256")
    transports = ["polling", "websocket"] if transport == "upgrade" else [transport]
    seen = queue.Queue()
    client = socketio.Client(reconnection=False)
    client.on("order", lambda *args: seen.put(args[0]), namespace=namespace)
    client.connect(url, transports=transports, namespaces=[namespace], auth={"token": token}, wait_timeout=DEADLINE_S)
    say({"joined": client.call("join", {"room": room}, namespace=namespace, timeout=DEADLINE_S)})
    say({"whoami": client.call("whoami", {}, namespace=namespace, timeout=DEADLINE_S)})
    say({"seen": [readable(seen.get(timeout=DEADLINE_S)) for _ in range(int(count))]})
    say({"transport": client.transport()})
    client.disconnect()


def readable(value):
    if isinstance(value, dict):
        return {key: readable(item) for key, item in value.items()}
    return list(value) if isinstance(value, bytes) else value


def say(line):
    print(json.dumps(line), flush=True)


main()
