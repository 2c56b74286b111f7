//! Requests of the classic Redis adapter on `<key>-request#<namespace>#`: joins, leaves and disconnects by a backend.
//!
//! Only what needs no answer is obeyed (2 join, 3 leave, 4 disconnect, also in the older form that names one socket).
//! Questions (0, 1, 5), words between servers (6) and broadcasts with acknowledgement (7) are left alone: a useful answer
//! would have to speak for every node, and a partial one would be taken for the whole.

use serde::Deserialize;

use super::emitter::{each_field, json_refusal, skip};
use super::{Neglect, Outcome, Refusal};
use crate::event::json::{DEPTH_MAX, Names, rooms_of};
use crate::event::{Body, Command, Publication, Target};
use crate::ids::Namespace;
use crate::protocol::json;
use crate::protocol::msgpack::{Item, Reader};

pub fn decode(key: &str, channel: &str, payload: &[u8], now_ms: u64) -> Outcome {
    let request = if payload.first() == Some(&b'{') { from_json(payload) } else { from_msgpack(payload) };
    request.and_then(|request| command_of(&request, key, channel, now_ms)).into()
}

/// A request; the fields that matter depend on its type.
#[derive(Default, Deserialize)]
struct Request {
    #[serde(rename = "type")]
    kind: u64,
    opts: Option<Opts>,
    #[serde(default)]
    rooms: Names,
    close: Option<bool>,
    /// The older form: one socket, one room.
    #[serde(default)]
    sid: Names,
    #[serde(default)]
    room: Names,
}

#[derive(Default, Deserialize)]
struct Opts {
    #[serde(default)]
    rooms: Names,
    #[serde(default)]
    except: Names,
}

fn from_json(payload: &[u8]) -> Result<Request, Refusal> {
    let text = std::str::from_utf8(payload).map_err(|_| Refusal::Json)?;
    if !json::depth_within(text, DEPTH_MAX) {
        return Err(Refusal::TooDeep);
    }
    serde_json::from_str(text).map_err(|error| json_refusal(&error))
}

/// Only a broadcast with acknowledgement comes as msgpack, and of that only the type matters.
fn from_msgpack(payload: &[u8]) -> Result<Request, Refusal> {
    let mut reader = Reader::new(payload);
    let mut kind = None;
    each_field(&mut reader, |name, reader| {
        match name {
            "type" => kind = if let Item::Unsigned(kind) = reader.read()? { Some(kind) } else { None },
            _ => skip(reader)?,
        }
        Ok(())
    })?;
    reader.finish()?;
    match kind {
        Some(BROADCAST_WITH_ACK) => Ok(Request { kind: BROADCAST_WITH_ACK, ..Request::default() }),
        _ => Err(Refusal::Shape),
    }
}

fn command_of(request: &Request, key: &str, channel: &str, now_ms: u64) -> Result<Outcome, Refusal> {
    let command = match request.kind {
        0 | 1 | 5 => return Ok(Outcome::Ignored(Neglect::Question)),
        6 => return Ok(Outcome::Ignored(Neglect::ServerSideEmit)),
        BROADCAST_WITH_ACK => return Ok(Outcome::Ignored(Neglect::AckBroadcast)),
        2 => Command::Join(moved(request)?),
        3 => Command::Leave(moved(request)?),
        4 => Command::Disconnect { close: request.close.unwrap_or(false) },
        _ => return Ok(Outcome::Ignored(Neglect::UnknownMethod)),
    };
    let namespace = channel.strip_prefix(key).and_then(|rest| rest.strip_prefix("-request#"));
    let namespace = namespace.and_then(|rest| rest.strip_suffix('#')).ok_or(Refusal::Channel)?;
    let publication = Publication {
        target: target_of(request)?,
        body: Body::Command(command),
        volatile: false,
        published_at_ms: now_ms,
        traceparent: None,
    };
    Ok(Outcome::decoded(Namespace::new(namespace).map_err(|_| Refusal::Namespace)?, publication))
}

/// Without any address a request concerns every socket, so it must say so by `opts`.
fn target_of(request: &Request) -> Result<Target, Refusal> {
    match &request.opts {
        Some(opts) => {
            Ok(Target { rooms: rooms_of("rooms", &opts.rooms.0)?, except: rooms_of("except", &opts.except.0)? })
        }
        None if request.sid.0.len() == 1 => Ok(Target { rooms: rooms_of("sid", &request.sid.0)?, ..Target::default() }),
        None => Err(Refusal::Shape),
    }
}

/// The rooms to join or to leave.
fn moved(request: &Request) -> Result<Vec<crate::ids::Room>, Refusal> {
    let names = if request.rooms.0.is_empty() { &request.room.0 } else { &request.rooms.0 };
    if names.is_empty() {
        return Err(Refusal::Shape);
    }
    Ok(rooms_of("rooms", names)?)
}

const BROADCAST_WITH_ACK: u64 = 7;
