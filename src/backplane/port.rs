//! The traits that Redis and the embedded memory version implement, and the values that cross them.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use smallvec::SmallVec;
use tokio::sync::mpsc;

use crate::event::{Epoch, Id, Partition, Topic};

/// What connects the nodes. One contract suite (`tests/contract`) runs on every implementation.
pub trait Backplane: Send + Sync + 'static {
    /// Appends the publication to its topics and announces it, atomically, or (volatile) only announces it.
    ///
    /// # Errors
    /// See [`PublishError`]: after `Unavailable` it may have been stored, with `NotReplicated` it was; else nothing was.
    fn publish(&self, request: PublishRequest) -> BoxFuture<'_, Result<Receipt, PublishError>>;

    /// Subscribes to the topics; returns once the subscription is confirmed, with the heads read after that.
    ///
    /// # Errors
    /// If the backplane cannot be reached in time; the topics then count as not watched.
    fn watch<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        topics: &'a [Topic],
    ) -> BoxFuture<'a, Result<Heads, Unavailable>>;

    /// Gives the subscriptions up; failures heal by themselves with the next resubscription.
    fn unwatch<'a>(&'a self, partition: &'a Arc<Partition>, topics: &'a [Topic]) -> BoxFuture<'a, ()>;

    /// Where the partition and each of the topics stand.
    ///
    /// # Errors
    /// If the backplane cannot be reached in time.
    fn heads<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        topics: &'a [Topic],
    ) -> BoxFuture<'a, Result<Heads, Unavailable>>;

    /// At least the topics in which something was stored after this id of the partition's present epoch and lineage. `None` if
    /// there are more than `limit`, or if not enough is remembered to tell.
    ///
    /// # Errors
    /// If the backplane cannot be reached in time.
    fn written<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        since: Id,
        limit: usize,
    ) -> BoxFuture<'a, Result<Option<Vec<Topic>>, Unavailable>> {
        let _ = (partition, since, limit);
        Box::pin(async { Ok(None) })
    }

    /// Entries of a topic's stream with `after < id <= until`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// If the backplane cannot be reached in time.
    fn read<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        topic: &'a Topic,
        after: Id,
        until: Id,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>, Unavailable>>;

    /// What arrives on the watched topics. Taken once, at start.
    fn arrivals(&self) -> Option<mpsc::Receiver<Arrival>>;

    /// Whether publishes and subscriptions were proven to work a moment ago (for readiness).
    ///
    /// # Errors
    /// With what is not proven.
    fn proven(&self) -> Result<(), Unavailable>;
}

/// The foreign ways in: what backends write to Redis without knowing Fanfare. Only Redis has them.
pub trait Ingest: Send + Sync + 'static {
    /// Takes or renews the leadership of a partition; the fence it returns goes with every publish of the leader.
    /// `None`: somebody else leads.
    ///
    /// # Errors
    /// If the backplane cannot be reached in time.
    fn lead<'a>(&'a self, partition: &'a Arc<Partition>) -> BoxFuture<'a, Result<Option<Fence>, Unavailable>>;

    /// Gives the leadership up at once, so that a successor need not wait for the lease to end.
    fn resign<'a>(&'a self, partition: &'a Arc<Partition>, fence: Fence) -> BoxFuture<'a, ()>;

    /// Listens on plain channels and patterns of foreign publishers; returns once confirmed.
    ///
    /// # Errors
    /// If the backplane cannot be reached in time.
    fn listen<'a>(&'a self, channels: &'a [String], patterns: &'a [String]) -> BoxFuture<'a, Result<(), Unavailable>>;

    /// Stops listening.
    fn unlisten<'a>(&'a self, channels: &'a [String], patterns: &'a [String]) -> BoxFuture<'a, ()>;

    /// What arrives on the listened channels. Taken once, at start.
    fn foreign(&self) -> Option<mpsc::Receiver<Foreign>>;

    /// Entries of the partition's inbox stream for this node: first those left pending by a predecessor, then new ones.
    /// Waits up to a second for the first.
    ///
    /// # Errors
    /// If the backplane cannot be reached in time.
    fn inbox<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<InboxEntry>, Unavailable>>;

    /// Acknowledges an inbox entry that cannot be published, so that it does not block those behind it.
    fn discard<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        inbox_id: &'a str,
    ) -> BoxFuture<'a, Result<(), Unavailable>>;
}

