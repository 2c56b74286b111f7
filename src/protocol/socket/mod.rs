//! Socket.IO protocol 5: namespaces, events and acks, as text inside Engine.IO messages.
//!
//! ```text
//! <type>[<attachments>-][<namespace>,][<ack id>][JSON]
//! ```
//!
//! Kept here: both directions of the text codec, the collecting of attachments, and [`msgpack`], the form of clients
//! built with the msgpack parser. Deliberately absent: whether a packet fits the session it came from (not joined, joined
//! twice, an error only servers may send).
//!
//! Invariant: the JSON of a decoded packet is valid, nests within the limit and is of the kind that its type wants, so
//! nobody behind this room checks that again.

mod decode;
mod encode;
pub mod msgpack;
mod payload;
mod reassembly;
#[cfg(test)]
mod tests;

use super::msgpack::ReadError;

pub use decode::decode;
pub use encode::{
    append, append_event, encode, encode_ack, encode_connect, encode_connect_error, encode_disconnect, encode_event,
};
pub use payload::{arguments, event_name};
pub use reassembly::{Assembled, Reassembly};

/// What a packet is for; the number is its digit on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PacketType {
    Connect = 0,
    Disconnect = 1,
    Event = 2,
    Ack = 3,
    ConnectError = 4,
    BinaryEvent = 5,
    BinaryAck = 6,
}

impl PacketType {
    pub fn from_digit(digit: u8) -> Option<Self> {
        match digit {
            0 => Some(Self::Connect),
            1 => Some(Self::Disconnect),
            2 => Some(Self::Event),
            3 => Some(Self::Ack),
            4 => Some(Self::ConnectError),
            5 => Some(Self::BinaryEvent),
            6 => Some(Self::BinaryAck),
            _ => None,
        }
    }

    pub fn digit(self) -> u8 {
        self as u8
    }

    /// Whether binary messages follow the packet.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::BinaryEvent | Self::BinaryAck)
    }
}

/// A decoded packet, borrowing from its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    pub kind: PacketType,
    /// As the peer wrote it, `/` if it wrote none. It may be no valid namespace name.
    pub namespace: &'a str,
    pub id: Option<u64>,
    /// JSON of the kind that `kind` wants: an object, an array, or for `ConnectError` also a string. Events may come
    /// without.
    pub data: Option<&'a str>,
    /// How many binary messages follow.
    pub attachments: usize,
}

/// How far a peer may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub attachments: usize,
    /// Nesting of the JSON; the array of arguments counts.
    pub depth: usize,
    pub event_name_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { attachments: 10, depth: 32, event_name_bytes: 128 }
    }
}

/// Why a packet is refused. Whatever it is, the reference server ends the whole session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("the packet is empty")]
    Empty,
    #[error("the packet type is unknown")]
    UnknownType,
    #[error("the number of attachments is missing, zero or wrong")]
    IllegalAttachments,
    #[error("the packet has too many attachments")]
    TooManyAttachments,
    #[error("the ack id is not an integer from 0 to 2^53")]
    IllegalId,
    #[error("the payload is not what the packet type wants")]
    InvalidPayload,
    #[error("the payload nests too deeply")]
    TooDeep,
    #[error("the event name is reserved")]
    ReservedEvent,
    #[error("the event name is too long")]
    EventNameTooLong,
    #[error("a placeholder names no attachment")]
    IllegalPlaceholder,
    #[error("a text packet came before all attachments of the last one")]
    AttachmentsPending,
    #[error("a binary message came that no packet announced")]
    UnexpectedBinary,
    #[error("the packet and its attachments are too large")]
    TooLarge,
    #[error("the packet is not readable")]
    Msgpack(#[from] ReadError),
}

/// Largest ack id: JavaScript counts no further.
pub const ID_MAX: u64 = 1 << 53;
