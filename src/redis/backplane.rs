//! [`RedisBackplane`]: the ports, put together from the parts of this room.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fred::clients::Client;
use futures::future::BoxFuture;
use tokio::sync::{OnceCell, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::canary::{Canaries, Singer};
use super::client::Connector;
use super::counters::Counters;
use super::ingest::Ingestion;
use super::keys::Keys;
use super::library::Library;
use super::nodes::Registry;
use super::options::{ConnectError, Options};
use super::publish::{Publisher, announce_verb};
use super::pump::{Channels, Pump};
use super::read::Reader;
use super::sessions::Records;
use super::subscriptions::{Channel, Interrupts, Kind, Subscriptions};
use super::supervisor::Supervisor;
use crate::backplane::resume::{Claim, Claimant, Save, Saved, Sessions, Timeline};
use crate::backplane::{
    self, Address, Arrival, Backplane, Dead, Entry, Fence, Foreign, Heads, InboxEntry, Incarnation, Ingest, Member,
    Nodes, PublishError, PublishRequest, Receipt, Tenure, Unavailable,
};
use crate::event::{Id, Partition, Topic};
use crate::ids::{NodeId, PrivateId};

pub struct RedisBackplane {
    publisher: Publisher,
    reader: Reader,
    records: Records,
    ingestion: Ingestion,
    registry: Registry,
    subscriptions: Subscriptions,
    channels: Arc<Channels>,
    canaries: Arc<Canaries>,
    counters: Arc<Counters>,
    arrivals: Mutex<Option<mpsc::Receiver<Arrival>>>,
    keys: Keys,
    options: Options,
    cluster: bool,
}

/// Connects, loads the publish library and proves the subscriber connection. Tasks run on `tracker` until `stop`.
///
/// # Errors
/// If the options are not usable, or Redis cannot be reached or used now; nothing keeps running then.
pub async fn connect(
    options: Options,
    limits: backplane::Options,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) -> Result<RedisBackplane, ConnectError> {
    // A child token, so that what was started already ends when a later step fails.
    let started = stop.child_token();
    let guard = started.clone().drop_guard();
    let backplane = assemble(options, limits, tracker, started).await?;
    let _ = guard.disarm();
    Ok(backplane)
}

async fn assemble(
    options: Options,
    limits: backplane::Options,
    tracker: &TaskTracker,
    stop: CancellationToken,
) -> Result<RedisBackplane, ConnectError> {
    let keys = Keys::new(&options.key_prefix).ok_or(ConnectError::KeyPrefix)?;
    let connector = Connector::new(&options, tracker.clone(), stop.clone())?;
    let (commands, subscriber) = tokio::try_join!(connector.open(64), connector.open(MESSAGES_MAX))?;
    let counters = Arc::new(Counters::default());
    let canaries = Arc::new(Canaries::new());
    let library = Arc::new(Library::load(commands.clone(), counters.clone()).await?);
    canaries.command_succeeded();
    let deadline = Duration::from_millis(limits.deadline_ms);
    let channels = Arc::new(Channels::default());
    let (arrivals, receiver) = mpsc::channel(options.arrivals_max.max(1));

    let subscriptions = watch_over(&subscriber, deadline, &channels, &canaries, &counters, arrivals, tracker, &stop);
    let cluster = connector.is_cluster();
    hear_the_canary(&subscriptions, &canaries, canary_channel(&keys, None, &options, cluster)).await?;
    let (announce_verb, nonce) = (announce_verb(&connector), options.node.to_string());
    let singer = Singer {
        canaries: canaries.clone(),
        library: library.clone(),
        commands: commands.clone(),
        subscriber,
        subscriptions: subscriptions.clone(),
        announce_verb,
        counters: counters.clone(),
    };
    tracker.spawn(singer.run(stop.clone()));

    let under_way = Semaphore::new(READS_MAX);
    let reader =
        Reader { client: commands.clone(), keys: keys.clone(), deadline, canaries: canaries.clone(), under_way };
    let records = Records::new(commands.clone(), library.clone(), keys.clone(), &limits, tracker, stop.clone());
    let ingestion = Ingestion::new(&options, &connector, &library, &keys, deadline, &counters, tracker, &stop);
    let registry = Registry::new(&options, &connector, commands.clone(), library.clone(), keys.clone(), deadline);
    let publisher = Publisher {
        settings: Publisher::settings(announce_verb, &limits, &nonce),
        client: commands,
        library,
        connector,
        keys: keys.clone(),
        under_way: Semaphore::new(limits.in_flight),
        bytes_under_way: Semaphore::new(limits.in_flight_bytes.min(Semaphore::MAX_PERMITS)),
        limits,
        counters: counters.clone(),
        canaries: canaries.clone(),
        nonce,
        volatiles: AtomicU64::new(0),
        waiting: OnceCell::new(),
    };
    Ok(RedisBackplane {
        publisher,
        reader,
        records,
        ingestion,
        registry,
        subscriptions,
        channels,
        canaries,
        counters,
        arrivals: Mutex::new(Some(receiver)),
        keys,
        options,
        cluster,
    })
}

async fn hear_the_canary(
    subscriptions: &Subscriptions,
    canaries: &Canaries,
    channel: Channel,
) -> Result<(), ConnectError> {
    canaries.add(channel.name.clone());
    subscriptions.subscribe(vec![channel]).await.map_err(|error| ConnectError::Subscription(error.0))
}

#[expect(clippy::too_many_arguments, reason = "the parts of one connection, named once")]
fn watch_over(
    subscriber: &Client,
    deadline: Duration,
    channels: &Arc<Channels>,
    canaries: &Arc<Canaries>,
    counters: &Arc<Counters>,
    arrivals: mpsc::Sender<Arrival>,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) -> Subscriptions {
    let interrupts = Arc::new(Interrupts::default());
    let (subscriptions, requests) = Subscriptions::new(deadline);
    let pump = Pump {
        client: subscriber.clone(),
        channels: channels.clone(),
        canaries: canaries.clone(),
        interrupts: interrupts.clone(),
        counters: counters.clone(),
        arrivals,
    };
    tracker.spawn(pump.run(stop.clone()));
    tracker.spawn(Supervisor::new(subscriber.clone(), requests, interrupts, counters.clone()).run(stop.clone()));
    subscriptions
}

impl RedisBackplane {
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// The address that packets to Redis leave this machine from.
    pub async fn local_address(&self) -> Option<std::net::IpAddr> {
        self.registry.local_address().await
    }

    fn channel(&self, partition: &Partition, topic: &Topic) -> Channel {
        shard_or_plain(self.keys.channel(partition, topic), self.cluster)
    }

    async fn subscribe(&self, partition: &Arc<Partition>, topics: &[Topic]) -> Result<(), Unavailable> {
        let mut wanted: Vec<Channel> = topics.iter().map(|topic| self.channel(partition, topic)).collect();
        let names: Vec<Arc<str>> = wanted.iter().map(|channel| channel.name.clone()).collect();
        for (name, topic) in names.iter().zip(topics) {
            self.channels.begin(name.clone(), partition, topic);
        }
        if self.cluster {
            let canary = canary_channel(&self.keys, Some(partition), &self.options, true);
            self.canaries.add(canary.name.clone());
            wanted.push(canary);
        }
        let subscribed = self.subscriptions.subscribe(wanted).await;
        if subscribed.is_err() {
            for name in &names {
                self.channels.take_back(name);
            }
        }
        subscribed
    }
}

impl Backplane for RedisBackplane {
    fn publish(&self, request: PublishRequest) -> BoxFuture<'_, Result<Receipt, PublishError>> {
        Box::pin(self.publisher.publish(request))
    }

    fn watch<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        topics: &'a [Topic],
    ) -> BoxFuture<'a, Result<Heads, Unavailable>> {
        Box::pin(async move {
            self.subscribe(partition, topics).await?;
            let heads = self.reader.heads(partition, topics).await;
            if heads.is_err() {
                self.unwatch(partition, topics).await;
            }
            heads
        })
    }

    fn unwatch<'a>(&'a self, partition: &'a Arc<Partition>, topics: &'a [Topic]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let channels: Vec<Channel> = topics.iter().map(|topic| self.channel(partition, topic)).collect();
            for channel in &channels {
                self.channels.remove(&channel.name);
            }
            self.subscriptions.unsubscribe(channels).await;
        })
    }

    fn heads<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        topics: &'a [Topic],
    ) -> BoxFuture<'a, Result<Heads, Unavailable>> {
        Box::pin(self.reader.heads(partition, topics))
    }

    fn written<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        since: Id,
        limit: usize,
    ) -> BoxFuture<'a, Result<Option<Vec<Topic>>, Unavailable>> {
        Box::pin(self.reader.written(partition, since, limit))
    }

    fn read<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        topic: &'a Topic,
        after: Id,
        until: Id,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>, Unavailable>> {
        Box::pin(self.reader.read(partition, topic, after, until, limit))
    }

    fn arrivals(&self) -> Option<mpsc::Receiver<Arrival>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn proven(&self) -> Result<(), Unavailable> {
        self.canaries.proven()
    }
}

