//! Who wants which topic of one partition: reference counts, and which subscription to ask for or give up next.
//!
//! Pure. A topic has at most one call under way, so a give-up and a new wish never overtake each other:
//!
//! ```text
//!            acquire            batch goes out         confirmed          last release        15 s
//!  (unknown) ───────► Wanted ──────────────► Watching ──────────► Watched ────────► Lingering ────► Unwatching ──► (unknown)
//!                       ▲                                            ▲   acquire       │                 │
//!                       │                                            └─────────────────┘                 │
//!                       └───────────────────────────── acquired meanwhile ◄──────────────────────────────┘
//! ```

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;

use crate::backplane::Unavailable;
use crate::event::{Id, Position, Topic};

pub(super) type Floor = Result<Option<Position>, Unavailable>;

#[derive(Debug, Default)]
pub(super) struct Interest {
    stakes: HashMap<Topic, Stake>,
    wanted: VecDeque<Topic>,
    watching: bool,
    unwatching: bool,
    lingering: VecDeque<(u64, Topic)>,
    waiters: HashMap<u64, Waiter>,
    waiters_made: u64,
}

#[derive(Debug)]
struct Stake {
    holders: u64,
    phase: Phase,
    /// Not told to the lane yet.
    since: Option<Id>,
    waiters: Vec<u64>,
    /// It stands in `lingering`, at most once, however often it was let go and taken again.
    queued: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Wanted,
    Watching,
    Watched,
    Lingering { until_ms: u64 },
    Unwatching,
}

#[derive(Debug)]
struct Waiter {
    topics: Vec<Topic>,
    pending: usize,
    answer: oneshot::Sender<Floor>,
}

impl Interest {
    /// Takes a hold on each topic. `None`: all are watched already; else the answer comes once they are. An answer that is an
    /// error holds nothing.
    pub(super) fn acquire(&mut self, topics: &[Topic], since: Option<Id>) -> Option<oneshot::Receiver<Floor>> {
        let waiter = self.waiters_made;
        let mut pending = 0;
        for topic in topics {
            let stake = self.stakes.entry(topic.clone()).or_insert_with(|| {
                self.wanted.push_back(topic.clone());
                Stake { holders: 0, phase: Phase::Wanted, since, waiters: Vec::new(), queued: false }
            });
            stake.holders += 1;
            match stake.phase {
                Phase::Watched => continue,
                Phase::Lingering { .. } => {
                    stake.phase = Phase::Watched;
                    continue;
                }
                // Workers may ask in another order than that of the commands that they obey.
                Phase::Wanted | Phase::Watching | Phase::Unwatching => {
                    stake.since = stake.since.into_iter().chain(since).min();
                }
            }
            if !stake.waiters.contains(&waiter) {
                stake.waiters.push(waiter);
                pending += 1;
            }
        }
        if pending == 0 {
            return None;
        }
        let (answer, receiver) = oneshot::channel();
        self.waiters_made += 1;
        self.waiters.insert(waiter, Waiter { topics: topics.to_vec(), pending, answer });
        Some(receiver)
    }

    /// Gives one hold on each topic back.
    pub(super) fn release(&mut self, topics: &[Topic], now_ms: u64) {
        for topic in topics {
            let Some(stake) = self.stakes.get_mut(topic) else { continue };
            stake.holders = stake.holders.saturating_sub(1);
            if stake.holders == 0 && stake.phase == Phase::Watched {
                self.linger(topic, now_ms);
            }
        }
    }

    /// The next subscriptions to ask for in one call, unless one is under way.
    pub(super) fn next_watch(&mut self) -> Option<Vec<(Topic, Option<Id>)>> {
        if self.watching {
            return None;
        }
        let mut batch = Vec::new();
        while batch.len() < BATCH_MAX
            && let Some(topic) = self.wanted.pop_front()
        {
            let Some(stake) = self.stakes.get_mut(&topic) else { continue };
            if stake.holders == 0 {
                // Whoever wanted it left before its turn came.
                self.stakes.remove(&topic);
                continue;
            }
            stake.phase = Phase::Watching;
            batch.push((topic, stake.since.take()));
        }
        self.watching = !batch.is_empty();
        self.watching.then_some(batch)
    }

