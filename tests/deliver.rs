//! Lanes as a node runs them, on a memory backplane that loses announcements and fails on demand.

#![expect(clippy::disallowed_methods, reason = "a test starts tasks and watches deadlines of its own")]

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fanfare::backplane::{
    Announcement, Arrival, Backplane, Durability, Entry, GapReason, Heads, LaneOptions, Options, PublishError,
    PublishRequest, Receipt, Unavailable,
};
use fanfare::event::{Body, Event, Id, Partition, Position, Publication, Target, Topic, encode};
use fanfare::flows::deliver::{LaneItem, Lanes, Outlet};
use fanfare::ids::{Namespace, Room, Tenant};
use fanfare::memory::MemoryBackplane;
use futures::future::{BoxFuture, FutureExt as _, join_all};
use smallvec::SmallVec;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[tokio::test]
async fn what_is_published_after_acquire_comes_in_order() {
    let mut node = Node::start(&[]);
    let floor = node.lanes.acquire(&node.partition, &[room("a")], None).await.unwrap();
    assert_eq!(floor, None, "nothing was published");
    for number in 0..100 {
        node.publish("a", &number.to_string()).await;
    }
    for number in 0..100 {
        let (text, id, position) = node.next_event().await;
        assert_eq!((text, id), (number.to_string(), position.map(|position| position.id)));
    }
}

#[tokio::test]
async fn lost_announcements_are_read_from_the_log_also_the_last() {
    let mut node = Node::start(&["2", "3", "7", "9"]);
    node.lanes.acquire(&node.partition, &[room("a"), room("b")], None).await.unwrap();
    for number in 0..10 {
        node.publish(if number % 3 == 0 { "b" } else { "a" }, &number.to_string()).await;
    }
    let mut texts = HashSet::new();
    while texts.len() < 10 {
        assert!(texts.insert(node.next_event().await.0), "delivered twice: {texts:?}");
    }
    assert!(node.outlet.gaps.lock().unwrap().is_empty());
    let counters = node.lanes.counters();
    assert_eq!(counters.delivered, 10);
}

#[tokio::test]
async fn what_the_log_has_trimmed_is_told() {
    let lost: Vec<String> = (1..20).map(|number| number.to_string()).collect();
    let mut node = Node::start(&lost.iter().map(String::as_str).collect::<Vec<_>>());
    node.lanes.acquire(&node.partition, &[room("a")], None).await.unwrap();
    for number in 0..=20 {
        node.publish("a", &number.to_string()).await;
    }
    assert_eq!(node.next_event().await.0, "0");
    // Eight are kept.
    for number in 13..=20 {
        assert_eq!(node.next_event().await.0, number.to_string());
    }
    let gaps = node.outlet.gaps.lock().unwrap();
    assert_eq!(*gaps, [(room("a"), GapReason::Trimmed)]);
}

#[tokio::test]
async fn a_publication_that_cannot_be_read_stops_nothing() {
    let mut node = Node::start(&[]);
    node.lanes.acquire(&node.partition, &[room("a")], None).await.unwrap();
    node.publish_raw("a", Bytes::from_static(b"\xc1 not an envelope")).await;
    node.publish("a", "readable").await;
    assert_eq!(node.next_event().await.0, "readable");
    assert_eq!(node.lanes.unreadable(), 1);
}

#[tokio::test]
async fn a_connect_storm_becomes_few_calls_and_nobody_waits_for_another() {
    let mut node = Node::start(&[]);
    node.lanes.acquire(&node.partition, &[room("a")], None).await.unwrap();
    node.backplane.slow.store(true, Ordering::Release);
    let storm = (0..1_000).map(|number| {
        let (lanes, partition) = (node.lanes.clone(), node.partition.clone());
        tokio::spawn(async move { lanes.acquire(&partition, &[room(&format!("r{}", number % 600))], None).await })
    });
    let storm: Vec<_> = storm.collect();
    node.backplane.arrived.notified().await;
    // A subscription is under way and does not come back; events flow all the same.
    node.publish("a", "meanwhile").await;
    assert_eq!(node.next_event().await.0, "meanwhile");
    node.backplane.slow.store(false, Ordering::Release);
    node.backplane.go.notify_one();
    for answer in join_all(storm).await {
        answer.unwrap().unwrap();
    }
    let calls = node.backplane.watches.load(Ordering::Acquire);
    assert!(calls <= 5, "{calls} calls");
}

