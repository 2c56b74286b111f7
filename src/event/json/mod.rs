//! A publication as backends write it in JSON: the HTTP API, plain `PUBLISH` and the inbox share this form.
//!
//! ```json
//! {"event": "message", "data": {"text": "hi"}, "rooms": ["kitchen"], "except": ["SOCKET"], "volatile": false}
//! ```
//!
//! Kept here: reading that object and checking each part of it ([`Draft`] does the checking for other formats, too).
//! Deliberately absent: values; arguments stay the text they were, so that no number is rounded and no key moves.
//! Invariant: what leaves here is valid JSON within the limits below, and a field nobody knows is refused, since a
//! misspelt `rooms` must not reach the whole namespace.

mod arguments;
mod draft;
mod fault;
mod fields;
mod names;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use bytes::Bytes;
use sha1::{Digest, Sha1};

pub use arguments::Arguments;
pub use draft::{Draft, attachment_of};
pub use fault::PublicationFault;
pub use fields::Fields;
pub use names::{Names, rooms_of};

use super::{Body, Event, Publication, Target, encode};
use crate::ids::Namespace;

/// Longest event name, in bytes.
pub const EVENT_BYTES_MAX: usize = 128;
/// Nesting of arrays and objects, the message's own object included.
pub const DEPTH_MAX: usize = 32;
/// More attachments than that make clients disconnect (socket.io-parser 4.2.7).
pub const ATTACHMENTS_MAX: usize = 10;
/// Names in `rooms` and in `except`, each.
pub const NAMES_MAX: usize = 256;
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// A checked publication and what its author asked for beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicationJson {
    /// Where the way in does not decide it.
    pub namespace: Option<Namespace>,
    pub target: Target,
    pub event: Event,
    pub volatile: bool,
    pub traceparent: Option<String>,
    pub idempotency_key: Option<String>,
    /// Replicas that shall confirm before the publish is answered.
    pub replicas: Option<u32>,
}

impl PublicationJson {
    /// # Errors
    /// See [`PublicationFault`].
    pub fn parse(text: &[u8]) -> Result<Self, PublicationFault> {
        let text = std::str::from_utf8(text).map_err(|_| PublicationFault::Utf8)?;
        if !arguments::nests_within(text, DEPTH_MAX) {
            return Err(PublicationFault::TooDeep);
        }
        Draft::parse(text)?.check()
    }

    pub fn into_publication(self, now_ms: u64) -> Publication {
        Publication {
            target: self.target,
            body: Body::Event(self.event),
            volatile: self.volatile,
            published_at_ms: now_ms,
            traceparent: self.traceparent,
        }
    }
}

/// Tells two publications under one idempotency key apart: SHA-1, in hex, of all but the time and the trace.
pub fn digest(publication: &Publication) -> String {
    let bare = Publication { published_at_ms: 0, traceparent: None, ..publication.clone() };
    let mut hex = String::with_capacity(40);
    for byte in Sha1::digest(encode(&bare)) {
        // A write to a `String` cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// `None` unless the text has the form of W3C `traceparent` version 00. A malformed one costs the trace, not the event.
pub fn traceparent_of(text: &str) -> Option<String> {
    let hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let mut parts = text.split('-');
    let whole = parts.next() == Some("00")
        && parts.next().is_some_and(|trace| hex(trace, 32) && trace.bytes().any(|byte| byte != b'0'))
        && parts.next().is_some_and(|span| hex(span, 16) && span.bytes().any(|byte| byte != b'0'))
        && parts.next().is_some_and(|flags| hex(flags, 2))
        && parts.next().is_none();
    whole.then(|| text.to_owned())
}

/// An event from checked parts.
fn event_of(args: String, attachments: Vec<Bytes>) -> Event {
    Event { args, attachments: attachments.into() }
}
