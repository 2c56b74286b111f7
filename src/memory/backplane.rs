//! The backplane port on a store in this process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{BoxFuture, FutureExt as _};
use tokio::sync::mpsc;

use super::store::{NodeKey, Store};
use crate::backplane::resume::{Claim, Claimant, Save, Saved, Sessions, Timeline};
use crate::backplane::{Arrival, Backplane, Entry, Heads, Options, PublishError, PublishRequest, Receipt, Unavailable};
use crate::event::{Id, Partition, Topic};
use crate::ids::PrivateId;

/// One node of an in-process store.
///
/// The store is behind a lock that is held for single steps, never across an await: publishers on every worker share one
/// order, which is what a log is.
pub struct MemoryBackplane {
    store: Arc<Mutex<Store>>,
    now_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
    node: NodeKey,
    arrivals: Mutex<Option<mpsc::Receiver<Arrival>>>,
}

impl MemoryBackplane {
    /// A node with a store of its own. `now_ms` is the wall clock in milliseconds since 1970; ids are made of it.
    pub fn new(options: Options, now_ms: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        let mut seed = [0; 8];
        if getrandom::fill(&mut seed).is_err() {
            // Only this process ever reads these ids, so the time of its start tells its lives apart well enough.
            seed = now_ms().to_be_bytes();
            seed.rotate_left(4);
        }
        let store = Arc::new(Mutex::new(Store::new(options, u64::from_be_bytes(seed), now_ms())));
        Self::join(store, Arc::new(now_ms))
    }

    /// Another node on the same store, with its own watched topics and its own arrivals.
    #[must_use]
    pub fn another_node(&self) -> Self {
        Self::join(self.store.clone(), self.now_ms.clone())
    }

    fn join(store: Arc<Mutex<Store>>, now_ms: Arc<dyn Fn() -> u64 + Send + Sync>) -> Self {
        let (queue, arrivals) = mpsc::channel(ARRIVALS_MAX);
        let node = store.lock().unwrap_or_else(PoisonError::into_inner).join(queue);
        Self { store, now_ms, node, arrivals: Mutex::new(Some(arrivals)) }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for MemoryBackplane {
    fn drop(&mut self) {
        self.store().leave(self.node);
    }
}

impl Backplane for MemoryBackplane {
    fn publish(&self, request: PublishRequest) -> BoxFuture<'_, Result<Receipt, PublishError>> {
        async move {
            let now_ms = (self.now_ms)();
            self.store().publish(request, now_ms)
        }
        .boxed()
    }

    fn watch<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        topics: &'a [Topic],
    ) -> BoxFuture<'a, Result<Heads, Unavailable>> {
        async move { Ok(self.store().watch(self.node, partition, topics)) }.boxed()
    }

    fn unwatch<'a>(&'a self, partition: &'a Arc<Partition>, topics: &'a [Topic]) -> BoxFuture<'a, ()> {
        async move { self.store().unwatch(self.node, partition, topics) }.boxed()
    }

    fn heads<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        topics: &'a [Topic],
    ) -> BoxFuture<'a, Result<Heads, Unavailable>> {
        async move { Ok(self.store().heads(partition, topics)) }.boxed()
    }

    fn written<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        since: Id,
        limit: usize,
    ) -> BoxFuture<'a, Result<Option<Vec<Topic>>, Unavailable>> {
        async move { Ok(self.store().written(partition, since, limit)) }.boxed()
    }

    fn read<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        topic: &'a Topic,
        after: Id,
        until: Id,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>, Unavailable>> {
        async move { Ok(self.store().read(partition, topic, after, until, limit)) }.boxed()
    }

    fn arrivals(&self) -> Option<mpsc::Receiver<Arrival>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn proven(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}

impl Sessions for MemoryBackplane {
    fn save<'a>(&'a self, partition: &'a Arc<Partition>, save: Save) -> BoxFuture<'a, Result<Saved, Unavailable>> {
        async move { Ok(self.store().save(partition, save, (self.now_ms)())) }.boxed()
    }

    fn claim<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        pid: PrivateId,
        claimant: Claimant<'a>,
    ) -> BoxFuture<'a, Result<Claim, Unavailable>> {
        async move { Ok(self.store().claim(partition, pid, claimant, (self.now_ms)())) }.boxed()
    }

    fn timeline<'a>(&'a self, partition: &'a Arc<Partition>) -> BoxFuture<'a, Result<Timeline, Unavailable>> {
        async move { Ok(self.store().timeline(partition, (self.now_ms)())) }.boxed()
    }
}

/// Announcements that wait for the node's dispatcher; the envelopes are shared with the log.
const ARRIVALS_MAX: usize = 16_384;
