//! Comparing heads: finds a lost last announcement, and what an interruption swallowed.
//!
//! Each second the partition's head is read; the topics' heads only if it moved since they last agreed. A head beyond what was
//! seen is normal while its announcement is under way, so it counts only if it still is beyond a moment later. After an
//! interruption nothing is under way, and it counts at once.

use super::queue::Item;
use super::topics::Seen;
use super::{GapReason, Lane, Step};
use crate::backplane::Heads;
use crate::event::{Epoch, Id, Topic};

#[derive(Debug, Default)]
pub(super) struct Checks {
    next_ms: u64,
    asked: Option<Question>,
    /// The partition's head when everything last agreed.
    agreed: Option<Id>,
    /// When the last question was asked whose answer showed no loss.
    verified_ms: Option<u64>,
    /// Heads beyond what was seen, and when that counts.
    suspects: Vec<(Topic, Id)>,
    suspects_due_ms: u64,
    /// The next question is about every topic, and its answer counts at once.
    urgent: bool,
}

#[derive(Debug)]
struct Question {
    ticket: u64,
    urgent: bool,
    /// What was known when it was asked; the answer may be older than what is known when it comes.
    epoch: Option<Epoch>,
    position: Id,
    topics: Vec<(Topic, Id)>,
    /// Topics were confirmed since, so the answer cannot show that all agree.
    partial: bool,
    asked_ms: u64,
}

impl Checks {
    pub(super) fn deadline_ms(&self) -> Option<u64> {
        let suspects = (!self.suspects.is_empty()).then_some(self.suspects_due_ms);
        let next = self.asked.is_none().then_some(self.next_ms);
        [suspects, next].into_iter().flatten().min()
    }

    pub(super) fn verified(&mut self, now_ms: u64) {
        self.verified_ms = Some(now_ms);
    }

    pub(super) fn verified_ms(&self) -> Option<u64> {
        self.verified_ms
    }

    pub(super) fn verified_within(&self, ms: u64, now_ms: u64) -> bool {
        self.verified_ms.is_some_and(|verified_ms| now_ms.saturating_sub(verified_ms) < ms)
    }

    /// More topics are to be compared from now on.
    pub(super) fn extend(&mut self) {
        self.agreed = None;
        if let Some(question) = &mut self.asked {
            question.partial = true;
        }
    }

    /// What was found out about another log.
    pub(super) fn forget(&mut self) {
        self.agreed = None;
        self.suspects.clear();
    }

    /// Barriers wait for heads that were asked for after the interruption; those under way may be older.
    pub(super) fn doubt(&mut self) {
        self.asked.take_if(|question| question.urgent);
    }

    /// A full check as soon as possible.
    pub(super) fn hurry(&mut self, now_ms: u64) {
        self.agreed = None;
        self.next_ms = self.next_ms.min(now_ms);
    }
}

impl Lane {
    /// The answer to a [`Step::CheckHeads`]; `None` if the backplane could not give one.
    pub fn on_heads(&mut self, ticket: u64, heads: Option<&Heads>, now_ms: u64) {
        let Some(question) = self.checks.asked.take_if(|question| question.ticket == ticket) else { return };
        let Some(heads) = heads else {
            self.checks.urgent |= question.urgent;
            self.checks.next_ms = now_ms + if question.urgent { RETRY_MS } else { self.options.check_ms };
            return;
        };
        if question.epoch != self.epoch {
            self.checks.urgent |= question.urgent;
            self.checks.next_ms = now_ms;
        } else if heads.epoch != self.epoch {
            self.meet_epoch(heads.epoch.as_ref(), heads.last);
            // Seen from nothing, the first heads are ordinary ones. Those of another log are asked for anew, since what was
            // known at the question says nothing of them.
            if question.epoch.is_none() {
                self.compare(&question, heads, now_ms);
            } else {
                self.checks.urgent |= question.urgent;
                self.checks.next_ms = now_ms;
            }
        } else {
            self.compare(&question, heads, now_ms);
        }
        if question.urgent && !self.checks.urgent {
            self.queue.pop_barrier();
        }
        self.check_when_due(now_ms);
        self.advance(now_ms);
    }

