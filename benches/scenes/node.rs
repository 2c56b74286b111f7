//! A node without network and Redis: announcements wait in the backplane's queue, bytes are taken out of the outboxes.
//!
//! Between the two runs what runs in the gateway: dispatcher, lane, envelope, frames, hub, outboxes, metrics. Missing are the
//! reading of Redis' answers, the mailboxes between threads, and the system calls.

use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use fanfare::app::build;
use fanfare::backplane::{Backplane, Durability, LaneOptions, PublishRequest};
use fanfare::clock::Clock;
use fanfare::config::{Flags, Sources, load};
use fanfare::event::{Body, Partition, Publication, Target, Topic, encode};
use fanfare::flows::cluster::Cluster;
use fanfare::flows::deliver::{LaneItem, Lanes, Outlet};
use fanfare::flows::fan_out::{Delivery, apply, prepare};
use fanfare::flows::{Services, Worker};
use fanfare::hub::{ClientKey, Encoding};
use fanfare::ids::{Namespace, NodeId, SocketId};
use fanfare::memory::{LoneNode, MemoryBackplane};
use fanfare::meters::Meters;
use fanfare::tasks::Tasks;
use fanfare::telemetry::Exporter;
use futures::future::BoxFuture;
use metrics::NoopRecorder;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::{Scene, event, room};

/// Sockets, rooms, and how publications come.
pub struct Shape {
    rooms: usize,
    members: usize,
    publications: usize,
    /// Publications that a worker takes in before it writes.
    at_once: usize,
    metered: bool,
}

pub const ROOM_OF_1000: Shape = Shape { rooms: 1, members: 1_000, publications: 200, at_once: 1, metered: true };
pub const BURST: Shape = Shape { at_once: 16, ..ROOM_OF_1000 };
pub const ROOMS_OF_10: Shape = Shape { rooms: 1_000, members: 10, publications: 1_000, at_once: 64, metered: true };
pub const UNMETERED: Shape = Shape { metered: false, ..ROOMS_OF_10 };
pub const UNICAST: Shape = Shape { rooms: 2_000, members: 1, publications: 2_000, at_once: 64, metered: true };

pub fn scene(shape: &'static Shape) -> Box<dyn Scene> {
    Box::new(Node::new(shape))
}

struct Node {
    shape: &'static Shape,
    runtime: Runtime,
    worker: Rc<Worker>,
    outlet: Arc<Prepared>,
    partition: Arc<Partition>,
    exporter: Exporter,
    published: usize,
    dirty: Vec<ClientKey>,
    scratch: Vec<u8>,
}

/// Takes the place of the mailboxes.
#[derive(Default)]
struct Prepared {
    services: OnceLock<Arc<Services>>,
    deliveries: Mutex<Vec<Arc<Delivery>>>,
    arrived: Notify,
}

impl Outlet for Prepared {
    fn deliver<'a>(&'a self, partition: &'a Arc<Partition>, item: LaneItem) -> BoxFuture<'a, ()> {
        let services = self.services.get().expect("the services are there before anything is published");
        let delivery = prepare(services, partition, item);
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::new(delivery));
        self.arrived.notify_one();
        Box::pin(std::future::ready(()))
    }
}

impl Prepared {
    async fn take(&self, wanted: usize) -> Vec<Arc<Delivery>> {
        loop {
            {
                let mut deliveries = self.deliveries.lock().unwrap_or_else(PoisonError::into_inner);
                if deliveries.len() >= wanted {
                    return std::mem::take(&mut *deliveries);
                }
            }
            self.arrived.notified().await;
        }
    }
}

