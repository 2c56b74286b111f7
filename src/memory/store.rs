//! The logs of all partitions and the queues of the nodes that watch them; everything here happens under one lock.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use smallvec::SmallVec;
use tokio::sync::mpsc;

use super::log::Log;
use super::records::Records;
use crate::backplane::resume::{Claim, Claimant, Save, Saved, Timeline};
use crate::backplane::{
    Announcement, Arrival, Durability, Entry, Heads, Options, PublishError, PublishRequest, Receipt, offer,
};
use crate::event::{Epoch, Id, Partition, Position, Topic};
use crate::ids::PrivateId;

pub(super) struct Store {
    options: Options,
    /// Random, so that no two processes make the same ids or epochs.
    seed: u64,
    epochs_made: u64,
    logs: HashMap<Arc<Partition>, Log>,
    records: Records,
    nodes: Vec<Node>,
    swept_ms: u64,
}

/// Names a node of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeKey(u64);

struct Node {
    key: NodeKey,
    queue: mpsc::Sender<Arrival>,
    watched: HashMap<Arc<Partition>, HashSet<Topic>>,
}

impl Store {
    pub(super) fn new(options: Options, seed: u64, now_ms: u64) -> Self {
        Self {
            options,
            seed,
            epochs_made: 0,
            logs: HashMap::new(),
            records: Records::default(),
            nodes: Vec::new(),
            swept_ms: now_ms,
        }
    }

    pub(super) fn join(&mut self, queue: mpsc::Sender<Arrival>) -> NodeKey {
        let key = NodeKey(self.nodes.iter().map(|node| node.key.0 + 1).max().unwrap_or(0));
        self.nodes.push(Node { key, queue, watched: HashMap::new() });
        key
    }

    pub(super) fn leave(&mut self, key: NodeKey) {
        self.nodes.retain(|node| node.key != key);
    }

    /// There is no leader and no inbox in one process, so a fence always holds and an inbox id means nothing.
    pub(super) fn publish(&mut self, request: PublishRequest, now_ms: u64) -> Result<Receipt, PublishError> {
        self.sweep(now_ms);
        let idempotency = request.idempotency.filter(|_| !request.volatile);
        if let Some(asked) = &idempotency
            && let Some(log) = self.logs.get_mut(&request.partition)
        {
            log.answers.expire(now_ms);
            if let Some(first) = log.answers.find(asked)? {
                return replicated(first, request.durability);
            }
        }
        let arrival;
        let position = if request.volatile {
            arrival = Arrival::Volatile { partition: request.partition.clone(), envelope: request.envelope };
            None
        } else {
            let lineage = self.lineage();
            let options = self.options.clone();
            let log = self.log(&request.partition, now_ms);
            let (id, topics) = log.append(&request.topics, &request.envelope, lineage, now_ms, &options);
            let epoch = log.epoch.clone();
            let position = Position { epoch: epoch.clone(), id };
            let partition = request.partition.clone();
            arrival = Arrival::Sequenced(Announcement { partition, epoch, id, topics, envelope: request.envelope });
            Some(position)
        };
        let receipt = Receipt { position, duplicate: false, replicas: None };
        if let Some(asked) = idempotency {
            let lifetime_ms = asked.lifetime_ms.unwrap_or(self.options.idempotency_ttl_s.saturating_mul(1_000));
            let expires_ms = now_ms.saturating_add(lifetime_ms);
            self.log(&request.partition, now_ms).answers.keep(asked, receipt.clone(), expires_ms);
        }
        self.announce(&request.partition, &request.topics, &arrival);
        replicated(receipt, request.durability)
    }

    pub(super) fn watch(&mut self, key: NodeKey, partition: &Arc<Partition>, topics: &[Topic]) -> Heads {
        if let Some(node) = self.nodes.iter_mut().find(|node| node.key == key) {
            node.watched.entry(partition.clone()).or_default().extend(topics.iter().cloned());
        }
        self.heads(partition, topics)
    }

    pub(super) fn unwatch(&mut self, key: NodeKey, partition: &Arc<Partition>, topics: &[Topic]) {
        let Some(node) = self.nodes.iter_mut().find(|node| node.key == key) else { return };
        let Some(watched) = node.watched.get_mut(partition) else { return };
        for topic in topics {
            watched.remove(topic);
        }
        if watched.is_empty() {
            node.watched.remove(partition);
        }
    }

