//! A Redis of a few lines, as several nodes see it.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::backplane::*;
use crate::event::{Body, Id, Partition, Topic, decode};

#[derive(Default)]
pub(super) struct Redis {
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// Leader, fence, end of the lease.
    leases: HashMap<Arc<Partition>, (usize, Fence, Instant)>,
    fences: u64,
    /// Namespace and arguments of what was published, in order.
    pub(super) log: Vec<String>,
    keys: BTreeSet<String>,
    pub(super) inbox: Vec<(InboxEntry, bool)>,
    nodes: Vec<Arc<Node>>,
    /// So many publishes fail before, and then so many after they are stored.
    pub(super) fail_before: usize,
    pub(super) fail_after: usize,
}

pub(super) struct Node {
    redis: Arc<Redis>,
    number: usize,
    heard: Mutex<(BTreeSet<String>, BTreeSet<String>)>,
    foreign: (mpsc::Sender<Foreign>, Mutex<Option<mpsc::Receiver<Foreign>>>),
    /// Commands no longer reach Redis, messages still arrive.
    cut: Mutex<bool>,
    /// How often it asked for a lease that somebody else had.
    pub(super) turned_away: AtomicUsize,
}

impl Redis {
    pub(super) fn node(self: &Arc<Self>) -> Arc<Node> {
        let (sender, receiver) = mpsc::channel(10_000);
        let number = self.state().nodes.len();
        let foreign = (sender, Mutex::new(Some(receiver)));
        let redis = Arc::clone(self);
        let node = Arc::new(Node {
            redis,
            number,
            heard: Mutex::default(),
            foreign,
            cut: Mutex::new(false),
            turned_away: AtomicUsize::new(0),
        });
        self.state().nodes.push(Arc::clone(&node));
        node
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// PUBLISH: once for every subscription that matches.
    pub(super) fn say(&self, channel: &str, payload: &str) {
        for node in &self.state().nodes {
            for _ in 0..node.matches(channel) {
                let payload = Bytes::copy_from_slice(payload.as_bytes());
                node.foreign.0.try_send(Foreign { channel: channel.to_owned(), payload }).unwrap();
            }
        }
    }

    pub(super) fn push(&self, fields: &[(&str, &str)]) {
        let mut state = self.state();
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), Bytes::copy_from_slice(text.as_bytes()));
        let id = format!("{}-0", state.inbox.len());
        state.inbox.push((InboxEntry { id, fields: fields.iter().map(own).collect() }, false));
    }

    /// Gives every lease to a node that does not exist.
    pub(super) fn depose(&self) {
        let mut state = self.state();
        state.fences += 1;
        let fence = Fence(state.fences);
        for lease in state.leases.values_mut() {
            *lease = (usize::MAX, fence, Instant::now() + LEASE);
        }
    }

    pub(super) fn log(&self) -> Vec<String> {
        self.state().log.clone()
    }
}

impl Node {
    fn matches(&self, channel: &str) -> usize {
        let heard = self.heard.lock().unwrap();
        let patterns = heard.1.iter().filter(|pattern| channel.starts_with(pattern.trim_end_matches('*')));
        usize::from(heard.0.contains(channel)) + patterns.count()
    }

    pub(super) fn hears(&self, channel: &str) -> bool {
        self.matches(channel) > 0
    }

    pub(super) fn cut(&self) {
        *self.cut.lock().unwrap() = true;
    }

    fn reach(&self) -> Result<MutexGuard<'_, State>, Unavailable> {
        if *self.cut.lock().unwrap() { Err(Unavailable("cut".into())) } else { Ok(self.redis.state()) }
    }

    fn store(&self, request: &PublishRequest) -> Result<Receipt, PublishError> {
        let mut state = self.reach()?;
        if state.fail_before > 0 {
            state.fail_before -= 1;
            return Err(Unavailable("before".into()).into());
        }
        let args = || match decode(&request.envelope).unwrap().body {
            Body::Event(event) => format!("{}{}", request.partition.namespace, event.args),
            Body::Command(command) => format!("{}{command:?}", request.partition.namespace),
        };
        if request.volatile {
            state.log.push(args());
            return Ok(Receipt { position: None, duplicate: false, replicas: None });
        }
        let lease = state.leases.get(&request.partition).map(|lease| lease.1);
        if lease != request.fence {
            return Err(PublishError::Fenced);
        }
        let known = request.idempotency.as_ref().is_some_and(|with| !state.keys.insert(with.key.clone()));
        let settled = request.inbox_id.as_ref().is_some_and(|id| !state.settle(id));
        if !known && !settled {
            state.log.push(args());
        }
        if state.fail_after > 0 {
            state.fail_after -= 1;
            return Err(Unavailable("after".into()).into());
        }
        Ok(Receipt { position: None, duplicate: known || settled, replicas: None })
    }
}

