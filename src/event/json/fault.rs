//! What can be wrong with a publication from a backend, told so that its author finds the place.

use crate::ids::NameError;

use super::{DEPTH_MAX, EVENT_BYTES_MAX, IDEMPOTENCY_KEY_BYTES_MAX, NAMES_MAX};

/// Where something is wrong is told by [`PublicationFault::path`], what by the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicationFault {
    #[error("this is not valid JSON (line {line}, column {column})")]
    Syntax { line: usize, column: usize },
    #[error("this is not valid UTF-8")]
    Utf8,
    #[error("this nests more than {DEPTH_MAX} deep")]
    TooDeep,
    #[error("this must be {expected}")]
    Kind { path: &'static str, expected: &'static str },
    #[error("there is no such field")]
    UnknownField { name: String },
    #[error("this field is given twice")]
    Twice { path: &'static str },
    #[error("this field is missing")]
    Missing { path: &'static str },
    #[error("\"{other}\" says the same in another way; give one of them")]
    Exclusive { path: &'static str, other: &'static str },
    #[error("the event has no name")]
    EventEmpty,
    #[error("the event's name is longer than {EVENT_BYTES_MAX} bytes")]
    EventTooLong,
    #[error("the event's name is reserved")]
    EventReserved,
    #[error("the list is empty; leave it out to reach the whole namespace")]
    NoRooms,
    #[error("there are more than {NAMES_MAX} names")]
    TooManyNames { path: &'static str },
    #[error("{fault}")]
    Name { path: &'static str, index: usize, fault: NameError },
    #[error("{fault}")]
    Namespace { fault: NameError },
    #[error("there are more than {} attachments", super::ATTACHMENTS_MAX)]
    TooManyAttachments,
    #[error("this is not base64")]
    Base64 { index: usize },
    #[error("each attachment needs exactly one placeholder, and each placeholder an attachment")]
    Placeholder,
    #[error("the key must have 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes and no control characters")]
    IdempotencyKey,
}

impl PublicationFault {
    /// The field concerned, such as `rooms[3]`; empty for the whole.
    pub fn path(&self) -> String {
        match self {
            Self::Syntax { .. } | Self::Utf8 | Self::TooDeep => String::new(),
            Self::Kind { path, .. }
            | Self::Twice { path }
            | Self::Missing { path }
            | Self::Exclusive { path, .. }
            | Self::TooManyNames { path } => (*path).to_owned(),
            Self::UnknownField { name } => name.clone(),
            Self::EventEmpty | Self::EventTooLong | Self::EventReserved => "event".to_owned(),
            Self::NoRooms => "rooms".to_owned(),
            Self::Name { path, index, .. } => format!("{path}[{index}]"),
            Self::Namespace { .. } => "namespace".to_owned(),
            Self::TooManyAttachments => "attachments".to_owned(),
            Self::Base64 { index } => format!("attachments[{index}]"),
            Self::Placeholder => "args".to_owned(),
            Self::IdempotencyKey => "idempotencyKey".to_owned(),
        }
    }

    /// Whether the text could not be read at all (HTTP 400), as opposed to saying something that cannot be done (422).
    pub fn is_syntax(&self) -> bool {
        matches!(self, Self::Syntax { .. } | Self::Utf8 | Self::TooDeep)
    }
}
