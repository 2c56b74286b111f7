//! Room names as backends write them: one or several, as text or as whole numbers.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

use super::{NAMES_MAX, PublicationFault};
use crate::ids::Room;

/// `null`, a name, or a list of names, not yet checked. A number stands for its decimal text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

/// # Errors
/// If there are too many names or one is no room name. A name given twice counts once.
pub fn rooms_of<C: FromIterator<Room>>(path: &'static str, names: &[String]) -> Result<C, PublicationFault> {
    if names.len() > NAMES_MAX {
        return Err(PublicationFault::TooManyNames { path });
    }
    let mut seen = HashSet::new();
    let fresh = names.iter().enumerate().filter(|(_, name)| seen.insert(name.as_str()));
    fresh.map(|(index, name)| Room::new(name).map_err(|fault| PublicationFault::Name { path, index, fault })).collect()
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamesVisitor { list: true })
    }
}

/// One member of the list.
struct Name(Names);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamesVisitor { list: false }).map(Self)
    }
}

struct NamesVisitor {
    /// Whether null and lists are allowed here.
    list: bool,
}

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name or a list of names")
    }

    fn visit_str<E>(self, name: &str) -> Result<Names, E> {
        Ok(Names(vec![name.to_owned()]))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Names, E> {
        Ok(Names(vec![number.to_string()]))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Names, E> {
        Ok(Names(vec![number.to_string()]))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Names, E> {
        if self.list { Ok(Names::default()) } else { Err(E::invalid_type(serde::de::Unexpected::Unit, &self)) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Names, A::Error> {
        if !self.list {
            return Err(serde::de::Error::invalid_type(serde::de::Unexpected::Seq, &self));
        }
        let mut names = Vec::new();
        while let Some(Name(Names(name))) = members.next_element()? {
            names.extend(name);
        }
        Ok(Names(names))
    }
}