#[tokio::test]
async fn a_refused_subscription_holds_nothing_and_can_be_asked_for_again() {
    let mut node = Node::start(&[]);
    node.backplane.refuse.store(true, Ordering::Release);
    assert!(node.lanes.acquire(&node.partition, &[room("a")], None).await.is_err());
    node.backplane.refuse.store(false, Ordering::Release);
    node.lanes.acquire(&node.partition, &[room("a")], None).await.unwrap();
    node.publish("a", "x").await;
    assert_eq!(node.next_event().await.0, "x");
}

#[tokio::test]
async fn whoever_waits_when_the_node_stops_is_refused() {
    let node = Node::start(&[]);
    node.backplane.slow.store(true, Ordering::Release);
    let (lanes, partition) = (node.lanes.clone(), node.partition.clone());
    let waiting = tokio::spawn(async move { lanes.acquire(&partition, &[room("a")], None).await });
    node.backplane.arrived.notified().await;
    node.stop.cancel();
    assert!(waiting.await.unwrap().is_err());
    assert!(node.lanes.acquire(&node.partition, &[room("b")], None).await.is_err());
    node.tracker.close();
    node.tracker.wait().await;
}

#[tokio::test]
async fn the_floor_covers_what_was_published_before() {
    let mut node = Node::start(&[]);
    let first = node.publish("a", "before").await;
    let floor = node.lanes.acquire(&node.partition, &[room("a")], None).await.unwrap().unwrap();
    assert_eq!(floor.id, first);
    let second = node.publish("a", "after").await;
    assert_eq!(node.next_event().await.0, "after");
    // Watched already: the floor is where the lane stands.
    let again = node.lanes.acquire(&node.partition, &[room("a")], None).await.unwrap().unwrap();
    assert_eq!(again.id, second);
    assert_eq!(node.lanes.position(&node.partition), Some(again));
}

