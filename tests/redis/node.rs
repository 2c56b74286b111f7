//! A node's view of Redis: a backplane with its tasks, and short words for what the tests do with it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanfare::backplane::{
    self, Announcement, Arrival, Backplane as _, Durability, Idempotency, PublishError, PublishRequest, Receipt,
};
use fanfare::event::{Id, Partition, Topic};
use fanfare::ids::{Namespace, NodeId, Room, Tenant};
use fanfare::redis::{Options, RedisBackplane, connect};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub struct Node {
    pub redis: Arc<RedisBackplane>,
    pub arrivals: mpsc::Receiver<Arrival>,
    pub partition: Arc<Partition>,
    stop: CancellationToken,
}

impl Node {
    pub async fn on(url: &str) -> Self {
        Self::with(options(url), backplane::Options::default()).await
    }

    pub async fn with(options: Options, limits: backplane::Options) -> Self {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let redis = Arc::new(connect(options, limits, &tracker, &stop).await.unwrap());
        let arrivals = redis.arrivals().unwrap();
        Self { redis, arrivals, partition: partition("/"), stop }
    }

    pub async fn watch(&self, topics: &[Topic]) -> backplane::Heads {
        self.redis.watch(&self.partition, topics).await.unwrap()
    }

    pub async fn publish(&self, topic: &Topic, envelope: &str) -> Id {
        self.send(self.request(std::slice::from_ref(topic), envelope)).await.unwrap().position.unwrap().id
    }

    pub async fn send(&self, request: PublishRequest) -> Result<Receipt, PublishError> {
        self.redis.publish(request).await
    }

    pub fn request(&self, topics: &[Topic], envelope: &str) -> PublishRequest {
        PublishRequest {
            partition: self.partition.clone(),
            topics: topics.iter().cloned().collect(),
            envelope: Bytes::copy_from_slice(envelope.as_bytes()),
            volatile: false,
            idempotency: None,
            durability: Durability::Accepted,
            fence: None,
            inbox_id: None,
        }
    }

    pub fn once(&self, topic: &Topic, envelope: &str, key: &str, digest: &str) -> PublishRequest {
        let idempotency = Some(Idempotency { key: key.into(), digest: digest.into(), lifetime_ms: None });
        PublishRequest { idempotency, ..self.request(std::slice::from_ref(topic), envelope) }
    }

    /// The next arrival of any kind.
    pub async fn arrival(&mut self) -> Arrival {
        tokio::time::timeout(Duration::from_secs(20), self.arrivals.recv()).await.expect("something arrives").unwrap()
    }

    /// The next stored publication; whatever else arrives before it is passed over.
    pub async fn announcement(&mut self) -> Announcement {
        loop {
            if let Arrival::Sequenced(announcement) = self.arrival().await {
                return announcement;
            }
        }
    }

    pub async fn interrupted(&mut self) {
        while !matches!(self.arrival().await, Arrival::Interrupted { .. }) {}
    }

    pub async fn all_entries(&self, topic: &Topic) -> Vec<backplane::Entry> {
        let last = Id { ms: u64::MAX, seq: u64::MAX };
        self.redis.read(&self.partition, topic, Id::ZERO, last, 10_000).await.unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub fn options(url: &str) -> Options {
    let mut random = [0; 9];
    getrandom::fill(&mut random).unwrap();
    Options::new(url, NodeId::from_random(random), Tenant::new("default").unwrap())
}

pub fn partition(namespace: &str) -> Arc<Partition> {
    Partition::new(Tenant::new("default").unwrap(), Namespace::new(namespace).unwrap())
}

pub fn room(name: &str) -> Topic {
    Topic::Room(Room::new(name).unwrap())
}

/// Waits for a condition, at most twenty seconds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waited = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), waited).await.is_ok(), "never happened: {what}");
}
