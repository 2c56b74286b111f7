//! One timer wheel for all clients of a worker: heartbeats, connect deadlines, stalls.

use super::ClientKey;

/// A hashed wheel with lazy entries: a client has at most one entry, and when it fires the owner asks the client what is due.
///
/// A deadline fires up to [`Wheel::EARLY_MS`] early and not late, since a peer's own timers start later than ours; one beyond the
/// wheel's span fires at the span's end and is set again.
#[derive(Debug)]
pub struct Wheel {
    buckets: Vec<Vec<ClientKey>>,
    /// Everything before this tick has fired.
    tick: u64,
}

impl Wheel {
    /// Resolution in milliseconds.
    pub const TICK_MS: u64 = 10;

    /// One tick because deadlines are rounded down, one because the ticks themselves come anywhere within theirs.
    pub const EARLY_MS: u64 = 2 * Self::TICK_MS;

    pub fn new(now_ms: u64) -> Self {
        Self { buckets: vec![Vec::new(); BUCKETS], tick: now_ms / Self::TICK_MS }
    }

    pub fn insert(&mut self, key: ClientKey, deadline_ms: u64) {
        let due = (deadline_ms / Self::TICK_MS).saturating_sub(1).clamp(self.tick + 1, self.tick + BUCKETS as u64 - 1);
        self.buckets[bucket(due)].push(key);
    }

    /// Moves everything due by `now_ms` into `fired`.
    pub fn advance(&mut self, now_ms: u64, fired: &mut Vec<ClientKey>) {
        let now = now_ms / Self::TICK_MS;
        // After a long pause of the process one turn of the wheel finds everything.
        let first = self.tick.max(now.saturating_sub(BUCKETS as u64)) + 1;
        for tick in first..=now {
            let bucket = &mut self.buckets[bucket(tick)];
            fired.append(bucket);
            // A crowd that fired together spreads by its own jitter; its memory is not kept in this bucket.
            if bucket.capacity() > KEPT_CAPACITY {
                *bucket = Vec::new();
            }
        }
        self.tick = self.tick.max(now);
    }
}

const BUCKETS: usize = 4_096;
const KEPT_CAPACITY: usize = 64;

fn bucket(tick: u64) -> usize {
    usize::try_from(tick % BUCKETS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use slotmap::SlotMap;

    use super::*;

    #[test]
    fn deadlines_fire_once_and_not_late() {
        let mut keys = SlotMap::<ClientKey, ()>::with_key();
        let (soon, later, far) = (keys.insert(()), keys.insert(()), keys.insert(()));
        let mut wheel = Wheel::new(0);
        wheel.insert(soon, 35);
        wheel.insert(later, 1_000);
        wheel.insert(far, 10_000_000);
        let mut fired = Vec::new();
        wheel.advance(19, &mut fired);
        assert!(fired.is_empty());
        wheel.advance(25, &mut fired);
        assert_eq!(fired, [soon]);
        fired.clear();
        wheel.advance(10_000, &mut fired);
        assert_eq!(fired, [later]);
        fired.clear();
        wheel.advance(1_000_000, &mut fired);
        assert_eq!(fired, [far], "beyond the span it fires early for its owner to set it again");
    }
}
