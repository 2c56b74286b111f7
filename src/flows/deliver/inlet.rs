//! The bounded queue between the dispatcher and a lane's task.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use crate::backplane::{Arrival, offer};

/// The dispatcher's end: never waits, so that a slow partition holds up no other. What does not fit is dropped, and an
/// interruption is queued in its place, from which the lane heals.
#[derive(Debug)]
pub(super) struct Inlet {
    queue: mpsc::Sender<Arrival>,
    bytes: Arc<AtomicUsize>,
    /// The last thing queued was an interruption, so what is dropped now is told already.
    told: bool,
}

#[derive(Debug)]
pub(super) struct Outflow {
    queue: mpsc::Receiver<Arrival>,
    bytes: Arc<AtomicUsize>,
}

pub(super) fn inlet() -> (Inlet, Outflow) {
    let (sender, receiver) = mpsc::channel(ARRIVALS_MAX);
    let bytes = Arc::new(AtomicUsize::new(0));
    (Inlet { queue: sender, bytes: bytes.clone(), told: false }, Outflow { queue: receiver, bytes })
}

impl Inlet {
    pub(super) fn offer(&mut self, arrival: Arrival) {
        let weight = weight(&arrival);
        let full = self.bytes.load(Ordering::Acquire).saturating_add(weight) > BYTES_MAX;
        if !full {
            let interrupted = matches!(arrival, Arrival::Interrupted { .. });
            self.bytes.fetch_add(weight, Ordering::AcqRel);
            if offer(&self.queue, arrival) {
                self.told = interrupted;
            } else {
                self.bytes.fetch_sub(weight, Ordering::AcqRel);
                self.told = true;
            }
        } else if !self.told {
            offer(&self.queue, Arrival::Interrupted { partition: None });
            self.told = true;
        }
    }
}

impl Outflow {
    pub(super) async fn next(&mut self) -> Option<Arrival> {
        let arrival = self.queue.recv().await?;
        self.settle(&arrival);
        Some(arrival)
    }

    pub(super) fn next_ready(&mut self) -> Option<Arrival> {
        let arrival = self.queue.try_recv().ok()?;
        self.settle(&arrival);
        Some(arrival)
    }

    fn settle(&self, arrival: &Arrival) {
        self.bytes.fetch_sub(weight(arrival), Ordering::AcqRel);
    }
}

fn weight(arrival: &Arrival) -> usize {
    match arrival {
        Arrival::Sequenced(announcement) => announcement.envelope.len(),
        Arrival::Volatile { envelope, .. } => envelope.len(),
        Arrival::Interrupted { .. } | Arrival::Unreadable => 0,
    }
}

const ARRIVALS_MAX: usize = 4_096;
/// A single publication may be a megabyte; the largest must fit more than once.
const BYTES_MAX: usize = 32 << 20;
