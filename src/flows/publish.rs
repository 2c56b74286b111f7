//! Somebody publishes: the one way into the backplane for HTTP, sockets and the command line.

use std::sync::Arc;

use super::Services;
use super::deliver::LaneItem;
use crate::backplane::{Durability, Idempotency, PublishError, PublishRequest, Receipt};
use crate::event::{Partition, Publication, encode};

/// A publication with what its publisher asked for.
pub struct Publish {
    pub partition: Arc<Partition>,
    pub publication: Publication,
    pub idempotency: Option<Idempotency>,
    pub durability: Durability,
    /// Only the sockets of this node get it; it has no place in the log.
    pub local: bool,
    /// The way in, for the metrics: `http` or `socket`.
    pub way: &'static str,
}

impl Publish {
    pub fn new(partition: Arc<Partition>, publication: Publication, way: &'static str) -> Self {
        Self { partition, publication, idempotency: None, durability: Durability::Accepted, local: false, way }
    }
}

/// Publishes. Nothing reaches a socket before the backplane accepted it.
///
/// # Errors
/// As [`crate::backplane::Backplane::publish`].
pub async fn publish(services: &Services, publish: Publish) -> Result<Receipt, PublishError> {
    let started = services.clock.elapsed();
    let way = publish.way;
    let outcome = if publish.local {
        // As a volatile one, it carries the position that the sockets have reached, lest its last argument be taken for one.
        let position = services.lanes.position(&publish.partition);
        let item = LaneItem::Event { publication: publish.publication, id: None, position };
        services.outlet.deliver(&publish.partition, item).await;
        Ok(Receipt { position: None, duplicate: false, replicas: None })
    } else {
        services.backplane.publish(request(publish)).await
    };
    services.meters.publish_seconds.record(services.clock.since(started));
    services.meters.published(way, name(&outcome));
    outcome
}

fn request(publish: Publish) -> PublishRequest {
    PublishRequest {
        partition: publish.partition,
        topics: publish.publication.topics(),
        envelope: encode(&publish.publication).into(),
        volatile: publish.publication.volatile,
        idempotency: publish.idempotency,
        durability: publish.durability,
        fence: None,
        inbox_id: None,
    }
}

fn name(outcome: &Result<Receipt, PublishError>) -> &'static str {
    match outcome {
        Ok(receipt) if receipt.duplicate => "duplicate",
        Ok(_) => "ok",
        Err(PublishError::Conflict) => "conflict",
        Err(PublishError::Busy) => "busy",
        Err(PublishError::Fenced) => "fenced",
        Err(PublishError::Unavailable(_)) => "unavailable",
        Err(PublishError::NotReplicated { .. }) => "not_replicated",
    }
}