impl State {
    /// Whether the entry was still open.
    fn settle(&mut self, id: &str) -> bool {
        let entry = self.inbox.iter_mut().find(|(entry, _)| entry.id == id).unwrap();
        !std::mem::replace(&mut entry.1, true)
    }
}

const LEASE: Duration = Duration::from_secs(2);

impl Ingest for Node {
    fn lead<'a>(&'a self, partition: &'a Arc<Partition>) -> BoxFuture<'a, Result<Option<Fence>, Unavailable>> {
        async move {
            let mut state = self.reach()?;
            let (now, mine) = (Instant::now(), self.number);
            let held = state.leases.get(partition).copied().filter(|lease| lease.2 > now);
            let fence = match held {
                Some((node, fence, _)) if node == mine => fence,
                Some(_) => {
                    self.turned_away.fetch_add(1, Ordering::Relaxed);
                    return Ok(None);
                }
                None => {
                    state.fences += 1;
                    Fence(state.fences)
                }
            };
            state.leases.insert(Arc::clone(partition), (mine, fence, now + LEASE));
            Ok(Some(fence))
        }
        .boxed()
    }

    fn resign<'a>(&'a self, partition: &'a Arc<Partition>, fence: Fence) -> BoxFuture<'a, ()> {
        async move {
            if let Ok(mut state) = self.reach()
                && let Some(lease) = state.leases.get_mut(partition).filter(|lease| lease.1 == fence)
            {
                lease.2 = Instant::now();
            }
        }
        .boxed()
    }

    fn listen<'a>(&'a self, channels: &'a [String], patterns: &'a [String]) -> BoxFuture<'a, Result<(), Unavailable>> {
        async move {
            drop(self.reach()?);
            let mut heard = self.heard.lock().unwrap();
            heard.0.extend(channels.iter().cloned());
            heard.1.extend(patterns.iter().cloned());
            Ok(())
        }
        .boxed()
    }

    fn unlisten<'a>(&'a self, channels: &'a [String], patterns: &'a [String]) -> BoxFuture<'a, ()> {
        async move {
            let mut heard = self.heard.lock().unwrap();
            heard.0.retain(|channel| !channels.contains(channel));
            heard.1.retain(|pattern| !patterns.contains(pattern));
        }
        .boxed()
    }

    fn foreign(&self) -> Option<mpsc::Receiver<Foreign>> {
        self.foreign.1.lock().unwrap().take()
    }

    fn inbox<'a>(&'a self, _: &'a Arc<Partition>, limit: usize) -> BoxFuture<'a, Result<Vec<InboxEntry>, Unavailable>> {
        async move {
            let open = |state: MutexGuard<'_, State>| -> Vec<InboxEntry> {
                state.inbox.iter().filter(|(_, settled)| !settled).map(|(entry, _)| entry.clone()).take(limit).collect()
            };
            let entries = open(self.reach()?);
            if entries.is_empty() {
                sleep(Duration::from_secs(1)).await;
            }
            Ok(entries)
        }
        .boxed()
    }

    fn discard<'a>(&'a self, _: &'a Arc<Partition>, inbox_id: &'a str) -> BoxFuture<'a, Result<(), Unavailable>> {
        async move {
            self.reach()?.settle(inbox_id);
            Ok(())
        }
        .boxed()
    }
}

impl Backplane for Node {
    fn publish(&self, request: PublishRequest) -> BoxFuture<'_, Result<Receipt, PublishError>> {
        async move { self.store(&request) }.boxed()
    }

    fn watch<'a>(&'a self, _: &'a Arc<Partition>, _: &'a [Topic]) -> BoxFuture<'a, Result<Heads, Unavailable>> {
        unreachable!("a leader watches nothing")
    }

    fn unwatch<'a>(&'a self, _: &'a Arc<Partition>, _: &'a [Topic]) -> BoxFuture<'a, ()> {
        unreachable!("a leader watches nothing")
    }

    fn heads<'a>(&'a self, _: &'a Arc<Partition>, _: &'a [Topic]) -> BoxFuture<'a, Result<Heads, Unavailable>> {
        unreachable!("a leader watches nothing")
    }

    fn read<'a>(
        &'a self,
        _: &'a Arc<Partition>,
        _: &'a Topic,
        _: Id,
        _: Id,
        _: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>, Unavailable>> {
        unreachable!("a leader reads no history")
    }

    fn arrivals(&self) -> Option<mpsc::Receiver<Arrival>> {
        None
    }

    fn proven(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}
