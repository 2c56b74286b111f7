//! The port to the records of sessions.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::{Record, Stay, Timeline};
use crate::backplane::Unavailable;
use crate::event::Partition;
use crate::ids::{PrivateId, Room};

/// Where sessions are written down, so that any node can take one over. One contract suite runs on every implementation.
///
/// A record has a generation: it grows with every claim, and a save of an older one is refused. So whoever was thought dead
/// and is not cannot spoil what its successor wrote.
pub trait Sessions: Send + Sync + 'static {
    /// Writes a session down, or keeps it for another lifetime. Saves of one session take effect in the order of the calls.
    ///
    /// # Errors
    /// If the backplane cannot be reached in time; it may have been written all the same.
    fn save<'a>(&'a self, partition: &'a Arc<Partition>, save: Save) -> BoxFuture<'a, Result<Saved, Unavailable>>;

    /// Takes a session over. Its record stays, so that a resume which fails half way can be repeated.
    ///
    /// # Errors
    /// If the backplane cannot be reached in time; it may have been claimed all the same.
    fn claim<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        pid: PrivateId,
        claimant: Claimant<'a>,
    ) -> BoxFuture<'a, Result<Claim, Unavailable>>;

    /// What the log can prove now.
    ///
    /// # Errors
    /// If the backplane cannot be reached in time.
    fn timeline<'a>(&'a self, partition: &'a Arc<Partition>) -> BoxFuture<'a, Result<Timeline, Unavailable>>;
}

/// One change to a record.
#[derive(Debug, Clone)]
pub struct Save {
    pub pid: PrivateId,
    pub generation: u64,
    /// How long the record is kept from now on, in milliseconds.
    pub lifetime_ms: u64,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    /// The whole record.
    Whole(Box<Record>),
    /// Rooms joined and left since; neither keeps the record as it is.
    Rooms { joined: Vec<(Room, Stay)>, left: Vec<Room> },
    /// The client left for good.
    Forget,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    Done,
    /// There is no record (any more): the whole has to be written.
    Missing,
    /// Somebody has claimed the session since.
    Fenced,
}

/// Who claims.
#[derive(Debug, Clone, Copy)]
pub struct Claimant<'a> {
    /// As [`Record::subject`].
    pub subject: &'a str,
    pub node: &'a str,
    /// As [`Save::lifetime_ms`].
    pub lifetime_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The record as it was, its former node included, and the generation that the claim made.
    Claimed {
        record: Box<Record>,
        generation: u64,
    },
    Unknown,
    /// It belongs to another subject. The client is told the same as of an unknown one.
    Foreign,
}
