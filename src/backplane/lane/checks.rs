//! Comparing heads: finds a lost last announcement, and what an interruption swallowed.
//!
//! Each second the partition's head is read. If it moved since everything last agreed, the heads of the topics written since
//! then are read, too; of every topic after an interruption, a new epoch or lineage, where the log cannot tell which were
//! written, and once a minute. A head beyond what was seen is normal while its announcement is under way, so it counts only
//! if it still is beyond a moment later. After an interruption nothing is under way, and it counts at once.

use super::queue::Item;
use super::topics::Seen;
use super::{GapReason, Lane, Step};
use crate::backplane::Heads;
use crate::event::{Epoch, Id, Topic};

#[derive(Debug, Default)]
pub(super) struct Checks {
    next_ms: u64,
    asked: Option<Question>,
    /// Every topic agrees with the log up to here.
    agreed: Option<Id>,
    /// When the last question about every topic was asked.
    all_asked_ms: Option<u64>,
    /// When the last question was asked whose answer showed no loss.
    verified_ms: Option<u64>,
    /// Heads beyond what was seen, and when that counts.
    suspects: Vec<(Topic, Id)>,
    suspects_due_ms: u64,
    /// Up to where everything agrees if all of them come, and when that was asked.
    settling: Option<(Id, u64)>,
    /// The next question is about every topic, and its answer counts at once.
    urgent: bool,
}

#[derive(Debug)]
struct Question {
    ticket: u64,
    about: About,
    urgent: bool,
    /// What was known when it was asked; the answer may be older than what is known when it comes.
    epoch: Option<Epoch>,
    position: Id,
    topics: Vec<(Topic, Id)>,
    /// The answer shows nothing of what lies beyond: it was written after the topics were chosen, or in topics that were
    /// confirmed since.
    until: Id,
    /// When it, or the first of the questions that led to it, was asked.
    asked_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Partition,
    /// Which topics were written.
    Written,
    Topics,
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

    /// More topics are to be compared from now on; they agree up to `head`.
    pub(super) fn extend(&mut self, head: Id) {
        self.agreed = self.agreed.map(|agreed| agreed.min(head));
        self.settling = self.settling.map(|(settling, asked_ms)| (settling.min(head), asked_ms));
        if let Some(question) = &mut self.asked {
            question.until = question.until.min(head);
        }
    }

    /// What was found out about another log.
    pub(super) fn forget(&mut self) {
        (self.agreed, self.settling) = (None, None);
        self.suspects.clear();
    }

    /// Barriers wait for heads that were asked for after the interruption; those under way may be older.
    pub(super) fn doubt(&mut self) {
        self.asked.take_if(|question| question.urgent);
    }

    /// A full check as soon as possible.
    pub(super) fn hurry(&mut self, now_ms: u64) {
        (self.agreed, self.settling) = (None, None);
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

    /// The answer to a [`Step::ListWritten`]; `None` if the backplane could not give one.
    pub fn on_written(&mut self, ticket: u64, topics: Option<Vec<Topic>>, now_ms: u64) {
        let Some(question) = self.checks.asked.take_if(|question| question.ticket == ticket) else { return };
        match topics.map(|topics| self.topics.confirmed_of(topics)) {
            _ if question.epoch != self.epoch => self.checks.next_ms = now_ms,
            None => self.ask_all(false, now_ms),
            Some((topics, _)) if topics.is_empty() => self.agree(question.until, question.asked_ms),
            Some(topics) => self.ask(About::Topics, topics, question.until, question.asked_ms, now_ms),
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
            let settling = self.checks.settling.take();
            if missed > 0 {
                self.doubt_every_topic(now_ms);
            } else if let Some((until, asked_ms)) = settling {
                self.agree(until, asked_ms);
            }
        }
        if now_ms >= self.checks.next_ms && self.checks.asked.is_none() && !self.topics.is_empty() {
            if std::mem::take(&mut self.checks.urgent) {
                self.ask_all(true, now_ms);
            } else {
                self.ask(About::Partition, (Vec::new(), Vec::new()), END, now_ms, now_ms);
            }
        }
    }

    fn ask_all(&mut self, urgent: bool, now_ms: u64) {
        self.checks.all_asked_ms = Some(now_ms);
        self.ask(About::Topics, self.topics.confirmed(), END, now_ms, now_ms);
        if let Some(question) = &mut self.checks.asked {
            question.urgent = urgent;
        }
    }

    /// About these topics with the last id of each.
    fn ask(&mut self, about: About, (topics, last): (Vec<Topic>, Vec<Id>), until: Id, asked_ms: u64, now_ms: u64) {
        let ticket = self.ticket();
        self.steps.push_back(Step::CheckHeads { ticket, topics: topics.clone() });
        let topics = topics.into_iter().zip(last).collect();
        let (epoch, position) = (self.epoch.clone(), self.position);
        self.checks.asked = Some(Question { ticket, about, urgent: false, epoch, position, topics, until, asked_ms });
        self.checks.next_ms = now_ms + self.options.check_ms;
    }

    /// The partition's head moved: which topics did?
    fn ask_what_moved(&mut self, question: &Question, head: Id, now_ms: u64) {
        let number = self.topics.number_confirmed();
        let soon = self.checks.all_asked_ms.is_some_and(|asked_ms| now_ms < asked_ms + self.options.compare_all_ms);
        // What another lineage had beyond the head is lost without having been written.
        let onward = |agreed: &Id| *agreed < head && agreed.lineage() == head.lineage();
        match self.checks.agreed.filter(onward) {
            Some(since) if soon && number > self.options.compare_all_topics => {
                let (ticket, until) = (self.ticket(), head.min(question.until));
                self.steps.push_back(Step::ListWritten { ticket, since, limit: number });
                let (epoch, position, asked_ms) = (self.epoch.clone(), self.position, question.asked_ms);
                let (about, topics) = (About::Written, Vec::new());
                self.checks.asked =
                    Some(Question { ticket, about, urgent: false, epoch, position, topics, until, asked_ms });
            }
            Some(_) | None => self.ask_all(false, now_ms),
        }
    }

    fn agree(&mut self, until: Id, asked_ms: u64) {
        if !self.backfill.is_open() {
            // Nothing of the watched topics up to there is outstanding. Positions follow, or they would lag behind those that
            // clients bring along from nodes which watch more.
            if self.topics.all_confirmed() && self.queue.is_empty() && !self.backfill.has_staged() {
                self.position = self.position.max(until);
            }
            self.checks.agreed = Some(until);
            self.checks.verified_ms = Some(asked_ms);
        }
    }

    fn compare(&mut self, question: &Question, heads: &Heads, now_ms: u64) {
        if heads.last < question.position && heads.last != Id::ZERO {
            // Positions beyond the log's end would be refused at the next resume.
            self.position = heads.last;
        }
        if question.about == About::Partition && self.topics.any_confirmed() {
            if self.checks.agreed == Some(heads.last) {
                self.checks.verified_ms = Some(question.asked_ms);
            } else {
                self.ask_what_moved(question, heads.last, now_ms);
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
        let until = heads.last.min(question.until);
        if ahead.is_empty() {
            self.agree(until, question.asked_ms);
        } else if question.urgent {
            for (topic, head) in ahead {
                self.miss(&topic, head);
            }
        } else if self.checks.suspects.is_empty() {
            self.checks.suspects = ahead;
            self.checks.settling = Some((until, question.asked_ms));
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

/// Beyond every id.
const END: Id = Id { ms: u64::MAX, seq: u64::MAX };
/// Pause after a question that barriers wait for failed, in milliseconds.
const RETRY_MS: u64 = 100;
