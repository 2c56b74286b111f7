//! Following the topics from entry to entry: what an announcement's `prev` and epoch say about what lies between.

use smallvec::SmallVec;

use super::topics::{Link, Seen};
use super::{GapReason, Lane};
use crate::backplane::Announcement;
use crate::event::{Epoch, Id, Topic};

impl Lane {
    pub(super) fn pass_sequenced(&mut self, announcement: Announcement, now_ms: u64) -> Option<Announcement> {
        if self.left.contains(&announcement.epoch) {
            self.counters.duplicates += 1;
            return None;
        }
        self.meet_epoch(Some(&announcement.epoch), announcement.id);
        let id = announcement.id;
        let links = announcement.topics.iter().map(|(topic, prev)| self.link(topic, *prev, id, now_ms));
        let links: SmallVec<[Option<Link>; 4]> = links.collect();
        let linked = || announcement.topics.iter().zip(&links);
        if links.contains(&Some(Link::Hole)) {
            for ((topic, prev), _) in linked().filter(|(_, link)| **link == Some(Link::Hole)) {
                self.open_hole(topic, *prev);
            }
            return Some(announcement);
        }
        let mut fresh = false;
        for ((topic, _), link) in linked() {
            let Some(link) = *link else { continue };
            fresh |= link != Link::Known;
            self.follow(topic, link, id, id, now_ms);
        }
        // It may have come by another of its topics, or before a fork that took its topic's last id back.
        if !fresh || !self.recent.insert(announcement.id, false) {
            self.counters.duplicates += 1;
            return None;
        }
        self.deliver(announcement.envelope, Some(announcement.id));
        None
    }

    /// How an entry stands to what was seen of its topic; `None` if the topic is not watched. One whose `prev` is older than what the log keeps may only say so,
    /// because the topic had been let go: nothing is missing if the topic was known to be whole since.
    pub(super) fn link(&self, topic: &Topic, prev: Id, id: Id, now_ms: u64) -> Option<Link> {
        let link = self.topics.link(topic, prev, id)?;
        let age_ms = self.options.history_age_ms;
        if link != Link::Hole || id.ms.saturating_sub(prev.ms) < age_ms {
            return Some(link);
        }
        let whole_ms = self.topics.whole_ms(topic, self.checks.verified_ms());
        let whole = whole_ms.is_some_and(|whole_ms| now_ms.saturating_sub(whole_ms) < age_ms);
        Some(if whole { Link::Next } else { link })
    }

    /// Moves a topic's last id along a link that is no hole, telling what the link says was lost.
    pub(super) fn follow(&mut self, topic: &Topic, link: Link, id: Id, head: Id, now_ms: u64) {
        match link {
            Link::Known => return,
            Link::Next => {}
            Link::Hole => self.gap(topic, GapReason::Trimmed, head),
            Link::Back { first } => {
                let silent_ms = id.ms.saturating_sub(self.topics.last(topic).ms);
                let expired = first && silent_ms >= self.options.history_age_ms;
                // A room that was idle for so long starts anew. Nothing can have come and gone meanwhile unseen if the heads
                // were compared since.
                if !expired {
                    self.gap(topic, GapReason::Fork, head);
                } else if !self.checks.verified_within(self.options.history_age_ms, now_ms) {
                    self.gap(topic, GapReason::Expired, head);
                }
            }
        }
        self.topics.set(topic, Seen::Exactly(id));
    }

    /// Every watched topic is told when the log turns out to be another one. That one is followed from its beginning: it
    /// began while its topics were watched, so all of it is owed.
    pub(super) fn meet_epoch(&mut self, epoch: Option<&Epoch>, head: Id) {
        if self.epoch.as_ref() == epoch {
            return;
        }
        if let Some(old) = self.epoch.take() {
            self.backfill.close_all();
            self.release_staged(None);
            for topic in self.topics.known() {
                self.gap(&topic, GapReason::Epoch, head);
                self.topics.set(&topic, Seen::Floor(Id::ZERO));
            }
            self.checks.forget();
            self.position = Id::ZERO;
            self.left.push_back(old);
            if self.left.len() > EPOCHS_LEFT_MAX {
                self.left.pop_front();
            }
        }
        self.left.retain(|left| Some(left) != epoch);
        self.epoch = epoch.cloned();
    }
}

/// Stale announcements of an epoch come within moments of its end; more ends than this in that time are not orderly anyway.
const EPOCHS_LEFT_MAX: usize = 4;
