//! What the tasks of a leader share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::backplane::{Backplane, Durability, Fence, Idempotency, Ingest, PublishRequest};
use crate::event::json::digest;
use crate::event::{Partition, encode};
use crate::ingest::{Counters, Decoded, Options, Source};

/// What is the same for every partition.
pub(super) struct Desk {
    pub(super) backplane: Arc<dyn Backplane>,
    pub(super) ingest: Arc<dyn Ingest>,
    pub(super) options: Options,
    pub(super) counters: Arc<Counters>,
    pub(super) clock: fn() -> u64,
    pub(super) stop: CancellationToken,
    /// Somebody stepped down; what is listened to must follow.
    pub(super) changed: Notify,
    /// Names this run in the keys below, so that a restarted node never repeats one.
    run: uuid::Uuid,
    messages: AtomicU64,
}

impl Desk {
    pub(super) fn new(
        backplane: Arc<dyn Backplane>,
        ingest: Arc<dyn Ingest>,
        options: Options,
        counters: Arc<Counters>,
        clock: fn() -> u64,
        stop: CancellationToken,
    ) -> Self {
        let (changed, run, messages) = (Notify::new(), uuid::Uuid::now_v7(), AtomicU64::new(0));
        Self { backplane, ingest, options, counters, clock, stop, changed, run, messages }
    }

    pub(super) fn now_ms(&self) -> u64 {
        (self.clock)()
    }

    /// The publish of a message heard under `fence`.
    ///
    /// A message without a key of its own gets one that no other message has: it makes repeating an attempt of unknown
    /// outcome safe and never takes two messages for one.
    pub(super) fn request(&self, seat: &Seat, decoded: &Decoded, fence: Fence) -> PublishRequest {
        let publication = &decoded.publication;
        let idempotency = match &decoded.idempotency_key {
            Some(key) => Some(Idempotency { key: key.clone(), digest: digest(publication), lifetime_ms: None }),
            // Nothing of it is stored, so there is nothing to repeat.
            None if publication.volatile => None,
            None => {
                let number = self.messages.fetch_add(1, Ordering::Relaxed);
                let key = format!("ingest-{}-{number}", self.run.simple());
                Some(Idempotency { key, digest: String::new(), lifetime_ms: Some(REPEATED_FOR_MS) })
            }
        };
        PublishRequest {
            partition: Arc::clone(&seat.partition),
            topics: publication.topics(),
            envelope: encode(publication).into(),
            volatile: publication.volatile,
            idempotency,
            durability: Durability::Accepted,
            fence: Some(fence),
            inbox_id: None,
        }
    }

    /// The backplane said that another node leads.
    pub(super) fn step_down(&self, seat: &Seat, fence: Fence) {
        if seat.lose(fence) {
            self.changed.notify_one();
        }
    }
}

/// A partition and whether this node leads it.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) partition: Arc<Partition>,
    fence: watch::Sender<Option<Fence>>,
    /// Bytes that may wait in the queue.
    room: Arc<Semaphore>,
}

impl Seat {
    pub(super) fn new(partition: Arc<Partition>) -> Self {
        Self { partition, fence: watch::Sender::new(None), room: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)) }
    }

    pub(super) fn fence(&self) -> Option<Fence> {
        *self.fence.borrow()
    }

    pub(super) fn set(&self, fence: Option<Fence>) -> bool {
        self.fence.send_if_modified(|held| std::mem::replace(held, fence) != fence)
    }

    /// Gives `fence` up, unless a newer one has been taken since.
    fn lose(&self, fence: Fence) -> bool {
        self.fence.send_if_modified(|held| {
            let holds = *held == Some(fence);
            if holds {
                *held = None;
            }
            holds
        })
    }

    /// Resolves with the fence under which this node leads, at once if it does.
    pub(super) async fn led(&self) -> Fence {
        let mut watched = self.fence.subscribe();
        loop {
            if let Some(fence) = *watched.borrow_and_update() {
                return fence;
            }
            // The sender lives in self, so this cannot end.
            let _ = watched.changed().await;
        }
    }

    /// Resolves when `fence` is not held, at once if it is not.
    pub(super) async fn lost(&self, fence: Fence) {
        let mut watched = self.fence.subscribe();
        let _ = watched.wait_for(|held| *held != Some(fence)).await;
    }

    /// Room in the queue for a message, or `None` if too much waits already.
    pub(super) fn admit(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes.clamp(1, QUEUE_BYTES_MAX)).ok()?;
        Arc::clone(&self.room).try_acquire_many_owned(bytes).ok()
    }
}

/// A message that waits for its turn.
pub(super) struct Job {
    pub(super) source: Source,
    /// Held when the message was heard.
    pub(super) fence: Fence,
    pub(super) request: PublishRequest,
    pub(super) _room: OwnedSemaphorePermit,
}

/// How long the answer to a message without a key of its own is remembered: twice as long as one message is tried.
const REPEATED_FOR_MS: u64 = 10_000;
/// Messages of one partition that may wait to be published.
pub(super) const QUEUE_MESSAGES_MAX: usize = 4_096;
/// Their bytes.
const QUEUE_BYTES_MAX: usize = 16 << 20;
