//! What a lane asks for and tells, and what it may be set to.

use bytes::Bytes;

use crate::event::{Id, Position, Topic};

/// Something to do for a lane, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Hand the publication to the sockets.
    Deliver {
        envelope: Bytes,
        /// Its own id; `None` if it is volatile. Below `position` if it was found late.
        id: Option<Id>,
        /// What clients are given as their offset.
        position: Option<Position>,
    },
    /// Read a topic's entries with `after < id <= until`, at most `limit`; the answer goes to [`super::Lane::on_fetched`].
    Fetch { ticket: u64, topic: Topic, after: Id, until: Id, limit: usize },
    /// Read the heads of the partition and these topics (may be none); the answer goes to [`super::Lane::on_heads`].
    CheckHeads { ticket: u64, topics: Vec<Topic> },
    /// Name the topics written after `since`, at most `limit`; the answer goes to [`super::Lane::on_written`].
    ListWritten { ticket: u64, since: Id, limit: usize },
    /// Tell the sockets of the topic that publications are lost for them.
    Gap(GapNotice),
}

/// Between `last` and `head`, publications of the topic may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapNotice {
    pub topic: Topic,
    pub reason: GapReason,
    /// Last id that was delivered in order; [`Id::ZERO`] if none is known.
    pub last: Id,
    /// Where delivery goes on: everything after this id is delivered. For a fork this id itself may be, and of another epoch
    /// everything from its beginning is.
    pub head: Id,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// The log no longer has the missing entries.
    Trimmed,
    /// The topic was idle until its keys went, and this node was not looking.
    Expired,
    /// The log lost a tail that was already delivered.
    Fork,
    /// The log is another one.
    Epoch,
    /// The entries could not be read within the time and memory a hold may take.
    Limit,
    /// The client may not be in the room any more.
    Denied,
}

impl GapReason {
    /// The word that clients see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trimmed => "trimmed",
            Self::Expired => "expired",
            Self::Fork => "fork",
            Self::Epoch => "epoch",
            Self::Limit => "limit",
            Self::Denied => "denied",
        }
    }
}

#[derive(Debug, Clone)]
pub struct LaneOptions {
    /// Longest time the lane waits for missing entries, in milliseconds.
    pub hold_ms_max: u64,
    /// Payload bytes that may queue meanwhile.
    pub hold_bytes_max: usize,
    /// How often heads are compared, in milliseconds.
    pub check_ms: u64,
    /// How often the head of every topic is compared, in milliseconds; in between only of those that were written.
    pub compare_all_ms: u64,
    /// Up to so many topics are compared without asking first which were written.
    pub compare_all_topics: usize,
    /// How long an announcement may be under way before it counts as lost, in milliseconds.
    pub settle_ms: u64,
    /// Age at which the backplane lets an idle topic go ([`crate::backplane::Options::history_age_s`]), in milliseconds.
    pub history_age_ms: u64,
}

impl Default for LaneOptions {
    fn default() -> Self {
        Self {
            hold_ms_max: 2_000,
            hold_bytes_max: 4 << 20,
            check_ms: 1_000,
            compare_all_ms: 60_000,
            compare_all_topics: 32,
            settle_ms: 150,
            history_age_ms: 600_000,
        }
    }
}

/// What happened on a lane since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LaneCounters {
    pub delivered: u64,
    /// Of those, delivered after something with a higher id.
    pub late: u64,
    pub holds: u64,
    /// Entries that came out of the log because their announcement did not.
    pub backfilled: u64,
    pub duplicates: u64,
    pub gaps: u64,
    pub volatile_dropped: u64,
}

impl LaneCounters {
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            delivered: self.delivered + other.delivered,
            late: self.late + other.late,
            holds: self.holds + other.holds,
            backfilled: self.backfilled + other.backfilled,
            duplicates: self.duplicates + other.duplicates,
            gaps: self.gaps + other.gaps,
            volatile_dropped: self.volatile_dropped + other.volatile_dropped,
        }
    }
}
