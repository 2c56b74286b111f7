//! The foreign ways in: leadership, plain channels, and the inbox stream.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::EventInterface as _;
use fred::types::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OnceCell, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::{Connector, unavailable};
use super::counters::Counters;
use super::inbox::Inboxes;
use super::keys::Keys;
use super::library::{Call, Function, Library};
use super::options::Options;
use super::subscriptions::{Channel, Interrupts, Kind, Subscriptions};
use super::supervisor::Supervisor;
use crate::backplane::{Fence, Foreign, InboxEntry, Unavailable};
use crate::event::Partition;

pub(super) struct Ingestion {
    library: Arc<Library>,
    connector: Connector,
    keys: Keys,
    node: String,
    deadline: Duration,
    inboxes: Inboxes,
    /// Opened when the first channel is listened to: only a leader needs it.
    listener: OnceCell<Subscriptions>,
    messages: mpsc::Sender<Foreign>,
    foreign: Mutex<Option<mpsc::Receiver<Foreign>>>,
    counters: Arc<Counters>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Ingestion {
    #[expect(clippy::too_many_arguments, reason = "the parts it shares with the rest of the room, named once")]
    pub(super) fn new(
        options: &Options,
        connector: &Connector,
        library: &Arc<Library>,
        keys: &Keys,
        deadline: Duration,
        counters: &Arc<Counters>,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> Self {
        let (messages, receiver) = mpsc::channel(options.foreign_max.max(1));
        Self {
            library: library.clone(),
            connector: connector.clone(),
            keys: keys.clone(),
            node: options.node.to_string(),
            deadline,
            inboxes: Inboxes::new(connector.clone(), keys.clone(), deadline),
            listener: OnceCell::new(),
            messages,
            foreign: Mutex::new(Some(receiver)),
            counters: counters.clone(),
            tracker: tracker.clone(),
            stop: stop.clone(),
        }
    }

    pub(super) async fn lead(&self, partition: &Partition) -> Result<Option<Fence>, Unavailable> {
        let args = vec![Value::from(self.node.as_str()), Value::from(LEASE_MS.to_string())];
        let keys = vec![self.keys.lease(partition), self.keys.fence(partition)];
        let answer = self.library.call(&Call { function: Function::Lead, keys, args }, self.deadline).await;
        let answer = answer.map_err(|error| unavailable(&error, self.deadline))?;
        Ok(answer.as_u64().map(Fence))
    }

    pub(super) async fn resign(&self, partition: &Partition, fence: Fence) {
        let args = vec![Value::from(self.node.as_str()), Value::from(fence.0.to_string())];
        let keys = vec![self.keys.lease(partition), self.keys.fence(partition)];
        // If it fails, the lease ends by itself.
        let _ = self.library.call(&Call { function: Function::Resign, keys, args }, self.deadline).await;
        self.inboxes.close(partition);
    }

    pub(super) async fn listen(&self, channels: &[String], patterns: &[String]) -> Result<(), Unavailable> {
        let listener = self.listener.get_or_try_init(|| self.open_listener()).await?;
        listener.subscribe(wanted(channels, patterns)).await
    }

    pub(super) async fn unlisten(&self, channels: &[String], patterns: &[String]) {
        if let Some(listener) = self.listener.get() {
            listener.unsubscribe(wanted(channels, patterns)).await;
        }
    }

    pub(super) fn foreign(&self) -> Option<mpsc::Receiver<Foreign>> {
        self.foreign.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) async fn inbox(&self, partition: &Partition, limit: usize) -> Result<Vec<InboxEntry>, Unavailable> {
        self.inboxes.read(partition, limit).await
    }

    pub(super) async fn discard(&self, partition: &Partition, inbox_id: &str) -> Result<(), Unavailable> {
        self.inboxes.discard(partition, inbox_id).await
    }

    /// Foreign publishers use plain channels, also in a Cluster.
    async fn open_listener(&self) -> Result<Subscriptions, Unavailable> {
        let opened = tokio::time::timeout(self.deadline, self.connector.open(MESSAGES_MAX)).await;
        let opened = opened.map_err(|_| super::client::late(self.deadline))?;
        let client = opened.map_err(|error| Unavailable(error.to_string()))?;
        let (subscriptions, requests) = Subscriptions::new(self.deadline);
        // Nothing is kept of what foreign publishers send, so there is nothing to compare after an interruption.
        let unheard = Arc::new(Interrupts::default());
        let supervisor = Supervisor::new(client.clone(), requests, unheard, self.counters.clone());
        self.tracker.spawn(supervisor.run(self.stop.clone()));
        let pump = hand_over(client, self.messages.clone(), self.counters.clone(), self.stop.clone());
        self.tracker.spawn(pump);
        Ok(subscriptions)
    }
}

/// Takes messages at once, whoever is late; ends with the stop token.
async fn hand_over(client: Client, messages: mpsc::Sender<Foreign>, counters: Arc<Counters>, stop: CancellationToken) {
    let mut received = client.message_rx();
    loop {
        let message = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            message = received.recv() => message,
        };
        match message {
            Ok(message) => {
                let Some(payload) = message.value.into_bytes() else { continue };
                if messages.try_send(Foreign { channel: message.channel.to_string(), payload }).is_err() {
                    counters.foreign_lost.add(1);
                }
            }
            Err(RecvError::Lagged(number)) => counters.foreign_lost.add(number),
            Err(RecvError::Closed) => {
                received = client.message_rx();
                tokio::task::yield_now().await;
            }
        }
    }
}

fn wanted(channels: &[String], patterns: &[String]) -> Vec<Channel> {
    let channel = |kind| move |name: &String| Channel { kind, name: name.as_str().into() };
    channels.iter().map(channel(Kind::Plain)).chain(patterns.iter().map(channel(Kind::Pattern))).collect()
}

/// A leader renews several times within it.
const LEASE_MS: u64 = 2_000;
const MESSAGES_MAX: usize = 8_192;
