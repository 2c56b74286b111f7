//! What was read of the log for somebody who came back, kept a moment for the others who come with them.
//!
//! After a node is gone, thousands come back to the same rooms at once. A topic is read by one at a time; whoever waited
//! finds what was read, and reads at most what came since.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::backplane::resume::{Act, Past, Proof, Timeline, prove};
use crate::backplane::{Entry, GapReason, Unavailable};
use crate::event::{Body, Epoch, Id, Partition, Position, Topic, decode};
use crate::flows::Services;
use crate::hub::Frames;

pub(super) type Remembered = Arc<Past<Arc<Frames>>>;

/// Shared by the workers, since the same rooms have members on all of them. A lock of one topic is held across its read: that
/// is what makes the others wait for it instead of reading the same.
#[derive(Default)]
pub(super) struct Windows {
    shelves: Mutex<HashMap<(Arc<Partition>, Topic), Shelf>>,
    /// What lies on all of them.
    bytes: AtomicUsize,
}

type Shelf = Arc<tokio::sync::Mutex<Option<Window>>>;

/// A stretch of a topic's log: everything in it after `after` and up to `until`, and perhaps more.
struct Window {
    epoch: Epoch,
    after: Id,
    until: Id,
    entries: Vec<Remembered>,
    /// The topic's head, known where there are no entries.
    head: Id,
    used_ms: u64,
}

/// What is wanted of a topic.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub partition: &'a Arc<Partition>,
    pub topic: &'a Topic,
    pub start: Id,
    /// The window must reach so far.
    pub until: Id,
    pub events_max: usize,
}

/// Why there is nothing to give.
pub(super) enum Trouble {
    Gap(GapReason),
    Away(Unavailable),
}

impl Windows {
    /// The entries after the start, proven to be all.
    pub(super) async fn read(
        &self,
        services: &Services,
        wanted: Wanted<'_>,
        timeline: &Timeline,
    ) -> Result<Vec<Remembered>, Trouble> {
        let Some(epoch) = &timeline.epoch else { return Ok(Vec::new()) };
        let place = self.place(&wanted);
        let mut shelved = place.lock().await;
        let window =
            match self.take(&mut shelved).filter(|window| window.epoch == *epoch && window.after <= wanted.start) {
                Some(window) if window.until >= wanted.until => window,
                Some(window) => extended(services, wanted, window).await?,
                None => opened(services, wanted, epoch).await?,
            };
        let first = window.entries.partition_point(|past| past.id <= wanted.start);
        let entries = window.entries[first..].to_vec();
        // Where the last entry of the window lies before the start, there is none after it.
        let proven = if first > 0 && entries.is_empty() {
            Ok(())
        } else {
            let proof = Proof { start: wanted.start, entries: &entries, head: window.head };
            prove(&proof, |past| past.link(), timeline).map_err(Trouble::Gap)
        };
        self.put_back(&mut shelved, Window { used_ms: services.clock.now_ms(), ..window });
        proven.map(|()| entries)
    }

    fn place(&self, wanted: &Wanted<'_>) -> Shelf {
        let mut shelves = self.shelves();
        shelves.entry((wanted.partition.clone(), wanted.topic.clone())).or_default().clone()
    }

