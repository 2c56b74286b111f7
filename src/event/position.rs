//! Where a publication stands in the log of its partition.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A publication's id: a Redis stream id. Ids of a partition only grow.
///
/// `ms` is Redis TIME, never going back; `seq` is 32 bits of lineage (which Redis process wrote it) times 2^20 plus a
/// counter, so two timelines never make the same id and the whole fits a Lua number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    pub ms: u64,
    pub seq: u64,
}

impl Id {
    /// Before every publication.
    pub const ZERO: Self = Self { ms: 0, seq: 0 };

    /// The Redis process that wrote this id, as a digest of its run id and replication id.
    pub fn lineage(self) -> u32 {
        u32::try_from(self.seq >> 20).unwrap_or(u32::MAX)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PositionError {
    #[error("a publication id has the form <milliseconds>-<sequence>")]
    Id,
    #[error("a position has the form <epoch>.<milliseconds>-<sequence>")]
    Position,
}

impl FromStr for Id {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let (ms, seq) = text.split_once('-').ok_or(PositionError::Id)?;
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            if plain { digits.parse().map_err(|_| PositionError::Id) } else { Err(PositionError::Id) }
        };
        Ok(Self { ms: number(ms)?, seq: number(seq)? })
    }
}

/// Names one life of a partition's log: made when its head key is made, so a Redis that came back empty has another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// `None` unless the text is 1 to 32 letters and digits.
    pub fn new(text: &str) -> Option<Self> {
        let plain = (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        plain.then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An id together with the epoch in which it means something; what a client keeps as its offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub epoch: Epoch,
    pub id: Id,
}

/// The offset of an event where nothing was ever published, so that there is no epoch yet. It is in no log's epoch, and
/// keeps clients from taking an event's own last argument for their offset.
pub const NOWHERE: &str = "0.0-0";

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch.as_str(), self.id)
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let (epoch, id) = text.split_once('.').ok_or(PositionError::Position)?;
        let epoch = Epoch::new(epoch).ok_or(PositionError::Position)?;
        Ok(Self { epoch, id: id.parse().map_err(|_| PositionError::Position)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_back_as_written() {
        let text = "a1b2c3.1795252042133-1125899906842624";
        assert_eq!(text.parse::<Position>().unwrap().to_string(), text);
        assert_eq!(NOWHERE.parse::<Position>().unwrap().to_string(), NOWHERE);
        for wrong in ["", "1-2", "e.1", "e.-", "e.1-", "e.+1-2", "e!.1-2", "e.1-2-3", "e.99999999999999999999-0"] {
            assert!(wrong.parse::<Position>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ids_order_by_time_then_sequence_and_tell_their_lineage() {
        let early = Id { ms: 1, seq: 9 };
        assert!(early < Id { ms: 2, seq: 0 });
        assert_eq!(Id { ms: 1, seq: (7 << 20) + 3 }.lineage(), 7);
    }
}
