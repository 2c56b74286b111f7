//! Hands what arrives on the subscriber connection to the lanes. It parses the header and nothing else, so that fred's
//! channel, which drops what is not taken in time, is always empty; what the lanes do not take in time is dropped here, and
//! they are told.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use fred::clients::Client;
use fred::interfaces::EventInterface as _;
use fred::types::Message;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;

use super::announcement::{self, Heard, Known};
use super::canary::Canaries;
use super::counters::Counters;
use super::keys::topic_of_channel;
use super::subscriptions::Interrupts;
use crate::backplane::{Announcement, Arrival};
use crate::event::{Epoch, Partition, Topic};

/// Which partition and topic each channel belongs to. A channel is here before it is subscribed to and until it is given up.
#[derive(Default)]
pub(super) struct Channels(RwLock<HashMap<Arc<str>, Watched>>);

struct Watched {
    partition: Arc<Partition>,
    topic: Topic,
    /// Watches begun; a failed one takes its own back, so that it does not spoil another's.
    begun: usize,
}

impl Channels {
    pub(super) fn begin(&self, channel: Arc<str>, partition: &Arc<Partition>, topic: &Topic) {
        let mut channels = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let watched = || Watched { partition: partition.clone(), topic: topic.clone(), begun: 0 };
        channels.entry(channel).or_insert_with(watched).begun += 1;
    }

    pub(super) fn take_back(&self, channel: &str) {
        let mut channels = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(watched) = channels.get_mut(channel) {
            watched.begun -= 1;
            if watched.begun == 0 {
                channels.remove(channel);
            }
        }
    }

    pub(super) fn remove(&self, channel: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(channel);
    }

    fn belongs_to(&self, channel: &str) -> Option<(Arc<Partition>, Topic)> {
        let channels = self.0.read().unwrap_or_else(PoisonError::into_inner);
        channels.get(channel).map(|watched| (watched.partition.clone(), watched.topic.clone()))
    }
}

pub(super) struct Pump {
    pub(super) client: Client,
    pub(super) channels: Arc<Channels>,
    pub(super) canaries: Arc<Canaries>,
    pub(super) interrupts: Arc<Interrupts>,
    pub(super) counters: Arc<Counters>,
    pub(super) arrivals: mpsc::Sender<Arrival>,
}

impl Pump {
    /// An owed interruption goes first as soon as there is room; messages are taken in any case.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut messages = self.client.message_rx();
        let (mut tokens, mut epoch) = (Tokens::default(), None);
        loop {
            let owed = self.interrupts.is_owed();
            let message = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                place = self.arrivals.reserve(), if owed => {
                    let Ok(place) = place else { return };
                    self.interrupts.settle();
                    self.counters.interrupts.add(1);
                    place.send(Arrival::Interrupted { partition: None });
                    continue;
                }
                message = messages.recv() => message,
                () = self.interrupts.changed() => continue,
            };
            match message {
                Ok(message) => self.hand_over(message, &mut tokens, &mut epoch),
                Err(RecvError::Lagged(number)) => {
                    self.counters.lagged.add(number);
                    self.interrupts.owe();
                }
                Err(RecvError::Closed) => {
                    messages = self.client.message_rx();
                    self.interrupts.owe();
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn hand_over(&self, message: Message, tokens: &mut Tokens, epoch: &mut Option<Epoch>) {
        let Some(bytes) = message.value.into_bytes() else { return };
        let belongs_to = self.channels.belongs_to(&message.channel);
        let name = topic_of_channel(&message.channel);
        let topic = belongs_to.as_ref().map(|(_, topic)| (name, topic));
        let mut known = Known { topic, epoch: epoch.take() };
        let heard = announcement::parse(&bytes, &mut known);
        *epoch = known.epoch;
        if matches!(heard, Some(Heard::Canary(_))) {
            return self.canaries.heard(&message.channel);
        }
        // Given up a moment ago; nobody waits for it.
        let Some((partition, _)) = belongs_to else { return };
        let arrival = match heard {
            Some(Heard::Stored { epoch, id, topics, envelope }) => {
                Arrival::Sequenced(Announcement { partition, epoch, id, topics, envelope })
            }
            Some(Heard::Volatile { token: Some(token), .. }) if !tokens.insert(&token) => return,
            Some(Heard::Volatile { token: _, envelope }) => Arrival::Volatile { partition, envelope },
            Some(Heard::Canary(_)) | None => {
                self.counters.unreadable.add(1);
                Arrival::Unreadable
            }
        };
        self.counters.arrivals.add(1);
        if let Err(TrySendError::Full(lost)) = self.arrivals.try_send(arrival) {
            self.counters.overflowed.add(1);
            if matches!(lost, Arrival::Sequenced(_) | Arrival::Interrupted { .. }) {
                self.interrupts.owe();
            }
        }
    }
}

/// Tokens of the volatile publications heard lately: the copies of one, one for each of its channels, come close together.
#[derive(Default)]
struct Tokens {
    known: HashSet<Bytes>,
    order: VecDeque<Bytes>,
}

impl Tokens {
    /// `false` if it is known.
    fn insert(&mut self, token: &[u8]) -> bool {
        // A copy, so that no message is kept alive by its token.
        let token = Bytes::copy_from_slice(token);
        if !self.known.insert(token.clone()) {
            return false;
        }
        self.order.push_back(token);
        if self.order.len() > TOKENS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

/// Far more than are under way at once.
const TOKENS_MAX: usize = 4_096;
