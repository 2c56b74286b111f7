//! Proof, every second, that what is published arrives: a message to oneself through the publish library and back over the
//! subscriber connection. Only this notices a server that holds the connection open and does nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::EventInterface as _;
use fred::types::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::announcement;
use super::client::replace;
use super::counters::Counters;
use super::library::{Call, Function, Library};
use super::subscriptions::Subscriptions;
use crate::backplane::Unavailable;

/// What is known of each canary channel and of the command connection. Times are milliseconds since the start.
pub(super) struct Canaries {
    started: Instant,
    birds: Mutex<HashMap<Arc<str>, Bird>>,
    command_ms: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Bird {
    heard_ms: u64,
    /// When Redis last accepted one for this channel.
    accepted_ms: u64,
    ever_heard: bool,
}

/// What the silence of a canary calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cure {
    None,
    SubscribeAgain,
    ReplaceSubscriber,
}

impl Canaries {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), birds: Mutex::default(), command_ms: AtomicU64::new(0) }
    }

    /// From now on this channel is sung on. The grace for the first song is that of every other.
    pub(super) fn add(&self, channel: Arc<str>) {
        let now = self.now();
        self.birds().entry(channel).or_insert(Bird { heard_ms: now, accepted_ms: now, ever_heard: false });
    }

    pub(super) fn heard(&self, channel: &str) {
        let now = self.now();
        if let Some(bird) = self.birds().get_mut(channel) {
            bird.heard_ms = now;
            bird.ever_heard = true;
        }
    }

    pub(super) fn command_succeeded(&self) {
        self.command_ms.store(self.now(), Ordering::Relaxed);
    }

    pub(super) fn proven(&self) -> Result<(), Unavailable> {
        let (now, silent) = (self.now(), self.oldest_age());
        if self.birds().values().any(|bird| !bird.ever_heard) && silent > SILENCE_MS / 2 {
            return Err(Unavailable("a subscription has not been proven yet".to_owned()));
        }
        if silent > SILENCE_MS {
            return Err(Unavailable(format!("nothing published has come back for {silent} ms")));
        }
        let unanswered = now.saturating_sub(self.command_ms.load(Ordering::Relaxed));
        if unanswered > SILENCE_MS {
            return Err(Unavailable(format!("no command has succeeded for {unanswered} ms")));
        }
        Ok(())
    }

    fn oldest_age(&self) -> u64 {
        let now = self.now();
        self.birds().values().map(|bird| now.saturating_sub(bird.heard_ms)).max().unwrap_or_default()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn birds(&self) -> std::sync::MutexGuard<'_, HashMap<Arc<str>, Bird>> {
        self.birds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bird {
    /// A silence counts against the subscription only if Redis took songs in the meantime.
    fn cure(&self, now: u64) -> Cure {
        let silent = now.saturating_sub(self.heard_ms);
        let unanswered = self.accepted_ms.saturating_sub(self.heard_ms);
        if silent >= SILENCE_MS && unanswered >= SILENCE_MS / 2 {
            Cure::ReplaceSubscriber
        } else if silent >= SILENCE_MS / 2 && unanswered > 0 {
            Cure::SubscribeAgain
        } else {
            Cure::None
        }
    }
}

/// The task that sings, every second until it is stopped. Beside that it hears when slots have moved: their subscriptions
/// stay behind without a word.
pub(super) struct Singer {
    pub(super) canaries: Arc<Canaries>,
    pub(super) library: Arc<Library>,
    pub(super) commands: Client,
    pub(super) subscriber: Client,
    pub(super) subscriptions: Subscriptions,
    pub(super) announce_verb: &'static str,
    pub(super) counters: Arc<Counters>,
}

impl Singer {
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut beat = tokio::time::interval(Duration::from_secs(1));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut number, mut replaced_ms) = (0, 0);
        let mut moves = self.commands.cluster_change_rx();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                change = moves.recv() => {
                    if matches!(change, Err(RecvError::Closed)) {
                        moves = self.commands.cluster_change_rx();
                        tokio::task::yield_now().await;
                    }
                    self.subscriptions.subscribe_again();
                    continue;
                }
                _ = beat.tick() => {}
            }
            number += 1;
            self.sing(number).await;
            self.counters.canary_age_ms.set(self.canaries.oldest_age());
            let now = self.canaries.now();
            if now.saturating_sub(replaced_ms) >= SILENCE_MS && self.heal(now).await {
                replaced_ms = now;
            }
        }
    }

    async fn sing(&self, number: u64) {
        let channels: Vec<Arc<str>> = self.canaries.birds().keys().cloned().collect();
        let songs = channels.iter().map(|channel| async move {
            let args = vec![
                Value::from(self.announce_verb),
                Value::from(channel.to_string()),
                Value::from(announcement::canary(number)),
            ];
            let call = Call { function: Function::Probe, keys: vec![channel.to_string()], args };
            if self.library.call(&call, Duration::from_millis(SILENCE_MS / 3)).await.is_ok() {
                self.canaries.command_succeeded();
                let now = self.canaries.now();
                if let Some(bird) = self.canaries.birds().get_mut(channel) {
                    bird.accepted_ms = now;
                }
            }
        });
        futures::future::join_all(songs).await;
    }

    /// Whether a connection was replaced.
    async fn heal(&self, now: u64) -> bool {
        let mut replaced = false;
        if now.saturating_sub(self.canaries.command_ms.load(Ordering::Relaxed)) >= SILENCE_MS {
            tracing::warn!(
                event = "redis.silent",
                connection = "commands",
                "no command succeeds; the connection is replaced"
            );
            self.counters.replacements.add(1);
            replace(&self.commands).await;
            replaced = true;
        }
        let cures: Vec<Cure> = self.canaries.birds().values().map(|bird| bird.cure(now)).collect();
        if cures.contains(&Cure::ReplaceSubscriber) {
            tracing::warn!(
                event = "redis.silent",
                connection = "subscriber",
                "nothing published comes back; the connection is replaced"
            );
            self.counters.replacements.add(1);
            replace(&self.subscriber).await;
            self.subscriptions.subscribe_again();
            replaced = true;
        } else if cures.contains(&Cure::SubscribeAgain) {
            self.subscriptions.subscribe_again();
        }
        replaced
    }
}

/// After so long a silence a connection is no longer trusted.
const SILENCE_MS: u64 = 3_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_only_while_redis_takes_songs() {
        let bird = |heard_ms, accepted_ms| Bird { heard_ms, accepted_ms, ever_heard: true };
        assert_eq!(bird(10_000, 10_000).cure(11_000), Cure::None);
        assert_eq!(bird(10_000, 11_000).cure(11_600), Cure::SubscribeAgain);
        assert_eq!(bird(10_000, 13_000).cure(13_001), Cure::ReplaceSubscriber);
        assert_eq!(bird(10_000, 10_000).cure(60_000), Cure::None);
    }
}
