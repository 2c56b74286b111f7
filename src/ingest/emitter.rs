//! Broadcasts of `@socket.io/redis-emitter` and `createAdapter()`, on `<key>#<namespace>#` and, for exactly one room,
//! `<key>#<namespace>#<room>#`.
//!
//! `[uid, {type, data, nsp}, {rooms, except, flags}]`, msgpack, or JSON where the publisher's `parser` option says so. What
//! msgpack has beyond JSON is mapped as Socket.IO's JSON would have it, byte strings as attachments.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::{Outcome, Refusal};
use crate::event::json::{Arguments, DEPTH_MAX, Draft, Names};
use crate::ids::Namespace;
use crate::protocol::json;
use crate::protocol::msgpack::{Item, Limits, ReadError, Reader, transcode};

pub fn decode(key: &str, channel: &str, payload: &[u8], now_ms: u64) -> Outcome {
    let broadcast = if payload.first() == Some(&b'[') { from_json(payload) } else { from_msgpack(payload) };
    broadcast.and_then(|broadcast| publication_of(broadcast, key, channel, now_ms)).into()
}

/// A broadcast, its encoding aside.
#[derive(Default)]
struct Broadcast {
    /// Absent means `/`, whatever the channel.
    namespace: Option<String>,
    kind: Option<u64>,
    /// `["event",…]`
    data: String,
    attachments: Vec<Bytes>,
    rooms: Vec<String>,
    except: Vec<String>,
    volatile: bool,
    traceparent: Option<String>,
}

fn publication_of(broadcast: Broadcast, key: &str, channel: &str, now_ms: u64) -> Result<Outcome, Refusal> {
    if !matches!(broadcast.kind, Some(EVENT | BINARY_EVENT)) {
        return Err(Refusal::Shape);
    }
    let namespace = broadcast.namespace.as_deref().unwrap_or("/");
    let room = room_of(key, namespace, channel).ok_or(Refusal::Channel)?;
    if !room.is_empty() && (broadcast.rooms.is_empty() || broadcast.rooms.iter().any(|name| name != room)) {
        return Err(Refusal::Channel);
    }
    let namespace = Namespace::new(namespace).map_err(|_| Refusal::Namespace)?;
    let (event, arguments) = Arguments::split(&broadcast.data).ok_or(Refusal::Shape)?;
    let draft = Draft {
        event: Some(event.into()),
        arguments,
        rooms: Some(broadcast.rooms).filter(|rooms| !rooms.is_empty()),
        except: broadcast.except,
        volatile: broadcast.volatile,
        attachments: broadcast.attachments,
        traceparent: broadcast.traceparent,
        ..Draft::default()
    };
    Ok(Outcome::decoded(namespace, draft.check()?.into_publication(now_ms)))
}

/// The room that the channel names, empty if it names none; `None` if the channel is not of this namespace.
fn room_of<'a>(key: &str, namespace: &str, channel: &'a str) -> Option<&'a str> {
    let rest = channel.strip_prefix(key)?.strip_prefix('#')?.strip_prefix(namespace)?.strip_prefix('#')?;
    if rest.is_empty() { Some(rest) } else { rest.strip_suffix('#') }
}

const EVENT: u64 = 2;
const BINARY_EVENT: u64 = 5;

fn from_json(payload: &[u8]) -> Result<Broadcast, Refusal> {
    let text = std::str::from_utf8(payload).map_err(|_| Refusal::Json)?;
    if !json::depth_within(text, DEPTH_MAX) {
        return Err(Refusal::TooDeep);
    }
    let (_, packet, opts): (IgnoredAny, Packet<'_>, Opts) =
        serde_json::from_str(text).map_err(|error| json_refusal(&error))?;
    Ok(Broadcast {
        namespace: packet.nsp,
        kind: Some(packet.kind),
        data: packet.data.get().to_owned(),
        attachments: Vec::new(),
        rooms: opts.rooms.0,
        except: opts.except.0,
        volatile: opts.flags.as_ref().and_then(|flags| flags.volatile).unwrap_or(false),
        traceparent: opts.flags.and_then(|flags| flags.traceparent),
    })
}

pub(super) fn json_refusal(error: &serde_json::Error) -> Refusal {
    if error.is_data() { Refusal::Shape } else { Refusal::Json }
}

#[derive(Deserialize)]
struct Packet<'a> {
    #[serde(rename = "type")]
    kind: u64,
    #[serde(borrow)]
    data: &'a RawValue,
    nsp: Option<String>,
}

