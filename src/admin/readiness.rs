//! How far the process is: starting, ready, draining.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Where a process stands between its start and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Starting,
    Ready,
    /// No way leads back from here.
    Draining,
}

/// Written by `app/`, read by the admin port. Shared between threads, hence atomic: there is nothing to wait for.
#[derive(Debug)]
pub struct Readiness {
    stage: AtomicU8,
    proven: AtomicBool,
}

impl Readiness {
    pub fn new() -> Self {
        Self { stage: AtomicU8::new(STARTING), proven: AtomicBool::new(false) }
    }

    pub fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            STARTING => Stage::Starting,
            READY => Stage::Ready,
            _ => Stage::Draining,
        }
    }

    /// The ports are open. Does nothing to a process that drains already: a signal may come during the start.
    pub fn ready(&self) {
        let _ = self.stage.compare_exchange(STARTING, READY, Ordering::AcqRel, Ordering::Acquire);
    }

    pub fn drain(&self) {
        self.stage.store(DRAINING, Ordering::Release);
    }

    /// The backplane was seen to work.
    pub(super) fn prove(&self) {
        self.proven.store(true, Ordering::Release);
    }

    /// Whether the backplane was ever seen to work.
    pub(super) fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Acquire)
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_drains_never_becomes_ready_again() {
        let readiness = Readiness::new();
        assert_eq!(readiness.stage(), Stage::Starting);
        readiness.ready();
        assert_eq!(readiness.stage(), Stage::Ready);
        readiness.drain();
        readiness.ready();
        assert_eq!(readiness.stage(), Stage::Draining);
    }
}
