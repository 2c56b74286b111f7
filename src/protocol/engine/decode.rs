//! Text → Engine.IO packets.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{Packet, SEPARATOR};

/// Why a text is no packet. The session that sent it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("the packet is empty")]
    Empty,
    #[error("the packet type is unknown")]
    UnknownType,
}

/// One WebSocket text frame, or one packet of a polling payload. `b` and base64 is a binary message on both.
///
/// # Errors
/// If the text is empty or begins with neither a known digit nor `b`.
pub fn decode_text(text: &str) -> Result<Packet<'_>, ParseError> {
    let kind = text.bytes().next().ok_or(ParseError::Empty)?;
    if !kind.is_ascii() {
        return Err(ParseError::UnknownType);
    }
    let data = &text[1..];
    match kind {
        b'0' => Ok(Packet::Open(data)),
        b'1' => Ok(Packet::Close),
        b'2' => Ok(Packet::Ping(data)),
        b'3' => Ok(Packet::Pong(data)),
        b'4' => Ok(Packet::Message(data)),
        b'5' => Ok(Packet::Upgrade),
        b'6' => Ok(Packet::Noop),
        b'b' => Ok(Packet::Binary(Cow::Owned(lenient_base64(data)))),
        _ => Err(ParseError::UnknownType),
    }
}

/// The packets of a polling body, in order. The first error is the last item: what stands before it counts, what stands
/// behind it does not.
pub fn decode_payload(body: &str) -> Payload<'_> {
    Payload { rest: Some(body) }
}

/// Iterator of [`decode_payload`].
#[derive(Debug, Clone)]
pub struct Payload<'a> {
    /// `None` after the last packet or the first error.
    rest: Option<&'a str>,
}

impl<'a> Iterator for Payload<'a> {
    type Item = Result<Packet<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        let (text, behind) = match rest.split_once(char::from(SEPARATOR)) {
            Some((text, behind)) => (text, Some(behind)),
            None => (rest, None),
        };
        let packet = decode_text(text);
        self.rest = behind.filter(|_| packet.is_ok());
        Some(packet)
    }
}

impl std::iter::FusedIterator for Payload<'_> {}

/// Clients differ in padding, alphabet and rigour, and the reference server never refuses: it skips what is no base64
/// digit and stops at the padding. So do we, after the strict way failed.
fn lenient_base64(text: &str) -> Vec<u8> {
    if let Ok(bytes) = STANDARD_LENIENT.decode(text) {
        return bytes;
    }
    let mut digits: Vec<u8> = text
        .bytes()
        .take_while(|&byte| byte != b'=')
        .filter_map(|byte| match byte {
            b'-' => Some(b'+'),
            b'_' => Some(b'/'),
            b'+' | b'/' => Some(byte),
            _ => byte.is_ascii_alphanumeric().then_some(byte),
        })
        .collect();
    if digits.len() % 4 == 1 {
        // Six bits make no byte.
        digits.pop();
    }
    STANDARD_LENIENT.decode(digits).unwrap_or_default()
}

const STANDARD_LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