struct Node {
    backplane: Arc<Faulty>,
    outlet: Arc<Heard>,
    heard: mpsc::Receiver<(String, Option<Id>, Option<Position>)>,
    lanes: Lanes,
    partition: Arc<Partition>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Node {
    /// The announcements of publications with these texts are lost.
    fn start(lost: &[&str]) -> Self {
        let clock = AtomicU64::new(1_700_000_000_000);
        let options = Options { history_entries: 8, ..Options::default() };
        let inner = MemoryBackplane::new(options, move || clock.fetch_add(1, Ordering::Relaxed));
        let lost = lost.iter().map(|text| envelope(text)).collect();
        let backplane = Arc::new(Faulty::new(inner, lost));
        let (sender, heard) = mpsc::channel(1_000);
        let outlet = Arc::new(Heard { events: sender, gaps: Mutex::default() });
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let started = Instant::now();
        let now_ms = move || u64::try_from(started.elapsed().as_millis()).unwrap();
        let lanes = Lanes::start(
            backplane.clone(),
            outlet.clone(),
            Arc::new(now_ms),
            LaneOptions::default(),
            (tracker.clone(), stop.clone()),
        );
        let partition = Partition::new(Tenant::new("t").unwrap(), Namespace::root());
        Self { backplane, outlet, heard, lanes, partition, tracker, stop }
    }

    async fn publish(&self, name: &str, text: &str) -> Id {
        self.publish_raw(name, envelope(text)).await
    }

    async fn publish_raw(&self, name: &str, envelope: Bytes) -> Id {
        let request = PublishRequest {
            partition: self.partition.clone(),
            topics: SmallVec::from_iter([room(name)]),
            envelope,
            volatile: false,
            idempotency: None,
            durability: Durability::Accepted,
            fence: None,
            inbox_id: None,
        };
        self.backplane.publish(request).await.unwrap().position.unwrap().id
    }

    async fn next_event(&mut self) -> (String, Option<Id>, Option<Position>) {
        tokio::time::timeout(Duration::from_secs(10), self.heard.recv()).await.expect("an event in time").unwrap()
    }
}

struct Heard {
    events: mpsc::Sender<(String, Option<Id>, Option<Position>)>,
    gaps: Mutex<Vec<(Topic, GapReason)>>,
}

impl Outlet for Heard {
    fn deliver<'a>(&'a self, _: &'a Arc<Partition>, item: LaneItem) -> BoxFuture<'a, ()> {
        async move {
            match item {
                LaneItem::Event { publication, id, position } => {
                    let Body::Event(event) = publication.body else { panic!("an event") };
                    let text = event.args.split('"').nth(1).unwrap().to_owned();
                    self.events.send((text, id, position)).await.unwrap();
                }
                LaneItem::Gap(notice) => self.gaps.lock().unwrap().push((notice.topic, notice.reason)),
            }
        }
        .boxed()
    }
}

/// A backplane that loses chosen announcements, and whose subscriptions can be made to wait or to fail.
struct Faulty {
    inner: MemoryBackplane,
    arrivals: Mutex<Option<mpsc::Receiver<Arrival>>>,
    watches: AtomicUsize,
    slow: AtomicBool,
    refuse: AtomicBool,
    /// A slow subscription has begun; it goes on with `go`.
    arrived: Notify,
    go: Notify,
}

impl Faulty {
    fn new(inner: MemoryBackplane, lost: Vec<Bytes>) -> Self {
        let mut from = inner.arrivals().unwrap();
        let (to, arrivals) = mpsc::channel(1_000);
        tokio::spawn(async move {
            while let Some(arrival) = from.recv().await {
                let drop = |announcement: &Announcement| lost.contains(&announcement.envelope);
                if !matches!(&arrival, Arrival::Sequenced(announcement) if drop(announcement))
                    && to.send(arrival).await.is_err()
                {
                    return;
                }
            }
        });
        Self {
            inner,
            arrivals: Mutex::new(Some(arrivals)),
            watches: AtomicUsize::new(0),
            slow: AtomicBool::new(false),
            refuse: AtomicBool::new(false),
            arrived: Notify::new(),
            go: Notify::new(),
        }
    }
}

impl Backplane for Faulty {
    fn publish(&self, request: PublishRequest) -> BoxFuture<'_, Result<Receipt, PublishError>> {
        self.inner.publish(request)
    }

    fn watch<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        topics: &'a [Topic],
    ) -> BoxFuture<'a, Result<Heads, Unavailable>> {
        async move {
            self.watches.fetch_add(1, Ordering::AcqRel);
            if self.slow.load(Ordering::Acquire) {
                self.arrived.notify_one();
                self.go.notified().await;
            }
            if self.refuse.load(Ordering::Acquire) {
                return Err(Unavailable("refused".into()));
            }
            self.inner.watch(partition, topics).await
        }
        .boxed()
    }

    fn unwatch<'a>(&'a self, partition: &'a Arc<Partition>, topics: &'a [Topic]) -> BoxFuture<'a, ()> {
        self.inner.unwatch(partition, topics)
    }

    fn heads<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        topics: &'a [Topic],
    ) -> BoxFuture<'a, Result<Heads, Unavailable>> {
        self.inner.heads(partition, topics)
    }

    fn written<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        since: Id,
        limit: usize,
    ) -> BoxFuture<'a, Result<Option<Vec<Topic>>, Unavailable>> {
        self.inner.written(partition, since, limit)
    }

    fn read<'a>(
        &'a self,
        partition: &'a Arc<Partition>,
        topic: &'a Topic,
        after: Id,
        until: Id,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>, Unavailable>> {
        self.inner.read(partition, topic, after, until, limit)
    }

    fn arrivals(&self) -> Option<mpsc::Receiver<Arrival>> {
        self.arrivals.lock().unwrap().take()
    }

    fn proven(&self) -> Result<(), Unavailable> {
        self.inner.proven()
    }
}

fn room(name: &str) -> Topic {
    Topic::Room(Room::new(name).unwrap())
}

fn envelope(text: &str) -> Bytes {
    encode(&Publication {
        target: Target::namespace(),
        body: Body::Event(Event { args: format!("[\"{text}\"]"), attachments: SmallVec::new() }),
        volatile: false,
        published_at_ms: 0,
        traceparent: None,
    })
    .into()
}
