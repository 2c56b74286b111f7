//! Settles the entries of one partition's inbox, each exactly once: published and acknowledged in one step, or discarded.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::publisher::publish;
use super::seat::{Desk, Seat};
use crate::backplane::{Fence, InboxEntry, Receipt};
use crate::ingest::{Outcome, Refusal, Source, inbox};

/// Inputs: the stop token ends it between two attempts; while this node leads, entries are read and settled in order.
pub(super) async fn run(desk: Arc<Desk>, seat: Arc<Seat>) {
    loop {
        tokio::select! {
            biased;
            () = desk.stop.cancelled() => return,
            fence = seat.led() => reign(&desk, &seat, fence).await,
        }
    }
}

/// Reads and settles under one fence, until it is lost or the node stops.
async fn reign(desk: &Desk, seat: &Seat, fence: Fence) {
    loop {
        let entries = tokio::select! {
            biased;
            () = desk.stop.cancelled() => return,
            () = seat.lost(fence) => return,
            entries = desk.ingest.inbox(&seat.partition, BATCH) => entries,
        };
        let Ok(entries) = entries else {
            sleep(PAUSE).await;
            continue;
        };
        for entry in entries {
            // What is not settled stays pending for whoever leads next.
            let settled = tokio::select! {
                biased;
                () = desk.stop.cancelled() => return,
                settled = settle(desk, seat, fence, &entry) => settled,
            };
            if !settled {
                return;
            }
        }
    }
}

/// Whether the entry needs no further care. An unavailable backplane is waited for: the entry is safe where it is.
async fn settle(desk: &Desk, seat: &Seat, fence: Fence, entry: &InboxEntry) -> bool {
    desk.counters.received(Source::Inbox);
    let decoded = match decode(desk, seat, entry) {
        Outcome::Decoded(decoded) => decoded,
        Outcome::Ignored(neglect) => {
            desk.counters.ignored(Source::Inbox, neglect);
            return discard(desk, seat, fence, entry).await;
        }
        Outcome::Refused(refusal) => return refuse(desk, seat, fence, entry, refusal).await,
    };
    let mut request = desk.request(seat, &decoded, fence);
    if decoded.idempotency_key.is_none() {
        // The entry's own id already makes it unique.
        request.idempotency = None;
    }
    request.inbox_id = Some(entry.id.clone());
    // A volatile publish settles nothing, and a known key answers before the entry is looked at.
    let unsettled = |receipt: &Receipt| request.volatile || (receipt.duplicate && request.idempotency.is_some());
    match publish(desk, seat, fence, &request).await {
        Ok(receipt) => {
            desk.counters.published(Source::Inbox);
            if unsettled(&receipt) { discard(desk, seat, fence, entry).await } else { true }
        }
        Err(Refusal::Fenced) => false,
        Err(refusal) => refuse(desk, seat, fence, entry, refusal).await,
    }
}

fn decode(desk: &Desk, seat: &Seat, entry: &InboxEntry) -> Outcome {
    let bytes: usize = entry.fields.iter().map(|(name, text)| name.len() + text.len()).sum();
    if bytes > desk.options.message_bytes_max {
        return Outcome::Refused(Refusal::TooLarge);
    }
    inbox::decode(&seat.partition.namespace, &entry.fields, desk.now_ms())
}

async fn refuse(desk: &Desk, seat: &Seat, fence: Fence, entry: &InboxEntry, refusal: Refusal) -> bool {
    desk.counters.refused(Source::Inbox, refusal, desk.now_ms());
    discard(desk, seat, fence, entry).await
}

async fn discard(desk: &Desk, seat: &Seat, fence: Fence, entry: &InboxEntry) -> bool {
    while seat.fence() == Some(fence) {
        if desk.ingest.discard(&seat.partition, &entry.id).await.is_ok() {
            return true;
        }
        sleep(PAUSE).await;
    }
    false
}

/// Entries read at once; a stopping node leaves at most so many to its successor.
const BATCH: usize = 64;
const PAUSE: Duration = Duration::from_millis(200);
