//! The packets of clients built with the msgpack parser: each is one binary message, a map `{type,nsp,data?,id?}`.
//!
//! Bytes stand where they belong, so nothing follows a packet; decoded, they become attachments with placeholders, and
//! the rest of the gateway sees no difference to text.

use bytes::Bytes;

use super::encode::push_with_offset;
use super::{ID_MAX, Limits, PacketType, ParseError, payload};
use crate::protocol::msgpack::{self, Item, ReadError, Reader, transcode, write};

/// What the text path calls a packet and its attachments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// A binary kind if and only if there are attachments.
    pub kind: PacketType,
    pub namespace: String,
    pub id: Option<u64>,
    /// JSON with placeholders, checked as that of a text packet.
    pub data: Option<String>,
    pub attachments: Vec<Bytes>,
}

/// # Errors
/// If the bytes are no msgpack, exceed the limits, or are not a packet.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, ParseError> {
    let mut reader = Reader::new(bytes);
    let (mut kind, mut namespace, mut id, mut data) = (None, None, None, None);
    for _ in 0..reader.read_map()? {
        match &*reader.read_text()? {
            "type" => kind = Some(packet_type(&reader.read()?)?),
            "nsp" => namespace = Some(reader.read_text()?),
            "id" => id = ack_id(&reader.read()?)?,
            "data" => data = Some(read_payload(&mut reader, limits)?),
            _ => {
                reader.skip_value()?;
            }
        }
    }
    reader.finish()?;
    let kind = kind.ok_or(ParseError::UnknownType)?;
    let namespace = namespace.ok_or(ReadError::Unexpected)?.into_owned();
    let (data, attachments) = data.unwrap_or_default();
    let kind = if attachments.is_empty() { kind } else { binary_kind(kind)? };
    match &data {
        Some(data) => payload::check(kind, data, limits)?,
        None if matches!(kind, PacketType::Event | PacketType::Ack) => return Err(ParseError::InvalidPayload),
        None => {}
    }
    Ok(Decoded { kind, namespace, id, data, attachments })
}

/// A packet as the msgpack parser writes it. `offset` becomes the last item of `data`, which then is an array.
pub fn encode(
    kind: PacketType,
    namespace: &str,
    id: Option<u64>,
    data: Option<&str>,
    attachments: &[Bytes],
    offset: Option<&str>,
) -> Vec<u8> {
    let plain = match kind {
        PacketType::BinaryEvent => PacketType::Event,
        PacketType::BinaryAck => PacketType::Ack,
        PacketType::Connect
        | PacketType::Disconnect
        | PacketType::Event
        | PacketType::Ack
        | PacketType::ConnectError => kind,
    };
    let mut out = Vec::new();
    write::small_map(2 + u8::from(data.is_some()) + u8::from(id.is_some()), &mut out);
    write::text("type", &mut out);
    write::unsigned(plain.digit().into(), &mut out);
    write::text("nsp", &mut out);
    write::text(namespace, &mut out);
    if let Some(data) = data {
        write::text("data", &mut out);
        match offset {
            Some(offset) => {
                let mut with_offset = String::with_capacity(data.len() + offset.len() + 4);
                push_with_offset(&mut with_offset, data, offset);
                write::json(&with_offset, attachments, &mut out);
            }
            None => write::json(data, attachments, &mut out),
        }
    }
    if let Some(id) = id {
        write::text("id", &mut out);
        write::unsigned(id, &mut out);
    }
    out
}

fn packet_type(item: &Item<'_>) -> Result<PacketType, ParseError> {
    let Item::Unsigned(digit) = item else {
        return Err(ParseError::UnknownType);
    };
    u8::try_from(*digit)
        .ok()
        .and_then(PacketType::from_digit)
        .filter(|kind| !kind.is_binary())
        .ok_or(ParseError::UnknownType)
}

/// Nil counts as absent, here and for `data`: the Python parser writes it.
fn ack_id(item: &Item<'_>) -> Result<Option<u64>, ParseError> {
    match item {
        Item::Nil => Ok(None),
        Item::Unsigned(id) if *id <= ID_MAX => Ok(Some(*id)),
        _ => Err(ParseError::IllegalId),
    }
}

fn read_payload(reader: &mut Reader<'_>, limits: &Limits) -> Result<(Option<String>, Vec<Bytes>), ParseError> {
    let limits = msgpack::Limits { depth: limits.depth, attachments: limits.attachments };
    let (json, attachments) = transcode::json_of_next(reader, &limits).map_err(|error| match error {
        ReadError::TooDeep => ParseError::TooDeep,
        ReadError::TooManyAttachments => ParseError::TooManyAttachments,
        ReadError::IllegalPlaceholder => ParseError::IllegalPlaceholder,
        ReadError::Truncated | ReadError::Trailing | ReadError::ReservedMarker | ReadError::Unexpected => error.into(),
    })?;
    Ok(((json != "null").then_some(json), attachments))
}

fn binary_kind(kind: PacketType) -> Result<PacketType, ParseError> {
    match kind {
        PacketType::Event | PacketType::BinaryEvent => Ok(PacketType::BinaryEvent),
        PacketType::Ack | PacketType::BinaryAck => Ok(PacketType::BinaryAck),
        PacketType::Connect | PacketType::Disconnect | PacketType::ConnectError => Err(ParseError::IllegalAttachments),
    }
}
