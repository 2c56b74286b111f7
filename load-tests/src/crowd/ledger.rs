//! What one socket has seen of its room.

/// Twenty-odd bytes while all is well; holes are kept only once there is one.
#[derive(Debug, Default)]
pub struct Ledger {
    last: u32,
    holes: Vec<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    InOrder,
    /// Fills a hole: it came, but late.
    Reordered,
    Duplicate,
}

impl Ledger {
    /// What comes next is counted from behind `sequence`.
    pub fn begin_behind(&mut self, sequence: u32) {
        self.last = sequence;
        self.holes = Vec::new();
    }

    pub fn last(&self) -> u32 {
        self.last
    }

    pub fn enter(&mut self, sequence: u32) -> Seen {
        if sequence == self.last.wrapping_add(1) {
            self.last = sequence;
            return Seen::InOrder;
        }
        if sequence > self.last {
            let first = self.last + 1;
            self.holes.extend((first..sequence).take(HOLES_MAX.saturating_sub(self.holes.len())));
            self.last = sequence;
            return Seen::InOrder;
        }
        match self.holes.iter().position(|hole| *hole == sequence) {
            Some(at) => {
                self.holes.swap_remove(at);
                Seen::Reordered
            }
            None => Seen::Duplicate,
        }
    }

    /// Messages up to `published` that never came.
    pub fn lost(&self, published: u32) -> u64 {
        self.holes.len() as u64 + u64::from(published.saturating_sub(self.last))
    }
}

/// Beyond this many nobody needs to know which ones.
const HOLES_MAX: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_that_fills_was_reordered_and_one_that_stays_is_a_loss() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.enter(1), Seen::InOrder);
        assert_eq!(ledger.enter(4), Seen::InOrder);
        assert_eq!(ledger.enter(3), Seen::Reordered);
        assert_eq!(ledger.enter(3), Seen::Duplicate);
        assert_eq!((ledger.lost(4), ledger.lost(6)), (1, 3));
    }
}
