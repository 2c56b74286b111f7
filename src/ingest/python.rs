//! python-socketio's `RedisManager` and `AsyncRedisManager`: JSON on one channel for all namespaces.
//!
//! Before 5.14 the same manager wrote pickle, which is recognised by its first byte and refused: reading a pickle may run
//! its writer's code. An emit that wants an acknowledgement is delivered without one.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::emitter::json_refusal;
use super::{Neglect, Outcome, Refusal};
use crate::event::json::{ATTACHMENTS_MAX, Arguments, DEPTH_MAX, Draft, Names, attachment_of, rooms_of};
use crate::event::{Body, Command, Publication, Target};
use crate::ids::{Namespace, Room};
use crate::protocol::json;

pub fn decode(payload: &[u8], now_ms: u64) -> Outcome {
    if payload.first() == Some(&PICKLE) {
        return Outcome::Refused(Refusal::Pickle);
    }
    read(payload).and_then(|message| outcome_of(message, now_ms)).into()
}

/// First byte of pickle protocol 2 and later.
const PICKLE: u8 = 0x80;

#[derive(Deserialize)]
struct Message<'a> {
    method: String,
    event: Option<String>,
    #[serde(default, borrow, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    binary: Option<bool>,
    namespace: Option<String>,
    #[serde(default)]
    room: Names,
    #[serde(default)]
    skip_sid: Names,
    #[serde(default)]
    sid: Names,
}

/// Keeps null apart from absence.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

fn read(payload: &[u8]) -> Result<Message<'_>, Refusal> {
    let text = std::str::from_utf8(payload).map_err(|_| Refusal::Json)?;
    if !json::depth_within(text, DEPTH_MAX) {
        return Err(Refusal::TooDeep);
    }
    serde_json::from_str(text).map_err(|error| json_refusal(&error))
}

fn outcome_of(message: Message<'_>, now_ms: u64) -> Result<Outcome, Refusal> {
    let (target, command) = match message.method.as_str() {
        "emit" => return emit(message, now_ms),
        "disconnect" => (target_of(&message.sid)?, Command::Disconnect { close: false }),
        "enter_room" => (target_of(&message.sid)?, Command::Join(vec![room_of(&message.room)?])),
        "leave_room" => (target_of(&message.sid)?, Command::Leave(vec![room_of(&message.room)?])),
        "close_room" => (target_of(&message.room)?, Command::Leave(vec![room_of(&message.room)?])),
        "callback" => return Ok(Outcome::Ignored(Neglect::Answer)),
        _ => return Ok(Outcome::Ignored(Neglect::UnknownMethod)),
    };
    let body = Body::Command(command);
    let publication = Publication { target, body, volatile: false, published_at_ms: now_ms, traceparent: None };
    Ok(Outcome::decoded(namespace_of(&message)?, publication))
}

fn emit(message: Message<'_>, now_ms: u64) -> Result<Outcome, Refusal> {
    let namespace = namespace_of(&message)?;
    let mut draft = Draft {
        event: message.event.map(Into::into),
        rooms: Some(message.room.0).filter(|rooms| !rooms.is_empty()),
        except: message.skip_sid.0,
        ..Draft::default()
    };
    if message.binary == Some(true) {
        let raw = message.data.ok_or(Refusal::Shape)?;
        let parts: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|error| json_refusal(&error))?;
        let (arguments, attachments) = parts.split_first().ok_or(Refusal::Shape)?;
        if attachments.len() > ATTACHMENTS_MAX {
            return Err(Refusal::Attachments);
        }
        draft.arguments = Arguments::List(arguments.get());
        for (index, raw) in attachments.iter().enumerate() {
            let text: String = serde_json::from_str(raw.get()).map_err(|_| Refusal::Attachments)?;
            draft.attachments.push(attachment_of(index, &text)?);
        }
    } else if let Some(raw) = message.data {
        // Managers of our own time always write the list of arguments; older writers of JSON wrote a single value bare.
        draft.arguments =
            if raw.get().starts_with('[') { Arguments::List(raw.get()) } else { Arguments::One(raw.get()) };
    }
    Ok(Outcome::decoded(namespace, draft.check()?.into_publication(now_ms)))
}

fn namespace_of(message: &Message<'_>) -> Result<Namespace, Refusal> {
    Namespace::new(message.namespace.as_deref().unwrap_or("/")).map_err(|_| Refusal::Namespace)
}

/// An address that is missing must not become the whole namespace.
fn target_of(names: &Names) -> Result<Target, Refusal> {
    room_of(names).map(Target::room)
}

fn room_of(names: &Names) -> Result<Room, Refusal> {
    let rooms: Vec<Room> = rooms_of("room", &names.0)?;
    if rooms.len() == 1 { rooms.into_iter().next().ok_or(Refusal::Shape) } else { Err(Refusal::Shape) }
}
