//! Text → packet.

use super::{ID_MAX, Limits, Packet, PacketType, ParseError, payload};
use crate::protocol::json;

/// Decodes one text message. Of a binary event or ack this is the header: [`super::Reassembly`] collects the rest.
///
/// White space among the digits of an id or a number of attachments is accepted, as the reference server accepts it.
///
/// # Errors
/// For each of the reasons in [`ParseError`] that concern a single packet.
pub fn decode<'a>(text: &'a str, limits: &Limits) -> Result<Packet<'a>, ParseError> {
    let digit = text.bytes().next().ok_or(ParseError::Empty)?;
    let kind = PacketType::from_digit(digit.wrapping_sub(b'0')).ok_or(ParseError::UnknownType)?;
    let rest = &text[1..];
    let (attachments, rest) = if kind.is_binary() { attachments(rest, limits.attachments)? } else { (0, rest) };
    let (namespace, rest) = namespace(rest);
    let (id, rest) = id(rest)?;
    let data = (!rest.is_empty()).then_some(rest);
    if let Some(data) = data {
        payload::check(kind, data, limits)?;
        if kind.is_binary() && !json::placeholders_within(data, attachments) {
            return Err(ParseError::IllegalPlaceholder);
        }
    }
    Ok(Packet { kind, namespace, id, data, attachments })
}

fn attachments(text: &str, max: usize) -> Result<(usize, &str), ParseError> {
    let (count, rest) = text.split_once('-').ok_or(ParseError::IllegalAttachments)?;
    let count = count.trim();
    if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ParseError::IllegalAttachments);
    }
    match count.parse() {
        Ok(0) => Err(ParseError::IllegalAttachments),
        Ok(count) if count <= max => Ok((count, rest)),
        _ => Err(ParseError::TooManyAttachments),
    }
}

/// A namespace reaches to the comma, or to the end where nothing follows it.
fn namespace(text: &str) -> (&str, &str) {
    if text.starts_with('/') { text.split_once(',').unwrap_or((text, "")) } else { ("/", text) }
}

fn id(text: &str) -> Result<(Option<u64>, &str), ParseError> {
    let is_id = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_whitespace();
    let end = text.bytes().position(|byte| !is_id(byte)).unwrap_or(text.len());
    if end == 0 {
        return Ok((None, text));
    }
    let (digits, rest) = text.split_at(end);
    let id = match digits.trim() {
        "" => 0,
        digits => digits.parse().map_err(|_| ParseError::IllegalId)?,
    };
    if id > ID_MAX { Err(ParseError::IllegalId) } else { Ok((Some(id), rest)) }
}
