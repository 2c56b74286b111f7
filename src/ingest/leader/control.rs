//! Takes and renews the leases, and decides from them what is listened to.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::task::TaskTracker;

use super::seat::{Desk, Seat};
use crate::ids::Namespace;
use crate::ingest::channels::Heard;

pub(super) struct Control {
    desk: Arc<Desk>,
    seats: Vec<Arc<Seat>>,
    /// The other tasks of this leader.
    crew: TaskTracker,
    heard: Heard,
}

impl Control {
    pub(super) fn new(desk: Arc<Desk>, seats: Vec<Arc<Seat>>, crew: TaskTracker) -> Self {
        Self { desk, seats, crew, heard: Heard::default() }
    }

    /// Inputs: the stop token ends it; a step-down changes what is listened to at once; the tick renews the leases.
    pub(super) async fn run(mut self) {
        let mut tick = interval(RENEW_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let desk = Arc::clone(&self.desk);
        loop {
            tokio::select! {
                biased;
                () = desk.stop.cancelled() => break,
                () = desk.changed.notified() => self.listen().await,
                _ = tick.tick() => {
                    self.renew().await;
                    self.listen().await;
                }
            }
        }
        self.end().await;
    }

    async fn renew(&self) {
        let claims = self.seats.iter().map(|seat| self.desk.ingest.lead(&seat.partition));
        for (seat, claim) in self.seats.iter().zip(join_all(claims).await) {
            // While the backplane cannot be asked, nothing changes: if somebody else took the lease meanwhile, our fence
            // is worth nothing and publishing under it tells.
            let Ok(fence) = claim else { continue };
            if seat.set(fence) {
                let namespace = seat.partition.namespace.as_str();
                tracing::debug!(namespace, leads = fence.is_some(), "leadership of the ways in changed");
            }
        }
    }

    /// Makes what is listened to match what is led. First what is too much goes: for a moment nothing is heard rather
    /// than something twice.
    async fn listen(&mut self) {
        let led: Vec<&Namespace> = self.led().map(|seat| &seat.partition.namespace).collect();
        let wanted = Heard::wanted(&self.desk.options, &led);
        let gone = self.heard.without(&wanted);
        if !gone.is_empty() {
            let (channels, patterns) = gone.lists();
            self.desk.ingest.unlisten(&channels, &patterns).await;
            self.heard = self.heard.without(&gone);
        }
        let fresh = wanted.without(&self.heard);
        if !fresh.is_empty() {
            let (channels, patterns) = fresh.lists();
            // Not confirmed is not heard; the next tick tries again.
            if self.desk.ingest.listen(&channels, &patterns).await.is_ok() {
                self.heard = wanted;
            }
        }
    }

    fn led(&self) -> impl Iterator<Item = &Arc<Seat>> {
        self.seats.iter().filter(|seat| seat.fence().is_some())
    }

    /// Stops hearing, lets what was heard be published, and only then lets a successor lead.
    async fn end(self) {
        if !self.heard.is_empty() {
            let (channels, patterns) = self.heard.lists();
            self.desk.ingest.unlisten(&channels, &patterns).await;
        }
        if timeout(DRAIN_FOR, self.crew.wait()).await.is_err() {
            tracing::warn!("messages from backends were left unpublished at the end");
        }
        for seat in &self.seats {
            if let Some(fence) = seat.fence() {
                seat.set(None);
                self.desk.ingest.resign(&seat.partition, fence).await;
            }
        }
    }
}

/// A quarter of the lease of two seconds, so that one lost answer does not cost it.
const RENEW_EVERY: Duration = Duration::from_millis(500);
/// Longest wait for what is queued when the node stops.
const DRAIN_FOR: Duration = Duration::from_secs(2);
