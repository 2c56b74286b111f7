//! What is written down of a session while it lives.

use std::fmt;
use std::str::FromStr;

use crate::event::{NOWHERE, Position};
use crate::ids::{Room, SocketId};

/// A session as the backplane keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub socket: SocketId,
    /// Who may claim it; empty for a client without a token, whose private id alone is the secret.
    pub subject: String,
    /// The node that holds it.
    pub node: String,
    /// From when on the socket was in its namespace.
    pub began: Since,
    pub rooms: Vec<(Room, Stay)>,
}

/// A socket's stay in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stay {
    pub by: By,
    pub since: Since,
}

/// Who put a socket into a room; says what must hold for it to be put there again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The namespace's rules for a new socket.
    Rule,
    /// The client asked.
    Client,
    /// A backend ordered it, and has asked nobody.
    Backend,
}

/// After which position a socket is owed what was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    At(Position),
    /// Nothing had been published yet, so it is owed everything.
    Nowhere,
    /// The record was made anew after it was lost.
    Unknown,
}

impl Since {
    pub fn of(position: Option<Position>) -> Self {
        position.map_or(Self::Nowhere, Self::At)
    }
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(position) => position.fmt(f),
            Self::Nowhere => f.write_str(NOWHERE),
            Self::Unknown => f.write_str("?"),
        }
    }
}

impl fmt::Display for Stay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self.by {
            By::Rule => 'r',
            By::Client => 'c',
            By::Backend => 'b',
        };
        write!(f, "{by} {}", self.since)
    }
}

/// The text is not one that this version writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a part of a session's record cannot be read")]
pub struct Illegible;

impl FromStr for Since {
    type Err = Illegible;

    fn from_str(text: &str) -> Result<Self, Illegible> {
        match text {
            NOWHERE => Ok(Self::Nowhere),
            "?" => Ok(Self::Unknown),
            text => text.parse().map(Self::At).map_err(|_| Illegible),
        }
    }
}

impl FromStr for Stay {
    type Err = Illegible;

    fn from_str(text: &str) -> Result<Self, Illegible> {
        let (by, since) = text.split_once(' ').ok_or(Illegible)?;
        let by = match by {
            "r" => By::Rule,
            "c" => By::Client,
            "b" => By::Backend,
            _ => return Err(Illegible),
        };
        Ok(Self { by, since: since.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stay_is_read_back_as_written() {
        for text in ["r 0.0-0", "c ab.12-3", "b ?"] {
            assert_eq!(text.parse::<Stay>().unwrap().to_string(), text);
        }
        for foreign in ["", "c", "x ab.12-3", "c ab", "c ab.12"] {
            assert_eq!(foreign.parse::<Stay>(), Err(Illegible), "{foreign}");
        }
    }
}
