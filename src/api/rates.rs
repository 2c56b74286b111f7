//! How many publications a publisher may make each second on this node: a token bucket for each.

use std::collections::HashMap;

/// Buckets hold one second's worth. A batch larger than what is left is let in and paid for by waiting afterwards; otherwise
/// a batch larger than the bucket could never pass.
pub(super) struct Rates {
    /// 0: no limit.
    per_s: u32,
    buckets: HashMap<String, Bucket>,
}

struct Bucket {
    /// In thousandths of a publication; negative while a batch is being paid for.
    level: i64,
    filled_ms: u64,
}

impl Rates {
    pub fn new(per_s: u32) -> Self {
        Self { per_s, buckets: HashMap::new() }
    }

    /// Lets the publisher in, or says after how many seconds to try again.
    pub fn admit(&mut self, publisher: &str, now_ms: u64) -> Result<(), u64> {
        if self.per_s == 0 {
            return Ok(());
        }
        let per_s = i64::from(self.per_s);
        let level = self.bucket(publisher, now_ms).level;
        if level >= ONE {
            return Ok(());
        }
        // A level in thousandths, filled with as many thousandths each millisecond as publications each second.
        let wait_ms = (ONE - level).div_euclid(per_s);
        Err(u64::try_from(wait_ms).unwrap_or(0).div_ceil(1_000).max(1))
    }

    /// Counts publications of a publisher who was let in.
    pub fn charge(&mut self, publisher: &str, publications: usize, now_ms: u64) {
        if self.per_s == 0 {
            return;
        }
        let cost = i64::try_from(publications).unwrap_or(i64::MAX / ONE).saturating_mul(ONE);
        let bucket = self.bucket(publisher, now_ms);
        bucket.level = bucket.level.saturating_sub(cost);
    }

    fn bucket(&mut self, publisher: &str, now_ms: u64) -> &mut Bucket {
        let per_s = i64::from(self.per_s);
        if !self.buckets.contains_key(publisher) && self.buckets.len() >= BUCKETS_MAX {
            self.buckets.retain(|_, bucket| bucket.fill(per_s, now_ms) < per_s * ONE);
        }
        // Should so many publish at once, the newcomers share one bucket.
        let known = self.buckets.len() < BUCKETS_MAX || self.buckets.contains_key(publisher);
        let name = if known { publisher } else { "" };
        let bucket = self.buckets.entry(name.to_owned()).or_insert(Bucket { level: per_s * ONE, filled_ms: now_ms });
        bucket.fill(per_s, now_ms);
        bucket
    }
}

impl Bucket {
    fn fill(&mut self, per_s: i64, now_ms: u64) -> i64 {
        let elapsed_ms = i64::try_from(now_ms.saturating_sub(self.filled_ms)).unwrap_or(i64::MAX);
        self.level = self.level.saturating_add(elapsed_ms.saturating_mul(per_s)).min(per_s * ONE);
        self.filled_ms = now_ms;
        self.level
    }
}

/// One publication.
const ONE: i64 = 1_000;

/// Publishers with a bucket that is not full; service tokens name their subjects, so there may be many.
const BUCKETS_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_fills_and_says_how_long_to_wait() {
        let mut rates = Rates::new(2);
        for _ in 0..2 {
            assert_eq!(rates.admit("a", 0), Ok(()));
            rates.charge("a", 1, 0);
        }
        assert_eq!(rates.admit("a", 0), Err(1));
        assert_eq!(rates.admit("b", 0), Ok(()));
        assert_eq!(rates.admit("a", 500), Ok(()));
        rates.charge("a", 9, 500);
        assert_eq!(rates.admit("a", 500), Err(5));
        assert_eq!(rates.admit("a", 5_000), Ok(()));
    }

    #[test]
    fn no_limit_keeps_nothing_and_many_publishers_stay_bounded() {
        let mut free = Rates::new(0);
        free.charge("a", usize::MAX, 0);
        assert_eq!(free.admit("a", 0), Ok(()));
        assert!(free.buckets.is_empty());
        let mut rates = Rates::new(1);
        for publisher in 0..10_000 {
            rates.charge(&publisher.to_string(), 1, 0);
        }
        assert!(rates.buckets.len() <= BUCKETS_MAX + 1);
    }
}