impl Sessions for RedisBackplane {
    fn save<'a>(&'a self, partition: &'a Arc<Partition>, save: Save) -> BoxFuture<'a, Result<Saved, Unavailable>> {
        Box::pin(self.records.save(partition, save))
    }

    fn claim<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        pid: PrivateId,
        claimant: Claimant<'a>,
    ) -> BoxFuture<'a, Result<Claim, Unavailable>> {
        Box::pin(self.records.claim(partition, pid, claimant))
    }

    fn timeline<'a>(&'a self, partition: &'a Arc<Partition>) -> BoxFuture<'a, Result<Timeline, Unavailable>> {
        Box::pin(self.records.timeline(partition))
    }
}

impl Ingest for RedisBackplane {
    fn lead<'a>(&'a self, partition: &'a Arc<Partition>) -> BoxFuture<'a, Result<Option<Fence>, Unavailable>> {
        Box::pin(self.ingestion.lead(partition))
    }

    fn resign<'a>(&'a self, partition: &'a Arc<Partition>, fence: Fence) -> BoxFuture<'a, ()> {
        Box::pin(self.ingestion.resign(partition, fence))
    }

    fn listen<'a>(&'a self, channels: &'a [String], patterns: &'a [String]) -> BoxFuture<'a, Result<(), Unavailable>> {
        Box::pin(self.ingestion.listen(channels, patterns))
    }

    fn unlisten<'a>(&'a self, channels: &'a [String], patterns: &'a [String]) -> BoxFuture<'a, ()> {
        Box::pin(self.ingestion.unlisten(channels, patterns))
    }

    fn foreign(&self) -> Option<mpsc::Receiver<Foreign>> {
        self.ingestion.foreign()
    }

    fn inbox<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<InboxEntry>, Unavailable>> {
        Box::pin(self.ingestion.inbox(partition, limit))
    }

    fn discard<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        inbox_id: &'a str,
    ) -> BoxFuture<'a, Result<(), Unavailable>> {
        Box::pin(self.ingestion.discard(partition, inbox_id))
    }
}

