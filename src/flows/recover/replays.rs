//! What the replays of a node share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::windows::Windows;
use crate::backplane::Unavailable;
pub use crate::backplane::resume::Caps;
use crate::backplane::resume::Timeline;
use crate::event::Partition;
use crate::flows::Services;

/// Bounds and shared reads of the replays of a node.
pub struct Replays {
    pub caps: Caps,
    places: Semaphore,
    pub(super) windows: Windows,
    timelines: Mutex<HashMap<Arc<Partition>, Arc<tokio::sync::Mutex<Shared>>>>,
    turns: AtomicU64,
}

/// A timeline, and in which turn its reading began.
#[derive(Default)]
struct Shared {
    began: u64,
    timeline: Option<Timeline>,
}

impl Replays {
    pub fn new(caps: Caps, parallel: usize) -> Self {
        Self {
            caps,
            places: Semaphore::new(parallel.clamp(1, Semaphore::MAX_PERMITS)),
            windows: Windows::default(),
            timelines: Mutex::default(),
            turns: AtomicU64::new(1),
        }
    }

    /// Lets go of what was read for others and is wanted no more.
    pub fn sweep(&self, now_ms: u64) {
        self.windows.sweep(now_ms);
    }

    /// A place among the replays under way; `None` if none was free in time.
    pub(super) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        tokio::time::timeout(PLACE_DEADLINE, self.places.acquire()).await.ok()?.ok()
    }

    /// The timeline as it was at some moment after this was called. One reads for all who came before it began.
    pub(super) async fn timeline(
        &self,
        services: &Services,
        partition: &Arc<Partition>,
    ) -> Result<Timeline, Unavailable> {
        let came = self.turns.fetch_add(1, Ordering::Relaxed);
        let shared = {
            let mut timelines = self.timelines.lock().unwrap_or_else(PoisonError::into_inner);
            timelines.entry(partition.clone()).or_default().clone()
        };
        let mut shared = shared.lock().await;
        if shared.began < came || shared.timeline.is_none() {
            shared.began = self.turns.fetch_add(1, Ordering::Relaxed);
            shared.timeline = None;
            shared.timeline = Some(services.sessions.timeline(partition).await?);
        }
        Ok(shared.timeline.clone().unwrap_or_else(|| Timeline::empty(0, 0)))
    }
}

/// A client waits for its CONNECT for 20 seconds by default.
const PLACE_DEADLINE: Duration = Duration::from_secs(10);
