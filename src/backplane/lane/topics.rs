//! The watched topics and the last id seen of each.

use crate::event::{Id, Topic};
use crate::ids::ByName;

#[derive(Debug, Default)]
pub(super) struct Topics {
    by_topic: ByName<Topic, State>,
    confirmed: usize,
}

#[derive(Debug, Default)]
struct State {
    /// `None` until the head or the first announcement is known.
    seen: Option<Seen>,
    confirmed: bool,
    /// When it was confirmed with a head below which nothing is owed.
    whole_ms: Option<u64>,
    /// When it was confirmed.
    confirmed_ms: u64,
    /// What was stored after `seen` must come: it was confirmed, or asked for since a position. Until then announcements come
    /// in as it happens, and some may even be left over from an earlier subscription.
    owed: bool,
    /// There was an interruption since it was asked for, so the head it will be confirmed with may be too old.
    doubted: bool,
}

/// Up to where a topic was followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// The id of an entry of the topic: the next one names it as `prev`.
    Exactly(Id),
    /// Some id of the partition: nothing of the topic up to it is owed.
    Floor(Id),
}

/// How an entry stands to what was seen of its topic before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Known,
    Next,
    Hole,
    /// Its `prev` lies before what was seen. `first`: it has none, as far as the log knows.
    Back {
        first: bool,
    },
}

impl Seen {
    pub(super) fn id(self) -> Id {
        match self {
            Self::Exactly(id) | Self::Floor(id) => id,
        }
    }

    fn link(self, prev: Id, id: Id) -> Link {
        match self {
            _ if id <= self.id() => Link::Known,
            Self::Floor(floor) if prev <= floor => Link::Next,
            Self::Exactly(last) if prev == last => Link::Next,
            _ if prev > self.id() => Link::Hole,
            _ => Link::Back { first: prev == Id::ZERO },
        }
    }
}

impl Topics {
    pub(super) fn watch(&mut self, topic: &Topic, since: Option<Id>) {
        let state = self.by_topic.entry(topic.clone()).or_default();
        let Some(since) = since.filter(|_| !state.confirmed) else { return };
        // What came in meanwhile will be read once more, and is known then.
        if state.seen.is_none_or(|seen| since < seen.id()) {
            state.seen = Some(Seen::Floor(since));
        }
        state.owed = true;
    }

    pub(super) fn unwatch(&mut self, topic: &Topic) {
        let state = self.by_topic.remove(topic);
        self.confirmed -= usize::from(state.is_some_and(|state| state.confirmed));
    }

    /// Whether entries up to the head are owed that were not seen.
    pub(super) fn confirm(&mut self, topic: &Topic, head: Seen, now_ms: u64) -> bool {
        let Some(state) = self.by_topic.get_mut(topic) else { return false };
        self.confirmed += usize::from(!state.confirmed);
        state.confirmed = true;
        let owed = std::mem::replace(&mut state.owed, true);
        let hole = match state.seen {
            Some(seen) if owed => seen.id() < head.id(),
            Some(seen) if seen.id() >= head.id() => false,
            // What lies below the head is nobody's any more.
            Some(_) | None => {
                state.seen = Some(head);
                false
            }
        };
        state.confirmed_ms = now_ms;
        state.whole_ms = (!hole).then_some(now_ms);
        hole
    }

    /// When it was last certain that nothing of the topic was missing: as it was confirmed, or when the heads were compared.
    pub(super) fn whole_ms(&self, topic: &Topic, verified_ms: Option<u64>) -> Option<u64> {
        let state = self.by_topic.get(topic).filter(|state| state.confirmed)?;
        state.whole_ms.max(verified_ms.filter(|verified_ms| *verified_ms > state.confirmed_ms))
    }

    pub(super) fn doubt_unconfirmed(&mut self) {
        if self.confirmed < self.by_topic.len() {
            for state in self.by_topic.values_mut() {
                state.doubted |= !state.confirmed;
            }
        }
    }

    pub(super) fn take_doubted(&mut self, topics: &[Topic]) -> bool {
        let take = |topic| self.by_topic.get_mut(topic).is_some_and(|state| std::mem::take(&mut state.doubted));
        // Every one of them, so no short cut at the first.
        topics.iter().map(take).fold(false, |any, doubted| any | doubted)
    }

    /// `None` if the topic is not watched.
    pub(super) fn link(&self, topic: &Topic, prev: Id, id: Id) -> Option<Link> {
        let state = self.by_topic.get(topic)?;
        Some(match state.seen {
            Some(seen) if state.owed || id <= seen.id() => seen.link(prev, id),
            Some(_) | None => Link::Next,
        })
    }

    /// [`Id::ZERO`] if nothing is known.
    pub(super) fn last(&self, topic: &Topic) -> Id {
        self.by_topic.get(topic).and_then(|state| state.seen).map_or(Id::ZERO, Seen::id)
    }

    pub(super) fn set(&mut self, topic: &Topic, seen: Seen) {
        if let Some(state) = self.by_topic.get_mut(topic) {
            state.seen = Some(seen);
        }
    }

    pub(super) fn contains(&self, topic: &Topic) -> bool {
        self.by_topic.contains_key(topic)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_topic.is_empty()
    }

    /// Then something is known of it.
    pub(super) fn is_confirmed(&self, topic: &Topic) -> bool {
        self.by_topic.get(topic).is_some_and(|state| state.confirmed)
    }

    pub(super) fn number_confirmed(&self) -> usize {
        self.confirmed
    }

    pub(super) fn all_confirmed(&self) -> bool {
        self.confirmed == self.by_topic.len()
    }

    pub(super) fn any_confirmed(&self) -> bool {
        self.confirmed > 0
    }

    /// The topics something is known of, in a stable order.
    pub(super) fn known(&self) -> Vec<Topic> {
        let known = self.by_topic.iter().filter(|(_, state)| state.seen.is_some());
        let mut topics: Vec<Topic> = known.map(|(topic, _)| topic.clone()).collect();
        topics.sort_unstable();
        topics
    }

    /// Those of these topics that are confirmed, with the last id of each.
    pub(super) fn confirmed_of(&self, topics: Vec<Topic>) -> (Vec<Topic>, Vec<Id>) {
        let confirmed = topics.into_iter().filter(|topic| self.is_confirmed(topic));
        confirmed
            .map(|topic| {
                let last = self.last(&topic);
                (topic, last)
            })
            .unzip()
    }

    /// The confirmed topics with the last id of each.
    pub(super) fn confirmed(&self) -> (Vec<Topic>, Vec<Id>) {
        let confirmed = self.by_topic.iter().filter(|(_, state)| state.confirmed);
        confirmed.map(|(topic, state)| (topic.clone(), state.seen.map_or(Id::ZERO, Seen::id))).unzip()
    }
}
