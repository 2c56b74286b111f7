//! What waits behind the front of a lane.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::backplane::Announcement;
use crate::event::Id;

#[derive(Debug, Default)]
pub(super) struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
}

#[derive(Debug)]
pub(super) enum Item {
    Sequenced(Announcement),
    Volatile(Bytes),
    /// Heads are compared before anything behind it is delivered.
    Barrier,
}

impl Item {
    /// The fixed part stands for the item itself, so that a flood of empty ones is bounded as well.
    fn weight(&self) -> usize {
        ITEM_BYTES
            + match self {
                Self::Sequenced(announcement) => announcement.envelope.len(),
                Self::Volatile(envelope) => envelope.len(),
                Self::Barrier => 0,
            }
    }
}

impl Queue {
    pub(super) fn push(&mut self, item: Item) {
        let barriers = matches!(item, Item::Barrier) && matches!(self.items.back(), Some(Item::Barrier));
        if !barriers {
            self.bytes += item.weight();
            self.items.push_back(item);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.bytes -= item.weight();
        Some(item)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Up to which id something may be delivered without overtaking what waits here; `None` if nothing does.
    pub(super) fn overtaken_from(&self) -> Option<Id> {
        self.items.iter().find_map(|item| match item {
            Item::Sequenced(announcement) => Some(announcement.id),
            Item::Barrier => Some(Id::ZERO),
            Item::Volatile(_) => None,
        })
    }

    /// Puts an item back where it was popped.
    pub(super) fn put_back(&mut self, item: Item) {
        self.bytes += item.weight();
        self.items.push_front(item);
    }

    pub(super) fn pop_barrier(&mut self) {
        if matches!(self.items.front(), Some(Item::Barrier)) {
            self.pop();
        }
    }

    /// How many were dropped.
    pub(super) fn drop_volatile(&mut self) -> u64 {
        let before = self.items.len();
        self.keep(|item| !matches!(item, Item::Volatile(_)));
        (before - self.items.len()) as u64
    }

    pub(super) fn retain(&mut self, wanted: impl Fn(&Announcement) -> bool) {
        self.keep(|item| if let Item::Sequenced(announcement) = item { wanted(announcement) } else { true });
    }

    fn keep(&mut self, kept: impl Fn(&Item) -> bool) {
        self.items.retain(kept);
        self.bytes = self.items.iter().map(Item::weight).sum();
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// About the size of an announcement with one topic.
const ITEM_BYTES: usize = 128;
