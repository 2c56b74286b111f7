//! What a decoder says of a message. The reasons are closed sets, since they label metrics.

use crate::event::Publication;
use crate::event::json::PublicationFault;
use crate::ids::Namespace;

/// A message that means something to the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    pub namespace: Namespace,
    pub publication: Publication,
    /// The publisher's own, where the format has one.
    pub idempotency_key: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Decoded(Box<Decoded>),
    /// Well formed and not for us.
    Ignored(Neglect),
    Refused(Refusal),
}

impl Outcome {
    pub(super) fn decoded(namespace: Namespace, publication: Publication) -> Self {
        Self::Decoded(Box::new(Decoded { namespace, publication, idempotency_key: None }))
    }
}

impl From<Result<Outcome, Refusal>> for Outcome {
    fn from(result: Result<Outcome, Refusal>) -> Self {
        result.unwrap_or_else(Outcome::Refused)
    }
}

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $label:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The metric label.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)*
                }
            }
        }
    };
}

labels!(
    /// Who wrote the message.
    Source {
        Emitter => "emitter",
        Python => "python",
        Plain => "plain",
        Inbox => "inbox",
    }
);

labels!(
    /// Why a message is left alone.
    Neglect {
        /// Of a namespace that is not served, or that another node leads.
        OtherNamespace => "other_namespace",
        /// Asks servers for their sockets or rooms (classic requests 0, 1, 5).
        Question => "question",
        /// Speaks to servers, not to clients (classic request 6).
        ServerSideEmit => "server_side_emit",
        /// A broadcast whose sender waits for acknowledgements (classic request 7).
        AckBroadcast => "ack_broadcast",
        /// Answers another server's question.
        Answer => "answer",
        UnknownMethod => "unknown_method",
    }
);

labels!(
    /// Why a message is not published.
    Refusal {
        /// Larger than the configuration allows.
        TooLarge => "too_large",
        Json => "json",
        Msgpack => "msgpack",
        /// python-socketio before 5.14; reading a pickle may run its writer's code.
        Pickle => "pickle",
        TooDeep => "too_deep",
        /// A field is missing, unknown or of the wrong kind.
        Shape => "shape",
        EventName => "event_name",
        EventReserved => "event_reserved",
        Room => "room",
        Namespace => "namespace",
        Attachments => "attachments",
        /// The channel says something else than the message.
        Channel => "channel",
        /// The idempotency key was used for another publication.
        Conflict => "conflict",
        /// The backplane did not accept it in time.
        Unavailable => "unavailable",
        /// More arrived than could be published.
        Overflow => "overflow",
        /// Heard, but another node leads by now.
        Fenced => "fenced",
    }
);

impl From<PublicationFault> for Refusal {
    fn from(fault: PublicationFault) -> Self {
        match fault {
            PublicationFault::Syntax { .. } | PublicationFault::Utf8 => Self::Json,
            PublicationFault::TooDeep => Self::TooDeep,
            PublicationFault::Kind { .. }
            | PublicationFault::UnknownField { .. }
            | PublicationFault::Twice { .. }
            | PublicationFault::Missing { .. }
            | PublicationFault::Exclusive { .. }
            | PublicationFault::IdempotencyKey => Self::Shape,
            PublicationFault::EventEmpty | PublicationFault::EventTooLong => Self::EventName,
            PublicationFault::EventReserved => Self::EventReserved,
            PublicationFault::NoRooms | PublicationFault::TooManyNames { .. } | PublicationFault::Name { .. } => {
                Self::Room
            }
            PublicationFault::Namespace { .. } => Self::Namespace,
            PublicationFault::TooManyAttachments | PublicationFault::Base64 { .. } | PublicationFault::Placeholder => {
                Self::Attachments
            }
        }
    }
}
