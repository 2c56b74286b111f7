//! The records of sessions, for as long as they are kept.

use std::collections::HashMap;
use std::sync::Arc;

use crate::backplane::resume::{Claim, Claimant, Record, Save, Saved, What};
use crate::event::Partition;
use crate::ids::PrivateId;

#[derive(Default)]
pub(super) struct Records(HashMap<(Arc<Partition>, PrivateId), Kept>);

struct Kept {
    record: Record,
    generation: u64,
    expires_ms: u64,
}

impl Records {
    pub(super) fn save(&mut self, partition: &Arc<Partition>, save: Save, now_ms: u64) -> Saved {
        let key = (partition.clone(), save.pid);
        let expires_ms = now_ms.saturating_add(save.lifetime_ms);
        let held = self.0.get_mut(&key).filter(|kept| kept.expires_ms > now_ms);
        if held.as_ref().is_some_and(|kept| kept.generation > save.generation) {
            return Saved::Fenced;
        }
        match (save.what, held) {
            (What::Whole(record), _) => {
                self.0.insert(key, Kept { record: *record, generation: save.generation, expires_ms });
            }
            (What::Forget, _) => {
                self.0.remove(&key);
            }
            (What::Rooms { .. }, None) => return Saved::Missing,
            (What::Rooms { joined, left }, Some(kept)) => {
                kept.expires_ms = expires_ms;
                let rooms = &mut kept.record.rooms;
                rooms.retain(|(room, _)| !left.contains(room) && !joined.iter().any(|(new, _)| new == room));
                rooms.extend(joined);
            }
        }
        Saved::Done
    }

    pub(super) fn claim(
        &mut self,
        partition: &Arc<Partition>,
        pid: PrivateId,
        claimant: Claimant<'_>,
        now_ms: u64,
    ) -> Claim {
        let held = self.0.get_mut(&(partition.clone(), pid)).filter(|kept| kept.expires_ms > now_ms);
        let Some(kept) = held else { return Claim::Unknown };
        if kept.record.subject != claimant.subject {
            return Claim::Foreign;
        }
        let record = Box::new(kept.record.clone());
        kept.generation += 1;
        claimant.node.clone_into(&mut kept.record.node);
        kept.expires_ms = now_ms.saturating_add(claimant.lifetime_ms);
        Claim::Claimed { record, generation: kept.generation }
    }

    pub(super) fn expire(&mut self, now_ms: u64) {
        self.0.retain(|_, kept| kept.expires_ms > now_ms);
    }
}
