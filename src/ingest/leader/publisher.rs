//! Publishes what is queued for one partition, one message after the other.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::seat::{Desk, Job, Seat};
use crate::backplane::{Fence, PublishError, PublishRequest, Receipt};
use crate::ingest::Refusal;

/// Ends when the router has closed the queue and it is empty.
pub(super) async fn run(desk: Arc<Desk>, seat: Arc<Seat>, mut queue: mpsc::Receiver<Job>) {
    while let Some(job) = queue.recv().await {
        let patient = timeout(PATIENCE, publish(&desk, &seat, job.fence, &job.request));
        match patient.await.unwrap_or(Err(Refusal::Unavailable)) {
            Ok(_) => desk.counters.published(job.source),
            Err(refusal) => desk.counters.refused(job.source, refusal, desk.now_ms()),
        }
    }
}

/// Tries until the backplane says yes or no, or the fence is lost. The request is the same every time, and so is its
/// idempotency key; a volatile message is tried once.
pub(super) async fn publish(
    desk: &Desk,
    seat: &Seat,
    fence: Fence,
    request: &PublishRequest,
) -> Result<Receipt, Refusal> {
    let mut pause = PAUSE_FIRST;
    loop {
        if seat.fence() != Some(fence) {
            return Err(Refusal::Fenced);
        }
        match desk.backplane.publish(request.clone()).await {
            Ok(receipt) => return Ok(receipt),
            // It is stored, and nobody asked for replicas.
            Err(PublishError::NotReplicated { .. }) => {
                return Ok(Receipt { position: None, duplicate: false, replicas: None });
            }
            Err(PublishError::Conflict) => return Err(Refusal::Conflict),
            Err(PublishError::Fenced) => {
                desk.step_down(seat, fence);
                return Err(Refusal::Fenced);
            }
            Err(PublishError::Busy | PublishError::Unavailable(_)) => {}
        }
        if request.volatile && request.inbox_id.is_none() {
            return Err(Refusal::Unavailable);
        }
        tokio::select! {
            () = seat.lost(fence) => return Err(Refusal::Fenced),
            () = sleep(pause) => {}
        }
        pause = PAUSE_LONGEST.min(pause * 2);
    }
}

/// How long one message may hold up those behind it.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_LONGEST: Duration = Duration::from_millis(500);
