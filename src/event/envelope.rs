//! The form in which a publication travels through Redis: one msgpack array, opaque to the publish function.
//!
//! Version 1: `[1, flags, published_at_ms, rooms, except, traceparent, kind, content]`. Decoding is bounded by the size of
//! the input; there is no nesting beyond the second level.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Body, Command, Event, Publication, Target};
use crate::ids::Room;

#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    #[error("the envelope is not valid msgpack of the expected shape")]
    Shape(#[from] rmp_serde::decode::Error),
    #[error("the envelope has version {0}, this node knows version 1")]
    Version(u8),
    #[error("the envelope names a room that is not valid")]
    Room(#[from] crate::ids::NameError),
    #[error("the event is not valid JSON")]
    Json,
    #[error("the generation of a session is not a number")]
    Generation,
}

/// The form in which a publication travels between nodes and lies in the log.
///
/// # Panics
/// Never: the envelope is written to memory, and every field of it has a msgpack form.
pub fn encode(publication: &Publication) -> Vec<u8> {
    let generation;
    let (kind, args, names, attachments) = match &publication.body {
        Body::Event(event) => (KIND_EVENT, event.args.as_str(), Vec::new(), event.attachments.as_slice()),
        Body::Command(Command::Join(rooms)) => (KIND_JOIN, "", names_of(rooms), [].as_slice()),
        Body::Command(Command::Leave(rooms)) => (KIND_LEAVE, "", names_of(rooms), [].as_slice()),
        Body::Command(Command::Disconnect { close: false }) => (KIND_DISCONNECT, "", Vec::new(), [].as_slice()),
        Body::Command(Command::Disconnect { close: true }) => (KIND_CLOSE, "", Vec::new(), [].as_slice()),
        Body::Command(Command::Fence { generation: number }) => {
            generation = number.to_string();
            (KIND_FENCE, generation.as_str(), Vec::new(), [].as_slice())
        }
    };
    let wire = Wire {
        version: VERSION,
        volatile: publication.volatile,
        published_at_ms: publication.published_at_ms,
        rooms: names_of(&publication.target.rooms),
        except: names_of(&publication.target.except),
        traceparent: publication.traceparent.as_deref(),
        kind,
        args,
        names,
        attachments: attachments.iter().map(|bytes| Blob(bytes)).collect(),
    };
    rmp_serde::to_vec(&wire).expect("a vector takes every byte and every field has a msgpack form")
}

/// # Errors
/// If the bytes are not an envelope this version can read.
pub fn decode(bytes: &[u8]) -> Result<Publication, EnvelopeError> {
    let wire: Wire<'_> = rmp_serde::from_slice(bytes)?;
    if wire.version != VERSION {
        return Err(EnvelopeError::Version(wire.version));
    }
    let body = match wire.kind {
        KIND_JOIN => Body::Command(Command::Join(rooms_of(&wire.names)?)),
        KIND_LEAVE => Body::Command(Command::Leave(rooms_of(&wire.names)?)),
        KIND_DISCONNECT => Body::Command(Command::Disconnect { close: false }),
        KIND_CLOSE => Body::Command(Command::Disconnect { close: true }),
        KIND_FENCE => {
            let generation = wire.args.parse().map_err(|_| EnvelopeError::Generation)?;
            Body::Command(Command::Fence { generation })
        }
        _ => {
            // Splicing an offset into the array is sound only if it is one, so the ends are looked at again here.
            if !(wire.args.starts_with("[\"") && wire.args.ends_with(']')) {
                return Err(EnvelopeError::Json);
            }
            let attachments = wire.attachments.iter().map(|blob| Bytes::copy_from_slice(blob.0)).collect();
            Body::Event(Event { args: wire.args.to_owned(), attachments })
        }
    };
    Ok(Publication {
        target: Target { rooms: rooms_of(&wire.rooms)?, except: rooms_of(&wire.except)? },
        body,
        volatile: wire.volatile,
        published_at_ms: wire.published_at_ms,
        traceparent: wire.traceparent.map(str::to_owned),
    })
}

const VERSION: u8 = 1;
const KIND_EVENT: u8 = 0;
const KIND_JOIN: u8 = 1;
const KIND_LEAVE: u8 = 2;
const KIND_DISCONNECT: u8 = 3;
const KIND_CLOSE: u8 = 4;
const KIND_FENCE: u8 = 5;

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    version: u8,
    volatile: bool,
    published_at_ms: u64,
    #[serde(borrow)]
    rooms: Vec<&'a str>,
    #[serde(borrow)]
    except: Vec<&'a str>,
    traceparent: Option<&'a str>,
    kind: u8,
    args: &'a str,
    #[serde(borrow)]
    names: Vec<&'a str>,
    #[serde(borrow)]
    attachments: Vec<Blob<'a>>,
}

/// Bytes as msgpack bin; serde would write a plain slice as an array of numbers.
struct Blob<'a>(&'a [u8]);

impl Serialize for Blob<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Blob<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowed;
        impl<'de> serde::de::Visitor<'de> for Borrowed {
            type Value = &'de [u8];
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
                Ok(bytes)
            }
        }
        deserializer.deserialize_bytes(Borrowed).map(Blob)
    }
}

fn names_of(rooms: &[Room]) -> Vec<&str> {
    rooms.iter().map(Room::as_str).collect()
}

fn rooms_of<C: FromIterator<Room>>(names: &[&str]) -> Result<C, crate::ids::NameError> {
    names.iter().map(|name| Room::new(name)).collect()
}

#[cfg(test)]
mod tests {
    use smallvec::SmallVec;

    use super::*;

    fn sample(body: Body) -> Publication {
        Publication {
            target: Target {
                rooms: SmallVec::from_vec(vec![Room::new("a").unwrap(), Room::new("b c#").unwrap()]),
                except: SmallVec::from_vec(vec![Room::new("x").unwrap()]),
            },
            body,
            volatile: true,
            published_at_ms: 1_795_252_042_133,
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        }
    }

    #[test]
    fn what_goes_in_comes_out() {
        let attachments = SmallVec::from_vec(vec![Bytes::from_static(b"\x00\xff"), Bytes::new()]);
        let event = Event { args: r#"["e",{"_placeholder":true,"num":0},null]"#.into(), attachments };
        let rooms = vec![Room::new("r").unwrap()];
        for body in [
            Body::Event(event),
            Body::Command(Command::Join(rooms.clone())),
            Body::Command(Command::Leave(rooms)),
            Body::Command(Command::Disconnect { close: false }),
            Body::Command(Command::Disconnect { close: true }),
            Body::Command(Command::Fence { generation: 7 }),
        ] {
            let publication = sample(body);
            assert_eq!(decode(&encode(&publication)).unwrap(), publication);
        }
    }

    #[test]
    fn a_cut_or_foreign_envelope_is_an_error_and_nothing_else() {
        let whole = encode(&sample(Body::Event(Event { args: "[\"e\"]".into(), attachments: SmallVec::new() })));
        for length in 0..whole.len() {
            assert!(decode(&whole[..length]).is_err());
        }
        assert!(decode(b"\x91\x02").is_err());
        assert!(decode(&[0x91; 4000]).is_err());
    }
}
