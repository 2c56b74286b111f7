//! A node's ordered reader of one partition: which announcement may be delivered now, and what is missing.
//!
//! Kept here: the last id seen of each watched topic, what is held back, and the position that clients are given. Not here:
//! tasks, subscriptions, decoding (`flows/deliver`). Sans-IO: arrivals and answers go in with the time, [`Step`]s come out.
//!
//! ```text
//!  announcement ──► queue ──► front: prev == last of every watched topic ──► Deliver, last = id
//!  volatile    ──►   │                prev >  last: a hole opens ──► Fetch ──► staged, merged by id ──► Deliver
//!  interrupted ──► barrier            prev <  last: the log lost what sockets saw ──► Gap(fork), Deliver
//!                                     id  <= last: duplicate
//! ```
//!
//! The lane is held while a hole is open or a barrier waits for heads, at most [`LaneOptions::hold_ms_max`] and
//! [`LaneOptions::hold_bytes_max`]; then the topics concerned are told a gap and it goes on. Invariant: whatever was stored in
//! a watched topic after it was confirmed is delivered once, in the topic's order, or lies within a told gap; positions
//! never go back within a timeline.

mod backfill;
mod checks;
mod follow;
mod queue;
mod recent;
#[cfg(test)]
mod simulation;
mod step;
#[cfg(test)]
mod tests;
mod topics;

use std::collections::VecDeque;

use bytes::Bytes;

use self::backfill::Backfill;
use self::checks::Checks;
use self::queue::{Item, Queue};
use self::recent::Recent;
pub use self::step::{GapNotice, GapReason, LaneCounters, LaneOptions, Step};
use self::topics::{Seen, Topics};
use super::{Announcement, Heads};
use crate::event::{Epoch, Id, Position, Topic};

#[derive(Debug)]
pub struct Lane {
    options: LaneOptions,
    epoch: Option<Epoch>,
    /// Epochs this lane has left; what is still under way from them is stale.
    left: VecDeque<Epoch>,
    /// Highest id delivered.
    position: Id,
    topics: Topics,
    queue: Queue,
    held_since_ms: Option<u64>,
    backfill: Backfill,
    checks: Checks,
    recent: Recent,
    /// The announcement whose hole last made every topic doubtful.
    doubted_for: Option<Id>,
    /// Numbers the questions asked, so that a late answer to an old one is recognized.
    tickets: u64,
    steps: VecDeque<Step>,
    counters: LaneCounters,
}

impl Lane {
    pub fn new(options: LaneOptions) -> Self {
        Self {
            options,
            epoch: None,
            left: VecDeque::new(),
            position: Id::ZERO,
            topics: Topics::default(),
            queue: Queue::default(),
            held_since_ms: None,
            backfill: Backfill::default(),
            checks: Checks::default(),
            recent: Recent::default(),
            doubted_for: None,
            tickets: 0,
            steps: VecDeque::new(),
            counters: LaneCounters::default(),
        }
    }

    /// The next thing to do, in order; asked until `None` after every input.
    pub fn next_step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// What volatile and late events carry; `None` until anything was published in the partition.
    pub fn position(&self) -> Option<Position> {
        self.epoch.clone().map(|epoch| Position { epoch, id: self.position })
    }

    pub fn counters(&self) -> LaneCounters {
        self.counters
    }

    /// When [`Self::on_tick`] wants to be called, if nothing comes in before.
    pub fn deadline_ms(&self) -> Option<u64> {
        let held = self.held_since_ms.map(|since_ms| since_ms + self.options.hold_ms_max);
        let check = if self.topics.is_empty() { None } else { self.checks.deadline_ms() };
        [held, check, self.backfill.deadline_ms()].into_iter().flatten().min()
    }

    /// Starts to care about a topic, before the subscription is asked for. With `since`, everything stored after that id is
    /// owed; otherwise what comes in from now on, and at least all that is stored after the head in [`Self::confirm`].
    pub fn watch(&mut self, topic: &Topic, since: Option<Id>) {
        self.topics.watch(topic, since);
    }

    /// The subscription stands, and these heads were read after that. `heads.topics` is in the order of `topics`.
    ///
    /// Heads and announcements come by different ways, so these heads may be older than the lane: they never end an epoch.
    pub fn confirm(&mut self, topics: &[Topic], heads: &Heads, now_ms: u64) {
        if self.epoch.is_none() {
            self.meet_epoch(heads.epoch.as_ref(), heads.last);
        }
        let same = heads.epoch == self.epoch;
        if same && !self.topics.any_confirmed() {
            // Nobody is owed anything older, so this is where the lane stands.
            self.position = self.position.max(heads.last);
            self.checks.verified(now_ms);
        }
        if !same {
            self.checks.hurry(now_ms);
        }
        self.checks.extend(if same { heads.last } else { Id::ZERO });
        if self.topics.take_doubted(topics) {
            // Something may have been lost after these heads were read, and the barrier then did not ask for these topics.
            self.checks.doubt();
            self.queue.put_back(Item::Barrier);
        }
        for (topic, head) in topics.iter().zip(&heads.topics) {
            if self.topics.confirm(topic, Seen::Exactly(*head), now_ms) {
                self.open_hole(topic, *head);
            }
            // Of a log that was empty everything is owed; heads of another log say nothing of this one.
            if !same && heads.epoch.is_some() {
                self.gap(topic, GapReason::Epoch, self.position);
                self.topics.set(topic, Seen::Floor(self.position));
            }
        }
        self.advance(now_ms);
    }

