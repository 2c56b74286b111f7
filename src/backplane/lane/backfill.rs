//! Holes: reading from the log what was stored and not announced to us.
//!
//! Several topics may have holes at once (after an interruption, all of them). What is read is staged and released merged by
//! id, up to the id to which every open hole has been read: so positions rise only over what is complete.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;

use super::topics::{Link, Seen};
use super::{GapReason, Lane, Step};
use crate::backplane::Entry;
use crate::event::{Id, Topic};

#[derive(Debug, Default)]
pub(super) struct Backfill {
    /// Open holes: up to where each is to be read.
    until: HashMap<Topic, Id>,
    /// Holes nobody reads now, by the id to which they have been read.
    waiting: BTreeSet<(Id, Topic)>,
    flying: HashMap<u64, Read>,
    paused_until_ms: Option<u64>,
    staged: BTreeMap<Id, Bytes>,
    staged_bytes: usize,
}

/// A read under way. The hole may have grown beyond `until` since it was asked for.
#[derive(Debug)]
struct Read {
    topic: Topic,
    after: Id,
    until: Id,
}

impl Backfill {
    pub(super) fn is_open(&self) -> bool {
        !self.until.is_empty()
    }

    pub(super) fn has_staged(&self) -> bool {
        !self.staged.is_empty()
    }

    pub(super) fn deadline_ms(&self) -> Option<u64> {
        if self.waiting.is_empty() { None } else { self.paused_until_ms }
    }

    /// Forgets a hole; a read under way for it will not be recognized any more.
    pub(super) fn close(&mut self, topic: &Topic) {
        if self.until.remove(topic).is_some() {
            self.waiting.retain(|(_, waiting)| waiting != topic);
            self.flying.retain(|_, read| read.topic != *topic);
        }
    }

    /// Forgets every hole and answers up to where each was to be read.
    pub(super) fn close_all(&mut self) -> BTreeMap<Topic, Id> {
        self.waiting.clear();
        self.flying.clear();
        self.until.drain().collect()
    }

    fn open(&mut self, topic: &Topic, last: Id, until: Id) {
        if let Some(known) = self.until.get_mut(topic) {
            *known = until.max(*known);
        } else {
            self.until.insert(topic.clone(), until);
            self.waiting.insert((last, topic.clone()));
        }
    }

    /// The hole to read next: the one that is furthest behind, since everything staged waits for it.
    fn take_next(&mut self, now_ms: u64) -> Option<(Id, Topic)> {
        if self.paused_until_ms.is_some_and(|until_ms| now_ms < until_ms) {
            return None;
        }
        self.paused_until_ms = None;
        let reads_max = if self.staged_bytes > STAGED_BYTES_MAX { 1 } else { READS_MAX };
        if self.flying.len() >= reads_max { None } else { self.waiting.pop_first() }
    }

    /// Everything up to this id has been read in every open hole; `None` if no hole is open.
    fn complete_until(&self) -> Option<Id> {
        let waiting = self.waiting.first().map(|(read, _)| *read);
        waiting.into_iter().chain(self.flying.values().map(|read| read.after)).min()
    }

    fn stage(&mut self, entry: Entry) {
        self.staged_bytes += entry.envelope.len();
        self.staged.insert(entry.id, entry.envelope);
    }

    fn take_complete(&mut self, until: Option<Id>) -> Option<(Id, Bytes)> {
        let (id, _) = self.staged.first_key_value()?;
        let until = until.into_iter().chain(self.complete_until()).min();
        if until.is_some_and(|until| *id > until) {
            return None;
        }
        let (id, envelope) = self.staged.pop_first()?;
        self.staged_bytes -= envelope.len();
        Some((id, envelope))
    }
}

impl Lane {
    /// The answer to a [`Step::Fetch`]; `None` if the backplane could not give one.
    pub fn on_fetched(&mut self, ticket: u64, entries: Option<Vec<Entry>>, now_ms: u64) {
        let Some(Read { topic, after, until }) = self.backfill.flying.remove(&ticket) else { return };
        let Some(&hole_until) = self.backfill.until.get(&topic) else { return };
        let Some(entries) = entries else {
            self.backfill.paused_until_ms = Some(now_ms + RETRY_MS);
            self.backfill.waiting.insert((after, topic));
            return;
        };
        let more = entries.len() >= FETCH_ENTRIES;
        for entry in entries {
            self.take_read(&topic, entry, until, now_ms);
        }
        if self.topics.last(&topic) < until && !more {
            // The log once had this entry and no longer has.
            self.gap(&topic, GapReason::Trimmed, until);
            self.topics.set(&topic, Seen::Exactly(until));
        }
        let last = self.topics.last(&topic);
        if last < hole_until {
            self.backfill.waiting.insert((last, topic));
        } else {
            self.backfill.until.remove(&topic);
        }
        self.advance(now_ms);
    }

    pub(super) fn open_hole(&mut self, topic: &Topic, until: Id) {
        let last = self.topics.last(topic);
        self.backfill.open(topic, last, until);
    }

    pub(super) fn start_fetches(&mut self, now_ms: u64) {
        while let Some((after, topic)) = self.backfill.take_next(now_ms) {
            let Some(&until) = self.backfill.until.get(&topic) else { continue };
            let ticket = self.ticket();
            self.backfill.flying.insert(ticket, Read { topic: topic.clone(), after, until });
            self.steps.push_back(Step::Fetch { ticket, topic, after, until, limit: FETCH_ENTRIES });
        }
    }

    /// Delivers what was read, as far as it is complete and does not overtake an announcement that waits.
    pub(super) fn release_staged(&mut self, until: Option<Id>) {
        while let Some((id, envelope)) = self.backfill.take_complete(until) {
            self.deliver(envelope, Some(id));
        }
    }

    fn take_read(&mut self, topic: &Topic, entry: Entry, until: Id, now_ms: u64) {
        let link = self.link(topic, entry.prev, entry.id, now_ms);
        let Some(link) = link.filter(|link| *link != Link::Known) else { return };
        self.follow(topic, link, entry.id, until, now_ms);
        if self.recent.insert(entry.id, true) {
            self.counters.backfilled += 1;
            self.backfill.stage(entry);
        } else {
            self.counters.duplicates += 1;
        }
    }
}

/// Entries asked for at once.
const FETCH_ENTRIES: usize = 128;
/// Reads under way at once; an interruption may leave thousands of topics to read.
const READS_MAX: usize = 32;
/// Beyond this, only the topic that is furthest behind is read, until what waits for it can go.
const STAGED_BYTES_MAX: usize = 4 << 20;
/// Pause after a read that failed, in milliseconds.
const RETRY_MS: u64 = 100;
