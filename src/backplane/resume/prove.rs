//! Whether what was read of a topic is all there is.

use super::{Past, Timeline};
use crate::backplane::GapReason;
use crate::event::Id;

/// What was read of a topic from `start` on, newer entries than asked for included: they prove what lies before them.
#[derive(Debug, Clone, Copy)]
pub struct Proof<'a, F> {
    /// After this id.
    pub start: Id,
    pub entries: &'a [F],
    /// The topic's head, read after the entries; only asked for if there are none. [`Id::ZERO`] if it has none.
    pub head: Id,
}

/// # Errors
/// With the reason why something may be missing after the start.
pub fn prove<F>(proof: &Proof<'_, F>, past: impl Fn(&F) -> (Id, Id), timeline: &Timeline) -> Result<(), GapReason> {
    let Some(first) = proof.entries.first() else {
        return match proof.head {
            Id::ZERO if timeline.remembers(proof.start.ms) => Ok(()),
            Id::ZERO => Err(GapReason::Expired),
            head if head <= proof.start => Ok(()),
            _ => Err(GapReason::Trimmed),
        };
    };
    let chained = proof.entries.windows(2).all(|pair| past(&pair[1]).1 == past(&pair[0]).0);
    if past(first).1 <= proof.start && chained { Ok(()) } else { Err(GapReason::Trimmed) }
}

impl<F> Past<F> {
    /// Its id and the one before it in its topic.
    pub fn link(&self) -> (Id, Id) {
        (self.id, self.prev)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: u64) -> Id {
        Id { ms, seq: 0 }
    }

    fn proven(start: u64, entries: &[(u64, u64)], head: u64) -> Result<(), GapReason> {
        let timeline = Timeline { born_ms: 0, now_ms: 1_000, idle_ms: 900, ..Timeline::empty(0, 0) };
        let entries: Vec<(Id, Id)> = entries.iter().map(|(at, prev)| (id(*at), id(*prev))).collect();
        prove(&Proof { start: id(start), entries: &entries, head: id(head) }, |entry| *entry, &timeline)
    }

    #[test]
    fn nothing_was_trimmed_if_the_first_entry_follows_one_at_or_before_the_start() {
        assert_eq!(proven(500, &[(600, 500), (700, 600)], 0), Ok(()));
        assert_eq!(proven(500, &[(600, 400)], 0), Ok(()));
        assert_eq!(proven(500, &[(700, 600)], 0), Err(GapReason::Trimmed));
        assert_eq!(proven(500, &[(600, 500), (800, 700)], 0), Err(GapReason::Trimmed), "trimmed between two reads");
    }

    #[test]
    fn without_entries_the_head_must_not_lie_beyond() {
        assert_eq!(proven(500, &[], 500), Ok(()));
        assert_eq!(proven(500, &[], 600), Err(GapReason::Trimmed), "the stream is gone");
        assert_eq!(proven(500, &[], 0), Ok(()), "nothing was ever published there");
        assert_eq!(proven(50, &[], 0), Err(GapReason::Expired), "there may have been something");
    }
}
