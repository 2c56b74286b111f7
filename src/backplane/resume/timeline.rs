//! Which ids were written to the log as it is now.

use crate::event::{Epoch, Id};

/// A partition's log as far as proofs need it.
///
/// A change of the process that writes (restart, fail-over, re-promotion) begins a segment: its lineage, and the last id that
/// it found. An id is on the timeline if it lies in the segment of its own lineage; if not, it was written to a tail that is
/// lost. No clock and no coordinator is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// `None` while nothing was ever published.
    pub epoch: Option<Epoch>,
    /// Last id of the partition.
    pub last: Id,
    /// Lineage and the last id before it, oldest first.
    pub segments: Vec<(u32, Id)>,
    /// First millisecond of the epoch.
    pub born_ms: u64,
    /// The backplane's clock as this was read.
    pub now_ms: u64,
    /// After how long an idle topic may have lost its head, in milliseconds.
    pub idle_ms: u64,
}

impl Timeline {
    /// A partition in which nothing was ever published.
    pub fn empty(now_ms: u64, idle_ms: u64) -> Self {
        Self { epoch: None, last: Id::ZERO, segments: Vec::new(), born_ms: 0, now_ms, idle_ms }
    }

    /// Reads `lineage@last id before it,…`; what cannot be read is left out, and so proves nothing.
    pub fn segments(text: &str) -> Vec<(u32, Id)> {
        let segment = |part: &str| {
            let (lineage, found) = part.split_once('@')?;
            Some((lineage.parse().ok()?, found.parse().ok()?))
        };
        text.split(',').filter_map(segment).collect()
    }

    /// Whether everything up to `id` that was ever stored is in the log, or was there until it was trimmed.
    pub fn holds(&self, id: Id) -> bool {
        if id == Id::ZERO {
            return true;
        }
        self.segments.iter().enumerate().any(|(at, (lineage, found))| {
            let end = self.segments.get(at + 1).map_or(self.last, |(_, found)| *found);
            *lineage == id.lineage() && *found < id && id <= end
        })
    }

    /// Whether a topic that has no head has had none since `since_ms`: it would still be there.
    pub fn remembers(&self, since_ms: u64) -> bool {
        self.now_ms < since_ms.max(self.born_ms).saturating_add(self.idle_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: u64, lineage: u64) -> Id {
        Id { ms, seq: lineage << 20 }
    }

    fn timeline(text: &[(u64, Id)], last: Id) -> Timeline {
        let text: Vec<String> = text.iter().map(|(lineage, found)| format!("{lineage}@{found}")).collect();
        Timeline { last, segments: Timeline::segments(&text.join(",")), ..Timeline::empty(0, 0) }
    }

    #[test]
    fn a_lost_tail_is_off_the_timeline_although_its_ids_are_lower_than_later_ones() {
        // 1 wrote up to 150; 2 was promoted with what was there up to 100, and writes from 200 on.
        let timeline = timeline(&[(1, Id::ZERO), (2, id(100, 1))], id(210, 2));
        assert!(timeline.holds(id(100, 1)) && timeline.holds(id(200, 2)));
        assert!(!timeline.holds(id(150, 1)), "of the lost tail");
        assert!(!timeline.holds(id(90, 2)), "2 wrote nothing before it was promoted");
        assert!(!timeline.holds(id(220, 2)), "not written yet");
        assert!(!timeline.holds(id(50, 3)), "of nobody");
    }

    #[test]
    fn a_tail_is_lost_before_the_successor_has_written_anything() {
        let timeline = timeline(&[(1, Id::ZERO)], id(100, 1));
        assert!(timeline.holds(id(100, 1)) && !timeline.holds(id(150, 1)));
    }

    /// A wrote to 150, B was promoted with 100 and wrote to 130, C with only 95, then A, which had followed C up to 160.
    #[test]
    fn double_fail_over_and_re_promotion_leave_exactly_what_survived() {
        let (a, b, c, again) = (1, 2, 3, 4);
        let last = id(170, again);
        let timeline = timeline(&[(a, Id::ZERO), (c, id(95, a)), (again, id(160, c))], last);
        for lost in [id(150, a), id(130, b), id(100, a), id(165, c)] {
            assert!(!timeline.holds(lost), "{lost}");
        }
        for kept in [id(95, a), id(160, c), id(161, again), last] {
            assert!(timeline.holds(kept), "{kept}");
        }
    }

    #[test]
    fn what_cannot_be_read_proves_nothing() {
        assert_eq!(Timeline::segments("x@1-1,2@,,3@4-5"), [(3, Id { ms: 4, seq: 5 })]);
        assert!(!Timeline { last: id(9, 1), ..Timeline::empty(0, 0) }.holds(id(5, 1)));
    }

    #[test]
    fn a_missing_head_is_trusted_as_long_as_it_could_not_have_expired() {
        let timeline = Timeline { born_ms: 1_000, now_ms: 5_000, idle_ms: 3_000, ..Timeline::empty(0, 0) };
        assert!(timeline.remembers(2_500) && !timeline.remembers(2_000) && !timeline.remembers(0));
        assert!(Timeline { now_ms: 3_000, ..timeline }.remembers(0), "the log is younger than that");
    }
}
