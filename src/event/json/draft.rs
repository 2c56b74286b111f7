//! The parts of a publication before they are checked.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde::de::Deserialize;
use serde_json::value::RawValue;

use super::arguments::{check_name, nests_within, placeholders_fit};
use super::fields::Fields;
use super::{
    ATTACHMENTS_MAX, Arguments, DEPTH_MAX, IDEMPOTENCY_KEY_BYTES_MAX, Names, PublicationFault, PublicationJson,
    event_of, rooms_of, traceparent_of,
};
use crate::event::Target;
use crate::ids::Namespace;

/// What a publisher said, format aside. [`Draft::check`] makes a publication of it.
#[derive(Debug, Clone, Default)]
pub struct Draft<'a> {
    pub namespace: Option<String>,
    pub event: Option<Cow<'a, str>>,
    pub arguments: Arguments<'a>,
    /// `None` means the whole namespace; an empty list is a mistake.
    pub rooms: Option<Vec<String>>,
    pub except: Vec<String>,
    pub volatile: bool,
    pub attachments: Vec<Bytes>,
    pub traceparent: Option<String>,
    pub idempotency_key: Option<String>,
    pub replicas: Option<u32>,
}

impl<'a> Draft<'a> {
    /// Reads the object of the module's documentation.
    ///
    /// # Errors
    /// If it is no JSON, or a field is unknown, doubled or of the wrong kind.
    pub fn parse(text: &'a str) -> Result<Self, PublicationFault> {
        let fields: Fields<'a> = serde_json::from_str(text).map_err(|error| fault_of(&error, "", "an object"))?;
        let mut draft = Self::default();
        let mut seen: Vec<&'static str> = Vec::new();
        for (name, raw) in fields.0 {
            let Some(&path) = FIELDS.iter().find(|&&field| field == name) else {
                return Err(PublicationFault::UnknownField { name: name.chars().take(64).collect() });
            };
            if seen.contains(&path) {
                return Err(PublicationFault::Twice { path });
            }
            if let Some(other) = rival(path).filter(|other| seen.contains(other)) {
                return Err(PublicationFault::Exclusive { path, other });
            }
            seen.push(path);
            draft.take(path, raw)?;
        }
        Ok(draft)
    }

    fn take(&mut self, path: &'static str, raw: &'a RawValue) -> Result<(), PublicationFault> {
        match path {
            // Here null is a value like any other.
            "data" => self.arguments = Arguments::One(raw.get()),
            "args" if raw.get().starts_with('[') => self.arguments = Arguments::List(raw.get()),
            "args" => return Err(PublicationFault::Kind { path, expected: "a list" }),
            _ if raw.get() == "null" => {}
            "event" => self.event = Some(read(raw, path, "a text")?),
            "namespace" => self.namespace = Some(read(raw, path, "a text")?),
            "room" | "rooms" => self.rooms = Some(read::<Names>(raw, path, "a name or a list of names")?.0),
            "except" => self.except = read::<Names>(raw, path, "a name or a list of names")?.0,
            "volatile" => self.volatile = read(raw, path, "true or false")?,
            "attachments" => self.attachments = attachments(&read::<Vec<Cow<'_, str>>>(raw, path, "a list of texts")?)?,
            "traceparent" => self.traceparent = Some(read(raw, path, "a text")?),
            "idempotencyKey" => self.idempotency_key = Some(read(raw, path, "a text")?),
            "replicas" => self.replicas = Some(read(raw, path, "a whole number")?),
            _ => {}
        }
        Ok(())
    }

    /// # Errors
    /// See [`PublicationFault`].
    pub fn check(self) -> Result<PublicationJson, PublicationFault> {
        let name = self.event.ok_or(PublicationFault::Missing { path: "event" })?;
        check_name(&name)?;
        if self.rooms.as_ref().is_some_and(Vec::is_empty) {
            return Err(PublicationFault::NoRooms);
        }
        let target = Target {
            rooms: rooms_of("rooms", self.rooms.as_deref().unwrap_or_default())?,
            except: rooms_of("except", &self.except)?,
        };
        if self.attachments.len() > ATTACHMENTS_MAX {
            return Err(PublicationFault::TooManyAttachments);
        }
        let args = self.arguments.join(&name).ok_or(PublicationFault::Kind { path: "args", expected: "a list" })?;
        if !nests_within(&args, DEPTH_MAX) {
            return Err(PublicationFault::TooDeep);
        }
        if !placeholders_fit(&args, self.attachments.len()) {
            return Err(PublicationFault::Placeholder);
        }
        if self.idempotency_key.as_deref().is_some_and(|key| !is_key(key)) {
            return Err(PublicationFault::IdempotencyKey);
        }
        let namespace = self.namespace.as_deref().map(Namespace::new).transpose();
        Ok(PublicationJson {
            namespace: namespace.map_err(|fault| PublicationFault::Namespace { fault })?,
            target,
            event: event_of(args, self.attachments),
            volatile: self.volatile,
            traceparent: self.traceparent.as_deref().and_then(traceparent_of),
            idempotency_key: self.idempotency_key,
            replicas: self.replicas,
        })
    }
}

/// The bytes of one attachment; the padding may be missing.
///
/// # Errors
/// If the text is no base64.
pub fn attachment_of(index: usize, text: &str) -> Result<Bytes, PublicationFault> {
    BASE64.decode(text).map(Bytes::from).map_err(|_| PublicationFault::Base64 { index })
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const FIELDS: [&str; 12] = [
    "event",
    "data",
    "args",
    "room",
    "rooms",
    "except",
    "volatile",
    "attachments",
    "namespace",
    "traceparent",
    "idempotencyKey",
    "replicas",
];

fn rival(path: &str) -> Option<&'static str> {
    match path {
        "data" => Some("args"),
        "args" => Some("data"),
        "room" => Some("rooms"),
        "rooms" => Some("room"),
        _ => None,
    }
}

fn attachments(texts: &[Cow<'_, str>]) -> Result<Vec<Bytes>, PublicationFault> {
    if texts.len() > ATTACHMENTS_MAX {
        return Err(PublicationFault::TooManyAttachments);
    }
    texts.iter().enumerate().map(|(index, text)| attachment_of(index, text)).collect()
}

fn is_key(key: &str) -> bool {
    (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) && !key.chars().any(char::is_control)
}

fn read<'a, T: Deserialize<'a>>(
    raw: &'a RawValue,
    path: &'static str,
    expected: &'static str,
) -> Result<T, PublicationFault> {
    // The text as a whole was parsed before, so whatever is wrong now is the kind of a value.
    serde_json::from_str(raw.get()).map_err(|_| PublicationFault::Kind { path, expected })
}

fn fault_of(error: &serde_json::Error, path: &'static str, expected: &'static str) -> PublicationFault {
    if error.is_data() {
        return PublicationFault::Kind { path, expected };
    }
    PublicationFault::Syntax { line: error.line(), column: error.column() }
}
