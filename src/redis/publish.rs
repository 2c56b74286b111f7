//! The publish path: bounds, the function call, and what its answer means.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fred::clients::Client;
use fred::interfaces::ClientLike as _;
use fred::types::Value;
use fred::util::redis_keyslot;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

use super::announcement;
use super::canary::Canaries;
use super::client::{Connector, late, unavailable};
use super::counters::Counters;
use super::keys::{Keys, topic_name};
use super::library::{Call, Function, Library, command, options};
use crate::backplane::{self, Durability, PublishError, PublishRequest, Receipt, Unavailable};
use crate::event::{Epoch, Position};

pub(super) struct Publisher {
    pub(super) client: Client,
    pub(super) library: Arc<Library>,
    pub(super) connector: Connector,
    pub(super) keys: Keys,
    pub(super) limits: backplane::Options,
    pub(super) counters: Arc<Counters>,
    pub(super) canaries: Arc<Canaries>,
    /// Makes the epochs of this node's partitions unlike all others, and the tokens of its volatile publications.
    pub(super) nonce: String,
    /// What the publish function is told of the limits, and the nonce.
    pub(super) settings: String,
    /// Volatile publications of several topics so far.
    pub(super) volatiles: AtomicU64,
    pub(super) under_way: Semaphore,
    pub(super) bytes_under_way: Semaphore,
    /// WAIT holds up whatever comes after it on its connection, so those publishes have their own.
    pub(super) waiting: OnceCell<Client>,
}

impl Publisher {
    pub(super) async fn publish(&self, request: PublishRequest) -> Result<Receipt, PublishError> {
        let answer = self.bounded(request).await;
        let counter = match &answer {
            Ok(Receipt { duplicate: true, .. }) => &self.counters.duplicates,
            Ok(_) => &self.counters.published,
            Err(PublishError::Conflict) => &self.counters.conflicts,
            Err(PublishError::Busy) => &self.counters.busy,
            Err(PublishError::Fenced) => &self.counters.fenced,
            Err(PublishError::Unavailable(_)) => &self.counters.unavailable,
            Err(PublishError::NotReplicated { .. }) => &self.counters.not_replicated,
        };
        counter.add(1);
        answer
    }

    async fn bounded(&self, request: PublishRequest) -> Result<Receipt, PublishError> {
        let bytes = request.envelope.len().min(self.limits.in_flight_bytes);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let _place = self.under_way.try_acquire().map_err(|_| PublishError::Busy)?;
        let _room = self.bytes_under_way.try_acquire_many(bytes).map_err(|_| PublishError::Busy)?;
        let deadline = self.deadline();
        let sent = async { if request.volatile { self.announce(&request).await } else { self.store(&request).await } };
        tokio::time::timeout(deadline, sent).await.unwrap_or_else(|_| Err(PublishError::Unavailable(late(deadline))))
    }

    async fn announce(&self, request: &PublishRequest) -> Result<Receipt, PublishError> {
        let client = self.client.with_options(&options(self.deadline()));
        let token = (request.topics.len() > 1).then(|| self.volatile_token());
        let message = announcement::volatile(token.as_deref(), &request.envelope);
        let sent = request.topics.iter().map(|topic| {
            let channel = self.keys.channel(&request.partition, topic);
            let slot = redis_keyslot(channel.as_bytes());
            client.custom::<Value, _>(
                command(self.announce_verb(), slot),
                vec![Value::from(channel), Value::Bytes(message.clone())],
            )
        });
        futures::future::try_join_all(sent).await.map_err(|error| unavailable(&error, self.deadline()))?;
        self.canaries.command_succeeded();
        Ok(Receipt { position: None, duplicate: false, replicas: None })
    }

    /// Unlike any other of any node.
    fn volatile_token(&self) -> String {
        format!("{}-{}", self.nonce, self.volatiles.fetch_add(1, Ordering::Relaxed))
    }