    pub(super) fn heads(&self, partition: &Arc<Partition>, topics: &[Topic]) -> Heads {
        match self.logs.get(partition) {
            None => Heads { epoch: None, last: Id::ZERO, topics: vec![Id::ZERO; topics.len()] },
            Some(log) => Heads {
                epoch: Some(log.epoch.clone()),
                last: log.last,
                topics: topics.iter().map(|topic| log.head(topic)).collect(),
            },
        }
    }

    pub(super) fn written(&self, partition: &Arc<Partition>, since: Id, limit: usize) -> Option<Vec<Topic>> {
        self.logs.get(partition).and_then(|log| log.written(since, limit))
    }

    pub(super) fn read(
        &self,
        partition: &Arc<Partition>,
        topic: &Topic,
        after: Id,
        until: Id,
        limit: usize,
    ) -> Vec<Entry> {
        self.logs.get(partition).map_or_else(Vec::new, |log| log.read(topic, after, until, limit))
    }

    pub(super) fn save(&mut self, partition: &Arc<Partition>, save: Save, now_ms: u64) -> Saved {
        self.sweep(now_ms);
        self.records.save(partition, save, now_ms)
    }

    pub(super) fn claim(
        &mut self,
        partition: &Arc<Partition>,
        pid: PrivateId,
        claimant: Claimant<'_>,
        now_ms: u64,
    ) -> Claim {
        self.records.claim(partition, pid, claimant, now_ms)
    }

    /// One process writes it, from its start to its end.
    pub(super) fn timeline(&mut self, partition: &Arc<Partition>, now_ms: u64) -> Timeline {
        let idle_ms = self.options.history_age_s.saturating_mul(1_000);
        let lineage = self.lineage();
        match self.logs.get(partition) {
            None => Timeline::empty(now_ms, idle_ms),
            Some(log) => Timeline {
                epoch: Some(log.epoch.clone()),
                last: log.last,
                segments: vec![(lineage, Id::ZERO)],
                born_ms: log.born_ms,
                now_ms,
                idle_ms,
            },
        }
    }

    /// Once per node, however many of the topics it watches.
    fn announce(&self, partition: &Arc<Partition>, topics: &SmallVec<[Topic; 1]>, arrival: &Arrival) {
        for node in &self.nodes {
            let watching = node.watched.get(partition);
            if watching.is_some_and(|watched| topics.iter().any(|topic| watched.contains(topic))) {
                offer(&node.queue, arrival.clone());
            }
        }
    }

    fn log(&mut self, partition: &Arc<Partition>, now_ms: u64) -> &mut Log {
        if !self.logs.contains_key(partition) {
            self.epochs_made += 1;
            let text = format!("{:016x}{:x}", self.seed, self.epochs_made);
            let epoch = Epoch::new(&text).expect("17 to 32 hexadecimal digits");
            self.logs.insert(partition.clone(), Log::new(epoch, now_ms));
        }
        self.logs.get_mut(partition).expect("it was there or inserted just now")
    }

    fn lineage(&self) -> u32 {
        // Never zero, so that no id equals `Id::ZERO` even if the clock says 1970.
        u32::try_from(self.seed >> 32).unwrap_or(u32::MAX).max(1)
    }

    /// A partition that somebody watches keeps its log, since a new epoch would be told to every socket.
    fn sweep(&mut self, now_ms: u64) {
        let every_ms = SWEEP_MS.min(self.options.history_age_s.saturating_mul(250));
        if now_ms.saturating_sub(self.swept_ms) < every_ms {
            return;
        }
        self.swept_ms = now_ms;
        self.records.expire(now_ms);
        let (options, nodes) = (&self.options, &self.nodes);
        self.logs.retain(|partition, log| {
            log.expire(now_ms, options);
            !log.is_idle() || nodes.iter().any(|node| node.watched.contains_key(partition))
        });
    }
}

/// Nobody else has a copy: stored, but never on a replica.
fn replicated(receipt: Receipt, durability: Durability) -> Result<Receipt, PublishError> {
    match durability {
        Durability::Accepted => Ok(receipt),
        Durability::Replicated(0) => Ok(Receipt { replicas: Some(0), ..receipt }),
        Durability::Replicated(wanted) => Err(PublishError::NotReplicated { confirmed: 0, wanted }),
    }
}

/// A sweep walks every topic; at most this often.
const SWEEP_MS: u64 = 10_000;
