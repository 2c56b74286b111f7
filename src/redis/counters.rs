//! Counts of what happened between this node and Redis; whoever owns the metrics reads them.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub struct Counters {
    pub(super) published: Count,
    pub(super) duplicates: Count,
    pub(super) conflicts: Count,
    pub(super) busy: Count,
    pub(super) fenced: Count,
    pub(super) unavailable: Count,
    pub(super) not_replicated: Count,
    pub(super) arrivals: Count,
    pub(super) unreadable: Count,
    pub(super) lagged: Count,
    pub(super) overflowed: Count,
    pub(super) interrupts: Count,
    pub(super) resubscriptions: Count,
    pub(super) replacements: Count,
    pub(super) reloads: Count,
    pub(super) foreign_lost: Count,
    pub(super) canary_age_ms: Count,
}

/// [`Counters`] at one moment. All but `canary_age_ms` only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub published: u64,
    pub duplicates: u64,
    pub conflicts: u64,
    pub busy: u64,
    pub fenced: u64,
    pub unavailable: u64,
    pub not_replicated: u64,
    pub arrivals: u64,
    /// Messages on watched channels that are no announcements.
    pub unreadable: u64,
    /// Messages that fred's own channel dropped because the pump was late.
    pub lagged: u64,
    /// Arrivals dropped because the lanes were late.
    pub overflowed: u64,
    pub interrupts: u64,
    /// Times that every channel was subscribed to again.
    pub resubscriptions: u64,
    /// Connections given up because they were silent.
    pub replacements: u64,
    /// Times that the function library had to be loaded again.
    pub reloads: u64,
    pub foreign_lost: u64,
    /// Age of the oldest connection's last canary.
    pub canary_age_ms: u64,
}

impl Counters {
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            published: self.published.value(),
            duplicates: self.duplicates.value(),
            conflicts: self.conflicts.value(),
            busy: self.busy.value(),
            fenced: self.fenced.value(),
            unavailable: self.unavailable.value(),
            not_replicated: self.not_replicated.value(),
            arrivals: self.arrivals.value(),
            unreadable: self.unreadable.value(),
            lagged: self.lagged.value(),
            overflowed: self.overflowed.value(),
            interrupts: self.interrupts.value(),
            resubscriptions: self.resubscriptions.value(),
            replacements: self.replacements.value(),
            reloads: self.reloads.value(),
            foreign_lost: self.foreign_lost.value(),
            canary_age_ms: self.canary_age_ms.value(),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    pub(super) fn set(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
