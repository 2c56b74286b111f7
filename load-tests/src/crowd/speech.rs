//! How a client introduces itself to each kind of server, up to being a member of its room.

use std::net::SocketAddr;

use crate::wire;

/// What is spoken inside the WebSocket.
#[derive(Debug, Clone)]
pub enum Speech {
    /// The room stands in the path; frames are payloads.
    Raw {
        prefix: &'static str,
    },
    /// Socket.IO 4 with an event `join {room}` that is acknowledged.
    SocketIo {
        /// The payload of CONNECT, JSON or nothing.
        auth: Vec<String>,
        join: bool,
    },
    Nats,
}

/// Where a connection stands on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Connecting,
    Upgrading,
    /// The server speaks first: Engine.IO's open packet, or what NATS calls INFO.
    Opening,
    /// Waits for the namespace.
    Entering,
    /// Waits for the room.
    Joining,
    Ready,
    Closed,
}

/// What a frame made of a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing to answer.
    Stay,
    Answer(Stage, Vec<u8>),
    Ready,
    /// An event: look for marks.
    Event,
    Refused,
}

impl Speech {
    pub fn request(&self, address: SocketAddr, room: u32) -> String {
        match self {
            Self::Raw { prefix } => wire::upgrade(&format!("{prefix}{}", room_name(room)), address),
            Self::SocketIo { .. } => wire::upgrade("/socket.io/?EIO=4&transport=websocket", address),
            Self::Nats => wire::upgrade("/", address),
        }
    }

    pub fn stage_after_upgrade(&self) -> Stage {
        match self {
            Self::Raw { .. } => Stage::Ready,
            Self::SocketIo { .. } | Self::Nats => Stage::Opening,
        }
    }

    /// `index` tells the connections of a crowd apart.
    pub fn step(&self, stage: Stage, payload: &[u8], room: u32, index: usize) -> Step {
        match self {
            Self::Raw { .. } => Step::Event,
            Self::SocketIo { auth, join } => match (stage, payload) {
                (_, [b'4', b'2', ..]) => Step::Event,
                (Stage::Opening, [b'0', ..]) => {
                    let auth = if auth.is_empty() { "" } else { auth[index % auth.len()].as_str() };
                    Step::Answer(Stage::Entering, wire::masked(wire::TEXT, format!("40{auth}").as_bytes()))
                }
                (Stage::Entering, [b'4', b'0', ..]) if *join => {
                    let packet = format!(r#"420["join",{{"room":"{}"}}]"#, room_name(room));
                    Step::Answer(Stage::Joining, wire::masked(wire::TEXT, packet.as_bytes()))
                }
                (Stage::Entering, [b'4', b'0', ..]) => Step::Ready,
                (Stage::Joining, [b'4', b'3', ..]) if memchr::memmem::find(payload, b"false").is_none() => Step::Ready,
                (Stage::Entering | Stage::Joining, [b'4', b'4' | b'1' | b'3', ..]) => Step::Refused,
                (stage, [b'2', ..]) => Step::Answer(stage, wire::masked(wire::TEXT, b"3")),
                _ => Step::Stay,
            },
            Self::Nats => match stage {
                Stage::Opening => {
                    let room = room_name(room);
                    let words = format!("CONNECT {{\"verbose\":false}}\r\nSUB {room} 1\r\nPING\r\n");
                    Step::Answer(Stage::Joining, wire::masked(wire::BINARY, words.as_bytes()))
                }
                Stage::Joining if payload.starts_with(b"PONG") => Step::Ready,
                Stage::Joining if payload.starts_with(b"-ERR") => Step::Refused,
                stage if payload.starts_with(b"PING") => Step::Answer(stage, wire::masked(wire::BINARY, b"PONG\r\n")),
                _ => Step::Event,
            },
        }
    }
}

/// Rooms are numbered; every server gets the same names.
pub fn room_name(room: u32) -> String {
    format!("r{room}")
}
