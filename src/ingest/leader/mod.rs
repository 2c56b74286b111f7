//! One node per partition takes in what foreign publishers write.
//!
//! ```text
//!            control: takes and renews leases, decides what is listened to
//!               │ fence (per partition)
//!   channels ─► router: decodes ─► queue (per partition) ─► publisher ─► backplane
//!      inbox ─────────────────────────────────► settler (per partition) ─┘
//! ```
//!
//! Kept here: these tasks and the order in which they end. Deliberately absent: formats (the decoders beside this
//! folder) and Redis.
//!
//! Invariants: a message is published under the fence that held when it was heard, or not at all, so two nodes that both
//! think they lead never both publish it. Messages of one partition are published in the order in which they were heard.
//! A message is never taken for another because it says the same.

mod control;
mod publisher;
mod router;
mod seat;
mod settler;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Counters, Options};
use crate::backplane::{Backplane, Ingest};
use crate::event::Partition;
use control::Control;
use router::Router;
use seat::{Desk, QUEUE_MESSAGES_MAX, Seat};

/// The running ways in of this node.
#[derive(Debug)]
pub struct Leader {
    counters: Arc<Counters>,
    seats: Vec<Arc<Seat>>,
}

impl Leader {
    /// Starts the tasks; they end, and give leadership up, when the token is cancelled.
    ///
    /// Foreign formats know no tenants, so where several partitions have the same namespace, the first of them gets
    /// what comes in by channels; each has an inbox of its own. `clock` tells milliseconds since 1970.
    pub fn start(
        backplane: Arc<dyn Backplane>,
        ingest: Arc<dyn Ingest>,
        options: Options,
        partitions: Vec<Arc<Partition>>,
        tasks: (&TaskTracker, CancellationToken),
        clock: fn() -> u64,
    ) -> Self {
        let (tracker, stop) = tasks;
        let counters = Arc::new(Counters::default());
        let desk = Arc::new(Desk::new(backplane, ingest, options, Arc::clone(&counters), clock, stop));
        let seats: Vec<Arc<Seat>> = partitions.into_iter().map(|partition| Arc::new(Seat::new(partition))).collect();
        let crew = TaskTracker::new();
        let mut queues = Vec::new();
        for seat in &seats {
            let (jobs, queue) = mpsc::channel(QUEUE_MESSAGES_MAX);
            queues.push(jobs);
            crew.spawn(publisher::run(Arc::clone(&desk), Arc::clone(seat), queue));
            if desk.options.inbox {
                crew.spawn(settler::run(Arc::clone(&desk), Arc::clone(seat)));
            }
        }
        crew.spawn(Router::new(Arc::clone(&desk), seats.clone(), queues).run());
        crew.close();
        tracker.spawn(Control::new(desk, seats.clone(), crew).run());
        Self { counters, seats }
    }

    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// How many partitions this node leads now.
    pub fn leads(&self) -> usize {
        self.seats.iter().filter(|seat| seat.fence().is_some()).count()
    }
}
