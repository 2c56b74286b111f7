//! Keys of the process, its doors, the Engine.IO layer and the limits on what comes in.

use super::super::kind::Kind;
use super::{HOUR_MS, MEBIBYTE, Preset, Section, key, number, optional, preset, required};

pub(super) const PROCESS: Section = Section {
    title: "The process",
    text: "Addresses are `IP:port`; an IPv6 address stands in brackets, `[::]:3001`. Port 0 takes a free port.",
    keys: &[
        preset("listen", Kind::Address, r#""127.0.0.1:3001""#, "Where clients and backends connect."),
        preset("admin", Kind::Address, r#""127.0.0.1:9090""#, "Where `/livez`, `/readyz` and `/metrics` are served."),
        number(
            "workers",
            (0, 255),
            "threads",
            "0",
            "How many threads serve sockets; 0 takes one for each core the process may use.",
        ),
        preset(
            "tenant",
            Kind::Tenant,
            r#""main""#,
            "Who owns the partitions in Redis; gateways of different tenants share a Redis and nothing else.",
        ),
        key(
            "development",
            Kind::Bool,
            "",
            Preset::Derived("true when no file is given"),
            "Opens `/` to anyone, serves the try-out page and takes publishes from this machine without a key.",
        ),
        preset(
            "log.level",
            Kind::OneOf(&["error", "warn", "info", "debug", "trace"]),
            r#""info""#,
            "The least important lines to write; lines for single messages are `trace`.",
        ),
        preset(
            "log.format",
            Kind::OneOf(&["auto", "json", "pretty"]),
            r#""auto""#,
            "JSON lines, or lines for the eye; `auto` is pretty on a terminal and JSON elsewhere.",
        ),
    ],
};

pub(super) const ENGINE: Section = Section {
    title: "Engine.IO",
    text: "The connection below Socket.IO. Clients learn these values in the handshake, so nothing has to be set on them.",
    keys: &[
        preset(
            "engine.path",
            Kind::UrlPath,
            r#""/socket.io/""#,
            "The path clients connect to, as in their `path` option.",
        ),
        number(
            "engine.ping_interval_ms",
            (100, HOUR_MS),
            "milliseconds",
            "25000",
            "How long after a pong (or the opening) the next ping is sent.",
        ),
        number(
            "engine.ping_timeout_ms",
            (100, HOUR_MS),
            "milliseconds",
            "20000",
            "How long a client may take to answer a ping before its connection is closed.",
        ),
        number(
            "engine.max_payload_bytes",
            (64, 100_000_000),
            "bytes",
            "1000000",
            "The largest message or polling body a client may send.",
        ),
        number(
            "engine.connect_timeout_ms",
            (100, HOUR_MS),
            "milliseconds",
            "45000",
            "How long a connection may stay without having joined a namespace.",
        ),
        number(
            "engine.upgrade_timeout_ms",
            (100, HOUR_MS),
            "milliseconds",
            "10000",
            "How long a change from polling to WebSocket may take before the attempt is dropped.",
        ),
        preset(
            "engine.transports",
            Kind::List(&Kind::OneOf(&["polling", "websocket"]), 1),
            r#"["polling","websocket"]"#,
            "The transports offered to clients.",
        ),
        preset(
            "engine.parser",
            Kind::OneOf(&["default", "msgpack"]),
            r#""default""#,
            "How packets are written: `default` is JSON text, `msgpack` is for clients with `socket.io-msgpack-parser`.",
        ),
    ],
};

pub(super) const LISTENERS: Section = Section {
    title: "More listeners",
    text: "A list of further addresses, each with its own Engine.IO settings: a second path, other heartbeats, or msgpack.",
    keys: &[
        required("listeners[].listen", Kind::Address, "The address of this listener."),
        optional(
            "listeners[].engine",
            Kind::Overrides("engine"),
            "Any keys of the `engine` section that differ on this listener; the rest is taken from there.",
        ),
    ],
};

pub(super) const LIMITS: Section = Section {
    title: "Limits",
    text: "What one client may ask for, so that none can take the room of the others.",
    keys: &[
        number(
            "limits.attachments",
            (0, 10),
            "attachments",
            "10",
            "Binary attachments of one packet; stock clients refuse more than 10.",
        ),
        number("limits.rooms_per_socket", (1, 100_000), "rooms", "100", "Rooms one socket may be in."),
        number("limits.depth", (2, 100), "levels", "32", "How deep JSON and msgpack may be nested."),
        number("limits.event_name_bytes", (1, 1024), "bytes", "128", "The longest event name."),
        number("limits.room_name_bytes", (1, 255), "bytes", "255", "The longest room name."),
        number(
            "limits.pending_acks",
            (1, 65_536),
            "acks",
            "256",
            "Acks one socket may owe the gateway, and the gateway a socket.",
        ),
        number("limits.header_bytes", (8192, MEBIBYTE), "bytes", "16384", "The size of an HTTP request's head."),
        number("limits.headers", (8, 1024), "headers", "64", "Header lines of an HTTP request."),
        number(
            "limits.header_timeout_ms",
            (100, 600_000),
            "milliseconds",
            "10000",
            "How long a client may take to send a request's head.",
        ),
        number(
            "limits.outbox_bytes",
            (16_384, 1024 * MEBIBYTE),
            "bytes",
            "1048576",
            "What may wait for one socket; beyond it volatile events go first, then the connection is closed.",
        ),
        number(
            "limits.stall_ms",
            (100, 600_000),
            "milliseconds",
            "5000",
            "How long a socket with waiting events may take none before its connection is closed.",
        ),
        number(
            "limits.connections",
            (0, 10_000_000),
            "connections",
            "0",
            "Connections of this node; 0 takes what the limit of open files allows.",
        ),
        number(
            "limits.namespaces_per_client",
            (1, 1024),
            "namespaces",
            "32",
            "Namespaces one connection may join at the same time.",
        ),
    ],
};