    /// Stops to care; also the end of a watch that failed.
    pub fn unwatch(&mut self, topics: &[Topic], now_ms: u64) {
        for topic in topics {
            self.topics.unwatch(topic);
            self.backfill.close(topic);
        }
        // What waits for nobody goes now: should the topic be asked for again meanwhile, it is from before that.
        let watched = &self.topics;
        self.queue.retain(|announcement| announcement.topics.iter().any(|(topic, _)| watched.contains(topic)));
        self.advance(now_ms);
    }

    pub fn on_announcement(&mut self, announcement: Announcement, now_ms: u64) {
        self.enqueue(Item::Sequenced(announcement), now_ms);
    }

    pub fn on_volatile(&mut self, envelope: Bytes, now_ms: u64) {
        self.enqueue(Item::Volatile(envelope), now_ms);
    }

    /// Anything may have been lost before this point: heads are compared before the lane goes on.
    pub fn on_interrupted(&mut self, now_ms: u64) {
        self.checks.doubt();
        self.topics.doubt_unconfirmed();
        self.enqueue(Item::Barrier, now_ms);
    }

    /// Something became due.
    pub fn on_tick(&mut self, now_ms: u64) {
        if self.held_since_ms.is_some_and(|since_ms| now_ms >= since_ms + self.options.hold_ms_max) {
            self.give_up(now_ms);
        }
        self.check_when_due(now_ms);
        self.advance(now_ms);
    }

    fn enqueue(&mut self, item: Item, now_ms: u64) {
        self.queue.push(item);
        self.advance(now_ms);
        while self.held_since_ms.is_some() && self.queue.bytes() > self.options.hold_bytes_max {
            self.counters.volatile_dropped += self.queue.drop_volatile();
            if self.queue.bytes() > self.options.hold_bytes_max {
                self.give_up(now_ms);
                self.advance(now_ms);
            }
        }
    }

    /// Delivers until something holds the lane.
    fn advance(&mut self, now_ms: u64) {
        loop {
            if self.backfill.has_staged() {
                self.release_staged(self.queue.overtaken_from());
            }
            if self.backfill.is_open() {
                self.start_fetches(now_ms);
                break;
            }
            let Some(item) = self.queue.pop() else {
                self.held_since_ms = None;
                return;
            };
            if let Some(item) = self.pass(item, now_ms) {
                let hole = if let Item::Sequenced(announcement) = &item { Some(announcement.id) } else { None };
                self.queue.put_back(item);
                // Once: after a fork the heads may take back what the hole's end has just set.
                if hole.is_some() && std::mem::replace(&mut self.doubted_for, hole) != hole {
                    self.doubt_every_topic(now_ms);
                }
                if !self.backfill.is_open() {
                    break;
                }
            } else {
                self.held_since_ms = None;
            }
        }
        if self.held_since_ms.is_none() {
            self.held_since_ms = Some(now_ms);
            self.counters.holds += 1;
        }
    }

    /// Delivers the front item, or gives it back with the hole opened or the heads asked for that it waits for.
    fn pass(&mut self, item: Item, now_ms: u64) -> Option<Item> {
        match item {
            Item::Volatile(envelope) => {
                self.deliver(envelope, None);
                None
            }
            Item::Barrier => self.pass_barrier(now_ms).then_some(Item::Barrier),
            Item::Sequenced(announcement) => self.pass_sequenced(announcement, now_ms).map(Item::Sequenced),
        }
    }

    /// Ends the hold: what is still missing is told, what was found is delivered.
    fn give_up(&mut self, now_ms: u64) {
        let holes = self.backfill.close_all();
        self.release_staged(None);
        for (topic, until) in holes {
            self.gap(&topic, GapReason::Limit, until);
            self.topics.set(&topic, Seen::Exactly(until));
        }
        // The heads that a barrier waited for are still wanted, only nobody waits for them any more.
        self.queue.pop_barrier();
        self.held_since_ms = None;
        self.checks.hurry(now_ms);
    }

    fn deliver(&mut self, envelope: Bytes, id: Option<Id>) {
        match id {
            Some(id) if id > self.position => self.position = id,
            Some(_) => self.counters.late += 1,
            None => {}
        }
        self.counters.delivered += 1;
        self.steps.push_back(Step::Deliver { envelope, id, position: self.position() });
    }

    fn gap(&mut self, topic: &Topic, reason: GapReason, head: Id) {
        self.counters.gaps += 1;
        let last = self.topics.last(topic);
        self.steps.push_back(Step::Gap(GapNotice { topic: topic.clone(), reason, last, head }));
    }

    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }
}
