//! The ways of publishing, each as bytes with a hole for the mark.

use super::{msgpack, redis};
use crate::crowd::room_name;
use crate::mark::{self, Mark};
use crate::wire;

/// How a message gets to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The floor's own control connection: room, length, payload.
    Floor,
    /// The gateway's publish function in Redis.
    Function,
    /// What that function announces, without calling it: for the relay floor.
    Announcement,
    /// `@socket.io/redis-emitter`.
    Emitter,
    /// A client of the server that emits `publish`.
    SocketIo,
    /// POST on one connection.
    Http,
    Nats,
}

/// A message to one room, complete but for its numbers.
pub struct Template {
    bytes: Vec<u8>,
    payload_at: usize,
}

impl Template {
    fn new(bytes: Vec<u8>) -> Self {
        let payload = mark::blank();
        let payload_at =
            memchr::memmem::find(&bytes, payload.as_bytes()).expect("every way carries the payload as it is");
        Self { bytes, payload_at }
    }

    pub fn append(&self, mark: Mark, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        mark.write(&mut out[start + self.payload_at..]);
    }
}

impl Way {
    pub fn template(self, room: u32) -> Template {
        let (name, payload) = (room_name(room), mark::blank());
        let bytes = match self {
            Self::Floor => {
                let mut record = room.to_be_bytes().to_vec();
                record.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(0).to_be_bytes());
                record.extend_from_slice(payload.as_bytes());
                record
            }
            Self::Function => redis::function_call(&name, &payload),
            Self::Announcement => redis::announcement(&name, &payload),
            Self::Emitter => redis::command(&[
                b"PUBLISH",
                format!("socket.io#/#{name}#").as_bytes(),
                &msgpack::emitter(&name, &payload),
            ]),
            Self::SocketIo => {
                let packet = format!(r#"42["publish",{{"room":"{name}","event":"m","data":"{payload}"}}]"#);
                wire::masked(wire::TEXT, packet.as_bytes())
            }
            Self::Http => {
                let length = payload.len();
                format!("POST /pub/{name} HTTP/1.1\r\nHost: load\r\nContent-Length: {length}\r\n\r\n{payload}")
                    .into_bytes()
            }
            Self::Nats => format!("PUB {name} {}\r\n{payload}\r\n", payload.len()).into_bytes(),
        };
        Template::new(bytes)
    }

    /// Whether an answer says that something was not taken.
    pub(super) fn is_complaint(self, answers: &[u8]) -> bool {
        let within = |words: &[u8]| memchr::memmem::find(answers, words).is_some();
        match self {
            Self::Floor => false,
            Self::Function | Self::Announcement | Self::Emitter => answers.starts_with(b"-") || within(b"\r\n-"),
            Self::SocketIo => within(b"\"ok\":false"),
            Self::Http => within(b"HTTP/1.1 4") || within(b"HTTP/1.1 5"),
            Self::Nats => within(b"-ERR"),
        }
    }
}