impl Nodes for RedisBackplane {
    fn enter<'a>(&'a self, address: &'a Address) -> BoxFuture<'a, Result<Tenure, Unavailable>> {
        Box::pin(self.registry.enter(address))
    }

    fn renew(&self, incarnation: Incarnation) -> BoxFuture<'_, Result<Option<Tenure>, Unavailable>> {
        Box::pin(self.registry.renew(incarnation))
    }

    fn leave(&self, incarnation: Incarnation) -> BoxFuture<'_, ()> {
        Box::pin(self.registry.leave(incarnation))
    }

    fn find(&self, node: NodeId) -> BoxFuture<'_, Result<Option<Member>, Unavailable>> {
        Box::pin(self.registry.find(node))
    }

    fn dead(&self) -> BoxFuture<'_, Result<Vec<Dead>, Unavailable>> {
        Box::pin(self.registry.dead())
    }

    fn bury<'a>(&'a self, dead: &'a Dead) -> BoxFuture<'a, Result<bool, Unavailable>> {
        Box::pin(self.registry.bury(dead))
    }

    fn share<'a>(&'a self, proposed: &'a str) -> BoxFuture<'a, Result<String, Unavailable>> {
        Box::pin(self.registry.share(proposed))
    }
}

fn canary_channel(keys: &Keys, partition: Option<&Partition>, options: &Options, cluster: bool) -> Channel {
    shard_or_plain(keys.canary(partition, &options.node), cluster)
}

fn shard_or_plain(name: String, cluster: bool) -> Channel {
    let kind = if cluster { Kind::Shard(fred::util::redis_keyslot(name.as_bytes())) } else { Kind::Plain };
    Channel { kind, name: name.into() }
}

/// What fred keeps while the pump is not scheduled; some ten microseconds' work, in truth.
const MESSAGES_MAX: usize = 8_192;
const READS_MAX: usize = 256;
