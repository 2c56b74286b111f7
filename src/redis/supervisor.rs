//! The task that owns a subscriber connection: it knows what is wanted, and makes it so again whenever in doubt.
//!
//! fred answers SUBSCRIBE before the server has, and tells nobody when a server takes a subscription away. So only this task
//! writes to the connection, one thing at a time, and nothing counts before a PING behind it came back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike as _, PubsubInterface as _};
use fred::types::Value;
use fred::types::config::Server;
use fred::util::redis_keyslot;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::client::{COMMAND_TIMEOUT, reconnections, replace, unavailable};
use super::counters::Counters;
use super::library::command;
use super::subscriptions::{Channel, Interrupts, Kind, Request};

pub(super) struct Supervisor {
    client: Client,
    wanted: BTreeSet<Channel>,
    requests: mpsc::Receiver<Request>,
    reconnections: broadcast::Receiver<Server>,
    interrupts: Arc<Interrupts>,
    counters: Arc<Counters>,
    /// Everything has to be subscribed to again.
    in_doubt: bool,
    /// CLIENT INFO is allowed and tells the number of subscriptions.
    counts: bool,
    pings: AtomicU64,
}

impl Supervisor {
    pub(super) fn new(
        client: Client,
        requests: mpsc::Receiver<Request>,
        interrupts: Arc<Interrupts>,
        counters: Arc<Counters>,
    ) -> Self {
        let reconnections = reconnections(&client);
        let counts = !client.is_clustered();
        let (wanted, pings) = (BTreeSet::new(), AtomicU64::new(0));
        Self { client, wanted, requests, reconnections, interrupts, counters, in_doubt: false, counts, pings }
    }