impl Node {
    fn new(shape: &'static Shape) -> Self {
        // Time stands still, so that no timer depends on how fast this runs.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime without input and output needs nothing from the system");
        let outlet = Arc::new(Prepared::default());
        let (recorder, exporter) = Exporter::build().expect("the gateway's own buckets are sound");
        let meters = if shape.metered {
            metrics::with_local_recorder(&recorder, Meters::new)
        } else {
            metrics::with_local_recorder(&NoopRecorder, Meters::new)
        };
        let services = {
            let _inside = runtime.enter();
            Arc::new(services(outlet.clone(), meters))
        };
        let partition = services.partition(&Namespace::root());
        let topics: Vec<Topic> = (0..shape.rooms).map(|number| Topic::of(&room(number))).collect();
        let _ = outlet.services.set(services.clone());
        runtime.block_on(services.lanes.acquire(&partition, &topics, None)).expect("memory takes every subscription");
        let worker = Rc::new(Worker::new(0, services, shape.rooms * shape.members));
        admit(&worker, &partition.namespace, shape);
        Self {
            shape,
            runtime,
            worker,
            outlet,
            partition,
            exporter,
            published: 0,
            dirty: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// What `transport/` does with the outboxes, without the system call.
    fn write_out(&mut self) -> u64 {
        let mut hub = self.worker.hub.borrow_mut();
        hub.take_dirty(&mut self.dirty);
        let mut frames = 0;
        for key in self.dirty.drain(..) {
            let outbox = hub.flushing(key).expect("nobody leaves");
            while !outbox.is_empty() {
                let written = std::hint::black_box(outbox.next_write(&mut self.scratch)).len();
                frames += outbox.advance(written) as u64;
            }
        }
        frames
    }
}

impl Scene for Node {
    fn prepare(&mut self) {
        self.exporter.run_upkeep();
        for _ in 0..self.shape.publications {
            // The step is prime, so every room has its turn in an order that no cache foresees.
            let target = Target::room(room(self.published * 7_919 % self.shape.rooms));
            self.published += 1;
            let topics = target.topics();
            let body = Body::Event(event(self.published));
            let publication = Publication { target, body, volatile: false, published_at_ms: 1, traceparent: None };
            let request = PublishRequest {
                partition: self.partition.clone(),
                topics,
                envelope: encode(&publication).into(),
                volatile: false,
                idempotency: None,
                durability: Durability::Accepted,
                fence: None,
                inbox_id: None,
            };
            let receipt = self.runtime.block_on(self.worker.services.backplane.publish(request));
            receipt.expect("memory takes every publication");
        }
    }

    fn perform(&mut self) -> u64 {
        let deliveries = self.runtime.block_on(self.outlet.take(self.shape.publications));
        let mut frames = 0;
        for taken in deliveries.chunks(self.shape.at_once) {
            for delivery in taken {
                apply(&self.worker, delivery);
            }
            frames += self.write_out();
        }
        assert_eq!(frames, (self.shape.publications * self.shape.members) as u64, "every member once");
        frames
    }
}

/// To be called inside a runtime, which the lanes then run on.
fn services(outlet: Arc<Prepared>, meters: Meters) -> Services {
    let sources = Sources { file: None, environment: std::iter::empty(), flags: Flags::default() };
    let settings = load(sources).expect("the defaults are sound");
    let (clock, tasks) = (Clock::start(), Tasks::default());
    let memory = Arc::new(MemoryBackplane::new(build::backplane_options(&settings), || 1_000));
    let backplane: Arc<dyn Backplane> = memory.clone();
    let lanes = Lanes::start(backplane.clone(), outlet.clone(), Arc::new(|| 0), LaneOptions::default(), tasks.parts());
    let node = NodeId::from_random([1; 9]);
    let address = "127.0.0.1:1".parse().expect("a host and a port");
    let cluster = Cluster::new(node, address, Arc::new(LoneNode::new(node, || 1_000)), clock, None);
    Services {
        cluster,
        tenant: settings.tenant.clone(),
        clock,
        tasks,
        meters,
        backplane,
        sessions: memory,
        replays: build::replays(&settings),
        lanes,
        outlet,
        authenticator: build::authenticator(&settings).expect("no issuer, no problem"),
        namespaces: build::namespaces(&settings).expect("the defaults are sound"),
        limits: build::flow_limits(&settings),
    }
}

fn admit(worker: &Worker, namespace: &Namespace, shape: &Shape) {
    let mut hub = worker.hub.borrow_mut();
    for number in 0..shape.rooms * shape.members {
        let client = hub.open(Encoding::WebSocket, 1 << 20);
        let mut random = [0; 12];
        random[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let socket = hub.admit(client, namespace, SocketId::from_random(random)).expect("the client is there");
        hub.join(socket, &room(number % shape.rooms));
    }
}
