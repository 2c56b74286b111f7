//! An event's name and arguments as the one JSON array that travels, without a tree of values in between.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::{EVENT_BYTES_MAX, PublicationFault};

/// What follows the event's name; each text is valid JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Arguments<'a> {
    #[default]
    None,
    /// One argument, whatever it is.
    One(&'a str),
    /// An array of arguments, with its brackets.
    List(&'a str),
    /// Arguments separated by commas, without brackets.
    Bare(&'a str),
}

impl<'a> Arguments<'a> {
    /// Splits `["name",…]` as Socket.IO's packets have it; `None` unless it is an array that begins with a text.
    pub fn split(packet: &'a str) -> Option<(String, Self)> {
        let members = inner(packet)?;
        let mut stream = serde_json::Deserializer::from_str(members).into_iter::<String>();
        let name = stream.next()?.ok()?;
        let rest = members[stream.byte_offset()..].trim_start();
        if rest.is_empty() {
            return Some((name, Self::None));
        }
        Some((name, Self::Bare(rest.strip_prefix(',')?)))
    }

    /// `["name",…]`, or `None` if a list is no list.
    pub(super) fn join(self, name: &str) -> Option<String> {
        let rest = match self {
            Self::None => "",
            Self::One(text) | Self::Bare(text) => text,
            Self::List(text) => inner(text)?,
        };
        let mut joined = String::with_capacity(name.len() + rest.len() + 5);
        joined.push('[');
        // A text's Display is its JSON form.
        joined.push_str(&serde_json::Value::from(name).to_string());
        if !rest.trim().is_empty() {
            joined.push(',');
            joined.push_str(rest.trim());
        }
        joined.push(']');
        Some(joined)
    }
}

/// # Errors
/// If the name is empty, too long, or means something else to Socket.IO or to Fanfare.
pub(super) fn check_name(name: &str) -> Result<(), PublicationFault> {
    match name {
        "" => Err(PublicationFault::EventEmpty),
        _ if name.len() > EVENT_BYTES_MAX => Err(PublicationFault::EventTooLong),
        // What clients are told about gaps must be true, so nobody else may say it.
        _ if RESERVED.contains(&name) || name.starts_with("fanfare:") => Err(PublicationFault::EventReserved),
        _ => Ok(()),
    }
}

/// The names over which socket.io-parser closes a connection.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// Whether brackets nest at most `max` deep, asked before any parser sees the text.
pub(super) fn nests_within(text: &str, max: usize) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => depth += 1,
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > max {
            return false;
        }
    }
    true
}

/// Whether every placeholder names one of `count` attachments and every attachment is named once. Without attachments, what
/// looks like a placeholder is ordinary data. The text must not nest deeper than the parser may recurse.
pub(super) fn placeholders_fit(text: &str, count: usize) -> bool {
    if count == 0 {
        return true;
    }
    let mut places = Places { count, seen: vec![false; count] };
    let walked = places.deserialize(&mut serde_json::Deserializer::from_str(text)).is_ok();
    walked && places.seen.iter().all(|&seen| seen)
}

fn inner(list: &str) -> Option<&str> {
    list.trim().strip_prefix('[')?.strip_suffix(']')
}

struct Places {
    count: usize,
    seen: Vec<bool>,
}

/// As much of a value as decides whether the object around it is a placeholder.
enum Glimpse {
    True,
    Number(u64),
    Other,
}

impl<'de> DeserializeSeed<'de> for &mut Places {
    type Value = Glimpse;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Glimpse, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Places {
    type Value = Glimpse;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Glimpse, E> {
        Ok(if value { Glimpse::True } else { Glimpse::Other })
    }

    fn visit_u64<E>(self, value: u64) -> Result<Glimpse, E> {
        Ok(Glimpse::Number(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Glimpse, E> {
        Ok(Glimpse::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Glimpse, E> {
        Ok(Glimpse::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Glimpse, E> {
        Ok(Glimpse::Other)
    }

    fn visit_unit<E>(self) -> Result<Glimpse, E> {
        Ok(Glimpse::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Glimpse, A::Error> {
        while members.next_element_seed(&mut *self)?.is_some() {}
        Ok(Glimpse::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Glimpse, A::Error> {
        // As in JavaScript, the last of several equal keys counts.
        let (mut flagged, mut number) = (false, None);
        while let Some(key) = members.next_key::<String>()? {
            let value = members.next_value_seed(&mut *self)?;
            match key.as_str() {
                "_placeholder" => flagged = matches!(value, Glimpse::True),
                "num" => number = if let Glimpse::Number(number) = value { usize::try_from(number).ok() } else { None },
                _ => {}
            }
        }
        if flagged {
            let index = number.filter(|&index| index < self.count);
            let index = index.ok_or_else(|| A::Error::custom("a placeholder names no attachment"))?;
            // Where msgpack puts the bytes in their place, each further one would be a further copy.
            if std::mem::replace(&mut self.seen[index], true) {
                return Err(A::Error::custom("two placeholders name one attachment"));
            }
        }
        Ok(Glimpse::Other)
    }
}
