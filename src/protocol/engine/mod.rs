//! Engine.IO protocol 4: the packets of one transport session, as text.
//!
//! Kept here: the packet codec for WebSocket text frames and for polling payloads, the open packet, the refusals of the
//! handshake. Deliberately absent: raw binary WebSocket frames (they are messages as they stand) and every decision about
//! a session (who may ping, when to close).
//!
//! Invariant: decoding borrows from its input, except for base64.

mod decode;
mod encode;
mod handshake;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use decode::{ParseError, Payload, decode_payload, decode_text};
pub use encode::{encode_binary_for_polling, encode_for_polling, encode_payload};
pub use handshake::{Handshake, HandshakeError, open_packet};

/// One Engine.IO packet. What follows the digit of `Close`, `Upgrade` and `Noop` carries no meaning and is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    Open(&'a str),
    Close,
    Ping(&'a str),
    Pong(&'a str),
    Message(&'a str),
    Binary(Cow<'a, [u8]>),
    Upgrade,
    Noop,
}

/// Stands between the packets of a polling payload (U+001E).
pub const SEPARATOR: u8 = 0x1e;

/// First byte of every text message; the Socket.IO packet follows.
pub const MESSAGE: &str = "4";
pub const CLOSE: &str = "1";
pub const PING: &str = "2";
pub const PONG: &str = "3";
pub const UPGRADE: &str = "5";
pub const NOOP: &str = "6";
/// What a client sends first on the WebSocket it wants to upgrade to.
pub const PROBE_PING: &str = "2probe";
/// The answer to [`PROBE_PING`].
pub const PROBE_PONG: &str = "3probe";
