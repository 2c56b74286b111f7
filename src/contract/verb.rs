//! The events every gateway understands without configuration.

use std::str::FromStr;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Code;
use crate::ids::{ROOM_BYTES_MAX, Room};

/// The name of a verb, which is also the event a client emits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VerbName {
    Join,
    Leave,
    Publish,
    Whoami,
    Ping,
}

impl VerbName {
    pub const ALL: [Self; 5] = [Self::Join, Self::Leave, Self::Publish, Self::Whoami, Self::Ping];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Publish => "publish",
            Self::Whoami => "whoami",
            Self::Ping => "ping",
        }
    }
}

impl FromStr for VerbName {
    type Err = VerbError;

    fn from_str(name: &str) -> Result<Self, VerbError> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == name).ok_or(VerbError::Unknown)
    }
}

/// What a client asks for, checked in its form; whether it may is not decided here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    Join {
        room: Room,
    },
    Leave {
        room: Room,
    },
    Publish {
        room: Room,
        event: Box<str>,
        /// The one argument of the event as JSON text, placeholders of attachments included; `None` for an event without one.
        data: Option<Box<str>>,
    },
    Whoami,
    Ping,
}

/// How large the parts of a verb may be, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerbLimits {
    pub room_bytes: usize,
    pub event_bytes: usize,
    pub data_bytes: usize,
}

impl Default for VerbLimits {
    fn default() -> Self {
        Self { room_bytes: ROOM_BYTES_MAX, event_bytes: 128, data_bytes: 262_144 }
    }
}

/// Why an event is not a usable verb. The text goes back to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerbError {
    #[error("there is no such event here")]
    Unknown,
    #[error("one argument is wanted: an object with {keys}")]
    NoObject { keys: &'static str },
    #[error("\"room\" must be text of 1 to {max} bytes without control characters")]
    Room { max: usize },
    #[error("\"event\" must be text of 1 to {max} bytes")]
    Event { max: usize },
    #[error("\"event\" is a name Socket.IO or Fanfare keeps for itself")]
    ReservedEvent,
    #[error("\"data\" is larger than {max} bytes")]
    DataTooLarge { max: usize },
}

impl VerbError {
    /// The code of the refusal.
    pub fn code(self) -> Code {
        match self {
            Self::Unknown => Code::NotFound,
            Self::NoObject { .. }
            | Self::Room { .. }
            | Self::Event { .. }
            | Self::ReservedEvent
            | Self::DataTooLarge { .. } => Code::ValidationError,
        }
    }
}

impl Verb {
    /// Reads the verb `name` with its arguments, each JSON text from a packet whose depth was already checked.
    ///
    /// Keys that mean nothing here are passed over, so that newer clients may send more.
    ///
    /// # Errors
    /// If there is no such verb or its arguments do not have the right form.
    pub fn parse(name: &str, args: &[&str], limits: &VerbLimits) -> Result<Self, VerbError> {
        match name.parse()? {
            VerbName::Join => Ok(Self::Join { room: Fields::read(args, "\"room\"")?.room(limits)? }),
            VerbName::Leave => Ok(Self::Leave { room: Fields::read(args, "\"room\"")?.room(limits)? }),
            VerbName::Publish => {
                let fields = Fields::read(args, "\"room\", \"event\" and \"data\"")?;
                Ok(Self::Publish {
                    room: fields.room(limits)?,
                    event: fields.event(limits)?,
                    data: fields.data(limits)?,
                })
            }
            VerbName::Whoami => Ok(Self::Whoami),
            VerbName::Ping => Ok(Self::Ping),
        }
    }

    pub fn name(&self) -> VerbName {
        match self {
            Self::Join { .. } => VerbName::Join,
            Self::Leave { .. } => VerbName::Leave,
            Self::Publish { .. } => VerbName::Publish,
            Self::Whoami => VerbName::Whoami,
            Self::Ping => VerbName::Ping,
        }
    }
}

