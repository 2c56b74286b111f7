//! The ids delivered lately: a publication of several topics can come in by each of them.

use std::collections::{HashSet, VecDeque};

use foldhash::fast::RandomState;

use crate::event::Id;

#[derive(Debug, Default)]
pub(super) struct Recent {
    ids: HashSet<Id, RandomState>,
    order: VecDeque<Id>,
}

impl Recent {
    /// `false` if the id is known. While backfilling, more are kept: a publication of two topics is read twice, and those
    /// readings may lie as far apart as the backfill is long.
    pub(super) fn insert(&mut self, id: Id, backfilling: bool) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        self.order.push_back(id);
        let max = if backfilling { BACKFILLING_IDS_MAX } else { IDS_MAX };
        while self.order.len() > max {
            if let Some(oldest) = self.order.pop_front() {
                self.ids.remove(&oldest);
            }
        }
        true
    }
}

const IDS_MAX: usize = 4_096;
const BACKFILLING_IDS_MAX: usize = 65_536;