    /// Stop comes first; then news of a new connection, since it makes what follows moot; then what is asked; then the
    /// regular look. While in doubt nothing new is taken on, only the retry timer runs beside.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut look = tokio::time::interval(Duration::from_secs(1));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::new();
        loop {
            let retry = self.in_doubt;
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                event = self.reconnections.recv() => {
                    self.in_doubt = true;
                    if matches!(event, Err(broadcast::error::RecvError::Closed)) {
                        self.reconnections = reconnections(&self.client);
                        tokio::time::sleep(RETRY_DELAY).await;
                    }
                }
                () = tokio::time::sleep(RETRY_DELAY), if retry => {}
                number = self.requests.recv_many(&mut batch, BATCH_MAX), if !retry => {
                    if number == 0 {
                        return;
                    }
                    self.serve(&mut batch).await;
                }
                _ = look.tick(), if !retry => self.look().await,
            }
            if self.in_doubt {
                self.subscribe_all().await;
            }
        }
    }

    /// All that was asked meanwhile, with one confirmation. What was refused, or whose asker has given up waiting, is not
    /// wanted any more, unless somebody else asked for it too.
    async fn serve(&mut self, batch: &mut Vec<Request>) {
        let (mut added, mut removed, mut waiting) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        for request in batch.drain(..) {
            match request {
                Request::Subscribe { done, .. } if done.is_closed() => {}
                Request::Subscribe { channels, done } => {
                    for channel in &channels {
                        if self.wanted.insert(channel.clone()) && !removed.remove(channel) {
                            added.insert(channel.clone());
                        }
                    }
                    waiting.push((channels, done));
                }
                Request::Unsubscribe { channels } => {
                    for channel in channels {
                        if self.wanted.remove(&channel) && !added.remove(&channel) {
                            removed.insert(channel);
                        }
                    }
                }
                Request::SubscribeAgain => self.in_doubt = true,
            }
        }
        let new: Vec<Channel> = added.iter().cloned().collect();
        let outcome = self.subscribe(&new).await.map_err(|error| unavailable(&error, COMMAND_TIMEOUT));
        for (channels, done) in waiting {
            if done.send(outcome.clone()).is_ok() && outcome.is_ok() {
                for channel in &channels {
                    added.remove(channel);
                }
            }
        }
        self.wanted.retain(|channel| !added.contains(channel));
        removed.append(&mut added);
        let removed: Vec<Channel> = removed.into_iter().collect();
        if self.unsubscribe(&removed).await.is_err() {
            self.in_doubt = true;
        }
    }

    /// Subscribes and waits for the confirmation. A new connection in between had none of it, so everything is done again.
    async fn subscribe(&mut self, channels: &[Channel]) -> Result<(), Error> {
        self.confirm(channels).await?;
        if self.reconnected() {
            self.in_doubt = true;
            self.subscribe_all().await;
            if self.in_doubt {
                return Err(Error::new(ErrorKind::IO, "the connection was lost while subscribing"));
            }
        }
        Ok(())
    }

    async fn subscribe_all(&mut self) {
        let wanted: Vec<Channel> = self.wanted.iter().cloned().collect();
        loop {
            let _ = self.reconnected();
            if let Err(error) = self.confirm(&wanted).await {
                tracing::debug!(event = "redis.resubscribe_failed", error = error.details());
                if matches!(error.kind(), ErrorKind::Timeout) {
                    self.replace().await;
                }
                return;
            }
            if !self.reconnected() {
                break;
            }
        }
        self.in_doubt = false;
        self.counters.resubscriptions.add(1);
        self.interrupts.owe();
        tracing::info!(event = "redis.resubscribed", channels = wanted.len());
    }

    async fn confirm(&self, channels: &[Channel]) -> Result<(), Error> {
        for group in channels.chunk_by(|one, other| one.kind == other.kind) {
            for batch in group.chunks(BATCH_MAX) {
                let names: Vec<String> = batch.iter().map(|channel| channel.name.to_string()).collect();
                match batch[0].kind {
                    Kind::Plain => self.client.subscribe(names).await?,
                    Kind::Pattern => self.client.psubscribe(names).await?,
                    Kind::Shard(_) => self.client.ssubscribe(names).await?,
                }
            }
            self.round_trip(group[0].kind).await?;
        }
        Ok(())
    }

    async fn unsubscribe(&self, channels: &[Channel]) -> Result<(), Error> {
        for group in channels.chunk_by(|one, other| one.kind == other.kind) {
            for batch in group.chunks(BATCH_MAX) {
                let names: Vec<String> = batch.iter().map(|channel| channel.name.to_string()).collect();
                match batch[0].kind {
                    Kind::Plain => self.client.unsubscribe(names).await?,
                    Kind::Pattern => self.client.punsubscribe(names).await?,
                    Kind::Shard(_) => self.client.sunsubscribe(names).await?,
                }
            }
            self.round_trip(group[0].kind).await?;
        }
        Ok(())
    }

    /// Replies keep the order of their commands, so a PING that came back proves what was written before it. A refused
    /// SUBSCRIBE, or the many confirmations of one SSUBSCRIBE, are taken by fred for the answer of a later command; fresh
    /// tokens are sent until one comes back as itself.
    async fn round_trip(&self, kind: Kind) -> Result<(), Error> {
        let slot = match kind {
            Kind::Plain | Kind::Pattern => redis_keyslot(self.client.id().as_bytes()),
            Kind::Shard(slot) => slot,
        };
        for _ in 0..ROUND_TRIPS_MAX {
            let token = format!("fanfare-{}", self.pings.fetch_add(1, Ordering::Relaxed));
            let answer: Value = self.client.custom(command("PING", slot), vec![token.clone()]).await?;
            if answer.as_str().is_some_and(|text| text == token) {
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Protocol, "the connection does not answer in order"))
    }

    /// Whether the server still has what this task believes it has; also what keeps an idle connection proven.
    async fn look(&mut self) {
        if !self.counts {
            return;
        }
        match self.client.custom::<Value, _>(command("CLIENT", 0), vec!["INFO"]).await {
            Ok(answer) => {
                let held = answer.as_str().and_then(|info| subscriptions_held(&info));
                if held.is_some_and(|held| held != self.wanted.len()) && !self.reconnected() {
                    tracing::warn!(event = "redis.subscriptions_lost", held, wanted = self.wanted.len());
                    self.in_doubt = true;
                    if held > Some(self.wanted.len()) {
                        self.replace().await;
                    }
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::Timeout) => self.replace().await,
            Err(error) if error.details().contains("NOPERM") => self.counts = false,
            Err(_) => {}
        }
    }

    async fn replace(&mut self) {
        self.counters.replacements.add(1);
        self.in_doubt = true;
        replace(&self.client).await;
    }

    /// Takes all news of new connections; having missed some is the same as having heard of one.
    fn reconnected(&mut self) -> bool {
        let mut heard = false;
        loop {
            match self.reconnections.try_recv() {
                Ok(_) | Err(TryRecvError::Lagged(_)) => heard = true,
                Err(TryRecvError::Empty) => return heard,
                Err(TryRecvError::Closed) => {
                    self.reconnections = reconnections(&self.client);
                    return true;
                }
            }
        }
    }
}

/// Channels and patterns of this connection, from `CLIENT INFO`.
fn subscriptions_held(info: &str) -> Option<usize> {
    let number = |name: &str| {
        info.split_ascii_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse::<usize>().ok())
    };
    Some(number("sub")? + number("psub")?)
}

const BATCH_MAX: usize = 512;
const ROUND_TRIPS_MAX: usize = 16;
const RETRY_DELAY: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    #[test]
    fn the_server_tells_how_many_subscriptions_it_holds() {
        assert_eq!(super::subscriptions_held("id=3 db=0 sub=12 psub=2 ssub=0 multi=-1"), Some(14));
        assert_eq!(super::subscriptions_held("id=3"), None);
    }
}