#[derive(Deserialize)]
struct Opts {
    #[serde(default)]
    rooms: Names,
    #[serde(default)]
    except: Names,
    flags: Option<Flags>,
}

#[derive(Deserialize)]
struct Flags {
    volatile: Option<bool>,
    traceparent: Option<String>,
}

fn from_msgpack(payload: &[u8]) -> Result<Broadcast, Refusal> {
    let mut reader = Reader::new(payload);
    let mut broadcast = Broadcast::default();
    if reader.read()? != Item::Array(3) {
        return Err(Refusal::Shape);
    }
    skip(&mut reader)?;
    each_field(&mut reader, |name, reader| {
        match name {
            "type" => broadcast.kind = if let Item::Unsigned(kind) = reader.read()? { Some(kind) } else { None },
            "nsp" => broadcast.namespace = text(reader)?,
            "data" => (broadcast.data, broadcast.attachments) = transcode::json_of_next(reader, &LIMITS)?,
            _ => skip(reader)?,
        }
        Ok(())
    })?;
    each_field(&mut reader, |name, reader| {
        match name {
            "rooms" => broadcast.rooms = names(reader)?,
            "except" => broadcast.except = names(reader)?,
            "flags" => flags(&mut broadcast, reader)?,
            _ => skip(reader)?,
        }
        Ok(())
    })?;
    reader.finish()?;
    Ok(broadcast)
}

fn flags(broadcast: &mut Broadcast, reader: &mut Reader<'_>) -> Result<(), Refusal> {
    each_field(reader, |name, reader| {
        match name {
            "volatile" => broadcast.volatile = reader.read()? == Item::Bool(true),
            "traceparent" => broadcast.traceparent = text(reader)?,
            _ => skip(reader)?,
        }
        Ok(())
    })
}

/// Calls `field` for each member of the map that comes next, with the reader before its value. Nil counts as empty.
pub(super) fn each_field<'a>(
    reader: &mut Reader<'a>,
    mut field: impl FnMut(&str, &mut Reader<'a>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let pairs = match reader.read()? {
        Item::Map(pairs) => pairs,
        Item::Nil => 0,
        _ => return Err(Refusal::Shape),
    };
    for _ in 0..pairs {
        let Item::Text(name) = reader.read()? else {
            return Err(Refusal::Shape);
        };
        field(&name, reader)?;
    }
    Ok(())
}

pub(super) fn skip(reader: &mut Reader<'_>) -> Result<(), Refusal> {
    transcode::json_of_next(reader, &LIMITS)?;
    Ok(())
}

fn text(reader: &mut Reader<'_>) -> Result<Option<String>, Refusal> {
    match reader.read()? {
        Item::Text(text) => Ok(Some(text.into_owned())),
        Item::Nil => Ok(None),
        _ => Err(Refusal::Shape),
    }
}

/// Rooms as text: a number is its decimal text, as it is in the channel's name.
fn names(reader: &mut Reader<'_>) -> Result<Vec<String>, Refusal> {
    let count = match reader.read()? {
        Item::Array(count) => count,
        Item::Nil => 0,
        _ => return Err(Refusal::Shape),
    };
    let mut names = Vec::new();
    for _ in 0..count {
        names.push(match reader.read()? {
            Item::Text(text) => text.into_owned(),
            Item::Unsigned(number) => number.to_string(),
            Item::Negative(number) => number.to_string(),
            _ => return Err(Refusal::Room),
        });
    }
    Ok(names)
}

const LIMITS: Limits = Limits { depth: DEPTH_MAX, attachments: crate::event::json::ATTACHMENTS_MAX };

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Truncated | ReadError::Trailing | ReadError::ReservedMarker => Self::Msgpack,
            ReadError::Unexpected => Self::Shape,
            ReadError::TooDeep => Self::TooDeep,
            ReadError::TooManyAttachments | ReadError::IllegalPlaceholder => Self::Attachments,
        }
    }
}