/// Parts are read one by one, so that the refusal can name the one that is wrong.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    room: Option<&'a RawValue>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl<'a> Fields<'a> {
    fn read(args: &[&'a str], keys: &'static str) -> Result<Self, VerbError> {
        // A derived struct would also be read from a list, by position.
        match args {
            [only] if only.trim_start().starts_with('{') => {
                serde_json::from_str(only).map_err(|_| VerbError::NoObject { keys })
            }
            _ => Err(VerbError::NoObject { keys }),
        }
    }

    fn room(&self, limits: &VerbLimits) -> Result<Room, VerbError> {
        let refused = VerbError::Room { max: limits.room_bytes };
        let name = text(self.room, limits.room_bytes).ok_or(refused)?;
        Room::new(&name).map_err(|_| refused)
    }

    fn event(&self, limits: &VerbLimits) -> Result<Box<str>, VerbError> {
        let name = text(self.event, limits.event_bytes).ok_or(VerbError::Event { max: limits.event_bytes })?;
        // What clients are told about gaps must be true, so nobody else may say it.
        if super::compile::RESERVED.contains(&name.as_str()) || name.starts_with("fanfare:") {
            return Err(VerbError::ReservedEvent);
        }
        Ok(name.into())
    }

    fn data(&self, limits: &VerbLimits) -> Result<Option<Box<str>>, VerbError> {
        match self.data {
            Some(data) if data.get().len() > limits.data_bytes => {
                Err(VerbError::DataTooLarge { max: limits.data_bytes })
            }
            Some(data) => Ok(Some(data.get().into())),
            None => Ok(None),
        }
    }
}

fn text(value: Option<&RawValue>, max: usize) -> Option<String> {
    let text: String = serde_json::from_str(value?.get()).ok()?;
    (1..=max).contains(&text.len()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, args: &[&str]) -> Result<Verb, VerbError> {
        Verb::parse(name, args, &VerbLimits::default())
    }

    #[test]
    fn verbs_are_read_from_their_object() {
        let room = Room::new("kitchen").unwrap();
        assert_eq!(parse("join", &[r#"{"room":"kitchen","more":1}"#]), Ok(Verb::Join { room: room.clone() }));
        assert_eq!(parse("leave", &[r#" {"room":"kitchen"}"#]), Ok(Verb::Leave { room: room.clone() }));
        assert_eq!(
            parse("publish", &[r#"{"room":"kitchen","event":"e","data":{"a":{"_placeholder":true,"num":0}}}"#]),
            Ok(Verb::Publish {
                room: room.clone(),
                event: "e".into(),
                data: Some(r#"{"a":{"_placeholder":true,"num":0}}"#.into())
            })
        );
        assert_eq!(
            parse("publish", &[r#"{"room":"kitchen","event":"e"}"#]),
            Ok(Verb::Publish { room, event: "e".into(), data: None })
        );
        assert_eq!(parse("whoami", &[]), Ok(Verb::Whoami));
        assert_eq!(parse("ping", &["1", "2"]), Ok(Verb::Ping));
    }

    #[test]
    fn the_refusal_names_the_part_that_is_wrong() {
        assert_eq!(parse("dance", &[]), Err(VerbError::Unknown));
        for args in [&[][..], &[r#""kitchen""#], &[r#"["kitchen"]"#], &["{", "}"], &["{"]] {
            assert!(matches!(parse("join", args), Err(VerbError::NoObject { .. })), "{args:?}");
        }
        let long = format!(r#"{{"room":"{}"}}"#, "x".repeat(256));
        for args in [r"{}", r#"{"room":5}"#, r#"{"room":""}"#, r#"{"room":"a\nb"}"#, &long] {
            let error = parse("join", &[args]).unwrap_err();
            assert_eq!((error, error.code()), (VerbError::Room { max: 255 }, Code::ValidationError), "{args}");
        }
        assert_eq!(parse("publish", &[r#"{"room":"a"}"#]), Err(VerbError::Event { max: 128 }));
        for event in ["disconnect", "fanfare:gap"] {
            let args = format!(r#"{{"room":"a","event":"{event}"}}"#);
            assert_eq!(parse("publish", &[&args]), Err(VerbError::ReservedEvent), "{event}");
        }
    }

    #[test]
    fn data_is_bounded() {
        let limits = VerbLimits { data_bytes: 4, ..VerbLimits::default() };
        assert!(Verb::parse("publish", &[r#"{"room":"a","event":"e","data":1234}"#], &limits).is_ok());
        assert_eq!(
            Verb::parse("publish", &[r#"{"room":"a","event":"e","data":12345}"#], &limits),
            Err(VerbError::DataTooLarge { max: 4 })
        );
    }
}