    /// For the next one, if there is room.
    fn put_back(&self, shelved: &mut Option<Window>, window: Window) {
        let bytes = window.weight();
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= BYTES_MAX {
            *shelved = Some(window);
        } else {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    fn take(&self, shelved: &mut Option<Window>) -> Option<Window> {
        let window = shelved.take()?;
        self.bytes.fetch_sub(window.weight(), Ordering::Relaxed);
        Some(window)
    }

    /// Lets go of what nobody has asked for lately.
    pub(super) fn sweep(&self, now_ms: u64) {
        self.shelves().retain(|_, shelf| {
            // Somebody reads it, or waits for it.
            if Arc::strong_count(shelf) > 1 {
                return true;
            }
            let Ok(mut shelved) = shelf.try_lock() else { return true };
            let fresh = shelved.as_ref().is_some_and(|window| window.used_ms + KEPT_MS > now_ms);
            if !fresh {
                self.take(&mut shelved);
            }
            fresh
        });
    }

    fn shelves(&self) -> MutexGuard<'_, HashMap<(Arc<Partition>, Topic), Shelf>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    fn weight(&self) -> usize {
        self.entries.iter().map(|past| past.bytes + ENTRY_BYTES).sum()
    }
}

async fn opened(services: &Services, wanted: Wanted<'_>, epoch: &Epoch) -> Result<Window, Trouble> {
    let entries = fetch(services, wanted, epoch, wanted.start).await?;
    let mut head = Id::ZERO;
    if entries.is_empty() {
        let heads = services.backplane.heads(wanted.partition, std::slice::from_ref(wanted.topic)).await;
        head = heads.map_err(Trouble::Away)?.topics.first().copied().unwrap_or(Id::ZERO);
    }
    let until = reach(wanted.until, &entries);
    Ok(Window { epoch: epoch.clone(), after: wanted.start, until, entries, head, used_ms: 0 })
}

/// Reads what came since. Where that does not follow on what is there, the log has changed, and everything is read again.
async fn extended(services: &Services, wanted: Wanted<'_>, window: Window) -> Result<Window, Trouble> {
    let Some(last) = window.entries.last().map(|past| past.id) else {
        return opened(services, wanted, &window.epoch).await;
    };
    let newer = fetch(services, wanted, &window.epoch, last).await?;
    if newer.first().is_some_and(|first| first.prev != last) {
        return opened(services, wanted, &window.epoch).await;
    }
    let until = reach(wanted.until, &newer);
    let Window { epoch, mut after, mut entries, head, used_ms, .. } = window;
    entries.extend(newer);
    let surplus = entries.len().saturating_sub(2 * wanted.events_max);
    if let Some(dropped) = entries.drain(..surplus).next_back() {
        after = dropped.id;
    }
    if after > wanted.start {
        return Err(Trouble::Gap(GapReason::Limit));
    }
    Ok(Window { epoch, after, until, entries, head, used_ms })
}

/// With no upper bound, so that what is newer proves that nothing before it is missing.
async fn fetch(services: &Services, wanted: Wanted<'_>, epoch: &Epoch, after: Id) -> Result<Vec<Remembered>, Trouble> {
    let limit = wanted.events_max + 1;
    let read = services.backplane.read(wanted.partition, wanted.topic, after, END, limit).await;
    let entries = read.map_err(Trouble::Away)?;
    services.meters.replay_reads.increment(1);
    if entries.len() == limit && entries.last().is_some_and(|last| last.id < wanted.until) {
        return Err(Trouble::Gap(GapReason::Limit));
    }
    Ok(entries.into_iter().map(|entry| Arc::new(remembered(wanted.partition, epoch, &entry))).collect())
}

/// A read that was cut short reaches to its last entry.
fn reach(until: Id, entries: &[Remembered]) -> Id {
    entries.last().map_or(until, |last| last.id.max(until))
}

fn remembered(partition: &Arc<Partition>, epoch: &Epoch, entry: &Entry) -> Past<Arc<Frames>> {
    let (id, prev, bytes) = (entry.id, entry.prev, entry.envelope.len());
    let Ok(publication) = decode(&entry.envelope) else {
        return Past { id, prev, bytes, target: crate::event::Target::namespace(), act: Act::Unreadable };
    };
    let act = match publication.body {
        Body::Event(event) => {
            let offset = Position { epoch: epoch.clone(), id }.to_string();
            Act::Event(Frames::event(partition.namespace.clone(), event, Some(offset)))
        }
        Body::Command(command) => Act::Command(command),
    };
    Past { id, prev, bytes, target: publication.target, act }
}

const END: Id = Id { ms: u64::MAX, seq: u64::MAX };
const KEPT_MS: u64 = 5_000;
/// On all shelves of a node.
const BYTES_MAX: usize = 64 << 20;
/// What an entry takes beside its envelope, roughly.
const ENTRY_BYTES: usize = 256;
