//! Keys of Redis, of the nodes around it, of the foreign ways in over Redis, and of the end of the process.

use super::super::kind::{Kind, REDIS_SCHEMES};
use super::{Preset, Section, key, number, optional, preset, switch};

pub(super) const REDIS: Section = Section {
    title: "Redis",
    text: "Without a URL the gateway keeps everything in its own memory and is alone. Redis 7 or later, or Valkey. The URL is \
           `redis://host:port/db` for one server, `redis-sentinel://host:port?sentinelServiceName=name` for Sentinel and \
           `redis-cluster://host:port` for a Cluster; `rediss` instead of `redis` speaks TLS.",
    keys: &[
        optional("redis.url", Kind::RedisUrl(REDIS_SCHEMES), "Where Redis is; it may hold user and password."),
        preset(
            "redis.key_prefix",
            Kind::KeyPrefix,
            r#""fanfare:""#,
            "What every key and channel in Redis starts with.",
        ),
        optional(
            "redis.ca_file",
            Kind::File,
            "A PEM file of the certificate authorities that sign the server's certificate.",
        ),
        optional("redis.username", Kind::Text { max: 1024 }, "The ACL user; wins over the one in the URL."),
        optional("redis.password", Kind::Secret, "The password; wins over the one in the URL."),
        optional("redis.password_file", Kind::SecretFile, "A file that holds the password."),
        number(
            "redis.command_timeout_ms",
            (50, 60_000),
            "milliseconds",
            "2000",
            "How long a command may take before it counts as failed.",
        ),
        preset(
            "redis.sharded",
            Kind::OneOf(&["auto", "true", "false"]),
            r#""auto""#,
            "Whether announcements use sharded Pub/Sub; `auto` uses it in a Cluster.",
        ),
    ],
};

pub(super) const CLUSTER: Section = Section {
    title: "The nodes",
    text: "Nodes on one Redis find each other there and pass requests on, so that any balancer will do. A plain installation sets \
           none of this.",
    keys: &[
        key(
            "cluster.advertise",
            Kind::HostPort,
            "",
            Preset::Derived(
                "`listen`, where that is one address; else the address this machine uses towards Redis, with the port of `listen`",
            ),
            "The `host:port` under which other nodes reach this one, over HTTP.",
        ),
        optional(
            "cluster.secret",
            Kind::Secret,
            "What the nodes prove themselves to each other with, the same on each; without it, one is made and kept in Redis.",
        ),
        optional("cluster.secret_file", Kind::SecretFile, "A file that holds the secret."),
    ],
};

pub(super) const INGEST: Section = Section {
    title: "Other ways in",
    text: "What backends may send through Redis itself. These count only with a Redis URL.",
    keys: &[
        switch("ingest.inbox", "true", "Takes entries that backends add to a partition's inbox stream."),
        switch("ingest.plain", "true", "Takes JSON from channels named after a namespace and a room."),
        preset(
            "ingest.plain_prefix",
            Kind::KeyPrefix,
            r#""fanfare""#,
            "What those channels start with: `<prefix>:<namespace>` and `<prefix>:<namespace>:<room>`.",
        ),
        switch("ingest.emitter", "true", "Takes what `@socket.io/redis-emitter` publishes."),
        preset(
            "ingest.emitter_key",
            Kind::KeyPrefix,
            r#""socket.io""#,
            "The `key` option of those emitters, which their channels start with.",
        ),
        switch("ingest.python", "true", "Takes what python-socketio publishes as JSON."),
        preset("ingest.python_channel", Kind::KeyPrefix, r#""socketio""#, "The `channel` option of those publishers."),
    ],
};

pub(super) const DRAIN: Section = Section {
    title: "The end",
    text: "What happens after SIGTERM. A second signal ends the process at once.",
    keys: &[
        key(
            "drain.grace_ms",
            Kind::Integer { min: 0, max: 600_000 },
            "milliseconds",
            Preset::Derived("5000; 0 in development"),
            "How long new clients are still served after `/readyz` says no, until load balancers have noticed.",
        ),
        key(
            "drain.window_ms",
            Kind::Integer { min: 0, max: 3_600_000 },
            "milliseconds",
            Preset::Derived("10000; 200 in development"),
            "The time over which connections are closed, in random order, so that clients do not return all at once.",
        ),
    ],
};