/// One publish. `envelope` is [`crate::event::encode`]d.
#[derive(Debug, Clone)]
pub struct PublishRequest {
    pub partition: Arc<Partition>,
    /// Where it is stored and announced; never empty.
    pub topics: SmallVec<[Topic; 1]>,
    pub envelope: Bytes,
    pub volatile: bool,
    /// A second publish with the same key within its lifetime has no effect and gets the first answer. Nothing is kept of a
    /// volatile publication, so its key means nothing.
    pub idempotency: Option<Idempotency>,
    pub durability: Durability,
    /// Set by the leader of the foreign ways in; refused with [`PublishError::Fenced`] when another one leads.
    pub fence: Option<Fence>,
    /// The inbox entry this publish settles: acknowledged in the same step, and if it already was, nothing is published.
    pub inbox_id: Option<String>,
}

/// The publisher's key and a digest of what it published under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    pub key: String,
    /// The same key with another digest is a [`PublishError::Conflict`].
    pub digest: String,
    /// How long the answer is remembered, in milliseconds; `None` for what the backplane is set to.
    pub lifetime_ms: Option<u64>,
}

/// What must hold before a publish is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The primary has it.
    #[default]
    Accepted,
    /// So many replicas have it too (WAIT on the same connection).
    Replicated(u32),
}

/// Fencing number of a partition's leader; grows with every change of leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(pub u64);

/// The answer to an accepted publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// `None` for a volatile publish, which has no place in the log.
    pub position: Option<crate::event::Position>,
    /// The idempotency key (or inbox entry) was known: this is the first answer again, and nothing was announced.
    pub duplicate: bool,
    /// Replicas that confirmed, where [`Durability::Replicated`] was asked for.
    pub replicas: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    #[error("the idempotency key was used for another publication")]
    Conflict,
    #[error("too many publishes are under way on this node")]
    Busy,
    #[error("another node leads this partition")]
    Fenced,
    /// The outcome may be unknown: retry with the same idempotency key.
    #[error("the backplane did not accept the publish: {0}")]
    Unavailable(#[from] Unavailable),
    /// Stored, but on fewer replicas than asked for.
    #[error("only {confirmed} of {wanted} replicas confirmed")]
    NotReplicated { confirmed: u32, wanted: u32 },
}

/// The backplane cannot be used now; the text says what was tried and is safe to show to an operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// Something came in on a watched topic, or could have been missed.
#[derive(Debug, Clone)]
pub enum Arrival {
    Sequenced(Announcement),
    /// A volatile publication: no id, no replay.
    Volatile {
        partition: Arc<Partition>,
        envelope: Bytes,
    },
    /// Messages may have been lost (connection replaced, queue overflow): after the subscriptions were confirmed again,
    /// the heads of every watched topic must be compared. `None` means every partition.
    Interrupted {
        partition: Option<Arc<Partition>>,
    },
    /// Came in on a watched channel and is not an announcement; counted and dropped.
    Unreadable,
}

/// A stored publication as announced to the nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    pub partition: Arc<Partition>,
    pub epoch: Epoch,
    pub id: Id,
    /// Every topic it was stored in, with the id before it there ([`Id::ZERO`] if it is the first).
    pub topics: SmallVec<[(Topic, Id); 1]>,
    pub envelope: Bytes,
}

/// A stored publication as read back from one topic's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: Id,
    pub prev: Id,
    pub envelope: Bytes,
}

/// Where a partition and some of its topics stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heads {
    /// `None` while nothing was ever published there.
    pub epoch: Option<Epoch>,
    /// Last id of the partition.
    pub last: Id,
    /// Last id of each topic asked for, in that order; [`Id::ZERO`] if the topic has (or has kept) none.
    pub topics: Vec<Id>,
}

/// A message on a foreign channel.
#[derive(Debug, Clone)]
pub struct Foreign {
    pub channel: String,
    pub payload: Bytes,
}

/// An entry of a partition's inbox stream.
#[derive(Debug, Clone)]
pub struct InboxEntry {
    pub id: String,
    pub fields: Vec<(String, Bytes)>,
}