    async fn store(&self, request: &PublishRequest) -> Result<Receipt, PublishError> {
        let (deadline, call) = (self.deadline(), self.call(request));
        let (answer, replicas) = match request.durability {
            Durability::Accepted => (self.library.call(&call, deadline).await, None),
            Durability::Replicated(wanted) => {
                let started = Instant::now();
                let client = self.waiting_client().await?;
                let left = deadline.saturating_sub(started.elapsed());
                match self.library.call_and_wait(client, &call, wanted, left).await {
                    Ok((answer, confirmed)) => (Ok(answer), Some((confirmed, wanted))),
                    Err(error) => (Err(error), None),
                }
            }
        };
        let answer = answer.map_err(|error| unavailable(&error, deadline))?;
        self.canaries.command_succeeded();
        let mut receipt = understand(answer)?;
        if let Some((confirmed, wanted)) = replicas {
            if confirmed < wanted {
                return Err(PublishError::NotReplicated { confirmed, wanted });
            }
            receipt.replicas = Some(confirmed);
        }
        Ok(receipt)
    }

    fn call(&self, request: &PublishRequest) -> Call {
        let partition = &request.partition;
        let mut keys = vec![self.keys.head(partition), self.keys.written(partition)];
        let mut args = vec![Value::Bytes(request.envelope.clone()), Value::from(self.settings.as_str())];
        let must_write = matches!(request.durability, Durability::Replicated(_));
        if request.fence.is_some() || request.idempotency.is_some() || request.inbox_id.is_some() {
            let once = request.idempotency.as_ref().map(|once| self.keys.once(partition, &once.key));
            let fence = self.keys.fence(partition);
            let digest = request.idempotency.as_ref().map_or_else(String::new, |once| format!("={}", once.digest));
            keys.extend([fence.clone(), once.unwrap_or(fence), self.keys.inbox(partition)]);
            args.extend([
                Value::from("1"),
                Value::from(request.fence.map_or_else(String::new, |fence| fence.0.to_string())),
                Value::from(digest),
                Value::from(self.lifetime_ms(request).to_string()),
                Value::from(request.inbox_id.clone().unwrap_or_default()),
                Value::from(if must_write { "1" } else { "" }),
            ]);
        } else {
            args.push(Value::from(""));
        }
        for topic in &request.topics {
            keys.push(self.keys.stream(partition, topic));
            keys.push(self.keys.topic(partition, topic));
            args.push(Value::from(topic_name(topic)));
            args.push(Value::from(self.keys.channel(partition, topic)));
        }
        Call { function: Function::Publish, keys, args }
    }

    /// In the order in which the publish function reads them.
    pub(super) fn settings(announce: &str, limits: &backplane::Options, nonce: &str) -> String {
        let (entries, age_ms) = (limits.history_entries.max(1), limits.history_age_s.max(1) * 1_000);
        format!("{announce} {entries} {} {age_ms} {nonce}", limits.history_bytes)
    }

    fn lifetime_ms(&self, request: &PublishRequest) -> u64 {
        let asked = request.idempotency.as_ref().and_then(|once| once.lifetime_ms);
        asked.unwrap_or(self.limits.idempotency_ttl_s.saturating_mul(1_000)).max(1)
    }

    async fn waiting_client(&self) -> Result<&Client, Unavailable> {
        let opened = self.waiting.get_or_try_init(|| self.connector.open(32)).await;
        opened.map_err(|error| Unavailable(error.to_string()))
    }

    pub(super) fn announce_verb(&self) -> &'static str {
        announce_verb(&self.connector)
    }

    fn deadline(&self) -> Duration {
        Duration::from_millis(self.limits.deadline_ms)
    }
}

/// In a Cluster only sharded channels stay on the shard of their partition.
pub(super) fn announce_verb(connector: &Connector) -> &'static str {
    if connector.is_cluster() { "SPUBLISH" } else { "PUBLISH" }
}

fn understand(answer: Value) -> Result<Receipt, PublishError> {
    let words: Vec<Bytes> = answer.into_array().into_iter().filter_map(Value::into_bytes).collect();
    let word = |at: usize| words.get(at).and_then(|word| std::str::from_utf8(word).ok()).unwrap_or_default();
    let duplicate = match word(0) {
        "stored" => false,
        "duplicate" => true,
        "settled" => return Ok(Receipt { position: None, duplicate: true, replicas: None }),
        "conflict" => return Err(PublishError::Conflict),
        "fenced" => return Err(PublishError::Fenced),
        _ => return Err(PublishError::Unavailable(strange())),
    };
    let epoch = Epoch::new(word(1)).ok_or_else(strange)?;
    let id = word(2).parse().map_err(|_| strange())?;
    Ok(Receipt { position: Some(Position { epoch, id }), duplicate, replicas: None })
}

fn strange() -> Unavailable {
    Unavailable("the publish function answered something unknown".to_owned())
}