    /// An announcement was lost, so those of other topics may be as well. What is read of one topic must not overtake them:
    /// a publication of several topics would come before what was stored ahead of it in another.
    pub(super) fn doubt_every_topic(&mut self, now_ms: u64) {
        self.checks.doubt();
        if self.pass_barrier(now_ms) {
            self.queue.put_back(Item::Barrier);
        }
    }

    /// Whether the barrier at the front must wait.
    pub(super) fn pass_barrier(&mut self, now_ms: u64) -> bool {
        if !self.topics.any_confirmed() {
            return false;
        }
        if self.checks.asked.as_ref().is_none_or(|question| !question.urgent) && !self.checks.urgent {
            self.checks.urgent = true;
            self.checks.next_ms = now_ms;
            // An answer to an earlier question may be older than the interruption.
            self.checks.asked = None;
            self.check_when_due(now_ms);
        }
        true
    }

    pub(super) fn check_when_due(&mut self, now_ms: u64) {
        if !self.checks.suspects.is_empty() && now_ms >= self.checks.suspects_due_ms {
            let suspects = std::mem::take(&mut self.checks.suspects);
            let missed = suspects.into_iter().filter(|(topic, head)| self.miss(topic, *head)).count();
            if missed > 0 {
                self.doubt_every_topic(now_ms);
            }
        }
        if now_ms >= self.checks.next_ms && self.checks.asked.is_none() && !self.topics.is_empty() {
            let urgent = std::mem::take(&mut self.checks.urgent);
            self.ask(urgent, urgent, now_ms);
        }
    }

    fn ask(&mut self, every_topic: bool, urgent: bool, now_ms: u64) {
        let ticket = self.ticket();
        let (topics, last) = if every_topic { self.topics.confirmed() } else { (Vec::new(), Vec::new()) };
        self.steps.push_back(Step::CheckHeads { ticket, topics: topics.clone() });
        let topics = topics.into_iter().zip(last).collect();
        let (epoch, position) = (self.epoch.clone(), self.position);
        self.checks.asked =
            Some(Question { ticket, urgent, epoch, position, topics, partial: false, asked_ms: now_ms });
        self.checks.next_ms = now_ms + self.options.check_ms;
    }

    fn compare(&mut self, question: &Question, heads: &Heads, now_ms: u64) {
        if heads.last < question.position && heads.last != Id::ZERO {
            // Positions beyond the log's end would be refused at the next resume.
            self.position = heads.last;
        }
        if question.topics.is_empty() && self.topics.any_confirmed() {
            if self.checks.agreed == Some(heads.last) {
                self.checks.verified_ms = Some(question.asked_ms);
            } else {
                self.ask(true, false, now_ms);
            }
            return;
        }
        let mut ahead = Vec::new();
        for ((topic, last_then), &head) in question.topics.iter().zip(&heads.topics) {
            // It may have been given up, or given up and asked for again, since the question.
            if !self.topics.is_confirmed(topic) {
                continue;
            }
            if head > self.topics.last(topic) {
                ahead.push((topic.clone(), head));
            } else if head < *last_then && head != Id::ZERO {
                self.gap(topic, GapReason::Fork, head);
                self.topics.set(topic, Seen::Exactly(head));
            }
        }
        if ahead.is_empty() {
            if !self.backfill.is_open() && !question.partial {
                self.checks.agreed = Some(heads.last);
                self.checks.verified_ms = Some(question.asked_ms);
            }
        } else if question.urgent {
            for (topic, head) in ahead {
                self.miss(&topic, head);
            }
        } else if self.checks.suspects.is_empty() {
            self.checks.suspects = ahead;
            self.checks.suspects_due_ms = now_ms + self.options.settle_ms;
        }
    }

    /// The head lies beyond what was seen, unless its announcement came after all; none is under way any more.
    fn miss(&mut self, topic: &Topic, head: Id) -> bool {
        let missed = self.topics.is_confirmed(topic) && self.topics.last(topic) < head;
        if missed {
            self.open_hole(topic, head);
        }
        missed
    }
}

/// Pause after a question that barriers wait for failed, in milliseconds.
const RETRY_MS: u64 = 100;