    /// Positions since which topics of this batch were asked for after its call had gone out.
    pub(super) fn late_since(&mut self, batch: &[Topic]) -> Vec<(Topic, Id)> {
        let late = batch.iter().filter_map(|topic| {
            let since = self.stakes.get_mut(topic)?.since.take()?;
            Some((topic.clone(), since))
        });
        late.collect()
    }

    /// The call for this batch was answered: whoever waited only for these topics learns it.
    pub(super) fn watched(&mut self, batch: &[Topic], floor: &Floor, now_ms: u64) {
        self.watching = false;
        for topic in batch {
            let Some(stake) = self.stakes.get_mut(topic) else { continue };
            let waiters = std::mem::take(&mut stake.waiters);
            stake.phase = Phase::Watched;
            match floor {
                Ok(_) if stake.holders == 0 => self.linger(topic, now_ms),
                Ok(_) => {}
                Err(_) => {
                    self.stakes.remove(topic);
                }
            }
            for waiter in waiters {
                self.answer(waiter, floor, now_ms);
            }
        }
    }

    /// The next subscriptions to give up in one call, unless one is under way.
    pub(super) fn next_unwatch(&mut self, now_ms: u64) -> Option<Vec<Topic>> {
        if self.unwatching {
            return None;
        }
        let mut batch = Vec::new();
        while batch.len() < BATCH_MAX
            && self.lingering.front().is_some_and(|(until_ms, _)| *until_ms <= now_ms)
            && let Some((_, topic)) = self.lingering.pop_front()
        {
            let Some(stake) = self.stakes.get_mut(&topic) else { continue };
            stake.queued = false;
            match stake.phase {
                Phase::Lingering { until_ms } if until_ms > now_ms => {
                    stake.queued = true;
                    self.lingering.push_back((until_ms, topic));
                }
                Phase::Lingering { .. } => {
                    stake.phase = Phase::Unwatching;
                    batch.push(topic);
                }
                Phase::Wanted | Phase::Watching | Phase::Watched | Phase::Unwatching => {}
            }
        }
        self.unwatching = !batch.is_empty();
        self.unwatching.then_some(batch)
    }

    pub(super) fn unwatched(&mut self, batch: &[Topic]) {
        self.unwatching = false;
        for topic in batch {
            let Some(stake) = self.stakes.get_mut(topic) else { continue };
            if stake.waiters.is_empty() {
                self.stakes.remove(topic);
            } else {
                stake.phase = Phase::Wanted;
                self.wanted.push_back(topic.clone());
            }
        }
    }

    /// When [`Self::next_unwatch`] may have something.
    pub(super) fn deadline_ms(&self) -> Option<u64> {
        if self.unwatching { None } else { self.lingering.front().map(|(until_ms, _)| *until_ms) }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.stakes.is_empty() && !self.watching && !self.unwatching
    }

    /// Nobody will ask for anything any more.
    pub(super) fn refuse_all(&mut self, why: &Unavailable) {
        for (_, waiter) in self.waiters.drain() {
            // Whoever stopped waiting needs no answer.
            let _ = waiter.answer.send(Err(why.clone()));
        }
        self.stakes.clear();
    }

    fn linger(&mut self, topic: &Topic, now_ms: u64) {
        let until_ms = now_ms + LINGER_MS;
        if let Some(stake) = self.stakes.get_mut(topic) {
            stake.phase = Phase::Lingering { until_ms };
            if !stake.queued {
                stake.queued = true;
                self.lingering.push_back((until_ms, topic.clone()));
            }
        }
    }

    fn answer(&mut self, key: u64, floor: &Floor, now_ms: u64) {
        let Some(waiter) = self.waiters.get_mut(&key) else { return };
        waiter.pending -= 1;
        if floor.is_ok() && waiter.pending > 0 {
            return;
        }
        let Some(waiter) = self.waiters.remove(&key) else { return };
        // A caller that went away without its answer would never release.
        let untaken = waiter.answer.send(floor.clone()).is_err();
        if untaken || floor.is_err() {
            self.release(&waiter.topics, now_ms);
        }
    }
}

/// Topics in one call to the backplane.
const BATCH_MAX: usize = 512;
/// How long a subscription outlives its last holder, in milliseconds; a reconnect or a page change falls within.
const LINGER_MS: u64 = 15_000;
