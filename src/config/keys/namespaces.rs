//! Keys of a namespace: who may connect, where sockets go and what clients may do.

use super::super::kind::Kind;
use super::{DAY_S, Section, number, optional, preset, required, switch};

pub(super) const NAMESPACES: Section = Section {
    title: "Namespaces",
    text: "A map from the name, which starts with `/`, to what holds there. A name may also be a pattern: a regular expression that \
           starts with `^` and ends with `$`. An exact name wins over patterns, and earlier patterns over later ones. Without this map \
           there is only `/`: open to anyone in development, else with the defaults below. `contract.md` explains `verbs`, \
           `on_connect` and `events`.",
    keys: &[
        optional(
            "namespaces.*.description",
            Kind::Text { max: 1024 },
            "What this namespace is for; shown to operators.",
        ),
        switch(
            "namespaces.*.anonymous",
            "false",
            "Admits clients without a token; one with a bad token is refused all the same.",
        ),
        preset(
            "namespaces.*.issuers",
            Kind::List(&Kind::Name, 0),
            "[]",
            "The names of the issuers whose tokens count here; none means all of them.",
        ),
        preset(
            "namespaces.*.rooms",
            Kind::List(&Kind::RoomTemplate, 0),
            "[]",
            "Rooms a socket is put into when it connects; `{claim}` stands for a claim of its token, as in `user:{sub}`.",
        ),
        preset(
            "namespaces.*.join",
            Kind::List(&Kind::RoomPattern, 0),
            "[]",
            "Rooms a client may join by itself; `*` stands for any characters and `{claim}` for a claim of its token.",
        ),
        preset(
            "namespaces.*.publish",
            Kind::List(&Kind::RoomPattern, 0),
            "[]",
            "Rooms a client may publish to, written as in `join`.",
        ),
        preset(
            "namespaces.*.verbs",
            Kind::List(&Kind::OneOf(&["join", "leave", "publish", "whoami", "ping"]), 0),
            r#"["join","leave","publish","whoami","ping"]"#,
            "The built-in events a client may emit.",
        ),
        switch(
            "namespaces.*.recovery",
            "true",
            "Appends a position to each event, so that a client that was away gets what it missed.",
        ),
        number(
            "namespaces.*.recovery_window_s",
            (1, DAY_S),
            "seconds",
            "120",
            "For how long at least a client that lost its connection may come back to its session, where `recovery` is on.",
        ),
        required(
            "namespaces.*.refuse.message",
            Kind::Text { max: 1024 },
            "Refuses every connection to this namespace with this message.",
        ),
        optional("namespaces.*.refuse.data", Kind::Any, "The `data` of that refusal, any value."),
        optional("namespaces.*.on_connect", Kind::Contract, "What happens to a socket after it connected."),
        optional("namespaces.*.events", Kind::Contract, "What events of clients do, by event name."),
    ],
};
