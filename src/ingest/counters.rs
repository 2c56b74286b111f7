//! What came in and what became of it, by source and reason.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Neglect, Refusal, Source};

/// Counts of one process, read by the metrics room.
#[derive(Debug, Default)]
pub struct Counters {
    sources: [OfSource; Source::ALL.len()],
}

#[derive(Debug, Default)]
struct OfSource {
    received: AtomicU64,
    published: AtomicU64,
    ignored: [AtomicU64; Neglect::ALL.len()],
    refused: [AtomicU64; Refusal::ALL.len()],
    /// When a refusal was last logged.
    complained_at_ms: AtomicU64,
}

/// One source's counts; every message received ends as one of the others, or still waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    pub source: Source,
    pub received: u64,
    pub published: u64,
    pub ignored: Vec<(Neglect, u64)>,
    pub refused: Vec<(Refusal, u64)>,
}

impl Counters {
    pub fn snapshot(&self) -> Vec<Count> {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let count = |(&source, counts): (&Source, &OfSource)| Count {
            source,
            received: load(&counts.received),
            published: load(&counts.published),
            ignored: Neglect::ALL.iter().copied().zip(counts.ignored.iter().map(load)).collect(),
            refused: Refusal::ALL.iter().copied().zip(counts.refused.iter().map(load)).collect(),
        };
        Source::ALL.iter().zip(&self.sources).map(count).collect()
    }

    pub(super) fn received(&self, source: Source) {
        add(&self.sources[source as usize].received);
    }

    pub(super) fn published(&self, source: Source) {
        add(&self.sources[source as usize].published);
    }

    pub(super) fn ignored(&self, source: Source, neglect: Neglect) {
        add(&self.sources[source as usize].ignored[neglect as usize]);
    }

    /// Counts, and logs once per source and minute; never what the message said.
    pub(super) fn refused(&self, source: Source, refusal: Refusal, now_ms: u64) {
        let counts = &self.sources[source as usize];
        add(&counts.refused[refusal as usize]);
        let last = counts.complained_at_ms.load(Ordering::Relaxed);
        let due = last == 0 || now_ms >= last.saturating_add(COMPLAINT_EVERY_MS);
        // Of several at once one wins, and speaks for all.
        let won =
            |at: &AtomicU64| at.compare_exchange(last, now_ms.max(1), Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if due && won(&counts.complained_at_ms) {
            let total: u64 = counts.refused.iter().map(|count| count.load(Ordering::Relaxed)).sum();
            tracing::warn!(
                source = source.as_str(),
                reason = refusal.as_str(),
                total,
                "message from a backend refused"
            );
        }
    }
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

const COMPLAINT_EVERY_MS: u64 = 60_000;
