//! The JSON of a packet: is it of the right kind, and what are its items.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Limits, PacketType, ParseError};
use crate::protocol::json::{self, JsonError};

/// Depth first, since that scan is safe on anything; then grammar, kind and event name.
pub(super) fn check(kind: PacketType, data: &str, limits: &Limits) -> Result<(), ParseError> {
    let first = data.trim_start().bytes().next();
    let fits = match kind {
        PacketType::Connect => first == Some(b'{'),
        PacketType::Disconnect => false,
        PacketType::ConnectError => matches!(first, Some(b'{' | b'"')),
        PacketType::Ack | PacketType::BinaryAck => first == Some(b'['),
        PacketType::Event | PacketType::BinaryEvent => return check_event(data, limits),
    };
    if !fits {
        return Err(ParseError::InvalidPayload);
    }
    json::validate(data, limits.depth).map_err(|error| match error {
        JsonError::Invalid => ParseError::InvalidPayload,
        JsonError::TooDeep => ParseError::TooDeep,
    })
}

/// The items of a top-level array as raw JSON; of an event, item 0 is the name.
///
/// # Errors
/// If `data` is not a valid array. That of a decoded event or ack always is.
pub fn arguments(data: &str) -> Result<Vec<&str>, ParseError> {
    let items: Vec<&RawValue> = serde_json::from_str(data).map_err(|_| ParseError::InvalidPayload)?;
    Ok(items.into_iter().map(RawValue::get).collect())
}

/// The name of an event, given item 0 of its arguments: a string, or a number, whose name is its text.
pub fn event_name(item: &str) -> Cow<'_, str> {
    json::unescape(item)
}

fn check_event(data: &str, limits: &Limits) -> Result<(), ParseError> {
    if !json::depth_within(data, limits.depth) {
        return Err(ParseError::TooDeep);
    }
    let Ok(FirstItem(Some(item))) = serde_json::from_str(data) else {
        return Err(ParseError::InvalidPayload);
    };
    match item.get().as_bytes() {
        [b'"', ..] => check_name(&event_name(item.get()), limits),
        [b'-' | b'0'..=b'9', ..] => Ok(()),
        _ => Err(ParseError::InvalidPayload),
    }
}

fn check_name(name: &str, limits: &Limits) -> Result<(), ParseError> {
    if name.len() > limits.event_name_bytes {
        return Err(ParseError::EventNameTooLong);
    }
    if RESERVED.contains(&name) { Err(ParseError::ReservedEvent) } else { Ok(()) }
}

/// Validates a whole array and keeps only where its first item stands: no allocation for what a peer sends.
struct FirstItem<'a>(Option<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for FirstItem<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FirstItemVisitor).map(FirstItem)
    }
}

struct FirstItemVisitor;

impl<'de> Visitor<'de> for FirstItemVisitor {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let first = items.next_element()?;
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first)
    }
}

/// Names that the client library gives a meaning of its own.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];
