//! Engine.IO packets → polling payloads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Packet, SEPARATOR};

/// Appends `b` and the base64 of `bytes`: a binary message inside a polling payload.
pub fn encode_binary_for_polling(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'b');
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
}

/// Appends one packet in its polling form. On a WebSocket the same bytes are a text frame, but a binary message goes as
/// a binary frame instead.
///
/// The text of a message must not contain U+001E; JSON cannot, and namespaces have no control characters.
pub fn encode_for_polling(packet: &Packet<'_>, out: &mut Vec<u8>) {
    let (digit, data) = match packet {
        Packet::Open(data) => (b'0', *data),
        Packet::Close => (b'1', ""),
        Packet::Ping(data) => (b'2', *data),
        Packet::Pong(data) => (b'3', *data),
        Packet::Message(data) => (b'4', *data),
        Packet::Upgrade => (b'5', ""),
        Packet::Noop => (b'6', ""),
        Packet::Binary(bytes) => return encode_binary_for_polling(bytes, out),
    };
    out.push(digit);
    out.extend_from_slice(data.as_bytes());
}

/// A whole polling body.
pub fn encode_payload(packets: &[Packet<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, packet) in packets.iter().enumerate() {
        if index > 0 {
            out.push(SEPARATOR);
        }
        encode_for_polling(packet, &mut out);
    }
    out
}
