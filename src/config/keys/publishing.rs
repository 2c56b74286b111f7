//! Keys of what backends send and how much of it is kept.

use super::super::kind::Kind;
use super::{DAY_S, MEBIBYTE, Preset, Section, key, number, optional, preset, required};

pub(super) const HISTORY: Section = Section {
    title: "History",
    text: "What is kept of each room for clients that were away. Whichever limit is reached first counts.",
    keys: &[
        number("history.entries", (1, 1_000_000), "events", "1000", "Events kept of a room."),
        number("history.bytes", (1024, 1024 * MEBIBYTE), "bytes", "1048576", "Bytes kept of a room."),
        number("history.age_s", (1, 30 * DAY_S), "seconds", "600", "How long an event is kept."),
    ],
};

pub(super) const RECOVERY: Section = Section {
    title: "Recovery",
    text: "How much a client that comes back is given of what it missed, in namespaces with `recovery`. What is more is told as a gap.",
    keys: &[
        number("recovery.room_events", (1, 100_000), "events", "1000", "Events of one room that a client is given."),
        number("recovery.session_events", (1, 1_000_000), "events", "10000", "Events of all its rooms."),
        number(
            "recovery.session_bytes",
            (1024, 1024 * MEBIBYTE),
            "bytes",
            "8388608",
            "Bytes of those events, and of what is published while they are read.",
        ),
        number(
            "recovery.replays",
            (1, 10_000),
            "clients",
            "64",
            "Clients of this node that are given what they missed at the same time; others wait.",
        ),
    ],
};

pub(super) const PUBLISH: Section = Section {
    title: "Publishing over HTTP",
    text: "Who may use `POST /api/v1/publish`, and how much at a time. Each key has exactly one of `key` and `key_file`.",
    keys: &[
        required("publish.keys[].name", Kind::Name, "Who uses this key; shown in logs instead of the key."),
        optional("publish.keys[].key", Kind::Secret, "The key itself, at best 32 random characters."),
        optional("publish.keys[].key_file", Kind::SecretFile, "A file that holds the key."),
        preset(
            "publish.keys[].namespaces",
            Kind::List(&Kind::Namespace, 0),
            "[]",
            "The namespaces this key may publish to; none means all of them.",
        ),
        preset(
            "publish.issuers",
            Kind::List(&Kind::Name, 0),
            "[]",
            "The names of the issuers in `auth.issuers` whose service tokens may publish.",
        ),
        key(
            "publish.loopback_without_key",
            Kind::Bool,
            "",
            Preset::Derived("the value of `development`"),
            "Takes publishes from this machine without a key.",
        ),
        number("publish.body_bytes", (1024, 100_000_000), "bytes", "262144", "The largest body of a publish request."),
        number("publish.batch", (1, 10_000), "publications", "100", "Publications of one batch request."),
        number(
            "publish.idempotency_ttl_s",
            (1, 7 * DAY_S),
            "seconds",
            "600",
            "How long the answer to an idempotency key is remembered.",
        ),
        number(
            "publish.in_flight",
            (1, 1_000_000),
            "publications",
            "1024",
            "Publications of this node that may wait for Redis; more are answered 503.",
        ),
        number(
            "publish.in_flight_bytes",
            (65_536, 1024 * MEBIBYTE),
            "bytes",
            "4194304",
            "Bytes of those publications.",
        ),
        number(
            "publish.deadline_ms",
            (50, 60_000),
            "milliseconds",
            "2000",
            "How long a publication may wait for Redis before it is answered 503.",
        ),
        number(
            "publish.rate_per_s",
            (0, 1_000_000),
            "requests per second",
            "0",
            "Publishes of one key on this node; 0 sets no limit.",
        ),
    ],
};
