//! The handle of a supervised subscriber connection: what may be asked of [`super::supervisor`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};

use super::client::late;
use crate::backplane::Unavailable;

/// Something to subscribe to. Sorted by kind, so that each kind (and each slot of a Cluster) is one batch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Channel {
    pub(super) kind: Kind,
    pub(super) name: Arc<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Plain,
    Pattern,
    /// A sharded channel (Cluster) with its slot; channels of two slots cannot be subscribed to in one command.
    Shard(u16),
}

#[derive(Debug)]
pub(super) enum Request {
    Subscribe {
        channels: Vec<Channel>,
        done: oneshot::Sender<Result<(), Unavailable>>,
    },
    Unsubscribe {
        channels: Vec<Channel>,
    },
    /// The subscriptions look lost although the connection stands.
    SubscribeAgain,
}

#[derive(Clone)]
pub(super) struct Subscriptions {
    requests: mpsc::Sender<Request>,
    deadline: Duration,
}

impl Subscriptions {
    pub(super) fn new(deadline: Duration) -> (Self, mpsc::Receiver<Request>) {
        let (requests, receiver) = mpsc::channel(REQUESTS_MAX);
        (Self { requests, deadline }, receiver)
    }

    /// Returns when Redis has confirmed every channel. After an error those that were new are not wanted any more.
    pub(super) async fn subscribe(&self, channels: Vec<Channel>) -> Result<(), Unavailable> {
        let (done, answer) = oneshot::channel();
        let asked = async {
            self.requests.send(Request::Subscribe { channels, done }).await.ok()?;
            answer.await.ok()
        };
        match tokio::time::timeout(self.deadline, asked).await {
            Ok(Some(answer)) => answer,
            Ok(None) => Err(Unavailable("the connection to Redis is being closed".to_owned())),
            Err(_) => Err(late(self.deadline)),
        }
    }

    pub(super) async fn unsubscribe(&self, channels: Vec<Channel>) {
        let _ = self.requests.send(Request::Unsubscribe { channels }).await;
    }

    /// Best effort: a full queue means that the supervisor is busy healing already.
    pub(super) fn subscribe_again(&self) {
        let _ = self.requests.try_send(Request::SubscribeAgain);
    }
}

/// That messages may have been missed, owed to whoever reads them.
#[derive(Debug, Default)]
pub(super) struct Interrupts {
    owed: AtomicBool,
    changed: Notify,
}

impl Interrupts {
    pub(super) fn owe(&self) {
        self.owed.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    pub(super) fn is_owed(&self) -> bool {
        self.owed.load(Ordering::Acquire)
    }

    pub(super) fn settle(&self) {
        self.owed.store(false, Ordering::Release);
    }

    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

const REQUESTS_MAX: usize = 1_024;
